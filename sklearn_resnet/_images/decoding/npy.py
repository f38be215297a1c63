"""Arrays, in memory or in files of numpy.save, to pixels."""

import math
import zipfile
from dataclasses import replace

import numpy as np

from sklearn_resnet._images.decoding.formats import FormatError
from sklearn_resnet._images.decoding.limits import check_array
from sklearn_resnet._images.decoding.named_arrays import choose_array, is_numeric
from sklearn_resnet._images.decoding.pixels import STRAIGHT, Pixels
from sklearn_resnet._images.decoding.selection import (
    MANY_CHANNELS,
    PAGES_AS_CHANNELS,
    Selection,
    Stack,
    choose_level,
    is_by_channel,
    select_planes,
)
from sklearn_resnet._images.file_log import Remark
from sklearn_resnet._runtime.threads import make_fork_safe_lock

_SUFFIX = ".npy"  # of the members of a .npz
# Python's parser, which reads the header, at times fails in several threads at once:
# "AST constructor recursion depth mismatch"
_parsing = make_fork_safe_lock()
_CHANNELS_FIRST = "If the channels come first, pass ImageLoader(page='channels') too."


def decode_npy(file, selection, max_pixels, report):
    """Decode an array that numpy.save wrote."""
    shape, is_by_column, dtype = read_npy_header(file)
    if not dtype.hasobject:  # a sparse file can claim any size
        check_file_shape(shape, selection)
        n_pages, plane = (shape[0], shape[1:]) if selection.page is not None else (1, shape)
        if n_pages > 1 and not is_by_column:
            n_read = n_pages if selection.page == PAGES_AS_CHANNELS else 1
            check_array((*plane, n_read), dtype, max_pixels)
            return decode_array(_Pages(file, shape, dtype), selection, report)
        check_array((plane[0] * n_pages, *plane[1:]), dtype, max_pixels)
        array = _read_values(file, shape, dtype, "F" if is_by_column else "C")
        return decode_array(array, selection, report)
    file.seek(0)
    np.lib.format.read_array(file, allow_pickle=False)  # raises the error of pickled objects
    raise AssertionError("pickled objects are not read")


class _Pages:
    """The pages of an array that numpy.save wrote by row, each of which is read when it is needed."""

    def __init__(self, file, shape, dtype):
        self._file, self._start = file, file.tell()
        self.shape, self.dtype = shape, dtype

    def __getitem__(self, i):
        n_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        self._file.seek(self._start + i * n_bytes)
        return _read_values(self._file, self.shape[1:], self.dtype)


def _read_values(file, shape, dtype, order="C"):
    """Read an array at the position of a file."""
    n_bytes = math.prod(shape) * dtype.itemsize
    content = file.read(n_bytes)
    if len(content) < n_bytes:
        raise ValueError("it is damaged: it is too short for its shape")
    return np.frombuffer(content, dtype).reshape(shape, order=order)


def decode_npz(file, selection, max_pixels, report, *, dataset=None):
    """Decode an array of a file that numpy.savez wrote."""
    with zipfile.ZipFile(file) as archive:
        shapes = {}
        for member in archive.namelist():
            if member.endswith(_SUFFIX):
                with archive.open(member) as array:
                    shape, _, dtype = read_npy_header(array)
                if is_numeric(dtype):
                    shapes[member.removesuffix(_SUFFIX)] = shape
        with archive.open(choose_array(shapes, dataset) + _SUFFIX) as array:
            return decode_npy(array, selection, max_pixels, report)


def decode_array(array, selection, report, no_data=None):
    """Make the record of an array in a file.

    Parameters
    ----------
    array : array-like of shape (height, width), (height, width, n_channels) or, if the selection has
            a page, (n_pages, height, width[, n_channels])
        Of NumPy, h5py or Zarr; of pages, only those that are wanted are read.
    selection : Selection
    report : callable
    no_data : float, default=None
        The value of pixels without data.

    Returns
    -------
    Pixels
    """
    check_file_shape(array.shape, selection)
    choose_level([array.shape], selection)  # there is one
    if selection.page is None:
        report_first_channels(array.shape, selection, report)
        return replace(wrap_array(np.asarray(array[...]), selection), no_data=no_data)
    stack = Stack(
        axes="Q",
        shape=array.shape[:1],
        read=lambda index: np.asarray(array[index[0]]),
        plane_shape=array.shape[1:],
        no_data=no_data,
    )
    samples, names = select_planes(stack, selection, report)
    if names is not None:
        return Pixels(samples=samples, space="channels", channel_names=names, no_data=no_data)
    return replace(wrap_array(samples, selection), no_data=no_data)


def wrap_array(array, selection=None):
    """Make the record of an array: grey, RGB, RGB with alpha, or channels.

    Parameters
    ----------
    array : ndarray
    selection : Selection, default=None
        None for a colour or grey image.

    Returns
    -------
    Pixels
    """
    selection = Selection() if selection is None else selection
    check_array_shape(array.shape, selection._replace(page=None))
    if not is_numeric(array.dtype):
        raise TypeError(
            f"Images must be of a bool, integer or float dtype. Got {array.dtype} instead."
        )
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    samples = array if array.ndim == 3 else array[..., np.newaxis]
    if selection.mode == "channels" or selection.channels is not None:
        return Pixels(samples=samples, space="channels")
    n_samples = samples.shape[2]
    return Pixels(
        samples=samples,
        space="grey" if n_samples == 1 else "RGB",
        extra=(STRAIGHT,) if n_samples == 4 else (),
        alpha_has_range=True,
    )


def report_first_channels(shape, selection, report):
    """Report that the channels of an image seem to come first."""
    if is_by_channel(selection) and len(shape) == 3 and 2 * shape[0] <= min(shape[1:]):
        report(
            Remark(
                "the last axis was taken for the channels, but the first one seems to be that",
                f"the shape {shape}",
                "If so, pass ImageLoader(page='channels').",
            )
        )


def read_npy_header(file):
    """Read the shape of an array that numpy.save wrote, whether it is by column, and its dtype."""
    npy = np.lib.format
    version = npy.read_magic(file)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    with _parsing:
        return read_header(file)


def check_file_shape(shape, selection):
    """Raise an error if an array in a file is neither an image nor pages, of which one is chosen.

    Parameters
    ----------
    shape : tuple of int
    selection : Selection
    """
    if len(shape) == 4 and selection.page is None and 0 not in shape:
        raise FormatError(
            f"it must have the shape (height, width) or (height, width, channels), not {shape}",
            "If these are pages, choose one with ImageLoader(page=).",
        )
    check_array_shape(shape, selection)


def check_array_shape(shape, selection):
    """Raise an error if an array has not the shape of an image.

    Parameters
    ----------
    shape : tuple of int
    selection : Selection
    """
    if 0 in shape:
        raise ValueError(f"it has no pixels, its shape is {shape}")
    n_pages = 0 if selection.page is None else 1
    pages = "pages, " * n_pages
    if len(shape) not in (2 + n_pages, 3 + n_pages):
        raise ValueError(
            f"it must have the shape ({pages}height, width) or ({pages}height, width, channels), "
            f"not {shape}"
        )
    n_channels = shape[2 + n_pages] if len(shape) == 3 + n_pages else 1
    if n_channels not in (1, 3, 4) and selection.mode != "channels" and selection.channels is None:
        raise FormatError(
            f"it must have the shape ({pages}height, width) or ({pages}height, width, channels) with "
            f"1, 3 or 4 channels, not {shape}",
            MANY_CHANNELS if n_pages else f"{MANY_CHANNELS} {_CHANNELS_FIRST}",
        )
