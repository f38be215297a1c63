"""State dicts held against architectures: shapes, missing and left-over tensors, channels."""

import numpy as np
import pytest
from state_dicts import add_prefix, make_state_dict

from sklearn_resnet._network.architectures import layer_table
from sklearn_resnet._network.weight_files import matching
from sklearn_resnet._network.weight_files.formats import Tensor
from sklearn_resnet._network.weight_files.key_styles import find_backbone


def load(state):
    """The backbone in a state dict, and its tensors by name."""
    tensors = {key: Tensor(array.shape, array.dtype.name) for key, array in state.items()}
    backbone = find_backbone(tensors)
    return backbone, {name: tensors[key] for name, key in backbone.keys.items()}


def mismatch(state, architecture):
    return matching.find_mismatch(*load(state), architecture)


STAGES = {
    "ResNet18": ("layer1", "layer2", "layer4"),
    "ResNet34": ("layer1", "layer4"),
    "ResNet50V1.5": ("layer1", "layer3"),
    "ResNeXt50": ("layer1", "layer2"),
    "WideResNet50": ("layer1",),
    "ResNetV2-50": ("stages.0", "stages.1"),
}


@pytest.mark.parametrize(("architecture", "stage"), [(a, s) for a in STAGES for s in STAGES[a]])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_file_may_end_after_any_stage(architecture, stage, prefix):
    state = make_state_dict(architecture, stage)
    backbone, tensors = load(add_prefix(state, prefix))
    assert matching.find_refusal("", backbone, tensors, {}) == ""
    assert matching.find_mismatch(backbone, tensors, architecture) == ""
    table = layer_table(architecture)
    n_covered = 1 + max(layer.index for layer in table if layer.stage == stage)
    assert matching.count_covered(tensors, table) == n_covered


def test_a_file_may_end_after_any_layer():
    state = make_state_dict("ResNet50V1.5")
    table = layer_table("ResNet50V1.5")
    ends = [la for la in table if la.weight_shapes and la.stage == "layer1"]
    for i, layer in enumerate(ends[1:], 1):
        later = {name for la in ends[i:] for name, _ in matching.list_tensors_of(la)}
        cut = {name: array for name, array in state.items() if name not in later}
        assert mismatch(cut, "ResNet50V1.5") == ""
        assert matching.count_covered(load(cut)[1], table) == layer.index


def test_counters_of_batches_may_be_missing():
    state = {k: v for k, v in make_state_dict().items() if "num_batches" not in k}
    assert mismatch(state, "ResNet18") == ""


@pytest.mark.parametrize("n_channels", [1, 2, 4, 13, 10_000])
@pytest.mark.parametrize("architecture", ["ResNet18", "ResNetV2-50"])
def test_any_number_of_channels_is_accepted(architecture, n_channels):
    name = "conv1.weight" if architecture == "ResNet18" else "stem.conv.weight"
    state = make_state_dict(architecture, STAGES[architecture][0])
    state[name] = np.broadcast_to(np.float32(0), (64, n_channels, 7, 7))
    assert mismatch(state, architecture) == ""
    assert matching.count_channels(load(state)[1]) == n_channels


@pytest.mark.parametrize("shape", [(64, 0, 7, 7), (64, 10_001, 7, 7), (64, 3, 5, 5), (64, 3), ()])
def test_another_stem_is_an_error(shape):
    state = make_state_dict()
    state["conv1.weight"] = np.broadcast_to(np.float32(0), shape)
    found = mismatch(add_prefix(state, "net."), "ResNet18")
    assert found.startswith("the tensor 'net.conv1.weight' must have the shape (64, ")
    assert found.endswith(f"not {shape}")


def test_tensors_of_other_shapes_are_named():
    state = add_prefix(make_state_dict(), "net.")
    state["net.layer1.1.bn2.bias"] = np.zeros(63, np.float32)
    assert mismatch(state, "ResNet18") == (
        "the tensor 'net.layer1.1.bn2.bias' must have the shape (64,), not (63,)"
    )
    found = mismatch(make_state_dict("ResNet18", "layer4"), "ResNet50V1.5")
    assert found.startswith(
        "the tensor 'layer1.0.conv1.weight' must have the shape (64, 64, 1, 1), not (64, 64, 3, 3); "
    )
    assert found.endswith(" more")


def test_grouped_convolutions_are_told_by_their_shapes():
    assert "'layer1.0.conv2.weight' must have the shape (128, 128, 3, 3), not (128, 4, 3, 3)" in (
        mismatch(make_state_dict("ResNeXt50"), "WideResNet50")
    )


def test_tensors_that_the_architecture_lacks_are_named():
    state = make_state_dict() | {"layer1.0.extra.weight": np.zeros(3)}
    found = mismatch(add_prefix(state, "net."), "ResNet18")
    assert found == "it holds 'net.layer1.0.extra.weight', which ResNet18 lacks"
    found = mismatch(make_state_dict("ResNet34", "layer1"), "ResNet18")
    assert found.startswith(
        "it holds 'layer1.2.conv1.weight', 'layer1.2.bn1.weight', 'layer1.2.bn1."
    )
    assert found.endswith("and 7 more, which ResNet18 lacks")


@pytest.mark.parametrize(
    ("missing", "shown"),
    [
        (["conv1.weight"], "it lacks 'net.conv1.weight'"),
        (["layer1.1.bn1.bias"], "it lacks 'net.layer1.1.bn1.bias'"),
        (["layer1.1.bn2.running_var"], "it lacks 'net.layer1.1.bn2.running_var'"),  # the last one
        (
            ["bn1.weight", "layer1.0.conv2.weight"],
            "it lacks 'net.bn1.weight', 'net.layer1.0.conv2.",
        ),
    ],
)
def test_holes_are_listed(missing, shown):
    state = {name: array for name, array in make_state_dict().items() if name not in missing}
    found = mismatch(add_prefix(state, "net."), "ResNet18")
    assert found.startswith(shown)
    assert found.count("'net.") == len(missing)


def test_a_deeper_network_lacks_the_blocks_of_the_file():
    found = mismatch(make_state_dict("ResNet18", "layer2"), "ResNet34")
    assert found.startswith("it lacks 'layer1.2.conv1.weight', ")


def test_the_style_of_the_names_decides_on_the_family():
    """The shapes of Keras' ResNet50 and of torchvision's are equal, and the strides are not."""
    found = mismatch(make_state_dict("ResNet50V1.5"), "ResNet50")
    assert found == (
        "its tensors are named as by torchvision or timm, with the stride of a bottleneck in its "
        "3 x 3 ('conv1.weight')"
    )
    assert "as by timm's resnetv2 ('stem.conv.weight')" in mismatch(
        make_state_dict("ResNetV2-50", "stages.0"), "ResNet50V1.5"
    )
    assert "as by torchvision or timm" in mismatch(make_state_dict("ResNet50V1.5"), "ResNetV2-50")


@pytest.mark.parametrize("dtype", ["int8", "int64", "bool", "uint8"])
def test_other_types_are_refused(dtype):
    state = make_state_dict()
    state["bn1.bias"] = state["bn1.bias"].astype(dtype)
    found = matching.find_refusal("", *load(add_prefix(state, "net.")), {})
    assert found == (
        f"the tensor 'net.bn1.bias' must be of type float16 or bfloat16 or float32 or float64, not {dtype}"
    )


def test_known_heads_need_no_warning():
    heads = [
        "fc.weight",
        "head.mlp.2.weight",
        "module.projection_head.0.weight",
        "module.prototypes.weight",
        "module.predictor.1.bias",
        "module.queue",
        "module.queue_ptr",
        "projector.0.weight",
        "classifier.1.weight",
        "module.bn.running_mean",
        "momentum_encoder.fc.weight",
        "loss.center",
        "dino_loss.center",
        "n_averaged",
        "optimizer.state.0.exp_avg",
        "classy_state_dict.base_model.model.heads.0.clf.weight",
        "backbone.8.weight",
        "logit_scale",
    ]
    assert matching.list_unknown(heads) == []
    unknown = ["neck.0.weight", "fcn.weight", "decoder.layer1.weight", "backbone.fpn.weight"]
    assert matching.list_unknown([*heads, *unknown]) == unknown
