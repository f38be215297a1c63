"""Batches of images with the size and dtype of a computation."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from PIL import Image

from sklearn_resnet._runtime.threads import count_threads


def make_batches(images, batch_size, dtype, size=None, value_range=None, positions=None):
    """Cut images into batches; decode, resize and convert one batch at a time.

    Parameters
    ----------
    images : ImageSource
    batch_size : int
    dtype : str
        The dtype of the batches.
    size : tuple of 2 int, default=None
        ``(height, width)`` to resize to; None keeps the size of the images.
    value_range : tuple of 2 float
        The black and the white level of resized images; see `resize_image`.
    positions : iterable of int, default=None
        The images, in order; None takes all. It is consumed along with the batches.

    Yields
    ------
    ndarray of shape (batch_size, height, width[, channels]), dtype `dtype`
        The last one may be shorter.
    """
    with ThreadPoolExecutor(count_threads()) as pool:
        for batch in images.batches(batch_size, positions):
            if size is not None:
                resize = partial(resize_image, size=size, value_range=value_range)
                batch = np.stack(list(pool.map(resize, batch)))
            yield batch.astype(dtype, copy=False)


def resize_image(image, size, value_range):
    """Resize an image without rounding its values.

    Parameters
    ----------
    image : ndarray of shape (height, width) or (height, width, {1, 3})
    size : tuple of 2 int
        ``(height, width)``.
    value_range : tuple of 2 float
        The black and the white level.

    Returns
    -------
    ndarray of shape (height, width, 3), dtype float32
        From 0 to 255, by antialiased bilinear interpolation.
    """
    low, high = value_range
    channels = image[..., np.newaxis] if image.ndim == 2 else image
    resized = np.empty((*size, channels.shape[-1]), np.float32)
    for i in range(channels.shape[-1]):
        channel = Image.fromarray(np.ascontiguousarray(channels[..., i], np.float32))
        resized[..., i] = channel.resize(size[::-1], Image.Resampling.BILINEAR)
    return np.broadcast_to((resized - low) * np.float32(255 / (high - low)), (*size, 3))
