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
        - ``list_packages()``: the distributions that compute, that of the engine first;
        - ``device_key()``: the device, or devices, whose kind may change the last bits of features;
        - ``describe_device()``: the device that computes, for people;
        - ``release()``: drop all state that a fork would break.

    Returns
    -------
    module
    """
    with _lock:  # no engine is added while a fork goes through them
        if name not in _engines:
            _engines[name] = importlib.import_module(f"{__package__}.{name}")
        return _engines[name]


@lru_cache(maxsize=8)
def _compile(computation):
    return load_engine(computation.engine).compile_network(computation)


def compile_computation(computation):
    """Return the compiled function of a computation; compile it if it is not in the store.

    Parameters
    ----------
    computation : Computation

    Returns
    -------
    run : callable
        ``run(batches, batch_size)`` takes an iterable of arrays of up to ``batch_size``
        images, of the shape and dtype of the computation. It yields arrays of shape
        (n, n_features), float32: the features of each tap and each pooling. They are in the
        order of the images, but not in the same batches. It prefetches batches while it
        computes.
    """
    with _lock:  # threads that need the same computation compile it once
        return _compile(computation)


@lru_cache
def describe_numerics(engine):
    """List the devices and versions that may change the last bits of features.

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
