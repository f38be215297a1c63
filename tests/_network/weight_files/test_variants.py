"""Networks with nearly the names of a ResNet that compute otherwise are named."""

import re

import numpy as np
import pytest
from state_dicts import make_state_dict

from sklearn_resnet._network.weight_files.formats import Tensor
from sklearn_resnet._network.weight_files.key_styles import find_backbone
from sklearn_resnet._network.weight_files.variants import name_variant


def describe(state):
    """Name the variant of a state dict of arrays, or of shapes."""
    tensors = {key: Tensor(np.shape(array), "float32") for key, array in state.items()}
    backbone = find_backbone(tensors)
    named = {name: tensors[key] for name, key in backbone.keys.items()}
    return name_variant(named, {key: tensors[key] for key in backbone.others})


ARCHITECTURES = {
    "ResNet18": "layer2",
    "ResNet50V1.5": "layer1",
    "ResNeXt50": "layer1",
    "ResNetV2-50": "stages.0",
}
HEADS = {
    name: np.zeros(1)
    for name in (
        "fc.weight",
        "classifier.4.weight",
        "head.attn.weight",
        "projector.1.bias",
        "transformer.0.se.weight",
    )
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("prefix", ["", "module.backbone."])
def test_the_networks_of_the_layer_tables_are_no_variants(architecture, prefix):
    state = make_state_dict(architecture, ARCHITECTURES[architecture])
    state = {prefix + name: array for name, array in state.items()}
    assert describe(state | HEADS) == ""


def added(*names, shape=(8,)):
    return lambda state: state | dict.fromkeys(names, np.zeros(shape))


def without(pattern):
    return lambda state: {k: v for k, v in state.items() if not re.search(pattern, k)}


def renamed(pattern, replacement):
    return lambda state: {re.sub(pattern, replacement, k): v for k, v in state.items()}


def both(first, second):
    return lambda state: second(first(state))


# Names as in timm 1.0, CLIP, antialiased-cnns, peft and torch.ao
VARIANTS = {
    "group normalisation": (without("running_|num_batches"), "with group normalisation"),
    "SE": (added("layer1.0.se.fc1.weight", shape=(4, 64, 1, 1)), r"squeeze-excitation \(SE\)"),
    "SE of Cadene": (added("layer1.0.se_module.fc1.weight"), r"squeeze-excitation \(SE\)"),
    "ECA": (added("layer1.0.se.conv.weight", shape=(1, 1, 5)), r"channel attention \(ECA\)"),
    "CBAM": (added("layer1.0.ca.fc1.weight"), "with attention in its blocks"),
    "antialiased": (added("layer2.0.conv3.0.filt"), "with antialiased strides"),
    "antialiased pooling": (added("layer2.0.aa.weight"), "with antialiased strides"),
    "deep stem": (
        both(without(r"^conv1\."), added("conv1.0.weight", "conv1.3.weight")),
        "with a deep stem",
    ),
    "deep stem of the top level": (added("conv2.weight", "bn2.weight"), "with a deep stem"),
    "deep stem of mmsegmentation": (added("stem.0.weight"), "with a deep stem"),
    "CLIP": (
        added("attnpool.q_proj.weight", "conv2.weight", "bn2.weight"), r"CLIP's ModifiedResNet"
    ),
    "ResNet-D": (
        renamed(r"downsample\.(\d)", lambda m: f"downsample.{int(m[1]) + 1}"),
        r"average pooling in its shortcuts \(ResNet-D\)",
    ),
    "ResNet-D without norm": (
        both(
            without(r"downsample\."), added("layer2.0.downsample.1.weight", shape=(128, 64, 1, 1))
        ),
        r"average pooling in its shortcuts \(ResNet-D\)",
    ),
    "ResNeSt": (added("layer1.0.conv2.fc1.weight"), r"split attention \(ResNeSt\)"),
    "SKNet": (renamed(r"conv2\.weight", "conv2.paths.0.conv.weight"), r"selective kernels \(SKNet\)"),
    "Res2Net": (added("layer1.0.convs.0.weight"), "Res2Net"),
    "IBN": (renamed(r"bn1\.(weight|bias)", r"bn1.IN.\1"), r"instance normalisation \(IBN\)"),
    "CIFAR": (
        lambda state: state | {"conv1.weight": np.zeros((64, 3, 3, 3))}, r"stem of 3 x 3 .*\(CIFAR\)"
    ),
    "fused": (
        both(without(r"bn\d\.|downsample\.1"), added("conv1.bias")),
        r"normalisation is fused into its convolutions \('conv1.bias'\)",
    ),
    "bias": (added("layer1.0.conv2.bias"), r"have a bias \('layer1.0.conv2.bias'\)"),
    "bias of a shortcut": (added("layer2.0.downsample.0.bias"), "convolutions have a bias"),
    "no affine": (
        without(r"(bn\d|downsample\.1)\.(weight|bias)"), r"no scale and offset \(affine=False\)"
    ),
    "LoRA": (
        both(
            renamed(r"conv1\.weight", "conv1.base_layer.weight"),
            added("layer1.0.conv1.lora_A.default.weight"),
        ),
        "LoRA",
    ),
    "quantised": (added("layer1.0.conv1.scale", "layer1.0.conv1.zero_point"), "quantised weights"),
    "packed": (added("layer1.0.conv1._packed_params"), "quantised weights"),
    "observed": (added("layer1.0.conv1.weight_fake_quant.scale"), "quantised weights"),
    "weight normalisation": (renamed(r"conv1\.weight", "conv1.weight_g"), "reparametrised weights"),
    "parametrisation": (
        renamed(r"conv1\.weight", "conv1.parametrizations.weight.original0"), "reparametrised"
    ),
    "DeepLab": (
        both(renamed("^", "backbone."), added("classifier.0.convs.0.0.weight")),
        "dilated convolutions",
    ),
    "FCN": (
        both(renamed("^", "backbone."), added("classifier.0.weight", shape=(128, 512, 3, 3))),
        "dilated convolutions",
    ),
    "DeepLabV3+ of segmentation_models_pytorch": (
        both(renamed("^", "encoder."), added("decoder.aspp.0.convs.0.0.weight")),
        "dilated convolutions",
    ),
    "PAN of segmentation_models_pytorch": (
        both(renamed("^", "encoder."), added("decoder.fpa.branch1.1.conv.weight")),
        "dilated convolutions",
    ),
    "FCN with two heads": (added("aux_classifier.0.weight"), "dilated convolutions"),
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_are_named(variant):
    change, message = VARIANTS[variant]
    found = describe(change(make_state_dict("ResNet18", "layer2")))
    assert re.search(message, found), found


def test_variants_of_timms_version_2_are_named():
    state = make_state_dict("ResNetV2-50", "stages.0")
    found = describe(without("running_|num_batches")(state))
    assert "weight standardisation (BiT)" in found
    assert "deep stem" in describe(renamed(r"stem\.conv", "stem.conv1")(state))


def test_the_names_of_a_sequential_are_understood():
    state = make_state_dict("ResNet18", "layer1")
    numbers = {"conv1": "0", "bn1": "1", "layer1": "4"}
    state = {re.sub(r"^\w+", lambda m: numbers[m[0]], k): v for k, v in state.items()}
    assert describe(state) == ""
    assert "(SE)" in describe(state | {"4.0.se.fc1.weight": np.zeros(1)})
    assert "deep stem" in describe(state | {"0.3.weight": np.zeros(1)})
