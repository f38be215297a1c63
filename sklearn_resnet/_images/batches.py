"""Images of any kind, cut into batches as a computation takes them."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

import numpy as np
from PIL import Image

from sklearn_resnet._images.dask import compute_blocks, is_dask
from sklearn_resnet._images.intensity import find_value_range
from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._runtime.threads import count_threads


def make_batches(images, batch_size, dtype, size=None, value_range=None, positions=None):
    """Cut images into batches, decoding, resizing and converting one batch at a time.

    Parameters
    ----------
    images : ndarray of shape (n, height, width[, channels]), list of ndarray, or LazyImages
    batch_size : int
    dtype : str
        Of the batches.
    size : tuple of 2 int, default=None
        ``(height, width)`` to resize to; None leaves images as they are.
    value_range : tuple of 2 float, default=None
        What resized images are scaled from; see `resize_image`.
    positions : iterable of int, default=None
        Which images, in which order; None takes all. It is read as batches are.

    Yields
    ------
    ndarray of shape (batch_size, height, width[, channels]), dtype `dtype`
        The last may be shorter.
    """
    if isinstance(images, LazyImages):
        batches = images.batches(batch_size, positions)
    else:
        batches = _select_batches(images, batch_size, positions)
    with ThreadPoolExecutor(count_threads()) as pool:
        for batch in batches:
            if size is not None:
                resize = partial(resize_image, size=size, value_range=value_range)
                batch = np.stack(list(pool.map(resize, batch)))
            yield batch.astype(dtype, copy=False)


def _select_batches(images, batch_size, positions):
    if positions is None:
        for start in range(0, len(images), batch_size):
            yield images[start : start + batch_size]
        return
    positions = iter(positions)
    while chosen := list(islice(positions, batch_size)):
        is_list = isinstance(images, list)
        yield [images[i] for i in chosen] if is_list else images[chosen]


def resize_image(image, size, value_range):
    """Bring an image to a size, without rounding its values.

    Parameters
    ----------
    image : ndarray of shape (height, width) or (height, width, {1, 3})
    size : tuple of 2 int
        ``(height, width)``.
    value_range : tuple of 2 float
        The values that stand for black and white.

    Returns
    -------
    ndarray of shape (height, width, 3), dtype float32
        In 0 to 255, interpolated bilinearly over as many pixels as one of the result covers.
    """
    low, high = value_range
    channels = image[..., np.newaxis] if image.ndim == 2 else image
    resized = np.empty((*size, channels.shape[-1]), np.float32)
    for i in range(channels.shape[-1]):
        channel = Image.fromarray(np.ascontiguousarray(channels[..., i], np.float32))
        resized[..., i] = channel.resize(size[::-1], Image.Resampling.BILINEAR)
    return np.broadcast_to((resized - low) * np.float32(255 / (high - low)), (*size, 3))


def is_chunked(X):
    """Whether `X` is an array that lies elsewhere, cut into chunks: of Dask, Zarr or h5py."""
    return all(hasattr(X, name) for name in ("chunks", "shape", "dtype", "__getitem__"))


def cut_blocks(X, batch_size):
    """Cut images into blocks of about `batch_size`, in order.

    Parameters
    ----------
    X : array-like, LazyImages, or iterable of batches of images
    batch_size : int
        Chunked arrays are cut where their chunks end, so that none is read twice.

    Yields
    ------
    array-like or LazyImages
    """
    if not hasattr(X, "__getitem__"):
        yield from X
        return
    if is_dask(X):
        yield from compute_blocks(X, batch_size)
        return
    size = batch_size
    if is_chunked(X) and X.chunks is not None:
        size = max(1, round(batch_size / X.chunks[0])) * X.chunks[0]
    for start in range(0, X.shape[0] if is_chunked(X) else len(X), size):
        block = X[start : start + size]
        yield np.asarray(block) if is_chunked(X) else block


def sample_chunks(X, n_images):
    """So many images of a chunked array, spread evenly, in memory; for 0, a blank one like them."""
    if n_images == 0:
        return np.zeros((1, *X.shape[1:]), X.dtype)
    positions = np.unique(np.linspace(0, X.shape[0] - 1, n_images).astype(int))
    return np.concatenate([np.asarray(X[i : i + 1]) for i in positions])


def find_range_of_chunks(X):
    """The value range of a chunked array, as `find_value_range` finds that of one in memory."""
    if X.dtype.kind in "bu" and X.dtype.itemsize <= 2:  # decided by the dtype
        return find_value_range(np.zeros(1, X.dtype))
    ranges = [find_value_range(block) for block in cut_blocks(X, 1)]
    return max(ranges, key=lambda found: found[1])
