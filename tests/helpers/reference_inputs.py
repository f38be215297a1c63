"""Weights and images for which `benchmarks/torch_worker.py` computes features with PyTorch.

It imports this module without the package.
"""

import zlib

import numpy as np


def draw_state_dict(architecture, n_channels=3, stage=None):
    """Draw all tensors of an architecture, or those up to a stage of it.

    The names and shapes are those of our layer tables; PyTorch's networks refuse others.
    """
    from sklearn_resnet._network.architectures import layer_table
    from sklearn_resnet._network.weight_files.matching import list_tensors_of

    table = layer_table(architecture, n_channels)
    last = max((layer.index for layer in table if layer.stage == stage), default=len(table))
    return {
        name: draw_tensor(name, shape)
        for layer in table[: last + 1]
        for name, shape in list_tensors_of(layer)
    }


def draw_tensor(name, shape):
    """Draw a tensor that depends on its name and shape only.

    Kernels keep the size of the maps (He et al., 2015); statistics, scales and offsets matter.
    """
    rng = np.random.RandomState(zlib.crc32(name.encode()))  # its stream is the same in all versions
    low, high = {"weight": (0.4, 1), "running_var": (0.5, 2)}.get(
        name.rpartition(".")[2], (-0.5, 0.5)
    )
    if len(shape) > 1:
        high = np.sqrt(6 / np.prod(shape[1:]))
        low = -high
    return rng.uniform(low, high, shape).astype(np.float32)


def make_images(n_images, *shape):
    """Draw coloured noise with an edge, uint8."""
    images = np.random.RandomState(0).randint(0, 200, (n_images, *shape))
    images[:, : shape[0] // 2] += 55
    return images.astype(np.uint8)
