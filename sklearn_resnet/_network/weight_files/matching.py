"""Files with PyTorch's names of tensors, held against an architecture."""

import re

from sklearn_resnet._network.architectures import get_architecture, layer_table
from sklearn_resnet._network.weight_files.configs import name_config_variant
from sklearn_resnet._network.weight_files.key_styles import TIMM_V2
from sklearn_resnet._network.weight_files.variants import name_variant

MAX_CHANNELS = 10_000  # a damaged or hostile file may claim any number
FLOATS = ("float16", "bfloat16", "float32", "float64")
_MAX_LISTED = 3
_STATISTICS = ("weight", "bias", "running_mean", "running_var")

# Tensors outside the backbone that need no warning: heads, other copies of it, states of training
_KNOWN_OTHERS = (
    r"(^|\.)(fc\d*|\w*heads?(_\w+)?|classifiers?|last_linear|logits?|linear|attnpool|pooler|global_pool|"
    r"avgpool|proj\w*|prototypes\d*|predictor\w*|pred|mlp|bn|bt|queue\w*|\w*momentum\w*|"
    r"\w*optimizer\w*|\w*scheduler\w*|\w*scaler|\w*loss\w*|\w*criterion|encoder_k|teacher|student|"
    r"n_averaged|target_\w+|online_\w+|\w+_ema|ema|attacker|normalizer|normalize|logit_scale|temperature|"
    r"num_batches_tracked|\w*queue_ptr|\w*rng_state\w*|epoch|8|9|1\d)(\.|$)"
)


def list_tensors_of(layer):
    """List the names of a layer's tensors and their shapes in PyTorch, in Keras' order."""
    name = layer.name.removesuffix(".bn")  # timm's module is batch normalisation with an activation
    if layer.kind == "bn":
        return [
            (f"{name}.{each}", shape)
            for each, shape in zip(_STATISTICS, layer.weight_shapes, strict=True)
        ]
    return [
        (f"{name}.{each}", shape[-1:] + shape[-2:-1] + shape[:-2])
        for each, shape in zip(("weight", "bias"), layer.weight_shapes, strict=False)
    ]


def count_channels(tensors):
    """Return the number of channels that the first convolution takes; 3 if that is unclear."""
    stem = tensors.get("conv1.weight") or tensors.get("stem.conv.weight")
    is_clear = stem and len(stem.shape) == 4 and 0 < stem.shape[1] <= MAX_CHANNELS
    return stem.shape[1] if is_clear else 3


def find_refusal(path, backbone, tensors, others):
    """Describe why no architecture fits a backbone; "" if one may."""
    variant = name_variant(tensors, others) or name_config_variant(path)
    if variant:
        return f"it is a ResNet {variant}, which is not supported"
    for name, tensor in tensors.items():
        if tensor.dtype not in FLOATS and not name.endswith(".num_batches_tracked"):
            return (
                f"the tensor {backbone.keys[name]!r} must be of type {' or '.join(FLOATS)}, not "
                f"{tensor.dtype}"
            )
    return ""


def find_mismatch(backbone, tensors, architecture):
    """Describe how a backbone differs from an architecture; "" if they agree."""
    style = "timm" if backbone.style is TIMM_V2 else "torchvision"
    if get_architecture(architecture).style != style:
        key = next(key for name, key in backbone.keys.items() if "conv" in name)
        where = "" if style == "timm" else ", with the stride of a bottleneck in its 3 x 3"
        return f"its tensors are named as by {backbone.style.source}{where} ({key!r})"
    table = layer_table(architecture, count_channels(tensors))
    expected = {name: shape for layer in table for name, shape in list_tensors_of(layer)}
    wrong = [
        f"{backbone.keys[name]!r} must have the shape {shape}, not {tensors[name].shape}"
        for name, shape in expected.items()
        if name in tensors and tensors[name].shape != shape
    ]
    if wrong:
        return f"the tensor {shorten(wrong, '; ')}"
    spare = [
        repr(backbone.keys[name])
        for name in tensors
        if name not in expected and not name.endswith(".num_batches_tracked")
    ]
    if spare:
        return f"it holds {shorten(spare)}, which {architecture} lacks"
    missing = _list_missing(tensors, table)
    if missing:
        spelled = shorten([repr(backbone.spell(name)) for name in missing])
        return f"it lacks {spelled}"
    return ""


def _list_missing(tensors, table):
    """List the tensors missing before the end of the file, which may be between any two layers."""
    names = [[name for name, _ in list_tensors_of(layer)] for layer in table]
    last = max(i for i in range(len(names)) if i == 0 or any(n in tensors for n in names[i]))
    return [name for each in names[: last + 1] for name in each if name not in tensors]


def count_covered(tensors, table):
    """Count the layers, from the first, whose tensors are all there."""
    missing = (
        layer.index
        for layer in table
        if any(name not in tensors for name, _ in list_tensors_of(layer))
    )
    return next(missing, len(table))


def list_unknown(others):
    """List the keys outside the backbone that are of no known head."""
    return [key for key in others if not re.search(_KNOWN_OTHERS, key)]


def shorten(items, separator=", "):
    """Join the first items of a list, and count the others."""
    items = list(items)
    rest = len(items) - _MAX_LISTED
    shown = separator.join(items[:_MAX_LISTED])
    return f"{shown} and {rest} more" if rest > 0 else shown
