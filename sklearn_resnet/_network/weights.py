"""Sources of weights: the bundled file, ImageNet's, a weights file, or random numbers."""

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sklearn_resnet._io.downloads import RemoteFile, fetch_file
from sklearn_resnet._io.hashing import identify_file
from sklearn_resnet._network.architectures import get_architecture, layer_table
from sklearn_resnet._network.families import find_normalization, find_value_range
from sklearn_resnet._network.hub import fetch_hub, is_hub
from sklearn_resnet._network.layers import resolve_layers
from sklearn_resnet._network.normalization import (
    NORMALIZATIONS,
    Normalization,
    check_normalization,
    merge_equal_values,
    parse_normalization,
)
from sklearn_resnet._network.weight_files import inspect_file, list_weights_files, read_arrays
from sklearn_resnet._runtime.errors import DownloadError, MissingFileError, ParameterError
from sklearn_resnet._runtime.warnings import warn_caller


class WeightsFallbackWarning(UserWarning):
    """``weights="auto"`` took the bundled weights, because ImageNet's are not available.

    Parameters
    ----------
    problem : str
        Which weights were taken, why, and the consequence.
    remedy : str
        How to choose, in terms of the Python API.

    See Also
    --------
    ResNetFeatures : Warns, once per process and cut.

    Examples
    --------
    Make it an error:

    >>> import warnings
    >>> from sklearn_resnet import WeightsFallbackWarning
    >>> warnings.simplefilter("error", WeightsFallbackWarning)
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem

    def __str__(self):
        return " ".join(self.args)


def _remote_file(architecture, md5, megabytes):
    name = f"{architecture.lower()}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    url = f"https://storage.googleapis.com/tensorflow/keras-applications/resnet/{name}"
    return RemoteFile(url, f"models/{name}", f"md5:{md5}", megabytes)


# From keras.applications.resnet and resnet_v2
IMAGENET = {
    "ResNet50": _remote_file("ResNet50", "4d473c1dd8becc155b73f8504c6f6626", 95),
    "ResNet101": _remote_file("ResNet101", "88cf7a10940856eca736dc7b7e228a21", 171),
    "ResNet152": _remote_file("ResNet152", "ee4c566cf9a93f14d82f913c2dc6dd0c", 235),
    "ResNet50V2": _remote_file("ResNet50V2", "fac2f116257151a9d068a22e544a4917", 95),
    "ResNet101V2": _remote_file("ResNet101V2", "c0ed64b8031c3730f411d2eb4eea35b5", 171),
    "ResNet152V2": _remote_file("ResNet152V2", "ed17cf2e0169df9d443503ef94b23b33", 235),
}

# Trained on procedurally generated images (see MODEL_CARD.md in that folder)
_PROCEDURAL_FILE = Path(__file__).parents[1] / "weights" / "resnet50v2_procedural.npz"
_PROCEDURAL_MAX_SIZE = 128  # pixels; larger images lose accuracy (benchmarks/RESULTS.md)
_PROCEDURAL_ARCHITECTURE, _PROCEDURAL_STAGE = "ResNet50V2", "conv4"

# Failed downloads, and warnings already given, in this process
_failed_downloads: dict[RemoteFile, DownloadError] = {}
_announced: set = set()


@dataclass(frozen=True)
class Weights:
    """Weights that exist but are not loaded yet.

    Attributes
    ----------
    architecture : str
    fingerprint : str
        Distinguishes them from all other weights.
    n_layers : int
        Number of layers, from the first, that they cover.
    normalization : Normalization
        How images enter the network.
    n_channels : int
        Number of channels of the images.
    value_range : tuple of 2 float or None
        The range of values that they were trained on, if they are on the list of known weights.
    path : str or None
        Their file.
    seed : int or None
        Seed of random weights.
    """

    architecture: str
    fingerprint: str
    n_layers: int
    normalization: Normalization
    n_channels: int = 3
    value_range: tuple[float, float] | None = None
    path: str | None = None
    seed: int | None = None

    @property
    def table(self):
        """The layers of the network, which the weights may cover in part."""
        return layer_table(self.architecture, self.n_channels)


def default_layers(weights):
    """Return the layer for ``layers=None``, the last one that the weights cover."""
    return _PROCEDURAL_STAGE if _is_named("procedural", weights) else None


def is_auto(weights):
    """Return whether the parameter `weights` is ``"auto"``, which `choose_weights` resolves."""
    return _is_named("auto", weights)


def is_named(weights):
    """Return whether the parameter `weights` is None or a name, not a file of the user or the hub."""
    return weights is None or any(
        _is_named(name, weights) for name in ("auto", "imagenet", "procedural")
    )


def choose_weights(architecture, weights, cut=(), imagenet=IMAGENET):
    """Choose the weights for ``weights="auto"``; return any others as they are.

    ImageNet's weights are taken if they are in Keras' cache or can be downloaded, otherwise the
    bundled weights, if they cover the cut. A download that failed is not tried again in this
    process, so that a search does not mix the two.

    Parameters
    ----------
    architecture : str
    weights : "auto", "imagenet", "procedural", path or None
        As for `ResNetFeatures`.
    cut : iterable of Layer
        The layers that the weights must cover; empty for the default of the weights.
    imagenet : dict of str to RemoteFile
        ImageNet's weights of each architecture.

    Returns
    -------
    "imagenet", "procedural", path or None

    Raises
    ------
    DownloadError
        If neither can be taken.

    Warns
    -----
    WeightsFallbackWarning
        If the bundled weights are taken, once per process and cut.
    """
    if not is_auto(weights):
        return weights
    file = _find_imagenet(architecture, weights, imagenet)
    if file not in _failed_downloads:
        try:
            _fetch_imagenet(architecture, file)
            return "imagenet"
        except DownloadError as exc:
            _failed_downloads[file] = exc
    failure = _failed_downloads[file]
    if architecture != _PROCEDURAL_ARCHITECTURE:
        raise failure.with_traceback(None)
    cut = list(cut) or resolve_layers(architecture, default_layers("procedural"))
    n_covered = find_weights(architecture, "procedural", None).n_layers
    deepest = max(cut, key=lambda layer: layer.index)
    if deepest.index >= n_covered:
        raise DownloadError(
            failure.subject,
            f"{failure.cause}. The bundled weights cover the layers 0 to {n_covered - 1}, and layer "
            f"{deepest.index} ({deepest.name!r}) is deeper",
            failure.path,
            failure.url,
            failure.megabytes,
            f"Choose layers up to {n_covered - 1}, or put the file there by hand.",
        )
    _announce_fallback(failure, cut)
    return "procedural"


def _announce_fallback(failure, cut):
    indices = tuple(sorted({layer.index for layer in cut}))
    if indices in _announced:
        return
    shown = ", ".join(map(str, indices))
    problem = (
        f"{failure.subject} cannot be downloaded ({failure.cause}): layer{'s' * (len(indices) > 1)} "
        f"{shown} will use the bundled weights. They were trained on computer-generated images; on "
        "photos, ImageNet's weights are better. To use ImageNet's, put the file at "
        f"{str(failure.path)!r} ({failure.url}) and start a new process."
    )
    remedy = "To choose the bundled weights without this warning, pass weights='procedural'."
    warn_caller(WeightsFallbackWarning(problem, remedy))
    _announced.add(indices)  # after the warning, which may be an error


def find_weights(architecture, weights, seed, imagenet=IMAGENET, normalization=None):
    """Find weights; download them if they are absent.

    Parameters
    ----------
    architecture : str
        One of `ARCHITECTURES`.
    weights : "imagenet", "procedural", path, "hf://org/name" or None
        As for `ResNetFeatures`; `choose_weights` resolves ``"auto"``.
    seed : int or None
        Seed of the random weights, if `weights` is None.
    imagenet : dict of str to RemoteFile
        ImageNet's weights of each architecture.
    normalization : None, str or tuple
        As for `ResNetFeatures`.

    Returns
    -------
    Weights

    Raises
    ------
    MissingFileError
        If the file does not exist.
    DownloadError
        If ImageNet's weights, or those of the hub, are not in the cache and cannot be downloaded.
    ParameterError
        If the architecture has no such weights, or the normalization does not fit them.
    ValueError
        If the file is not a weights file, or belongs to another architecture.
    """
    if weights is None:
        n_layers = len(layer_table(architecture))
        fingerprint = f"random:{architecture}:{seed}"
        found = _find_normalization(architecture, 3, normalization)
        return Weights(architecture, fingerprint, n_layers, found, seed=seed)
    if _is_named("imagenet", weights):
        path = _fetch_imagenet(architecture, _find_imagenet(architecture, weights, imagenet))
    elif _is_named("procedural", weights):
        path = _procedural_file(architecture)
    elif is_hub(weights):
        path = fetch_hub(weights)
    else:
        path = os.path.expanduser(os.fspath(weights))
    if not os.path.isfile(path):
        suggestion = _suggest_weights(path)
        raise MissingFileError(
            "weights",
            "must be 'auto', 'imagenet', 'procedural', the path of a weights file, or "
            "'hf://org/name' for the Hugging Face Hub",
            f"{path!r}, which {'is a folder' if os.path.isdir(path) else 'does not exist'},",
            "Pass None for random weights.",
            hint=f"Did you mean {suggestion!r}?" if suggestion else "",
        )
    identity = identify_file(path)
    contents = inspect_file(identity, architecture)
    return Weights(
        architecture,
        contents.fingerprint,
        contents.n_layers,
        _find_normalization(architecture, contents.n_channels, normalization, weights, path),
        contents.n_channels,
        find_value_range(weights),
        identity[0],
    )


def _suggest_weights(path):
    """Return the weights that a path may mean; "" if there are none."""
    if re.fullmatch(r"[\w.-]+/[\w.-]+", path) and not os.path.exists(os.path.dirname(path)):
        return f"hf://{path}"
    folder = Path(path) if os.path.isdir(path) else Path(path).parent
    files = [str(file) for file in list_weights_files(folder)]
    if os.path.isdir(path):
        return files[0] if len(files) == 1 else ""
    close = difflib.get_close_matches(path, ["auto", "imagenet", "procedural", *files], n=1)
    return close[0] if close else ""


def _find_normalization(architecture, n_channels, given, weights=None, path=None):
    """Return the normalisation that was given, else that of the file, else that of the architecture."""
    if given is not None:
        found = parse_normalization(given)
    else:
        found = None if path is None else find_normalization(weights, path)
    default = NORMALIZATIONS[get_architecture(architecture).normalization]
    found, is_given = (found, True) if found else (default, False)
    if len(found.mean) == 3 != n_channels:  # as timm's config.json for one channel
        found = merge_equal_values(found)
    check_normalization(found, n_channels, is_given)
    return found


def _find_imagenet(architecture, weights, imagenet):
    """Return ImageNet's weights of an architecture, those of `keras.applications`."""
    if architecture not in imagenet:
        raise ParameterError(
            "weights",
            "must be the path of a weights file, 'hf://org/name' or None for the architecture "
            f"{architecture!r}",
            repr(weights),
            f"list_weights() lists weights for it. {', '.join(imagenet)} have ImageNet's weights.",
        )
    return imagenet[architecture]


def warn_about_value_range(weights, value_range):
    """Warn if the inferred value range may not be the one on which weights were trained.

    Parameters
    ----------
    weights : Weights
    value_range : tuple of 2 float
        The inferred black and white level.
    """
    expected = weights.value_range
    inferred = "({:g}, {:g})".format(*value_range)
    if expected is not None and tuple(expected) != tuple(value_range):
        warn_caller(
            f"The weights were trained on values from {expected[0]:g} to {expected[1]:g}, but the value "
            f"range of the images was inferred as {inferred}. Pass value_range={expected}, or the "
            "range of your images."
        )
    elif expected is None and weights.n_channels not in (1, 3) and value_range[1] > 255:
        warn_caller(
            f"The value range of the images was inferred as {inferred}. Images of "
            f"{weights.n_channels} channels seldom fill the range of their dtype: pass the value_range "
            "on which the weights were trained, such as (0, 10000) for Sentinel-2."
        )


def warn_about_large_images(weights, images):
    """Warn, once, if images are much larger than those on which the bundled weights do best.

    Parameters
    ----------
    weights : Weights
    images : sequence with a shape
        The images. Its shape is read for the bundled weights alone, as that may decode a file.
    """
    if weights.path != str(_PROCEDURAL_FILE) or "size" in _announced:
        return
    height, width = (*images.shape[1:3], 0, 0)[:2]  # 0 if images differ in size
    if min(height, width) > _PROCEDURAL_MAX_SIZE:
        warn_caller(
            f"The images have {height} x {width} pixels. The bundled weights do best on "
            f"smaller images: set image_size to 64, or compare sizes up to {_PROCEDURAL_MAX_SIZE}."
        )
        _announced.add("size")


def check_layers_covered(weights, layers, parameter="layers"):
    """Raise ParameterError unless `weights` cover all of `layers`, the value of a parameter."""
    for layer in layers:
        if layer.index >= weights.n_layers:
            deepest = weights.table[weights.n_layers - 1]
            is_bundled = weights.path == str(_PROCEDURAL_FILE)
            name = "the bundled weights" if is_bundled else f"the weights file {weights.path!r}"
            raise ParameterError(
                parameter,
                f"must be at most {deepest.index} ({deepest.name!r}), the deepest layer of "
                f"{weights.architecture} in {name}",
                f"{layer.index} ({layer.name!r})",
                hint="Choose a shallower layer, or weights of the whole network.",
            )


def check_fingerprint(weights, fingerprint):
    """Raise ParameterError unless `weights` have the fingerprint seen by `fit`."""
    if weights.fingerprint != fingerprint:
        raise ParameterError(
            "weights",
            "must be the weights that this ResNetFeatures was fitted with, of the fingerprint "
            f"{fingerprint}",
            f"weights of the fingerprint {weights.fingerprint}",
            "Pass the former weights, or fit again.",
        )


def load_arrays(weights, layers):
    """Read or draw the weights of layers.

    Parameters
    ----------
    weights : Weights
    layers : iterable of Layer
        The first layers of the network, in its order.

    Returns
    -------
    dict of str to list of ndarray
        The arrays of each layer that has weights, in Keras' order, by the name of the layer.
    """
    layers = [layer for layer in layers if layer.weight_shapes]
    if weights.path is None:
        return _draw_arrays(layers, weights.seed)
    return read_arrays(weights.path, weights.architecture, {layer.name for layer in layers})


def _draw_arrays(layers, seed):
    """Draw kernels from the uniform distribution of Glorot and Bengio (2010), as Keras does."""
    rng = np.random.RandomState(seed)  # its stream is the same in all versions of NumPy
    arrays = {}
    for layer in layers:
        kernel, *rest = layer.weight_shapes
        if layer.kind == "conv":
            limit = np.sqrt(6 / (np.prod(kernel[:3]) + np.prod(kernel[:2]) * kernel[3]))
            draw = rng.uniform(-limit, limit, kernel).astype(np.float32)
            arrays[layer.name] = [draw, *(np.zeros(shape, np.float32) for shape in rest)]
        else:  # batch normalisation as the identity: scale, offset, mean, variance
            arrays[layer.name] = [np.full(kernel, x, np.float32) for x in (1, 0, 0, 1)]
    return arrays


def _is_named(name, weights):
    return isinstance(weights, str) and weights == name


def _procedural_file(architecture):
    """Return the path of the bundled weights."""
    if architecture != _PROCEDURAL_ARCHITECTURE:
        raise ParameterError(
            "architecture",
            f"must be {_PROCEDURAL_ARCHITECTURE!r} for the weights 'procedural'",
            repr(architecture),
            hint="Choose other weights for this architecture.",
        )
    return str(_PROCEDURAL_FILE)


def _fetch_imagenet(architecture, file):
    """Return the path of ImageNet's weights in Keras' cache; download them if they are absent."""
    return fetch_file(
        file,
        f"ImageNet's weights of {architecture}",
        "Put the file there by hand (KERAS_HOME sets another folder), or use "
        f"weights='procedural', the bundled weights ({_PROCEDURAL_ARCHITECTURE} up to "
        f"{_PROCEDURAL_STAGE!r}), the path of a Keras weights file, or weights=None, random "
        "weights.",
    )
