"""TIFF files to pixels: tifffile reads the tags, and tifffile, Pillow or NumPy the samples."""

import importlib.util
import logging
import math
from dataclasses import replace
from itertools import islice

import numpy as np
from PIL import Image, UnidentifiedImageError

from sklearn_resnet._images.decoding.limits import DECOMPRESSORS, check_array, check_unpacked
from sklearn_resnet._images.decoding.pillow import wrap_pillow_image
from sklearn_resnet._images.decoding.pixels import (
    N_COLOURS,
    PREMULTIPLIED,
    STRAIGHT,
    UNSPECIFIED,
    Pixels,
)
from sklearn_resnet._images.remarks import Remark

# tifffile logs what it finds odd in a file; errors say enough
logging.getLogger("tifffile").addHandler(logging.NullHandler())

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ORIENTATION, _COLOR_MAP, _INK_SET, _ICC_PROFILE, _GDAL_NODATA = 274, 320, 332, 34675, 42113
_YCBCR_SUBSAMPLING = 530
_JPEG = (6, 7)
_SPACES = {
    0: "grey",
    1: "grey",
    2: "RGB",
    3: "palette",
    5: "CMYK",
    6: "YCbCr",
    8: "Lab",  # CIELab
    9: "Lab",  # ICCLab
}
_EXTRA = {0: UNSPECIFIED, 1: PREMULTIPLIED, 2: STRAIGHT, 999: STRAIGHT}  # CorelDRAW writes 999
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_MAX_SEARCHED_PAGES = 100  # for the first of full resolution; each takes time to read


def decode_tiff(file, max_pixels, report):
    """Decode the first page of full resolution.

    Parameters
    ----------
    file : binary file object
    max_pixels : int or None
    report : callable
        Called with each `Remark` on the file.

    Returns
    -------
    Pixels
    """
    import tifffile

    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        i, page = _choose_page(tiff, report)
        shape = (page.imagelength, page.imagewidth, page.samplesperpixel)
        check_array(shape, np.dtype(page.dtype or np.uint8), max_pixels)
        check_unpacked(file, page, max_pixels)
        tags = _read_tags(page, report)
        if _is_packed(page):
            samples = _unpack(file, page)
        elif _is_decodable(page):
            samples = _put_samples_last(page.asarray(), page)
        else:
            return _decode_by_pillow(file, i, page, tags)
        if tags["space"] == "Lab":
            samples = _encode_lab(samples, page)
    return Pixels(samples=samples, **tags)


def _choose_page(tiff, report):
    """Find the first page that is no reduced copy and no mask; remark on others."""
    first = list(enumerate(islice(tiff.pages, _MAX_SEARCHED_PAGES)))
    whole = [(i, page) for i, page in first if not page.subfiletype & (_REDUCED | _MASK)]
    n_pages = len(whole) + max(0, len(tiff.pages) - _MAX_SEARCHED_PAGES)
    # ImageJ writes long stacks, and tifffile arrays, as one page that the others follow
    n_pages = max(n_pages, int((tiff.imagej_metadata or {}).get("images", 1)))
    if tiff.shaped_metadata and tiff.shaped_metadata[0].get("truncated"):
        n_pages = max(n_pages, math.prod(tiff.shaped_metadata[0]["shape"]) // tiff.pages[0].size)
    if n_pages > 1:
        report(
            Remark(
                "only the first page was read",
                f"{n_pages} pages",
                "To read another one, save it as a file of its own.",
            )
        )
    return (whole or first)[0]


def _read_tags(page, report):
    """Read what gives the samples a meaning, as arguments of `Pixels`."""
    if page.imagedepth > 1:
        raise ValueError("it holds a volume, not an image")
    space = _find_space(page)
    n_extra = page.samplesperpixel - N_COLOURS[space]
    if n_extra < 0:
        raise ValueError(f"it has {page.samplesperpixel} samples per pixel, too few for {space}")
    kinds = [_EXTRA.get(int(kind), UNSPECIFIED) for kind in page.extrasamples]
    extra = tuple((kinds + [UNSPECIFIED] * n_extra)[:n_extra])
    if UNSPECIFIED in extra:
        report(
            Remark(
                "the file does not say what these samples are, so they were left out",
                f"{page.samplesperpixel} samples per pixel, {extra.count(UNSPECIFIED)} unspecified",
            )
        )
    is_unsigned = page.sampleformat == 1 and space != "Lab"
    return {
        "space": space,
        "bits": page.bitspersample if is_unsigned and page.bitspersample <= 16 else None,
        "white_is_zero": page.photometric == 0,
        "extra": extra,
        "palette": _read_palette(page) if space == "palette" else None,
        "no_data": _read_no_data(page),
        "orientation": _value(page, _ORIENTATION, 1)
        if _value(page, _ORIENTATION) in range(1, 9)
        else 1,
        "profile": _value(page, _ICC_PROFILE),
    }


def _find_space(page):
    space = _SPACES.get(page.photometric)
    name = getattr(page.photometric, "name", page.photometric)
    if space is None:
        raise ValueError(f"its colour space (PhotometricInterpretation {name}) is not supported")
    if space == "CMYK" and _value(page, _INK_SET, 1) != 1:
        raise ValueError("its inks are not cyan, magenta, yellow and black (InkSet)")
    is_subsampled = tuple(_value(page, _YCBCR_SUBSAMPLING, (1, 1))) != (1, 1)
    if space == "YCbCr" and is_subsampled and page.compression not in _JPEG:
        raise ValueError("its chroma samples are subsampled without JPEG compression")
    return space


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
    text = _value(page, _GDAL_NODATA)
    try:
        return None if text is None else float(str(text).strip("\0 "))
    except ValueError:
        return None


def _is_packed(page):
    """Whether samples are not aligned to bytes, and in strips that the standard library unpacks."""
    return (
        page.bitspersample in range(2, 16)
        and page.bitspersample != 8
        and page.sampleformat == 1
        and not page.is_tiled
        and (page.compression == 1 or page.compression in DECOMPRESSORS)
        and page.predictor == 1
    )


def _unpack(file, page):
    """Read samples that are not aligned to bytes; each row is."""
    is_planar, bits = _is_planar(page), page.bitspersample
    n_planes, n_together = (page.samplesperpixel, 1) if is_planar else (1, page.samplesperpixel)
    n_values = page.imagewidth * n_together
    n_bytes = -(-n_values * bits // 8)  # of a row, rounded up
    strips_per_plane = -(-page.imagelength // page.rowsperstrip)
    planes = []
    for first in range(0, n_planes * strips_per_plane, strips_per_plane):
        rows = b""
        for i in range(first, first + strips_per_plane):
            file.seek(page.dataoffsets[i])
            strip = file.read(page.databytecounts[i])
            if page.compression != 1:
                strip = DECOMPRESSORS[page.compression]().decompress(strip)
            rows += strip
        rows = np.frombuffer(rows, np.uint8, page.imagelength * n_bytes)
        order = "little" if page.fillorder == 2 else "big"
        one_by_one = np.unpackbits(rows.reshape(-1, n_bytes), 1, n_values * bits, order)
        powers = (1 << np.arange(bits)[::-1]).astype(np.uint16)
        values = one_by_one.reshape(page.imagelength, page.imagewidth, n_together, bits) @ powers
        planes.append(values)
    return np.concatenate(planes, axis=2)


def _is_planar(page):
    return page.planarconfig == 2 and page.samplesperpixel > 1


def _is_decodable(page):
    """Whether tifffile decodes a page, and alone: with imagecodecs all but JPEG, which Pillow converts."""
    if page.compression == 1 or page.compression in DECOMPRESSORS:
        is_plain = page.bitspersample in (1, 8, 16, 32, 64) and page.predictor in (1, 2)
        if page.dtype is not None and is_plain:
            return True
    return page.compression not in _JPEG and importlib.util.find_spec("imagecodecs") is not None


def _put_samples_last(array, page):
    shape = (page.imagelength, page.imagewidth)
    if _is_planar(page):
        return np.moveaxis(array.reshape(page.samplesperpixel, *shape), 0, -1)
    return array.reshape(*shape, page.samplesperpixel)


def _encode_lab(samples, page):
    """Encode L*, a* and b* in 8 bits as Pillow has them: a and b plus 128."""
    is_signed = page.photometric == 8  # CIELab; ICCLab adds half of the range
    if samples.dtype.kind not in "iu" or page.bitspersample not in (8, 16):
        raise ValueError(f"its L*a*b* samples of {page.bitspersample} bits are not supported")
    lightness = samples[..., 0].astype(np.float32)
    a_and_b = samples[..., 1:3].astype(f"i{page.bitspersample // 8}").astype(np.float32)
    if page.bitspersample == 16:
        lightness, a_and_b = lightness / (257 if is_signed else 256), a_and_b / 256
    a_and_b = a_and_b + 128 if is_signed else a_and_b % 256
    encoded = np.concatenate([lightness[..., np.newaxis], a_and_b], axis=-1)
    encoded = np.rint(encoded).clip(0, 255).astype(np.uint8)
    return np.concatenate([encoded, samples[..., 3:]], axis=-1) if samples.shape[2] > 3 else encoded


def _decode_by_pillow(file, i, page, tags):
    """Decode a compression that Pillow knows; it converts JPEG's colours, and inverts white for zero."""
    file.seek(0)
    try:
        image = Image.open(file, formats=["TIFF"])
        image.seek(i)
    except (UnidentifiedImageError, SyntaxError) as exc:
        compression = getattr(page.compression, "name", page.compression)
        raise ValueError(
            f"tifffile needs imagecodecs for {page.bitspersample}-bit samples with the compression "
            f"{compression} and the predictor {page.predictor}: pip install imagecodecs"
        ) from exc
    image.load()
    pixels = wrap_pillow_image(image)
    settings = {"orientation": tags["orientation"], "profile": tags["profile"]}
    if not isinstance(pixels.samples, Image.Image):
        settings["samples"] = pixels.samples.astype(page.dtype)  # Pillow widens and signs integers
        settings |= {key: tags[key] for key in ("bits", "white_is_zero", "no_data")}
    return replace(pixels, **settings)
