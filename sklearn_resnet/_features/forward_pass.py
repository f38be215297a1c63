"""Images to features: what is cached is looked up, the rest goes through the network."""

import hashlib
from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import chain, compress

import numpy as np
from tqdm.auto import tqdm

from sklearn_resnet._features.cache import max_bytes, open_store
from sklearn_resnet._images.batches import make_batches
from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._images.validation import check_size
from sklearn_resnet._network.engines.choice import choose_engine
from sklearn_resnet._network.engines.computation import Computation
from sklearn_resnet._network.engines.quantization import MAX_IMAGES, calibrate_ranges
from sklearn_resnet._network.engines.store import compile_computation, describe_numerics
from sklearn_resnet._network.layers import layer_table

_POOLINGS = (("avg",), ("max",), ("avg", "max"), ("max", "avg"))
_KEY_BYTES = 16
_LOOKED_UP = {True: 256, False: 2048}  # images at once; fewer that are lazy, whose files are read
_KEPT_AT_ONCE = 4 * 2**20  # bytes


@dataclass(frozen=True)
class ForwardPass:
    """How images become features.

    Attributes
    ----------
    computation : Computation
        What is computed where features are not in the cache.
    layers : tuple of int
        Those of its taps whose features are asked for, in this order.
    is_resized : bool
        Whether images are brought to the size of the computation.
    value_range : tuple of 2 float
        The values of images that stand for black and white.
    batch_size : int
    cache : "memory", path or None
    max_bytes : int
        The bound of the cache.
    """

    computation: Computation
    layers: tuple
    is_resized: bool
    value_range: tuple
    batch_size: int
    cache: object = None
    max_bytes: int = 0

    def make_batches(self, images, positions=None):
        """Those of `images` at `positions`, as the computation takes them."""
        size = self.computation.image_shape[:2] if self.is_resized else None
        return make_batches(
            images, self.batch_size, self.computation.dtype, size, self.value_range, positions
        )

    def calibrate(self, images):
        """What int8 needs to know, from some of `images`, spread evenly: see `calibrate_ranges`."""
        n_images = min(len(images), MAX_IMAGES)
        positions = np.linspace(0, len(images) - 1, n_images).astype(int)
        sample = np.concatenate(list(self.make_batches(images, positions)))
        if isinstance(images, LazyImages):
            sample = sample[[i not in images.failures for i in positions]]
        return dict(calibrate_ranges(self.computation, sample))

    def compute(self, images, bar=None, *, cache_only=False):
        """Compute features, or find them in the cache.

        Parameters
        ----------
        images : ndarray of shape (n, height, width[, channels]), list of ndarray, or LazyImages
        bar : tqdm, default=None
            Counts images.
        cache_only : bool, default=False
            Whether features are left in the cache and not returned.

        Returns
        -------
        features : ndarray of shape (n, n_features), dtype float32, or None
            NaN for those of lazy images that could not be read, if these are no error.
        """
        n_images = len(images)
        width = sum(self.widths[layer] for layer in self.layers)
        features = None if cache_only else np.empty((n_images, width), np.float32)
        bar = tqdm(disable=True) if bar is None else bar
        if bar.total is None:
            bar.reset(n_images)
        if isinstance(images, LazyImages):
            images.failures.clear()
        with nullcontext() if self.cache is None else open_store(self.cache) as store:
            if store is None:
                self._compute_all(images, features, bar)
            else:
                _CachedPass(self, images, features, store, bar).run()
        if features is not None and isinstance(images, LazyImages):
            features[list(images.failures)] = np.nan
        return features

    def _compute_all(self, images, features, bar):
        run, start = compile_computation(self.computation), 0
        for part in run(self.make_batches(images), self.batch_size):
            features[start : start + len(part)] = self.select(part)
            start += len(part)
            bar.update(len(part))

    @property
    def widths(self):
        """By tap, the number of its features."""
        table = layer_table(self.computation.weights.architecture)
        n_poolings = len(self.computation.pooling)
        return {tap: table[tap].width * n_poolings for tap in self.computation.taps}

    def split(self, features):
        """Cut computed features into those of each tap."""
        taps = self.computation.taps
        stops = np.cumsum([self.widths[tap] for tap in taps])[:-1]
        return dict(zip(taps, np.split(features, stops, axis=1), strict=True))

    def select(self, features):
        """Choose, of computed features, those that are asked for."""
        if self.layers == self.computation.taps:
            return features
        parts = self.split(features)
        return np.concatenate([parts[layer] for layer in self.layers], axis=1)

    def make_tap_keys(self, image_format):
        """By tap, what tells its features of an image from those by any other computation."""
        computation = self.computation
        facts = (
            describe_numerics(computation.engine),
            computation.weights.fingerprint,
            # with all its taps: where one keeps libraries from fusing layers, others change too
            replace(computation, weights=None),
            computation.weights.architecture,
            self.is_resized,
            self.value_range,
            image_format,
        )
        return {tap: _digest(repr((tap, facts)).encode()) for tap in computation.taps}


def plan_forward_pass(resnet, images, weights, *, is_calibrated=True):
    """How features of images come about.

    Parameters
    ----------
    resnet : ResNetFeatures
        With its parameters checked, and `value_range_`, `layers_` and `tap_layers_` found.
    images : ndarray of shape (n, height, width[, channels]), list of ndarray, or LazyImages
    weights : Weights
    is_calibrated : bool, default=True
        Whether int8 is to use the ranges that `fit` found.

    Returns
    -------
    ForwardPass

    Raises
    ------
    ValueError
        If there are none.
    """
    ranges = None
    if resnet.precision == "int8" and is_calibrated:
        if not hasattr(resnet, "activation_ranges_"):
            raise ValueError(
                "precision='int8' needs what fit learns for it, and this ResNetFeatures was "
                "fitted with another precision. Fit again."
            )
        ranges = tuple(resnet.activation_ranges_.items())
    size = check_size("image_size", resnet.image_size)
    # whatever the sizes and channels of images that are resized, one computation serves them
    # all: so what a grey one gives does not depend on whether there are coloured ones
    is_ragged = isinstance(images, list)
    is_resized = is_ragged or (size is not None and images.shape[1:] != (*size, 3))
    is_bytes = not is_resized and images.dtype == np.uint8
    value_range = tuple(map(float, resnet.value_range_))
    computation = Computation(
        engine=choose_engine(resnet.engine, resnet.precision).engine,
        weights=weights,
        taps=tuple(sorted({*resnet.layers_, *resnet.tap_layers_})),
        pooling=resolve_pooling(resnet.pooling),
        image_shape=(*size, 3) if is_resized else images.shape[1:],
        dtype="uint8" if is_bytes else "float32",
        value_range=(0.0, 255.0) if is_resized else value_range,
        precision=resnet.precision,
        ranges=ranges,
    )
    return ForwardPass(
        computation,
        tuple(resnet.layers_),
        is_resized,
        value_range,
        resnet.batch_size,
        resnet.cache,
        max_bytes(resnet.cache, resnet.cache_size),
    )


def resolve_pooling(pooling):
    """The parameter `pooling` as a tuple; ValueError if it is not what it must be."""
    poolings = (pooling,) if isinstance(pooling, str) else tuple(pooling)
    if poolings not in _POOLINGS:
        raise ValueError(
            "The 'pooling' parameter must be 'avg', 'max' or a list of both. "
            f"Got {pooling!r} instead."
        )
    return poolings


class _CachedPass:
    """One pass that takes from a cache what is there, and leaves the rest there."""

    def __init__(self, forward, images, features, store, bar):
        self.forward = forward
        self.images = images
        self.features = features
        self.store = store
        self.bar = bar
        is_array = isinstance(images, np.ndarray)
        self.tap_keys = forward.make_tap_keys(_format(images) if is_array else None)
        # positions and keys of images whose features are being computed, with the versions of files
        self.running = deque()
        self.is_lazy = isinstance(images, LazyImages)
        self.first = {}  # by key, the position of the first of identical images among these
        self.duplicates = []  # positions of the others, with their key
        self.to_keep = [], []
        self.n_to_keep = 0

    def run(self):
        missing = self._find_missing()
        first = next(missing, None)
        try:
            if first is not None:  # else not even the network is needed
                batches = self.forward.make_batches(self.images, chain([first], missing))
                compute = compile_computation(self.forward.computation)
                for part in compute(batches, self.forward.batch_size):
                    self._take(part)
        finally:  # nothing that was computed is lost
            self._keep()
        if self.features is not None:
            for i, key in self.duplicates:
                self.features[i] = self.features[self.first[key]]
                if self.is_lazy and self.first[key] in self.images.failures:
                    self.images.fail_like(i, self.first[key])

    def _find_missing(self):
        """Fill in what is cached; yield the positions of the rest, one of identical images."""
        n_images = len(self.images)
        n_at_once = _LOOKED_UP[self.is_lazy]
        wanted = [self.tap_keys[layer] for layer in self.forward.layers]
        for start in range(0, n_images, n_at_once):
            part = self.images[start : start + n_at_once]
            versions = part.find_versions() if self.is_lazy else [None] * len(part)
            keys = make_image_keys(part)
            rows = self.store.find([tap_key + key for key in keys for tap_key in wanted])
            if None not in rows:
                self._fill(slice(start, start + len(keys)), rows)
                self.bar.update(len(keys))
                continue
            for j, key in enumerate(keys):
                row = rows[j * len(wanted) : (j + 1) * len(wanted)]
                if None not in row:
                    self._fill(slice(start + j, start + j + 1), row)
                    self.bar.update()
                elif key in self.first:
                    self.duplicates.append((start + j, key))
                    self.bar.update()
                else:
                    self.first[key] = start + j
                    self.running.append((start + j, key, versions[j]))
                    yield start + j

    def _fill(self, where, rows):
        if self.features is not None:
            found = np.frombuffer(b"".join(rows), np.float32)
            self.features[where] = found.reshape(-1, self.features.shape[1])

    def _take(self, part):
        running = [self.running.popleft() for _ in part]
        positions, keys, _ = zip(*running, strict=True)
        if self.features is not None:
            self.features[list(positions)] = self.forward.select(part)
        to_keep = self.to_keep
        is_kept = [self._is_of_its_key(i, version) for i, _, version in running]
        for tap, columns in self.forward.split(part).items():
            tap_key = self.tap_keys[tap]
            to_keep[0].extend([tap_key + key for key in compress(keys, is_kept)])
            to_keep[1].extend([row.tobytes() for row in compress(columns, is_kept)])
        self.n_to_keep += part.nbytes
        if self.n_to_keep >= _KEPT_AT_ONCE:
            self._keep()
        self.bar.update(len(part))

    def _is_of_its_key(self, i, version):
        """Whether an image was read, and its file is the one that the key was made of."""
        if not self.is_lazy:
            return True
        return i not in self.images.failures and (
            version is None or self.images[i : i + 1].find_versions() == [version]
        )

    def _keep(self):
        if self.n_to_keep:
            self.store.keep(*self.to_keep, self.forward.max_bytes)
        self.to_keep = [], []
        self.n_to_keep = 0


def make_image_keys(images):
    """What tells the content of each image from all others of the same form.

    Parameters
    ----------
    images : ndarray of shape (n, ...), list of ndarray, or LazyImages

    Returns
    -------
    list of bytes
    """
    if isinstance(images, LazyImages):
        return images.digests(_digest)
    if isinstance(images, list):
        return [_digest(_format([image]).encode(), np.ascontiguousarray(image)) for image in images]
    pixels = np.ascontiguousarray(images).reshape(-1).view(np.uint8)
    size, pixels = len(pixels) // len(images), memoryview(pixels)
    return [_digest(pixels[i : i + size]) for i in range(0, len(pixels), size)]


def _format(images):
    image = np.asarray(images[0])
    return f"{image.dtype.str}{image.shape}"


def _digest(*parts):
    # cryptographic, so that no two images can share a key, and a percent of the network's time
    digest = hashlib.blake2b(parts[0], digest_size=_KEY_BYTES)
    for part in parts[1:]:
        digest.update(part)
    return digest.digest()
