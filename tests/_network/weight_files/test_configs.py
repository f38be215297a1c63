"""The config.json beside weights names networks whose tensors are those of a plain ResNet."""

import json
import re

import pytest
from safetensors.numpy import save_file
from state_dicts import make_state_dict

from sklearn_resnet._io.hashing import identify_file
from sklearn_resnet._network.weight_files import inspect_file
from sklearn_resnet._network.weight_files.configs import name_config_variant


def describe(folder, config, name="model.safetensors"):
    text = config if isinstance(config, str) else json.dumps(config)
    (folder / "config.json").write_text(text)
    return name_config_variant(str(folder / name))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"architecture": "resnetblur50"}, r"antialiased strides \(timm's 'resnetblur50'\)"),
        ({"architecture": "resnetaa50"}, "antialiased strides"),
        ({"downsample_in_bottleneck": True}, "first convolution"),
        ({"downsample_in_first_stage": True}, "a stride in its first stage"),
        ({"hidden_act": "gelu"}, "the activation 'gelu'"),
        ({"model_args": {"act_layer": "silu", "in_chans": 1}}, r"config.json \(act_layer\)"),
        ({"model_args": {"output_stride": 8}}, r"config.json \(output_stride\)"),
    ],
)
def test_variants_are_named(tmp_path, config, message):
    assert re.search(message, describe(tmp_path, config))
    assert re.search(message, describe(tmp_path, config, "pytorch_model.bin"))
    assert describe(tmp_path, config, "other.safetensors") == ""


@pytest.mark.parametrize(
    "config",
    [
        {"architecture": "resnet50", "num_classes": 0, "pretrained_cfg": {"mean": [0.5]}},
        {"model_type": "resnet", "hidden_act": "relu", "downsample_in_bottleneck": False},
        {"architecture": "resnet18", "model_args": {"in_chans": 13, "num_classes": 10}},
        {"architecture": None, "model_args": None},
        {"architecture": 5, "model_args": 8},
        "{]",
        "[" * 100_000,
        "[1]",
        "",
    ],
)
def test_other_configs_name_none(tmp_path, config):
    assert describe(tmp_path, config) == ""


def test_no_config_names_none(tmp_path):
    assert name_config_variant(str(tmp_path / "model.safetensors")) == ""
    assert name_config_variant("model.safetensors") == ""
    large = {"architecture": "resnetblur50", "padding": " " * 1_000_000}
    assert describe(tmp_path, large) == ""


def test_a_variant_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(make_state_dict(), path)
    describe(tmp_path, {"architecture": "resnetblur18"})
    message = (
        r"cannot be used: it is a ResNet with antialiased .*'resnetblur18'\), which is not supp"
    )
    with pytest.raises(ValueError, match=message):
        inspect_file(identify_file(path), "ResNet18")
