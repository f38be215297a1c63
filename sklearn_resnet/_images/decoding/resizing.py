"""Resizing of images and of channels."""

import numpy as np
from PIL import Image

from sklearn_resnet._images.decoding.pillow import REDUCING_GAP


def fit_image(image, size, resize):
    """Resize a PIL image to ``size = (height, width)``."""
    if size is None or image.size == (size[1], size[0]):
        return image
    width, height = size[1], size[0]
    scale_x, scale_y = width / image.width, height / image.height
    box, inner = None, (width, height)
    if resize == "crop":
        scale = max(scale_x, scale_y)
        # rounding may make them slightly negative, which Pillow rejects
        margin_x = max(0.0, (image.width - width / scale) / 2)
        margin_y = max(0.0, (image.height - height / scale) / 2)
        box = (margin_x, margin_y, image.width - margin_x, image.height - margin_y)
    elif resize == "pad":
        scale = min(scale_x, scale_y)
        inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    resized = image.resize(inner, Image.Resampling.BILINEAR, box, REDUCING_GAP)
    if inner == (width, height):
        return resized
    padded = Image.new(image.mode, (width, height))
    padded.paste(resized, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return padded


def fit_channels(channels, size, resize):
    r"""Resize each channel as `fit_image` resizes an image, in its depth.

    Parameters
    ----------
    channels : ndarray of shape (height, width, n_channels), dtype uint8, uint16 or float32
    size : tuple of 2 int, or None
        ``(height, width)``.
    resize : str
        As for `fit_image`.

    Returns
    -------
    ndarray of shape (\*size, n_channels)
    """
    if size is None or channels.shape[:2] == tuple(size):
        return channels
    resized = np.empty((*size, channels.shape[2]), channels.dtype)
    for i in range(channels.shape[2]):
        plane = np.ascontiguousarray(channels[..., i])
        # Pillow resizes no 16 bits with REDUCING_GAP
        plane = plane.astype(np.float32) if plane.dtype == np.uint16 else plane
        fitted = np.asarray(fit_image(Image.fromarray(plane), size, resize))
        resized[..., i] = np.rint(fitted) if channels.dtype == np.uint16 else fitted
    return resized


def fit_array(array, mode, size, resize):
    """Resize an array that `read_image` returned, as it would have resized the image.

    Parameters
    ----------
    array : ndarray of shape (height, width, 3), (height, width) or (height, width, n_channels)
    mode, size, resize
        As for `read_image`.

    Returns
    -------
    ndarray
    """
    if mode == "channels":
        return fit_channels(array, size, resize)
    if size is None or array.shape[:2] == tuple(size):
        return array
    return np.asarray(fit_image(Image.fromarray(array), size, resize))
