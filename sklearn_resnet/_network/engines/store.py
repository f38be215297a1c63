"""The store of compiled networks: a bounded LRU cache of this process."""

import importlib
import os
import threading
from functools import lru_cache
from importlib.metadata import version

_lock = threading.RLock()
_engines = {}  # the modules in use, by name


def load_engine(name):
    """Import the module of an engine.

    Parameters
    ----------
    name : str
        The name of a module in this package with these functions:

        - ``compile_network(computation)``: see `compile_computation`;
        - ``list_packages()``: the distributions that compute, the engine's own first;
        - ``device_key()``: the device, or devices, whose kind may change the last bits of features;
        - ``describe_device()``: the device that computes, for people;
        - ``release()``: drop all that a fork would break.

    Returns
    -------
    module
    """
    if name not in _engines:
        _engines[name] = importlib.import_module(f"{__package__}.{name}")
    return _engines[name]


@lru_cache(maxsize=8)
def _compile(computation):
    return load_engine(computation.engine).compile_network(computation)


def compile_computation(computation):
    """Return the compiled function of a computation, from the store if it is there.

    Parameters
    ----------
    computation : Computation

    Returns
    -------
    run : callable
        ``run(batches, batch_size)`` takes an iterable of arrays of up to ``batch_size``
        images, of the shape and dtype of the computation. It yields arrays of shape
        (n, n_features), float32: for each tap and each pooling, its features. They come in
        the order of the images, but not in the same batches. It prefetches batches
        while it computes.
    """
    with _lock:  # threads that want the same computation compile it once
        return _compile(computation)


@lru_cache
def describe_numerics(engine):
    """Describe all else that may change the last bits of features: devices and versions.

    Parameters
    ----------
    engine : {"openvino", "keras"}

    Returns
    -------
    tuple
        It is a part of cache keys.
    """
    module = load_engine(engine)
    packages = ("sklearn-resnet", "numpy", "pillow", *module.list_packages())
    versions = (f"{package} {version(package)}" for package in packages)
    return (module.device_key(), *versions)


def _before_fork():
    _lock.acquire()
    _compile.cache_clear()
    for engine in _engines.values():
        engine.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_lock.release, after_in_child=_lock.release
    )
