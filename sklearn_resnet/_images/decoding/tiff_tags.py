"""What the tags of a page of a TIFF file say of its samples."""

import math

import numpy as np

from sklearn_resnet._images.decoding.pixels import (
    N_COLOURS,
    PREMULTIPLIED,
    STRAIGHT,
    UNSPECIFIED,
)
from sklearn_resnet._images.decoding.selection import check_channels, is_by_channel
from sklearn_resnet._images.decoding.tiff_series import find_band_names
from sklearn_resnet._images.file_log import Remark

JPEG = (6, 7)  # compressions
_PHOTOMETRIC, _ORIENTATION, _COLOR_MAP, _INK_SET = 262, 274, 320, 332
_ICC_PROFILE, _GDAL_NODATA = 34675, 42113
_YCBCR_COEFFICIENTS, _YCBCR_SUBSAMPLING, _REFERENCE_BLACK_WHITE = 529, 530, 532
_SPACES = {
    0: "grey",
    1: "grey",
    2: "RGB",
    3: "palette",
    5: "CMYK",
    6: "YCbCr",
    8: "CIELab",
    9: "ICCLab",
}
_EXTRA = {0: UNSPECIFIED, 1: PREMULTIPLIED, 2: STRAIGHT, 999: STRAIGHT}  # CorelDRAW writes 999


def check_samples(page):
    """Refuse samples that no reader expects, by name."""
    if page.imagedepth > 1:
        raise ValueError("it holds a volume, not an image")
    for name in ("bitspersample", "sampleformat"):
        if isinstance(getattr(page, name), tuple):
            raise ValueError(f"its samples differ in their {name}: {getattr(page, name)}")
    if page.sampleformat not in (1, 2, 3):
        raise ValueError(
            f"samples of the format {page.sampleformat} (SampleFormat) are not supported"
        )
    if page.samplesperpixel > 1 and page.planarconfig not in (1, 2):
        raise ValueError(
            f"samples of the order {page.planarconfig} (PlanarConfiguration) are not supported"
        )
    if page.compression == 1:
        page.predictor = 1  # that of another compression, which some writers leave
        n_bits = page.bitspersample * (1 if is_planar(page) else page.samplesperpixel)
        n_rows = page.imagelength * (page.samplesperpixel if is_planar(page) else 1)
        n_bytes = n_rows * -(-page.imagewidth * n_bits // 8)
        if any(page.dataoffsets) and sum(page.databytecounts) < n_bytes:
            raise ValueError(f"it is damaged: it has {sum(page.databytecounts)} of {n_bytes} bytes")


def read_orientation(page):
    orientation = _value(page, _ORIENTATION)
    return orientation if orientation in range(1, 9) else 1


def read_tags(page, selection, report):
    """Read what gives the samples a meaning, as arguments of `Pixels`."""
    space = _find_space(page)
    n_extra = page.samplesperpixel - N_COLOURS[space]
    if n_extra < 0:
        raise ValueError(f"it has {page.samplesperpixel} samples per pixel, too few for {space}")
    kinds = [_EXTRA.get(int(kind), UNSPECIFIED) for kind in page.extrasamples]
    extra = tuple((kinds + [UNSPECIFIED] * n_extra)[:n_extra])
    if UNSPECIFIED in extra and not is_by_channel(selection):
        if space == "grey" and extra.count(UNSPECIFIED) > 1:
            check_channels(find_band_names(page), page.samplesperpixel, selection)
        report(
            Remark(
                "unspecified samples, such as infrared, were left out",
                f"{page.samplesperpixel} samples per pixel, {extra.count(UNSPECIFIED)} unspecified",
                "To use them, pass ImageLoader(mode='channels') or channels=[...].",
            )
        )
    is_unsigned = page.sampleformat == 1 and page.bitspersample <= 16
    if space not in ("grey", "RGB", "CMYK") and (not is_unsigned or PREMULTIPLIED in extra):
        raise ValueError(
            f"its samples, of {space}, must be unsigned integers of at most 16 bits, not multiplied "
            f"by alpha. Got {page.bitspersample} bits of sample format {page.sampleformat}"
        )
    return {
        "space": space,
        "bits": page.bitspersample if is_unsigned else None,
        "white_is_zero": page.photometric == 0,
        "extra": extra,
        "palette": _read_palette(page) if space == "palette" else None,
        "no_data": _read_no_data(page),
        "orientation": read_orientation(page),
        "profile": _value(page, _ICC_PROFILE),
    }


def _find_space(page):
    if _value(page, _PHOTOMETRIC) is None:
        raise ValueError("it has no tag PhotometricInterpretation, which names its colour space")
    space = _SPACES.get(page.photometric)
    if space is None:
        name = getattr(page.photometric, "name", page.photometric)
        raise ValueError(f"its colour space (PhotometricInterpretation {name}) is not supported")
    if space == "CMYK" and _value(page, _INK_SET, 1) != 1:
        raise ValueError("its inks are not cyan, magenta, yellow and black (InkSet)")
    if space == "YCbCr" and page.compression not in JPEG:
        _check_ycbcr(page)
    return space


def _check_ycbcr(page):
    """Refuse YCbCr other than that of BT.601 with the full range and all chroma samples."""
    zero, white = 2 ** (page.bitspersample - 1), 2**page.bitspersample - 1
    for code, name, expected in (
        (_YCBCR_SUBSAMPLING, "YCbCrSubSampling", (1, 1)),
        (_YCBCR_COEFFICIENTS, "YCbCrCoefficients", (0.299, 0.587, 0.114)),
        (_REFERENCE_BLACK_WHITE, "ReferenceBlackWhite", (0, white, zero, white, zero, white)),
    ):
        value = _value(page, code)
        if value is None:
            continue
        if len(value) == 2 * len(expected):  # fractions
            value = [a / b if b else math.nan for a, b in zip(value[::2], value[1::2], strict=True)]
        if not np.allclose(value, expected, rtol=1e-3):
            raise ValueError(f"its {name} {tuple(value)} is not supported, only {expected}")


def _value(page, code, default=None):
    tag = page.tags.get(code)
    return default if tag is None else tag.value


def _read_palette(page):
    """Read the colour map as 8 bits; some writers store 8 bits where 16 belong."""
    colours = _value(page, _COLOR_MAP)
    if colours is None:
        raise ValueError("it has indices of a palette, but no palette")
    colours = np.asarray(colours).reshape(3, -1).T
    return (np.rint(colours / 257) if colours.max() > 255 else colours).astype(np.uint8)


def _read_no_data(page):
    """Read the value of samples without data; None if no sample can have it."""
    try:
        value = float(str(_value(page, _GDAL_NODATA)).strip("\0 "))
    except ValueError:
        return None
    return value if page.sampleformat == 3 or value.is_integer() else None


def is_planar(page):
    return page.planarconfig == 2 and page.samplesperpixel > 1
