"""Layer tables of ResNets: names, order, shapes of weights, strides and costs, without a network."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

_KERAS_EPSILON, _TORCH_EPSILON = 1.001e-5, 1e-5  # of batch normalisation


@dataclass(frozen=True)
class Layer:
    """One layer of a network.

    Attributes
    ----------
    index : int
        Position in the network: in Keras' ``network.layers``, or in the order of execution.
    name : str
        The name in Keras, or of the module in PyTorch.
    kind : {"input", "pad", "conv", "bn", "relu", "pool", "add"}
    width : int
        Number of channels.
    stride : int
        Pixels of the image from one position of the output to the next.
    kernel : int
        Side of the window of a convolution or pooling, or, for padding, of the layer after it.
    weight_shapes : tuple of tuple of int
        Shapes of its weights, in Keras' order.
    groups : int
        Number of groups into which a convolution divides its channels.
    epsilon : float
        The term that batch normalisation adds to the variance.
    inputs : tuple of int
        Indices of its input layers.
    ancestors : frozenset of int
        Indices of all layers that its output depends on, its own included.
    """

    index: int
    name: str
    kind: str
    width: int
    stride: int
    kernel: int
    weight_shapes: tuple[tuple[int, ...], ...]
    groups: int
    epsilon: float
    inputs: tuple[int, ...]
    ancestors: frozenset[int]

    @property
    def stage(self):
        """The stage: ``"conv3"`` of ``"conv3_block1_out"``, ``"layer2"`` of ``"layer2.0.add"``."""
        match = re.match(r"stages\.\d+|[^._]+", self.name)
        return match[0]

    @property
    def block(self):
        """The residual block: ``"conv3_block1"``, ``"layer2.0"``; None outside of the blocks."""
        match = re.match(r"conv\d_block\d+|layer\d\.\d+|stages\.\d\.blocks\.\d+", self.name)
        return match and match[0]

    @property
    def is_prefix(self):
        """Whether the output depends on all layers before this one."""
        return len(self.ancestors) == self.index + 1

    @property
    def position_flop(self):
        """Floating-point operations of the layer alone, at each position of its output."""
        if self.kind != "conv":
            return 0
        height, width, n_in, n_out = self.weight_shapes[0]
        return 2 * height * width * n_in * n_out


@dataclass(frozen=True)
class Architecture:
    """A network.

    Attributes
    ----------
    build : callable
        ``build(n_channels)`` returns its layers.
    style : {"keras", "torchvision", "timm"}
        The library whose layers, names and weights it has.
    normalization : {"caffe", "tf", "torch"}
        How images enter it, unless its weights say otherwise.
    """

    build: Callable[[int], tuple[Layer, ...]]
    style: str
    normalization: str


class _Builder:
    """Collects layers in the order of calls."""

    def __init__(self, input_name, n_channels, epsilon):
        self.inputs = {input_name: ()}
        self.properties = {input_name: ("input", n_channels, 1, 1, (), 1)}
        self.epsilon = epsilon

    def add(self, kind, name, *inputs, width=None, kernel=1, stride=1, bias=False, groups=1):
        _, input_width, input_stride, *_ = self.properties[inputs[0]]
        width = width or input_width
        stride = input_stride * stride
        weight_shapes = ()
        if kind == "conv":
            weight_shapes = (
                (kernel, kernel, input_width // groups, width),
                *([(width,)] * bias),
            )
        elif kind == "bn":
            weight_shapes = ((width,),) * 4
        self.inputs[name] = inputs
        self.properties[name] = (kind, width, stride, kernel, weight_shapes, groups)
        return name

    def sort_as_keras(self):
        # Keras sorts by distance from the output and keeps layers at the same distance in the
        # order of a depth-first search, in which the functions below add them.
        distance = dict.fromkeys(self.inputs, 0)
        for name in reversed(self.inputs):
            for source in self.inputs[name]:
                distance[source] = max(distance[source], distance[name] + 1)
        self.inputs = dict(sorted(self.inputs.items(), key=lambda item: -distance[item[0]]))

    def layers(self):
        index = {name: i for i, name in enumerate(self.inputs)}
        ancestors = {}
        for name, sources in self.inputs.items():
            ancestors[name] = frozenset([index[name]]).union(*(ancestors[s] for s in sources))
        return tuple(
            Layer(
                index[name],
                name,
                *self.properties[name],
                self.epsilon,
                tuple(index[source] for source in sources),
                ancestors[name],
            )
            for name, sources in self.inputs.items()
        )


def _add_keras_block_v1(net, x, name, filters, stride, conv_shortcut):
    shortcut = x
    if conv_shortcut:
        shortcut = net.add("conv", f"{name}_0_conv", x, width=4 * filters, stride=stride, bias=True)
        shortcut = net.add("bn", f"{name}_0_bn", shortcut)
    x = net.add("conv", f"{name}_1_conv", x, width=filters, stride=stride, bias=True)
    x = net.add("bn", f"{name}_1_bn", x)
    x = net.add("relu", f"{name}_1_relu", x)
    x = net.add("conv", f"{name}_2_conv", x, width=filters, kernel=3, bias=True)
    x = net.add("bn", f"{name}_2_bn", x)
    x = net.add("relu", f"{name}_2_relu", x)
    x = net.add("conv", f"{name}_3_conv", x, width=4 * filters, bias=True)
    x = net.add("bn", f"{name}_3_bn", x)
    x = net.add("add", f"{name}_add", shortcut, x)
    return net.add("relu", f"{name}_out", x)


def _add_keras_block_v2(net, x, name, filters, stride, conv_shortcut):
    preact = net.add("bn", f"{name}_preact_bn", x)
    preact = net.add("relu", f"{name}_preact_relu", preact)
    shortcut = x
    if conv_shortcut:
        shortcut = net.add("conv", f"{name}_0_conv", preact, width=4 * filters, bias=True)
    elif stride > 1:
        # Keras numbers these layers
        number = sum(other.startswith("max_pooling2d") for other in net.inputs)
        pool_name = "max_pooling2d" + (f"_{number}" if number else "")
        shortcut = net.add("pool", pool_name, x, stride=stride)
    x = net.add("conv", f"{name}_1_conv", preact, width=filters)
    x = net.add("bn", f"{name}_1_bn", x)
    x = net.add("relu", f"{name}_1_relu", x)
    x = net.add("pad", f"{name}_2_pad", x, kernel=3)
    x = net.add("conv", f"{name}_2_conv", x, width=filters, kernel=3, stride=stride)
    x = net.add("bn", f"{name}_2_bn", x)
    x = net.add("relu", f"{name}_2_relu", x)
    x = net.add("conv", f"{name}_3_conv", x, width=4 * filters, bias=True)
    return net.add("add", f"{name}_out", shortcut, x)


def _build_keras(n_channels, *, blocks, preactivation):
    """Build the table of a network of `keras.applications`."""
    net = _Builder("input_layer", n_channels, _KERAS_EPSILON)
    x = net.add("pad", "conv1_pad", "input_layer", kernel=7)
    x = net.add("conv", "conv1_conv", x, width=64, kernel=7, stride=2, bias=True)
    if not preactivation:
        x = net.add("bn", "conv1_bn", x)
        x = net.add("relu", "conv1_relu", x)
    x = net.add("pad", "pool1_pad", x, kernel=3)
    x = net.add("pool", "pool1_pool", x, kernel=3, stride=2)
    add_block = _add_keras_block_v2 if preactivation else _add_keras_block_v1
    for i, n_blocks in enumerate(blocks):
        # version 1 downsamples in the first block of conv3 to conv5, version 2 in the last block
        # of conv2 to conv4
        downsampling = (n_blocks if i < 3 else None) if preactivation else (1 if i > 0 else None)
        for block in range(1, n_blocks + 1):
            stride = 2 if block == downsampling else 1
            x = add_block(net, x, f"conv{i + 2}_block{block}", 64 * 2**i, stride, block == 1)
    if preactivation:
        x = net.add("bn", "post_bn", x)
        net.add("relu", "post_relu", x)
    net.sort_as_keras()
    return net.layers()


def _add_torch_block(net, x, name, convolutions, shortcut_width):
    """Add a block of torchvision: convolutions, each with batch normalisation, and a shortcut."""
    shortcut, stride = x, max(each["stride"] for each in convolutions)
    for i, convolution in enumerate(convolutions):
        x = net.add("conv", f"{name}.conv{i + 1}", x, **convolution)
        x = net.add("bn", f"{name}.bn{i + 1}", x)
        if i < len(convolutions) - 1:
            x = net.add("relu", f"{name}.relu" + (f"_{i}" if i else ""), x)
    if shortcut_width:
        shortcut = net.add(
            "conv", f"{name}.downsample.0", shortcut, width=shortcut_width, stride=stride
        )
        shortcut = net.add("bn", f"{name}.downsample.1", shortcut)
    x = net.add("add", f"{name}.add", x, shortcut)
    return net.add("relu", f"{name}.relu_{len(convolutions) - 1}", x)


def _build_torchvision(n_channels, *, blocks, bottleneck=True, width_factor=1, groups=1):
    """Build the table of a network of `torchvision.models`, in the order of its graph.

    The stride of a bottleneck is in its 3 x 3 convolution ("version 1.5").
    """
    net = _Builder("x", n_channels, _TORCH_EPSILON)
    x = net.add("conv", "conv1", "x", width=64, kernel=7, stride=2)
    x = net.add("bn", "bn1", x)
    x = net.add("relu", "relu", x)
    x = net.add("pool", "maxpool", x, kernel=3, stride=2)
    for i, n_blocks in enumerate(blocks):
        width = 64 * 2**i
        width_out = 4 * width if bottleneck else width
        for block in range(n_blocks):
            stride = 2 if i > 0 and block == 0 else 1
            if bottleneck:
                inner = width * width_factor
                convolutions = (
                    {"width": inner, "stride": 1},
                    {"width": inner, "kernel": 3, "stride": stride, "groups": groups},
                    {"width": width_out, "stride": 1},
                )
            else:
                convolutions = (
                    {"width": width, "kernel": 3, "stride": stride},
                    {"width": width, "kernel": 3, "stride": 1},
                )
            has_projection = block == 0 and net.properties[x][1:3] != (
                width_out,
                net.properties[x][2] * stride,
            )
            shortcut_width = width_out if has_projection else None
            x = _add_torch_block(net, x, f"layer{i + 1}.{block}", convolutions, shortcut_width)
    return net.layers()


def _add_timm_norm(net, name, x):
    """Add timm's batch normalisation, which contains the activation."""
    return net.add("relu", name, net.add("bn", f"{name}.bn", x))


def _build_timm_v2(n_channels, *, blocks):
    """Build the table of timm's `resnetv2_50`, in the order of execution."""
    net = _Builder("x", n_channels, _TORCH_EPSILON)
    x = net.add("conv", "stem.conv", "x", width=64, kernel=7, stride=2)
    x = net.add("pool", "stem.pool", x, kernel=3, stride=2)
    for i, n_blocks in enumerate(blocks):
        width = 64 * 2**i
        for block in range(n_blocks):
            name, stride = f"stages.{i}.blocks.{block}", 2 if i > 0 and block == 0 else 1
            shortcut, preact = x, _add_timm_norm(net, f"{name}.norm1", x)
            if block == 0:
                shortcut = net.add(
                    "conv", f"{name}.downsample.conv", preact, width=4 * width, stride=stride
                )
            x = net.add("conv", f"{name}.conv1", preact, width=width)
            x = _add_timm_norm(net, f"{name}.norm2", x)
            x = net.add("conv", f"{name}.conv2", x, width=width, kernel=3, stride=stride)
            x = _add_timm_norm(net, f"{name}.norm3", x)
            x = net.add("conv", f"{name}.conv3", x, width=4 * width)
            x = net.add("add", f"{name}.add", x, shortcut)
    _add_timm_norm(net, "norm", x)
    return net.layers()


def _keras(blocks, preactivation):
    build = partial(_build_keras, blocks=blocks, preactivation=preactivation)
    return Architecture(build, "keras", "tf" if preactivation else "caffe")


def _torchvision(blocks, **options):
    return Architecture(
        partial(_build_torchvision, blocks=blocks, **options), "torchvision", "torch"
    )


# By name, with the number of blocks in each stage
_ARCHITECTURES = {
    "ResNet50": _keras((3, 4, 6, 3), preactivation=False),
    "ResNet101": _keras((3, 4, 23, 3), preactivation=False),
    "ResNet152": _keras((3, 8, 36, 3), preactivation=False),
    "ResNet50V2": _keras((3, 4, 6, 3), preactivation=True),
    "ResNet101V2": _keras((3, 4, 23, 3), preactivation=True),
    "ResNet152V2": _keras((3, 8, 36, 3), preactivation=True),
    "ResNet18": _torchvision((2, 2, 2, 2), bottleneck=False),
    "ResNet34": _torchvision((3, 4, 6, 3), bottleneck=False),
    "ResNet50V1.5": _torchvision((3, 4, 6, 3)),
    "ResNet101V1.5": _torchvision((3, 4, 23, 3)),
    "ResNet152V1.5": _torchvision((3, 8, 36, 3)),
    "WideResNet50": _torchvision((3, 4, 6, 3), width_factor=2),
    "ResNeXt50": _torchvision((3, 4, 6, 3), width_factor=2, groups=32),
    "ResNetV2-50": Architecture(partial(_build_timm_v2, blocks=(3, 4, 6, 3)), "timm", "tf"),
}
ARCHITECTURES = tuple(_ARCHITECTURES)


def get_architecture(name):
    """Return the `Architecture` of a name in `ARCHITECTURES`."""
    return _ARCHITECTURES[name]


@lru_cache
def layer_table(architecture, n_channels=3):
    """Return all layers of an architecture without its top, in their order.

    Parameters
    ----------
    architecture : str
        One of `ARCHITECTURES`.
    n_channels : int, default=3
        Number of channels of the images.

    Returns
    -------
    tuple of Layer
    """
    return _ARCHITECTURES[architecture].build(n_channels)
