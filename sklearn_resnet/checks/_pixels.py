"""Images described by their pixels."""

import numpy as np
from scipy.ndimage import gaussian_filter

from sklearn_resnet.checks._thumbnails import halve

_CHUNK = 4096


def describe_pixels(thumbnails):
    """Describe thumbnails by their blurred pixels, whatever their brightness and contrast.

    Returns
    -------
    ndarray of shape (n, 256), dtype float32
    """
    from sklearn.preprocessing import normalize  # slow to import

    described = np.empty((len(thumbnails), (thumbnails.shape[1] // 2) ** 2), np.float32)
    for start in range(0, len(thumbnails), _CHUNK):
        rows = slice(start, start + _CHUNK)
        pixels = gaussian_filter(halve(thumbnails[rows]), (0, 1, 1)).reshape(-1, described.shape[1])
        described[rows] = normalize(pixels - pixels.mean(1, keepdims=True))
    return described
