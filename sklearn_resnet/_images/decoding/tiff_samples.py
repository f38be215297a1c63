"""The samples of a page of a TIFF file, which NumPy or Pillow decode where tifffile does not."""

import contextlib
import importlib.util
from dataclasses import replace
from itertools import product

import numpy as np
from PIL import Image, UnidentifiedImageError

from sklearn_resnet._images.decoding.formats import refuse_tiff
from sklearn_resnet._images.decoding.limits import DECOMPRESSORS
from sklearn_resnet._images.decoding.pillow import wrap_pillow_image
from sklearn_resnet._images.decoding.pixels import PREMULTIPLIED, UNSPECIFIED, Pixels
from sklearn_resnet._images.decoding.selection import is_by_channel
from sklearn_resnet._images.decoding.tiff_tags import JPEG, is_planar

_PACKBITS = 32773
_8_BIT_MODES = ("L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB")
_RAW_MODES = ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "I;16B", "I", "F")


def is_packed(page):
    """Whether samples are not aligned to bytes, and the standard library decompresses them."""
    return (
        page.bitspersample in range(2, 16)
        and page.bitspersample != 8
        and page.sampleformat == 1
        and page.predictor == 1
        and (page.compression == 1 or page.compression in DECOMPRESSORS)
    )


def unpack(file, page, key):
    """Read samples that are not aligned to bytes; each row of a strip or tile is."""
    n_samples, n_together = key.samplesperpixel, 1 if is_planar(key) else key.samplesperpixel
    height, width = key.imagelength, key.imagewidth
    if key.is_tiled:
        n_rows, n_columns = key.tilelength, key.tilewidth
    else:
        n_rows, n_columns = min(key.rowsperstrip, height), width
    corners = product(
        range(0, n_samples, n_together), range(0, height, n_rows), range(0, width, n_columns)
    )
    samples = np.zeros((height, width, n_samples), np.uint16)
    segments = zip(corners, page.dataoffsets, page.databytecounts, strict=False)
    for (first, top, left), offset, n_bytes in segments:
        file.seek(offset)
        content = file.read(n_bytes)
        if key.compression != 1:
            content = DECOMPRESSORS[key.compression]().decompress(content)
        shape = (min(n_rows, height - top) if not key.is_tiled else n_rows, n_columns, n_together)
        values = unpack_rows(content, shape, key.bitspersample, key.fillorder)
        target = samples[top : top + n_rows, left : left + n_columns, first : first + n_together]
        target[:] = values[: target.shape[0], : target.shape[1]]
    return samples


def unpack_rows(content, shape, bits, fill_order):
    n_values = shape[1] * shape[2]
    n_bytes = -(-n_values * bits // 8)  # rounded up
    rows = np.frombuffer(content, np.uint8, shape[0] * n_bytes).reshape(-1, n_bytes)
    order = "little" if fill_order == 2 else "big"
    one_by_one = np.unpackbits(rows, 1, n_values * bits, order)
    return one_by_one.reshape(*shape, bits) @ (1 << np.arange(bits)[::-1]).astype(np.uint16)


def is_decodable(page):
    """Whether tifffile decodes a page; JPEG is left to Pillow, which converts its colours."""
    is_known = page.compression in DECOMPRESSORS or page.compression in (1, _PACKBITS)
    is_plain = page.bitspersample in (1, 8, 16, 32, 64) and page.predictor in (1, 2)
    if page.dtype is not None and is_known and is_plain:
        return True
    # looked for last, because that searches the file system
    return page.compression not in JPEG and has_imagecodecs()


def has_imagecodecs():
    """Whether tifffile can decode all compressions."""
    return importlib.util.find_spec("imagecodecs") is not None


def put_samples_last(array, page):
    shape = (page.imagelength, page.imagewidth)
    if is_planar(page):
        return np.moveaxis(array.reshape(page.samplesperpixel, *shape), 0, -1)
    return array.reshape(*shape, page.samplesperpixel)


def decode_by_pillow(file, i, page, tags, selection):
    """Decode a compression that tifffile does not know; Pillow turns the image upright."""
    file.seek(0)
    image = None
    with contextlib.suppress(UnidentifiedImageError, SyntaxError):
        image = Image.open(file, formats=["TIFF"])
        image.seek(i)
    if (
        image is None
        or not _is_readable_by_pillow(image, page, tags)
        or _loses_samples(image, page, selection)
    ):
        refuse_tiff(
            f"{page.samplesperpixel} samples of {page.bitspersample} bits, the compression "
            f"{getattr(page.compression, 'name', page.compression)} and the predictor "
            f"{getattr(page.predictor, 'name', page.predictor)}"
        )
    is_stored = page.bitspersample < 8 and selection.is_deep
    if UNSPECIFIED in tags["extra"] and image.mode == "RGBA":
        if is_by_channel(selection):
            is_stored = True
        else:
            image = image.convert("RGB")  # drops what Pillow takes for alpha
            tags["extra"] = ()
    pixels = wrap_pillow_image(image)
    is_8_bit = isinstance(pixels.samples, Image.Image) and not is_stored
    if is_8_bit and tags["no_data"] is None and page.sampleformat != 2:
        return replace(pixels, profile=tags["profile"])
    samples = np.atleast_3d(np.asarray(pixels.samples))
    if image.mode in ("1", "L"):
        samples = _undo_8_bits(samples, image.mode, page.bitspersample, tags["white_is_zero"])
    samples = samples.astype(page.dtype)  # Pillow widens and signs integers
    return Pixels(samples=samples, **tags | {"orientation": 1})


def _loses_samples(image, page, selection):
    """Whether Pillow's image lacks low bytes or channels that are wanted."""
    is_shallow = page.bitspersample > 8 and image.mode in _8_BIT_MODES
    has_fewer = len(image.getbands()) < page.samplesperpixel
    return (selection.is_deep and is_shallow) or (is_by_channel(selection) and has_fewer)


def _is_readable_by_pillow(image, page, tags):
    """Whether Pillow reads the samples right; and as they are stored, if some are no data."""
    space, extra = tags["space"], tags["extra"]
    if extra and not (page.bitspersample == 8 and space == "RGB" and len(extra) == 1):
        return False
    if space == "YCbCr" and page.compression not in JPEG:
        return False
    if page.parent.byteorder == ">" and (page.bitspersample == 32 or page.sampleformat == 2):
        return False
    if page.planarconfig == 2 and page.bitspersample == 32:
        return False
    if is_planar(page) and (space in ("CIELab", "ICCLab") or UNSPECIFIED in extra):
        return False
    is_deep = page.bitspersample > 8 and image.mode in ("RGB", "RGBA", "CMYK")  # loses low bytes
    is_raw = image.mode in _RAW_MODES and not is_deep and PREMULTIPLIED not in extra
    return tags["no_data"] is None or is_raw


def _undo_8_bits(samples, mode, bits, is_inverted):
    """Recover the samples that Pillow has inverted and scaled to 8 bits."""
    white, samples = 1 if mode == "1" else 255, samples.astype(np.uint8)
    samples = white - samples if is_inverted else samples
    return samples // (white // (2**bits - 1))
