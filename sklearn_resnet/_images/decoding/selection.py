"""The choice of what to read of a file: its channels, its page and its level of resolution."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np

from sklearn_resnet._images.decoding.conversion import find_known_values
from sklearn_resnet._images.decoding.formats import FormatError
from sklearn_resnet._images.file_log import Remark

MANY_CHANNELS = (
    "Pass ImageLoader(mode='channels') to read them all, or channels=[...], indices or names, to "
    "choose them."
)
_PROJECTIONS = ("max", "mean")
PAGES_AS_CHANNELS = "channels"  # for `page`
_NAMES = {"P": "positions", "T": "times", "Z": "planes", "Q": "pages", "C": "channels"}
_MAX_PROJECTED = 100_000  # pages; more are claimed, not stored
_MIN_SCALE = 2  # of a level in a pyramid to the size of the result
_MAX_LISTED, _MAX_NAME = 50, 40  # of channels in a message
_DEPTHS = "ZQ"  # one after the other through a thing, so that the first one can stand for all


class Selection(NamedTuple):
    """What is wanted of a file.

    Attributes
    ----------
    mode : {"RGB", "L", "channels"}
    channels : tuple of int and str, or None
        The channels in their order, by index or name; None for all.
    page : int, {"max", "mean", "middle", "channels"} or None
    level : int or None
        Of a pyramid; None chooses by `size`.
    size : tuple of 2 int or None
        ``(height, width)`` of the result.
    window : bool
        Whether to apply the window of a DICOM file.
    is_deep : bool
        Whether more than 8 bits are used, if the file has them.
    """

    mode: str = "RGB"
    channels: tuple[int | str, ...] | None = None
    page: int | str | None = None
    level: int | None = None
    size: tuple[int, int] | None = None
    window: bool = False
    is_deep: bool = False


class ChannelQuery(tuple):
    """Channels whose indices are wanted instead of their values; see `ChannelsFoundError`."""

    __slots__ = ()


class ChannelsFoundError(Exception):
    """The indices of the channels of a `ChannelQuery`, found before their values are read."""

    def __init__(self, indices):
        super().__init__(indices)
        self.indices = indices


@dataclass(frozen=True)
class Stack:
    """An image along named axes, which is not read yet.

    Attributes
    ----------
    axes : str
        Of the planes, in their order: P for positions or series, T for time, Z for depth, Q for plain
        pages, C for channels. A plane has the others.
    shape : tuple of int
        Of `axes`.
    read : callable
        Takes the indices along `axes`, and returns a plane of shape (height, width) or
        (height, width, n_samples).
    channel_names : tuple of str, or None
        Along C, or of the samples of a plane if there is no C.
    plane_shape : tuple of int
        The height and the width of a plane, for messages.
    no_data : float or None
        The value of pixels that take no part in projections; NaN and infinity never do.
    white_is_zero : bool
        Whether 0 is white, so that the brightest value is the smallest.
    """

    axes: str
    shape: tuple[int, ...]
    read: Callable[[tuple[int, ...]], np.ndarray]
    channel_names: tuple[str, ...] | None = None
    plane_shape: tuple[int, ...] = ()
    no_data: float | None = None
    white_is_zero: bool = False

    def __str__(self):
        sizes = zip(self.axes + "YX", (*self.shape, *self.plane_shape), strict=False)
        return ", ".join(f"{axis} {size}" for axis, size in sizes)

    @property
    def n_channels(self):
        """The size of C; 1 if there is none."""
        return self.shape[self.axes.index("C")] if "C" in self.axes else 1


def select_planes(stack, selection, report):
    """Read the planes of a stack that are wanted, and no others.

    Parameters
    ----------
    stack : Stack
    selection : Selection
    report : callable
        Called with a `Remark` if only the first of several planes is read.

    Returns
    -------
    samples : ndarray of shape (height, width, n_samples)
    names : tuple of str, or None
        The names of the samples, if they are channels that have been chosen: if the stack has an axis
        C or names, or `channels` was given. Otherwise the samples are all of one plane.

    Raises
    ------
    FormatError
        If the selection does not fit the stack.
    """
    if selection.page == PAGES_AS_CHANNELS:
        stack, selection = _make_pages_channels(stack), selection._replace(page=None)
    pages = choose_pages(stack, selection.page, report)
    has_axis = "C" in stack.axes
    if has_axis and stack.n_channels > 1:
        check_channels(stack.channel_names, stack.n_channels, selection)
        chosen = choose_channels(stack.channel_names, stack.n_channels, selection.channels)
        samples, n_each = None, 0
        for i, channel in enumerate(chosen):
            plane = project(stack, pages, channel, selection.page)
            if samples is None:
                n_each = plane.shape[2]
                samples = np.empty((*plane.shape[:2], n_each * len(chosen)), plane.dtype)
            samples[..., i * n_each : (i + 1) * n_each] = plane
        return samples, _name_chosen(stack.channel_names, chosen, n_each)
    samples = project(stack, pages, 0, selection.page)
    n_samples, names = samples.shape[2], stack.channel_names
    names = names if names is not None and len(names) == n_samples else None
    if selection.channels is None:
        return samples, None if names is None and not has_axis else name_channels(names, n_samples)
    n_pages = math.prod(stack.shape) if selection.page is None else 1
    chosen = choose_channels(names, n_samples, selection.channels, n_pages)
    return samples[..., chosen], _name_chosen(names, chosen, 1)


def _make_pages_channels(stack):
    """Make the pages of a stack its channels."""
    long = [axis for axis, size in zip(stack.axes, stack.shape, strict=True) if size > 1]
    if long in ([], ["C"]):
        return stack
    if len(long) > 1 or long[0] not in _DEPTHS:
        raise FormatError(
            f"its axes are {stack}, but page='channels' makes channels of one axis, of pages or of "
            "depth (Z)",
            "Choose a page with ImageLoader(page=), counted from 0 in the order of the file.",
        )
    axes = stack.axes.replace("C", "Q").replace(long[0], "C")
    return replace(stack, axes=axes, channel_names=None)


def choose_channels(names, n_channels, channels, n_pages=1):
    """Find channels by index or name.

    Parameters
    ----------
    names : sequence of str, or None
        The names of all channels.
    n_channels : int
        Their number.
    channels : sequence of int and str, or None
        The channels in the order that is wanted; None for all.
    n_pages : int, default=1
        The number of pages that could be meant as channels.

    Returns
    -------
    list of int
        Their indices.

    Raises
    ------
    FormatError
        If there is no such channel, or several of that name. The error lists the channels.
    """
    if channels is None:
        return list(range(n_channels))
    if isinstance(channels, ChannelQuery):
        raise ChannelsFoundError(choose_channels(names, n_channels, list(channels)))
    known = name_channels(names, n_channels)
    chosen = []
    for channel in channels:
        if isinstance(channel, str):
            found = [i for i, name in enumerate(known) if name == channel]
        else:
            found = [channel % n_channels] if -n_channels <= channel < n_channels else []
        if len(found) != 1:
            problem = "several channels" if found else "no channel"
            listed = list_channels(names, n_channels)
            raise FormatError(
                f"it has {problem} {channel!r}: its channel{'s are' if n_channels > 1 else ' is'} "
                f"{listed}{f', on each of {n_pages} pages' if n_pages > 1 else ''}",
                "Pass ImageLoader(page='channels') if the pages are the channels."
                if n_pages > 1
                else "Choose among these with ImageLoader(channels=[...]), by index or name.",
            )
        chosen += found
    return chosen


def name_channels(names, n_channels):
    """Return the names of channels: their indices where they have none."""
    names = [None] * n_channels if names is None else names
    return tuple(name if name else str(i) for i, name in enumerate(names))


def list_channels(names, n_channels):
    """List channels for a message."""
    known = name_channels(names, n_channels)
    if known == name_channels(None, n_channels):
        return f"0 to {n_channels - 1}" if n_channels > 1 else "0"
    listed = [f"{i} ({name[:_MAX_NAME]!r})" for i, name in enumerate(known[:_MAX_LISTED])]
    return ", ".join([*listed, "..."] if n_channels > _MAX_LISTED else listed)


def check_channels(names, n_channels, selection):
    """Raise FormatError if channels are neither grey nor colours, and the selection takes all."""
    if selection.mode != "channels" and selection.channels is None:
        raise FormatError(
            f"it has {n_channels} channels that are no colours: {list_channels(names, n_channels)}",
            MANY_CHANNELS,
        )


def is_by_channel(selection):
    """Whether channels are wanted, and not the colours of the file."""
    return selection.mode == "channels" or selection.channels is not None


def _name_chosen(names, chosen, n_each):
    """Name the samples of chosen channels."""
    n_known = max(chosen) + 1 if names is None else len(names)
    known = name_channels(names, n_known)
    if n_each == 1:
        return tuple(known[i] for i in chosen)
    return tuple(f"{known[i]}_{sample}" for i in chosen for sample in range(n_each))


def choose_pages(stack, page, report):
    """Find the indices along all axes but C of the planes that are read."""
    axes = [(axis, size) for axis, size in zip(stack.axes, stack.shape, strict=True) if axis != "C"]
    sizes = [size for _, size in axes]
    n_pages = int(np.prod(sizes, dtype=np.int64))
    long = "".join(axis for axis, size in axes if size > 1)
    if isinstance(page, int):
        if not -n_pages <= page < n_pages:
            axes = f": its axes are {stack}" if len(long) > 1 else ""
            pages = f"0 to {n_pages - 1}" if n_pages > 1 else "0"
            raise FormatError(
                f"it has no page {page}, only {pages}{axes}",
                "Choose another one with ImageLoader(page=).",
            )
        return [tuple(map(int, np.unravel_index(page % n_pages, sizes)))] if sizes else [()]
    if any(axis not in _DEPTHS for axis in long):
        problem = "so that it is no single image"
        if page is not None:
            problem = f"and page={page!r} takes pages or planes of depth (Z) together, no others"
        raise FormatError(
            f"its axes are {stack}, {problem}",
            f"Choose one of its {n_pages} pages with ImageLoader(page=), counted from 0 in the order "
            "of the file.",
        )
    if page == "middle":
        return [tuple(size // 2 for size in sizes)]
    if page in _PROJECTIONS:
        if n_pages > _MAX_PROJECTED:
            raise FormatError(
                f"it has {n_pages} pages, more than the {_MAX_PROJECTED} that page={page!r} takes "
                "together",
                "Choose one with ImageLoader(page=), an int or 'middle'.",
            )
        return list(product(*map(range, sizes)))
    if n_pages > 1:
        report_pages(n_pages, report)
    return [(0,) * len(sizes)]


def report_pages(n_pages, report):
    """Report that only the first page is read."""
    report(
        Remark(
            "only the first page was read",
            f"{n_pages} pages",
            "To read another one, or all together, pass ImageLoader(page=), an index, 'max', 'mean', "
            "'middle' or 'channels'.",
        )
    )


def project(stack, pages, channel, projection):
    """Read the pages of a channel, and reduce them to one: each pixel from the pages with data."""
    is_mean = projection == "mean"
    combine = np.add if is_mean else np.minimum if stack.white_is_zero else np.maximum
    total, n_known = None, 0
    for page in pages:
        plane = np.atleast_3d(_read_plane(stack, page, channel))
        if len(pages) == 1:
            return plane
        known = find_known_values(plane, stack.no_data)
        known = 1 if known is None else known.astype(np.uint32)
        values = plane.astype(np.float64) if is_mean else plane
        if total is None:
            total = values
        elif np.ndim(known) == np.ndim(n_known) == 0:
            total = combine(total, values)
        else:
            with np.errstate(invalid="ignore"):
                both = combine(total, values)
            total = np.where(known, np.where(n_known, both, values), total)
        n_known = n_known + known
    if not is_mean:
        return total
    mean = total / np.maximum(n_known, 1)
    return (np.rint(mean) if plane.dtype.kind in "iub" else mean).astype(plane.dtype)


def _read_plane(stack, page, channel):
    """Read a plane by its index along all axes but C, and that along C, in this machine's byte order."""
    index = list(page)
    if "C" in stack.axes:
        index.insert(stack.axes.index("C"), channel)
    plane = stack.read(tuple(index))
    return plane.astype(plane.dtype.newbyteorder("="), copy=False)


def choose_level(shapes, selection, orientation=1):
    """Choose a level of a pyramid.

    Parameters
    ----------
    shapes : list of tuple of int
        The height and the width of each level; the first one has the full resolution.
    selection : Selection
    orientation : int, default=1
        As defined by EXIF.

    Returns
    -------
    int
        The index of the level.
    """
    if selection.level is not None:
        if not 0 <= selection.level < len(shapes):
            raise FormatError(
                f"it has no level {selection.level} of resolution, only "
                + (f"0 to {len(shapes) - 1}" if len(shapes) > 1 else "0"),
                "Choose another one with ImageLoader(level=).",
            )
        return selection.level
    if selection.size is None:
        return 0
    height, width = selection.size if orientation < 5 else selection.size[::-1]
    fitting = [
        i
        for i, shape in enumerate(shapes)
        if shape[0] >= _MIN_SCALE * height and shape[1] >= _MIN_SCALE * width
    ]
    return min(fitting, key=lambda i: shapes[i][0] * shapes[i][1], default=0)
