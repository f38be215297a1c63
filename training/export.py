"""Weights files: kernels of 8 bits, and averages of a run with the weights that it began from."""

import numpy as np


def read_arrays(path):
    """Read weights, with kernels of 8 bits or float16, as float32 arrays by ``<layer>/<number>``."""
    with np.load(path) as file:
        arrays = {key: file[key].astype(np.float32) for key in file.files}
    return {
        key: array * arrays.get(f"{key}_scale", np.float32(1))
        for key, array in arrays.items()
        if not key.endswith("_scale")
    }


def blend(run, start, share):
    """Return averages of a run and its start (Wortsman et al. 2022).

    Parameters
    ----------
    run, start : dict of str to ndarray
        Weights as of `read_arrays`.
    share : float
        The share of the run, from 0 to 1. Arrays that the start lacks are those of the run.

    Returns
    -------
    dict of str to ndarray
    """
    start_share = np.float32(1 - share)
    return {
        key: array + start_share * (start[key] - array) if key in start else array
        for key, array in run.items()
    }


def write_arrays(path, arrays):
    """Write weights, kernels as int8 with a float16 scale for each output channel."""
    packed = {}
    for key, array in arrays.items():
        if array.ndim == 4:
            packed[key], packed[f"{key}_scale"] = _quantize(array)
        else:
            packed[key] = array
    np.savez(path, **packed)


def _quantize(kernel):
    scale = (np.abs(kernel).max((0, 1, 2)) / 127).astype(np.float16)
    scale[scale == 0] = 1
    return np.rint(kernel / scale.astype(np.float32)).clip(-127, 127).astype(np.int8), scale
