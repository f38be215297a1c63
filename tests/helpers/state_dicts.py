"""State dicts with PyTorch's names of tensors, without PyTorch."""

import numpy as np

from sklearn_resnet._network.architectures import layer_table

STATISTICS = "weight", "bias", "running_mean", "running_var"


def make_state_dict(architecture="ResNet18", last="layer1", n_channels=3, seed=0):
    """Draw the tensors of the layers up to the last one of a stage, as the library names them.

    All numbers are multiples of 1/64 below 2, which are exact in float16 and bfloat16.
    """
    rng = np.random.default_rng(seed)
    table = layer_table(architecture, n_channels)
    end = 1 + max(layer.index for layer in table if last in (layer.name, layer.stage))
    state = {}
    for layer in table[:end]:
        name = layer.name.removesuffix(".bn")
        if layer.kind == "conv":
            height, width, n_in, n_out = layer.weight_shapes[0]
            state[f"{name}.weight"] = _draw(rng, (n_out, n_in, height, width))
        elif layer.kind == "bn":
            for each, shape in zip(STATISTICS, layer.weight_shapes, strict=True):
                state[f"{name}.{each}"] = _draw(rng, shape)
            state[f"{name}.num_batches_tracked"] = np.array(7)
    return state


def _draw(rng, shape):
    return (rng.integers(1, 128, shape) / 64).astype(np.float32)


def add_prefix(state, prefix):
    """Put a prefix before all names."""
    return {prefix + name: array for name, array in state.items()}
