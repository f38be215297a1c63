"""How a cut network is run: the store of what engines compiled."""

import importlib
import os
import threading
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version

from sklearn_resnet._network.engines.choice import describe_processor, find_gpus
from sklearn_resnet._network.engines.openvino import get_core
from sklearn_resnet._network.weights import Weights, import_keras


@dataclass(frozen=True)
class Computation:
    """All that decides the features of an image.

    Attributes
    ----------
    engine : {"openvino", "keras"}
    weights : Weights
        The network.
    taps : tuple of int
        Indices of the layers whose outputs are pooled.
    pooling : tuple of {"avg", "max"}
        What each tap gives, in this order.
    image_shape : tuple of 2 or 3 int
        Of one image.
    dtype : {"uint8", "float32"}
        Of images.
    value_range : tuple of 2 float
        The values that stand for black and white.
    precision : {"float32", "bfloat16", "float16", "int8"}
        What the network computes in; features are float32.
    ranges : tuple of (str, (float, float)) or None
        For int8: by the name of a convolution, between which values its input lies.
    """

    engine: str
    weights: Weights
    taps: tuple
    pooling: tuple
    image_shape: tuple
    dtype: str
    value_range: tuple
    precision: str = "float32"
    ranges: tuple | None = None


_lock = threading.RLock()


@lru_cache(maxsize=8)
def _compile(computation):
    engine = importlib.import_module(f"sklearn_resnet._network.engines.{computation.engine}")
    return engine.compile_network(computation)


def get_run(computation):
    """The compiled function of a computation, made when first asked for.

    Parameters
    ----------
    computation : Computation

    Returns
    -------
    run : callable
        ``run(batches, batch_size)`` takes an iterable of arrays of up to ``batch_size``
        images, of the shape and dtype of the computation, and yields arrays of shape
        (n, n_features), float32, in the order of the images but not always as many at
        once: for each tap, for each pooling, its features. It asks for batches ahead of
        those whose features it has yielded, and computes meanwhile.
    """
    with _lock:  # several threads that want one computation compile it once
        return _compile(computation)


@lru_cache
def describe_numerics(engine):
    """What else may change the last bits of features: versions, and what computes.

    Parameters
    ----------
    engine : {"openvino", "keras"}

    Returns
    -------
    tuple of str
    """
    packages = ["sklearn-resnet", "numpy", "pillow", engine]
    device = describe_processor()
    if engine == "keras":
        backend = import_keras().backend.backend()
        packages.append(backend)
        device = (*find_gpus(), device)
    return (device, *(f"{package} {version(package)}" for package in packages))


def _empty_stores():
    """Before a fork: OpenVINO would wait, in the child, for threads that only the parent has."""
    _lock.acquire()
    _compile.cache_clear()
    get_core.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_empty_stores, after_in_parent=_lock.release, after_in_child=_lock.release
    )
