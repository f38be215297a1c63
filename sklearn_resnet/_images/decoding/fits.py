"""FITS files to pixels, in the order of their rows, as astropy reads them."""

import math
import warnings

import numpy as np

from sklearn_resnet._images.decoding.formats import FormatError, import_for_format
from sklearn_resnet._images.decoding.limits import check_array
from sklearn_resnet._images.decoding.named_arrays import choose_array
from sklearn_resnet._images.decoding.pixels import Pixels
from sklearn_resnet._images.decoding.selection import (
    PAGES_AS_CHANNELS,
    Stack,
    choose_level,
    select_planes,
)

MAGIC = b"SIMPLE  ="
_TIMES = ("TIME", "UTC", "TAI", "TT", "MJD")  # CTYPE of an axis, up to a hyphen
_MAX_AXES = 4


def decode_fits(file, selection, max_pixels, report, *, dataset=None):
    """Decode an image of a FITS file.

    Parameters
    ----------
    file : binary file object
    selection : Selection
    max_pixels : int or None
    report : callable
    dataset : str, default=None
        The name or the number of an HDU: ``"SCI"``, ``"SCI,2"``, ``"1"``. None for the only image.

    Returns
    -------
    Pixels
        Undefined pixels are NaN.
    """
    fits = import_for_format("astropy.io.fits", "fits", "A FITS file")
    # its warnings tell of cards that do not follow the standard; catch_warnings would change the
    # filters of other threads
    warnings.filterwarnings("ignore", module=r"astropy\b")
    hdus = fits.open(file, memmap=False)
    try:
        samples, names = _read_planes(hdus, dataset, selection, max_pixels, report)
    finally:
        hdus.close(closed=False)  # leaves the file open
    return Pixels(
        samples=samples,
        space="grey" if names is None else "channels",
        bits=8 * samples.dtype.itemsize if samples.dtype in (np.uint8, np.uint16) else None,
        no_data=math.nan if samples.dtype.kind == "f" else None,
        channel_names=names,
    )


def _read_planes(hdus, dataset, selection, max_pixels, report):
    hdu = _choose_hdu(hdus, dataset)
    choose_level([hdu.shape[-2:]], selection)  # there is one
    axes = _name_axes(hdu, selection)
    n_channels = hdu.shape[axes.index("C")] if "C" in axes else 1
    n_read = n_channels if selection.channels is None else len(selection.channels)
    # with a scale or undefined pixels, the values become float64
    is_scaled = any(key in hdu.header for key in ("BLANK", "BSCALE", "BZERO"))
    dtype = np.dtype(np.float64 if is_scaled else f"u{abs(hdu.header['BITPIX']) // 8}")
    check_array((*hdu.shape[-2:], n_read), dtype, max_pixels)
    stack = Stack(
        axes=axes.replace("1", ""),
        shape=tuple(size for axis, size in zip(axes, hdu.shape, strict=False) if axis != "1"),
        read=lambda index: _read_plane(hdu, axes, index),
        plane_shape=hdu.shape[-2:],
    )
    return select_planes(stack, selection, report)


def _choose_hdu(hdus, dataset):
    """Find the HDU with the image."""
    images = {}
    for i, hdu in enumerate(hdus):
        if hdu.is_image and len(hdu.shape) > 1 and math.prod(hdu.shape):
            images[str(i)] = hdu
    names = {}
    for i, hdu in images.items():
        if hdu.name and hdu.name != "PRIMARY":
            names.setdefault(hdu.name, hdu)
            names[f"{hdu.name},{hdu.ver}"] = hdu
        names.setdefault(i, hdu)
    wanted = None if dataset is None else dataset.upper().replace(" ", "")
    if wanted in names:
        return names[wanted]
    shapes = {
        f"{hdu.name},{hdu.ver}" if hdu.name in names else i: hdu.shape for i, hdu in images.items()
    }
    return names[choose_array(shapes, dataset)]


def _name_axes(hdu, selection):
    """Name the axes before those of the plane, as in `Stack`; "1" for one of a single entry.

    Without a page, planes are channels, such as those of a spectral cube or of colours.
    """
    axes = ""
    shape = hdu.shape
    if len(shape) > 2 + _MAX_AXES:
        raise FormatError(f"it has {len(shape)} axes", "Save its images as files of their own.")
    for i, size in enumerate(shape[:-2]):
        kind = str(hdu.header.get(f"CTYPE{len(shape) - i}", "")).upper().partition("-")[0]
        is_last = all(other == 1 for other in shape[i + 1 : -2])
        is_channel = is_last and selection.page in (None, PAGES_AS_CHANNELS)
        letter = "T" if kind in _TIMES else "C" if is_channel else "Q"
        axes += "1" if size == 1 else letter
    n_repeated = max((axes.count(letter) for letter in "TQC"), default=0)
    if n_repeated > 1:
        raise FormatError(
            f"its shape is {shape}, with too many axes", "Save its images as files of their own."
        )
    return axes


def _read_plane(hdu, axes, index):
    """Read a plane, and no other one."""
    remaining = iter(index)
    key = tuple(0 if axis == "1" else int(next(remaining)) for axis in axes)
    plane = np.asarray(hdu.section[(*key, slice(None), slice(None))])
    return plane.astype(plane.dtype.newbyteorder("="), copy=False)
