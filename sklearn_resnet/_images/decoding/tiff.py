"""TIFF files to pixels: tifffile reads the tags, and tifffile, Pillow or NumPy the samples."""

import contextlib
import importlib.util
import logging
import math
from dataclasses import replace
from itertools import product

import numpy as np
from PIL import Image, UnidentifiedImageError

from sklearn_resnet._images.decoding.formats import RAW_TAGS, check_no_raw, refuse_tiff
from sklearn_resnet._images.decoding.limits import DECOMPRESSORS, check_array, check_unpacked
from sklearn_resnet._images.decoding.pillow import wrap_pillow_image
from sklearn_resnet._images.decoding.pixels import (
    N_COLOURS,
    PREMULTIPLIED,
    STRAIGHT,
    UNSPECIFIED,
    Pixels,
)
from sklearn_resnet._images.file_log import Remark

# tifffile logs what it finds odd in a file; errors say enough
logging.getLogger("tifffile").addHandler(logging.NullHandler())

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PHOTOMETRIC, _ORIENTATION, _COLOR_MAP, _INK_SET = 262, 274, 320, 332
_ICC_PROFILE, _GDAL_NODATA = 34675, 42113
_YCBCR_COEFFICIENTS, _YCBCR_SUBSAMPLING, _REFERENCE_BLACK_WHITE = 529, 530, 532
_JPEG = (6, 7)
_PACKBITS = 32773
_RAW_MODES = ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "I;16B", "I", "F")
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
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_BYTE_ORDERS = {"<": "little", ">": "big"}
_MAX_PAGES = 100_000
_MAX_SEARCHED_PAGES = 100  # for the first of full resolution; each takes time to read


def decode_tiff(file, selection, max_pixels, report):
    """Decode the first page of full resolution.

    Parameters
    ----------
    file : binary file object
    selection : Selection
    max_pixels : int or None
    report : callable
        Called with each `Remark` on the file.

    Returns
    -------
    Pixels
    """
    with _open(file) as tiff:
        i, page = _choose_page(tiff, report)
        first = tiff.pages[0]
        check_no_raw(
            file, {code: first.tags[code].value for code in RAW_TAGS if code in first.tags}
        )
        _check_samples(page)
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
    return Pixels(samples=samples, **tags)


def _open(file):
    import tifffile

    file.seek(0)
    try:
        return tifffile.TiffFile(file)
    except TypeError as exc:
        raise ValueError("its samples differ in their SampleFormat, or a tag is malformed") from exc


def _choose_page(tiff, report):
    """Find the first page that is no reduced copy and no mask; report others."""
    n_pages = _count_pages(tiff)
    first = [(i, tiff.pages[i]) for i in range(min(n_pages, _MAX_SEARCHED_PAGES))]
    whole = [(i, page) for i, page in first if not page.subfiletype & (_REDUCED | _MASK)]
    n_pages -= len(first) - len(whole)
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


def _count_pages(tiff):
    """Count the pages; tifffile would follow a chain that runs in a circle."""
    form, file = tiff.tiff, tiff.filehandle
    offsets = set()
    file.seek(8 if form.is_bigtiff else 4)
    while len(offsets) < _MAX_PAGES:
        offset = int.from_bytes(file.read(form.offsetsize), _BYTE_ORDERS[form.byteorder])
        if not 0 < offset < file.size or offset in offsets:
            break
        offsets.add(offset)
        file.seek(offset)
        n_tags = int.from_bytes(file.read(form.tagnosize), _BYTE_ORDERS[form.byteorder])
        file.seek(offset + form.tagnosize + n_tags * form.tagsize)
    return max(1, len(offsets))


def _check_samples(page):
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
    if page.compression == 1:
        page.predictor = 1  # that of another compression, which some writers leave
        n_bits = page.bitspersample * (1 if _is_planar(page) else page.samplesperpixel)
        n_rows = page.imagelength * (page.samplesperpixel if _is_planar(page) else 1)
        n_bytes = n_rows * -(-page.imagewidth * n_bits // 8)
        if any(page.dataoffsets) and sum(page.databytecounts) < n_bytes:
            raise ValueError(f"it is damaged: it has {sum(page.databytecounts)} of {n_bytes} bytes")


def _read_tags(page, report):
    """Read what gives the samples a meaning, as arguments of `Pixels`."""
    space = _find_space(page)
    n_extra = page.samplesperpixel - N_COLOURS[space]
    if n_extra < 0:
        raise ValueError(f"it has {page.samplesperpixel} samples per pixel, too few for {space}")
    kinds = [_EXTRA.get(int(kind), UNSPECIFIED) for kind in page.extrasamples]
    extra = tuple((kinds + [UNSPECIFIED] * n_extra)[:n_extra])
    if UNSPECIFIED in extra:
        report(
            Remark(
                "unspecified samples, such as infrared, were left out",
                f"{page.samplesperpixel} samples per pixel, {extra.count(UNSPECIFIED)} unspecified",
                "To use them, save them as images of their own.",
            )
        )
    is_unsigned = page.sampleformat == 1 and page.bitspersample <= 16
    if space not in ("grey", "RGB", "CMYK") and (not is_unsigned or PREMULTIPLIED in extra):
        raise ValueError(
            f"its samples, of {space}, must be unsigned integers of at most 16 bits, not multiplied "
            f"by alpha. Got {page.bitspersample} bits of sample format {page.sampleformat}"
        )
    orientation = _value(page, _ORIENTATION)
    return {
        "space": space,
        "bits": page.bitspersample if is_unsigned else None,
        "white_is_zero": page.photometric == 0,
        "extra": extra,
        "palette": _read_palette(page) if space == "palette" else None,
        "no_data": _read_no_data(page),
        "orientation": orientation if orientation in range(1, 9) else 1,
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
    if space == "YCbCr" and page.compression not in _JPEG:
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


def _is_packed(page):
    """Whether samples are not aligned to bytes, and the standard library decompresses them."""
    return (
        page.bitspersample in range(2, 16)
        and page.bitspersample != 8
        and page.sampleformat == 1
        and page.predictor == 1
        and (page.compression == 1 or page.compression in DECOMPRESSORS)
    )


def _unpack(file, page):
    """Read samples that are not aligned to bytes; each row of a strip or tile is."""
    n_samples, n_together = page.samplesperpixel, 1 if _is_planar(page) else page.samplesperpixel
    height, width = page.imagelength, page.imagewidth
    if page.is_tiled:
        n_rows, n_columns = page.tilelength, page.tilewidth
    else:
        n_rows, n_columns = min(page.rowsperstrip, height), width
    corners = product(
        range(0, n_samples, n_together), range(0, height, n_rows), range(0, width, n_columns)
    )
    samples = np.zeros((height, width, n_samples), np.uint16)
    segments = zip(corners, page.dataoffsets, page.databytecounts, strict=False)
    for (first, top, left), offset, n_bytes in segments:
        file.seek(offset)
        content = file.read(n_bytes)
        if page.compression != 1:
            content = DECOMPRESSORS[page.compression]().decompress(content)
        shape = (min(n_rows, height - top) if not page.is_tiled else n_rows, n_columns, n_together)
        values = _unpack_rows(content, shape, page.bitspersample, page.fillorder)
        target = samples[top : top + n_rows, left : left + n_columns, first : first + n_together]
        target[:] = values[: target.shape[0], : target.shape[1]]
    return samples


def _unpack_rows(content, shape, bits, fill_order):
    n_values = shape[1] * shape[2]
    n_bytes = -(-n_values * bits // 8)  # rounded up
    rows = np.frombuffer(content, np.uint8, shape[0] * n_bytes).reshape(-1, n_bytes)
    order = "little" if fill_order == 2 else "big"
    one_by_one = np.unpackbits(rows, 1, n_values * bits, order)
    return one_by_one.reshape(*shape, bits) @ (1 << np.arange(bits)[::-1]).astype(np.uint16)


def _is_planar(page):
    return page.planarconfig == 2 and page.samplesperpixel > 1


def _is_decodable(page):
    """Whether tifffile decodes a page; JPEG is left to Pillow, which converts its colours."""
    is_known = page.compression in DECOMPRESSORS or page.compression in (1, _PACKBITS)
    is_plain = page.bitspersample in (1, 8, 16, 32, 64) and page.predictor in (1, 2)
    if page.dtype is not None and is_known and is_plain:
        return True
    # looked for last, because that searches the file system
    return page.compression not in _JPEG and importlib.util.find_spec("imagecodecs") is not None


def _put_samples_last(array, page):
    shape = (page.imagelength, page.imagewidth)
    if _is_planar(page):
        return np.moveaxis(array.reshape(page.samplesperpixel, *shape), 0, -1)
    return array.reshape(*shape, page.samplesperpixel)


def _decode_by_pillow(file, i, page, tags):
    """Decode a compression that tifffile does not know; Pillow turns the image upright."""
    file.seek(0)
    image = None
    with contextlib.suppress(UnidentifiedImageError, SyntaxError):
        image = Image.open(file, formats=["TIFF"])
        image.seek(i)
    if image is None or not _is_readable_by_pillow(image, page, tags):
        refuse_tiff(
            f"{page.samplesperpixel} samples of {page.bitspersample} bits, the compression "
            f"{getattr(page.compression, 'name', page.compression)} and the predictor "
            f"{getattr(page.predictor, 'name', page.predictor)}"
        )
    if UNSPECIFIED in tags["extra"] and image.mode == "RGBA":
        image = image.convert("RGB")  # drops what Pillow takes for alpha
        tags["extra"] = ()
    pixels = wrap_pillow_image(image)
    is_8_bit = isinstance(pixels.samples, Image.Image)
    if is_8_bit and tags["no_data"] is None and page.sampleformat != 2:
        return replace(pixels, profile=tags["profile"])
    samples = np.atleast_3d(np.asarray(pixels.samples))
    if image.mode in ("1", "L"):
        samples = _undo_8_bits(samples, image.mode, page.bitspersample, tags["white_is_zero"])
    samples = samples.astype(page.dtype)  # Pillow widens and signs integers
    return Pixels(samples=samples, **tags | {"orientation": 1})


def _is_readable_by_pillow(image, page, tags):
    """Whether Pillow reads the samples right; and as they are stored, if some are no data."""
    space, extra = tags["space"], tags["extra"]
    if extra and not (page.bitspersample == 8 and space == "RGB" and len(extra) == 1):
        return False
    if space == "YCbCr" and page.compression not in _JPEG:
        return False
    if page.parent.byteorder == ">" and (page.bitspersample == 32 or page.sampleformat == 2):
        return False
    if page.planarconfig == 2 and page.bitspersample == 32:
        return False
    if _is_planar(page) and (space in ("CIELab", "ICCLab") or UNSPECIFIED in extra):
        return False
    is_deep = page.bitspersample > 8 and image.mode in ("RGB", "RGBA", "CMYK")  # loses low bytes
    is_raw = image.mode in _RAW_MODES and not is_deep and PREMULTIPLIED not in extra
    return tags["no_data"] is None or is_raw


def _undo_8_bits(samples, mode, bits, is_inverted):
    """Recover the samples that Pillow has inverted and scaled to 8 bits."""
    white, samples = 1 if mode == "1" else 255, samples.astype(np.uint8)
    samples = white - samples if is_inverted else samples
    return samples // (white // (2**bits - 1))
