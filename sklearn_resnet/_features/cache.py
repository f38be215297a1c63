"""Features already computed, by the content of the image and what decides its features."""

import contextlib
import difflib
import os
import sqlite3
import threading
import warnings
import zlib
from collections import Counter, OrderedDict
from dataclasses import dataclass
from pathlib import Path

_FILE = "features.sqlite"
_FORMAT = 1  # of the database; a change of it leaves those of other versions alone
_MIB = 2**20
_DEFAULT_SIZES = {"memory": 256, "folder": 4096}
_ROW_OVERHEAD = 250  # bytes that Python needs for a key, a value and their place in the store
_MAX_KEYS = 2000  # in one query
_WAIT = 60  # seconds for other processes that write


@dataclass(frozen=True)
class CacheInfo:
    """What `cache_info` gives.

    Attributes
    ----------
    where : str
        ``"memory"``, or the file of the cache.
    hits, misses : int
        How many features of an image at a layer this process found there, and did not find.
    n_features : int
        How many features of an image at a layer are kept there.
    n_bytes : int
        What they take, in bytes.
    """

    where: str
    hits: int
    misses: int
    n_features: int
    n_bytes: int


class _MemoryStore:
    """Rows of bytes by key, in this process; the least recently used go first."""

    def __init__(self):
        self.lock = threading.Lock()
        self.clear()

    def clear(self):
        self._rows = OrderedDict()
        self._n_bytes = self._hits = self._misses = 0

    def find(self, keys):
        with self.lock:
            rows = [self._rows.get(key) for key in keys]
            for key, row in zip(keys, rows, strict=True):
                if row is not None:
                    self._rows.move_to_end(key)
            n_misses = rows.count(None)
            self._misses += n_misses
            self._hits += len(rows) - n_misses
        return rows

    def keep(self, keys, rows, max_bytes):
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
        with self.lock:
            return CacheInfo("memory", self._hits, self._misses, len(self._rows), self._n_bytes)

    def close(self):
        pass


_counts = Counter()  # hits and misses of this process, by the file of a cache


class _FolderStore:
    """Rows of bytes by key, in an SQLite database that processes share.

    Each use opens the database anew, which takes less than a millisecond, so that threads
    and forked processes do not share a connection. What goes wrong is told once, and the
    store then finds nothing, or keeps nothing.

    Parameters
    ----------
    folder : path
        Made if absent.
    """

    def __init__(self, folder):
        self._path = Path(folder).expanduser().absolute() / _FILE
        self.where = str(self._path)
        self._is_readable = self._is_writable = True
        self._is_told = False
        self._connection = None
        with self._telling():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                self._path, timeout=_WAIT, isolation_level=None, check_same_thread=False
            )
            self._prepare()

    def _prepare(self):
        run = self._connection.execute
        found = run("PRAGMA user_version").fetchone()[0]
        if found == 0:
            run("PRAGMA page_size = 16384")
            with self._transaction():
                run(
                    "CREATE TABLE IF NOT EXISTS features "
                    "(id INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL, value BLOB NOT NULL)"
                )
                run(f"PRAGMA user_version = {_FORMAT}")
        elif found != _FORMAT:
            raise sqlite3.DatabaseError(
                f"it was written by another version of sklearn-resnet, in format {found}, and "
                f"this one reads format {_FORMAT}"
            )

    def find(self, keys):
        found = {}
        with self._telling():
            for start in range(0, len(keys) if self._is_readable else 0, _MAX_KEYS):
                part = keys[start : start + _MAX_KEYS]
                places = ",".join("?" * len(part))
                query = f"SELECT key, value FROM features WHERE key IN ({places})"
                found.update(self._connection.execute(query, part))
        rows = [self._unseal(key, found.get(key)) for key in keys]
        n_misses = rows.count(None)
        _counts[self.where, "misses"] += n_misses
        _counts[self.where, "hits"] += len(rows) - n_misses
        return rows

    def keep(self, keys, rows, max_bytes):
        if not self._is_writable:
            return
        sealed = [(key, row + _checksum(key, row)) for key, row in zip(keys, rows, strict=True)]
        with self._telling(), self._transaction():
            # in place of what was found damaged
            self._connection.executemany(
                "INSERT OR REPLACE INTO features (key, value) VALUES (?, ?)", sealed
            )
            self._shrink(max_bytes)

    def _shrink(self, max_bytes):
        """Delete what was kept first, until the rest takes at most so many bytes."""
        total = self._used_bytes()
        excess = total - max_bytes
        if excess <= 0:
            return
        run = self._connection.execute
        n_rows = run("SELECT count(*) FROM features").fetchone()[0]
        # a little more than must go, so that it need not be done at every step
        n_gone = min(n_rows, int(n_rows * (excess / total + 0.05)) + 1)
        run(
            "DELETE FROM features WHERE id IN (SELECT id FROM features ORDER BY id LIMIT ?)",
            (n_gone,),
        )

    def _used_bytes(self):
        size, n_pages, n_free = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
        return size * (n_pages - n_free)

    def _unseal(self, key, sealed):
        if sealed is None:
            return None
        row = sealed[:-4]
        if _checksum(key, row) == sealed[-4:]:
            return row
        self._tell("it is damaged: a value in it has another checksum than when it was written")
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
    def _telling(self):
        """Turn an error into a warning, and leave the database alone from then on."""
        try:
            yield
        except (sqlite3.Error, OSError) as exc:
            # a database that cannot be written to may still be read
            name = getattr(exc, "sqlite_errorname", None) or ""
            if not name.startswith(("SQLITE_READONLY", "SQLITE_FULL", "SQLITE_BUSY")):
                self._is_readable = False
            self._is_writable = False
            self._tell(exc)

    def _tell(self, reason):
        if not self._is_told:
            warnings.warn(
                f"The cache of features {self.where!r} cannot be used as it should: {reason}. "
                "Features are computed instead, and are right. Name another folder, free space, "
                f"or empty it: sklearn_resnet.clear_cache({str(self._path.parent)!r}).",
                stacklevel=2,
            )
        self._is_told = True

    def info(self):
        n_rows = n_bytes = 0
        with self._telling():
            if self._is_readable:
                n_rows = self._connection.execute("SELECT count(*) FROM features").fetchone()[0]
                n_bytes = self._used_bytes()
        hits, misses = (_counts[self.where, kind] for kind in ("hits", "misses"))
        return CacheInfo(self.where, hits, misses, n_rows, n_bytes)

    def close(self):
        if self._connection is not None:
            self._connection.close()


def _checksum(key, row):
    return zlib.crc32(row, zlib.crc32(key)).to_bytes(4, "little")


_memory = _MemoryStore()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_memory.lock.acquire,
        after_in_parent=_memory.lock.release,
        after_in_child=_memory.lock.release,
    )


def max_bytes(cache, cache_size):
    """The bound of a cache, from the parameters of `ResNetFeatures`."""
    if cache_size is None:
        cache_size = _DEFAULT_SIZES["memory" if is_memory(cache) else "folder"]
    return int(cache_size * _MIB)


def check_cache(cache):
    """Raise ValueError if a misspelt "memory" would make a folder."""
    is_name = isinstance(cache, str) and not os.path.exists(cache)
    if is_name and not is_memory(cache) and difflib.get_close_matches(cache.lower(), ["memory"]):
        raise ValueError(
            "The 'cache' parameter must be 'memory', None or the path of a folder. Got "
            f"{cache!r} instead. Did you mean 'memory'? A folder could be {'./' + cache!r}."
        )


def warn_of_full_cache(n_bytes, most):
    """Warn if features of so many bytes have no room."""
    if n_bytes > most:
        warnings.warn(
            f"The features take {n_bytes / _MIB:.0f} MiB, and the cache holds "
            f"{most / _MIB:.0f} MiB: those computed first are gone from it. Pass "
            f"cache_size={2 * n_bytes // _MIB}.",
            stacklevel=3,
        )


def is_memory(cache):
    """Whether the parameter `cache` stands for the memory of this process."""
    return isinstance(cache, str) and cache == "memory"


@contextlib.contextmanager
def open_store(cache):
    """The store that the parameter `cache` of `ResNetFeatures` stands for, for a while.

    Parameters
    ----------
    cache : "memory" or path

    Yields
    ------
    store
        ``find(keys)`` gives a list of bytes, or None for what is not there;
        ``keep(keys, rows, max_bytes)`` keeps bytes, and drops others beyond the bound.
    """
    store = _memory if is_memory(cache) else _FolderStore(cache)
    try:
        yield store
    finally:
        store.close()


def cache_info(cache: str | os.PathLike = "memory") -> CacheInfo:
    """Tell what a cache of features holds, and how often this process found something there.

    Parameters
    ----------
    cache : "memory" or path, default="memory"
        As for `ResNetFeatures`.

    Returns
    -------
    CacheInfo
        With the fields where, hits, misses, n_features and n_bytes.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.

    See Also
    --------
    clear_cache : Empties it.
    ResNetFeatures : Fills it.

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
    """Empty a cache of features, whatever its state.

    Parameters
    ----------
    cache : "memory" or path, default="memory"
        As for `ResNetFeatures`. Of a folder, only the files of the cache are deleted.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    OSError
        If its files cannot be deleted.

    See Also
    --------
    cache_info : Tells what it holds.

    Examples
    --------
    >>> from sklearn_resnet import cache_info, clear_cache
    >>> clear_cache()
    >>> cache_info().n_features
    0
    """
    if is_memory(cache):
        with _memory.lock:
            _memory.clear()
        return
    folder = _check_folder(cache)
    for suffix in ("-journal", ""):  # a journal left alone would be applied to a new database
        (folder / (_FILE + suffix)).unlink(missing_ok=True)


def _check_folder(cache):
    folder = Path(cache).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(
            f"The 'cache' parameter must be 'memory' or the folder of a cache. Got "
            f"{os.fspath(cache)!r}, and there is no such folder."
        )
    return folder
