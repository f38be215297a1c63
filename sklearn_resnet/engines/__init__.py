"""How a cut network is run: which engine does it, and the store of what engines compiled."""

import threading
from dataclasses import dataclass
from functools import lru_cache

from sklearn_resnet._weights import Weights, load_network


@dataclass(frozen=True)
class Computation:
    """All that decides the features of an image.

    Attributes
    ----------
    weights : Weights
        The network.
    taps : tuple of int
        Indices of the layers whose outputs are pooled.
    pooling : tuple of {"avg", "max"}
        What each tap gives, in this order.
    image_shape : tuple of 2 or 3 int
        Of one image as it comes.
    image_size : tuple of 2 int or None
        What images are resized to before the network.
    dtype : {"uint8", "float32"}
        Of images as they come.
    value_range : tuple of 2 float
        The values that stand for black and white.
    """

    weights: Weights
    taps: tuple
    pooling: tuple
    image_shape: tuple
    image_size: tuple | None
    dtype: str
    value_range: tuple


_lock = threading.Lock()


@lru_cache(maxsize=8)
def _compile(computation):
    from sklearn_resnet.engines import keras

    return keras.compile_network(load_network(computation.weights), computation)


def get_run(computation):
    """The compiled function of a computation, made when first asked for.

    Parameters
    ----------
    computation : Computation

    Returns
    -------
    run : callable
        ``run(batch, batch_size)`` takes up to ``batch_size`` images, of the shape and dtype
        of the computation, to an array of shape (n_images, n_features), float32: for each tap,
        for each pooling, its features.
    """
    with _lock:  # several threads that want one computation compile it once
        return _compile(computation)


def resize_images(images, image_size, value_range):
    """Bring images of different sizes to one, as a compiled computation does those of one size.

    Parameters
    ----------
    images : list of ndarray of shape (height, width) or (height, width, {1, 3})
    image_size : tuple of 2 int
    value_range : tuple of 2 float
        The values that stand for black and white.

    Returns
    -------
    ndarray of shape (n, height, width, 3), float32
        In 0 to 255.
    """
    from sklearn_resnet.engines import keras

    return keras.resize_images(images, image_size, value_range)
