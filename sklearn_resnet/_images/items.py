"""The items of X, in one form each: paths, arrays, images of Pillow, encoded files and what is none of these."""

import contextlib
import io
import os
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import numpy as np
from PIL import Image

from sklearn_resnet._runtime.threads import make_fork_safe_lock

# How texts begin that are passed for paths by mistake
_TEXTS = {
    "<": "the text of an SVG or of a page",
    "data:": "a data URL",
    **dict.fromkeys(("/9j/", "iVBORw0KGgo", "R0lGOD", "UklGR"), "an image in base64"),
}
_reading = make_fork_safe_lock()  # the position of a file belongs to all who have it


@dataclass(frozen=True)
class EncodedImage:
    """The content of an image file, in memory.

    Attributes
    ----------
    content : bytes
    name : str
        The name of the file; empty if it is unknown.
    """

    content: bytes = field(repr=False)
    name: str = ""


@dataclass(frozen=True)
class UnusableItem:
    """An item that cannot become an image, which raises an error where it is decoded.

    Attributes
    ----------
    cause, remedy : str
        As for `ImageReadError`.
    name : str
        The name of its file; empty if it is unknown.
    """

    cause: str
    remedy: str = ""
    name: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Region:
    """A part of an image, or the whole image.

    Attributes
    ----------
    source : path, array-like, PIL Image, EncodedImage or UnusableItem
        The image.
    box : tuple of 4 int or None
        ``(top, left, bottom, right)`` in pixels of the upright image in full resolution, half open;
        None for the whole image.
    page : int or None
        None for the page of the loader.
    mask : ndarray of bool of the shape of the box, or None
        Pixels outside become black.
    """

    source: Any = field(repr=False)
    box: tuple[int, int, int, int] | None = None
    page: int | None = None
    mask: np.ndarray | None = field(default=None, repr=False)

    @property
    def is_whole(self):
        """Whether it is the whole image, on the page of the loader."""
        return self.page is None and not self.is_cut

    @property
    def is_cut(self):
        """Whether it has a box or a mask."""
        return self.box is not None or self.mask is not None


_IMAGES = (Image.Image, EncodedImage, UnusableItem, Region, bytes, bytearray)


def is_path(item) -> TypeGuard[str | os.PathLike]:
    """Whether `item` is a path: a str, or anything with ``__fspath__``."""
    return isinstance(item, (str, os.PathLike))


def is_array(item):
    """Whether an item of `as_sequence` holds values in memory, in an array or nested lists."""
    kinds = (Image.Image, EncodedImage, UnusableItem, Region)
    return not is_path(item) and not isinstance(item, kinds)


def is_cut(item):
    """Whether an item is a region with a box or a mask."""
    return isinstance(item, Region) and item.is_cut


def name_of(item):
    """Return the path or the name of an item of `as_sequence`; empty if it has none."""
    if is_path(item):
        return os.fspath(item)
    if isinstance(item, Region):
        return name_of(item.source)
    return getattr(item, "name", "") if isinstance(item, (EncodedImage, UnusableItem)) else ""


def as_item(item):
    """Convert an object to the form in which images are kept until they are decoded.

    Parameters
    ----------
    item : object
        A path, an array, an image of Pillow, the bytes of a file, a file open for reading bytes, or
        a dict ``{"bytes": ..., "path": ...}`` as Hugging Face's data sets have it.

    Returns
    -------
    path, array-like, PIL Image, EncodedImage, UnusableItem or Region
        An open file is read from its start, and stays at its position.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    if isinstance(item, str):
        return _as_path(str(item))  # plain str, as messages would show the repr of NumPy's
    if isinstance(item, (os.PathLike, Image.Image, EncodedImage, UnusableItem, Region)):
        return item
    if np.ma.is_masked(item):
        return UnusableItem(
            "it has masked pixels", "Pass image.filled(0), or another value for these pixels."
        )
    if isinstance(item, np.ndarray):
        return _as_numbers(item)
    if isinstance(item, (bytes, bytearray)) or _is_flat_buffer(item):
        return EncodedImage(bytes(item))
    if isinstance(item, dict):
        return _from_dict(item)
    if hasattr(item, "read"):
        return _read_file(item)
    if _is_upath(item):
        return str(item)
    if is_missing(item):
        return UnusableItem(f"it is missing ({item!r})")
    if isinstance(item, (list, tuple)) and not any(map(is_image_item, item[:3])):
        return item
    if hasattr(item, "__array__") and not isinstance(item, np.generic):
        return item
    raise ValueError(_describe_type(item))


def is_image_item(item):
    """Whether an object is a path, an image of Pillow or an encoded file; arrays are told by their shape."""
    if is_path(item) or isinstance(item, _IMAGES):
        return True
    return is_dict(item) or _is_flat_buffer(item) or hasattr(item, "read") or _is_upath(item)


def is_dict(item):
    """Whether an object is a dict; a sparse array can be one too."""
    return isinstance(item, dict) and not hasattr(item, "shape")


def is_image_dict(item):
    """Whether a dict is an image as Hugging Face's data sets have it."""
    return bool(item) and item.keys() <= {"bytes", "path"}


def is_missing(item):
    """Whether a scalar marks a missing value: None, NaN, NaT or pandas' NA."""
    if item is None:
        return True
    if hasattr(item, "__len__") or hasattr(item, "__array__"):
        return isinstance(item, np.generic) and bool(item != item)
    import pandas as pd

    return pd.isna(item) is True


def list_names(names):
    """List a few names for a message."""
    names = [repr(name)[:40] for name in names]
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _is_image(item):
    return is_image_item(item) or isinstance(item, np.ndarray)


def _is_upath(item):
    """Whether an object is a URL of universal-pathlib, which has no ``__fspath__``."""
    return type(item).__module__.partition(".")[0] == "upath"


def _is_flat_buffer(item):
    return isinstance(item, memoryview) and item.ndim == 1 and item.itemsize == 1


def _as_numbers(array):
    """Return an array of numbers, also of one of objects; UnusableItem if it holds others."""
    if array.dtype == object:
        with contextlib.suppress(ValueError):  # of different lengths
            array = np.array(array.tolist())
    if array.dtype.kind in "biuf":
        return array
    return UnusableItem(f"its dtype is {array.dtype}, not bool, integer or float")


def _as_path(text):
    """Return a path as it is, unless it is no path but another text."""
    if not text:
        return UnusableItem("it is missing ('')")
    if not text.startswith(tuple(_TEXTS)) or os.path.exists(text):
        return text
    kind = next(kind for start, kind in _TEXTS.items() if text.startswith(start))
    return UnusableItem(
        f"it is {kind}, not a path", "Pass paths, or the bytes of files (base64.b64decode)."
    )


def _from_dict(item):
    if not is_image_dict(item):
        raise ValueError(_describe_type(item))
    content, path = item.get("bytes"), item.get("path")
    if content is None:
        return as_item(path)
    encoded = as_item(content)
    if not isinstance(encoded, EncodedImage):
        return encoded
    return EncodedImage(encoded.content, os.fspath(path) if is_path(path) else "")


def _read_file(file):
    """Read an open file from its start; it stays at its position."""
    name = getattr(file, "name", "")
    name = name if isinstance(name, str) else ""
    try:
        with _reading:
            position = file.tell()
            file.seek(0)
            content = file.read()
            file.seek(position)
    except UnicodeDecodeError:
        content = ""
    except (OSError, ValueError, AttributeError) as exc:  # closed, a stream or no file
        cause = "it cannot be read from its start"
        if not isinstance(exc, (io.UnsupportedOperation, AttributeError)):
            cause = str(getattr(exc, "strerror", None) or exc).rstrip(".") or type(exc).__name__
        remedy = "Pass a file that is open and can be read from its start, or its bytes."
        return UnusableItem(cause, remedy, name)
    if isinstance(content, str):
        return UnusableItem("it is open for reading text", "Open it with open(path, 'rb').", name)
    return EncodedImage(bytes(content), name)


def _describe_type(item):
    """Say that an object is no image, and name the part of it that may be one."""
    kind = f"an object of type {type(item).__name__}"
    remedy = "Pass paths, arrays, images of Pillow or the bytes of files."
    if isinstance(item, dict):
        kind = f"a dict with {list_names(item)}"
        keys = [key for key, part in item.items() if _is_image(part)]
        remedy = (
            f"Pass the images alone, as in [item[{keys[0]!r}] for item in X]." if keys else remedy
        )
    elif isinstance(item, (list, tuple)):
        kind = f"a {type(item).__name__} of {len(item)} objects"
        position = next(i for i, part in enumerate(item) if _is_image(part))
        remedy = f"Pass the images alone, as in [item[{position}] for item in X]."
    elif isinstance(item, (bool, int, float, np.generic)):
        kind = f"the number {item}"
    return f"Got {kind}. {remedy}"
