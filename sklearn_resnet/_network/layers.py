"""Layer tables of Keras' ResNets: names, order, widths, strides and costs, without a network."""

import difflib
import math
import numbers
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from sklearn_resnet._runtime.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd

# Number of blocks in the stages conv2 to conv5, and whether activation comes first (version 2).
_ARCHITECTURES = {
    "ResNet50": ((3, 4, 6, 3), False),
    "ResNet101": ((3, 4, 23, 3), False),
    "ResNet152": ((3, 8, 36, 3), False),
    "ResNet50V2": ((3, 4, 6, 3), True),
    "ResNet101V2": ((3, 4, 23, 3), True),
    "ResNet152V2": ((3, 8, 36, 3), True),
}
ARCHITECTURES = tuple(_ARCHITECTURES)

_COST_SIZE = (224, 224)  # height and width of the image to which costs refer


@dataclass(frozen=True)
class Layer:
    """One layer of a network.

    Attributes
    ----------
    index : int
        Position in Keras' ``network.layers``.
    name : str
    kind : {"input", "pad", "conv", "bn", "relu", "pool", "add"}
    width : int
        Number of channels.
    stride : int
        Pixels of the image from one position of the output to the next.
    kernel : int
        Side of the window of a convolution or pooling, or, for padding, of the layer after it.
    weight_shapes : tuple of tuple of int
        Shapes of its weights, in Keras' order.
    inputs : tuple of int
        Indices of its input layers.
    ancestors : frozenset of int
        Indices of all layers that its output depends on, its own included.
    position_flop : int
        Floating-point operations of the layer alone, at each position of its output.
    """

    index: int
    name: str
    kind: str
    width: int
    stride: int
    kernel: int
    weight_shapes: tuple[tuple[int, ...], ...]
    inputs: tuple[int, ...]
    ancestors: frozenset[int]
    position_flop: int

    @property
    def stage(self):
        """The stage, the first part of the name: ``"conv3"`` of ``"conv3_block1_out"``."""
        return self.name.split("_")[0]

    @property
    def is_prefix(self):
        """Whether the output depends on all layers before this one."""
        return len(self.ancestors) == self.index + 1


class _Builder:
    """Collects layers in the order of calls, then sorts them as Keras does."""

    def __init__(self):
        self.inputs = {"input_layer": ()}
        self.properties = {"input_layer": ("input", 3, 1, 1, (), 0)}

    def add(self, kind, name, *inputs, width=None, kernel=1, stride=1, bias=True):
        _, input_width, input_stride, *_ = self.properties[inputs[0]]
        width = width or input_width
        stride = input_stride * stride
        weight_shapes, position_flop = (), 0
        if kind == "conv":
            weight_shapes = ((kernel, kernel, input_width, width), *([(width,)] * bias))
            position_flop = 2 * kernel**2 * input_width * width
        elif kind == "bn":
            weight_shapes = ((width,),) * 4
        self.inputs[name] = inputs
        self.properties[name] = (kind, width, stride, kernel, weight_shapes, position_flop)
        return name

    def layers(self):
        # Keras sorts by distance from the output and keeps layers at the same distance in the
        # order of a depth-first search, in which the functions below add them.
        distance = dict.fromkeys(self.inputs, 0)
        for name in reversed(self.inputs):
            for source in self.inputs[name]:
                distance[source] = max(distance[source], distance[name] + 1)
        names = sorted(self.inputs, key=lambda name: -distance[name])
        index = {name: i for i, name in enumerate(names)}
        inputs, ancestors = {}, {}
        for name in names:
            inputs[name] = tuple(index[source] for source in self.inputs[name])
            sources = (ancestors[source] for source in self.inputs[name])
            ancestors[name] = frozenset([index[name]]).union(*sources)
        return tuple(
            Layer(index[n], n, *properties, inputs[n], ancestors[n], position_flop)
            for n in names
            for *properties, position_flop in [self.properties[n]]
        )


def _add_block_v1(net, x, name, filters, stride, conv_shortcut):
    shortcut = x
    if conv_shortcut:
        shortcut = net.add("conv", f"{name}_0_conv", x, width=4 * filters, stride=stride)
        shortcut = net.add("bn", f"{name}_0_bn", shortcut)
    x = net.add("conv", f"{name}_1_conv", x, width=filters, stride=stride)
    x = net.add("bn", f"{name}_1_bn", x)
    x = net.add("relu", f"{name}_1_relu", x)
    x = net.add("conv", f"{name}_2_conv", x, width=filters, kernel=3)
    x = net.add("bn", f"{name}_2_bn", x)
    x = net.add("relu", f"{name}_2_relu", x)
    x = net.add("conv", f"{name}_3_conv", x, width=4 * filters)
    x = net.add("bn", f"{name}_3_bn", x)
    x = net.add("add", f"{name}_add", shortcut, x)
    return net.add("relu", f"{name}_out", x)


def _add_block_v2(net, x, name, filters, stride, conv_shortcut):
    preact = net.add("bn", f"{name}_preact_bn", x)
    preact = net.add("relu", f"{name}_preact_relu", preact)
    shortcut = x
    if conv_shortcut:
        shortcut = net.add("conv", f"{name}_0_conv", preact, width=4 * filters)
    elif stride > 1:
        # Keras numbers these layers
        number = sum(other.startswith("max_pooling2d") for other in net.inputs)
        pool_name = "max_pooling2d" + (f"_{number}" if number else "")
        shortcut = net.add("pool", pool_name, x, stride=stride)
    x = net.add("conv", f"{name}_1_conv", preact, width=filters, bias=False)
    x = net.add("bn", f"{name}_1_bn", x)
    x = net.add("relu", f"{name}_1_relu", x)
    x = net.add("pad", f"{name}_2_pad", x, kernel=3)
    x = net.add("conv", f"{name}_2_conv", x, width=filters, kernel=3, stride=stride, bias=False)
    x = net.add("bn", f"{name}_2_bn", x)
    x = net.add("relu", f"{name}_2_relu", x)
    x = net.add("conv", f"{name}_3_conv", x, width=4 * filters)
    return net.add("add", f"{name}_out", shortcut, x)


@lru_cache
def layer_table(architecture):
    """Return all layers of an architecture without its top, in Keras' order.

    Parameters
    ----------
    architecture : str
        One of `ARCHITECTURES`.

    Returns
    -------
    tuple of Layer
    """
    blocks, preactivation = _ARCHITECTURES[architecture]
    net = _Builder()
    x = net.add("pad", "conv1_pad", "input_layer", kernel=7)
    x = net.add("conv", "conv1_conv", x, width=64, kernel=7, stride=2)
    if not preactivation:
        x = net.add("bn", "conv1_bn", x)
        x = net.add("relu", "conv1_relu", x)
    x = net.add("pad", "pool1_pad", x, kernel=3)
    x = net.add("pool", "pool1_pool", x, kernel=3, stride=2)
    add_block = _add_block_v2 if preactivation else _add_block_v1
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
    return net.layers()


def count_gflop(table, layer, image_size=_COST_SIZE):
    """Count the operations for one image in a network cut at `layer`, in GFLOP.

    Parameters
    ----------
    table : tuple of Layer
    layer : Layer
    image_size : tuple of 2 int, default=(224, 224)
        Height and width of the image.

    Returns
    -------
    float
    """
    return sum(_count_flop(table[i], image_size) for i in layer.ancestors) / 1e9


def _count_flop(layer, image_size):
    # padding makes each stride round up
    height, width = (math.ceil(length / layer.stride) for length in image_size)
    return layer.position_flop * height * width


def ignored_layers(architecture, layer):
    """List the names of layers before `layer` that do not affect its output."""
    table = layer_table(architecture)
    return [other.name for other in table[: layer.index] if other.index not in layer.ancestors]


def warn_about_ignored_layers(architecture, layers):
    """Warn about each of `layers` whose output does not depend on all layers before it."""
    for layer in layers:
        ignored = ignored_layers(architecture, layer)
        if ignored:
            warnings.warn(
                f"Layer {layer.index} ({layer.name!r}) of {architecture} does not depend "
                f"on {len(ignored)} of the layers before it: {', '.join(ignored)}. "
                f"The nearest cuts that use all layers are {_list_nearest(architecture, layer)}.",
                stacklevel=4,
            )


def _list_nearest(architecture, layer):
    """Name the nearest layers on both sides whose output depends on all layers before them."""
    cuts = [other for other in layer_table(architecture) if other.is_prefix]
    before = [other for other in cuts if other.index < layer.index][-1:]
    after = [other for other in cuts if other.index > layer.index][:1]
    return " and ".join(f"{other.index} ({other.name!r})" for other in before + after)


def _resolve_one(table, architecture, parameter, spec):
    if isinstance(spec, numbers.Integral) and not isinstance(spec, (bool, np.bool_)):
        if -len(table) <= spec < len(table):
            return table[spec]
        raise ParameterError(
            parameter,
            f"must be an index from {-len(table)} to {len(table) - 1}, since {architecture} has "
            f"{len(table)} layers",
            str(spec),
            "list_layers() lists them.",
        )
    if isinstance(spec, str):
        matches = [layer for layer in table if spec in (layer.name, layer.stage)]
        if matches:
            return matches[-1]
        raise ParameterError(
            parameter,
            f"must name a layer or a stage of {architecture}",
            repr(spec),
            f"list_layers({architecture!r}) lists them.",
            _suggest_layer(table, spec),
        )
    raise ParameterError(
        parameter,
        "must be None, an index, the name of a layer or a stage, or a list of these",
        repr(spec),
    )


def _suggest_layer(table, spec):
    known = list(dict.fromkeys(name for layer in table for name in (layer.stage, layer.name)))
    number = re.fullmatch(r"(?:layer)?[\s_]*(-?\d+)", spec.strip(), re.IGNORECASE)
    near = [int(number[1])] if number else difflib.get_close_matches(spec.lower(), known, n=3)
    return f"Did you mean {' or '.join(map(repr, near))}?" if near else ""


def resolve_layers(architecture, layers, parameter="layers"):
    """Find the layers that a parameter names.

    Parameters
    ----------
    architecture : str
        One of `ARCHITECTURES`.
    layers : None, int, str, or iterable of int and str
        None is the last layer; an int is an index, counted from the end if negative; a str is
        the name of a layer, or of a stage for its last layer.
    parameter : str, default="layers"
        The parameter that errors name.

    Returns
    -------
    tuple of Layer

    Raises
    ------
    ParameterError
        If a layer does not exist or is named twice.
    """
    table = layer_table(architecture)
    if layers is None:
        return (table[-1],)
    is_list = isinstance(layers, Iterable) and not isinstance(layers, (str, bytes))
    each = layers if is_list else [layers]
    found = tuple(_resolve_one(table, architecture, parameter, la) for la in each)
    if not found:
        raise ParameterError(parameter, "must name at least one layer", "[]")
    for i, layer in enumerate(found):
        if layer in found[:i]:
            raise ParameterError(
                parameter,
                "must name each layer once",
                repr(layers),
                hint=f"Layer {layer.index} ({layer.name!r}) occurs twice.",
            )
    return found


def match_architecture(name):
    """Find an architecture by its name, ignoring case.

    Raises
    ------
    ParameterError
        If no architecture has this name.
    """
    for architecture in ARCHITECTURES:
        if architecture.lower() == str(name).lower():
            return architecture
    raise _unknown_architecture(name)


def _unknown_architecture(name):
    known = {architecture.lower(): architecture for architecture in ARCHITECTURES}
    near = difflib.get_close_matches(str(name).lower(), known, n=1)
    return ParameterError(
        "architecture",
        f"must be one of {', '.join(ARCHITECTURES)}",
        repr(name),
        hint=f"Did you mean {known[near[0]]!r}?" if near else "",
    )


def list_layers(architecture: str = "ResNet50V2") -> "pd.DataFrame":
    """List the layers at which a network can be cut.

    This needs neither Keras nor weights.

    Parameters
    ----------
    architecture : {"ResNet50", "ResNet101", "ResNet152", "ResNet50V2", "ResNet101V2", \
"ResNet152V2"}, default="ResNet50V2"
        Name of the network in `keras.applications`; its top is left out.

    Returns
    -------
    layers : pandas.DataFrame
        One row for each layer, with the columns

        - ``index``: position in Keras' ``network.layers``, as in
          ``ResNetFeatures(layers=82)``;
        - ``name``, ``stage`` (``"conv3"``), ``kind`` (input, pad, conv, bn, relu,
          pool or add);
        - ``width``: number of channels, which is the number of features after pooling;
        - ``stride``: pixels of the image from one position of the output to the next;
        - ``parameters``: number of weights of a network cut at this layer;
        - ``gflop``: 10^9 floating-point operations of its convolutions for one image of
          224 x 224 pixels; a multiplication and an addition count as two;
        - ``is_prefix``: whether the output depends on all layers before this one. If it
          does not, a cut at this layer ignores layers that a shallower cut uses.

    Raises
    ------
    ValueError
        If the architecture does not exist.

    See Also
    --------
    ResNetFeatures : Features of a network cut at any of these layers.
    LayerSearchDisplay : Score of a search against the depth of the cut.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren and J. Sun, "Deep Residual Learning for Image
           Recognition", CVPR 2016.
    .. [2] K. He, X. Zhang, S. Ren and J. Sun, "Identity Mappings in Deep Residual
           Networks", ECCV 2016 (version 2).

    Examples
    --------
    >>> from sklearn_resnet import list_layers
    >>> layers = list_layers().set_index("name")
    >>> print(layers.loc["conv3_block4_2_relu", ["index", "width", "stride"]].to_string())
    index      82
    width     128
    stride     16
    """
    import pandas as pd

    if architecture not in ARCHITECTURES:
        raise _unknown_architecture(architecture)
    table = layer_table(architecture)

    def parameters(layer):
        shapes = (shape for i in layer.ancestors for shape in table[i].weight_shapes)
        return sum(int(np.prod(shape)) for shape in shapes)

    return pd.DataFrame(
        {
            "index": layer.index,
            "name": layer.name,
            "stage": layer.stage,
            "kind": layer.kind,
            "width": layer.width,
            "stride": layer.stride,
            "parameters": parameters(layer),
            "gflop": count_gflop(table, layer),
            "is_prefix": layer.is_prefix,
        }
        for layer in table
    )
