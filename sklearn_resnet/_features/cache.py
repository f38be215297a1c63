"""The feature cache, keyed by the image content and everything else that determines features."""

import contextlib
import difflib
import math
import os
import re
import warnings
from pathlib import Path

from sklearn_resnet._features.cache_info import CacheInfo
from sklearn_resnet._features.folder_store import FILE, OLD_FILES, FolderStore
from sklearn_resnet._features.memory_store import ENTRY_BYTES, MemoryStore
from sklearn_resnet._images.image_cache import image_cache
from sklearn_resnet._runtime.errors import MissingFileError, ParameterError

_MIB = 2**20
_DEFAULT_SIZES = {"memory": 256, "folder": 4096}  # MiB
_FOLDER_ENTRY_BYTES = 60  # that the database needs for an image, about


_memory_store = MemoryStore()


def max_cache_bytes(cache, cache_size):
    """Return the bound of a cache in bytes, given the parameters of `ResNetFeatures`."""
    if cache_size is None:
        cache_size = _DEFAULT_SIZES["memory" if is_memory(cache) else "folder"]
    return int(cache_size * _MIB)


def check_cache(cache):
    """Raise ParameterError if a misspelt "memory", an empty text or a URL would make a folder."""
    # pathlib makes "s3:/bucket" of a URL; drives have one letter
    if cache == "" or (cache is not None and re.match(r"[\w+.-]{2,}:/", os.fspath(cache))):
        raise ParameterError(
            "cache", "must be 'memory', None or the path of a local folder", repr(os.fspath(cache))
        )
    is_name = isinstance(cache, str) and not os.path.exists(cache)
    if is_name and not is_memory(cache) and difflib.get_close_matches(cache.lower(), ["memory"]):
        raise ParameterError(
            "cache",
            "must be 'memory', None or the path of a folder",
            repr(cache),
            hint=f"Did you mean 'memory'? A folder could be {'./' + cache!r}.",
        )


def warn_if_cache_is_too_small(cache, n_vectors, vector_bytes, max_bytes):
    """Warn if the features of `n_vectors` images, with their entries, exceed a cache of `max_bytes`."""
    entry_bytes = ENTRY_BYTES if is_memory(cache) else _FOLDER_ENTRY_BYTES
    n_bytes = n_vectors * (vector_bytes + entry_bytes)
    if n_bytes > max_bytes:
        warnings.warn(
            f"The features take {n_bytes / _MIB:.0f} MiB, but the cache holds "
            f"{max_bytes / _MIB:.0f} MiB: it has already evicted the first ones. Pass "
            f"cache_size={math.ceil(2 * n_bytes / _MIB)}.",
            stacklevel=3,
        )


def is_memory(cache):
    """Whether the parameter `cache` means the memory of this process."""
    return isinstance(cache, str) and cache == "memory"


@contextlib.contextmanager
def open_store(cache):
    """Open the store of a cache.

    Parameters
    ----------
    cache : "memory" or path

    Yields
    ------
    MemoryStore or FolderStore
    """
    store = _memory_store if is_memory(cache) else FolderStore(cache)
    try:
        yield store
    finally:
        store.close()


def cache_info(cache: str | os.PathLike = "memory") -> CacheInfo:
    """Show how much a feature cache holds, and its hits and misses in this process.

    Parameters
    ----------
    cache : "memory" or path, default="memory"
        As for `ResNetFeatures`.

    Returns
    -------
    info : CacheInfo
        With the fields where, hits, misses, n_features and n_bytes.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.

    See Also
    --------
    clear_cache : Empties a cache.
    ResNetFeatures : Fills a cache.

    Examples
    --------
    >>> from sklearn_resnet import cache_info, clear_cache
    >>> clear_cache()
    >>> cache_info()
    CacheInfo(where='memory', hits=0, misses=0, n_features=0, n_bytes=0)
    """
    if not is_memory(cache):
        _check_folder(cache)
    with open_store(cache) as store:
        return store.info()


def clear_cache(cache: str | os.PathLike = "memory") -> None:
    """Empty a feature cache, whatever its state.

    Parameters
    ----------
    cache : "memory" or path, default="memory"
        As for `ResNetFeatures`. ``"memory"`` also empties the cache of decoded images, see
        `ImageLoader`. Only the files of the cache are deleted from a folder.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    OSError
        If the files cannot be deleted.

    See Also
    --------
    cache_info : Shows how much a cache holds.

    Examples
    --------
    >>> from sklearn_resnet import cache_info, clear_cache
    >>> clear_cache()
    >>> cache_info().n_features
    0
    """
    if is_memory(cache):
        _memory_store.clear()
        image_cache.clear()
        return
    folder = _check_folder(cache)
    for file in (*OLD_FILES, FILE):
        for suffix in ("-journal", ""):  # SQLite would apply a leftover journal to a new database
            (folder / (file + suffix)).unlink(missing_ok=True)


def _check_folder(cache):
    folder = Path(cache).expanduser()
    if not folder.is_dir():
        raise MissingFileError(
            "cache",
            "must be 'memory' or the folder of a cache",
            repr(os.fspath(cache)),
            hint="This folder does not exist.",
        )
    return folder
