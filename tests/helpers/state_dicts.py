"""State dicts with PyTorch's names of tensors, without PyTorch."""

import json
import re

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


def as_transformers(name):
    """The name in transformers' ResNetModel, from that in torchvision."""
    name = re.sub(r"^conv1\.", "embedder.embedder.convolution.", name)
    name = re.sub(r"^bn1\.", "embedder.embedder.normalization.", name)
    number = re.match(r"layer(\d)\.(\d+)\.", name)
    if number:
        block = f"encoder.stages.{int(number[1]) - 1}.layers.{number[2]}."
        part = name[number.end() :]
        for i in (1, 2, 3):
            part = re.sub(rf"^conv{i}\.", f"layer.{i - 1}.convolution.", part)
            part = re.sub(rf"^bn{i}\.", f"layer.{i - 1}.normalization.", part)
        part = re.sub(r"^downsample\.0\.", "shortcut.convolution.", part)
        name = block + re.sub(r"^downsample\.1\.", "shortcut.normalization.", part)
    return name


def as_sequential(name):
    """The name in torch.nn.Sequential(*resnet.children()), from that in torchvision."""
    for i, child in {0: "conv1", 1: "bn1", **{i: f"layer{i - 3}" for i in range(4, 8)}}.items():
        if name.startswith(f"{child}."):
            return f"{i}.{name.removeprefix(f'{child}.')}"
    raise AssertionError(name)


def write_header(path, header, data=b"", size=None):
    """Write a safetensors file of any header, and return its path."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(text) if size is None else size
    path.write_bytes(size.to_bytes(8, "little") + text + data)
    return str(path)


def write_typed(path, arrays, dtype):
    """Write arrays of bytes in any type of the format."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, (content, shape) in arrays.items():
        offsets = [len(data), len(data) + len(content)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        data += content
    return write_header(path, header, data)
