"""Features of images, computed with the options of the command."""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sklearn_resnet._image_loader import ImageLoader
from sklearn_resnet._images.sources import as_source
from sklearn_resnet._network.engines.choice import choose_engine
from sklearn_resnet._network.pooling import resolve_pooling
from sklearn_resnet._network.weights import WeightsFallbackWarning, find_weights
from sklearn_resnet._resnet_features import ResNetFeatures
from sklearn_resnet._runtime.errors import DownloadError, ParameterError
from sklearn_resnet.cli.inputs import reads_files
from sklearn_resnet.cli.record import describe_pca, describe_resnet

_FOR_COLOURS = ("auto", "imagenet", "procedural", "random")
_FALLBACK_REMEDY = "--weights procedural takes the bundled weights without this warning."


@dataclass(frozen=True)
class FeatureOptions:
    """How features are computed: as on the command line, except for two.

    ``cache`` is a folder or None; ``value_range`` is that of arrays, and None for image files, which
    are read as bytes.
    """

    model: str
    dimensions: int
    layers: int | str | list | None
    architecture: str
    weights: str
    pooling: str | list
    image_size: int | None
    batch_size: int
    engine: str
    precision: str
    cache: Path | None
    seed: int | None
    value_range: tuple | None = None
    normalization: str | tuple | None = None
    separate_channels: bool = False
    grid: tuple | None = None


@dataclass(frozen=True)
class Features:
    """Features in memory.

    Attributes
    ----------
    values : ndarray of shape (n, n_features)
    names : list of str
    metadata : dict
        How they were computed, for the record.
    """

    values: np.ndarray
    names: list
    metadata: dict


def make_resnet(options):
    """Make the estimator, not yet fitted."""
    return ResNetFeatures(
        layers=options.layers,
        batch_size=options.batch_size,
        architecture=options.architecture,
        weights=None if options.weights == "random" else options.weights,
        normalization=options.normalization,
        pooling=options.pooling,
        grid=options.grid,
        image_size=options.image_size,
        value_range=options.value_range,
        channels="separate" if options.separate_channels else None,
        engine=options.engine,
        precision=options.precision,
        cache=options.cache,
        random_state=options.seed,
    )


def check_features(options, progress):
    """Raise the errors of invalid ResNet options before images are read, and resolve "auto".

    Parameters
    ----------
    options : FeatureOptions
    progress : Progress

    Returns
    -------
    FeatureOptions
        With the weights that are taken for "auto", the same in all worker processes.
    """
    if options.model != "resnet":
        return options
    resolve_pooling(options.pooling)  # its error names the option; that of scikit-learn does not
    choose_engine(options.engine, options.precision)  # it warns once, and not below
    resnet = make_resnet(options)
    try:
        image = np.zeros((1, 8, 8, count_channels(options)), np.uint8)  # warns about the file, once
        with warnings.catch_warnings(record=True) as caught:  # fitting on the images will warn
            warnings.simplefilter("always")
            resnet.fit(image)
    except DownloadError as exc:
        if options.weights != "auto":  # which tried the bundled weights
            exc.add_note(
                "Other weights need no download: --weights procedural (bundled; for ResNet50V2 up to "
                "conv4), the path of a weights file, or --weights random."
            )
        raise
    for warning in (entry.message for entry in caught):
        if isinstance(warning, WeightsFallbackWarning):
            progress.warn(f"{warning.problem} {_FALLBACK_REMEDY}")
    return replace(options, weights=resnet.weights_) if options.weights == "auto" else options


def count_channels(options):
    """Return the number of channels of the images that the weights take."""
    if options.weights in _FOR_COLOURS:
        return 3
    weights = find_weights(
        options.architecture, options.weights, None, normalization=options.normalization
    )
    return weights.n_channels


def read_mode(images, options):
    """Return the mode in which to read the image files of INPUT for the weights.

    Parameters
    ----------
    images : InputOptions
    options : FeatureOptions
        Checked.

    Returns
    -------
    {"RGB", "L", "channels"}

    Raises
    ------
    ParameterError
        If INPUT holds no image files, but options of reading them are given, or if the weights take
        images with another number of channels than the mode has.
    """
    if not reads_files(images.source):
        _refuse_reading(images)
    n_channels = count_channels(options) if options.model == "resnet" else 3
    if options.separate_channels:
        return images.mode or "channels"
    of_weights = {1: "L", 3: "RGB"}.get(n_channels, "channels")
    mode = images.mode or of_weights
    if mode != "channels" and mode != of_weights and n_channels != 3:
        raise ParameterError(
            "mode",
            f"must be {of_weights} or channels, as the weights are for images of {n_channels} "
            f"channel{'s' * (n_channels != 1)}",
            repr(mode),
        )
    return mode


def _refuse_reading(images):
    """Raise ParameterError if options of reading image files are given for arrays."""
    for name in ("mode", "channels", "rescale", "page", "level", "resize"):
        if getattr(images, name) is not None:
            raise ParameterError(name, "requires image files as INPUT", repr(images.source))


def compute_features(images, options, progress):
    """Compute features of all images in memory.

    Parameters
    ----------
    images : ndarray or LazyImages
    options : FeatureOptions
    progress : Progress

    Returns
    -------
    Features
    """
    if options.model == "pca":
        return compute_pca(images, options)
    return compute_resnet(images, options, progress)


def compute_pca(images, options):
    """Compute principal components of the pixels.

    Returns
    -------
    Features
    """
    size, n_components = options.image_size, options.dimensions
    if size is not None and images.shape[1:3] != (size, size):
        mode = "L" if images.ndim < 4 else "RGB"
        if images.shape[3:] not in ((), (1,), (3,)):
            mode = "channels"
        loader = ImageLoader(size, mode=mode, resize="stretch", value_range=options.value_range)
        images = loader.fit_transform(images)
    rows = np.asarray(images).reshape(len(images), -1).astype(np.float32, copy=False)
    if n_components > min(rows.shape):
        raise ParameterError(
            "dimensions",
            f"must be at most the number of images and of their values, {min(rows.shape)} here",
            n_components,
        )
    from sklearn.decomposition import PCA

    pca = PCA(n_components, random_state=options.seed)
    values = pca.fit_transform(rows)
    explained = float(pca.explained_variance_ratio_.sum())
    names = [f"pca_{i + 1}" for i in range(n_components)]
    return Features(values, names, describe_pca(n_components, explained))


def compute_resnet(images, options, progress):
    """Compute features of a ResNet.

    Returns
    -------
    Features
    """
    resnet = make_resnet(options).fit(images)
    with progress.count_images() as bar:
        values = resnet._compute(images, bar)
    as_source(images).file_log.warn()
    names = resnet.get_feature_names_out().tolist()
    return Features(values, names, describe_resnet(resnet, options.weights))


def uses_openvino(options):
    """Return whether OpenVINO will run the network."""
    return choose_engine(options.engine, options.precision).engine == "openvino"
