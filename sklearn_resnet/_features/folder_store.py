"""The feature cache in a folder, which processes share."""

import contextlib
import os
import sqlite3
import warnings
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np

from sklearn_resnet._features.cache_info import CacheInfo
from sklearn_resnet._images.hashing import HASH_BYTES, SECRET_BYTES, hash_content

FILE = "features-2.sqlite"
OLD_FILES = ("features.sqlite",)  # of former formats, which are not used
_FORMAT = 2  # of the database; databases of other formats are not used
_BLOCK_BYTES = 2**16  # of features that are read and verified at once
_MAX_ROWS = 2**20  # of a block
_MAX_KEYS = 2000  # in one query
_MAX_LISTED = 4  # images in the database for each that is looked up, for which a list is faster
_LOCK_TIMEOUT = 60  # seconds to wait for other processes that write
_TABLES = (
    # the images of a block
    "CREATE TABLE blocks (id INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL, "
    "digests BLOB NOT NULL)",
    # their features at each tap, and a checksum
    "CREATE TABLE features (block INTEGER NOT NULL, tap INTEGER NOT NULL, value BLOB NOT NULL, "
    "PRIMARY KEY (block, tap))",
    # the last block of each image and its row there, as one number; they are verified, because
    # two images may have the same id
    "CREATE TABLE images (id INTEGER PRIMARY KEY, place INTEGER NOT NULL)",
    "CREATE TABLE secrets (secret BLOB NOT NULL)",
)
_IS_VALID = f"typeof(digests) = 'blob' AND length(digests) % {HASH_BYTES} = 0"
_LIST = f"SELECT id, digests FROM blocks WHERE key = ? AND {_IS_VALID} ORDER BY id"
_ABOUT_SIZE = (  # of all digests, by the first block, as a sum would read them all
    "SELECT ((SELECT max(id) FROM blocks) + 1 - id) * length(digests) FROM blocks ORDER BY id LIMIT 1"
)
_READ = (  # a damaged value may have another type
    "SELECT digests, value FROM blocks JOIN features ON blocks.id = features.block "
    f"WHERE block = ? AND tap = ? AND typeof(value) = 'blob' AND {_IS_VALID}"
)
_DIGEST = np.dtype(f"V{HASH_BYTES}")

_counts = Counter()  # hits and misses of this process, by the path of a database


class FolderStore:
    """Cache in an SQLite database that processes share, from images to their features.

    Each use opens the database, which takes less than a millisecond, so that threads and forked
    processes do not share a connection. After an error, the store warns once. From then on, all
    lookups are misses, and nothing is stored.

    Parameters
    ----------
    folder : path
        Created if it does not exist.

    Attributes
    ----------
    secret : bytes
        For `keyed_digests`; of this database.
    finds_all : bool
        False: each image is looked up.
    where : str
        The path of the database.
    """

    finds_all = False

    def __init__(self, folder):
        self._path = Path(folder).expanduser().absolute() / FILE
        self.where = str(self._path)
        self.secret = os.urandom(SECRET_BYTES)
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
        if self._find_format() == 0:
            execute("PRAGMA page_size = 16384")
            with self._transaction():
                if self._find_format() == 0:  # another process may have made it meanwhile
                    for table in _TABLES:
                        execute(table)
                    execute("INSERT INTO secrets VALUES (?)", (self.secret,))
                    execute(f"PRAGMA user_version = {_FORMAT}")
        if self._find_format() != _FORMAT:
            raise sqlite3.DatabaseError(
                "it was written by another version of sklearn-resnet, in format "
                f"{self._find_format()}, and this one reads format {_FORMAT}"
            )
        # a damaged value may have another type
        secret = execute("SELECT secret FROM secrets WHERE typeof(secret) = 'blob'").fetchone()
        if secret is None or len(secret[0]) != SECRET_BYTES:
            raise sqlite3.DatabaseError("it is damaged: its secret is missing")
        self.secret = secret[0]

    def _find_format(self):
        return self._connection.execute("PRAGMA user_version").fetchone()[0]

    def get_many(self, key, taps, digests, out=None, whole=None):
        """Look up images; see `MemoryStore.get_many`."""
        is_hit = np.zeros(len(digests), bool)
        with self._disabled_by_errors():
            if self._is_readable:
                wanted = np.frombuffer(b"".join(digests), _DIGEST)
                for block, places, rows in self._locate(key, wanted):
                    self._read_block(key, taps, block, places, rows, wanted, out, is_hit)
        n_hits = int(is_hit.sum()) * len(taps)
        _counts[self.where, "hits"] += n_hits
        _counts[self.where, "misses"] += len(digests) * len(taps) - n_hits
        return is_hit

    def _locate(self, key, wanted):
        """Yield blocks, the positions of their images in `wanted`, and the rows of these."""
        ids = _make_ids(key, wanted)
        found = self._list_places(key) if self._is_small(len(ids)) else self._find_places(ids)
        if len(found) == 0:
            return
        found = found[np.argsort(found[:, 0], kind="stable")]
        nearest = np.searchsorted(found[:, 0], ids, side="right") - 1  # the last of equal ids
        positions = np.flatnonzero(found[nearest, 0] == ids)
        blocks, rows = np.divmod(found[nearest[positions], 1], _MAX_ROWS)
        order = np.argsort(blocks, kind="stable")
        blocks, starts = np.unique(blocks[order], return_index=True)
        for block, chosen in zip(blocks.tolist(), np.split(order, starts[1:]), strict=True):
            yield block, positions[chosen], rows[chosen]

    def _is_small(self, n_images):
        """Whether listing all images takes less time than looking up `n_images`."""
        if n_images <= _MAX_KEYS:
            return False
        size = self._connection.execute(_ABOUT_SIZE).fetchone()
        return size is not None and (size[0] or 0) <= _MAX_LISTED * HASH_BYTES * n_images

    def _list_places(self, key):
        """Return the ids and places of all images of a key, the oldest first."""
        blocks = self._connection.execute(_LIST, (key,)).fetchall()
        n_rows = np.array([len(digests) // HASH_BYTES for _, digests in blocks], np.int64)
        starts = np.array([block for block, _ in blocks], np.int64) * _MAX_ROWS
        ids = _make_ids(key, np.frombuffer(b"".join(digests for _, digests in blocks), _DIGEST))
        places = np.repeat(starts - np.cumsum(n_rows) + n_rows, n_rows) + np.arange(len(ids))
        return np.column_stack([ids, places])

    def _find_places(self, ids):
        """Look up the places of images; return them with their ids."""
        found, listed = [], ids.tolist()
        for start in range(0, len(ids), _MAX_KEYS):
            part = listed[start : start + _MAX_KEYS]
            query = (
                f"SELECT id, place FROM images WHERE id IN ({','.join('?' * len(part))}) "
                "AND typeof(place) = 'integer'"
            )
            found += self._connection.execute(query, part)
        return np.fromiter(chain.from_iterable(found), np.int64, 2 * len(found)).reshape(-1, 2)

    def _read_block(self, key, taps, block, places, rows, wanted, out, is_hit):
        """Fill in the features of images in a block, and mark them as hits."""
        features = []
        for tap in taps:
            found = self._connection.execute(_READ, (block, tap)).fetchone()
            if found is None:  # evicted since
                return
            digests, value = found
            data = memoryview(value)[:-HASH_BYTES]
            if _checksum(key, tap, digests, data) != value[-HASH_BYTES:]:
                self._warn_once("it is damaged: a value does not match its checksum")
                return
            held = np.frombuffer(digests, _DIGEST)
            features.append(np.frombuffer(data, np.float32).reshape(len(held), -1))
        is_right = rows < len(held)
        is_right[is_right] = held[rows[is_right]] == wanted[places[is_right]]
        places, rows = places[is_right], rows[is_right]
        if out is not None:
            start = 0
            for each in features:
                columns = slice(start, start := start + each.shape[1])
                out[places, columns] = each[rows]
        is_hit[places] = True

    def put(self, key, digests, features, max_bytes):
        """Store features, and evict the oldest ones beyond `max_bytes`; see `MemoryStore.put`."""
        if not self._is_writable:
            return
        row_bytes = max(1, *(rows[:1].nbytes for rows in features.values()))
        step = min(max(1, _BLOCK_BYTES // row_bytes), _MAX_ROWS)
        with self._disabled_by_errors(), self._transaction():
            for start in range(0, len(digests), step):
                rows = slice(start, start + step)
                part = {tap: each[rows].tobytes() for tap, each in features.items()}
                self._put_block(key, digests[rows], part)
            self._evict(max_bytes)

    def _put_block(self, key, digests, features):
        joined = b"".join(digests)
        insert = "INSERT INTO blocks (key, digests) VALUES (?, ?)"
        block = self._connection.execute(insert, (key, joined)).lastrowid
        self._connection.executemany(
            "INSERT INTO features VALUES (?, ?, ?)",
            [
                (block, tap, data + _checksum(key, tap, joined, data))
                for tap, data in features.items()
            ],
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO images VALUES (?, ?)",  # replaces damaged ones
            [(id_, block * _MAX_ROWS + row) for row, id_ in enumerate(_list_ids(key, joined))],
        )

    def _evict(self, max_bytes):
        total = self._used_bytes()
        excess = total - max_bytes
        if excess <= 0:
            return
        execute = self._connection.execute
        n_blocks = execute("SELECT count(*) FROM blocks").fetchone()[0]
        # a little more than needed, so that not every step evicts
        n_evicted = min(n_blocks, int(n_blocks * (excess / total + 0.05)) + 1)
        oldest = execute("SELECT id, key, digests FROM blocks ORDER BY id LIMIT ?", (n_evicted,))
        for block, key, digests in oldest.fetchall():
            places = (
                (id_, block * _MAX_ROWS + row) for row, id_ in enumerate(_list_ids(key, digests))
            )
            # a later block may have the same image
            self._connection.executemany("DELETE FROM images WHERE id = ? AND place = ?", places)
            execute("DELETE FROM features WHERE block = ?", (block,))
            execute("DELETE FROM blocks WHERE id = ?", (block,))

    def _used_bytes(self):
        size, n_pages, n_free = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
        return size * (n_pages - n_free)

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
        n_features = n_bytes = 0
        with self._disabled_by_errors():
            if self._is_readable:
                query = (
                    "SELECT count(*) FROM images JOIN features "
                    f"ON features.block = images.place / {_MAX_ROWS}"
                )
                n_features = self._connection.execute(query).fetchone()[0]
                n_bytes = self._used_bytes()
        hits, misses = (_counts[self.where, kind] for kind in ("hits", "misses"))
        return CacheInfo(self.where, hits, misses, n_features, n_bytes)

    def close(self):
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()


def _make_ids(key, digests):
    """Make the numbers of images from a key and an array of digests."""
    halves = digests.view(np.int64).reshape(-1, 2)
    return (halves[:, 0] * 3 + halves[:, 1]) ^ np.frombuffer(key, np.int64)[0]


def _list_ids(key, joined):
    return _make_ids(key, np.frombuffer(joined, _DIGEST)).tolist()


def _checksum(key, tap, digests, data):
    return hash_content(b"%b %d %d " % (key, tap, len(digests)), digests, data)
