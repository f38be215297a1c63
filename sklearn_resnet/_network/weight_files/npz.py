"""NumPy's .npz files: the bundled weights, and state dicts of arrays."""

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
            yield key, file[key].astype(np.float32, copy=False)


def _read_header(file):
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never read")
    return Tensor(shape, dtype.name)
