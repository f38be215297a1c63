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
    size : tuple of 3 int, default=None
        ``(height, width, channels)`` to resize to; None keeps the shape of the images.
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
    image : ndarray of shape (height, width), (height, width, 1) or (height, width, channels)
    size : tuple of 3 int
        ``(height, width, channels)``. One channel is repeated.
    value_range : tuple of 2 float
        The black and the white level.

    Returns
    -------
    ndarray of shape (height, width, channels), dtype float32
        From 0 to 255, by antialiased bilinear interpolation.
    """
    low, high = value_range
    height, width, n_channels = size
    channels = image[..., np.newaxis] if image.ndim == 2 else image
    resized = np.empty((height, width, channels.shape[-1]), np.float32)
    for i in range(channels.shape[-1]):
        channel = Image.fromarray(np.ascontiguousarray(channels[..., i], np.float32))
        resized[..., i] = channel.resize((width, height), Image.Resampling.BILINEAR)
    scaled = (resized - low) * np.float32(255 / (high - low))
    return np.broadcast_to(scaled, (height, width, n_channels))
