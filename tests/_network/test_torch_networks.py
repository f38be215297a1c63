"""Networks of torchvision and timm, with weights from files: features as in those libraries.

`torch_features.npz` holds features that `benchmarks/torch_worker.py` computed with them.
"""

import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from torch_state_dicts import make_images, make_state_dict

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
        ("ResNet50V1.5", "openvino"),
        ("ResNeXt50", "openvino"),
        ("ResNetV2-50", "openvino"),
        ("ResNet18", "keras"),
        *(
            pytest.param(*case, marks=pytest.mark.long)
            for case in [
                ("ResNet34", "openvino"),
                ("ResNet101V1.5", "openvino"),
                ("ResNet152V1.5", "openvino"),
                ("WideResNet50", "openvino"),
                ("ResNeXt50", "keras"),
                ("ResNetV2-50", "keras"),
            ]
        ),
    ],
)
def test_features_are_those_of_the_library(write_file, architecture, engine):
    golden = read_golden(architecture)
    path = write_file(make_state_dict(architecture))
    found = compute_layers(path, architecture, golden, make_images(2, 33, 38, 3), engine=engine)
    for name, expected in golden.items():
        features = found[name]
        step = max(1, features.shape[2] // 16)
        error = np.abs(features[:, :, ::step] - expected).max() / np.abs(features).max()
        assert error < TOLERANCE, name
