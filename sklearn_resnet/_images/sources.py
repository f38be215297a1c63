"""Image sources, one protocol for arrays, lists, chunked arrays, Dask and iterables.

`LazyImages` implements the protocol too.
"""

import copy
from itertools import islice

import numpy as np

from sklearn_resnet._images.file_log import FileLog
from sklearn_resnet._images.hashing import MAX_SMALL, hash_content, hash_rows
from sklearn_resnet._images.intensity import (
    Extent,
    InferredRange,
    infer_list_range,
    infer_value_range,
)
from sklearn_resnet._images.items import is_image_item

_LOOKUP_BYTES = 2**26  # of pixels whose features are looked up at once


class ImageSource:
    """An image source: the protocol, with its defaults.

    Attributes
    ----------
    shape : tuple of int
        ``(n, height, width[, channels])``; ``(n,)`` for images of different sizes.
    dtype : dtype
    failures : dict of int to Failure
        The images that could not be read, by index. Only lazy images fail.
    file_log : FileLog
        The reports on the files of lazy images in the last pass.
    on_error : {"raise", "nan", "skip"}
        How to handle such images; see `ImageLoader`.
    is_lazy : bool
        Whether images are decoded when they are needed.
    is_delayed : bool
        Whether it is a Dask collection, whose features are a Dask array.
    reads_in_blocks : bool
        Whether it is read block by block, because its images may not fit into memory. It then has
        only the methods `blocks`, `sample` and `infer_value_range`.
    image_format : str or None
        The dtype and shape of each image, if `digests` do not include them.
    arrays : sequence of ndarray
        The values in memory.
    lookup_size : int
        The number of images whose features are looked up in the cache at once.
    channel_names : list of str or None
        The names of the channels; None if there are none.
    n_parts : int
        The number of consecutive images whose features make one row.

    Methods
    -------
    __getitem__(slice)
        Select images, without copying or decoding them. Sources with files select by a list, too.
    batches(batch_size, positions=None)
        Yield arrays, or lists of arrays, of the images at `positions`, or of all.
    blocks(batch_size)
        Cut the images into blocks of about `batch_size`; each is an input of `as_source`.
    digests()
        Hash the content of each image.
    channel_digests()
        Hash the content of each channel of each image.
    keyed_digests(secret)
        Hash the content of each image for a store of features with a secret, if that is faster.
    keyed_channel_digests(secret)
        Hash each channel of each image, as `keyed_digests` does the same grey image.
    digest_of_all()
        Hash the content of all images at once; None if that is not faster.
    file_versions()
        Find the version of the file of each image; None without a file.
    add_failure(i, cause)
        Record that a lazy image could not be read.
    record_failures(failures)
        Replace the failures of lazy images; other sources have none of their own.
    end_pass()
        Forget what a pass over blocks has kept.
    reading_order()
        Return the positions of all images in the order in which they are best read, or None.
    sample(n_images)
        Choose images for `fit`; the result is an input of `as_source`.
    infer_value_range()
        Infer the black and the white level.
    """

    on_error = "raise"
    is_lazy = False
    is_delayed = False
    reads_in_blocks = False
    image_format = None
    arrays = ()
    lookup_size = 2048
    n_parts = 1

    @property
    def channel_names(self):
        """None: only files name their channels."""
        return None

    def sample(self, n_images):
        """Choose all images, because they need not be read."""
        return self

    def record_failures(self, failures):
        """Ignore the failures of blocks: only lazy images keep them."""

    def end_pass(self):
        """Do nothing: only lazy images keep decoded images."""

    def reading_order(self):
        """Return None: values in memory are read in any order."""

    def keyed_digests(self, secret):
        """Return `digests`."""
        return self.digests()

    def keyed_channel_digests(self, secret):
        """Return `channel_digests`."""
        return self.channel_digests()

    def digest_of_all(self):
        """Return None: only the values of an array are hashed faster."""


def as_source(X, check=None):
    """Wrap images in a source.

    Parameters
    ----------
    X : LazyImages, Dask collection, chunked array, array-like, or ImageSource
        A source is returned as it is.
    check : callable, default=None
        Validates values in memory: it takes `X`, and returns an ndarray, or a list of ndarray if
        images differ in size. None takes `X` as it is.

    Returns
    -------
    ImageSource
    """
    if isinstance(X, ImageSource):
        return X
    first = X[0] if isinstance(X, (list, tuple)) and X else X
    if type(first).__module__.partition(".")[0] == "dask":  # an array, a bag, delayed objects
        return DaskSource(X)
    if all(hasattr(X, name) for name in ("chunks", "shape", "dtype", "__getitem__")):
        return ChunkedSource(X)
    X = X if check is None else check(X)
    return ListSource(X) if isinstance(X, (list, tuple)) else ArraySource(X)


def as_block_source(X):
    """Wrap images, or an iterable of batches of images, in a source to cut into blocks.

    Parameters
    ----------
    X : as for `as_source`, or iterable of these

    Returns
    -------
    ImageSource
        Of its methods, use only `blocks` and `record_failures`.
    """
    if not hasattr(X, "__getitem__"):
        return _BatchIterable(X)
    is_column = not hasattr(X, "shape") and not isinstance(X, (list, tuple))
    return _Column(X) if is_column else as_source(X)


class _InMemory(ImageSource):
    """Images in memory, or mapped into it."""

    def __init__(self, images):
        self.images = images
        self.failures = {}
        self.file_log = FileLog()

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        return type(self)(self.images[rows])

    def batches(self, batch_size, positions=None):
        """Select images in batches."""
        if positions is None:
            yield from self.blocks(batch_size)
            return
        positions = iter(positions)
        while chosen := list(islice(positions, batch_size)):
            yield self._select(chosen)

    def blocks(self, batch_size):
        """Cut the images into blocks of `batch_size`."""
        for start in range(0, len(self.images), batch_size):
            yield self.images[start : start + batch_size]

    def file_versions(self):
        """Return None for each image, because none has a file."""
        return [None] * len(self)


class ArraySource(_InMemory):
    """Images of one size. Without a check, anything but a list or a tuple."""

    @property
    def shape(self):
        """The shape of the array."""
        return np.shape(self.images)

    @property
    def dtype(self):
        """The dtype of the array."""
        return self.images.dtype

    @property
    def image_format(self):
        """The dtype and shape of each image."""
        return f"{self.dtype.str}{self.shape[1:]}"

    @property
    def arrays(self):
        """The array."""
        return [self.images]

    @property
    def lookup_size(self):
        """The number of images whose features are looked up in the cache at once."""
        return max(1, _LOOKUP_BYTES * len(self) // self.images.nbytes)

    def digests(self):
        """Hash the pixels of each image."""
        return list(map(hash_content, _as_rows(self.images)))

    def channel_digests(self):
        """Hash the pixels of each channel, as `digests` does those of the same grey image."""
        return [list(map(hash_content, split_channels(image))) for image in self.images]

    def keyed_digests(self, secret):
        """Hash the pixels of each image."""
        return hash_rows(_as_rows(self.images), secret)

    def keyed_channel_digests(self, secret):
        """Hash the pixels of each channel."""
        return [hash_rows(_as_rows(split_channels(image)), secret) for image in self.images]

    def digest_of_all(self):
        """Hash the pixels of all images; None for large images, whose digests are as fast."""
        pixels = _as_rows(self.images)
        return hash_content(pixels) if pixels.shape[1] <= MAX_SMALL else None

    def infer_value_range(self):
        """Infer the black and the white level."""
        return infer_value_range(self.images)

    def _select(self, chosen):
        return self.images[chosen]


class ListSource(_InMemory):
    """Images of different sizes."""

    dtype = np.dtype(object)

    @property
    def shape(self):
        """The number of images."""
        return (len(self),)

    @property
    def arrays(self):
        """The images."""
        return self.images

    def digests(self):
        """Hash the format and the pixels of each image."""
        return list(map(_hash_array, self.images))

    def channel_digests(self):
        """Hash each channel, as `digests` does the same grey image."""
        return [list(map(_hash_array, split_channels(image))) for image in self.images]

    def infer_value_range(self):
        """Infer the black and the white level."""
        return infer_list_range(self.images)

    def _select(self, chosen):
        return [self.images[i] for i in chosen]


def _as_rows(images):
    """Return the bytes of an array of images, a row for each."""
    return np.ascontiguousarray(images).reshape(-1).view(np.uint8).reshape(len(images), -1)


def _hash_array(image):
    return hash_content(f"{image.dtype.str}{image.shape}".encode(), np.ascontiguousarray(image))


def split_channels(image):
    """Return an image as an array of its channels, each contiguous: (channels, height, width)."""
    return np.ascontiguousarray(np.moveaxis(np.atleast_3d(image), -1, 0))


class ChunkedSource(ImageSource):
    """An array of Zarr or h5py, read in blocks that end where its chunks end."""

    reads_in_blocks = True

    def __init__(self, images):
        self.images = images
        self.failures = {}
        self.file_log = FileLog()

    @property
    def shape(self):
        """The shape of the array."""
        return self.images.shape

    @property
    def dtype(self):
        """The dtype of the array."""
        return self.images.dtype

    def __len__(self):
        return self.images.shape[0]

    def blocks(self, batch_size):
        """Read blocks of whole chunks, about `batch_size` images each."""
        size = batch_size
        if self.images.chunks is not None:
            chunk = self.images.chunks[0]
            size = max(1, round(batch_size / chunk)) * chunk
        for start in range(0, self.images.shape[0], size):
            yield np.asarray(self.images[start : start + size])

    def sample(self, n_images):
        """Read images, spread evenly; for 0, make a blank one of their shape and dtype."""
        if n_images == 0:
            return np.zeros((1, *self.shape[1:]), self.dtype)
        rows = np.unique(np.linspace(0, self.shape[0] - 1, n_images).astype(int))
        return np.concatenate([np.asarray(self.images[i : i + 1]) for i in rows])

    def infer_value_range(self):
        """Infer the black and the white level; nothing is read if the dtype has 8 bits."""
        if self.dtype.kind in "bu" and self.dtype.itemsize == 1:
            white = 1.0 if self.dtype.kind == "b" else 255.0
            return InferredRange((0.0, white), Extent(self.dtype, 0.0, white))
        return infer_value_range(self.blocks(1))


class DaskSource(ChunkedSource):
    """A Dask collection, computed in blocks of whole chunks."""

    is_delayed = True

    def sample(self, n_images):
        """Compute images, spread evenly; for 0, make a blank one of their shape and dtype."""
        if not hasattr(self.images, "chunks"):
            raise ValueError(
                f"X must be a Dask array of images. Got a {type(self.images).__name__} instead. "
                "Put ImageLoader(size=...) before ResNetFeatures if it holds paths."
            )
        return super().sample(n_images)

    def blocks(self, batch_size):
        """Compute blocks of whole chunks, about `batch_size` images each; none is empty.

        Yields
        ------
        ndarray or LazyImages
        """
        import dask

        X = self.images
        max_length = max(X.chunks[0])  # NaN if the lengths are not known yet
        n_chunks = 1 if np.isnan(max_length) else max(1, round(batch_size / max(1, max_length)))
        chunks = X.rechunk(dict.fromkeys(range(1, X.ndim), -1)).to_delayed().ravel()
        for start in range(0, len(chunks), n_chunks):
            blocks = dask.compute(*chunks[start : start + n_chunks])
            blocks = [block for block in blocks if len(block)]
            if any(as_source(block).is_lazy for block in blocks):
                yield from blocks
            elif blocks:
                yield np.concatenate(blocks)


class _Column(ImageSource):
    """A sequence of images that need not be a list, such as a column of Hugging Face's data sets."""

    reads_in_blocks = True

    def __init__(self, images):
        self._images = images

    def blocks(self, batch_size):
        """Read lists of `batch_size` images."""
        for start in range(0, len(self._images), batch_size):
            rows = range(start, min(start + batch_size, len(self._images)))
            yield [self._images[i] for i in rows]


def _copy_arrays(batch):
    """Copy a batch, except images of Pillow: errors of decoding them are named later."""
    if not isinstance(batch, (list, tuple)):
        return copy.deepcopy(batch)
    return [item if is_image_item(item) else copy.deepcopy(item) for item in batch]


class _BatchIterable(ImageSource):
    """An iterable of batches of images, such as a generator."""

    reads_in_blocks = True

    def __init__(self, batches):
        self._batches = batches

    def blocks(self, batch_size):
        """Yield the batches, whatever their size, but no empty ones; chunked arrays are read whole."""
        for batch in self._batches:
            source = as_source(batch)
            batch = np.asarray(batch) if source.reads_in_blocks else batch
            if hasattr(batch, "__len__") and not len(batch):
                continue
            if source.reads_in_blocks:
                yield batch
            else:  # a generator may refill its array while the network computes
                yield batch if source.is_lazy else _copy_arrays(batch)
