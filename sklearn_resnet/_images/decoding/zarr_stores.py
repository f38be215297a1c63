"""Arrays in Zarr stores, and images of OME-Zarr, to pixels."""

from dataclasses import replace

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
from sklearn_resnet._images.decoding.selection import Stack, select_planes
from sklearn_resnet._images.hashing import hash_content
from sklearn_resnet._io.paths import file_version, join_dataset, split_dataset

_AXES = {"t": "T", "c": "C", "z": "Z"}  # of OME-Zarr, and of `Stack`
_OLD_AXES = "tczyx"  # of OME-Zarr before version 0.3, which names none
_LABELS = "labels"  # groups of segmentations
_MAX_IMAGES = 100  # that are searched
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
    try:
        import zarr
    except ImportError as exc:
        raise FormatError("a Zarr store needs zarr, which cannot be imported", _INSTALL) from exc
    node = _open(zarr, path, dataset)
    if isinstance(node, zarr.Group) and _read_multiscales(node) is None:
        node = _choose_node(zarr, node)
    if isinstance(node, zarr.Group):
        return _decode_ome(node, selection, max_pixels, report)
    if not is_numeric(node.dtype):
        raise FormatError(f"its array has the dtype {node.dtype}", "Name another one.")
    check_planes(node, selection, max_pixels)
    pixels = decode_array(node, selection, report)
    return replace(pixels, no_data=read_fill_value(node.attrs, node.dtype))


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
