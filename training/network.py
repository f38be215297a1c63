"""ResNet50V2 from conv1 to conv3 in PyTorch, and its weights under Keras' names."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

_EPSILON = 1.001e-5  # of batch normalisation in Keras' ResNets
WIDTH = 512  # of the last layer


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
    """Layers 0 to 85 of Keras' ResNet50V2, followed by average pooling."""

    def __init__(self):
        super().__init__()
        self.conv1_conv = nn.Conv2d(3, 64, 7, 2, 3)
        n_in = 64
        for stage, width, n_blocks in (("conv2", 64, 3), ("conv3", 128, 4)):
            for i in range(1, n_blocks + 1):
                block = Block(n_in, width, stride=2 if i == n_blocks else 1, has_projection=i == 1)
                self.add_module(f"{stage}_block{i}", block)
                n_in = 4 * width
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images):
        """Return features (n, 512) of images (n, 3, height, width) with values from -1 to 1."""
        # Keras pads with zeros; PyTorch's pooling pads with minus infinity
        x = F.max_pool2d(F.pad(self.conv1_conv(images), (1, 1, 1, 1)), 3, 2)
        for block in list(self.children())[1:]:
            x = block(x)
        return x.mean((2, 3))

    @torch.no_grad()
    def keras_arrays(self):
        """Return the weights in Keras' shapes and order.

        Returns
        -------
        dict of str to list of ndarray
            By the name of the layer in Keras. Kernels are float16, other arrays float32.
        """
        arrays = {}
        for path, module in self.named_modules():
            name = path.replace(".", "_")
            if isinstance(module, nn.Conv2d):
                kernel = module.weight.permute(2, 3, 1, 0).contiguous().cpu().numpy()
                bias = [] if module.bias is None else [module.bias]
                arrays[name] = [kernel.astype(np.float16), *(b.cpu().numpy() for b in bias)]
            elif isinstance(module, nn.BatchNorm2d):
                tensors = module.weight, module.bias, module.running_mean, module.running_var
                arrays[name] = [tensor.cpu().numpy() for tensor in tensors]
        return {_keras_name(name): value for name, value in arrays.items()}


def _keras_name(name):
    """Convert ``conv2_block1_conv_0`` to ``conv2_block1_0_conv``."""
    head, _, number = name.rpartition("_")
    if not number.isdigit():
        return name
    stem, kind = head.rsplit("_", 1)
    return f"{stem}_{number}_{kind}"
