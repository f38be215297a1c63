"""The feature cache in the memory of this process."""

import os
from itertools import compress, repeat

import numpy as np

from sklearn_resnet._features.cache_info import CacheInfo
from sklearn_resnet._images.hashing import SECRET_BYTES
from sklearn_resnet._runtime.threads import make_fork_safe_lock

ENTRY_BYTES = 250  # that Python needs at most for an image: its digest, its place, and its uses
_MAX_SEEN = 16  # places of sequences of images for each image: 64 of these bytes
_SEQUENCE_PLACES = 64  # that take as much memory as the entry of a sequence


class MemoryStore:
    """LRU cache in this process, from the digests of images to their features at each tap.

    Attributes
    ----------
    secret : bytes
        For `keyed_digests`; of this process, so that nobody can make images with equal digests.
    finds_all : bool
        Whether `get_all` may find images.
    """

    finds_all = True

    def __init__(self):
        self.lock = make_fork_safe_lock()
        self.secret = os.urandom(SECRET_BYTES)
        self._tables = {}
        self._hits = self._misses = self._n_uses = 0

    def clear(self):
        """Remove all features, and count hits and misses from 0."""
        with self.lock:
            self._tables = {}
            self._hits = self._misses = self._n_uses = 0

    def get_all(self, key, taps, whole, out=None):
        """Look up images that were all found together before.

        Parameters
        ----------
        key, taps, out
            As for `get_many`.
        whole : bytes
            The digest of all images.

        Returns
        -------
        bool
            Whether they are known; otherwise look up each.
        """
        with self.lock:
            table = self._tables.get(key)
            rows = None if table is None else table.seen.get(whole)
            if rows is None:
                return False
            self._read(table, taps, rows, out)
            self._hits += len(rows) * len(taps)
            return True

    def get_many(self, key, taps, digests, out=None, whole=None):
        """Look up images.

        Parameters
        ----------
        key : bytes
            Of all that determines features except the image.
        taps : sequence of int
        digests : list of bytes
        out : ndarray of shape (n, n_features), dtype float32, default=None
            Takes the features of the hits, tap by tap; rows of misses may be overwritten.
        whole : bytes, default=None
            The digest of all images, for `get_all`.

        Returns
        -------
        is_hit : ndarray of shape (n,), dtype bool
        """
        with self.lock:
            table = self._tables.get(key)
            if table is None or not table.index:
                is_hit = np.zeros(len(digests), bool)
            else:
                rows = table.find(digests)
                is_hit = rows >= 0
                if whole is not None and is_hit.all():
                    table.remember(whole, rows)
                self._read(table, taps, rows if is_hit.all() else rows[is_hit], out, is_hit)
            n_hits = int(is_hit.sum())
            self._hits += n_hits * len(taps)
            self._misses += (len(digests) - n_hits) * len(taps)
            return is_hit

    def put(self, key, digests, features, max_bytes):
        """Store features, and evict the least recently used ones beyond `max_bytes`.

        Parameters
        ----------
        key : bytes
        digests : list of bytes
        features : dict of int to ndarray of shape (n, n_features), dtype float32
            By tap.
        max_bytes : int
        """
        with self.lock:
            table = self._tables.setdefault(key, _Table())
            self._use(table, table.put(digests, features))
            if self._n_bytes > max_bytes:
                self._evict(max_bytes)

    def info(self):
        """Return a `CacheInfo`."""
        with self.lock:
            n_features = sum(
                len(table.index) * len(table.features) for table in self._tables.values()
            )
            return CacheInfo("memory", self._hits, self._misses, n_features, self._n_bytes)

    def close(self):
        """Do nothing: the features stay."""

    @property
    def _n_bytes(self):
        return sum(table.n_bytes for table in self._tables.values())

    def _read(self, table, taps, rows, out, is_hit=None):
        if out is not None:
            start, is_all = 0, is_hit is None or len(rows) == len(is_hit)
            for tap in taps:
                features = table.features[tap]
                columns = slice(start, start := start + features.shape[1])
                if is_all:  # without a copy
                    np.take(features, rows, axis=0, out=out[:, columns], mode="clip")
                else:
                    out[is_hit, columns] = features[rows]
        self._use(table, rows)

    def _use(self, table, rows):
        table.last_use[rows] = np.arange(self._n_uses, self._n_uses + len(rows))
        self._n_uses += len(rows)

    def _evict(self, max_bytes):
        tables = list(self._tables.values())
        last_use = np.concatenate([table.last_use[: len(table.index)] for table in tables])
        n_bytes = np.repeat([table.row_bytes for table in tables], [len(t.index) for t in tables])
        newest = np.argsort(last_use)[::-1]
        n_kept = int(np.searchsorted(np.cumsum(n_bytes[newest]), max_bytes, side="right"))
        n_kept -= n_kept // 16  # so that not every step evicts
        oldest_use = last_use[newest[n_kept - 1]] if n_kept else self._n_uses
        for table in tables:
            table.keep(table.last_use[: len(table.index)] >= oldest_use)
        self._tables = {key: table for key, table in self._tables.items() if table.index}


class _Table:
    """Features of one computation: a row for each image, in an array for each tap.

    Attributes
    ----------
    index : dict of bytes to int
        From the digests of images to their rows, in order.
    features : dict of int to ndarray of shape (capacity, n_features)
        By tap.
    last_use : ndarray of shape (capacity,)
        Greater for rows that were used later.
    seen : dict of bytes to ndarray
        From the digest of several images to their rows.
    """

    def __init__(self):
        self.index = {}
        self.features = {}
        self.last_use = np.empty(0, np.int64)
        self.seen = {}
        self._n_seen = 0

    @property
    def row_bytes(self):
        """The size of the features of an image, and of its entry."""
        return sum(each[:1].nbytes for each in self.features.values()) + ENTRY_BYTES

    @property
    def n_bytes(self):
        """The size of all features, and of their entries."""
        arrays = sum(each.nbytes for each in self.features.values())
        return arrays + len(self.index) * ENTRY_BYTES

    def find(self, digests):
        """Find the rows of images; -1 for a miss."""
        return np.fromiter(map(self.index.get, digests, repeat(-1)), np.intp, len(digests))

    def remember(self, whole, rows):
        """Remember the rows of several images."""
        if whole not in self.seen:  # another thread may have looked them up
            self.seen[whole] = rows.astype(np.int32)
            self._n_seen += len(rows) + _SEQUENCE_PLACES
        while self._n_seen > _MAX_SEEN * len(self.index):
            self._n_seen -= len(self.seen.pop(next(iter(self.seen)))) + _SEQUENCE_PLACES

    def put(self, digests, features):
        """Add the images that are new; return the rows of all."""
        new = {}  # the position of each in `digests`
        for i, digest in enumerate(digests):
            if digest not in self.index:
                new.setdefault(digest, i)
        start, stop = len(self.index), len(self.index) + len(new)
        self._reserve(stop, features)
        chosen = list(new.values())
        for tap, rows in features.items():
            self.features[tap][start:stop] = rows[chosen]
        # last, so that an interrupted write leaves no image without features
        self.index.update(zip(new, range(start, stop), strict=True))
        return self.find(digests)

    def _reserve(self, n_rows, features):
        """Make room for rows."""
        if not self.features:
            self.features = {
                tap: np.empty((0, rows.shape[1]), np.float32) for tap, rows in features.items()
            }
        capacity = len(self.last_use)
        if n_rows > capacity:
            capacity = max(n_rows, capacity * 9 // 8)
            for array in (*self.features.values(), self.last_use):  # the capacity is the last one's
                # in place where the system can; no view of them leaves this module
                array.resize((capacity, *array.shape[1:]), refcheck=False)

    def keep(self, is_kept):
        """Drop the other rows."""
        if is_kept.all():
            return
        self.seen, self._n_seen = {}, 0
        n_rows = len(is_kept)
        index = {digest: i for i, digest in enumerate(compress(self.index, is_kept))}
        last_use = self.last_use[:n_rows][is_kept]
        features = {tap: rows[:n_rows][is_kept] for tap, rows in self.features.items()}
        # without a call in between, so that an interrupt finds all of them replaced or none
        self.index, self.last_use, self.features = index, last_use, features
