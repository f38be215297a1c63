"""Styles in which libraries name the tensors of a ResNet, and the prefixes before the names.

Names are translated to those of torchvision (``layer1.0.conv1.weight``), or of timm's
resnetv2 (``stages.0.blocks.0.conv1.weight``), which are names in the layer tables as well.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """A style of names.

    Attributes
    ----------
    source : str
        The libraries that use it, as errors name them.
    anchor : str
        A pattern for the start of the names of the first convolution in the first block.
    renames : tuple of (str, str)
        Patterns and their replacements, which translate a name.
    inside : str
        A pattern for the names, translated, of all tensors in the backbone.
    """

    source: str
    anchor: str
    renames: tuple[tuple[str, str], ...] = ()
    inside: str = r"(conv|bn|layer)\d+\.|(stem|downsample)\."


def _renumber(pattern, template, numbers):
    """Return renames for each of some numbers; ``{new}`` and ``{old}`` stand for them."""
    return tuple(
        (pattern.format(old=old, new=new), template.format(old=old, new=new))
        for old, new in numbers
    )


_STAGES = [(i, i + 1) for i in range(4)]
_CHILDREN = [(i, i - 3) for i in range(4, 8)]  # after conv1, bn1, relu and maxpool

TORCHVISION = Style("torchvision or timm", r"layer1\.0\.conv1\.")
TIMM_V2 = Style(
    "timm's resnetv2",
    r"stages\.0\.blocks\.0\.conv1\.",
    inside=r"(stem|stages|norm)\.",
)
STYLES = (
    TORCHVISION,
    TIMM_V2,
    Style(
        "transformers",
        r"encoder\.stages\.0\.layers\.0\.layer\.0\.convolution\.",
        (
            (r"^embedder\.embedder\.convolution\.", "conv1."),
            (r"^embedder\.embedder\.normalization\.", "bn1."),
            *_renumber(r"^encoder\.stages\.{old}\.layers\.", "layer{new}.", _STAGES),
            (r"\.shortcut\.convolution\.", ".downsample.0."),
            (r"\.shortcut\.normalization\.", ".downsample.1."),
            *_renumber(r"\.layer\.{old}\.convolution\.", ".conv{new}.", _STAGES),
            *_renumber(r"\.layer\.{old}\.normalization\.", ".bn{new}.", _STAGES),
        ),
        inside=r"(conv|bn|layer)\d+\.|(embedder|encoder)\.",
    ),
    Style(
        "torch.nn.Sequential",
        r"4\.0\.conv1\.",
        (
            (r"^0\.", "conv1."),
            (r"^1\.", "bn1."),
            *_renumber(r"^{old}\.", "layer{new}.", _CHILDREN),
        ),
    ),
)

# If several copies of a network are in a file: those to keep, and those to leave out
_KEPT = ("state_dict_ema", "model_ema", "ema_model", "swa_model")
_LEFT_OUT = (
    "optimizer",
    "student",
    "momentum_encoder",
    "encoder_momentum",
    "encoder_k",
    "momentum_backbone",
    "backbone_momentum",
    "target_network",
    "target_encoder",
    "attacker",
)

_MAX_LISTED = 10  # copies of a network in an error

# Layouts that share no names with a ResNet
_OTHER_LAYOUTS = {
    r"block1\.unit01|^resnet/root_block": "BiT, a ResNet with weight "
    "standardisation and group normalisation, which is not supported",
    r"(^|\.)stages\.0\.0\.": "timm's ByobNet (such as CLIP's ResNets), which is not supported",
    r"(^|\.)res2\.0\.conv1\.": "Detectron2, which is not supported",
    r"(^|\.)layer1\.0\.(conv_a|convs)": "another kind of ResNet, which is not supported",
    r"patch_embed|class_embedding|cls_token|self_attn|\.attention\.": "a transformer, not a ResNet",
    r"conv_dw|dwconv|depthwise": "a network of depthwise convolutions, not a ResNet",
    r"denseblock1": "a DenseNet, not a ResNet",
}


@dataclass(frozen=True)
class Backbone:
    """A ResNet found in a file.

    Attributes
    ----------
    style : Style
    prefix : str
        Of all its keys: ``"module."``.
    keys : dict of str to str
        The key in the file by its name in the backbone, translated.
    others : tuple of str
        Keys of other tensors in the file.
    """

    style: Style
    prefix: str
    keys: dict[str, str]
    others: tuple[str, ...]

    def spell(self, name):
        """Spell the name of a missing tensor as in the file, or say that it is translated."""
        return f"{name} (torchvision's name)" if self.style.renames else self.prefix + name


def find_backbone(keys):
    """Find the ResNet among the tensors of a file.

    Parameters
    ----------
    keys : iterable of str

    Returns
    -------
    Backbone or None
        None if there is none.

    Raises
    ------
    ValueError
        If there are several, and none is preferred to the others. The message is a clause.
    """
    keys = list(keys)
    candidates = list(
        dict.fromkeys(
            (match[1], style)
            for style in STYLES
            for match in map(re.compile(rf"(|.*?\.){style.anchor}").match, keys)
            if match
        )
    )
    if not candidates:
        return None
    left = _prefer(candidates)
    if len(left) > 1:
        prefixes = [repr(prefix or "no prefix") for prefix, _ in left[:_MAX_LISTED]]
        more = f" and {len(left) - _MAX_LISTED} more" if len(left) > _MAX_LISTED else ""
        raise ValueError(
            f"it holds {len(left)} ResNets, with the prefixes {', '.join(prefixes)}{more}; "
            "save one of them to a file of its own"
        )
    [(prefix, style)] = left
    dropped = tuple(p for p, _ in candidates if p != prefix and not prefix.startswith(p))
    names = {}
    for key in keys:
        name = _translate(key.removeprefix(prefix), style) if key.startswith(prefix) else ""
        if re.match(style.inside, name):
            names[name] = key
    inside = set(names.values())
    others = [key for key in keys if key not in inside and not key.startswith(dropped)]
    return Backbone(style, prefix, names, tuple(others))


def describe_layout(keys):
    """Name the layout of a file without a ResNet, as far as it is known."""
    for pattern, layout in _OTHER_LAYOUTS.items():
        if any(re.search(pattern, key) for key in keys):
            return f"its names are those of {layout}"
    shown = ", ".join(map(repr, list(keys)[:3])) or "nothing"
    return f"it holds no ResNet: its tensors begin with {shown}"


def _translate(name, style):
    for pattern, replacement in style.renames:
        name = re.sub(pattern, replacement, name)
    return name


def _prefer(candidates):
    """Choose among copies of a network: the teacher before the student, for example."""
    for part in _KEPT:
        candidates = [c for c in candidates if part in c[0].split(".")] or candidates
    for part in _LEFT_OUT:
        candidates = [c for c in candidates if part not in c[0].split(".")] or candidates
    return candidates
