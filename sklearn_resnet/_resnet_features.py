"""ResNetFeatures: images to the features of a ResNet cut at any layer."""

import numbers
import os
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from sklearn_resnet._features.cache import check_cache, warn_of_full_cache
from sklearn_resnet._features.forward_pass import ForwardPass, plan_forward_pass, resolve_pooling
from sklearn_resnet._images.batches import (
    cut_blocks,
    find_range_of_chunks,
    is_chunked,
    sample_chunks,
)
from sklearn_resnet._images.dask import is_dask, transform_dask
from sklearn_resnet._images.intensity import (
    check_value_range,
    find_value_range,
    warn_of_another_range,
    warn_of_values_beyond,
)
from sklearn_resnet._images.lazy import LazyImages, warn_of_failures
from sklearn_resnet._images.validation import (
    as_sequence,
    check_image_list,
    check_image_shape,
    check_images,
    check_size,
    refuse_path,
    reset_n_features,
)
from sklearn_resnet._network.engines.choice import ENGINES, PRECISIONS, choose_engine
from sklearn_resnet._network.engines.quantization import MAX_IMAGES
from sklearn_resnet._network.layers import ARCHITECTURES, resolve_layers, warn_about_ignored_layers
from sklearn_resnet._network.weights import (
    check_fingerprint,
    check_layers_covered,
    default_layers,
    find_weights,
)
from sklearn_resnet._runtime.threads import prefetch_map
from sklearn_resnet._sklearn_private import (
    DocumentedParameters,
    Interval,
    StrOptions,
    check_feature_names_in,
    fit_context,
)


class ResNetFeatures(DocumentedParameters, TransformerMixin, BaseEstimator):
    """Turn images into the features of a ResNet cut at any layer.

    The output of each chosen layer, a map of (height, width, channels), is pooled over
    height and width: one feature for each channel.

    Parameters
    ----------
    layers : None, int, str, or list of int and str, default=None
        Where the network is cut. None is the last layer, after which only the classifier
        comes (of ``weights="procedural"`` the deepest that they hold, 85); an int an index
        into Keras' ``network.layers``, counted from the end if negative; a str the name of
        a layer, or of a stage (``"conv3"``) for its last layer. A list gives the features
        of several layers side by side, for the cost of the deepest. `list_layers` shows all
        layers with their widths and costs.
    batch_size : int, default=64
        Number of images that go through the network together. It changes the memory and
        the time that are used, and no feature.
    architecture : {"ResNet50", "ResNet101", "ResNet152", "ResNet50V2", "ResNet101V2", \
"ResNet152V2"}, default="ResNet50V2"
        The network, as `keras.applications` names it. Images are brought to the values
        that it was trained on.
    weights : "imagenet", "procedural", path, or None, default="imagenet"
        ``"imagenet"``: as trained on ImageNet, from Keras' cache (the variable
        KERAS_HOME sets its folder), downloaded once. ``"procedural"``: as they ship with
        this package, trained on images made by programs; of ResNet50V2 up to layer 85
        (``"conv3"``). A path: a weights file that Keras
        wrote, in HDF5; it may hold only the first stages, if no cut lies beyond. None:
        random, drawn from `random_state`.
    pooling : {"avg", "max"} or list of these, default="avg"
        How a map becomes features: by its mean, its maximum, or both side by side.
    image_size : int or tuple of 2 int, default=None
        Height and width to which images are resized before they enter the network, by
        antialiased bilinear interpolation, without regard to their aspect ratio; an int
        makes them square. None leaves them as they are.
    image_shape : tuple of 2 or 3 int, default=None
        For rows: the shape (height, width) or (height, width, channels) of the image that
        a row stands for. None takes a row of s * s values for a square grey image, one of
        3 * s * s for a square RGB image (channels last), and warns of any other, which is
        taken for a grey image one pixel high.
    value_range : tuple of 2 float, default=None
        The values that stand for black and white. None lets `fit` find them: for
        integers by dtype (255 for uint8, 65535 for uint16; for wider and signed ones the
        smallest of 255, 65535 and the dtype's maximum that holds the largest value seen),
        for floats (0, 1) if the largest value seen is at most 1, and else (0, 255).
    engine : {"auto", "openvino", "keras"}, default="auto"
        What runs the network: OpenVINO, on the processor, or Keras, on whatever its backend
        can use. ``"auto"`` takes Keras where it can use a GPU, and else OpenVINO.
        `show_engine` tells which it is here.
    precision : {"float32", "bfloat16", "float16", "int8"}, default="float32"
        What the network computes in; the features are float32. ``"int8"``, by OpenVINO
        alone, is several times as fast; `fit` then runs up to 300 of its images through
        the network, for which NNCF must be installed
        (``pip install 'sklearn-resnet[int8]'``). ``"float16"`` is for GPUs, by Keras alone.
    cache : "memory", path or None, default="memory"
        Where the features of each image are kept, so that it goes through the network once
        only: in this process, or in a folder on a local disk that processes share. None
        keeps nothing. `cache_info` tells what is there, `clear_cache` empties it.
    cache_size : float, default=None
        Bound of the cache in MiB; None is 256 for memory and 4096 for a folder. In memory
        what was used least recently goes first, in a folder what was kept first.
    tap_layers : None, int, str, or list of int and str, default=None
        Layers whose features are computed in the same pass, and left in the cache: all
        those that a search over `layers` tries, so that one pass serves them all. They
        are computed without a cache, too: the last bits of features depend on them.
    random_state : int, RandomState instance or None, default=None
        What random weights are drawn from, when `weights` is None. Pass an int for the
        same features in every fit.
    verbose : int, default=0
        1 shows a progress bar on stderr, if that is a terminal.

    Attributes
    ----------
    layers_ : list of int
        Indices of the layers whose outputs are pooled.
    tap_layers_ : list of int
        Indices of those that are computed for the cache.
    value_range_ : tuple of 2 float
        The values that stand for black and white.
    weights_fingerprint_ : str
        What tells the weights from all others: the SHA-256 of their file, or the
        architecture and seed of random ones.
    activation_ranges_ : dict of str to tuple of 2 float
        Between which values the input of each convolution lies, by its name. Only for
        ``precision="int8"``.
    random_seed_ : int or None
        What random weights are drawn with; None for others.
    image_shape_ : tuple of int
        Shape of the image that a row stands for. Only if `fit` saw rows.
    n_features_in_ : int
        Length of a row. Only if `fit` saw rows.
    feature_names_in_ : ndarray of str
        Names of the columns. Only if `fit` saw a dataframe with names.

    See Also
    --------
    ImageLoader : Reads image files.
    list_layers : Shows the layers at which a network can be cut.

    Notes
    -----
    `fit` trains nothing: it finds the weights and the value range. No network is held by
    the estimator, which is small to pickle and free to clone; networks are kept by the
    process, a few at a time.

    The features of an image depend on that image alone. On a CPU they are equal to the
    last bit for any batch size, order and company.

    Values outside the value range are not clipped.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren and J. Sun, "Deep Residual Learning for Image
           Recognition", CVPR 2016.
    .. [2] K. He, X. Zhang, S. Ren and J. Sun, "Identity Mappings in Deep Residual
           Networks", ECCV 2016 (version 2).

    Examples
    --------
    >>> from sklearn_resnet import ResNetFeatures
    >>> from sklearn_resnet.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> resnet = ResNetFeatures(layers=82, weights="procedural")
    >>> resnet.fit_transform(X[:10]).shape
    (10, 128)
    """

    _parameter_constraints = {  # noqa: RUF012
        "layers": [numbers.Integral, str, "array-like", None],
        "batch_size": [Interval(numbers.Integral, 1, None, closed="left")],
        "architecture": [StrOptions(set(ARCHITECTURES))],
        "weights": [str, os.PathLike, None],
        "pooling": [StrOptions({"avg", "max"}), tuple, list],
        "image_size": [Interval(numbers.Integral, 1, None, closed="left"), tuple, list, None],
        "image_shape": [tuple, list, None],
        "value_range": [tuple, list, None],
        "engine": [StrOptions(set(ENGINES))],
        "precision": [StrOptions(set(PRECISIONS))],
        "cache": [str, os.PathLike, None],
        "cache_size": [Interval(numbers.Real, 0, None, closed="left"), None],
        "tap_layers": [numbers.Integral, str, "array-like", None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        layers: int | str | Sequence[int | str] | None = None,
        batch_size: int = 64,
        *,
        architecture: str = "ResNet50V2",
        weights: str | os.PathLike | None = "imagenet",
        pooling: str | Sequence[str] = "avg",
        image_size: int | tuple[int, int] | None = None,
        image_shape: tuple[int, ...] | None = None,
        value_range: tuple[float, float] | None = None,
        engine: str = "auto",
        precision: str = "float32",
        cache: str | os.PathLike | None = "memory",
        cache_size: float | None = None,
        tap_layers: int | str | Sequence[int | str] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.layers = layers
        self.batch_size = batch_size
        self.architecture = architecture
        self.weights = weights
        self.pooling = pooling
        self.image_size = image_size
        self.image_shape = image_shape
        self.value_range = value_range
        self.engine = engine
        self.precision = precision
        self.cache = cache
        self.cache_size = cache_size
        self.tap_layers = tap_layers
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the weights and the value range; nothing is trained.

        Parameters
        ----------
        X : array-like
            As for `transform`. Of an array of Dask, Zarr or h5py nothing is read, unless the
            value range depends on what it holds, or int8 has to see images.
        y : Ignored
            Present by convention.

        Returns
        -------
        self : ResNetFeatures
            Fitted.

        Raises
        ------
        ValueError, TypeError
            If a parameter or `X` is not what it must be.
        FileNotFoundError
            If there is no weights file at the path given.
        ConnectionError
            If ImageNet's weights are not in Keras' cache and cannot be downloaded.

        Warns
        -----
        UserWarning
            If a cut ignores layers that come before it.
        """
        check_image_shape(self.image_shape)
        check_size("image_size", self.image_size)
        resolve_pooling(self.pooling)
        cut = default_layers(self.weights) if self.layers is None else self.layers
        layers = resolve_layers(self.architecture, cut)
        tap_layers = self._resolve_tap_layers()
        check_cache(self.cache)
        choose_engine(self.engine, self.precision)
        # of a chunked array, int8 alone needs to see images
        n_seen = MAX_IMAGES if self.precision == "int8" else 0
        images = self._check(sample_chunks(X, n_seen) if is_chunked(X) else X, reset=True)
        if self.value_range is None:
            value_range = find_range_of_chunks(X) if is_chunked(X) else find_value_range(images)
            warn_of_values_beyond(images, value_range, "Pass value_range= to say otherwise.")
        else:
            value_range = check_value_range(self.value_range)
        is_random = self.weights is None
        seed = check_random_state(self.random_state).randint(2**31 - 1) if is_random else None
        weights = find_weights(self.architecture, self.weights, seed)
        check_layers_covered(weights, [*layers, *tap_layers])
        self.tap_layers_ = [layer.index for layer in tap_layers]
        self.layers_ = [layer.index for layer in layers]
        self.value_range_ = value_range
        self.random_seed_ = seed
        self.weights_fingerprint_ = weights.fingerprint
        warn_about_ignored_layers(self.architecture, layers)
        self.__dict__.pop("activation_ranges_", None)
        if self.precision == "int8":
            forward = plan_forward_pass(self, images, weights, is_calibrated=False)
            self.activation_ranges_ = forward.calibrate(images)
        return self

    def transform(self, X: Any) -> Any:
        """Turn images into features.

        Parameters
        ----------
        X : array-like of shape (n, n_pixels), (n, height, width) or \
(n, height, width, {1, 3}), LazyImages, or Dask, Zarr or h5py array
            Rows, grey images, or images with channels last, of any numeric dtype. It is
            not written to, and converted batch by batch. With `image_size`, a list of
            images of different sizes will do. What ``ImageLoader(lazy=True)`` gives is
            decoded while the images before are computed. Arrays of Zarr and h5py are read
            block by block.

        Returns
        -------
        features : ndarray of shape (n, n_features), dtype float32
            For each layer, for each pooling, one feature for each channel; NaN of an image
            that could not be read, if `ImageLoader` lets it pass. Of a Dask array, a Dask array,
            not computed yet, with the chunks of `X`.

        Raises
        ------
        ValueError, TypeError
            If `X` does not hold images, or holds NaN or infinity, or if the weights found
            are not the ones that `fit` found.
        """
        check_is_fitted(self)
        if is_dask(X):
            return transform_dask(self, X)
        if is_chunked(X):
            return np.concatenate([features for _, features in self.transform_batches(X)])
        if getattr(X, "on_error", None) == "skip":
            raise ValueError(
                "transform gives a row for each image, and on_error='skip' leaves some out. Pass "
                "on_error='nan' to ImageLoader, or use transform_batches."
            )
        # None hides the bar where stderr is no terminal
        with tqdm(unit=" images", disable=None if self.verbose else True) as bar:
            features = self.compute(X, bar)
        warn_of_failures(getattr(X, "failures", {}), len(features), "their features are NaN")
        return features

    def transform_batches(self, X: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Turn images into features batch by batch, in memory that does not grow with their number.

        The next batch is read, and begun, while one is computed.

        Parameters
        ----------
        X : array-like, LazyImages, or iterable of these
            As for `transform`; or an array of Zarr, h5py or Dask, or one mapped into memory, which
            is read block by block; or batches of images, as a generator makes them.

        Yields
        ------
        rows : ndarray of shape (n,), dtype int64
            The positions in `X` of the images of this batch: all in order, but for those that
            `ImageLoader(on_error="skip")` leaves out.
        features : ndarray of shape (n, n_features), dtype float32
            As `transform` gives them, to the last bit.

        Raises
        ------
        ValueError, TypeError
            As by `transform`.

        Examples
        --------
        >>> from sklearn.decomposition import IncrementalPCA
        >>> from sklearn_resnet import ResNetFeatures
        >>> from sklearn_resnet.datasets import load_digits
        >>> X = load_digits().data[:200]
        >>> resnet = ResNetFeatures(82, batch_size=50, weights="procedural").fit(X)
        >>> pca = IncrementalPCA(8)
        >>> for rows, features in resnet.transform_batches(X):
        ...     pca = pca.partial_fit(features)
        """
        check_is_fitted(self)
        start, failures, policy = 0, {}, "raise"

        def compute(block):
            return block, self.compute(block)

        for block, features in prefetch_map(compute, cut_blocks(X, self.batch_size), 2, 1):
            rows = np.arange(start, start + len(features))
            policy = getattr(block, "on_error", "raise")  # of what a Dask array computes, too
            failed = getattr(block, "failures", {})
            failures |= {start + i: failure for i, failure in failed.items()}
            start += len(features)
            if policy == "skip":
                is_kept = ~np.isin(rows, list(failures))
                rows, features = rows[is_kept], features[is_kept]
            yield rows, features
        if isinstance(X, LazyImages):
            X.failures = failures
        what = "they are left out" if policy == "skip" else "their features are NaN"
        warn_of_failures(failures, start, what)

    def compute(self, X: Any, bar: tqdm | None = None) -> np.ndarray:
        """Compute features as `transform` does, without a word of images that could not be read.

        Parameters
        ----------
        X : array-like or LazyImages
            As for `transform`, in memory or lazy. `LazyImages.failures` says what could not be
            read; its features are NaN.
        bar : tqdm, default=None
            Counts images.

        Returns
        -------
        features : ndarray of shape (n, n_features), dtype float32
            As by `transform`.
        """
        images = self._check(X, reset=False)
        if self.value_range is None:
            warn_of_another_range(images, self.value_range_)
        return self.plan(images).compute(images, bar)

    def precompute(self, X: Any, layers: int | str | Sequence[int | str] | None = None) -> Self:
        """Leave features in the cache, in one pass, so that they are found there later.

        With ``n_jobs``, workers find what a folder holds, and compute nothing; the memory of
        this process is not theirs. With ``precision="int8"``, features depend on the images
        that `fit` sees: those of a part of `X` are not found.

        Parameters
        ----------
        X : array-like
            As for `transform`.
        layers : None, int, str, or list of int and str, default=None
            The layers whose features are wanted; None stands for `tap_layers`, or else for
            `layers`. They are found where `layers` and `tap_layers` together are these.

        Returns
        -------
        self : ResNetFeatures
            Neither fitted nor changed.

        Raises
        ------
        ValueError
            If `cache` is None.

        Warns
        -----
        UserWarning
            If the cache has no room for the features.
        """
        if self.cache is None:
            raise ValueError(
                "The 'cache' parameter must be 'memory' or a folder for precompute to leave "
                "features there. Got None instead."
            )
        if layers is None:
            layers = self.layers if self.tap_layers is None else self.tap_layers
        resnet = clone(self).set_params(layers=layers, tap_layers=layers).fit(X)
        images = resnet._check(X, reset=False)
        forward = resnet.plan(images)
        with tqdm(unit=" images", disable=None) as bar:
            forward.compute(images, bar, cache_only=True)
        warn_of_full_cache(len(images) * sum(forward.widths.values()) * 4, forward.max_bytes)
        return self

    def plan(self, images: Any) -> ForwardPass:
        """Plan how features come about, with what `fit` found.

        Parameters
        ----------
        images : ndarray, list of ndarray, or LazyImages
            As `transform` checks them; their values are not looked at.

        Returns
        -------
        ForwardPass
            Its ``compute(images)`` gives the features.

        Raises
        ------
        ValueError
            If the weights found are not the ones that `fit` found.
        """
        weights = find_weights(self.architecture, self.weights, self.random_seed_)
        check_fingerprint(weights, self.weights_fingerprint_)
        return plan_forward_pass(self, images, weights)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Name each feature after its layer and channel: ``"conv3_block4_2_relu_17"``.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Held against the names of the columns that `fit` saw, and otherwise ignored.

        Returns
        -------
        names : ndarray of str objects
            With several poolings, their names stand before the channel:
            ``"conv3_block4_2_relu_max_17"``.
        """
        check_is_fitted(self)
        if input_features is not None:
            check_feature_names_in(self, input_features)
        poolings = resolve_pooling(self.pooling)
        names = [
            f"{layer.name}_{pooling}_{i}" if len(poolings) > 1 else f"{layer.name}_{i}"
            for layer in resolve_layers(self.architecture, self.layers_)
            for pooling in poolings
            for i in range(layer.width)
        ]
        return np.array(names, dtype=object)

    def _resolve_tap_layers(self):
        if self.tap_layers is None:
            return ()
        return resolve_layers(self.architecture, self.tap_layers, "tap_layers")

    def _check(self, X, reset):
        if isinstance(X, LazyImages):
            if reset:
                reset_n_features(self)
            return X
        items = as_sequence(X)
        if items:
            refuse_path(items[0])
        if items and self.image_size is not None and len({np.shape(item) for item in items}) > 1:
            return check_image_list(self, items, reset=reset)
        # the items of a dataframe's column stand for it
        return check_images(self, items or X, image_shape=self.image_shape, reset=reset)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
