"""Files of the safetensors format. The safetensors library checks them, and NumPy reads them.

The library alone cannot read bfloat16 into NumPy.
"""

import json
import os
from collections import Counter

import numpy as np

from sklearn_resnet._network.weight_files.formats import Tensor, reading

_MAX_HEADER = 2_000_000  # bytes; a ResNet needs 0.1 million
_LENGTH_SIZE = 8  # bytes of the length of the header, before it
_DTYPES = {"F16": "float16", "F32": "float32", "F64": "float64", "BF16": "bfloat16"}


def list_tensors(path):
    """List the tensors by the header; see `formats.list_tensors`."""
    with reading(path, "safetensors"):
        header, _ = _read_header(path)
        tensors = {
            key: Tensor(tuple(entry["shape"]), _DTYPES.get(entry["dtype"], entry["dtype"]))
            for key, entry in header.items()
        }
    return tensors, set()


def read_tensors(path, keys):
    """Yield arrays; see `formats.read_tensors`."""
    with reading(path, "safetensors"), open(path, "rb") as file:
        header, start = _read_header(path)
        for key in keys:
            entry = header[key]
            file.seek(start + entry["data_offsets"][0])
            yield key, _read_array(file, entry["dtype"], entry["shape"])


def _read_array(file, dtype, shape):
    count = int(np.prod(shape))
    if dtype == "BF16":  # the upper half of a float32
        array = (np.fromfile(file, "<u2", count).astype(np.uint32) << 16).view(np.float32)
    else:
        array = np.fromfile(file, np.dtype(_DTYPES[dtype]).newbyteorder("<"), count)
    return array.astype(np.float32, copy=False).reshape(shape)


def _read_header(path):
    """Return the entries of the tensors and the position of the first, after all checks."""
    from safetensors import safe_open

    with open(path, "rb") as file:
        size = int.from_bytes(file.read(_LENGTH_SIZE), "little")
        if size > min(_MAX_HEADER, os.path.getsize(path)):
            raise ValueError(f"its header would have {size} bytes")
        text = file.read(size)
    # the library checks types, shapes, offsets and the length of the file
    with safe_open(path, framework="np"):
        header = json.loads(text, object_pairs_hook=_build_unique)
    header.pop("__metadata__", None)
    return header, _LENGTH_SIZE + size


def _build_unique(pairs):
    unique = dict(pairs)
    if len(unique) < len(pairs):
        [(repeated, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"its header lists {repeated!r} twice")
    return unique
