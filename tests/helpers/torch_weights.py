"""Weights files in PyTorch's names, without PyTorch."""

import numpy as np
from safetensors.numpy import save_file

from sklearn_resnet._network.architectures import get_architecture, layer_table
from sklearn_resnet._network.normalization import NORMALIZATIONS
from sklearn_resnet._network.weight_files.matching import list_tensors_of
from sklearn_resnet._network.weights import Weights, load_arrays


def write_safetensors(path, architecture="ResNet18", *, last=None, n_channels=3, seed=0):
    """Write random weights of an architecture, up to a layer or stage; return the path."""
    table = layer_table(architecture, n_channels)
    normalization = NORMALIZATIONS[get_architecture(architecture).normalization]
    weights = Weights(architecture, "", len(table), normalization, n_channels, seed=seed)
    ends = [layer.index for layer in table if last in (None, layer.name, layer.stage)]
    layers = table[: max(ends) + 1]
    arrays = load_arrays(weights, layers)
    tensors = {}
    for layer in layers:
        for (name, _), array in zip(
            list_tensors_of(layer), arrays.get(layer.name, ()), strict=True
        ):
            values = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array
            tensors[name] = np.ascontiguousarray(values)
    save_file(tensors, path)
    return path
