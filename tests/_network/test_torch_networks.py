"""Networks of torchvision and timm, with weights from files: features as in those libraries.

`torch_features.npz` holds features that `benchmarks/torch_worker.py` computed with them.
"""

import pickle
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from layer_searches import search_layers
from reference_inputs import draw_state_dict, make_images
from safetensors.numpy import save_file
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn_checks import run_check_estimator
from state_dicts import add_prefix, as_sequential, as_transformers

from sklearn_resnet import ResNetFeatures
from sklearn_resnet._network.layers import layer_table

TOLERANCE = 1e-4  # of the largest value of a layer


def read_golden(architecture):
    """The features of some channels by layer: images, average and maximum, channels."""
    with np.load(Path(__file__).with_name("torch_features.npz")) as file:
        keys = [key for key in file.files if key.startswith(f"{architecture} ")]
        return {key.split()[1]: file[key] for key in keys}


@pytest.fixture
def write_file(tmp_path):
    """Write a state dict as safetensors; the files are removed after the test."""
    paths = []

    def write(state, name="weights"):
        paths.append(tmp_path / f"{name}.safetensors")
        save_file(state, paths[-1])
        return str(paths[-1])

    yield write
    for path in paths:  # up to a quarter of a gigabyte each, which pytest would keep
        path.unlink(missing_ok=True)


def compute_layers(path, architecture, names, images, **options):
    """Features by layer: images, average and maximum, channels."""
    table = {layer.name: layer for layer in layer_table(architecture)}
    names = sorted(names, key=lambda name: table[name].index)
    resnet = ResNetFeatures(
        names,
        architecture=architecture,
        weights=path,
        pooling=["avg", "max"],
        cache=None,
        **options,
    )
    features = resnet.fit_transform(images)
    widths = [2 * table[name].width for name in names]
    parts = np.split(features, np.cumsum(widths)[:-1], axis=1)
    shape = len(images), 2, -1
    return {name: part.reshape(shape) for name, part in zip(names, parts, strict=True)}


@pytest.mark.filterwarnings("ignore:Layer .* does not depend on")
@pytest.mark.parametrize(
    ("architecture", "engine"),
    [
        ("ResNet18", "openvino"),
        ("ResNeXt50", "openvino"),
        ("ResNetV2-50", "keras"),  # its pooling sees negative values, unlike the others
        *(
            pytest.param(*case, marks=pytest.mark.long)
            for case in [
                ("ResNet34", "openvino"),
                ("ResNet50V1.5", "openvino"),
                ("ResNetV2-50", "openvino"),
                ("ResNet101V1.5", "openvino"),
                ("ResNet152V1.5", "openvino"),
                ("WideResNet50", "openvino"),
                ("ResNeXt50", "keras"),
                ("ResNet18", "keras"),
            ]
        ),
    ],
)
def test_features_are_those_of_the_library(write_file, architecture, engine):
    golden = read_golden(architecture)
    path = write_file(draw_state_dict(architecture))
    found = compute_layers(path, architecture, golden, make_images(2, 33, 38, 3), engine=engine)
    for name, expected in golden.items():
        features = found[name]
        step = max(1, features.shape[2] // 16)
        error = np.abs(features[:, :, ::step] - expected).max() / np.abs(features).max()
        assert error < TOLERANCE, name


def compute(path, architecture="ResNet18", layers="layer1", n_channels=3, **options):
    """Features of a few images, from files that hold the first stage only."""
    options = {"architecture": architecture, "cache": None} | options
    return ResNetFeatures(layers, weights=path, **options).fit_transform(
        make_images(3, 24, 21, n_channels)
    )


@pytest.mark.parametrize(
    ("prefix", "spell"),
    [
        ("module.", str),
        ("backbone.", str),
        ("state_dict.module.base_encoder.", str),
        ("model.backbone.net.", str),
        ("classy_state_dict.base_model.model.trunk._feature_blocks.", str),
        ("", as_transformers),
        ("resnet.", as_transformers),
        ("backbone.", as_sequential),
    ],
)
def test_features_do_not_depend_on_the_spelling_of_names(write_file, prefix, spell):
    state = draw_state_dict("ResNet50V1.5", stage="layer1")
    spelled = add_prefix({spell(name): array for name, array in state.items()}, prefix)
    spelled["fc.weight"] = np.zeros((10, 2048), np.float32)
    plain, other = write_file(state), write_file(spelled, "spelled")
    np.testing.assert_array_equal(compute(other, "ResNet50V1.5"), compute(plain, "ResNet50V1.5"))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_files_of_other_precisions_give_the_features_of_their_numbers(write_file, dtype):
    rounded = {k: a.astype(dtype) for k, a in draw_state_dict("ResNet18", stage="layer1").items()}
    exact = write_file({key: array.astype(np.float32) for key, array in rounded.items()})
    features = compute(write_file(rounded, "rounded"))
    np.testing.assert_array_equal(features, compute(exact))
    assert len(np.unique(features)) == features.size


@pytest.mark.parametrize("engine", ["openvino", "keras"])
@pytest.mark.parametrize("n_channels", [1, 2, 3, 13])
def test_images_have_as_many_channels_as_the_weights(write_file, n_channels, engine):
    """The channels of zeros beside them change nothing."""
    state = draw_state_dict("ResNet18", n_channels, stage="layer1")
    kernel = state["conv1.weight"]
    wide = np.zeros((64, 15, 7, 7), np.float32)
    wide[:, :n_channels] = kernel
    mean, std = np.linspace(0.3, 0.6, 15), np.linspace(0.2, 0.4, 15)
    images = make_images(3, 24, 21, 15)
    options = {"architecture": "ResNet18", "engine": engine, "cache": None}
    path = write_file(state)
    normalization = mean[:n_channels], std[:n_channels]
    narrow = ResNetFeatures("layer1", weights=path, normalization=normalization, **options)
    found = narrow.fit_transform(images[..., :n_channels])
    path = write_file(state | {"conv1.weight": wide}, "wide")
    expected = ResNetFeatures("layer1", weights=path, normalization=(mean, std), **options)
    np.testing.assert_allclose(found, expected.fit_transform(images), rtol=1e-4, atol=1e-5)
    assert narrow.n_channels_ == n_channels
    message = f"{n_channels} channel" if n_channels != 3 else "1 or 3 channels"
    with pytest.raises(ValueError, match=message):
        narrow.transform(images[..., :5])


def test_weights_with_other_strides_are_an_error(write_file, tmp_path):
    """The shapes are the same: the names of the tensors decide."""
    path = write_file(draw_state_dict("ResNet50V1.5", stage="layer1"))
    with pytest.raises(ValueError, match=r"Pass architecture='ResNet50V1\.5'"):
        compute(path, "ResNet50", "conv2")
    arrays = {
        f"{layer.name}/{i}": np.zeros(shape, np.float32)
        for layer in layer_table("ResNet50")
        if layer.stage in ("conv1", "conv2")
        for i, shape in enumerate(layer.weight_shapes)
    }
    np.savez(tmp_path / "keras.npz", **arrays)
    assert compute(tmp_path / "keras.npz", "ResNet50", "conv2").shape == (3, 256)
    with pytest.raises(ValueError, match=r"Pass architecture='ResNet50'"):
        compute(tmp_path / "keras.npz", "ResNet50V1.5")


def test_check_estimator_with_a_file(write_file):
    path = write_file(draw_state_dict("ResNet18", stage="layer1"))
    resnet = ResNetFeatures("layer1", architecture="ResNet18", weights=path)
    assert run_check_estimator(resnet) == ["passed"] * 47


def test_a_pickle_transforms_with_the_same_weights_in_another_file(write_file):
    state, images = draw_state_dict("ResNet18", stage="layer1"), make_images(3, 24, 21, 3)
    path = write_file(state)
    resnet = ResNetFeatures("layer1", architecture="ResNet18", weights=path).fit(images)
    dump = pickle.dumps(resnet)
    assert len(dump) < 2000
    expected = resnet.transform(images)
    other = write_file(add_prefix(state, "module."), "other")
    moved = pickle.loads(dump).set_params(weights=other)
    np.testing.assert_array_equal(moved.transform(images), expected)
    write_file(add_prefix(state, "module."))  # in its place
    np.testing.assert_array_equal(pickle.loads(dump).transform(images), expected)
    state["layer1.1.bn2.bias"] = state["layer1.1.bn2.bias"] + np.float32(1e-6)
    write_file(state)
    with pytest.raises(ValueError, match="must be the weights that this ResNetFeatures was fitted"):
        pickle.loads(dump).transform(images)


@pytest.mark.long
def test_a_search_over_layers_runs_in_parallel(write_file):
    path = write_file(draw_state_dict("ResNet18", stage="layer2"))
    resnet = ResNetFeatures(architecture="ResNet18", weights=path)
    model, layers = make_pipeline(resnet, RidgeClassifier()), ["maxpool", "layer1", 23, "layer2"]
    alone = search_layers(layers, model)
    both = search_layers(layers, model, n_jobs=2)
    np.testing.assert_array_equal(
        both.cv_results_["split0_test_score"], alone.cv_results_["split0_test_score"]
    )
    assert len(set(alone.cv_results_["mean_test_score"])) > 1
    assert alone.best_score_ > 0.2
