"""Images of Pillow, from files or in memory, to pixels."""

import math
import os
import zlib
from functools import partial

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from sklearn_resnet._images.decoding.conversion import lay_on_white
from sklearn_resnet._images.decoding.formats import FormatError, open_other, read_head_shape
from sklearn_resnet._images.decoding.limits import check_array, check_pixels, check_scans
from sklearn_resnet._images.decoding.pixels import STRAIGHT, Pixels
from sklearn_resnet._images.decoding.selection import (
    PAGES_AS_CHANNELS,
    Stack,
    choose_level,
    choose_pages,
    project,
    select_planes,
)
from sklearn_resnet._runtime.threads import make_fork_safe_lock

# The formats that Pillow may try. Formats that run other programs (EPS) or are not images (PDF) are
# excluded, TIFF has a module of its own. Pillow opens MPO files as JPEG.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "PPM", "JPEG2000", "AVIF")
# Pillow shrinks a JPEG while decoding, and averages blocks of pixels, as long as the result is at
# least this many times as large as the target of the exact filter: the value of its `thumbnail`.
REDUCING_GAP = 2.0
_LARGE = (
    "For regions, save it as a tiled TIFF, which is read tile by tile. To decode it whole, raise "
    "max_pixels."
)
_ORIENTATION = 0x0112
_FIRST_TRANSPOSED = 5  # of the orientations
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAY_BE_MASK = ("PNG", "BMP", "PPM")  # without loss, so that 0 and 1 are no noise
_loading = [make_fork_safe_lock() for _ in range(16)]  # more than one, so that threads seldom wait
_STRIP_PIXELS = 2**20
_MAX_8_BITS = 2**8 - 1
_DARK = 16  # of 256 levels
_DEEP = ("RGB;16B", "RGBA;16B", "LA;16B")  # raw modes of a PNG of 16 bits
_GREY_BITS = {"1": 1, "L;2": 2, "L;4": 4}  # by the raw mode of a PNG


def decode_by_pillow(file, selection, max_pixels, report):
    """Decode a file of one of `FORMATS`; a JPEG may be decoded smaller, if the size allows."""
    # Given a path, Pillow 13 maps an uncompressed image into memory, which changes with the file.
    _check_head(file, max_pixels)
    try:
        image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        image = open_other(file, partial(check_pixels, max_pixels=max_pixels))
        if isinstance(image, Pixels):
            return image
    check_pixels(image.size[::-1], max_pixels)
    choose_level([image.size[::-1]], selection)  # there is one
    if image.format == "PNG":
        _check_checksums(file)
    if selection.page is not None:
        pixels = _decode_frames(image, selection, max_pixels, report)
        if pixels is not None:
            return pixels
    elif image.format == "JPEG":
        check_scans(file, image)
        if selection.size is not None:
            # the sides of a rotated one are still swapped
            longest = int(max(selection.size) * REDUCING_GAP)
            image.draft(None if selection.is_deep else selection.mode, (longest, longest))
    is_deep_png = bool(image.format == "PNG" and image.tile and image.tile[0].args in _DEEP)
    pixels = wrap_pillow_image(image, is_deep=selection.is_deep)
    if is_deep_png and not selection.is_deep and not image.tell() and _is_dark(image):
        file.seek(0)
        return wrap_pillow_image(Image.open(file, formats=["PNG"]), is_deep=True)
    return pixels


def _is_dark(image):
    """Whether the high bytes of colours leave out much: all are nearly black."""
    image.load()
    n_colours = 1 if image.mode == "LA" else 3
    return max(high for _, high in image.getextrema()[:n_colours]) < _DARK


def _check_head(file, max_pixels):
    """Refuse a PNG or JPEG that is too large, before Pillow warns of it."""
    shape = read_head_shape(file)
    if not shape:
        return
    try:
        check_pixels(shape, max_pixels)
    except ValueError as exc:
        raise FormatError(str(exc), _LARGE) from exc


def read_pillow_size(image):
    """Return the height and the width of an image of Pillow, upright; only a TIFF is loaded."""
    if image.format == "TIFF":  # loading turns it
        wrap_shared_image(image)
        return image.size[::-1]
    return image.size if _find_orientation(image) >= _FIRST_TRANSPOSED else image.size[::-1]


def _decode_frames(image, selection, max_pixels, report):
    """Seek a frame, or make the record of all of them together; None after seeking."""

    def read(index):
        image.seek(index[0])
        if has_deep_samples(image):
            return np.asarray(image)
        return np.asarray(image.convert("L") if image.mode == "1" else lay_on_white(image))

    n_frames = getattr(image, "n_frames", 1)
    stack = Stack("Q", (n_frames,), read, None, image.size[::-1])
    if selection.page == PAGES_AS_CHANNELS:
        if n_frames == 1:
            return None
        check_array((*image.size[::-1], 3 * n_frames), np.dtype(np.uint8), max_pixels)
        samples, names = select_planes(stack, selection, report)
        return Pixels(
            samples=samples, space="channels", bits=8 * samples.itemsize, channel_names=names
        )
    pages = choose_pages(stack, selection.page, report)
    if len(pages) > 1:
        samples = project(stack, pages, 0, selection.page)
        return Pixels(samples=samples, space="RGB" if samples.shape[2] == 3 else "grey")
    if pages[0] != (0,):
        image.seek(*pages[0])
    return None


def wrap_shared_image(image):
    """Make the record of an image of Pillow that may be in several places of X."""
    with _loading[id(image) // 64 % len(_loading)]:
        return wrap_pillow_image(image)


def describe_pillow_image(image):
    """Yield bytes that tell an image of Pillow from others: its samples and their meaning."""
    pixels = wrap_shared_image(image)
    samples = pixels.samples
    if isinstance(samples, np.ndarray):
        form, content = (samples.dtype.str, samples.shape), np.ascontiguousarray(samples)
    else:
        palette, key = samples.getpalette(None), samples.info.get("transparency")
        form, content = (samples.mode, samples.size, palette, key), samples.tobytes()
    meaning = {name: value for name, value in vars(pixels).items() if name != "samples"}
    yield repr((form, meaning)).encode()
    yield content


def pillow_to_pixels(image):
    """Convert an image of mode RGB or L to an array, in strips: Pillow makes two copies of each."""
    n_rows = max(1, _STRIP_PIXELS // image.width)
    if n_rows >= image.height:
        return np.asarray(image)
    array = np.empty((image.height, image.width, *(3,) * (image.mode == "RGB")), np.uint8)
    for top in range(0, image.height, n_rows):
        strip = image.crop((0, top, image.width, min(top + n_rows, image.height)))
        array[top : top + n_rows] = np.asarray(strip)
    return array


def has_deep_samples(image):
    """Whether the samples of an image of Pillow have more than 8 bits."""
    return image.mode.startswith(("I", "F"))


def wrap_pillow_image(image, *, is_deep=False):
    """Make the record of an image of Pillow; its mode says nearly all.

    With `is_deep`, of 16 bits for colours and alpha of a PNG that have them, and in the units of the
    file for a PGM or PPM.
    """
    if is_deep and image.format == "PPM" and image.tile and _find_maximum(image) > _MAX_8_BITS:
        return _wrap_deep_ppm(image, _find_maximum(image))
    if image.format == "PNG" and getattr(image, "tile", None):
        raw_mode, key = image.tile[0].args, image.info.get("transparency")
        if raw_mode in _DEEP and (is_deep or (isinstance(key, tuple) and raw_mode == "RGB;16B")):
            return _wrap_deep_png(image, raw_mode)
        image = _load_png(image)
    else:
        image.load()  # turns a TIFF
    samples, bits, no_data = image, None, None
    if has_deep_samples(image) or _is_mask(image):
        samples = np.atleast_3d(np.asarray(image))
        if image.mode == "I" and image.format == "PPM":
            samples = samples.astype(np.uint16)  # Pillow scales all depths to 16 bits
        bits = 16 if samples.dtype == np.uint16 else None
        no_data = image.info.get("transparency")
    return Pixels(
        samples=samples,
        space="RGB" if image.mode == "RGB" else "grey",
        bits=bits,
        no_data=no_data,
        orientation=_find_orientation(image),
        profile=image.info.get("icc_profile"),
    )


def _is_mask(image):
    """Whether all samples of 8 bits are 0 or 1."""
    if image.mode not in ("L", "RGB") or image.format not in _MAY_BE_MASK:
        return False
    row = image.crop((0, image.height // 2, image.width, image.height // 2 + 1))
    return all(np.ravel(part.getextrema()).max() <= 1 for part in (row, image))


def _find_orientation(image):
    """Read the orientation alone: other tags of EXIF may be malformed."""
    try:
        orientation = image.getexif().get(_ORIENTATION)
    except Exception:  # Pillow raises errors of many types
        return 1
    return orientation if orientation in range(1, 9) else 1


def _load_png(image):
    """Load a PNG, and bring its transparent colour to the depth of its loaded pixels."""
    raw_mode, key = image.tile[0].args, image.info.get("transparency")
    image.load()
    if isinstance(key, int) and raw_mode in _GREY_BITS:
        white = 2 ** _GREY_BITS[raw_mode] - 1
        image = image.convert("L") if image.mode == "1" else image
        image.info["transparency"] = (key & white) * 255 // white
    elif isinstance(key, int) and image.mode == "L":
        image.info["transparency"] = key & 255
    elif isinstance(key, tuple):
        image.info["transparency"] = tuple(value & 255 for value in key)
    return image


def _wrap_deep_png(image, raw_mode):
    """Decode 16-bit colours, of which Pillow keeps the high bytes only: once more for the low bytes.

    The image itself stays as it is, so that it can be decoded again.
    """
    if image.tell():
        raise FormatError(
            f"its frame {image.tell()} has 16 bits a colour, and only the first frame is read in such depth",
            "Save the frame as an image.",
        )
    position = image.fp.tell()
    if raw_mode == "LA;16B":
        high = _load_bytes(image.fp, "RGBA")
        values = np.asarray(high).astype(np.uint16)
        samples = values[..., ::2] << 8 | values[..., 1::2]
    else:
        high, low = (_load_bytes(image.fp, mode) for mode in (raw_mode, f"{raw_mode[:-1]}L"))
        samples = np.asarray(high).astype(np.uint16) << 8 | np.asarray(low)
    image.fp.seek(position)
    return Pixels(
        samples=samples,
        space="grey" if raw_mode == "LA;16B" else "RGB",
        bits=16,
        extra=() if raw_mode == "RGB;16B" else (STRAIGHT,),
        no_data=high.info.get("transparency"),
        orientation=_find_orientation(high),  # which loads it
        profile=high.info.get("icc_profile"),
    )


def _find_maximum(image):
    """Find the value that stands for white in a PGM or PPM; 0 for others."""
    args = image.tile[0].args
    if image.mode not in ("I", "RGB"):
        return 0
    return args[1] if isinstance(args, tuple) else 2**16 - 1 if image.mode == "I" else _MAX_8_BITS


def _wrap_deep_ppm(image, maximum):
    """Decode a PGM or PPM, whose values Pillow scales to 8 or 16 bits."""
    codec, _, offset, _ = image.tile[0]
    file, shape = image.fp, (*image.size[::-1], len(image.getbands()))
    if image.mode == "RGB" and codec == "ppm_plain":
        raise FormatError("it is a PPM in text of more than 8 bits", "Convert it to PNG or TIFF.")
    image.load()  # raises the error of a file that ends early
    if image.mode == "I":
        samples = np.rint(np.asarray(image) * (maximum / (2**16 - 1)))
    else:
        file.seek(offset)
        samples = np.frombuffer(file.read(2 * math.prod(shape)), ">u2")
    return Pixels(
        samples=samples.reshape(shape).astype(np.uint16),
        space="RGB" if image.mode == "RGB" else "grey",
        bits=maximum.bit_length() if maximum & (maximum + 1) == 0 else 16,
    )


def _load_bytes(file, raw_mode):
    file.seek(0)
    image = Image.open(file, formats=["PNG"])
    image.tile = [image.tile[0]._replace(args=raw_mode)]
    image.load()
    return image


def _check_checksums(file):
    """Raise ValueError if the checksum of a chunk of a PNG is wrong, which Pillow does not check."""
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        return
    n_bytes = file.seek(0, os.SEEK_END)
    file.seek(len(_PNG_SIGNATURE))
    kind = b""
    while kind != b"IEND" and file.tell() + 12 <= n_bytes:
        start = file.read(8)
        length, kind = int.from_bytes(start[:4]), start[4:]
        if file.tell() + length + 4 > n_bytes:
            break  # Pillow raises the error of a truncated file
        content = file.read(length)
        if zlib.crc32(content, zlib.crc32(kind)) != int.from_bytes(file.read(4)):
            raise ValueError(f"it is damaged: the checksum of its {kind!r} chunk is wrong")
    file.seek(0)
