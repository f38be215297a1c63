"""Layers by index or name, and their costs."""

import difflib
import math
import numbers
import re
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from sklearn_resnet._network.architectures import ARCHITECTURES, get_architecture, layer_table
from sklearn_resnet._runtime.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd

_COST_SIZE = (224, 224)  # height and width of the image to which costs refer


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
            f"list_layers({architecture!r}) lists them.",
        )
    if isinstance(spec, str):
        name = _translate_stage(architecture, spec)
        matches = [layer for layer in table if name in (layer.name, layer.stage)]
        if matches:
            return matches[-1]
        raise ParameterError(
            parameter,
            f"must name a layer or a stage of {architecture}",
            repr(spec),
            f"list_layers({architecture!r}) lists them.",
            _suggest_layer(architecture, spec),
        )
    raise ParameterError(
        parameter,
        "must be None, an index, the name of a layer or a stage, or a list of these",
        repr(spec),
    )


def _translate_stage(architecture, spec):
    """Translate ``"conv4"``, the stage of the papers, to its name in an architecture."""
    number = re.fullmatch("conv([1-5])", spec)
    if number is None:
        return spec
    stage = int(number[1])
    names = {
        "keras": spec,
        "torchvision": f"layer{stage - 1}" if stage > 1 else spec,
        "timm": f"stages.{stage - 2}" if stage > 1 else "stem.conv",
    }
    return names[get_architecture(architecture).style]


def _suggest_layer(architecture, spec):
    known = _list_names(architecture)
    near = difflib.get_close_matches(spec.lower(), known, n=3)
    number = re.fullmatch(r"(?:layer)?[\s_]*(-?\d+)", spec.strip(), re.IGNORECASE)
    if spec.lower() not in near and (
        others := [a for a in ARCHITECTURES if spec in _list_names(a)]
    ):
        shown = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        return f"It is a name in {shown}: set architecture."
    if number and not (near and re.fullmatch(r"layer\d+", spec.lower())):
        near = [int(number[1])]
    return f"Did you mean {' or '.join(map(repr, near))}?" if near else ""


def _list_names(architecture):
    """List the names of stages and layers, each once."""
    table = layer_table(architecture)
    return list(dict.fromkeys(name for layer in table for name in (layer.stage, layer.name)))


def resolve_layers(architecture, layers, parameter="layers"):
    """Find the layers that a parameter names.

    Parameters
    ----------
    architecture : str
        One of `ARCHITECTURES`.
    layers : None, int, str, or iterable of int and str
        None is the last layer; an int is an index, counted from the end if negative; a str is
        the name of a layer, or of a stage for its last layer. ``"conv2"`` to ``"conv5"`` name the
        stages of every architecture.
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


def check_architecture(name):
    """Raise ParameterError unless an architecture has this name."""
    if name not in ARCHITECTURES:
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

    This needs neither Keras nor PyTorch nor weights.

    Parameters
    ----------
    architecture : str, default="ResNet50V2"
        Name of the network, as for `ResNetFeatures`; its top is left out.

    Returns
    -------
    layers : pandas.DataFrame
        One row for each layer, with the columns

        - ``index``: position in the network, as in ``ResNetFeatures(layers=82)``: in Keras'
          ``network.layers``, or in the order of execution of PyTorch;
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
    .. [3] S. Zagoruyko and N. Komodakis, "Wide Residual Networks", BMVC 2016.
    .. [4] S. Xie, R. Girshick, P. Dollár, Z. Tu and K. He, "Aggregated Residual
           Transformations for Deep Neural Networks", CVPR 2017 (ResNeXt).

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

    check_architecture(architecture)
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
