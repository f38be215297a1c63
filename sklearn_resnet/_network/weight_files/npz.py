"""NumPy's .npz files: the bundled weights, and state dicts of arrays.

An int8 array ``<layer>/<number>`` is multiplied by ``<layer>/<number>_scale``, along the last axis.
"""

import zipfile

import numpy as np

from sklearn_resnet._network.weight_files.formats import Tensor, reading


def list_tensors(path):
    """List the arrays by their headers; see `formats.list_tensors`."""
    tensors = {}
    with reading(path, "npz"), zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".npy"):
                with archive.open(name) as file:
                    tensors[name.removesuffix(".npy")] = _read_header(file)
    return tensors, set()


def read_tensors(path, keys):
    """Yield arrays; see `formats.read_tensors`."""
    with reading(path, "npz"), np.load(path, allow_pickle=False) as file:
        for key in keys:
            array = file[key]
            is_scaled = array.dtype == np.int8 and f"{key}_scale" in file
            array = array.astype(np.float32, copy=False)
            yield key, _scale(array, file[f"{key}_scale"]) if is_scaled else array


def _scale(array, scale):
    if scale.shape != array.shape[-1:]:
        raise ValueError(f"a scale of the shape {scale.shape} does not fit {array.shape}")
    return array * scale.astype(np.float32)


def _read_header(file):
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never read")
    return Tensor(shape, dtype.name)
