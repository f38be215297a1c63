"""Formats that Pillow does not read by itself: their names by the first bytes, and their readers."""

import contextlib
from typing import NamedTuple

import numpy as np
from PIL import Image

from sklearn_resnet._images.decoding.pixels import Pixels
from sklearn_resnet._runtime.imports import import_optional

_HEAD_BYTES = 4096
_SUBFILE_TYPE, _PHOTOMETRIC, _MAKE, _SUB_IFDS, _DNG_VERSION = 254, 262, 271, 330, 50706  # TIFF
RAW_TAGS = (_SUBFILE_TYPE, _PHOTOMETRIC, _MAKE, _SUB_IFDS, _DNG_VERSION)
_RAW_PHOTOMETRICS = (32803, 34892)  # a mosaic of colours; linear values of a sensor
_SIZE_BYTES = 2**16  # most files have their size there
_JPEG_HEAD_BYTES = 2**20  # profiles come before the frame
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers of a JPEG
_REPLACE = "Replace the file or leave it out."
_CONVERT = "Convert it to PNG, JPEG or TIFF."
_VIDEO = "Save its frames as images."
_ARCHIVE = "load_image_folder() lists the images in an archive."
_ARRAY = "Pass its images as arrays."
_AGAIN = "Download the file again."


class Format(NamedTuple):
    """A format, with the advice to someone who passed such a file."""

    name: str
    remedy: str = _REPLACE


# By the offset and the bytes
_SIGNATURES = (
    (0, b"%PDF-", Format("a PDF document", "Convert its pages to images.")),
    (0, b"8BPS", Format("a Photoshop file (PSD)", _CONVERT)),
    (0, b"%!PS", Format("a PostScript file, which can run programs")),
    (0, b"\xc5\xd0\xd3\xc6", Format("an EPS file, which can run programs")),
    (0, b"IIU\0", Format("a camera RAW (RW2)", _CONVERT)),
    (0, b"IIRO", Format("a camera RAW (ORF)", _CONVERT)),
    (0, b"IIRS", Format("a camera RAW (ORF)", _CONVERT)),
    (0, b"MMOR", Format("a camera RAW (ORF)", _CONVERT)),
    (0, b"FUJIFILMCCD-RAW", Format("a camera RAW (RAF)", _CONVERT)),
    (0, b"FOVb", Format("a camera RAW (X3F)", _CONVERT)),
    (0, b"II\xbc\x01", Format("a JPEG XR image", _CONVERT)),
    (0, b"BPG\xfb", Format("a BPG image", _CONVERT)),
    (0, b"\0\0\1\0", Format("an icon (ICO)", _CONVERT)),
    (0, b"\0\0\2\0", Format("a cursor (CUR)", _CONVERT)),
    (0, b"v/1\x01", Format("an OpenEXR image", _CONVERT)),
    (0, b"#?RADIANCE", Format("a Radiance HDR image", _CONVERT)),
    (0, b"DDS ", Format("a DDS texture", _CONVERT)),
    (0, b"qoif", Format("a QOI image", _CONVERT)),
    (0, b"gimp xcf", Format("a GIMP image (XCF)", _CONVERT)),
    (0, b"AT&TFORM", Format("a DjVu document", "Convert its pages to images.")),
    (0, b"\x1aE\xdf\xa3", Format("a video (WebM or Matroska)", _VIDEO)),
    (0, b"OggS", Format("a video or a sound (Ogg)", _VIDEO)),
    (0, b"\0\0\1\xba", Format("a video (MPEG)", _VIDEO)),
    (8, b"AVI ", Format("a video (AVI)", _VIDEO)),
    (0, b"PK\3\4", Format("a zip archive", _ARCHIVE)),
    (0, b"\x1f\x8b", Format("a gzip file", _ARCHIVE)),
    (257, b"ustar", Format("a tar archive", _ARCHIVE)),
    (0, b"BZh", Format("a bzip2 file", "Unpack it.")),
    (0, b"\xfd7zXZ", Format("an xz file", "Unpack it.")),
    (0, b"7z\xbc\xaf\x27\x1c", Format("a 7z archive", "Unpack it.")),
    (0, b"Rar!", Format("a RAR archive", "Unpack it.")),
    (0, b"\x28\xb5\x2f\xfd", Format("a Zstandard file", "Unpack it.")),
    (0, b"CDF", Format("a NetCDF file", _ARRAY)),
    (0, b"\x93NUMPY", Format("an array of NumPy", "Give it the suffix .npy, or pass np.load(path).")),
    (0, b"version https://git-lfs", Format("a pointer of Git LFS", "Run git lfs pull.")),
)  # fmt: skip
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), Format("an AVIF image that Pillow cannot read", _CONVERT)),
    b"qt  ": Format("a video (QuickTime)", _VIDEO),
    b"crx ": Format("a camera RAW (CR3)", _CONVERT),
}
# mif1 and msf1 are any codec's; those of AVIF, which Pillow reads, name avif too
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1"}
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script")
_JPEG_XL = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")


class FormatError(ValueError):
    """A file of a format that cannot be read, or not without another package.

    Parameters
    ----------
    cause, remedy : str
        As for `ImageReadError`.
    """

    def __init__(self, cause, remedy=""):
        super().__init__(cause, remedy)
        self.cause = cause
        self.remedy = remedy


def is_dicom(head):
    """Whether a file begins as DICOM does: with a preamble of any 128 bytes, and its name."""
    return head.startswith(b"DICM", 128)


def open_other(file, check_shape):
    """Open a file that Pillow cannot identify by itself.

    Parameters
    ----------
    file : binary file object
    check_shape : callable
        Takes ``(height, width)``, and raises an error if the image is too large to be decoded.

    Returns
    -------
    PIL Image or Pixels

    Raises
    ------
    FormatError
        If it is not an image, or of a format that is not read, or needs a package that is not
        installed. The error names the format, or the package.
    """
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if head[4:8] == b"ftyp" and _HEIF_BRANDS & {head[8:12], *_list_brands(head)}:
        return import_for_format("pillow_heif", "heif", "A HEIC image").HeifImageFile(file)
    if head.startswith(_JPEG_XL):
        return _open_jpeg_xl(file, check_shape)
    if head.startswith(b"\xff\xd8\xff"):
        return _open_deep_jpeg(file, check_shape)
    raise FormatError(*describe(head))


def _open_jpeg_xl(file, check_shape):
    import_for_format("pillow_jxl", "jxl", "A JPEG XL image")  # registers itself
    check_shape(_read_jpeg_xl_shape(file))  # opening decodes it
    file.seek(0)
    try:
        return Image.open(file, formats=["JXL"])
    except Exception as exc:  # its message advises to build a library
        raise FormatError("it is a damaged JPEG XL image", _REPLACE) from exc


def _open_deep_jpeg(file, check_shape):
    file.seek(0)
    depth, shape = _read_jpeg_frame(file.read(_JPEG_HEAD_BYTES))
    if depth in (0, 8):
        raise FormatError("it is a damaged JPEG", _REPLACE)
    codecs = import_for_format("imagecodecs", "tiff", f"A JPEG of {depth} bits")
    check_shape(shape)
    file.seek(0)
    samples = np.atleast_3d(codecs.jpeg8_decode(file.read()))
    return Pixels(samples=samples, space="RGB" if samples.shape[2] == 3 else "grey", bits=depth)


def check_no_raw(file, tags):
    """Raise FormatError if a TIFF is a camera RAW, of which other decoders read a preview.

    Parameters
    ----------
    file : binary file object
    tags : mapping of int to object
        The tags of its first page, as far as they are in `RAW_TAGS`.
    """
    file.seek(8)
    is_preview = tags.get(_SUBFILE_TYPE) == 1 and _SUB_IFDS in tags and _MAKE in tags
    is_mosaic = tags.get(_PHOTOMETRIC) in _RAW_PHOTOMETRICS
    if file.read(2) == b"CR" or _DNG_VERSION in tags or is_preview or is_mosaic:
        raise FormatError("it is a camera RAW", _CONVERT)


def refuse_tiff(description):
    """Raise FormatError for a TIFF that only imagecodecs decodes, if at all.

    Parameters
    ----------
    description : str
    """
    import_for_format("imagecodecs", "tiff", f"A TIFF with {description}")
    raise FormatError(f"it is a TIFF with {description}", _CONVERT)


def import_for_format(module, extra, purpose):
    """Import the package that reads a format; a FormatError names the extra if it is missing."""
    try:
        return import_optional(module, extra=extra, purpose=purpose)
    except ImportError as exc:
        cause, remedy = str(exc).rsplit(". ", 1)
        raise FormatError(cause, f"{remedy}.") from exc


def _list_brands(head):
    """List the brands with which an ISO media file is compatible."""
    end = min(int.from_bytes(head[:4]), len(head))
    return [head[i : i + 4] for i in range(16, end, 4)]


def read_head_shape(file):
    """Read ``(height, width)`` of a PNG or JPEG, without Pillow, which warns of large ones.

    Parameters
    ----------
    file : file object
        It is left at its start.

    Returns
    -------
    tuple of int
        Empty if it is not found.
    """
    file.seek(0)
    head = file.read(_SIZE_BYTES)
    file.seek(0)
    if head.startswith(b"\x89PNG") and head[12:16] == b"IHDR":
        return int.from_bytes(head[20:24]), int.from_bytes(head[16:20])
    if head.startswith(b"\xff\xd8"):
        with contextlib.suppress(IndexError):  # a file that ends early
            return _read_jpeg_frame(head)[1]
    return ()


def _read_jpeg_frame(content):
    """Read the depth and ``(height, width)`` of a JPEG; 0 and () if they are not found."""
    position = 2
    while content[position : position + 1] == b"\xff":
        marker = content[position + 1]
        if marker in _FRAMES:
            frame = content[position + 4 : position + 9]
            return frame[0], (int.from_bytes(frame[1:3]), int.from_bytes(frame[3:]))
        position += 2 + int.from_bytes(content[position + 2 : position + 4])
    return 0, ()


def _read_jpeg_xl_shape(file):
    """Read ``(height, width)`` of a JPEG XL, as its specification packs them into bits."""
    file.seek(_find_jpeg_xl(file))
    header = file.read(12)
    bits = int.from_bytes(header[2:], "little")

    def take(n_bits):
        nonlocal bits
        value, bits = bits % 2**n_bits, bits >> n_bits
        return value

    def take_side():
        return 8 * (1 + take(5)) if is_small else 1 + take((9, 13, 18, 30)[take(2)])

    is_small = take(1)
    height = take_side()
    ratio = take(3)
    if ratio == 0:
        return height, take_side()
    across, down = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
    return height, height * across // down


def _find_jpeg_xl(file):
    """Find the offset of the image in a JPEG XL, which may be in a box after others."""
    file.seek(0)
    offset = 0
    if file.read(2) == _JPEG_XL[0]:
        return offset
    while True:
        file.seek(offset)
        header = file.read(16)
        size = int.from_bytes(header[:4])
        start = 16 if size == 1 else 8
        if header[4:8] in (b"jxlc", b"jxlp"):
            return offset + start + 4 * (header[4:8] == b"jxlp")
        size = int.from_bytes(header[8:]) if size == 1 else size
        if size < 8:  # the last box, or the end of the file
            raise FormatError("it is a damaged JPEG XL image", _REPLACE)
        offset += size


def describe(head):
    """Say what a file is that is not read.

    Parameters
    ----------
    head : bytes
        Its first bytes.

    Returns
    -------
    cause, remedy : str
        As for `ImageReadError`.
    """
    if not head:
        return "it is empty", _REPLACE
    if not head.strip(b"\0"):
        return "it begins with zeros, as a copy that was interrupted does", _REPLACE
    found = identify(head)
    if found is not None:
        return f"it is {found.name}", found.remedy
    text = _identify_text(head)
    kind = "" if text is None else f": it is {text.name}"
    return (
        f"its content is of no known image format{kind}",
        _REPLACE if text is None else text.remedy,
    )


def identify(head):
    """Identify a file by its first bytes; None if they are of no known format."""
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], Format("a video (MP4)", _VIDEO))
    for offset, signature, found in _SIGNATURES:
        if head.startswith(signature, offset):
            return found
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in text and text.startswith(b"<") and not text.startswith(_HTML):
        return Format("an SVG drawing", _CONVERT)
    return None


def _identify_text(head):
    """Identify the texts that are saved for images by mistake."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(_HTML):
        return Format("an HTML page, such as the error page of a server", _AGAIN)
    if text.startswith((b"<?xml", b"<error", b"{", b"[")):
        return Format("a text in XML or JSON, such as the error message of a server", _AGAIN)
    is_text = head.isascii() and all(c.isprintable() or c.isspace() for c in head.decode())
    return Format("a text") if is_text else None
