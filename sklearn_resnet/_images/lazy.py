"""LazyImages: images that are decoded when they are asked for, ahead of who asks."""

import copy
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import PIL

from sklearn_resnet._images.decoding import MAX_PIXELS, convert_image, read_image
from sklearn_resnet._images.validation import is_path
from sklearn_resnet._io.paths import file_version, is_url, open_file, suffix_of
from sklearn_resnet._runtime.threads import prefetch_map

_MAX_NAMED = 3  # in one warning


class Failure(NamedTuple):
    """An image that could not be read.

    Attributes
    ----------
    position : int
        Of the image in what `ImageLoader` was given.
    path : str
        Empty for an image in memory.
    cause : str
    """

    position: int
    path: str
    cause: str


class LazyImages:
    """A sequence of images that are not decoded yet.

    It has the shape, the dtype and the length of an array, and is indexed and sliced like
    one, along its first axis, without decoding anything; ``np.asarray`` decodes all.
    `ImageLoader` makes it.

    Parameters
    ----------
    items : list of path and ndarray
        What the images are made from.
    options : dict
        The parameters of `read_image` and `convert_image`.
    value_range : tuple of 2 float
        The values that stand for black and white in arrays.
    n_threads : int
        How many decode at once.
    positions : array-like of int, default=None
        What errors number the items by, None counts them.
    on_error : {"raise", "nan", "skip"}, default="raise"
        What becomes of an image that cannot be read, in `batches`: an error, or black, with its
        failure among `failures`. An array cannot say so: what makes one raises the error.
    max_pixels : int, default=89_478_485
        How many pixels a file may hold.

    Attributes
    ----------
    failures : dict of int to Failure
        By index, those that the last pass of `ResNetFeatures` could not read.
    shape : tuple of int
        ``(n, height, width, 3)``, or ``(n, height, width)`` of grey images. Without a size
        among `options`, the first image that can be read is decoded to know it.
    ndim : int
    dtype : dtype
        uint8.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        items,
        options,
        value_range,
        n_threads,
        positions=None,
        *,
        on_error="raise",
        max_pixels=MAX_PIXELS,
    ):
        self._items = items
        self.options = options
        self._value_range = value_range
        self._n_threads = n_threads
        self.positions = np.arange(len(items)) if positions is None else np.asarray(positions)
        self.on_error = on_error
        self._max_pixels = max_pixels
        self.failures = {}
        size = options["size"]
        # all of one selection are held against the same image
        self._first = None
        self._image_shape = None if size is None else size + (3,) * (options["mode"] == "RGB")

    def __repr__(self):
        size = "x".join(map(str, self._image_shape or ("size of the first",)))
        return f"<LazyImages: {len(self)} of {size}, not decoded yet>"

    @property
    def shape(self):
        """``(n, height, width[, 3])``; the first readable image is decoded if no size is set."""
        if self._image_shape is None:
            self._find_shape()
        return (len(self._items), *self._image_shape)

    def _find_shape(self):
        for i in range(len(self)):
            try:
                self._image_shape = self._load(i).shape
            except (OSError, ValueError):
                if self.on_error == "raise" or i == len(self) - 1:
                    raise
            else:
                self._first = self._items[i], self.positions[i]
                return

    @property
    def paths(self):
        """The path of each image; empty of one in memory."""
        return [_path_of(item) for item in self._items]

    @property
    def ndim(self):
        """Number of dimensions: 3 for grey images, 4 for colour."""
        return len(self.shape)

    def __len__(self):
        return len(self._items)

    def __getitem__(self, key):
        """One image for an int, and else LazyImages of the chosen."""
        # scikit-learn cuts arrays by [rows, ...], Dask by [rows, :, :, :]
        if isinstance(key, tuple):
            if not all(
                k is Ellipsis or (isinstance(k, slice) and k == slice(None)) for k in key[1:]
            ):
                raise IndexError(
                    f"LazyImages are indexed along their first axis alone. Got {key!r}; "
                    "np.asarray decodes them all."
                )
            key = key[0]
        chosen = np.arange(len(self))[key]
        if np.ndim(chosen) == 0:
            return self._load_alike(int(chosen))
        selected = LazyImages(
            [self._items[i] for i in chosen],
            self.options,
            self._value_range,
            self._n_threads,
            self.positions[chosen],
            on_error=self.on_error,
            max_pixels=self._max_pixels,
        )
        selected._first, selected._image_shape = self._first, self._image_shape
        return selected

    def __iter__(self):
        return self._decode(self._load_alike, range(len(self)), 2 * self._n_threads)

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("LazyImages cannot become an array without decoding them: copy=False.")
        images = np.empty(self.shape, self.dtype)
        for i, image in enumerate(self):
            images[i] = image
        return images.astype(dtype or self.dtype, copy=False)

    def batches(self, batch_size, positions=None):
        """Decode images, while who asks for them is busy with those before.

        Parameters
        ----------
        batch_size : int
        positions : iterable of int, default=None
            Which images; None takes all.

        Yields
        ------
        ndarray of shape (batch_size, height, width[, 3]), dtype uint8
            The last may be shorter. At most about two batches are held besides it.
        """
        ahead = batch_size + 2 * self._n_threads
        positions = range(len(self)) if positions is None else positions
        load = self._load_alike if self.on_error == "raise" else self._load_or_fail
        images = self._decode(load, positions, ahead)
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

    def digests(self, digest):
        """What tells the content of each image from others, without decoding files.

        Parameters
        ----------
        digest : callable
            From bytes-like objects to bytes.

        Returns
        -------
        list of bytes
        """
        # the decoders are those of the versions installed
        how = repr((sorted(self.options.items()), PIL.__version__)).encode()

        def read(item):
            if not is_path(item):
                array = np.asarray(item)
                form = repr((self._value_range, array.dtype.str, array.shape)).encode()
                return digest(how, form, np.ascontiguousarray(array))
            try:
                with open_file(item) as file:
                    content = file.read()
            except Exception:  # found in no cache; decoding it will say what is wrong
                return os.urandom(len(digest(b"")))
            return digest(how, suffix_of(item).encode(), content)

        with ThreadPoolExecutor(self._n_threads) as pool:
            return list(pool.map(read, self._items))

    def find_versions(self):
        """By index, what tells each file from what it was, or will be; None where it is costly."""

        def find(item):
            if not is_path(item) or is_url(item):
                return None
            try:
                return file_version(item)
            except Exception:  # decoding it will say what is wrong
                return None

        return [find(item) for item in self._items]

    def with_paths(self, change):
        """The same images, whose paths are what `change` makes of them."""
        images = copy.copy(self)
        images._items = [change(item) if is_path(item) else item for item in self._items]
        return images

    def fail_like(self, i, other):
        """Note that image `i`, of the same content as `other`, cannot be read either."""
        self.failures[i] = self._make_failure(i, self.failures[other].cause)

    def _make_failure(self, i, cause):
        return Failure(int(self.positions[i]), _path_of(self._items[i]), cause)

    def _decode(self, load, positions, n_ahead):
        """Images in order, up to so many of which are decoded before they are asked for."""
        self.shape  # noqa: B018  known before the threads need it
        return prefetch_map(load, positions, self._n_threads, n_ahead)

    def _load_alike(self, i):
        image, expected = self._load(i), self.shape[1:]
        if image.shape != expected:
            first = _describe(*self._first, expected)
            this = _describe(self._items[i], self.positions[i], image.shape)
            raise ValueError(
                f"Without a size, all images must be of one size, but {first} and {this}. Pass "
                "size= to ImageLoader, as in ImageLoader(size=224); on the command line, "
                "--image-size 224."
            )
        return image

    def _load_or_fail(self, i):
        """The image, or a black one, whose failure is noted."""
        try:
            image = self._load_alike(i)
        except (OSError, ValueError) as exc:
            self.failures[int(i)] = self._make_failure(i, getattr(exc, "cause", str(exc)))
            return np.zeros(self.shape[1:], self.dtype)
        self.failures.pop(int(i), None)
        return image

    def _load(self, i):
        item, position = self._items[i], self.positions[i]
        try:
            if is_path(item):
                return read_image(item, max_pixels=self._max_pixels, **self.options)
            return convert_image(np.asarray(item), self._value_range, **self.options)
        except (OSError, ValueError) as exc:
            if is_path(item):
                error = type(exc)(f"{exc} It is image {position} of X, counted from 0.")
            else:
                error = ValueError(f"Image {position} of X cannot be used: {exc}.")
            error.cause = getattr(exc, "cause", str(exc))
            raise error from exc


def warn_of_failures(failures, n_images, what_becomes):
    """Warn of images that could not be read; see `describe_failures`."""
    if failures:
        failures = sorted(failures.values())
        warnings.warn(describe_failures(failures, n_images, what_becomes), stacklevel=3)


def describe_failures(failures, n_images, what_becomes):
    """Say how many images could not be read, and name the first.

    Parameters
    ----------
    failures : list of Failure
    n_images : int
        How many images there were in all.
    what_becomes : str
        Of those that could not be read.
    """
    named = "; ".join(
        f"{failure.path or 'an image in memory'!r} (image {failure.position}): {failure.cause}"
        for failure in failures[:_MAX_NAMED]
    )
    more = "; ..." if len(failures) > _MAX_NAMED else ""
    n_failures = len(failures)
    return f"{n_failures} of {n_images} images could not be read, and {what_becomes}: {named}{more}"


def _path_of(item):
    return os.fspath(item) if is_path(item) else ""


def _describe(item, position, shape):
    name = repr(os.fspath(item)) if is_path(item) else f"image {position} of X"
    return f"{name} has {shape[0]} x {shape[1]} pixels"
