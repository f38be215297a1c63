"""Decode an image file, or convert an array, to an upright 8-bit image of a size and mode."""

import contextlib
import io
import os
from typing import NamedTuple, TypedDict

import numpy as np
from PIL import Image, ImageFile

from sklearn_resnet._images.decoding import tiff
from sklearn_resnet._images.decoding.conversion import to_8_bit_image, turn
from sklearn_resnet._images.decoding.formats import FormatError
from sklearn_resnet._images.decoding.limits import check_pixels
from sklearn_resnet._images.decoding.npy import decode_npy, wrap_array
from sklearn_resnet._images.decoding.pillow import (
    decode_by_pillow,
    is_deep,
    wrap_shared_image,
)
from sklearn_resnet._images.decoding.resizing import fit_image
from sklearn_resnet._images.errors import (
    ImageIsFolderError,
    ImageNotFoundError,
    ImageOpenError,
    ImagePermissionError,
    ImageReadError,
)
from sklearn_resnet._images.hashing import hash_stream
from sklearn_resnet._images.image_cache import image_cache
from sklearn_resnet._images.items import EncodedImage, name_of
from sklearn_resnet._io.paths import open_file, suffix_of

# Those that Pillow registers for `FORMATS`, MPO and TIFF, and .npy.
EXTENSIONS = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".tif", ".tiff", ".gif", ".bmp",
    ".webp", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx",
    ".avif", ".avifs", ".npy",
))  # fmt: skip
# Those that need a package: its module, and the extra that installs it.
OPTIONAL_EXTENSIONS = {
    **dict.fromkeys((".heic", ".heif", ".hif"), ("pillow_heif", "heif")),
    ".jxl": ("pillow_jxl", "jxl"),
}


class DecodingOptions(TypedDict):
    """How images are brought to one form; see `read_image`."""

    size: tuple[int, int] | None
    resize: str
    mode: str
    value_range: tuple[float, float] | None


class DecodedImage(NamedTuple):
    """An image in the cache, with the reports on its file."""

    array: np.ndarray
    reports: tuple

    @property
    def nbytes(self):
        """The size of the array."""
        return self.array.nbytes


def read_image(
    path,
    *,
    size=None,
    resize="crop",
    mode="RGB",
    value_range=None,
    max_pixels=None,
    use_cache=False,
    report=None,
):
    """Read an image file.

    Parameters
    ----------
    path : str, path-like or EncodedImage
        A file that Pillow or tifffile reads, or a ``.npy`` file; on disk, a URL of fsspec, a member
        of an archive (``"shards/a.tar/00001.jpg"``), or in memory.
    size : tuple of 2 int, default=None
        ``(height, width)`` of the result; None keeps the size of the file.
    resize : {"crop", "pad", "stretch"}, default="crop"
        How an image of another aspect ratio is brought to `size`.
    mode : {"RGB", "L"}, default="RGB"
        Colour or grey.
    value_range : tuple of 2 float, default=None
        The black and the white level; None infers them.
    max_pixels : int, default=None
        The largest number of pixels, of up to 4 bytes in arrays; None leaves the limit to Pillow.
    use_cache : bool, default=False
        Whether to look up the image in `image_cache` by the content of the file, and to store it.
    report : callable, default=None
        Called with each `Remark` on the file, and with the `InferredRange` of its values.

    Returns
    -------
    ndarray of shape (height, width, 3) or (height, width), dtype uint8
        Upright (the EXIF orientation is applied), in sRGB, on white where it was transparent, and
        scaled to 0 to 255 from other bit depths.

    Raises
    ------
    ImageReadError
        If the file is not an image, is damaged, has no pixels or too many, or changed while it was
        read. If it cannot be opened, the error is also an OSError: FileNotFoundError,
        IsADirectoryError, PermissionError or a plain one.
    ImportError
        If `path` is a URL, and the package that reads it is not installed.
    """
    name = name_of(path)
    with contextlib.ExitStack() as opened:
        try:
            file = opened.enter_context(open_image(path, name))
        except ImportError:
            raise
        except Exception as exc:  # stores behind URLs raise errors of their own
            raise _opening_error(name, exc) from exc
        try:
            options = name, size, resize, mode, value_range, max_pixels
            key = _make_key(file, *options) if use_cache else None
            image = None if key is None else image_cache.get(key)
            if image is None:
                image = _decode_and_fit(file, *options)
            opened.close()  # raises an error if the file has changed
        except PermissionError as exc:
            raise _opening_error(name, exc) from exc
        except FormatError as exc:
            raise ImageReadError(exc.cause, name, remedy=exc.remedy) from exc
        except Exception as exc:
            raise _decoding_error(name, exc) from exc
    if key is not None:
        image_cache.put(key, image)
    for found in image.reports if report is not None else ():
        report(found)
    return image.array


def open_image(item, name):
    """Open a path, which is its name, or the content of a file, for reading bytes; a context."""
    if isinstance(item, EncodedImage):
        return contextlib.nullcontext(io.BytesIO(item.content))
    return open_file(name)


def _make_key(file, name, *options):
    """Hash the content of a file and all that changes its image; None if it is too large."""
    n_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    if n_bytes > image_cache.max_bytes:  # a sparse file can claim any size
        return None
    settings = (options, suffix_of(name), Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    key = hash_stream(file, repr(settings).encode())
    file.seek(0)
    return key


def _decode_and_fit(file, name, size, resize, mode, value_range, max_pixels):
    """Decode a file to an array of the size and mode."""
    reports = []
    pixels = _decode(file, name, size, mode, max_pixels, reports.append)
    array = _to_array(pixels, value_range, size, resize, mode, reports.append)
    return DecodedImage(array, tuple(reports))


def _to_array(pixels, value_range, size, resize, mode, report):
    image = fit_image(to_8_bit_image(pixels, value_range, report), size, resize)
    # each copy of a large image costs a tenth of its decoding
    return np.asarray(image if image.mode == mode else image.convert(mode))


def _opening_error(path, exc):
    """The error of a file that cannot be opened."""
    if isinstance(exc, FileNotFoundError):
        remedy = (
            f"Check the path, which is relative to the folder {os.getcwd()!r} unless it is "
            "absolute."
        )
        return ImageNotFoundError("there is no such file", path, remedy=remedy)
    if isinstance(exc, IsADirectoryError):
        return ImageIsFolderError(
            "it is a folder", path, remedy="load_image_folder() lists its images."
        )
    kind = ImagePermissionError if isinstance(exc, PermissionError) else ImageOpenError
    cause = getattr(exc, "strerror", None) or str(exc).rstrip(".") or type(exc).__name__
    return kind(cause, path, remedy="Check the file, or leave it out.")


def _decoding_error(path, exc):
    """The error of a file that is not an image, or damaged.

    Pillow's decoders raise errors of many types for damaged files: OSError, SyntaxError,
    struct.error, OverflowError, DecompressionBombError and more.
    """
    # the other lines of NumPy's messages advise the user to trust the file
    cause = str(getattr(exc, "strerror", None) or exc).partition("\n")[0].rstrip(".")
    return ImageReadError(
        cause or type(exc).__name__, path, remedy="Replace the file or leave it out."
    )


def convert_image(array, value_range, *, size=None, resize="crop", mode="RGB"):
    """Convert an image in memory to the form that `read_image` returns.

    Parameters
    ----------
    array : ndarray of shape (height, width) or (height, width, {1, 3, 4})
        Grey, RGB, or RGB with alpha.
    value_range : tuple of float
        The black and the white level of `array`.
    size, resize, mode
        As for `read_image`.

    Returns
    -------
    ndarray of shape (height, width, 3) or (height, width), dtype uint8

    Raises
    ------
    ValueError
        If the array is not an image.
    """
    return _to_array(wrap_array(array), value_range, size, resize, mode, _ignore)


def convert_pillow_image(
    image,
    *,
    size=None,
    resize="crop",
    mode="RGB",
    value_range=None,
    max_pixels=None,
    report=None,
):
    """Convert an image of Pillow to the form that `read_image` returns for its file.

    Parameters
    ----------
    image : PIL.Image.Image
        Of any mode. It is loaded if it has not been.
    size, resize, mode, value_range, max_pixels, report
        As for `read_image`.

    Returns
    -------
    ndarray of shape (height, width, 3) or (height, width), dtype uint8

    Raises
    ------
    ImageReadError
        If it is closed, or its file is damaged.
    """
    try:
        check_pixels(image.size[::-1], max_pixels)
        pixels = wrap_shared_image(image)
        return _to_array(pixels, value_range, size, resize, mode, report or _ignore)
    except AssertionError as exc:  # Pillow's, without a message
        raise ImageReadError("its file is closed", remedy="Load it before closing it.") from exc
    except Exception as exc:
        raise _decoding_error("", exc) from exc


def pillow_to_array(image):
    """Convert an image of Pillow to an array: its samples if they are deep, else its colours in 8 bits."""
    if is_deep(image) and "transparency" not in image.info:
        pixels = wrap_shared_image(image)
        return np.asarray(turn(Image.fromarray(pixels.samples[..., 0]), pixels.orientation))
    return convert_pillow_image(image)


def _ignore(report):
    """Do nothing with a report."""


def _decode(file, name, size, mode, max_pixels, report):
    """Make the record of a file."""
    if suffix_of(name) == ".npy":
        return decode_npy(file, max_pixels)
    start = file.read(4)
    file.seek(0)
    if start in tiff.MAGIC:
        return tiff.decode_tiff(file, max_pixels, report)
    return decode_by_pillow(file, size, mode, max_pixels)
