"""Label images and masks to tables of regions."""

import difflib
import os
import re
import warnings
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from sklearn_resnet._images.decoding import pillow_to_array, read_image, read_stored
from sklearn_resnet._images.decoding.overviews import read_size
from sklearn_resnet._images.items import EncodedImage, UnusableItem, as_item, is_path, name_of
from sklearn_resnet._io.paths import suffix_of
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet.datasets._region_tables import (
    describe_image,
    list_images,
    make_region_table,
)

_MASK_VALUES = (0, 255)  # of 8 bits
_LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif")
_OF_INTENSITY = ("intensity", "weighted")  # in the names of such properties


def find_regions(
    labels: Sequence[Any] | np.ndarray,
    images: Sequence[Any],
    *,
    properties: Sequence[str] = ("area", "centroid"),
    min_area: int = 0,
    mask_others: bool = False,
) -> pd.DataFrame:
    """Find the regions of label images or masks.

    Parameters
    ----------
    labels : sequence of array, PIL Image or path, or array of shape (n, height, width)
        A label image for each image, of the same height and width and in the same order. An integer
        is the label of a region, also if its pixels are not connected, and 0 is the background. The
        connected parts of a mask become regions; a mask is of bool, or of uint8 with the values 0
        and 255 alone. Of a file, the first page is read; indices of a palette are labels. Files
        that are named like another image, as ``A2_mask.png`` for ``A1.tif``, are an error.
    images : sequence of path or image
        As for `ImageLoader`. Images are not decoded, unless a property needs their values.
    properties : sequence of str, default=("area", "centroid")
        The columns to add, as named by :func:`skimage.measure.regionprops_table`. Properties of
        intensity take the values of the file, of all its channels.
    min_area : int, default=0
        The smallest number of pixels of a region.
    mask_others : bool, default=False
        Whether to add the column ``mask``, with which `ImageLoader` makes all pixels of a box black
        that are not in its region.

    Returns
    -------
    regions : DataFrame
        A row for each region, by image and segment, with the columns ``path``, ``top``, ``left``,
        ``bottom``, ``right``, ``segment`` (the value in the label image) and those of `properties`.
        Properties with several values have a column for each: ``centroid-0``, ``centroid-1``.

    Raises
    ------
    ValueError
        If `labels` and `images` do not match in number, names or size, or labels are negative or
        floats.
    ImageReadError
        If a file cannot be read.

    See Also
    --------
    make_tiles : Cuts images into tiles.
    read_boxes : Reads the boxes of annotations and of detectors.
    skimage.measure.label : Labels the connected parts of a mask.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_resnet.datasets import find_regions
    >>> image, labels = np.zeros((40, 60), np.uint8), np.zeros((40, 60), int)
    >>> labels[5:15, 10:20] = 1
    >>> labels[20:38, 30:50] = 2
    >>> find_regions([labels], [image]).drop(columns="path")
       top  left  bottom  right  segment   area  centroid-0  centroid-1
    0    5    10      15     20        1  100.0         9.5        14.5
    1   20    30      38     50        2  360.0        28.5        39.5
    """
    images = list_images(images)
    labels = _list_label_images(labels)
    if len(labels) != len(images):
        raise ParameterError(
            "labels",
            "must have one label image for each image",
            f"{len(labels)} for {len(images)} images",
        )
    _check_names(labels, images)
    _check_properties(properties)
    found = [
        _find_in_image(labels, images, i, tuple(properties), min_area, mask_others)
        for i in range(len(images))
    ]
    _check_channels(found, images)
    columns = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
    boxes = np.stack([columns.pop(f"bbox-{i}") for i in range(4)], axis=1)
    counts = [len(part["segment"]) for part in found]
    repeated = [image for image, n in zip(images, counts, strict=True) for _ in range(n)]
    return make_region_table(repeated, boxes, columns)


def _list_label_images(labels):
    """Return a sequence of label images, which are read one after the other."""
    if is_path(labels) or isinstance(labels, Image.Image) or len(_shape(labels)) == 2:
        kind = "path" if is_path(labels) else "image"
        raise ParameterError(
            "labels", "must be a list of label images", f"a single {kind}", "Pass [labels]."
        )
    return labels if len(_shape(labels)) == 3 else list(labels)


def _shape(labels):
    return getattr(labels, "shape", ())


def _check_names(labels, images):
    """Raise an error if a file is named like another image than its own, as after a lost file."""
    pairs = [
        (i, _list_affixes(_stem(labels[i])), _stem(images[i]))
        for i in range(len(images))
        if is_path(labels[i]) and is_path(images[i])
    ]
    positions = {stem: i for i, _, stem in reversed(pairs)}
    is_any_own = any(stem in names for _, names, stem in pairs)
    for i, names, stem in pairs:
        others = sorted(positions[name] for name in names & positions.keys())
        if stem not in names and (others or is_any_own):
            like = f" and is named like {describe_image(images, others[0])}" if others else ""
            raise ParameterError(
                "labels",
                "must hold files that are named like their images, or all differently",
                f"{_describe(labels[i], i)}, which is for {describe_image(images, i)}{like},",
                "Match the two lists by the names of the files; one of them may lack a file.",
            )


def _stem(path):
    return PurePath(os.fspath(path)).stem.removesuffix(".ome")


def _list_affixes(stem):
    """List the whole name of a file and its beginnings and ends, such as A1 in A1_mask."""
    ends = [match.start() for match in re.finditer("[-_. ]", stem)]
    return {stem, *(stem[:end] for end in ends), *(stem[end + 1 :] for end in ends)}


def _check_properties(properties):
    """Raise an error if scikit-image has no such property."""
    from skimage.measure import regionprops  # slow to import

    pixel = np.ones((1, 1), np.uint8)
    (example,) = regionprops(pixel, pixel)
    known = [name for name in dir(example) if not name.startswith("_")]
    if isinstance(properties, str):
        raise ParameterError(
            "properties", "must be a list of names", repr(properties), f"Pass [{properties!r}]."
        )
    for name in properties:
        if name not in known and not _is_former_name(example, name):
            close = difflib.get_close_matches(str(name), known, 1)
            raise ParameterError(
                "properties",
                "must be names of properties that skimage.measure.regionprops has",
                repr(name),
                hint=f"Did you mean {close[0]!r}?" if close else "",
            )


def _is_former_name(example, name):
    """Whether scikit-image knows a property by this name, too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # comes when the property is computed
        return hasattr(example, str(name))


def _find_in_image(labels, images, i, properties, min_area, mask_others):
    """Find the regions of one image, as the columns of `regionprops_table`."""
    from skimage.measure import regionprops_table  # slow to import

    array = read_label_image(labels[i], _describe(labels[i], i))
    _check_match(array, labels, images, i)
    array = label_parts(array)
    array, values = _compact(array)
    needs_values = any(part in name for name in properties for part in _OF_INTENSITY)
    wanted = dict.fromkeys(("label", "bbox", *properties, "num_pixels"))
    if mask_others:
        wanted["image"] = None
    columns = regionprops_table(
        array,
        _read_values(images[i]) if needs_values else None,
        properties=tuple(wanted),
    )
    is_large = columns["num_pixels"] >= min_area
    columns = {name: column[is_large] for name, column in columns.items()}
    if values is not None:
        columns["label"] = values[columns["label"]]
    columns = {"segment": columns["label"], **columns}
    if mask_others:
        columns["mask"] = columns["image"]
    unwanted = {"label", "num_pixels", "image"} - set(properties)
    return {name: column for name, column in columns.items() if name not in unwanted}


def _check_channels(found, images):
    """Raise an error if properties have a column for each channel, and images differ in channels."""
    for i, columns in enumerate(found):
        differing = sorted(columns.keys() ^ found[0].keys())
        if differing:
            raise ParameterError(
                "images",
                "must have the same channels for properties of intensity",
                f"{describe_image(images, 0)} and {describe_image(images, i)}, of which only one has "
                f"{differing[0]!r},",
            )


def _describe(item, i):
    """Name a label image in a message."""
    return f"labels[{i}] ({name_of(item)!r})" if is_path(item) else f"labels[{i}]"


def read_label_image(item, name):
    """Read a label image.

    Parameters
    ----------
    item : array, PIL Image or path
    name : str
        As messages name it.

    Returns
    -------
    ndarray of shape (height, width) of bool or integers
    """
    try:
        item = as_item(item)
    except ValueError as exc:
        raise ValueError(f"{name} must be a label image. {exc}") from exc
    if isinstance(item, UnusableItem):
        raise ValueError(f"{name} must be a label image, but {item.cause}.")
    if is_path(item) and suffix_of(item) in _LOSSY:
        raise ParameterError(
            "labels",
            "must be in files that keep their values",
            f"the JPEG {name}",
            "Pass a mask: np.asarray(PIL.Image.open(path).convert('L')) > 127",
        )
    if is_path(item) or isinstance(item, EncodedImage):
        array = read_stored(item)
        array = array[..., 0] if array.shape[2] == 1 else array
    else:
        array = np.asarray(item)
    if array.ndim != 2:
        raise ParameterError(
            "labels",
            "must hold label images of shape (height, width)",
            f"the shape {array.shape} in {name}",
            "Save labels with one channel, as PNG or TIFF." if is_path(item) else "",
        )
    if array.dtype.kind not in "biu":
        raise ParameterError(
            "labels",
            "must hold integers or bool",
            f"{array.dtype} in {name}",
            "Convert whole numbers with labels.astype(int), and others to a mask: labels > 0.",
        )
    if array.dtype.kind == "i" and array.min(initial=0) < 0:
        raise ParameterError(
            "labels",
            "must be at least 0, the background",
            f"{array.min()} in {name}",
            "Set such pixels to 0.",
        )
    return array


def label_parts(array):
    """Label the connected parts of a mask, and return other label images as they are."""
    from skimage.measure import label  # slow to import

    return label(array.astype(bool)) if _is_mask(array) else array


def _check_match(array, labels, images, i):
    size = read_size(images[i])
    if array.shape != size:
        raise ParameterError(
            "labels",
            "must have the height and width of the images",
            f"{array.shape[0]} x {array.shape[1]} pixels in {_describe(labels[i], i)} for "
            f"{size[0]} x {size[1]} of {describe_image(images, i)}",
            f"To enlarge or reduce labels: skimage.transform.resize(labels, {size}, order=0, "
            "preserve_range=True, anti_aliasing=False).astype(labels.dtype)",
        )


def _is_mask(array):
    """Whether an image is a mask: of bool, or with the values 0 and 255 alone."""
    if array.dtype != np.uint8:
        return array.dtype == bool
    return array.max(initial=0) == max(_MASK_VALUES) and np.isin(array, _MASK_VALUES).all()


def _compact(array):
    """Replace labels that are larger than the number of pixels by small ones, to save memory.

    Returns
    -------
    array : ndarray
    values : ndarray or None
        The label of each number in `array`; None if it is the same.
    """
    if array.max(initial=0) <= array.size:
        return array, None
    values, numbers = np.unique(array, return_inverse=True)
    numbers = numbers.reshape(array.shape)
    if values[0] != 0:  # no background
        values, numbers = np.insert(values, 0, 0), numbers + 1
    return numbers, values


def _read_values(item):
    """Return the values of an image in the depth of its file."""
    if isinstance(item, Image.Image):
        values = pillow_to_array(item)
    elif is_path(item) or isinstance(item, EncodedImage):
        values = read_image(item, mode="channels")
    else:
        values = np.asarray(item)
    return values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
