"""ResNetFeatures: turn images into the features of a ResNet cut at any layer."""

import numbers
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_resnet._features.cache import check_cache, warn_if_cache_is_too_small
from sklearn_resnet._features.forward_pass import plan_forward_pass
from sklearn_resnet._images.channels import (
    SeparateChannels,
    as_prefix,
    check_same_channels,
    count_channels,
    name_channels,
)
from sklearn_resnet._images.dask import transform_dask
from sklearn_resnet._images.failures import warn_about_failures
from sklearn_resnet._images.file_log import FileLog
from sklearn_resnet._images.intensity import (
    check_network_range,
    unify_scales,
    warn_about_another_range,
    warn_about_inferred,
)
from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._images.sources import as_block_source, as_source
from sklearn_resnet._images.validation import (
    as_arrays,
    as_sequence,
    check_channels,
    check_image_list,
    check_image_shape,
    check_images,
    check_size,
    list_channels,
    refuse_single,
    reset_n_features,
)
from sklearn_resnet._network.architectures import layer_table
from sklearn_resnet._network.engines.choice import ENGINES, PRECISIONS, choose_engine
from sklearn_resnet._network.engines.quantization import MAX_IMAGES, calibrate_ranges
from sklearn_resnet._network.layers import (
    check_architecture,
    resolve_layers,
    warn_about_ignored_layers,
)
from sklearn_resnet._network.normalization import warn_about_units
from sklearn_resnet._network.pooling import (
    POOLINGS,
    name_features,
    resolve_grid,
    resolve_pooling,
)
from sklearn_resnet._network.weights import (
    check_fingerprint,
    check_layers_covered,
    choose_weights,
    default_layers,
    find_weights,
    is_auto,
    is_named,
    warn_about_large_images,
    warn_about_value_range,
)
from sklearn_resnet._runtime.errors import MissingFileError, ParameterError
from sklearn_resnet._runtime.progress import count_images
from sklearn_resnet._runtime.threads import prefetch_map
from sklearn_resnet._sklearn_private import (
    DocumentedParameters,
    Interval,
    StrOptions,
    check_feature_names_in,
    fit_context,
)

if TYPE_CHECKING:
    import dask.array as da

_MAX_BATCHES = 4  # of separate channels in a block, so that images of many do not fill the memory


class ResNetFeatures(DocumentedParameters, TransformerMixin, BaseEstimator):
    """Turn images into the features of a ResNet cut at any layer.

    The output of each chosen layer has the shape (height, width, channels). It is pooled over
    height and width, which gives one feature per channel, or one per channel and cell of `grid`.

    Parameters
    ----------
    layers : None, int, str, or list of int and str, default=None
        The layers at which the network is cut. None is the last layer before the classifier (with
        the bundled weights the deepest layer that they cover, 153). An int is an index into
        ``network.layers`` of Keras, counted from the end if negative. A str is the name of a layer,
        or of a stage (``"conv3"``), which means its last layer. A list puts the features of several
        layers side by side, at the cost of the deepest one. `list_layers` shows all layers with
        their widths and costs.
    batch_size : int, default=64
        Number of images that go through the network together. It changes memory and time, but no
        feature.
    architecture : {"ResNet50V2", "ResNet101V2", "ResNet152V2", "ResNet50", "ResNet101", "ResNet152", \
"ResNet18", "ResNet34", "ResNet50V1.5", "ResNet101V1.5", "ResNet152V1.5", "WideResNet50", \
"ResNeXt50", "ResNetV2-50"}, default="ResNet50V2"
        The network. The first six are those of `keras.applications`. The others are those of
        PyTorch: of torchvision, except ``"ResNetV2-50"``, which is timm's. `layers` counts their
        layers in the order of execution and names them after the modules
        (``"layer2.0.conv1"``); ``"conv4"`` is the same stage in each network.
    weights : "auto", "imagenet", "procedural", path, "hf://org/name" or None, default="auto"
        The weights of the network:

        - ``"auto"``: ImageNet's if they are in Keras' cache or can be downloaded, and otherwise the
          bundled ones, with a warning, if they cover `layers` and `tap_layers`. `weights_` tells
          which. A process does not try a failed download again.
        - ``"imagenet"``: trained on ImageNet. They are downloaded once, to Keras' cache (the
          environment variable KERAS_HOME sets its folder).
        - ``"procedural"``: bundled with this package, and trained on computer-generated images.
          They cover ResNet50V2 up to layer 153 (``"conv4"``).
        - a path: a file of weights in the format of safetensors, of Keras (HDF5) or, if PyTorch is
          installed, of PyTorch. It may hold the first stages only, if the cuts are not deeper. The
          network takes images with as many channels as its first convolution.
        - ``"hf://org/name"``: a file of a repository on the Hugging Face Hub, with
          ``"@revision"``, ``"/file"`` or both appended; needs the extra ``hub``.
          `list_weights` lists some. Its cache, tokens and offline mode are those of
          `huggingface_hub`. A process asks the server once.
        - None: random weights, drawn with `random_state`.
    normalization : None, {"tf", "caffe", "torch"}, (mean, std) or (mean, std, "BGR"), default=None
        How images are normalised before they enter the network: the mean and the standard deviation
        of each channel (or one number for all), in units of the value range, of which black is 0
        and white is 1. Colours are in the order R, G, B; with ``"BGR"``, they enter the network in
        reverse. The names are the modes of Keras' ``preprocess_input``. None takes the values that
        come with the weights, and otherwise those with which `architecture` was trained on
        ImageNet.
    pooling : {"avg", "max", "gem"} or list of these, default="avg"
        How the output of a layer is pooled: by its mean, its maximum, or its generalised mean [3]_,
        which lies between the two: ``mean(max(x, 1e-6) ** 3) ** (1 / 3)``. A list puts several side
        by side.
    grid : tuple of 2 int, default=None
        The rows and columns of a grid of cells, in each of which the output of a layer is pooled on
        its own, as by PyTorch's adaptive pooling. The features then tell where in the image
        something is; there are rows * columns times as many. None is one cell.
    image_size : int or tuple of 2 int, default=None
        Height and width to which images are resized before they enter the network, by antialiased
        bilinear interpolation that ignores their aspect ratio. An int is the side of a square. None
        keeps the size of the images.
    image_shape : tuple of 2 or 3 int, default=None
        The shape of the image in each row of a 2-D `X`: (height, width), (height, width, channels)
        or, for rows with all of red before all of green, (3, height, width). None interprets a row
        of s * s values as a square grey image, and one of 3 * s * s values as a square RGB image,
        channels last; it warns if the channels seem to come first, as in CIFAR-10. It interprets
        any other row as a grey image one pixel high, and warns. With ``channels="separate"``, any
        number of channels may come first or last; it comes first if it is smaller than both of the
        other two.
    channels : None or "separate", default=None
        How the channels of an image enter the network. None takes images of 1 or 3 channels: grey
        or red, green and blue (or of as many channels as the weights take). ``"separate"`` takes
        any number of channels: each goes through the network as a grey image, and their features
        are side by side, all those of the first channel before those of the second. They are
        bit-equal to the features of each channel on its own with the same `value_range`, and they
        are cached by channel, so that another choice of channels is not computed again. Images in
        `fit` and in `transform` must have the same channels.
    value_range : tuple of 2 float, default=None
        The black and the white level of the images. None lets `fit` infer them. Black is 0. White
        is 255 for uint8, 65535 for uint16, and for other integers the first of 255, 65535 and the
        maximum of the dtype that no value exceeds; but 1 for bool and for integers that are all 0
        or 1. White is 1 for floats that do not exceed it, and 255 for others; floats may overshoot
        by a quarter, as interpolation does. `fit` warns if the values fit another range as well, if
        more than a trace of them lies outside, or if all are nearly black. In a list, images whose
        dtypes have different white levels are converted to 8 bits.
    engine : {"auto", "openvino", "keras"}, default="auto"
        The library that runs the network: OpenVINO on the CPU, or Keras on any device that its
        backend supports. ``"auto"`` is Keras if it can use a GPU, and OpenVINO otherwise.
        `show_engine` shows the choice on this machine. Keras is optional
        (``pip install 'sklearn-resnet[keras]'``).
    precision : {"float32", "bfloat16", "float16", "int8"}, default="float32"
        The number format in which the network computes; features are always float32. ``"int8"``
        needs OpenVINO and NNCF (``pip install 'sklearn-resnet[int8]'``), and is several times as
        fast as float32; `fit` calibrates it on up to 300 images. ``"float16"`` needs Keras, and is
        meant for GPUs.
    cache : "memory", path or None, default="memory"
        The cache of features, so that no image goes through the network twice: the memory of this
        process, a folder on a local disk, which processes can share, or None for no cache.
        `cache_info` shows how much it holds, `clear_cache` empties it.
    cache_size : float, default=None
        The bound of the cache in MiB. None is 256 for memory and 4096 for a folder. The in-memory
        cache evicts the least recently used features; the on-disk cache evicts the oldest.
    tap_layers : None, int, str, or list of int and str, default=None
        Layers to compute and cache in the same pass. In a search over `layers`, list all candidates
        here: other folds, candidates and the refit then reuse one pass. The layers are computed
        even without a cache, as the last bits of features depend on them.
    random_state : int, RandomState instance or None, default=None
        Draws the random weights, if `weights` is None. Pass an int for the same features in every
        fit.
    verbose : int, default=0
        1 shows a progress bar on stderr, if that is a terminal.

    Attributes
    ----------
    layers_ : list of int
        Indices of the layers whose outputs are pooled.
    tap_layers_ : list of int
        Indices of the layers that are computed for the cache.
    value_range_ : tuple of 2 float
        The black and the white level of the images.
    weights_ : str, path or None
        The weights that `fit` found: as `weights`, except that ``"auto"`` is resolved to
        ``"imagenet"`` or ``"procedural"``.
    weights_fingerprint_ : str
        Identifies the weights: the SHA-256 of their values, or the architecture and the seed of
        random weights.
    normalization_ : tuple of (mean, std, order)
        How images are normalised, as `normalization`.
    n_channels_ : int
        The number of channels of the images that enter the network. If it is 3, the one channel of
        grey images is repeated.
    channel_names_ : list of str
        The channels of the images, as `LazyImages` name them, or else ``"0"``, ``"1"`` and so on.
        A name that occurs several times gets ``"_1"``, ``"_2"`` and so on. Only for
        ``channels="separate"``.
    activation_ranges_ : dict of str to tuple of 2 float
        By the name of a convolution, the minimum and maximum of its input. Only for
        ``precision="int8"``.
    random_seed_ : int or None
        The seed of random weights; None for other weights.
    image_shape_ : tuple of int
        The shape of the image in each row. Only if `fit` saw rows.
    n_features_in_ : int
        The length of a row. Only if `fit` saw rows.
    feature_names_in_ : ndarray of str
        The names of the columns. Only if `fit` saw a dataframe with names.

    See Also
    --------
    ImageLoader : Reads image files.
    list_layers : Shows the layers at which a network can be cut.

    Notes
    -----
    `fit` trains nothing: it finds the weights and the value range. The estimator does not hold the
    network, so it is small to pickle and cheap to clone. Each process keeps a few compiled
    networks.

    The features of an image depend on that image alone. On a CPU, they are bit-equal for any batch
    size, any order and any other images in `X`.

    Values outside the value range are not clipped.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren and J. Sun, "Deep Residual Learning for Image
           Recognition", CVPR 2016.
    .. [2] K. He, X. Zhang, S. Ren and J. Sun, "Identity Mappings in Deep Residual
           Networks", ECCV 2016 (version 2).
    .. [3] F. Radenovic, G. Tolias and O. Chum, "Fine-tuning CNN Image Retrieval with No
           Human Annotation", IEEE Transactions on Pattern Analysis and Machine Intelligence,
           2019.

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
        "architecture": [str],
        "weights": [str, os.PathLike, None],
        "normalization": [str, tuple, list, None],
        "pooling": [StrOptions(set(POOLINGS)), tuple, list],
        "grid": [tuple, list, None],
        "image_size": [Interval(numbers.Integral, 1, None, closed="left"), tuple, list, None],
        "image_shape": [tuple, list, None],
        "channels": [StrOptions({"separate"}), None],
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
        weights: str | os.PathLike | None = "auto",
        normalization: str | Sequence | None = None,
        pooling: str | Sequence[str] = "avg",
        grid: tuple[int, int] | None = None,
        image_size: int | tuple[int, int] | None = None,
        image_shape: tuple[int, ...] | None = None,
        channels: str | None = None,
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
        self.normalization = normalization
        self.pooling = pooling
        self.grid = grid
        self.image_size = image_size
        self.image_shape = image_shape
        self.channels = channels
        self.value_range = value_range
        self.engine = engine
        self.precision = precision
        self.cache = cache
        self.cache_size = cache_size
        self.tap_layers = tap_layers
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: "ArrayLike | LazyImages | da.Array", y: Any = None) -> Self:
        """Find the weights and the value range; nothing is trained.

        Parameters
        ----------
        X : array-like
            As for `transform`. An array of Dask, Zarr or h5py is not read, unless the value range
            depends on its values, or int8 is calibrated.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : ResNetFeatures
            Fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter is invalid, or `X` does not hold images.
        FileNotFoundError
            If the weights file does not exist.
        ConnectionError
            If weights to download are needed, not in the cache, and cannot be downloaded.
        ImportError
            If `engine` or `precision` needs a package that is not installed.

        Warns
        -----
        WeightsFallbackWarning
            If ``weights="auto"`` takes the bundled weights, once per process and cut.
        UserWarning
            If a cut ignores layers that come before it, or if images of more than 128 x 128 pixels
            enter a network with the bundled weights; if the value range or the units of
            `normalization` may be wrong; or if rows seem to hold one channel after the other.
        """
        check_size("image_size", self.image_size)
        resolve_pooling(self.pooling)
        resolve_grid(self.grid)
        check_architecture(self.architecture)
        check_cache(self.cache)
        choose_engine(self.engine, self.precision)
        is_random = self.weights is None
        seed = check_random_state(self.random_state).randint(2**31 - 1) if is_random else None
        find = partial(find_weights, self.architecture, normalization=self.normalization)
        # the architecture of a file explains an error about a layer
        weights = None if is_named(self.weights) else find(self.weights, seed)
        layers = [] if self.layers is None else resolve_layers(self.architecture, self.layers)
        tap_layers = self._resolve_tap_layers()
        chosen = choose_weights(self.architecture, self.weights, [*layers, *tap_layers])
        weights = weights or find(chosen, seed)
        layers = layers or resolve_layers(self.architecture, default_layers(chosen))
        check_layers_covered(weights, layers)
        check_layers_covered(weights, tap_layers, "tap_layers")
        accepted = list_channels(weights.n_channels, self.channels)
        check_image_shape(self.image_shape, accepted)
        images = self._check(X, accepted, reset=True)
        n_seen = MAX_IMAGES if self.precision == "int8" else 0
        seen = self._check(images.sample(n_seen), accepted, reset=True)
        if self.value_range is None:
            inferred = images.infer_value_range()
            warn_about_inferred(inferred)
            value_range, seen_range = inferred.value_range, inferred.seen
            warn_about_value_range(weights, value_range)
        else:
            value_range = seen_range = check_network_range(self.value_range)
        warn_about_units(weights.normalization, self.value_range is None)
        if self.image_size is None:
            warn_about_large_images(weights, images)
        self.tap_layers_ = [layer.index for layer in tap_layers]
        self.layers_ = [layer.index for layer in layers]
        self.value_range_, self._seen_range = value_range, seen_range
        self.random_seed_ = seed
        self.weights_ = chosen
        self.weights_fingerprint_ = weights.fingerprint
        self.n_channels_ = weights.n_channels
        self.normalization_ = astuple(weights.normalization)
        warn_about_ignored_layers(self.architecture, layers)
        for name in ("activation_ranges_", "channel_names_"):
            self.__dict__.pop(name, None)
        if self.channels is not None:
            self.channel_names_ = name_channels(seen)
        if self.precision == "int8":
            self.activation_ranges_ = self._calibrate(self._separate(seen), weights)
        return self

    def _calibrate(self, images, weights):
        """Measure the ranges of activations for int8."""
        forward = self._plan_with(images, weights, activation_ranges=None)
        batch = forward.make_calibration_batch(images)
        return dict(calibrate_ranges(forward.computation, batch))

    def transform(self, X: "ArrayLike | LazyImages | da.Array") -> "np.ndarray | da.Array":
        """Turn images into features.

        Parameters
        ----------
        X : array-like of shape (n, n_pixels), (n, height, width) or \
(n, height, width, channels), LazyImages, or Dask, Zarr or h5py array
            Rows, grey images, or images with channels last, of any numeric dtype. There are 1 or 3
            channels, unless the weights take images with another number, or any number with
            ``channels="separate"``. `X` is never written to, and it is converted batch by batch. It
            can be a list of images of Pillow, and with `image_size`, a list of images of different
            sizes. `LazyImages` are decoded while the network computes the images before them.
            Arrays of Zarr and h5py are read block by block.

        Returns
        -------
        features : ndarray of shape (n, n_features), dtype float32
            One feature for each layer, pooling, cell of the grid (row by row) and channel of the
            layer, in this order, and this for each channel of the image with
            ``channels="separate"``. The features of an unreadable image are NaN, if `ImageLoader`
            accepts it. For a Dask array, the result is a Dask array that is not computed yet, with
            the chunks of `X`.

        Raises
        ------
        ValueError, TypeError
            If `X` does not hold images, or holds NaN or infinity, or if the weights have changed
            since `fit`.

        Warns
        -----
        UserWarning
            If images cannot be read, their features are not finite, their value range differs from
            that of `fit`, or `X` may be one colour image.
        """
        check_is_fitted(self)
        images = as_source(X)
        if images.is_delayed:
            return transform_dask(self, X)
        if images.reads_in_blocks:
            return np.concatenate([features for _, features in self.transform_batches(X)])
        if images.on_error == "skip":
            raise ValueError(
                "transform returns a row for each image, but on_error='skip' leaves some out. Pass "
                "on_error='nan' to ImageLoader, or use transform_batches."
            )
        with count_images(self.verbose) as bar:
            features = self._compute(X, bar)
        warn_about_failures(images.failures, len(features), "their features are NaN")
        images.file_log.warn()
        return features

    def transform_batches(
        self, X: "ArrayLike | LazyImages | da.Array | Iterable"
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Turn images into features batch by batch, in constant memory.

        The next batch is read, and its computation starts, before the current one is complete.

        Parameters
        ----------
        X : array-like, LazyImages, or iterable of these
            As for `transform`. Arrays of Zarr, h5py and Dask and memory-mapped arrays are read
            block by block. It can also be an iterable of batches of images, such as a generator.

        Yields
        ------
        rows : ndarray of shape (n,), dtype int64
            The positions in `X` of the images of this batch. They are consecutive, except for the
            images that `ImageLoader(on_error="skip")` leaves out.
        features : ndarray of shape (n, n_features), dtype float32
            Bit-equal to the features that `transform` returns.

        Raises
        ------
        ValueError, TypeError
            As for `transform`.

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
        refuse_single(X)
        images, start, failures, policy = as_block_source(X), 0, {}, "raise"
        file_log = FileLog()
        for block, features in self._compute_blocks(images):
            rows = np.arange(start, start + len(features))
            policy = block.on_error
            failures |= {start + i: failure for i, failure in block.failures.items()}
            file_log.update(block.file_log)
            start += len(features)
            if policy == "skip":
                is_kept = ~np.isin(rows, list(failures))
                rows, features = rows[is_kept], features[is_kept]
            yield rows, features
        images.record_failures(failures)
        consequence = "they are left out" if policy == "skip" else "their features are NaN"
        warn_about_failures(failures, start, consequence)
        file_log.warn()

    def _compute_blocks(self, images):
        """Compute features block by block, the next one while one is used.

        Parameters
        ----------
        images : ImageSource

        Yields
        ------
        block : ImageSource
        features : ndarray of shape (n, n_features), dtype float32
            As `_compute` returns them.
        """

        def compute(block):
            block = self._check(block, self._accepted_channels, reset=False)
            return block, self._compute(block)

        if images.is_lazy:
            self._separate(images)  # to read the names of the channels once, not in each block
        n_channels = len(getattr(self, "channel_names_", [None]))
        block_size = max(1, min(self.batch_size, _MAX_BATCHES * self.batch_size // n_channels))
        try:
            yield from prefetch_map(compute, images.blocks(block_size), 2, 1)
        finally:
            images.end_pass()

    def _compute(self, X, bar=None):
        """Compute features as `transform` does, without a warning about unreadable images.

        Parameters
        ----------
        X : array-like, LazyImages or ImageSource
            As for `transform`, but not read in blocks. Its `failures` are the unreadable images,
            whose features are NaN.
        bar : tqdm, default=None
            Counts images.

        Returns
        -------
        features : ndarray of shape (n, n_features), dtype float32
        """
        images = self._check(X, self._accepted_channels, reset=False)
        if self.value_range is None:
            warn_about_another_range(
                images.infer_value_range(), self.value_range_, self._seen_range
            )
        images = self._separate(images)
        return self._plan(images).compute(images, bar)

    def precompute(
        self,
        X: "ArrayLike | LazyImages | da.Array",
        layers: int | str | Sequence[int | str] | None = None,
    ) -> Self:
        """Fill the cache with the features of images, in one pass.

        With ``n_jobs``, worker processes find features that are cached in a folder, but not those
        in the memory of this process. With ``precision="int8"``, features depend on the images that
        `fit` saw: the features of other subsets of `X` are not found.

        Parameters
        ----------
        X : array-like
            As for `transform`.
        layers : None, int, str, or list of int and str, default=None
            The layers to cache. None means `tap_layers`, or `layers` if that is None too. An
            estimator finds the features if its `layers` and `tap_layers` together are these layers.

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
            If the cache is too small for the features.
        """
        if self.cache is None:
            raise ParameterError(
                "cache",
                "must be 'memory' or a folder for precompute to put features there",
                "None",
            )
        if layers is None:
            layers = self.layers if self.tap_layers is None else self.tap_layers
        resnet = clone(self).set_params(layers=layers, tap_layers=layers).fit(X)
        images = resnet._check(X, resnet._accepted_channels, reset=False)
        sample = resnet._check(images.sample(0), resnet._accepted_channels, reset=False)
        sample = resnet._separate(sample)
        forward = resnet._plan(sample)
        with count_images() as bar:
            if images.reads_in_blocks:
                n_images = resnet._cache_blocks(images, bar)
            else:
                n_images = len(images)
                forward.compute(resnet._separate(images), bar, cache_only=True)
                images.file_log.warn()
        n_vectors, n_bytes = n_images * sample.n_parts, 4 * sum(forward.widths.values())
        warn_if_cache_is_too_small(self.cache, n_vectors, n_bytes, forward.max_cache_bytes)
        return self

    def _cache_blocks(self, images, bar):
        """Compute features for the cache block by block; return the number of images."""
        if not np.isnan(images.shape[0]):  # as that of a Dask array can be
            bar.reset(images.shape[0])
        n_images = 0
        for block, _ in self._compute_blocks(images):
            n_images += len(block)
            bar.update(len(block))
        return n_images

    def _plan(self, images):
        """Plan the forward pass of images with the results of `fit`.

        Parameters
        ----------
        images : ImageSource
            Its values are not read.

        Returns
        -------
        ForwardPass

        Raises
        ------
        ValueError
            If the weights, or the precision, have changed since `fit`.
        """
        weights = getattr(self, "weights_", None) if is_auto(self.weights) else self.weights
        try:
            weights = find_weights(
                self.architecture, weights, self.random_seed_, normalization=self.normalization_
            )
        except MissingFileError as exc:
            raise MissingFileError(
                "weights",
                "must be the file that this ResNetFeatures was fitted with, of the fingerprint "
                f"{self.weights_fingerprint_}",
                exc.got,
                "If the file has moved, pass its new path by set_params(weights=...).",
            ) from None
        check_fingerprint(weights, self.weights_fingerprint_)
        if self.precision != "int8":
            return self._plan_with(images, weights, activation_ranges=None)
        if not hasattr(self, "activation_ranges_"):
            raise ValueError(
                "precision='int8' needs a calibration by fit, but this ResNetFeatures was fitted "
                "with another precision. Fit it again."
            )
        return self._plan_with(images, weights, self.activation_ranges_)

    def _plan_with(self, images, weights, activation_ranges):
        return plan_forward_pass(
            images.shape[1:],
            images.dtype,
            weights,
            layers=self.layers_,
            tap_layers=self.tap_layers_,
            pooling=self.pooling,
            grid=self.grid,
            image_size=check_size("image_size", self.image_size),
            value_range=tuple(map(float, self.value_range_)),
            engine=self.engine,
            precision=self.precision,
            activation_ranges=activation_ranges,
            batch_size=self.batch_size,
            cache=self.cache,
            cache_size=self.cache_size,
        )

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Name each feature after its layer and channel: ``"conv3_block4_2_relu_17"``.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Must match the names of the columns in `fit`, and is ignored otherwise.

        Returns
        -------
        names : ndarray of str objects
            With several poolings, the name of the pooling comes before the channel:
            ``"conv3_block4_2_relu_max_17"``. With a grid, so does the cell, by its row and column:
            ``"conv3_block4_2_relu_cell0x1_17"``. With ``channels="separate"``, the channel of the
            image comes first: ``"DAPI_conv3_block4_2_relu_17"``, or ``"channel0_..."`` if it has no name.
        """
        check_is_fitted(self)
        if input_features is not None:
            check_feature_names_in(self, input_features)
        pooling, grid = resolve_pooling(self.pooling), resolve_grid(self.grid)
        names = [
            name for layer in self._list_layers() for name in name_features(layer, pooling, grid)
        ]
        if hasattr(self, "channel_names_"):
            prefixes = map(as_prefix, self.channel_names_)
            names = [f"{prefix}_{name}" for prefix in prefixes for name in names]
        return np.array(names, dtype=object)

    def _list_layers(self):
        table = layer_table(self.architecture, self.n_channels_)
        return [table[i] for i in self.layers_]

    def _resolve_tap_layers(self):
        if self.tap_layers is None:
            return ()
        return resolve_layers(self.architecture, self.tap_layers, "tap_layers")

    @property
    def _accepted_channels(self):
        """The numbers of channels that images may have, as `list_channels` lists them."""
        return None if hasattr(self, "channel_names_") else list_channels(self.n_channels_)

    def _separate(self, images):
        """Separate the channels of images if `fit` was to."""
        if not hasattr(self, "channel_names_"):
            return images
        check_same_channels(images, self.channel_names_)
        return SeparateChannels(images)

    def _check(self, X, channels, reset):
        """Validate images in memory, and wrap any images in a source."""
        images = as_source(X, partial(self._check_values, channels=channels, reset=reset))
        if images.is_lazy:  # validated when they are decoded; never rows
            check_channels(count_channels(images), channels)
            if reset:
                reset_n_features(self)
        return images

    def _check_values(self, X, channels, reset):
        items = as_sequence(X)
        check = partial(
            check_images, self, image_shape=self.image_shape, channels=channels, reset=reset
        )
        if items is None:
            return check(X)
        images = as_arrays(items)
        if images and self.value_range is None:
            images = unify_scales(list(map(np.asarray, images)), reset=reset)
        if self.image_size is not None and len({np.shape(image) for image in images}) > 1:
            return check_image_list(self, images, channels=channels, reset=reset)
        return check(images)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
