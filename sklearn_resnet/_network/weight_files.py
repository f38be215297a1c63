"""Weights files: the NumPy and HDF5 formats, and the layers that a file covers."""

import re
import zlib
from dataclasses import dataclass
from functools import lru_cache
from zipfile import BadZipFile

import numpy as np

from sklearn_resnet._io.hashing import hash_file
from sklearn_resnet._network.layers import ARCHITECTURES, layer_table


@dataclass(frozen=True)
class FileContents:
    """Stand-in."""

    n_layers: int
    n_channels: int
    fingerprint: str


def inspect_file(identity, architecture):
    """Stand-in."""
    return FileContents(
        count_layers(identity, architecture), 3, f"sha256:{hash_file(identity, 'sha256')}"
    )


@lru_cache(maxsize=16)
def count_layers(identity, architecture):
    """Count the layers, from the first, that the weights in a file cover."""
    path = identity[0]
    shapes = _read_shapes(path)
    mismatch = _find_mismatch(shapes, architecture)
    if mismatch:
        others = [a for a in ARCHITECTURES if not _find_mismatch(shapes, a)]
        hint = f" They fit {' or '.join(others)}." if others else ""
        raise ValueError(
            f"The weights file {path!r} does not hold weights of {architecture}: {mismatch}.{hint}"
        )
    table = layer_table(architecture)
    missing = (layer.index for layer in table if layer.weight_shapes and not shapes.get(layer.name))
    return next(missing, len(table))


def _find_mismatch(shapes, architecture):
    """Describe the first difference between a file and an architecture; "" if they agree."""
    table = {layer.name: layer for layer in layer_table(architecture) if layer.weight_shapes}
    if not shapes.get("conv1_conv"):
        return "it lacks weights of 'conv1_conv', the first layer"
    for name, found in shapes.items():
        if name in table and found and found != list(table[name].weight_shapes):
            expected = list(table[name].weight_shapes)
            return f"the weights of {name!r} must have the shapes {expected}, not {found}"
        # the layers of a head, on top of the network, have other names
        if name not in table and found and re.match(r"conv\d_", name):
            return f"it holds weights of a layer {name!r}, which {architecture} lacks"
    return _find_pooling_mismatch(shapes, architecture)


def _find_pooling_mismatch(shapes, architecture):
    """Distinguish networks whose first names and shapes are equal by their poolings."""
    if all(shapes.values()):  # layers without weights are not listed
        return ""
    table = layer_table(architecture)
    weighted = [layer.index for layer in table if layer.weight_shapes]
    last = max(i for i in weighted if shapes.get(table[i].name))
    following = next((i for i in weighted if i > last), len(table))
    poolings = [layer.index for layer in table if layer.name.startswith("max_pooling2d")]
    used = frozenset().union(*(layer.ancestors for layer in table if layer.name in shapes))
    n_min, n_max = sum(i in used for i in poolings), sum(i < following for i in poolings)
    n_found = sum(name.startswith("max_pooling2d") for name in shapes)
    if n_min <= n_found <= n_max:
        return ""
    return f"up to {table[last].name!r} it must have {n_min} poolings, not {n_found}"


def read_arrays(path, names):
    """Read the arrays of some layers from a weights file.

    Only arrays are read; code in a file is never executed.

    Parameters
    ----------
    path : str
        The bundled file (.npz), or one that Keras wrote.
    names : set of str
        Names of the layers.

    Returns
    -------
    dict of str to list of ndarray
        The arrays of each layer, float32.
    """
    return _read_npz(path, names) if path.endswith(".npz") else _read_hdf5(path, names)


def _read_shapes(path):
    """Read the shapes of the arrays of all layers; an empty list for one without weights."""
    return _read_npz(path, None) if path.endswith(".npz") else _read_hdf5(path, None)


def _read_npz(path, names):
    """Read arrays named ``"<layer>/<number>"``, in Keras' order."""
    found = {}
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            for key in file.files:
                name, _, number = key.rpartition("/")
                if names is not None and name not in names:
                    continue
                array = file[key]
                value = array.shape if names is None else array.astype(np.float32)
                found.setdefault(name, {})[int(number)] = value
    except (OSError, TypeError, ValueError, BadZipFile, zlib.error) as exc:
        raise ValueError(
            f"The weights file {path!r} is damaged, or is not an .npz file of arrays named "
            f"'<layer>/<number>': {exc}. Reinstall sklearn-resnet if the file came with it."
        ) from exc
    return {name: [arrays[i] for i in sorted(arrays)] for name, arrays in found.items()}


def _read_hdf5(path, names):
    """Read a file that Keras wrote, in the format of version 3 or of version 2."""
    import h5py

    found = {}

    def read(name, datasets):
        if names is None:
            found[name] = [dataset.shape for dataset in datasets]
        elif name in names:
            found[name] = [dataset[()] for dataset in datasets]

    def visit(path, item):
        # version 3 keeps a layer's arrays in a group "vars", with the layer's name as attribute
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
            f"The weights file {path!r} is damaged, or is not an HDF5 file in Keras' format: {exc}. "
            "Keras writes such a file with model.save_weights('name.weights.h5')."
        ) from exc
    return found
