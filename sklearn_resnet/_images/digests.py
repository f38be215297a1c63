"""Digests of the items of `LazyImages`, and of their channels, made without decoding them."""

import importlib.metadata
import os
from functools import lru_cache

import numpy as np
from PIL import Image, ImageFile

from sklearn_resnet._images.decoding import (
    describe_pillow_image,
    find_channels,
    hash_opened,
    name_part,
    open_image,
)
from sklearn_resnet._images.decoding.selection import choose_channels
from sklearn_resnet._images.hashing import HASH_BYTES, hash_content
from sklearn_resnet._images.items import UnusableItem, is_array, name_of
from sklearn_resnet._images.regions import describe_mask

_DECODERS = ("pillow", "tifffile", "imagecodecs", "pydicom", "pylibjpeg")


def hash_item(item, options, value_range):
    """Hash the content of an image, and how it is decoded.

    Parameters
    ----------
    item : path, array-like, PIL Image, EncodedImage or UnusableItem
    options : DecodingOptions
    value_range : tuple of 2 float or None
        The black and the white level of arrays.

    Returns
    -------
    bytes
        Equal for images that are decoded from the same bytes in the same way. An unreadable file has a
        random digest.
    """
    try:
        return _hash(item, options, value_range)
    except Exception:  # decoding it will name the cause
        return os.urandom(HASH_BYTES)


def hash_channels(item, options, value_range, n_channels):
    """Hash the content of each channel of an image, and how it is decoded.

    Parameters
    ----------
    item, options, value_range
        As for `hash_item`.
    n_channels : int
        The number of channels that are read.

    Returns
    -------
    list of bytes
        Each is the same whatever other channels are read.
    """
    choice, rescale = options["channels"], options["rescale"]
    is_learned = rescale is not None and not isinstance(rescale[0], str)
    ranges = rescale if is_learned else [rescale]
    # the choice of channels for a false-colour image is not one of separate channels
    is_free = options["mode"] == "channels"
    shared = options | {"channels": None if is_free else choice}
    shared["rescale"] = None if is_learned else rescale
    try:
        content = _hash(item, shared, value_range)
        chosen = range(n_channels)
        if is_free and choice is not None:
            chosen = _find_indices(item, options)
    except Exception:  # decoding it will name the cause
        return [os.urandom(HASH_BYTES) for _ in range(n_channels)]
    return [
        hash_content(content, repr((channel, ranges[min(i, len(ranges) - 1)])).encode())
        for i, channel in enumerate(chosen)
    ]


def hash_region(digest, region, margin, pad):
    """Hash the content of a region.

    Parameters
    ----------
    digest : bytes
        Of the whole image.
    region : Region
    margin, pad
        As for `ImageLoader`.

    Returns
    -------
    bytes
        `digest` for a whole image.
    """
    if not region.is_cut:
        return digest
    mask = () if region.mask is None else describe_mask(region.mask)
    return hash_content(digest, repr((region.box, margin, pad)).encode(), *mask)


@lru_cache
def list_versions():
    """List the versions of the decoders; None for those that are not installed."""

    def find(package):
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return None

    return tuple(map(find, _DECODERS))


def _hash(item, options, value_range):
    is_tolerant = ImageFile.LOAD_TRUNCATED_IMAGES
    settings = repr((sorted(options.items()), list_versions(), is_tolerant)).encode()
    if is_array(item):
        array = np.asarray(item)
        form = repr((value_range, array.dtype.str, array.shape)).encode()
        return hash_content(settings, form, np.ascontiguousarray(array))
    if isinstance(item, UnusableItem):
        raise ValueError(item.cause)
    if isinstance(item, Image.Image):
        return hash_content(settings, *describe_pillow_image(item))
    name = name_of(item)
    with open_image(item, name) as file:
        return hash_opened(file, settings, repr(name_part(name)).encode())


def _find_indices(item, options):
    """Find the indices of the chosen channels in an image."""
    choice = options["channels"]
    if all(isinstance(channel, int) and channel >= 0 for channel in choice):
        return choice
    if is_array(item):
        return choose_channels(None, (*np.shape(item), 1)[2], choice)
    if isinstance(item, Image.Image):
        return choice
    return find_channels(item, options)
