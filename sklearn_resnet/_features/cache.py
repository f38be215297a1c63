"""The feature cache, keyed by the image content and everything else that determines features."""

import contextlib
import difflib
import os
import sqlite3
import warnings
import zlib
from collections import Counter, OrderedDict
from dataclasses import dataclass
from pathlib import Path

from sklearn_resnet._images.image_cache import image_cache
from sklearn_resnet._runtime.errors import MissingFileError, ParameterError
from sklearn_resnet._runtime.threads import make_fork_safe_lock

_FILE = "features.sqlite"
_FORMAT = 1  # of the database; databases of other formats are not used
_MIB = 2**20
_DEFAULT_SIZES = {"memory": 256, "folder": 4096}  # MiB
_ROW_OVERHEAD = 250  # bytes that Python needs for a key, a value and their entry
_CHECKSUM_BYTES = 4
_MAX_KEYS = 2000  # in one query
_LOCK_TIMEOUT = 60  # seconds to wait for other processes that write


@dataclass(frozen=True)
class CacheInfo:
    """The content of a feature cache, and its hits and misses in this process.

    `cache_info` returns it. One feature vector is the features of one image at one layer.

    Parameters
    ----------
    where : str
        ``"memory"``, or the path of the database.
    hits : int
        The number of feature vectors that this process found in the cache.
    misses : int
        The number of feature vectors that this process looked up and did not find.
    n_features : int
        The number of feature vectors in the cache.
    n_bytes : int
        The size of the cache in bytes.

    See Also
    --------
    cache_info : Returns it.

    Examples
    --------
    >>> from sklearn_resnet import cache_info, clear_cache
    >>> clear_cache()
    >>> cache_info().n_bytes
    0
    """

    where: str
    hits: int
    misses: int
    n_features: int
    n_bytes: int


class _MemoryStore:
    """LRU cache in this process, from keys to rows of bytes."""

    def __init__(self):
        self.lock = make_fork_safe_lock()
        self._rows = OrderedDict()
        self._n_bytes = self._hits = self._misses = 0

    def clear(self):
        """Remove all rows, and count hits and misses from 0."""
        with self.lock:
            self._rows.clear()
            self._n_bytes = self._hits = self._misses = 0

    def get_many(self, keys):
        """Return the row of each key; None for a miss."""
        with self.lock:
            rows = [self._rows.get(key) for key in keys]
            for key, row in zip(keys, rows, strict=True):
                if row is not None:
                    self._rows.move_to_end(key)
            n_misses = rows.count(None)
            self._misses += n_misses
            self._hits += len(rows) - n_misses
        return rows

    def put(self, keys, rows, max_bytes):
        """Store rows, and evict the least recently used ones beyond `max_bytes`."""
        with self.lock:
            for key, row in zip(keys, rows, strict=True):
                old = self._rows.pop(key, None)
                self._n_bytes -= 0 if old is None else len(old) + _ROW_OVERHEAD
                self._rows[key] = row
                self._n_bytes += len(row) + _ROW_OVERHEAD
            while self._n_bytes > max_bytes:
                _, row = self._rows.popitem(last=False)
                self._n_bytes -= len(row) + _ROW_OVERHEAD

    def info(self):
        """Return a `CacheInfo`."""
        with self.lock:
            return CacheInfo("memory", self._hits, self._misses, len(self._rows), self._n_bytes)

    def close(self):
        """Do nothing: the rows stay."""


_counts = Counter()  # hits and misses of this process, by the path of a database


class _FolderStore:
    """Cache in an SQLite database that processes share, from keys to rows of bytes.

    Each use opens the database, which takes less than a millisecond, so that threads and forked
    processes do not share a connection. After an error, the store warns once. From then on, all
    lookups are misses, and nothing is stored.

    Parameters
    ----------
    folder : path
        Created if it does not exist.
    """

    def __init__(self, folder):
        self._path = Path(folder).expanduser().absolute() / _FILE
        self.where = str(self._path)
        self._is_readable = self._is_writable = True
        self._has_warned = False
        self._connection = None
        with self._disabled_by_errors():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                self._path, timeout=_LOCK_TIMEOUT, isolation_level=None, check_same_thread=False
            )
            self._prepare()

    def _prepare(self):
        execute = self._connection.execute
        found = execute("PRAGMA user_version").fetchone()[0]
        if found == 0:
            execute("PRAGMA page_size = 16384")
            with self._transaction():
                execute(
                    "CREATE TABLE IF NOT EXISTS features "
                    "(id INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL, value BLOB NOT NULL)"
                )
                execute(f"PRAGMA user_version = {_FORMAT}")
        elif found != _FORMAT:
            raise sqlite3.DatabaseError(
                f"it was written by another version of sklearn-resnet, in format {found}, and "
                f"this one reads format {_FORMAT}"
            )

    def get_many(self, keys):
        """Return the row of each key; None for a miss."""
        found = {}
        with self._disabled_by_errors():
            for start in range(0, len(keys) if self._is_readable else 0, _MAX_KEYS):
                part = keys[start : start + _MAX_KEYS]
                places = ",".join("?" * len(part))
                query = f"SELECT key, value FROM features WHERE key IN ({places})"
                found.update(self._connection.execute(query, part))
        rows = [self._verify(key, found.get(key)) for key in keys]
        n_misses = rows.count(None)
        _counts[self.where, "misses"] += n_misses
        _counts[self.where, "hits"] += len(rows) - n_misses
        return rows

    def put(self, keys, rows, max_bytes):
        """Store rows, and evict the oldest ones beyond `max_bytes`."""
        if not self._is_writable:
            return
        values = [(key, row + _checksum(key, row)) for key, row in zip(keys, rows, strict=True)]
        with self._disabled_by_errors(), self._transaction():
            # replaces damaged values
            self._connection.executemany(
                "INSERT OR REPLACE INTO features (key, value) VALUES (?, ?)", values
            )
            self._evict(max_bytes)

    def _evict(self, max_bytes):
        total = self._used_bytes()
        excess = total - max_bytes
        if excess <= 0:
            return
        execute = self._connection.execute
        n_rows = execute("SELECT count(*) FROM features").fetchone()[0]
        # a little more than needed, so that not every step evicts
        n_evicted = min(n_rows, int(n_rows * (excess / total + 0.05)) + 1)
        execute(
            "DELETE FROM features WHERE id IN (SELECT id FROM features ORDER BY id LIMIT ?)",
            (n_evicted,),
        )

    def _used_bytes(self):
        size, n_pages, n_free = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
        return size * (n_pages - n_free)

    def _verify(self, key, value):
        """Return the row in a value, or None if its checksum is wrong."""
        if value is None:
            return None
        row = value[:-_CHECKSUM_BYTES]
        if _checksum(key, row) == value[-_CHECKSUM_BYTES:]:
            return row
        self._warn_once("it is damaged: a value does not match its checksum")
        return None

    @contextlib.contextmanager
    def _transaction(self):
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # a full disk has rolled it back already
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextlib.contextmanager
    def _disabled_by_errors(self):
        """Turn an error into a warning, and stop using the database."""
        try:
            yield
        except (sqlite3.Error, OSError) as exc:
            # a database that cannot be written to may still be read
            name = getattr(exc, "sqlite_errorname", None) or ""
            if not name.startswith(("SQLITE_READONLY", "SQLITE_FULL", "SQLITE_BUSY")):
                self._is_readable = False
            self._is_writable = False
            self._warn_once(exc)

    def _warn_once(self, reason):
        if not self._has_warned:
            warnings.warn(
                f"The feature cache {self.where!r} cannot be used: {reason}. The features are "
                "computed instead, and are correct. Use another folder, free some space, or empty "
                f"the cache with sklearn_resnet.clear_cache({str(self._path.parent)!r}).",
                stacklevel=2,
            )
        self._has_warned = True

    def info(self):
        """Return a `CacheInfo`."""
        n_rows = n_bytes = 0
        with self._disabled_by_errors():
            if self._is_readable:
                n_rows = self._connection.execute("SELECT count(*) FROM features").fetchone()[0]
                n_bytes = self._used_bytes()
        hits, misses = (_counts[self.where, kind] for kind in ("hits", "misses"))
        return CacheInfo(self.where, hits, misses, n_rows, n_bytes)

    def close(self):
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()


def _checksum(key, row):
    return zlib.crc32(row, zlib.crc32(key)).to_bytes(_CHECKSUM_BYTES, "little")


_memory_store = _MemoryStore()


def max_cache_bytes(cache, cache_size):
    """Return the bound of a cache in bytes, given the parameters of `ResNetFeatures`."""
    if cache_size is None:
        cache_size = _DEFAULT_SIZES["memory" if is_memory(cache) else "folder"]
    return int(cache_size * _MIB)


def check_cache(cache):
    """Raise ParameterError if a misspelt "memory" would make a folder."""
    is_name = isinstance(cache, str) and not os.path.exists(cache)
    if is_name and not is_memory(cache) and difflib.get_close_matches(cache.lower(), ["memory"]):
        raise ParameterError(
            "cache",
            "must be 'memory', None or the path of a folder",
            repr(cache),
            hint=f"Did you mean 'memory'? A folder could be {'./' + cache!r}.",
        )


def warn_if_cache_is_too_small(n_bytes, max_bytes):
    """Warn if features of `n_bytes` do not fit into a cache of `max_bytes`."""
    if n_bytes > max_bytes:
        warnings.warn(
            f"The features take {n_bytes / _MIB:.0f} MiB, but the cache holds "
            f"{max_bytes / _MIB:.0f} MiB: it has already evicted the first ones. Pass "
            f"cache_size={2 * n_bytes // _MIB}.",
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
    store
        ``get_many(keys)`` returns a list of bytes, or None for misses;
        ``put(keys, rows, max_bytes)`` stores bytes, and evicts others beyond the bound.
    """
    store = _memory_store if is_memory(cache) else _FolderStore(cache)
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
    for suffix in ("-journal", ""):  # SQLite would apply a leftover journal to a new database
        (folder / (_FILE + suffix)).unlink(missing_ok=True)


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
