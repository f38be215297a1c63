"""Names of tensors in the styles of libraries, their prefixes, and copies of a network in a file."""

import re

import pytest
from state_dicts import add_prefix, as_sequential, as_transformers, make_state_dict

from sklearn_resnet._network.weight_files.key_styles import (
    STYLES,
    TIMM_V2,
    TORCHVISION,
    describe_layout,
    find_backbone,
)

PLAIN = list(make_state_dict("ResNet50V1.5", "layer4"))


SPELLINGS = {
    "torchvision or timm": lambda name: name,
    "transformers": as_transformers,
    "torch.nn.Sequential": as_sequential,
}
PREFIXES = [
    "",
    "module.",
    "backbone.",
    "model.",
    "state_dict.model.",
    "module.base_encoder.",
    "module.encoder_q.",
    "classy_state_dict.base_model.model.trunk._feature_blocks.",
    "resnet.",
    "encoder.",
    "net.",
    "any.thing.4.at.all.",
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("source", SPELLINGS)
def test_names_are_translated_after_any_prefix(source, prefix):
    keys = [prefix + SPELLINGS[source](name) for name in PLAIN]
    heads = ["fc.weight", "head.mlp.0.weight", "classifier.1.bias"]
    backbone = find_backbone(heads + keys)
    assert (backbone.style.source, backbone.prefix) == (source, prefix)
    assert backbone.keys == dict(zip(PLAIN, keys, strict=True))
    assert list(backbone.others) == heads


def test_every_style_is_tested():
    assert {style.source for style in STYLES} == {*SPELLINGS, TIMM_V2.source}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_names_of_timms_version_2_are_kept(prefix):
    names = list(make_state_dict("ResNetV2-50", "norm"))
    backbone = find_backbone(prefix + name for name in [*names, "head.fc.weight"])
    assert (backbone.style, backbone.prefix) == (TIMM_V2, prefix)
    assert backbone.keys == {name: prefix + name for name in names}
    assert backbone.others == (f"{prefix}head.fc.weight",)


@pytest.mark.parametrize(
    ("kept", "left_out"),
    [
        ("teacher.backbone.", "student.module.backbone."),
        ("module.base_encoder.", "module.momentum_encoder."),
        ("module.encoder_q.", "module.encoder_k."),
        ("backbone.", "backbone_momentum."),
        ("backbone.", "momentum_backbone."),
        ("online_network.", "target_network."),
        ("state_dict_ema.", "state_dict."),
        ("model_ema.", "model."),
        ("ema_model.", "online_model."),
        ("state_dict.swa_model.module.", "state_dict.model."),
        ("model.module.model.", "model.module.attacker.model."),
        ("model.", "optimizer.exp_avg."),
    ],
)
@pytest.mark.parametrize("reverse", [False, True])
def test_of_copies_of_a_network_the_better_one_is_kept(kept, left_out, reverse):
    names = PLAIN[:20]
    keys = [prefix + name for prefix in (kept, left_out) for name in names]
    keys += [f"{left_out}fc.weight", "other.weight"]
    backbone = find_backbone(keys[::-1] if reverse else keys)
    assert backbone.prefix == kept
    assert backbone.keys == {name: kept + name for name in names}
    assert backbone.others == ("other.weight",)  # nothing of the copy


def test_a_copy_alone_is_taken():
    for prefix in ("student.", "module.momentum_encoder.", "module.encoder_k."):
        assert find_backbone(prefix + name for name in PLAIN).prefix == prefix


def test_several_networks_without_a_preference_are_an_error():
    keys = [prefix + name for prefix in ("left.", "", "right.") for name in PLAIN]
    message = "holds 3 ResNets, with the prefixes 'left.', 'no prefix', 'right.'; save one of them"
    with pytest.raises(ValueError, match=message):
        find_backbone(keys)


def test_one_prefix_with_two_styles_is_an_error():
    keys = [*PLAIN, *(as_sequential(name) for name in PLAIN)]
    with pytest.raises(ValueError, match="holds 2 ResNets"):
        find_backbone(keys)


def test_the_fourth_stage_is_no_child_of_a_sequential():
    names = [name for name in PLAIN if name.startswith(("layer1.", "layer4."))]
    assert find_backbone(names).style is TORCHVISION
    assert find_backbone(["layer4.0.conv1.weight"]) is None


def test_missing_names_are_spelled_as_in_the_file():
    assert (
        find_backbone(add_prefix(dict.fromkeys(PLAIN), "net.")).spell("bn1.bias") == "net.bn1.bias"
    )
    translated = find_backbone(map(as_transformers, PLAIN))
    assert translated.spell("bn1.bias") == "bn1.bias (torchvision's name)"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            ["root.conv.weight", "block1.unit01.conv1.weight"],
            "BiT, .* group normalisation, .*not supp",
        ),
        (["stages.0.0.conv1_1x1.conv.weight"], "ByobNet"),
        (["backbone.bottom_up.res2.0.conv1.weight"], "Detectron2"),
        (["patch_embed.proj.weight"], "a transformer, not a ResNet"),
        (["stages.0.blocks.0.conv_dw.weight"], "depthwise convolutions, not a ResNet"),
        (["features.denseblock1.denselayer1.norm1.weight"], "a DenseNet"),
        (["a", "b", "c", "d"], "it holds no ResNet: its tensors begin with 'a', 'b', 'c'"),
        (
            ["conv1.weight", "bn1.weight"],
            "it holds no ResNet: its tensors begin with 'conv1.weight'",
        ),
        ([], "begin with nothing"),
    ],
)
def test_other_layouts_are_named(keys, message):
    assert find_backbone(keys) is None
    assert re.search(message, describe_layout(keys))


def test_an_error_lists_the_first_of_many_networks():
    keys = [f"{i}.layer1.0.conv1.weight" for i in range(1000)]
    with pytest.raises(ValueError, match=r"holds 1000 ResNets, .*'9\.' and 990 more; save"):
        find_backbone(keys)
