"""Files and architectures: errors, warnings, fingerprints and arrays."""

import hashlib
import os
import warnings

import numpy as np
import pytest
from safetensors.numpy import save_file
from state_dicts import (
    add_prefix,
    as_sequential,
    as_transformers,
    make_state_dict,
    write_typed,
)

from sklearn_resnet._io.hashing import identify_file
from sklearn_resnet._network.architectures import layer_table
from sklearn_resnet._network.weight_files import FileContents, inspect_file, read_arrays
from sklearn_resnet._network.weights import find_weights


@pytest.fixture
def save(tmp_path):
    """Write a state dict, and return the path."""

    def write(state, name="a.safetensors"):
        save_file(state, tmp_path / name)
        return str(tmp_path / name)

    return write


def inspect(path, architecture="ResNet18"):
    return inspect_file(identify_file(path), architecture)


def floats_as(state, dtype):
    return {k: v.astype(dtype) if v.dtype.kind == "f" else v for k, v in state.items()}


def write_bfloat16(path, state):
    halves = {
        name: (
            (array.astype(np.float32).view(np.uint32) >> 16).astype("<u2").tobytes(),
            array.shape,
        )
        for name, array in state.items()
    }
    return write_typed(path, {k: (v, list(shape)) for k, (v, shape) in halves.items()}, "BF16")


def expect(state, layer):
    """The arrays of a layer in Keras' order and form."""
    name = layer.name.removesuffix(".bn")
    if layer.kind == "conv":
        return [np.moveaxis(state[f"{name}.weight"], (0, 1), (3, 2))]
    return [state[f"{name}.{each}"] for each in ("weight", "bias", "running_mean", "running_var")]


@pytest.mark.parametrize(
    ("architecture", "last"),
    [("ResNet18", "layer2"), ("ResNeXt50", "layer1"), ("ResNetV2-50", "stages.0")],
)
@pytest.mark.parametrize("n_channels", [1, 3, 13])
def test_arrays_are_in_the_order_and_form_of_keras(save, architecture, last, n_channels):
    state = make_state_dict(architecture, last, n_channels)
    path = save(add_prefix(state, "module."))
    contents = inspect(path, architecture)
    assert contents.n_channels == n_channels
    covered = layer_table(architecture, n_channels)[: contents.n_layers]
    found = read_arrays(path, architecture, {layer.name for layer in covered})
    assert list(found) == [layer.name for layer in covered if layer.weight_shapes]
    for layer in (layer for layer in covered if layer.weight_shapes):
        for array, shape, expected in zip(
            found[layer.name], layer.weight_shapes, expect(state, layer), strict=True
        ):
            assert (array.shape, array.dtype) == (shape, np.float32)
            np.testing.assert_array_equal(array, expected)


def test_only_the_layers_asked_for_are_returned(save):
    path = save(make_state_dict())
    assert read_arrays(path, "ResNet18", {"relu", "bn1"}).keys() == {"bn1"}
    assert read_arrays(path, "ResNet18", set()) == {}


def test_copies_of_the_same_weights_have_one_fingerprint(save, tmp_path):
    state = make_state_dict()
    first = inspect(save(state))
    assert first == FileContents(19, 3, first.fingerprint)
    copies = [
        save(dict(reversed(state.items())), "reversed.safetensors"),
        save(floats_as(state, np.float16), "half.safetensors"),
        save(floats_as(state, np.float64), "double.safetensors"),
        save(add_prefix(state, "state_dict.module.encoder_q."), "prefix.safetensors"),
        save({as_transformers(k): v for k, v in state.items()}, "transformers.safetensors"),
        save(
            {f"backbone.{as_sequential(k)}": v for k, v in state.items()}, "sequential.safetensors"
        ),
        save(state | {"fc.weight": np.ones(3), "fc.bias": np.ones(3)}, "head.safetensors"),
        write_bfloat16(tmp_path / "bfloat16.safetensors", state),
        str(tmp_path / "a.npz"),
    ]
    np.savez(copies[-1], **state)
    for path in copies:
        assert inspect(path) == first, path


def test_other_weights_have_other_fingerprints(save):
    state = make_state_dict()
    fingerprints = {inspect(save(state)).fingerprint}
    for i, name in enumerate(("conv1.weight", "layer1.0.bn2.running_var", "layer1.1.bn2.bias")):
        changed = state[name].copy()
        changed.ravel()[-1] += 2**-20
        fingerprints.add(inspect(save(state | {name: changed}, f"{i}.safetensors")).fingerprint)
    swapped = state | {"bn1.weight": state["bn1.bias"], "bn1.bias": state["bn1.weight"]}
    fingerprints.add(inspect(save(swapped, "swapped.safetensors")).fingerprint)
    deeper = make_state_dict("ResNet18", "layer2")
    fingerprints.add(inspect(save(deeper, "deeper.safetensors")).fingerprint)
    assert len(fingerprints) == 6


def test_a_fingerprint_is_a_hash_of_names_shapes_and_numbers(save):
    state = make_state_dict()
    digest = hashlib.sha256()
    for layer in layer_table("ResNet18")[:19]:
        names = {"conv": ("weight",), "bn": ("weight", "bias", "running_mean", "running_var")}
        for each in names.get(layer.kind, ()):
            array = state[f"{layer.name}.{each}"]
            digest.update(f"{layer.name} {array.shape}\n".encode() + array.tobytes())
    assert inspect(save(state)).fingerprint == f"sha256:{digest.hexdigest()}"


def test_a_file_is_read_once(save):
    path = save(make_state_dict())
    identity = identify_file(path)
    first = inspect_file(identity, "ResNet18")
    os.remove(path)
    assert inspect_file(identity, "ResNet18") is first


@pytest.mark.parametrize(
    ("state", "architecture", "message"),
    [
        (("ResNet18", "layer2"), "ResNet50V1.5", r"They fit ResNet18\. Pass architecture='ResNet18'\.$"),
        (("ResNet34", "layer2"), "ResNet18", r"They fit ResNet34\. Pass architecture='ResNet34'\.$"),
        (
            ("ResNet50V1.5", "layer1"), "ResNet50",
            r"3 x 3 .*They fit ResNet50V1.5 or ResNet101V1.5 or ResNet152V1.5\. "
            r"Pass architecture='ResNet50V1.5' or another of them\.$",
        ),
        (("ResNeXt50", "layer1"), "ResNet50V2", r"Pass architecture='ResNeXt50'\.$"),
        (("WideResNet50", "layer1"), "ResNeXt50", r"Pass architecture='WideResNet50'\.$"),
        (("ResNetV2-50", "stages.0"), "ResNet50V2", r"Pass architecture='ResNetV2-50'\.$"),
    ],
)  # fmt: skip
def test_the_right_architecture_is_named(save, state, architecture, message):
    path = save(make_state_dict(*state))
    with pytest.raises(ValueError, match=message) as error:
        find_weights(architecture, path, None)
    named = f"the weights file {path!r}, which does not hold weights of {architecture}: "
    assert named in str(error.value)


def test_a_file_that_fits_no_architecture_is_an_error(save):
    state = make_state_dict()
    del state["bn1.bias"]
    with pytest.raises(ValueError, match=r"a\.safetensors' .* of ResNet18: it lacks 'bn1.bias'\.$"):
        inspect(save(state))


def test_variants_and_several_networks_are_errors(save):
    state = make_state_dict()
    refused = r"^The weights file '.*a\.safetensors' cannot be used: "
    with pytest.raises(
        ValueError, match=refused + r"it is a ResNet with squeeze-excitation \(SE\), w"
    ):
        inspect(save(state | {"layer1.0.se.fc1.weight": np.zeros(3)}))
    with pytest.raises(
        ValueError, match=refused + "it holds 2 ResNets, with the prefixes 'a.', 'b.'"
    ):
        inspect(save(add_prefix(state, "a.") | add_prefix(state, "b.")))
    with pytest.raises(ValueError, match=refused + "its names are those of a transformer"):
        inspect(save({"patch_embed.proj.weight": np.zeros(3)}))


def test_other_tensors_are_named_in_one_warning(save):
    state = add_prefix(make_state_dict(), "backbone.")
    heads = {"fc.weight": np.zeros(3), "module.queue": np.zeros(3)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inspect(save(state | heads))
    others = {f"neck.{i}.weight": np.zeros(3) for i in range(5)}
    path = save(state | heads | others, "b.safetensors")
    message = (
        r"b\.safetensors' holds tensors besides the network, which are ignored: "
        r"'neck.0.weight', 'neck.1.weight', 'neck.2.weight' and 2 more\.$"
    )
    with pytest.warns(UserWarning, match=message) as caught:
        inspect(path)
    assert [w.filename for w in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inspect(path)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("layer1.0.conv2.weight", np.nan, "NaN or infinity"),
        ("bn1.bias", -np.inf, "NaN or infinity"),
        ("bn1.weight", 1e300, "NaN or infinity"),  # in float32
        ("layer1.1.bn2.running_var", -0.5, "negative variances"),
    ],
)
def test_numbers_that_break_every_feature_are_an_error(save, name, value, problem):
    state = make_state_dict()
    state[name] = state[name].astype(np.float64)
    state[name].flat[-1] = value
    path = save(add_prefix(state, "module."))
    with pytest.raises(ValueError, match=rf"'module\.{name}' holds {problem}"):
        inspect(path)


def test_zeros_and_negative_means_are_no_error(save):
    state = make_state_dict()
    state["bn1.running_var"][:3] = 0
    state["bn1.running_mean"][:3] = -1
    assert inspect(save(state)).n_layers == 19
