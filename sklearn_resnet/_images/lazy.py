"""LazyImages: images that are decoded when they are needed."""

import copy
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, Self

import numpy as np
import PIL
from numpy.typing import ArrayLike
from PIL import Image

from sklearn_resnet._images.decoding import (
    MAX_PIXELS,
    DecodingOptions,
    convert_image,
    convert_pillow_image,
    describe_pillow_image,
    open_image,
    read_image,
)
from sklearn_resnet._images.errors import ImageReadError
from sklearn_resnet._images.file_log import FileLog
from sklearn_resnet._images.hashing import HASH_BYTES, hash_content, hash_stream
from sklearn_resnet._images.image_cache import image_cache
from sklearn_resnet._images.intensity import Extent, InferredRange
from sklearn_resnet._images.items import UnusableItem, is_array, is_path, name_of
from sklearn_resnet._images.sources import ImageSource
from sklearn_resnet._io.paths import file_version, is_url, suffix_of
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._runtime.threads import prefetch_map

_MAX_NAMED = 3  # failures in one warning


class Failure(NamedTuple):
    """An image that could not be read.

    Attributes
    ----------
    position : int
        The position of the image in the input of `ImageLoader`.
    path : str
        Empty for an image in memory.
    cause : str
    """

    position: int
    path: str
    cause: str


class _LazySource(ImageSource):
    """Images that are decoded to uint8 when they are needed."""

    is_lazy = True
    lookup_size = 256  # all files of a lookup are read at once

    def blocks(self, batch_size):
        """Cut the images into blocks, without decoding them."""
        for start in range(0, len(self), batch_size):
            yield self[start : start + batch_size]

    def infer_value_range(self):
        """Return the range of uint8."""
        return InferredRange((0.0, 255.0), Extent(np.dtype(np.uint8), 0.0, 255.0))


class LazyImages(_LazySource):
    """A sequence of images that are decoded when they are needed.

    ``ImageLoader(lazy=True)`` makes it. It has the length, shape and dtype of an array, and it is
    indexed and sliced like an array along its first axis, without decoding anything.
    ``np.asarray`` decodes all images, unless they are in the cache that `ImageLoader` describes.

    Parameters
    ----------
    items : list of path, array-like, PIL Image, EncodedImage or UnusableItem
        The images, as `as_sequence` lists them.
    options : dict
        The size, resize mode, colour mode and value range, as for `ImageLoader`.
    value_range : tuple of 2 float
        The black and the white level of arrays.
    n_threads : int
        The number of threads that decode.
    positions : array-like of int, default=None
        The positions that errors name; None counts the items from 0.
    on_error : {"raise", "nan", "skip"}, default="raise"
        As for `ImageLoader`. With ``"nan"`` and ``"skip"``, `batches` gives a black image in place
        of one that cannot be read, and records it in `failures`. An array cannot mark an image as
        missing, so ``np.asarray`` always raises the error.
    max_pixels : int, default=89_478_485
        The largest number of pixels that a file may have.

    Attributes
    ----------
    failures : dict of int to Failure
        The images that the last pass of `ResNetFeatures` could not read, by index. Each has a
        position, a path and a cause.
    file_log : FileLog
        The reports on the files of the last pass.
    positions : ndarray of int
        The position of each image in the input of `ImageLoader`.

    See Also
    --------
    ImageLoader : Makes it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_resnet import ImageLoader
    >>> photos = [np.zeros((40, 30)), np.ones((30, 60, 3))]
    >>> images = ImageLoader(size=32, lazy=True).fit_transform(photos)
    >>> images
    <LazyImages: 2 of 32x32x3, not decoded yet>
    >>> images[:1].shape
    (1, 32, 32, 3)
    """

    def __init__(
        self,
        items: Sequence,
        options: DecodingOptions,
        value_range: tuple[float, float],
        n_threads: int,
        positions: ArrayLike | None = None,
        *,
        on_error: str = "raise",
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self._items = items
        self.options = options
        self._value_range = value_range
        self._n_threads = n_threads
        self.positions = np.arange(len(items)) if positions is None else np.asarray(positions)
        self.on_error = on_error
        self._max_pixels = max_pixels
        self.failures: dict[int, Failure] = {}
        self.file_log = FileLog()
        size = options["size"]
        # every image of a selection is compared with the same first image
        self._first = None
        channels = (3,) if options["mode"] == "RGB" else ()
        self._image_shape: tuple[int, ...] | None = None if size is None else (*size, *channels)

    def __repr__(self):
        size = "x".join(map(str, self._image_shape or ("size of the first",)))
        return f"<LazyImages: {len(self)} of {size}, not decoded yet>"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array of these images.

        Without a size, it is that of the first readable image, which is decoded.
        """
        if self._image_shape is None:
            self._image_shape = self._find_shape()
        return (len(self._items), *self._image_shape)

    def _find_shape(self, use_cache=False):
        for i in range(len(self)):
            try:
                shape = self._load(i, use_cache).shape
            except ImageReadError:
                if self.on_error == "raise" or i == len(self) - 1:
                    raise
            else:
                self._first = self._items[i], self.positions[i]
                return shape

    @property
    def dtype(self) -> np.dtype:
        """The dtype of decoded images: uint8."""
        return np.dtype(np.uint8)

    @property
    def paths(self) -> list[str]:
        """The path of each image; empty for an image in memory without a name."""
        return [name_of(item) for item in self._items]

    @property
    def ndim(self) -> int:
        """The number of dimensions: 3 for grey images, 4 for colour."""
        return 4 if self.options["mode"] == "RGB" else 3

    def __len__(self):
        return len(self._items)

    def __getitem__(self, key):
        """One image for an int, LazyImages for anything else that selects rows."""
        # scikit-learn selects rows of arrays by [rows, ...], Dask by [rows, :, :, :]
        if isinstance(key, tuple):
            if not all(
                k is Ellipsis or (isinstance(k, slice) and k == slice(None)) for k in key[1:]
            ):
                raise IndexError(
                    f"LazyImages can be indexed along their first axis only. Got {key!r}; "
                    "np.asarray decodes them all."
                )
            key = key[0]
        chosen = np.arange(len(self))[key]
        if np.ndim(chosen) == 0:
            return self._load_of_one_shape(int(chosen))
        selected = copy.copy(self)
        selected._items = [self._items[i] for i in chosen]
        selected.positions = self.positions[chosen]
        selected.failures = {}
        selected.file_log = FileLog()
        return selected

    def __iter__(self):
        return self._decode_all(self._load_of_one_shape)

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("LazyImages cannot become an array without decoding them: copy=False.")
        if self._image_shape is None:
            self._image_shape = self._find_shape(use_cache=True)
        images = np.empty(self.shape, self.dtype)
        # of more images, each pass would evict all before the next one finds them
        load = partial(self._load_of_one_shape, use_cache=images.nbytes <= image_cache.max_bytes)
        for i, image in enumerate(self._decode_all(load)):
            images[i] = image
        return images if dtype is None else images.astype(dtype, copy=False)

    def batches(
        self, batch_size: int, positions: Iterable[int] | None = None
    ) -> Iterator[np.ndarray]:
        """Decode images in batches, ahead of their use.

        At most about two further batches are held in memory.

        Parameters
        ----------
        batch_size : int
            The number of images in a batch.
        positions : iterable of int, default=None
            Indices of the images, in order; None takes all.

        Yields
        ------
        batch : ndarray of shape (batch_size, height, width[, 3]), dtype uint8
            The last one may be shorter.
        """
        n_ahead = batch_size + 2 * self._n_threads
        positions = range(len(self)) if positions is None else positions
        load = self._load_of_one_shape if self.on_error == "raise" else self._load_or_record
        images = self._decode(load, positions, n_ahead)
        batch = np.empty((batch_size, *self.shape[1:]), self.dtype)
        n_filled = 0
        for image in images:
            batch[n_filled] = image
            n_filled += 1
            if n_filled == batch_size:
                yield batch
                batch, n_filled = np.empty_like(batch), 0
        if n_filled:
            yield batch[:n_filled]

    def digests(self) -> list[bytes]:
        """Hash the content of each image, without decoding it.

        Returns
        -------
        digests : list of bytes
            Equal for images that are decoded from the same bytes in the same way. An unreadable
            file has a random digest.
        """
        # the decoders are those of the installed versions
        options = repr((sorted(self.options.items()), PIL.__version__)).encode()

        def hash_item(item):
            if is_array(item):
                array = np.asarray(item)
                form = repr((self._value_range, array.dtype.str, array.shape)).encode()
                return hash_content(options, form, np.ascontiguousarray(array))
            try:
                if isinstance(item, UnusableItem):
                    raise ValueError(item.cause)
                if isinstance(item, Image.Image):
                    return hash_content(options, *describe_pillow_image(item))
                name = name_of(item)
                with open_image(item, name) as file:
                    return hash_stream(file, options, suffix_of(name).encode())
            except Exception:  # decoding it will name the cause
                return os.urandom(HASH_BYTES)

        with ThreadPoolExecutor(self._n_threads) as pool:
            return list(pool.map(hash_item, self._items))

    def file_versions(self) -> list[str | None]:
        """Find the version of each file, which changes with its content.

        Returns
        -------
        versions : list of str or None
            None for arrays, for URLs, where asking is slow, and for unreadable files.
        """

        def find(item):
            if not is_path(item) or is_url(item):
                return None
            try:
                return file_version(item)
            except Exception:  # decoding it will name the cause
                return None

        return [find(item) for item in self._items]

    def with_paths(self, change: Callable) -> Self:
        """Replace the paths.

        Parameters
        ----------
        change : callable
            Makes a new path of each path.

        Returns
        -------
        images : LazyImages
            The same images at the new paths.
        """
        images = copy.copy(self)
        images._items = [change(item) if is_path(item) else item for item in self._items]
        return images

    def add_failure(self, i: int, cause: str) -> None:
        """Record that an image could not be read.

        Parameters
        ----------
        i : int
            Its index.
        cause : str
            The reason.
        """
        self.failures[i] = Failure(int(self.positions[i]), name_of(self._items[i]), cause)

    def record_failures(self, failures: dict[int, Failure]) -> None:
        """Replace the failures by those of a pass that read these images in blocks.

        Parameters
        ----------
        failures : dict of int to Failure
            By index.
        """
        self.failures = failures

    def _decode_all(self, load):
        """Yield all images, and warn at the end if their value ranges may be wrong."""
        self.file_log.clear()
        yield from self._decode(load, range(len(self)), 2 * self._n_threads)
        self.file_log.warn()

    def _decode(self, load, positions, n_ahead):
        """Yield images in order, and decode up to `n_ahead` of them ahead of their use."""

        def load_and_report(i):
            inferred = []
            return i, load(i, report=inferred.append), inferred

        self.shape  # noqa: B018  computed before the threads need it
        for i, image, inferred in prefetch_map(
            load_and_report, positions, self._n_threads, n_ahead
        ):
            for found in inferred:
                self.file_log.add(name_of(self._items[i]) or f"image {self.positions[i]}", found)
            yield image

    def _load(self, i, use_cache=False, report=None):
        item, position = self._items[i], int(self.positions[i])
        try:
            if is_array(item):
                options = self.options | {"value_range": self._value_range}
                return convert_image(np.asarray(item), **options)
            if isinstance(item, UnusableItem):
                raise ImageReadError(item.cause, item.name, remedy=item.remedy)
            return self._read(item, use_cache, report)
        except ImageReadError as exc:
            exc.position = position
            raise
        except ValueError as exc:
            raise ImageReadError(str(exc), name_of(item), position) from exc

    def _read(self, item, use_cache, report):
        options = {"max_pixels": self._max_pixels, "report": report, **self.options}
        if isinstance(item, Image.Image):
            return convert_pillow_image(item, **options)
        return read_image(item, use_cache=use_cache, **options)

    def _load_of_one_shape(self, i, use_cache=False, report=None):
        image = self._load(i, use_cache, report)
        if image.shape != self.shape[1:]:
            raise ParameterError(
                "size",
                "must be given for images of different sizes",
                got=None,
                hint=f"{self._describe_sizes(i, image)}.",
                remedy="Pass size= to ImageLoader, as in ImageLoader(size=64).",
            )
        return image

    def _load_or_record(self, i, report):
        """Load an image, or record why it failed and return a black one."""
        try:
            image = self._load(i, report=report)
        except ImageReadError as exc:
            self.add_failure(int(i), exc.cause)
            return np.zeros(self.shape[1:], self.dtype)
        if image.shape != self.shape[1:]:
            sizes = self._describe_sizes(i, image)
            self.add_failure(int(i), f"without a size, all images must be of one size: {sizes}")
            return np.zeros(self.shape[1:], self.dtype)
        self.failures.pop(int(i), None)
        return image

    def _describe_sizes(self, i, image):
        first = _describe(*self._first, self.shape[1:])
        return f"{first} and {_describe(self._items[i], self.positions[i], image.shape)}"


def warn_about_failures(failures, n_images, consequence):
    """Warn about images that could not be read; see `describe_failures`."""
    if failures:
        failures = sorted(failures.values())
        warnings.warn(describe_failures(failures, n_images, consequence), stacklevel=3)


def describe_failures(failures, n_images, consequence):
    """Describe the number of images that could not be read, and name the first ones.

    Parameters
    ----------
    failures : list of Failure
    n_images : int
        The total number of images.
    consequence : str
        How these images are handled: ``"their features are NaN"``.

    Returns
    -------
    str
    """
    named = "; ".join(
        f"{failure.path or 'an image in memory'!r} (image {failure.position}): {failure.cause}"
        for failure in failures[:_MAX_NAMED]
    )
    more = "; ..." if len(failures) > _MAX_NAMED else ""
    n_failures = len(failures)
    return f"{n_failures} of {n_images} images could not be read, and {consequence}: {named}{more}"


def _describe(item, position, shape):
    name = repr(name_of(item)) if name_of(item) else f"image {position} of X"
    return f"{name} has {shape[0]} x {shape[1]} pixels"
