"""Zarr to pixels."""

from sklearn_resnet._images.decoding.formats import FormatError


def decode_zarr(path, selection, max_pixels, report, *, dataset=None):
    """Decode an image."""
    raise FormatError("it is a Zarr store", "Pass its images as arrays.")


def hash_zarr(path, *parts):
    """Hash parts and the content of a store."""
    raise FormatError("it is a Zarr store", "Pass its images as arrays.")
