"""The layers of an architecture that a weights file covers, their fingerprint, and their arrays."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sklearn_resnet._network.architectures import ARCHITECTURES, layer_table
from sklearn_resnet._network.weight_files import keras_matching, matching
from sklearn_resnet._network.weight_files.formats import detect_format, list_tensors, read_tensors
from sklearn_resnet._network.weight_files.key_styles import describe_layout, find_backbone
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._runtime.warnings import warn_caller


@dataclass(frozen=True)
class FileContents:
    """The weights in a file.

    Attributes
    ----------
    n_layers : int
        Number of layers, from the first, that they cover.
    n_channels : int
        Number of channels of the images that they take.
    fingerprint : str
        Distinguishes them from all other weights. It is the same in all formats, with all prefixes,
        and for all types that hold the same numbers.
    """

    n_layers: int
    n_channels: int
    fingerprint: str


@lru_cache(maxsize=16)
def inspect_file(identity, architecture):
    """Find the layers of an architecture that a weights file covers.

    Parameters
    ----------
    identity : tuple
        The file, by `identify_file`.
    architecture : str
        One of `ARCHITECTURES`.

    Returns
    -------
    FileContents

    Raises
    ------
    ValueError
        If the file is damaged, of no known format, or holds no weights of this architecture. The
        message names the architectures that it fits.
    ImportError
        If the file needs PyTorch, which cannot be imported.

    Warns
    -----
    UserWarning
        If the file holds tensors besides the network that are of no known head.
    """
    path = identity[0]
    tensors, weightless = list_tensors(path)
    backbone = _find_backbone(path, tensors)
    if backbone is None:
        shapes = keras_matching.collect_layers(tensors, weightless)
        _check(path, architecture, lambda a: keras_matching.find_mismatch(shapes, a))
        n_layers = keras_matching.count_covered(shapes, layer_table(architecture))
        n_channels = keras_matching.count_channels(shapes)
        return _describe(path, architecture, tensors, backbone, n_layers, n_channels)
    named = {name: tensors[key] for name, key in backbone.keys.items()}
    others = {key: tensors[key] for key in backbone.others}
    refusal = matching.find_refusal(path, backbone, named, others)
    if refusal:
        raise ValueError(f"The weights file {path!r} cannot be used: {refusal}.")
    _check(path, architecture, lambda a: matching.find_mismatch(backbone, named, a))
    _warn_about_unknown(path, backbone)
    n_layers = matching.count_covered(named, layer_table(architecture))
    n_channels = matching.count_channels(named)
    return _describe(path, architecture, tensors, backbone, n_layers, n_channels)


def _describe(path, architecture, tensors, backbone, n_layers, n_channels):
    """Hash the tensors of the layers that a file covers, as float32, by the names of the layers."""
    names = {layer.name for layer in layer_table(architecture)[:n_layers]}
    layers = _list_keys(architecture, tensors, backbone, names)
    named = [(name, key) for name, keys in layers.items() for key in keys]
    digest = hashlib.sha256()
    variances = {keys[3] for keys in layers.values() if len(keys) == 4}  # batch normalisation
    arrays = read_tensors(path, [key for _, key in named])
    with np.errstate(over="ignore"):  # of float64, which _check_values finds
        for (name, key), (_, array) in zip(named, arrays, strict=True):
            _check_values(path, key, array, key in variances)
            digest.update(f"{name} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array, "<f4"))
    return FileContents(n_layers, n_channels, f"sha256:{digest.hexdigest()}")


def _check_values(path, key, array, is_variance):
    """Raise ValueError if a tensor makes features NaN, which a ReLU may turn into 0."""
    problem = ""
    if not np.isfinite(array).all():
        problem = "NaN or infinity"
    elif is_variance and array.min() <= -1e-5:  # the term that is added to it
        problem = "negative variances"
    if problem:
        raise ValueError(
            f"The weights file {path!r} cannot be used: its tensor {key!r} holds {problem}. Take the "
            "weights of an epoch before the training diverged."
        )


def _list_keys(architecture, tensors, backbone, names):
    """List the keys of each layer's tensors in Keras' order, by its name, in the order of the layers."""
    layers = [layer for layer in layer_table(architecture) if layer.name in names]
    if backbone is None:
        found = keras_matching.list_keys(tensors)
        keys = {layer.name: found.get(layer.name) for layer in layers}
    else:
        keys = {
            layer.name: [backbone.keys[name] for name, _ in matching.list_tensors_of(layer)]
            for layer in layers
        }
    return {name: each for name, each in keys.items() if each}


def read_arrays(path, architecture, names):
    """Read the arrays of some layers from a weights file.

    Only arrays are read; code in a file is never executed.

    Parameters
    ----------
    path : str
        A file that `inspect_file` accepts.
    architecture : str
        One of `ARCHITECTURES`.
    names : set of str
        Names of the layers.

    Returns
    -------
    dict of str to list of ndarray
        The arrays of each layer, float32, in Keras' order and form; kernels may be views.
    """
    tensors, _ = list_tensors(path)
    backbone = _find_backbone(path, tensors)
    keys = _list_keys(architecture, tensors, backbone, names)
    arrays = dict(read_tensors(path, [key for each in keys.values() for key in each]))
    form = np.asarray if backbone is None else _transpose_kernel
    return {name: [form(arrays[key]) for key in each] for name, each in keys.items()}


def _transpose_kernel(array):
    """Return a kernel in Keras' form: height, width, input, output."""
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array


def _find_backbone(path, tensors):
    """Return the tensors that have PyTorch's names; None if a file has Keras' names."""
    try:
        backbone = find_backbone(tensors)
    except ValueError as exc:
        raise ValueError(f"The weights file {path!r} cannot be used: {exc}.") from None
    if backbone is None and detect_format(path) in ("safetensors", "pytorch"):
        raise ValueError(f"The weights file {path!r} cannot be used: {describe_layout(tensors)}.")
    return backbone


def _check(path, architecture, find_mismatch):
    """Raise ValueError unless a file fits an architecture; ParameterError if it fits another."""
    mismatch = find_mismatch(architecture)
    if not mismatch:
        return
    others = [other for other in ARCHITECTURES if not find_mismatch(other)]
    problem = f"does not hold weights of {architecture}: {mismatch}"
    if not others:
        raise ValueError(f"The weights file {path!r} {problem}.")
    raise ParameterError(
        "architecture",
        f"must be that of the weights file {path!r}, which {problem}",
        None,
        f"Pass architecture={others[0]!r}{' or another of them' if len(others) > 1 else ''}.",
        f"They fit {' or '.join(others)}.",
    )


def _warn_about_unknown(path, backbone):
    unknown = matching.list_unknown(backbone.others)
    if unknown:
        warn_caller(
            f"The weights file {path!r} holds tensors besides the network, which are ignored: "
            f"{matching.shorten(map(repr, unknown))}."
        )
