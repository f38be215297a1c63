"""LazyImages: images that are decoded when they are asked for, ahead of who asks."""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL

from sklearn_resnet._image_arrays import is_path
from sklearn_resnet._image_files import convert_image, read_image


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

    Attributes
    ----------
    shape : tuple of int
        ``(n, height, width, 3)``, or ``(n, height, width)`` of grey images. Without a size
        among `options`, the first image is decoded to know it.
    ndim : int
    dtype : dtype
        uint8.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, items, options, value_range, n_threads, positions=None):
        self._items = items
        self._options = options
        self._value_range = value_range
        self._n_threads = n_threads
        self._positions = np.arange(len(items)) if positions is None else np.asarray(positions)
        size = options["size"]
        # all of one selection are held against the same image
        self._first = None
        self._image_shape = None if size is None else size + (3,) * (options["mode"] == "RGB")

    @property
    def shape(self):
        if self._image_shape is None:
            self._first = self._items[0], self._positions[0]
            self._image_shape = self._load(0).shape
        return (len(self._items), *self._image_shape)

    @property
    def ndim(self):
        return len(self.shape)

    def __len__(self):
        return len(self._items)

    def __getitem__(self, key):
        """One image for an int, and else LazyImages of the chosen."""
        if isinstance(key, tuple):  # as scikit-learn cuts arrays: [rows, ...]
            if key[1:] not in ((), (Ellipsis,)):
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
            self._options,
            self._value_range,
            self._n_threads,
            self._positions[chosen],
        )
        selected._first, selected._image_shape = self._first, self._image_shape
        return selected

    def __iter__(self):
        return self._decode(range(len(self)), 2 * self._n_threads)

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
        images = self._decode(range(len(self)) if positions is None else positions, ahead)
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
        how = repr((sorted(self._options.items()), PIL.__version__)).encode()

        def read(item):
            if not is_path(item):
                array = np.asarray(item)
                form = repr((self._value_range, array.dtype.str, array.shape)).encode()
                return digest(how, form, np.ascontiguousarray(array))
            try:
                with open(item, "rb") as file:
                    content = file.read()
            except OSError:  # found in no cache; decoding it will say what is wrong
                return os.urandom(len(digest(b"")))
            return digest(how, Path(item).suffix.lower().encode(), content)

        with ThreadPoolExecutor(self._n_threads) as pool:
            return list(pool.map(read, self._items))

    def _decode(self, positions, n_ahead):
        """Yield images in order, decoding up to so many before they are asked for."""
        self.shape  # noqa: B018  known before the threads need it
        with ThreadPoolExecutor(self._n_threads) as pool:
            ahead = deque()
            try:
                for i in positions:
                    ahead.append(pool.submit(self._load_alike, i))
                    if len(ahead) > n_ahead:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:  # after an error, or if no more are wanted
                for future in ahead:
                    future.cancel()

    def _load_alike(self, i):
        image, expected = self._load(i), self.shape[1:]
        if image.shape != expected:
            first = _describe(*self._first, expected)
            this = _describe(self._items[i], self._positions[i], image.shape)
            raise ValueError(
                f"Without a size, all images must be of one size, but {first} and {this}. Pass "
                "size= to ImageLoader, as in ImageLoader(size=224); on the command line, "
                "--image-size 224."
            )
        return image

    def _load(self, i):
        item = self._items[i]
        if is_path(item):
            return read_image(item, **self._options)
        try:
            return convert_image(np.asarray(item), self._value_range, **self._options)
        except ValueError as exc:
            raise ValueError(f"Image {self._positions[i]} of X cannot be used: {exc}.") from exc


def _describe(item, position, shape):
    name = repr(os.fspath(item)) if is_path(item) else f"image {position} of X"
    return f"{name} has {shape[0]} x {shape[1]} pixels"
