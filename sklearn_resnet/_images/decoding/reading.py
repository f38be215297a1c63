"""Decode an image file, or convert an array, to an upright image of a size and mode."""

import contextlib
import io
import os
from typing import NamedTuple, NotRequired, TypedDict

import numpy as np
from PIL import Image, ImageFile

from sklearn_resnet._images.decoding import tiff
from sklearn_resnet._images.decoding.channels import (
    extract_channels,
    measure_channels,
    to_channels,
    to_rescaled_image,
    turn_array,
)
from sklearn_resnet._images.decoding.conversion import to_8_bit_image, turn
from sklearn_resnet._images.decoding.formats import FormatError, is_dicom
from sklearn_resnet._images.decoding.limits import check_pixels
from sklearn_resnet._images.decoding.npy import decode_npy, decode_npz, wrap_array
from sklearn_resnet._images.decoding.pillow import (
    decode_by_pillow,
    has_deep_samples,
    pillow_to_pixels,
    wrap_shared_image,
)
from sklearn_resnet._images.decoding.resizing import fit_channels, fit_image
from sklearn_resnet._images.decoding.selection import (
    ChannelQuery,
    ChannelsFoundError,
    Selection,
    check_channels,
    is_by_channel,
)
from sklearn_resnet._images.errors import (
    ImageIsFolderError,
    ImageNotFoundError,
    ImageOpenError,
    ImagePermissionError,
    ImageReadError,
)
from sklearn_resnet._images.file_log import ChannelNames
from sklearn_resnet._images.hashing import hash_stream
from sklearn_resnet._images.image_cache import image_cache
from sklearn_resnet._images.items import EncodedImage, name_of
from sklearn_resnet._io.paths import is_zarr, open_file, split_dataset, suffix_of

# Those that Pillow registers for `FORMATS`, MPO and TIFF; those of microscopes and of arrays.
EXTENSIONS = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".tif", ".tiff", ".gif", ".bmp",
    ".webp", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx",
    ".avif", ".avifs", ".lsm", ".svs", ".ndpi", ".npy", ".npz", ".h5", ".hdf5", ".he5",
))  # fmt: skip
# Those that need a package: its module, and the extra that installs it, if there is one.
OPTIONAL_EXTENSIONS = {
    **dict.fromkeys((".heic", ".heif", ".hif"), ("pillow_heif", "heif")),
    ".jxl": ("pillow_jxl", "jxl"),
    **dict.fromkeys((".dcm", ".dicom", ".ima"), ("pydicom", "dicom")),
    **dict.fromkeys((".fits", ".fit", ".fts", ".fz"), ("astropy", "fits")),
    ".zarr": ("zarr", None),
}
_DICOM_SUFFIXES = [suffix for suffix, (_, extra) in OPTIONAL_EXTENSIONS.items() if extra == "dicom"]
_TIFF_SUFFIXES = (".tif", ".tiff", ".svs")
_HEAD_BYTES = 132


class DecodingOptions(TypedDict):
    """How images are brought to one form; see `read_image`."""

    size: tuple[int, int] | None
    resize: str
    mode: str
    value_range: tuple[float, float] | None
    channels: NotRequired[tuple[int | str, ...] | None]
    page: NotRequired[int | str | None]
    level: NotRequired[int | None]
    rescale: NotRequired[tuple | None]


class ReadOptions(NamedTuple):
    """The parameters of `read_image` that change the image."""

    size: tuple[int, int] | None = None
    resize: str = "crop"
    mode: str = "RGB"
    value_range: tuple[float, float] | None = None
    channels: tuple[int | str, ...] | None = None
    page: int | str | None = None
    level: int | None = None
    rescale: tuple | None = None
    max_pixels: int | None = None

    def select(self):
        """Make the `Selection`."""
        return Selection(
            self.mode,
            self.channels,
            self.page,
            self.level,
            None if self.size is None else tuple(self.size),
            window=self.rescale is not None and self.rescale[0] == "window",
            is_deep=self.mode == "channels"
            or None is not (self.channels or self.rescale or self.value_range),
        )


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
    channels=None,
    page=None,
    level=None,
    rescale=None,
    max_pixels=None,
    use_cache=False,
    report=None,
):
    """Read an image file.

    Parameters
    ----------
    path : str, path-like or EncodedImage
        A file of any format that is read; on disk, a URL of fsspec, a member of an archive
        (``"shards/a.tar/00001.jpg"``), an array in a file (``"a.h5::/images"``), or in memory.
    size : tuple of 2 int, default=None
        ``(height, width)`` of the result; None keeps the size of the file.
    resize : {"crop", "pad", "stretch"}, default="crop"
        How an image of another aspect ratio is brought to `size`.
    mode : {"RGB", "L", "channels"}, default="RGB"
        Colour or grey, of 8 bits, or all channels in the depth of the file.
    value_range : tuple of 2 float, default=None
        The black and the white level. None infers them for colour and grey, and leaves the values
        of channels as they are.
    channels : tuple of int and str, default=None
        The channels in the order that is wanted, by index or name; None for all. For colour and
        grey, 3 of them are red, green and blue, and 1 is grey.
    page : int, {"max", "mean", "middle", "channels"}, default=None
        Which page or plane of the file, or how they are made one; None takes the first one.
    level : int, default=None
        The level of a pyramid; 0 has the full resolution, which None takes without a `size`. With
        one, None takes the smallest level that is at least twice as high and wide.
    rescale : tuple, default=None
        ``("window",)``, the window of a DICOM file; ``("percentile", p, q)`` of each channel; or
        one ``(low, high)`` for each channel. They become black and white.
    max_pixels : int, default=None
        The largest number of pixels, of up to 4 bytes in arrays; None leaves the limit to Pillow.
    use_cache : bool, default=False
        Whether to look up the image in `image_cache` by the content of the file, and to store it.
    report : callable, default=None
        Called with each `Remark` on the file, with the `ChannelNames` that it gives, and with the
        `InferredRange` of its values.

    Returns
    -------
    ndarray of shape (height, width, 3), (height, width) or (height, width, n_channels)
        Upright (the EXIF orientation is applied). Colour and grey are uint8, in sRGB, on white where
        the file is transparent, and scaled to 0 to 255 from other bit depths. Channels are uint8,
        uint16 or float32.

    Raises
    ------
    ImageReadError
        If the file is not an image, is damaged, has no pixels or too many, or changed while it was
        read. If it cannot be opened, the error is also an OSError: FileNotFoundError,
        IsADirectoryError, PermissionError or a plain one.
    ImportError
        If `path` is a URL, and the package that reads it is not installed.
    """
    options = ReadOptions(
        size, resize, mode, value_range, channels, page, level, rescale, max_pixels
    )  # fmt: skip
    name = name_of(path)
    with opening(path, name) as file:
        key = _make_key(file, name, options) if use_cache else None
        image = None if key is None else image_cache.get(key)
        if image is None:
            image = _decode_and_fit(file, name, options)
    if key is not None:
        image_cache.put(key, image)
    for found in image.reports if report is not None else ():
        report(found)
    return image.array


def read_samples(path, options, max_values, *, max_pixels=None):
    """Read a sample of the values of each channel, before any rescaling.

    Parameters
    ----------
    path : str, path-like or EncodedImage
        As for `read_image`.
    options : DecodingOptions
        Of these, `rescale` and `value_range` are ignored.
    max_values : int
        The largest number of values of a channel.
    max_pixels : int, default=None
        As for `read_image`.

    Returns
    -------
    list of ndarray of shape (n_values,)
        One for each channel that `read_image` would rescale; without those of no data.
    """
    pixels, selection = _read_pixels(path, options, max_pixels)
    return measure_channels(pixels, selection, max_values)


def read_stored(path, *, max_pixels=None):
    """Read the first page of a file of labels: the samples as they are stored.

    Parameters
    ----------
    path : str, path-like or EncodedImage
        As for `read_image`.
    max_pixels : int, default=None
        As for `read_image`.

    Returns
    -------
    ndarray of shape (height, width, n_samples)
        Upright, in the dtype of the file; the indices of a palette instead of its colours.
    """
    options = {"size": None, "resize": "crop", "mode": "channels", "value_range": None}
    pixels, _ = _read_pixels(path, options, max_pixels)
    samples = np.atleast_3d(np.asarray(pixels.samples))
    if pixels.white_is_zero and samples.dtype == bool:
        samples = ~samples
    return turn_array(samples, pixels.orientation)


def read_channel_names(path, options, *, max_pixels=None):
    """Read the names of the channels that `read_image` would return in the mode "channels".

    Parameters
    ----------
    path, options, max_pixels
        As for `read_samples`.

    Returns
    -------
    tuple of str
        The index in the file of a channel without a name.
    """
    pixels, selection = _read_pixels(path, options, max_pixels)
    return extract_channels(pixels, selection).names


def find_channels(path, options, *, max_pixels=None):
    """Find the indices in a file of the channels that are chosen.

    Parameters
    ----------
    path, options, max_pixels
        As for `read_samples`, with `channels`.

    Returns
    -------
    list of int
        Where the metadata name the channels, no values are read.
    """
    query = ChannelQuery(options["channels"])
    try:
        read_channel_names(path, {**options, "channels": query}, max_pixels=max_pixels)
    except ChannelsFoundError as exc:
        return exc.indices
    raise AssertionError("each decoder chooses channels by choose_channels")


def _read_pixels(path, options, max_pixels):
    """Read the record of a file."""
    options = ReadOptions(
        **{**options, "rescale": None, "value_range": None}, max_pixels=max_pixels
    )
    selection = options.select()._replace(is_deep=True)
    name = name_of(path)
    with opening(path, name) as file:
        pixels = _decode(file, name, selection, max_pixels, _ignore)
        if isinstance(pixels.samples, Image.Image):
            pixels.samples.load()
        return pixels, selection


@contextlib.contextmanager
def opening(path, name):
    """Open a file; errors of opening and of the block become those of `read_image`."""
    with contextlib.ExitStack() as opened:
        try:
            file = opened.enter_context(open_image(path, name))
        except ImportError:
            raise
        except Exception as exc:  # stores behind URLs raise errors of their own
            raise _opening_error(name, exc) from exc
        with naming_errors(name):
            yield file
            opened.close()  # raises an error if the file has changed


@contextlib.contextmanager
def naming_errors(name):
    """Turn the errors of decoding a file into those of `read_image`."""
    try:
        yield
    except (ChannelsFoundError, ImageReadError):
        raise
    except PermissionError as exc:
        raise _opening_error(name, exc) from exc
    except FormatError as exc:
        raise ImageReadError(exc.cause, name, remedy=exc.remedy) from exc
    except Exception as exc:
        raise _decoding_error(name, exc) from exc


def open_image(item, name):
    """Open a path, which is its name, or the content of a file, for reading bytes; a context.

    A Zarr store, which is a folder, is given as its path.
    """
    if isinstance(item, EncodedImage):
        return contextlib.nullcontext(io.BytesIO(item.content))
    file, _ = split_dataset(name)
    if is_zarr(file):
        return contextlib.nullcontext(str(name))
    return open_file(file)


def hash_opened(opened, *parts):
    """Hash parts and the content of what `open_image` opened.

    Parameters
    ----------
    opened : binary file object, or str
    *parts : bytes-like

    Returns
    -------
    bytes of length `HASH_BYTES`
    """
    if isinstance(opened, str):
        from sklearn_resnet._images.decoding.zarr_stores import hash_zarr

        return hash_zarr(opened, *parts)
    return hash_stream(opened, *parts)


def _make_key(file, name, options):
    """Hash the content of a file and all that changes its image; None if that is not possible."""
    settings = (options, name_part(name), Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    if isinstance(file, str):
        try:
            return hash_opened(file, repr(settings).encode())
        except FileNotFoundError:  # decoding lists what is there
            return None
    n_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    if n_bytes > image_cache.max_bytes:  # a sparse file can claim any size
        return None
    key = hash_opened(file, repr(settings).encode())
    file.seek(0)
    return key


def name_part(name):
    """Return the part of a name that changes how its file is decoded: the suffix, and a dataset."""
    file, dataset = split_dataset(name)
    return suffix_of(file), dataset


def _decode_and_fit(file, name, options):
    """Decode a file to an array of the size and mode."""
    reports = []
    pixels = _decode(file, name, options.select(), options.max_pixels, reports.append)
    return DecodedImage(to_array(pixels, options, reports.append), tuple(reports))


def to_array(pixels, options, report):
    """Bring a record to the size and mode."""
    size, resize, mode, value_range = options[:4]
    selection, rescale = options.select(), options.rescale
    names = pixels.channel_names if is_by_channel(selection) else None
    if names is not None and not all(map(str.isdecimal, names)):
        report(ChannelNames(names))
    if mode == "channels":
        array = to_channels(pixels, selection, value_range=value_range, rescale=rescale)
        return fit_channels(array, size, resize)
    if selection.channels is not None or rescale is not None:
        image = to_rescaled_image(
            pixels, selection, report, value_range=value_range, rescale=rescale
        )  # fmt: skip
    else:
        if pixels.space == "channels" and pixels.n_colours > 1:
            check_channels(pixels.channel_names, pixels.n_colours, selection)
        image = to_8_bit_image(pixels, value_range, report)
    image = fit_image(image, size, resize)
    # each copy of a large image costs a tenth of its decoding
    return pillow_to_pixels(image if image.mode == mode else image.convert(mode))


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


def convert_image(array, value_range, **options):
    """Convert an image in memory to the form that `read_image` returns.

    Parameters
    ----------
    array : ndarray of shape (height, width) or (height, width, n_channels)
        Grey, RGB, RGB with alpha, or channels.
    value_range : tuple of float or None
        The black and the white level of `array`. None infers them, or leaves channels as they are.
    **options
        As for `read_image`: size, resize, mode, channels, rescale. There are no pages.

    Returns
    -------
    ndarray
        As from `read_image`.

    Raises
    ------
    ValueError
        If the array is not an image.
    """
    options = ReadOptions(**{**options, "value_range": value_range})
    try:
        return to_array(wrap_array(array, options.select()), options, _ignore)
    except FormatError as exc:
        raise ImageReadError(exc.cause, remedy=exc.remedy) from exc


def measure_array(array, options, max_values):
    """Take a sample of the values of each channel of an image in memory, as `read_samples` does.

    Parameters
    ----------
    array : ndarray
        As for `convert_image`.
    options : DecodingOptions
    max_values : int

    Returns
    -------
    list of ndarray of shape (n_values,)
    """
    selection = ReadOptions(**options).select()
    return measure_channels(wrap_array(array, selection), selection, max_values)


def measure_pillow_image(image, options, max_values):
    """Take a sample of the values of each channel of an image of Pillow, as `read_samples` does."""
    selection = ReadOptions(**options).select()
    return measure_channels(wrap_shared_image(image), selection, max_values)


def convert_pillow_image(image, *, max_pixels=None, report=None, **options):
    """Convert an image of Pillow to the form that `read_image` returns for its file.

    Parameters
    ----------
    image : PIL.Image.Image
        Of any mode. It is loaded if it has not been.
    max_pixels, report, **options
        As for `read_image`.

    Returns
    -------
    ndarray
        As from `read_image`.

    Raises
    ------
    ImageReadError
        If it is closed, or its file is damaged.
    """
    try:
        check_pixels(image.size[::-1], max_pixels)
        pixels = wrap_shared_image(image)
        return to_array(pixels, ReadOptions(**options), report or _ignore)
    except AssertionError as exc:  # Pillow's, without a message
        raise ImageReadError("its file is closed", remedy="Load it before closing it.") from exc
    except FormatError as exc:
        raise ImageReadError(exc.cause, remedy=exc.remedy) from exc
    except Exception as exc:
        raise _decoding_error("", exc) from exc


def pillow_to_array(image):
    """Convert an image of Pillow to an array: its samples if they are deep, else its colours in 8 bits."""
    if has_deep_samples(image) and "transparency" not in image.info:
        pixels = wrap_shared_image(image)
        return np.asarray(turn(Image.fromarray(pixels.samples[..., 0]), pixels.orientation))
    return convert_pillow_image(image)


def _ignore(report):
    """Do nothing with a report."""


def _decode(opened, name, selection, max_pixels, report):
    """Make the record of what `open_image` opened."""
    dataset = split_dataset(name)[1]
    kind = find_kind(opened, name)
    if kind == "Zarr":
        from sklearn_resnet._images.decoding.zarr_stores import decode_zarr

        file = split_dataset(name)[0]
        return decode_zarr(file, selection, max_pixels, report, dataset=dataset)
    if kind == "npy":
        return decode_npy(opened, selection, max_pixels, report)
    if kind == "npz":
        return decode_npz(opened, selection, max_pixels, report, dataset=dataset)
    if kind == "DICOM":
        from sklearn_resnet._images.decoding.dicom import decode_dicom

        return decode_dicom(opened, selection, max_pixels, report)
    if kind == "TIFF":
        return tiff.decode_tiff(opened, selection, max_pixels, report)
    if kind == "HDF5":
        from sklearn_resnet._images.decoding.hdf5 import decode_hdf5

        return decode_hdf5(opened, selection, max_pixels, report, dataset=dataset)
    if kind == "FITS":
        from sklearn_resnet._images.decoding.fits import decode_fits

        return decode_fits(opened, selection, max_pixels, report, dataset=dataset)
    return decode_by_pillow(opened, selection, max_pixels, report)


def find_kind(opened, name):
    """Find the format of what `open_image` opened.

    Returns
    -------
    {"Zarr", "npy", "npz", "DICOM", "TIFF", "HDF5", "FITS"} or None
        None for those that Pillow reads, and for unknown ones.
    """
    if isinstance(opened, str):
        return "Zarr"
    suffix = suffix_of(split_dataset(name)[0])
    if suffix in (".npy", ".npz"):
        return suffix[1:]
    start = opened.read(_HEAD_BYTES)
    opened.seek(0)
    # a file can be both DICOM and TIFF
    if (is_dicom(start) and suffix not in _TIFF_SUFFIXES) or suffix in _DICOM_SUFFIXES:
        return "DICOM"
    if start[:4] in tiff.MAGIC:
        return "TIFF"
    if start.startswith(b"\x89HDF"):
        return "HDF5"
    return "FITS" if start.startswith(b"SIMPLE  =") else None
