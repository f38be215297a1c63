"""ResNet50V2 from conv1 to conv4 in PyTorch, and its weights under Keras' names."""

import torch
import torch.nn.functional as F
from torch import nn

_EPSILON = 1.001e-5  # of batch normalisation in Keras' ResNets
_STAGES = (("conv2", 64, 3), ("conv3", 128, 4), ("conv4", 256, 6))
# blocks with a classifier in training: the numbers of their last layers in Keras, and the widths
DEPTHS = {
    "conv3_block1": 51,
    "conv3_block3": 73,
    "conv3_block4": 85,
    "conv4_block3": 119,
    "conv4_block6": 153,
}
WIDTHS = {51: 512, 73: 512, 85: 512, 119: 1024, 153: 1024}


class Block(nn.Module):
    """A residual block with pre-activation.

    Keras downsamples in the last block of a stage, not in the first. The shortcut of that block
    is downsampled by max pooling with a window of one pixel.
    """

    def __init__(self, n_in, width, stride, has_projection):
        super().__init__()
        self.stride = stride
        self.preact_bn = nn.BatchNorm2d(n_in, _EPSILON)
        self.conv_0 = nn.Conv2d(n_in, 4 * width, 1) if has_projection else None
        self.conv_1 = nn.Conv2d(n_in, width, 1, bias=False)
        self.bn_1 = nn.BatchNorm2d(width, _EPSILON)
        self.conv_2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn_2 = nn.BatchNorm2d(width, _EPSILON)
        self.conv_3 = nn.Conv2d(width, 4 * width, 1)

    def forward(self, x):
        """Return maps with four times the block's width from maps (n, n_in, height, width)."""
        active = F.relu(self.preact_bn(x))
        if self.conv_0 is None:
            shortcut = x[:, :, :: self.stride, :: self.stride]
        else:
            shortcut = self.conv_0(active)
        y = F.relu(self.bn_1(self.conv_1(active)))
        return shortcut + self.conv_3(F.relu(self.bn_2(self.conv_2(y))))


class Network(nn.Module):
    """Layers 0 to 153 of Keras' ResNet50V2."""

    def __init__(self):
        super().__init__()
        self.conv1_conv = nn.Conv2d(3, 64, 7, 2, 3)
        n_in = 64
        for stage, width, n_blocks in _STAGES:
            for i in range(1, n_blocks + 1):
                block = Block(n_in, width, stride=2 if i == n_blocks else 1, has_projection=i == 1)
                self.add_module(f"{stage}_block{i}", block)
                n_in = 4 * width
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward_depths(self, images):
        """Return the maps after some blocks, by the number of the layer in Keras.

        The images are (n, 3, height, width), with values from -1 to 1.
        """
        # Keras pads with zeros; PyTorch's pooling pads with minus infinity
        x = F.max_pool2d(F.pad(self.conv1_conv(images), (1, 1, 1, 1)), 3, 2)
        maps = {}
        for name, block in list(self.named_children())[1:]:
            x = block(x)
            if name in DEPTHS:
                maps[DEPTHS[name]] = x
        return maps

    @torch.no_grad()
    def load_keras_arrays(self, arrays):
        """Load weights from arrays named ``<layer>/<number>``, as `export.read_arrays` returns them.

        Blocks that are missing stay as they are.

        Returns
        -------
        list of str
            The names of the blocks that were loaded, the first convolution among them.
        """
        loaded = []
        for block, layers in self._blocks():
            if f"{layers[0][0]}/0" not in arrays:
                break
            for name, layer in layers:
                _load_layer(layer, name, arrays)
            loaded.append(block)
        return loaded

    def _blocks(self):
        """Yield the name of each block, with its layers that have weights by name in Keras."""
        for block, child in self.named_children():
            yield (
                block,
                [
                    (_keras_name(path.replace(".", "_")), module)
                    for path, module in child.named_modules(prefix=block)
                    if isinstance(module, nn.Conv2d | nn.BatchNorm2d)
                ],
            )

    @torch.no_grad()
    def keras_arrays(self, deepest=153):
        """Return the weights in Keras' shapes.

        Parameters
        ----------
        deepest : int, default=153
            Number of the last layer: one of `DEPTHS`.

        Returns
        -------
        dict of str to ndarray
            By ``<layer>/<number>``: the name of the layer, and the place in Keras' order; float32.
        """
        arrays = {}
        for block, layers in self._blocks():
            for name, layer in layers:
                if isinstance(layer, nn.Conv2d):
                    tensors = [layer.weight.permute(2, 3, 1, 0).contiguous(), layer.bias]
                else:
                    tensors = [layer.weight, layer.bias, layer.running_mean, layer.running_var]
                arrays |= {
                    f"{name}/{i}": tensor.cpu().numpy()
                    for i, tensor in enumerate(tensors)
                    if tensor is not None
                }
            if DEPTHS.get(block) == deepest:
                break
        return arrays


def _load_layer(layer, name, arrays):
    if isinstance(layer, nn.Conv2d):
        kernel = torch.tensor(arrays[f"{name}/0"])
        layer.weight.copy_(kernel.permute(3, 2, 0, 1))
        tensors = [] if layer.bias is None else [layer.bias]
        first = 1
    else:
        tensors = [layer.weight, layer.bias, layer.running_mean, layer.running_var]
        first = 0
    for i, tensor in enumerate(tensors, first):
        tensor.copy_(torch.tensor(arrays[f"{name}/{i}"]))


def _keras_name(name):
    """Convert ``conv2_block1_conv_0`` to ``conv2_block1_0_conv``."""
    head, _, number = name.rpartition("_")
    if not number.isdigit():
        return name
    stem, kind = head.rsplit("_", 1)
    return f"{stem}_{number}_{kind}"
