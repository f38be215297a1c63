"""Arrays in Zarr stores, and images of OME-Zarr, to pixels."""

import warnings
from typing import NamedTuple

import numpy as np
from natsort import natsorted

from sklearn_resnet._images.decoding.formats import FormatError
from sklearn_resnet._images.decoding.limits import check_array
from sklearn_resnet._images.decoding.named_arrays import (
    check_chunks,
    check_planes,
    choose_array,
    is_numeric,
    read_fill_value,
)
from sklearn_resnet._images.decoding.npy import decode_array
from sklearn_resnet._images.decoding.pixels import Pixels
from sklearn_resnet._images.decoding.selection import Stack, choose_level, select_planes
from sklearn_resnet._images.hashing import hash_content
from sklearn_resnet._io.paths import file_version

_AXES = {"t": "T", "c": "C", "z": "Z", "y": "Y", "x": "X"}  # of OME-Zarr, and of `Stack`
_OLD_AXES = "tczyx"  # of OME-Zarr before version 0.3, which names none
_MAX_IMAGES = 100  # that are searched
_REPLACE = "Replace the file or leave it out."
_INSTALL = "Install it with: pip install zarr"


def decode_zarr(path, selection, max_pixels, report, *, dataset=None):
    """Decode an array of a Zarr store, or the first image of OME-Zarr.

    Parameters
    ----------
    path : str
        A folder or a URL.
    selection : Selection
    max_pixels : int or None
    report : callable
    dataset : str, default=None
        The name of a group or array in the store; None for the only one that can be an image.

    Returns
    -------
    Pixels
    """
    node = open_node(path, dataset)
    if not hasattr(node, "dtype"):
        image = describe_ome(node)
        level = choose_level(image.plane_shapes, selection)
        return decode_ome(image, level, selection, max_pixels, report)
    check_planes(node, selection, max_pixels)
    return decode_array(node, selection, report, read_fill_value(node.attrs, node.dtype))


def open_node(path, dataset):
    """Open an array of numbers, or the group of an image of OME-Zarr; see `decode_zarr`."""
    try:
        import zarr
    except ImportError as exc:
        raise FormatError("a Zarr store needs zarr, which cannot be imported", _INSTALL) from exc
    # it warns of other files in a store; catch_warnings would change the filters of other threads
    warnings.filterwarnings("ignore", module=r"zarr\b")
    node = _open_node(zarr, path, dataset)
    if isinstance(node, zarr.Array) and not is_numeric(node.dtype):
        raise FormatError(f"its array has the dtype {node.dtype}, not that of numbers", _REPLACE)
    return node


def hash_zarr(path, *parts):
    """Hash parts and the version of a store, because its chunks may be too many to read.

    Parameters
    ----------
    path : str
        A folder or a URL, with the name of a group or array after it.
    *parts : bytes-like

    Returns
    -------
    bytes of length `HASH_BYTES`
    """
    return hash_content(*parts, file_version(path).encode())


def _open_node(zarr, path, dataset):
    """Open an array, or the group of an image of OME-Zarr."""
    try:
        node = root = zarr.open(path, mode="r")
    except FileNotFoundError as exc:
        raise FormatError("it is no Zarr store", _REPLACE) from exc
    name = (dataset or "").strip("/")
    if name:
        node = root.get(name) if isinstance(root, zarr.Group) else None
    if isinstance(node, zarr.Array) or (node is not None and _find_multiscale(node)):
        return node
    group = root if node is None else node
    images = {} if isinstance(group, zarr.Array) else _list_images(zarr, group)
    shapes = {found: _find_shape(image) for found, image in images.items()}
    return images[choose_array(shapes, dataset if node is None else None)]


def _list_images(zarr, group):
    """List the arrays of numbers below a group, and the groups of OME-Zarr, by path."""
    images, todo = {}, [group]
    while todo and len(images) < _MAX_IMAGES:
        for _, node in natsorted(todo.pop(0).members(), key=lambda member: member[0]):
            if isinstance(node, zarr.Array):
                if is_numeric(node.dtype):
                    images[node.path] = node
            elif _find_multiscale(node):
                images[node.path] = node
            else:
                todo.append(node)
    is_ome = {path: not isinstance(node, zarr.Array) for path, node in images.items()}
    return {path: node for path, node in images.items() if is_ome[path] or not any(is_ome.values())}


def _find_shape(node):
    """Return the shape of an array, or of an image in full resolution."""
    multiscale = _find_multiscale(node)
    return node[multiscale["datasets"][0]["path"]].shape if multiscale else node.shape


def _read_metadata(node):
    """Read the metadata of OME-Zarr; version 0.5 has them under a key."""
    attributes = node.attrs.asdict()
    return attributes.get("ome", attributes)


def _find_multiscale(node):
    """Find the description of the first image; None if the node is none of OME-Zarr."""
    multiscales = _read_metadata(node).get("multiscales")
    return multiscales[0] if multiscales else None


class OmeImage(NamedTuple):
    """An image of OME-Zarr.

    Attributes
    ----------
    levels : list of zarr.Array
    axes : list of str
        As `Stack` names them, with Y and X.
    names : tuple of str, or None
        Of the channels.
    """

    levels: list
    axes: list[str]
    names: tuple[str, ...] | None

    @property
    def yx(self):
        """The positions of Y and X among the axes."""
        return self.axes.index("Y"), self.axes.index("X")

    @property
    def plane_shapes(self):
        """The height and the width of each level."""
        y, x = self.yx
        return [(array.shape[y], array.shape[x]) for array in self.levels]


def describe_ome(group):
    """Make the `OmeImage` of a group."""
    multiscale = _find_multiscale(group)
    levels = [group[dataset["path"]] for dataset in multiscale["datasets"]]
    return OmeImage(levels, _name_axes(multiscale, levels[0].ndim), _read_channel_names(group))


def decode_ome(image, level, selection, max_pixels, report, box=None):
    """Decode a level of an image, or a box of it.

    Parameters
    ----------
    image : OmeImage
        With arrays of Zarr, or others of their interface.
    level : int
    selection, max_pixels, report
        As for `decode_zarr`.
    box : tuple of 4 int, default=None
        ``(top, left, bottom, right)``, of the level; None for the whole plane.

    Returns
    -------
    Pixels
    """
    levels, axes, names = image
    y, x = image.yx
    array = levels[level]
    plane_shape = image.plane_shapes[level]
    top, left, bottom, right = (0, 0, *plane_shape) if box is None else box
    outer = [i for i in range(array.ndim) if i not in (y, x)]
    n_channels = array.shape[axes.index("C")] if "C" in axes else 1
    n_read = n_channels if selection.channels is None else len(selection.channels)
    check_array((bottom - top, right - left, n_read), array.dtype, max_pixels)
    check_chunks(array, max_pixels)

    def read(index):
        key = [slice(None)] * array.ndim
        key[y], key[x] = slice(top, bottom), slice(left, right)
        for i, value in zip(outer, index, strict=True):
            key[i] = value
        plane = np.asarray(array[tuple(key)])
        return plane if y < x else plane.T

    stack = Stack(
        axes="".join(axes[i] for i in outer),
        shape=tuple(array.shape[i] for i in outer),
        read=read,
        channel_names=names if names is not None and len(names) == n_channels else None,
        plane_shape=plane_shape,
    )
    samples, chosen = select_planes(stack, selection, report)
    is_whole = samples.dtype in (np.uint8, np.uint16)
    return Pixels(
        samples=samples,
        space="grey" if chosen is None else "channels",
        bits=8 * samples.dtype.itemsize if is_whole else None,
        channel_names=chosen,
    )


def _name_axes(multiscale, n_axes):
    """Name the axes of an image as `Stack` does, with Y and X."""
    described = multiscale.get("axes") or _OLD_AXES[-n_axes:]
    names = [axis if isinstance(axis, str) else axis.get("name", "") for axis in described]
    kinds = [None if isinstance(axis, str) else axis.get("type") for axis in described]
    letters = [
        "C" if kind == "channel" else _AXES.get(name.lower(), "Q")
        for name, kind in zip(names, kinds, strict=True)
    ]
    if len(letters) != n_axes or len(set(letters)) < n_axes or not {"Y", "X"} <= set(letters):
        raise FormatError(f"its axes, {', '.join(names)}, are not those of an image", _REPLACE)
    return letters


def _read_channel_names(group):
    """Read the names of the channels; None if there are none."""
    channels = _read_metadata(group).get("omero", {}).get("channels") or []
    names = tuple(str(channel.get("label") or i) for i, channel in enumerate(channels))
    return names or None
