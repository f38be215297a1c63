"""Images to features: look them up in the cache, and compute the misses."""

import os
from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import chain, compress

import numpy as np

from sklearn_resnet._features.cache import max_cache_bytes, open_store
from sklearn_resnet._images.batches import make_batches
from sklearn_resnet._images.hashing import hash_content
from sklearn_resnet._network.engines.choice import choose_engine
from sklearn_resnet._network.engines.computation import Computation
from sklearn_resnet._network.engines.quantization import MAX_IMAGES
from sklearn_resnet._network.engines.store import compile_computation, describe_numerics
from sklearn_resnet._network.pooling import (
    count_features,
    resolve_grid,
    resolve_pooling,
    split_layers,
)
from sklearn_resnet._runtime.progress import PartsBar, tqdm
from sklearn_resnet._runtime.warnings import warn_caller

_WRITE_BYTES = 4 * 2**20  # of features written to the cache at once


@dataclass(frozen=True)
class ForwardPass:
    """How images become features.

    Attributes
    ----------
    computation : Computation
        Computes the features that are not in the cache.
    layers : tuple of int
        The taps of the computation whose features are returned, in this order.
    is_resized : bool
        Whether images are resized to the image size of the computation.
    value_range : tuple of 2 float
        The black and the white level of images.
    batch_size : int
    cache : "memory", path or None
    max_cache_bytes : int
        The bound of the cache.
    """

    computation: Computation
    layers: tuple
    is_resized: bool
    value_range: tuple
    batch_size: int
    cache: str | os.PathLike | None = None
    max_cache_bytes: int = 0

    def make_batches(self, images, positions=None):
        """Cut the images at `positions` into batches for the computation."""
        size = self.computation.image_shape if self.is_resized else None
        return make_batches(
            images, self.batch_size, self.computation.dtype, size, self.value_range, positions
        )

    def make_calibration_batch(self, images):
        """Choose images for the calibration of int8, spread evenly, without unreadable ones.

        Parameters
        ----------
        images : ImageSource

        Returns
        -------
        ndarray of shape (n, *computation.image_shape), dtype computation.dtype
        """
        n_images = min(len(images), MAX_IMAGES)
        positions = np.linspace(0, len(images) - 1, n_images).astype(int)
        order = images.reading_order()
        chosen = positions if order is None else order[np.isin(order, positions)]
        batch = np.concatenate(list(self.make_batches(images, chosen)))
        if order is not None:
            batch = batch[np.argsort(chosen)]
        if not images.failures:
            return batch
        return batch[[i not in images.failures for i in positions]]

    def compute(self, images, bar=None, *, cache_only=False):
        """Look up features in the cache, and compute the misses.

        Parameters
        ----------
        images : ImageSource
        bar : tqdm, default=None
            Counts images.
        cache_only : bool, default=False
            Whether to cache the features without returning them.

        Returns
        -------
        features : ndarray of shape (n, n_features), dtype float32, or None
            NaN for the failures of `images`. Consecutive images that are parts of one, see
            `ImageSource`, share a row.
        """
        n_images = len(images)
        width = sum(self.widths[layer] for layer in self.layers)
        features = None if cache_only else np.empty((n_images, width), np.float32)
        bar = tqdm(disable=True) if bar is None else bar
        if bar.total is None:
            bar.reset(n_images // images.n_parts)
        bar = PartsBar(bar, images.n_parts)
        images.record_failures({})
        images.file_log.clear()
        with nullcontext() if self.cache is None else open_store(self.cache) as store:
            if store is None:
                self._compute_all(images, features, bar)
            else:
                _CachedPass(self, images, features, store, bar).fill()
        if features is None:
            return None
        rows = features.reshape(-1, images.n_parts * width)
        if not np.isfinite(rows).all():
            _warn_about_overflow(rows)
        if images.failures:
            features[list(images.failures)] = np.nan
        return rows

    def _compute_all(self, images, features, bar):
        compute, start = compile_computation(self.computation), 0
        order = images.reading_order()
        for part in compute(self.make_batches(images, order), self.batch_size):
            rows = slice(start, start + len(part))
            features[rows if order is None else order[rows]] = self.select(part)
            start += len(part)
            bar.update(len(part))

    @property
    def widths(self):
        """By tap, the number of its features."""
        computation = self.computation
        return {
            tap: count_features(
                computation.weights.table[tap], computation.pooling, computation.grid
            )
            for tap in computation.taps
        }

    def split(self, features):
        """Split computed features by tap."""
        taps, table = self.computation.taps, self.computation.weights.table
        return dict(zip(taps, split_layers(features, [table[tap] for tap in taps]), strict=True))

    def select(self, features):
        """Select the features of `layers` from computed features."""
        if self.layers == self.computation.taps:
            return features
        parts = self.split(features)
        return np.concatenate([parts[layer] for layer in self.layers], axis=1)

    def make_key(self, image_format):
        """Make a key from everything, except the image and the tap, that determines features.

        Parameters
        ----------
        image_format : str or None
            See `ImageSource`.

        Returns
        -------
        bytes
        """
        computation = self.computation
        settings = (
            describe_numerics(computation.engine),
            computation.weights.fingerprint,
            # all taps: each prevents libraries from fusing layers, which changes other features
            replace(computation, weights=None),
            computation.weights.architecture,
            computation.weights.normalization,
            self.is_resized,
            self.value_range,
            image_format,
        )
        return hash_content(repr(settings).encode())


def _warn_about_overflow(features):
    n_images = np.count_nonzero(~np.isfinite(features).all(axis=1))
    warn_caller(
        f"The features of {n_images} of {len(features)} images are not finite: the maps of a layer are "
        "beyond the largest float. Check the normalization, the value range and the weights."
    )


def plan_forward_pass(
    image_shape,
    dtype,
    weights,
    *,
    layers,
    tap_layers,
    pooling,
    grid,
    image_size,
    value_range,
    engine,
    precision,
    activation_ranges,
    batch_size,
    cache,
    cache_size,
):
    """Plan how images become features.

    Parameters
    ----------
    image_shape : tuple of int
        The shape of one image; empty if images differ in size.
    dtype : dtype
        The dtype of the images.
    weights : Weights
    layers, tap_layers : list of int
    activation_ranges : dict of str to tuple of 2 float, or None
        For int8; None for other precisions and for the calibration.
    pooling, grid, image_size, value_range, engine, precision, batch_size, cache, cache_size
        As for `ResNetFeatures`, and checked.

    Returns
    -------
    ForwardPass
    """
    # One computation serves resized images of all sizes and channels, so that the features of a
    # grey image do not depend on whether there are colour images.
    resized_shape = None if image_size is None else (*image_size, weights.n_channels)
    is_resized = resized_shape not in (None, image_shape)
    is_bytes = not is_resized and dtype == np.uint8
    computation = Computation(
        engine=choose_engine(engine, precision).engine,
        weights=weights,
        taps=tuple(sorted({*layers, *tap_layers})),
        pooling=resolve_pooling(pooling),
        grid=resolve_grid(grid),
        image_shape=resized_shape if is_resized else image_shape,
        dtype="uint8" if is_bytes else "float32",
        value_range=(0.0, 255.0) if is_resized else value_range,
        precision=precision,
        ranges=None if activation_ranges is None else tuple(activation_ranges.items()),
    )
    return ForwardPass(
        computation,
        tuple(layers),
        is_resized,
        value_range,
        batch_size,
        cache,
        max_cache_bytes(cache, cache_size),
    )


class _CachedPass:
    """A pass that looks up features in a store, and stores the computed ones."""

    def __init__(self, forward, images, features, store, bar):
        self.forward = forward
        self.images = images
        self.features = features
        self.bar = bar
        self.store = store
        self.key = forward.make_key(images.image_format)
        self.writer = _BufferedWriter(store, self.key, forward.max_cache_bytes)
        # position, digest and file version of the images in computation
        self.running = deque()
        self.first = {}  # by digest, the position of the first of identical images
        self.duplicates = []  # position and digest of the others

    def fill(self):
        """Fill in `features`, and put those that were computed into the store."""
        misses = self._find_misses()
        first = next(misses, None)
        try:
            if first is not None:  # without misses, the network is not even compiled
                batches = self.forward.make_batches(self.images, chain([first], misses))
                compute = compile_computation(self.forward.computation)
                for part in compute(batches, self.forward.batch_size):
                    self._take(part)
        finally:  # cache the features computed before an error
            self.writer.flush()
        failures = self.images.failures
        for i, digest in self.duplicates:
            first = self.first[digest]
            if self.features is not None:
                self.features[i] = self.features[first]
            if first in failures:
                self.images.add_failure(i, failures[first].cause)

    def _find_misses(self):
        """Fill in the hits; yield the positions of the misses, one of identical images."""
        for positions in self._split_images():
            part = self.images[positions]
            versions = part.file_versions()
            digests, is_hit = self._look_up(part, positions)
            self.bar.update(int(is_hit.sum()))
            if is_hit.all():
                continue
            is_slice = isinstance(positions, slice)
            places = range(len(self.images))[positions] if is_slice else positions.tolist()
            for j in np.flatnonzero(~is_hit).tolist():
                i, digest = places[j], digests[j]
                if digest in self.first:
                    self.duplicates.append((i, digest))
                    self.bar.update()
                else:
                    self.first[digest] = i
                    self.running.append((i, digest, versions[j]))
                    yield i

    def _look_up(self, part, positions):
        """Fill in the hits among some images; return the digests, if needed, and which are hits."""
        features, layers = self.features, self.forward.layers
        is_view = features is None or isinstance(positions, slice)
        out = None if features is None else features[positions]
        whole = part.digest_of_all() if self.store.finds_all else None
        if whole is not None and self.store.get_all(self.key, layers, whole, out):
            return None, np.ones(len(part), bool)
        digests = part.keyed_digests(self.store.secret)
        is_hit = self.store.get_many(self.key, layers, digests, out, whole)
        if not is_view:
            features[positions] = out
        return digests, is_hit

    def _split_images(self):
        """Yield the positions of the images that are looked up at once, in the order of reading."""
        n_at_once, order = self.images.lookup_size, self.images.reading_order()
        for start in range(0, len(self.images), n_at_once):
            rows = slice(start, start + n_at_once)
            yield rows if order is None else order[rows]

    def _take(self, part):
        """Take the next computed features."""
        running = [self.running.popleft() for _ in part]
        positions, digests, _ = zip(*running, strict=True)
        if self.features is not None:
            self.features[list(positions)] = self.forward.select(part)
        is_valid = self._find_valid(running)
        self.writer.put(
            list(compress(digests, is_valid)), self.forward.split(np.asarray(part)[is_valid])
        )
        self.bar.update(len(part))

    def _find_valid(self, running):
        """Find for each image whether it was read, from the same file as its digest."""
        versioned = [i for i, _, version in running if version is not None]
        versions = (
            dict(zip(versioned, self.images[versioned].file_versions(), strict=True))
            if versioned
            else {}
        )
        failures = self.images.failures
        return [i not in failures and versions.get(i) == version for i, _, version in running]


class _BufferedWriter:
    """Writes features to a store, many at once."""

    def __init__(self, store, key, max_bytes):
        self._store = store
        self._key = key
        self._max_bytes = max_bytes
        self._parts, self._n_bytes = [], 0

    def put(self, digests, features):
        """Buffer features, by tap."""
        self._parts.append((digests, features))  # in one step, as an interrupt flushes the buffer
        self._n_bytes += sum(rows.nbytes for rows in features.values())
        if self._n_bytes >= _WRITE_BYTES:
            self.flush()

    def flush(self):
        """Write the buffered features."""
        if self._parts:
            of_parts, features = zip(*self._parts, strict=True)
            digests = list(chain.from_iterable(of_parts))
            joined = {tap: np.concatenate([part[tap] for part in features]) for tap in features[0]}
            self._store.put(self._key, digests, joined, self._max_bytes)
        self._parts, self._n_bytes = [], 0
