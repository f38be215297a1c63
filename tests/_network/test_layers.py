"""The layer table against Keras, and the many ways to name a layer."""

import re

import numpy as np
import pytest

from sklearn_resnet import list_layers
from sklearn_resnet._network.architectures import ARCHITECTURES, get_architecture, layer_table
from sklearn_resnet._network.layers import (
    count_gflop,
    ignored_layers,
    match_architecture,
    resolve_layers,
    warn_about_ignored_layers,
)

KINDS = {
    "InputLayer": "input",
    "ZeroPadding2D": "pad",
    "Conv2D": "conv",
    "BatchNormalization": "bn",
    "Activation": "relu",
    "MaxPooling2D": "pool",
    "Add": "add",
}


@pytest.mark.parametrize(
    "architecture",
    [
        a if "50" in a else pytest.param(a, marks=pytest.mark.long)
        for a in ARCHITECTURES
        if get_architecture(a).style == "keras"
    ],
)
def test_table_equals_keras(architecture):
    import keras

    network = getattr(keras.applications, architecture)(
        include_top=False, weights=None, input_shape=(224, 224, 3)
    )
    table = layer_table(architecture)
    assert len(table) == len(network.layers)
    ancestors = list_keras_ancestors(network)
    for layer, keras_layer in zip(table, network.layers, strict=True):
        # Keras numbers the layers that it does not name in the order they are made in a process.
        unnumbered = [re.sub(r"^(input_layer|max_pooling2d)(_\d+)?$", r"\1", name)
                      for name in (layer.name, keras_layer.name)]  # fmt: skip
        assert unnumbered[0] == unnumbered[1]
        assert layer.kind == KINDS[type(keras_layer).__name__]
        assert layer.width == keras_layer.output.shape[-1]
        assert layer.weight_shapes == tuple(tuple(w.shape) for w in keras_layer.weights)
        if layer.kind != "pad":
            assert 224 // layer.stride == keras_layer.output.shape[1]
        assert layer.ancestors == ancestors[layer.index]
        assert layer.is_prefix == (ancestors[layer.index] == set(range(layer.index + 1)))


@pytest.mark.parametrize(
    ("architecture", "n_blocks", "ends"),
    [
        ("ResNet50", 16, ("conv2_block1_out", "conv5_block3_out")),
        ("ResNet101V2", 33, ("conv2_block1_out", "conv5_block3_out")),
        ("ResNet18", 8, ("layer1.0.relu_1", "layer4.1.relu_1")),
        ("ResNet50V1.5", 16, ("layer1.0.relu_2", "layer4.2.relu_2")),
        ("ResNetV2-50", 16, ("stages.0.blocks.0.add", "stages.3.blocks.2.add")),
    ],
)
def test_layers_know_their_block(architecture, n_blocks, ends):
    blocks = {layer.block: layer for layer in layer_table(architecture) if layer.block}
    assert len(blocks) == n_blocks
    last = [layer.name for layer in blocks.values()]
    assert (last[0], last[-1]) == ends
    assert all(layer.kind in ("add", "relu") for layer in blocks.values())


def list_keras_ancestors(network):
    """By the index of a layer, the indices of all layers that its output depends on."""
    index = {layer.name: i for i, layer in enumerate(network.layers)}
    ancestors = []
    for i, config in enumerate(network.get_config()["layers"]):
        histories = re.findall(r"'keras_history': \['(\w+)'", str(config["inbound_nodes"]))
        ancestors.append({i}.union(*(ancestors[index[name]] for name in histories)))
    return ancestors


def test_ancestors_equal_those_of_a_cut_keras_network():
    import keras

    network = keras.applications.ResNet50V2(include_top=False, weights=None)
    frame = list_layers()
    for index in range(1, 190, 7):
        cut = keras.Model(network.input, network.layers[index].output)
        kept = {network.layers.index(layer) for layer in cut.layers}
        assert layer_table("ResNet50V2")[index].ancestors == kept
        assert frame.loc[index, "parameters"] == cut.count_params()


def test_known_figures():
    frame = list_layers()
    assert frame.shape == (190, 9)
    assert frame.loc[82, "name"] == "conv3_block4_2_relu"
    assert frame.loc[[82, 85, 153, 189], "width"].tolist() == [128, 512, 1024, 2048]
    assert frame.loc[153, "parameters"] == 8_573_440
    # 3.5 G multiplications for the whole network, as published for ResNet50V2 without its top
    assert frame.loc[189, "gflop"] == pytest.approx(2 * 3.48, rel=0.01)
    assert (list_layers("ResNet50")["gflop"].iloc[-1]) == pytest.approx(2 * 3.86, rel=0.01)


def test_a_cut_that_ignores_layers_costs_no_more_than_what_it_uses():
    frame = list_layers()
    # from the pooling of conv3_block3_out alone: the convolutions of block 4 are not computed
    assert frame.loc[83, "gflop"] == frame.loc[74, "gflop"] < frame.loc[82, "gflop"]
    # a convolution costs two operations for each of its weights and positions
    difference = frame.loc[82, "gflop"] - frame.loc[74, "gflop"]
    positions = [(28, 512 * 128), (14, 9 * 128 * 128)]
    assert difference == pytest.approx(sum(2 * n * side**2 for side, n in positions) / 1e9)


@pytest.mark.parametrize(
    ("size", "positions"),
    [((224, 224), 112 * 112), ((8, 8), 4 * 4), ((33, 20), 17 * 10), ((1, 1), 1)],
)
def test_the_cost_of_one_convolution(size, positions):
    table = layer_table("ResNet50V2")
    assert (table[2].name, table[2].kernel) == ("conv1_conv", 7)
    # 7 x 7 weights for each of 3 x 64 channels, an addition and a multiplication each
    assert count_gflop(table, table[2], size) == pytest.approx(
        2 * 7 * 7 * 3 * 64 * positions / 1e9, rel=1e-12
    )
    assert count_gflop(table, table[1], size) == 0


def test_the_cost_is_that_of_imagenet_unless_a_size_is_given():
    table, frame = layer_table("ResNet101V2"), list_layers("ResNet101V2")
    for layer in table[::17]:
        assert count_gflop(table, layer) == frame.loc[layer.index, "gflop"]
        at_448 = count_gflop(table, layer, (448, 448))
        assert at_448 == pytest.approx(4 * frame.loc[layer.index, "gflop"])
        assert count_gflop(table, layer, (32, 96)) == count_gflop(table, layer, (96, 32))


@pytest.mark.long
@pytest.mark.parametrize("architecture", ["ResNet50", "ResNet50V2"])
@pytest.mark.parametrize("size", [(33, 50), (64, 97), (35, 35)])
def test_costs_equal_those_of_keras_at_odd_sizes(architecture, size):
    import keras

    network = getattr(keras.applications, architecture)(
        include_top=False, weights=None, input_shape=(*size, 3)
    )
    flop = {
        i: 2 * np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:3])
        for i, layer in enumerate(network.layers)
        if isinstance(layer, keras.layers.Conv2D)
    }
    table, ancestors = layer_table(architecture), list_keras_ancestors(network)
    for layer in table:
        expected = sum(flop.get(i, 0) for i in ancestors[layer.index]) / 1e9
        assert count_gflop(table, layer, size) == pytest.approx(expected, rel=1e-12)


def test_a_cut_that_is_no_prefix():
    table = layer_table("ResNet50V2")
    assert table[82].is_prefix
    assert not table[83].is_prefix
    ignored = ignored_layers("ResNet50V2", table[83])
    assert len(ignored) == 9
    assert ignored[-1] == "conv3_block4_2_relu"
    assert ignored_layers("ResNet50V2", table[85]) == []


@pytest.mark.parametrize(
    ("spec", "indices"),
    [
        (None, [189]),
        (82, [82]),
        (np.int64(82), [82]),
        (0, [0]),
        (-1, [189]),
        (-190, [0]),
        ("conv3_block4_2_relu", [82]),
        ("conv3", [85]),
        ("conv1", [2]),
        ("post", [189]),
        ([51, "conv3_block4_2_relu"], [51, 82]),
        ((85, 16), [85, 16]),
        (np.array([16, 51]), [16, 51]),
    ],
)
def test_resolve_layers(spec, indices):
    assert [layer.index for layer in resolve_layers("ResNet50V2", spec)] == indices


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (190, r"from -190 to 189.*Got 190"),
        (-191, r"Got -191"),
        ("conv3_blok4_2_relu", r"Did you mean 'conv3_block4_2_relu'"),
        ("conv8", r"Did you mean .*'conv"),
        ("82", r"Did you mean 82"),
        ("Layer 82", r"Did you mean 82"),
        ("CONV3_BLOCK4_2_RELU", r"Did you mean 'conv3_block4_2_relu'"),
        ([82, 16, -108], r"Layer 82 .* occurs twice"),
        ("zzz", r"Got 'zzz' instead. list_layers"),
        (8.5, r"Got 8.5"),
        (True, r"Got True"),
        ([], r"at least one layer"),
        ([82, "conv3_block4_2_relu"], r"Layer 82 .* occurs twice"),
        ([[82]], r"Got \[82\] instead"),
    ],
)
def test_resolve_layers_errors(spec, message):
    with pytest.raises(ValueError, match=message):
        resolve_layers("ResNet50V2", spec)


@pytest.mark.parametrize(
    ("architecture", "spec", "message"),
    [
        (
            "ResNet50V2",
            "layer3",
            r"It is a name in ResNet18, ResNet34, ResNet50V1\.5, \.\.\.: set arch",
        ),
        ("ResNet50V2", "stages.1", r"It is a name in ResNetV2-50: set architecture"),
        (
            "ResNet18",
            "conv3_block1_out",
            r"It is a name in ResNet50, ResNet101, ResNet152, \.\.\.:",
        ),
        ("ResNet18", "layer1.0.conv3", r"It is a name in ResNet50V1\.5"),
        ("ResNet18", "layer5", r"Did you mean 'layer\d'"),
        ("ResNet18", "LAYER2", r"Did you mean 'layer2'"),
        ("ResNet18", "Layer 60", r"Did you mean 60"),
    ],
)
def test_names_of_other_architectures_are_recognised(architecture, spec, message):
    with pytest.raises(ValueError, match=message):
        resolve_layers(architecture, spec)


def test_unknown_architecture():
    with pytest.raises(ValueError, match="must be one of ResNet50, .*Got 'VGG16'"):
        list_layers("VGG16")


@pytest.mark.parametrize("name", ["ResNet101V2", "resnet101v2", "RESNET101V2", "resNet101v2"])
def test_the_case_of_an_architecture_does_not_matter(name):
    assert match_architecture(name) == "ResNet101V2"


def test_an_unknown_architecture_gets_the_nearest_name():
    with pytest.raises(ValueError, match=r"Got 'RESNET51V2' instead\. Did you mean 'ResNet50V2'\?"):
        match_architecture("RESNET51V2")


def test_a_cut_that_ignores_layers_is_named_with_the_nearest_ones_that_do_not():
    message = (
        r"Layer 83 \('max_pooling2d_1'\) of ResNet50V2 does not depend on 9 of the layers before it: "
        r".*\. The nearest cuts that use all layers are 82 \('conv3_block4_2_relu'\) and 85 \('conv3_block4_out'\)."
    )
    with pytest.warns(UserWarning, match=message):
        warn_about_ignored_layers("ResNet50V2", layer_table("ResNet50V2")[82:84])
