"""Where a network's weights come from: the package, ImageNet, a file, or chance."""

import contextlib
import difflib
import hashlib
import os
import random
import re
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile

import joblib
import numpy as np

from sklearn_resnet._io.downloads import keras_home, probe_url
from sklearn_resnet._network.layers import ARCHITECTURES, layer_table
from sklearn_resnet._runtime.imports import quiet_stderr
from sklearn_resnet._runtime.threads import count_threads

_IMAGENET_URL = "https://storage.googleapis.com/tensorflow/keras-applications/resnet/"
# As Keras has them: the MD5 of each file, and its size in MB.
_IMAGENET_FILES = {
    "ResNet50": ("4d473c1dd8becc155b73f8504c6f6626", 95),
    "ResNet101": ("88cf7a10940856eca736dc7b7e228a21", 171),
    "ResNet152": ("ee4c566cf9a93f14d82f913c2dc6dd0c", 235),
    "ResNet50V2": ("fac2f116257151a9d068a22e544a4917", 95),
    "ResNet101V2": ("c0ed64b8031c3730f411d2eb4eea35b5", 171),
    "ResNet152V2": ("ed17cf2e0169df9d443503ef94b23b33", 235),
}

# Trained on images made by programs (see MODEL_CARD.md there); of one network's first stages
_PROCEDURAL_FILE = Path(__file__).parents[1] / "weights" / "resnet50v2_procedural.npz"
_PROCEDURAL_ARCHITECTURE, _PROCEDURAL_STAGE = "ResNet50V2", "conv3"


@dataclass(frozen=True)
class Weights:
    """Weights that exist, not loaded yet.

    `fingerprint` tells them from all others. They cover the layers from 0 to
    ``n_layers - 1``. Either `path` or `seed` says where they come from.
    """

    architecture: str
    fingerprint: str
    n_layers: int
    path: str | None = None
    seed: int | None = None


@lru_cache
def import_keras():
    """Import Keras, and with it its backend, without what tensorflow prints meanwhile.

    tensorflow takes all cores in each process, unless told how many there are for it.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if count_threads() < joblib.cpu_count():  # else workers would inherit that all are theirs
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(count_threads()))
        os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX on a GPU
    with quiet_stderr():
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # else it takes all of a GPU's memory for itself
            for gpu in tf.config.list_physical_devices("GPU"):
                with contextlib.suppress(RuntimeError):  # it is in use already
                    tf.config.experimental.set_memory_growth(gpu, True)
    return keras


def default_layers(weights):
    """Say what ``layers=None`` means: the last layer, of weights that reach there."""
    return _PROCEDURAL_STAGE if _is_named("procedural", weights) else None


def find_weights(architecture, weights, seed):
    """Find weights, downloading ImageNet's where they are absent.

    Parameters
    ----------
    architecture : str
        One of `ARCHITECTURES`.
    weights : "imagenet", "procedural", path or None
        As for `ResNetFeatures`.
    seed : int or None
        Of the random weights that None stands for.

    Returns
    -------
    Weights

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ConnectionError
        If ImageNet's weights are not in Keras' cache and cannot be downloaded.
    ValueError
        If the weights are no weights file, or of another architecture.
    """
    if weights is None:
        n_layers = len(layer_table(architecture))
        return Weights(architecture, f"random:{architecture}:{seed}", n_layers, seed=seed)
    if _is_named("imagenet", weights):
        path = _imagenet_file(architecture)
    elif _is_named("procedural", weights):
        path = _procedural_file(architecture)
    else:
        path = os.path.expanduser(os.fspath(weights))
    if not os.path.isfile(path):
        close = difflib.get_close_matches(path, ["imagenet", "procedural"], n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise FileNotFoundError(
            "The 'weights' parameter must be 'imagenet', 'procedural', None (random weights) or the "
            f"path of a Keras weights file. Got {path!r}, and there is no such file.{hint}"
        )
    identity = _identify(path)
    return Weights(
        architecture,
        f"sha256:{_digest(identity, 'sha256')}",
        _count_layers(identity, architecture),
        path=identity[0],
    )


def check_cover(weights, layers):
    """Raise ValueError unless `weights` reach all of `layers`."""
    for layer in layers:
        if layer.index >= weights.n_layers:
            deepest = layer_table(weights.architecture)[weights.n_layers - 1]
            is_shipped = weights.path == str(_PROCEDURAL_FILE)
            name = "weights='procedural'" if is_shipped else f"The weights file {weights.path!r}"
            raise ValueError(
                f"{name} holds the layers 0 to {deepest.index} "
                f"({deepest.name!r}) of {weights.architecture}. Layer {layer.index} "
                f"({layer.name!r}) lies beyond. Pass layers={deepest.index} or less, or the "
                "weights of the whole network."
            )


def check_same(weights, fingerprint):
    """Raise ValueError unless `weights` are those that an estimator was fitted with."""
    if weights.fingerprint != fingerprint:
        raise ValueError(
            "The weights are not the ones that this ResNetFeatures was fitted with: they have "
            f"the fingerprint {weights.fingerprint}, and must have {fingerprint}. Pass those as "
            "weights=, or fit again."
        )


def load_arrays(weights, layers):
    """Read, or draw, the weights of layers.

    Parameters
    ----------
    weights : Weights
    layers : iterable of sklearn_resnet._network.layers.Layer
        In the order of the network, from its first on as far as they are needed.

    Returns
    -------
    dict of str to list of ndarray
        For the name of each layer that has weights: these, in Keras' order.
    """
    layers = [layer for layer in layers if layer.weight_shapes]
    if weights.path is None:
        return _draw_arrays(layers, weights.seed)
    return _read_file(weights.path, load={layer.name for layer in layers})


@lru_cache(maxsize=2)
def load_network(weights, policy="float32"):
    """Build a network and give it its weights.

    Parameters
    ----------
    weights : Weights
    policy : str, default="float32"
        Keras' name for the dtypes in which layers compute and keep their weights.

    Returns
    -------
    keras.Model
        Without its top, for images of any size. Layers that the weights do not cover
        are left as Keras makes them.
    """
    keras = import_keras()
    # what follows is set for a while, and drawn from even for weights that are then replaced
    global_policy, state = keras.config.dtype_policy(), random.getstate()
    keras.config.set_dtype_policy(policy)
    try:
        network = getattr(keras.applications, weights.architecture)(include_top=False, weights=None)
    finally:
        keras.config.set_dtype_policy(global_policy)
        random.setstate(state)
    table = layer_table(weights.architecture)[: weights.n_layers]
    arrays = load_arrays(weights, table)
    for layer in table:
        if layer.name in arrays:
            network.layers[layer.index].set_weights(arrays[layer.name])
    return network


def _draw_arrays(layers, seed):
    """Convolution kernels after Glorot and Bengio (2010), uniform: the default of Keras."""
    rng = np.random.RandomState(seed)  # its stream never changes between versions of NumPy
    arrays = {}
    for layer in layers:
        kernel, *rest = layer.weight_shapes
        if layer.kind == "conv":
            limit = np.sqrt(6 / (np.prod(kernel[:3]) + np.prod(kernel[:2]) * kernel[3]))
            draw = rng.uniform(-limit, limit, kernel).astype(np.float32)
            arrays[layer.name] = [draw, *(np.zeros(shape, np.float32) for shape in rest)]
        else:  # batch normalisation that changes nothing: scale, offset, mean, variance
            arrays[layer.name] = [np.full(kernel, x, np.float32) for x in (1, 0, 0, 1)]
    return arrays


def _is_named(name, weights):
    return isinstance(weights, str) and weights == name


def _procedural_file(architecture):
    """Path of the weights that ship with the package."""
    if architecture != _PROCEDURAL_ARCHITECTURE:
        raise ValueError(
            f"weights='procedural' are of {_PROCEDURAL_ARCHITECTURE} alone. Got "
            f"architecture={architecture!r}. Pass architecture={_PROCEDURAL_ARCHITECTURE!r}, or "
            "other weights."
        )
    return str(_PROCEDURAL_FILE)


def _imagenet_file(architecture):
    """Path of ImageNet's weights in Keras' cache, downloaded by Keras if need be."""
    md5, megabytes = _IMAGENET_FILES[architecture]
    name = f"{architecture.lower()}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    path = keras_home() / "models" / name
    cause = ""
    if path.is_file():
        if _digest(_identify(path), "md5") == md5:
            return str(path)
        cause = "The file there is damaged or another one (its MD5 differs). "
    try:
        probe_url(_IMAGENET_URL + name)
        return import_keras().utils.get_file(
            name, _IMAGENET_URL + name, cache_subdir="models", file_hash=md5
        )
    except Exception as exc:  # Keras raises a bare Exception
        raise ConnectionError(
            f"ImageNet's weights of {architecture} are not on this machine, and cannot be "
            f"downloaded: {exc}.\n"
            f"Looked for: {path}\n{cause}"
            f"Download:   {_IMAGENET_URL}{name} ({megabytes} MB)\n"
            "Put the file there by hand (KERAS_HOME sets another folder). Without it: "
            f"weights='procedural', trained weights that ship with this package (of "
            f"{_PROCEDURAL_ARCHITECTURE}, up to {_PROCEDURAL_STAGE!r}); the path of a Keras "
            "weights file as weights=; or weights=None for random weights."
        ) from exc


def _identify(path):
    """What tells a file from another that had its path: what was found out of it is kept by that."""
    status = os.stat(path)
    return os.path.abspath(path), status.st_mtime_ns, status.st_size


@lru_cache(maxsize=16)
def _digest(identity, algorithm):
    with open(identity[0], "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


@lru_cache(maxsize=16)
def _count_layers(identity, architecture):
    """How many layers, from the first, the weights in a file cover."""
    path = identity[0]
    shapes = _read_file(path)
    mismatch = _find_mismatch(shapes, architecture)
    if mismatch:
        others = [a for a in ARCHITECTURES if not _find_mismatch(shapes, a)]
        hint = f" They fit architecture={' or '.join(map(repr, others))}." if others else ""
        raise ValueError(
            f"The weights file {path!r} is not one of {architecture}: {mismatch}.{hint}"
        )
    table = layer_table(architecture)
    missing = (layer.index for layer in table if layer.weight_shapes and not shapes.get(layer.name))
    return next(missing, len(table))


def _find_mismatch(shapes, architecture):
    """Say what in a file is not as in an architecture; an empty str if nothing is."""
    table = {layer.name: layer for layer in layer_table(architecture) if layer.weight_shapes}
    if not shapes.get("conv1_conv"):
        return "it has no weights of a layer 'conv1_conv', the first"
    for name, found in shapes.items():
        if name in table and found and found != list(table[name].weight_shapes):
            expected = list(table[name].weight_shapes)
            return f"the weights of {name!r} must have the shapes {expected}, and have {found}"
        # a head of another name, on top of the network, does no harm
        if name not in table and found and re.match(r"conv\d_", name):
            return f"it has weights of a layer {name!r}, which {architecture} has not"
    return _find_other_poolings(shapes, architecture)


def _find_other_poolings(shapes, architecture):
    """Tell networks apart whose names and shapes begin alike, by where they halve the image."""
    if all(shapes.values()):  # layers without weights are not listed
        return ""
    table = layer_table(architecture)
    weighted = [layer.index for layer in table if layer.weight_shapes]
    last = max(i for i in weighted if shapes.get(table[i].name))
    following = next((i for i in weighted if i > last), len(table))
    poolings = [layer.index for layer in table if layer.name.startswith("max_pooling2d")]
    n_least, n_most = (sum(i < end for i in poolings) for end in (last, following))
    n_found = sum(name.startswith("max_pooling2d") for name in shapes)
    if n_least <= n_found <= n_most:
        return ""
    return f"up to {table[last].name!r} it halves the image {n_found} times, and must {n_least}"


def _read_file(path, load=None):
    """Read a weights file: the package's own (.npz), or one that Keras wrote.

    Only arrays are read: nothing that a file may hold besides is run.

    Parameters
    ----------
    path : str
    load : set of str, default=None
        Names of the layers whose arrays to read. None reads the shapes of all.

    Returns
    -------
    dict of str to list
        The arrays (float32) or shapes of each layer, by its name; empty for one without
        weights.
    """
    return _read_npz(path, load) if path.endswith(".npz") else _read_hdf5(path, load)


def _read_npz(path, load):
    """Arrays under ``"<layer>/<number>"``, in Keras' order; without layers that have none."""
    found = {}
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            for key in file.files:
                name, _, number = key.rpartition("/")
                if load is not None and name not in load:
                    continue
                array = file[key]
                value = array.shape if load is None else array.astype(np.float32)
                found.setdefault(name, {})[int(number)] = value
    except (OSError, TypeError, ValueError, BadZipFile, zlib.error) as exc:
        raise ValueError(
            f"The weights file {path!r} is no .npz file of arrays named '<layer>/<number>', or "
            f"is damaged: {exc}. Install sklearn-resnet again if it is the one that came with it."
        ) from exc
    return {name: [arrays[i] for i in sorted(arrays)] for name, arrays in found.items()}


def _read_hdf5(path, load):
    """Read a file that Keras wrote, of the format of version 3 or of the one before."""
    import h5py

    found = {}

    def read(name, datasets):
        if load is None:
            found[name] = [dataset.shape for dataset in datasets]
        elif name in load:
            found[name] = [dataset[()] for dataset in datasets]

    def visit(path, item):
        # version 3 keeps a layer's arrays in a group "vars", and the layer's name beside them
        name = item.attrs.get("name")
        if path.endswith("/vars") and name is not None:
            read(name, (item[key] for key in sorted(item, key=int)))

    try:
        with h5py.File(path, "r") as file:
            if "layer_names" in file.attrs:
                for name in file.attrs["layer_names"]:
                    name = name.decode() if isinstance(name, bytes) else name
                    read(name, (file[name][key] for key in file[name].attrs["weight_names"]))
            else:
                file.visititems(visit)
    except (OSError, KeyError, ValueError) as exc:
        raise ValueError(
            f"The weights file {path!r} is no HDF5 file as Keras writes them, or is damaged: "
            f"{exc}. Such a file is made by model.save_weights('name.weights.h5')."
        ) from exc
    return found
