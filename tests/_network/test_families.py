"""The list of published weights, and the normalisation that weights were trained with."""

import json
import re

import numpy as np
import pytest
from hub_server import serve_hub

from sklearn_resnet import list_weights
from sklearn_resnet._network.architectures import ARCHITECTURES
from sklearn_resnet._network.checkpoints import CHECKPOINTS
from sklearn_resnet._network.families import find_normalization
from sklearn_resnet._network.hub import fetch_hub, is_hub, parse_hub
from sklearn_resnet._network.normalization import (
    NORMALIZATIONS,
    Normalization,
    check_normalization,
    parse_normalization,
)
from sklearn_resnet._runtime.errors import ParameterError

TIMM = {
    "architecture": "resnet18",
    "num_classes": 10,
    "pretrained_cfg": {
        "mean": [0.1, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6],
        "input_size": [3, 224, 224],
    },
}
FORMER_TIMM = {"architecture": "resnet18", "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
TRANSFORMERS = {
    "do_normalize": True,
    "do_rescale": True,
    "rescale_factor": 0.00392156862745098,
    "image_mean": [0.1, 0.2, 0.3],
    "image_std": [0.4, 0.5, 0.6],
}
EXPECTED = Normalization((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_each_row_is_complete_and_unique():
    table = list_weights()
    assert len(table) == len(CHECKPOINTS)
    assert not table[["family", "name"]].duplicated().any()
    required = table[["family", "name", "weights", "architecture", "trained_on", "url"]]
    assert (required != "").all(axis=None)
    assert required.notna().all(axis=None)
    hub = table[table.weights.map(is_hub)]
    assert not hub.weights.duplicated().any()


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda c: f"{c.family} {c.name}")
def test_each_row_can_be_passed_on(checkpoint):
    assert checkpoint.architecture in ARCHITECTURES
    assert re.fullmatch(r"https://\S+", checkpoint.url)
    if checkpoint.normalization is not None:
        normalization = parse_normalization(checkpoint.normalization)
        check_normalization(normalization, checkpoint.n_channels, is_given=True)
    if checkpoint.weights.startswith("hf:"):
        assert checkpoint.url == f"https://huggingface.co/{parse_hub(checkpoint.weights).repo}"
    else:
        assert checkpoint.normalization is not None  # no config file comes with it
    is_torch = checkpoint.weights.endswith((".pth", ".pt", ".pth.tar"))
    assert is_torch <= checkpoint.needs_pytorch
    assert (checkpoint.license is None) == (checkpoint.is_commercial_use_allowed is None)
    is_restricted = bool(re.search("NC|non-commercial", checkpoint.license or ""))
    assert is_restricted == (checkpoint.is_commercial_use_allowed is False)


def test_one_repository_has_one_normalisation():
    """It is found by the repository alone."""
    found = {}
    for checkpoint in CHECKPOINTS:
        if is_hub(checkpoint.weights):
            repo = parse_hub(checkpoint.weights).repo
            assert found.setdefault(repo, checkpoint.normalization) == checkpoint.normalization


def test_the_list_covers_the_domains_and_says_what_is_not_free():
    table = list_weights()
    for domain in ("pathology", "radiology", "satellites", "materials", "ImageNet-1k"):
        assert table.trained_on.str.contains(domain).any(), domain
    allowed = table.set_index("weights").is_commercial_use_allowed
    assert allowed["hf://timm/resnet50.a1_in1k"]
    assert not allowed["hf://timm/resnet50.fb_swsl_ig1b_ft_in1k"]
    assert allowed.isna()["RadImageNet-ResNet50-notop.h5"]
    assert set(table.n_channels) >= {1, 2, 3, 13}


@pytest.fixture
def folder(tmp_path):
    """Write config files beside weights of a standard name; return the path of the weights."""

    def function(name="model.safetensors", **configs):
        for stem, content in configs.items():
            text = content if isinstance(content, str) else json.dumps(content)
            (tmp_path / f"{stem}.json").write_text(text)
        return str(tmp_path / name)

    return function


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize(
    "configs",
    [
        {"config": TIMM},
        {"config": FORMER_TIMM},
        {"preprocessor_config": TRANSFORMERS},
        {"config": {"architectures": ["ResNetModel"]}, "preprocessor_config": TRANSFORMERS},
        {"config": TIMM, "preprocessor_config": TRANSFORMERS | {"image_mean": [0, 0, 0]}},
        {"config": FORMER_TIMM | {"pretrained_cfg": None}},
        {"config": FORMER_TIMM | {"mean": [9], "pretrained_cfg": TIMM["pretrained_cfg"]}},
    ],
)
def test_a_config_beside_the_weights_has_the_normalisation(folder, name, configs):
    path = folder(name, **configs)
    assert find_normalization(path, path) == EXPECTED


@pytest.mark.parametrize(
    "configs",
    [
        {},
        {"config": {}},
        {"config": {"pretrained_cfg": {}}},
        {"preprocessor_config": {"size": 224}},
    ],
)
def test_without_one_the_architecture_decides(folder, configs):
    path = folder(**configs)
    assert find_normalization(path, path) is None


def test_a_config_beside_a_file_of_another_name_may_belong_to_another_file(folder):
    path = folder("mine.safetensors", config=TIMM, preprocessor_config="broken")
    assert find_normalization(path, path) is None


@pytest.mark.parametrize(
    ("changes", "mean", "std"),
    [
        ({"do_normalize": False}, [0], [1]),
        ({"do_rescale": False, "image_mean": [25.5], "image_std": [51]}, [0.1], [0.2]),
        ({"rescale_factor": 1 / 127.5, "image_mean": [1], "image_std": [1]}, [0.5], [0.5]),
        ({"do_rescale": False, "do_normalize": False}, [0], [1 / 255]),
    ],
)
def test_the_scaling_of_transformers_is_applied(folder, changes, mean, std):
    path = folder(preprocessor_config=TRANSFORMERS | changes)
    found = find_normalization(path, path)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(found.std, std, rtol=1e-12)
    assert found.order == "RGB"


def test_one_by_one_the_values_of_transformers_are_exact(folder):
    path = folder(preprocessor_config=TRANSFORMERS)
    assert find_normalization(path, path) == EXPECTED


@pytest.mark.parametrize("stem", ["config", "preprocessor_config"])
@pytest.mark.parametrize(
    "content",
    ["", "{", "[1, 2]", "[" * 100_000, '{"mean": [0.5], "image_mean": [0.5]}', "\x00"],
)
def test_a_damaged_config_is_an_error_that_names_it(folder, stem, content):
    path = folder(**{stem: content})
    with pytest.raises(ValueError, match=rf"{stem}\.json', which .* pass normalization=") as error:
        find_normalization(path, path)
    assert not isinstance(error.value, ParameterError)
    assert error.value.__suppress_context__ or error.value.__context__ is None


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        ([0.5], None),
        (None, [0.5]),
        ([0.5, 0.5], [1, 1, 1]),
        ([float("nan")], [1]),
        ([0.5], [0]),
        ([0.5], [-1]),
        (["half"], [1]),
        ([[0.5, 0.5]], [1]),
        ({}, [1]),
        ([], []),
    ],
)
def test_numbers_that_make_no_sense_are_an_error(folder, mean, std):
    for configs in (
        {"config": {"pretrained_cfg": {"mean": mean, "std": std}}},
        {"preprocessor_config": {"image_mean": mean, "image_std": std}},
    ):
        path = folder(**{"config": {}} | configs)
        with pytest.raises(ValueError, match=r"config\.json', which says .* is damaged"):
            find_normalization(path, path)


@pytest.mark.parametrize(
    "changes",
    [
        {"do_flip_channel_order": True},
        {"rescale_offset": True},
        {"rescale_factor": 0},
        {"rescale_factor": "1/255"},
        {"rescale_factor": None},
    ],
)
def test_an_unknown_scaling_of_transformers_is_an_error(folder, changes):
    path = folder(preprocessor_config=TRANSFORMERS | changes)
    with pytest.raises(ValueError, match=rf"preprocessor_config\.json'.*{next(iter(changes))}"):
        find_normalization(path, path)


def test_other_settings_of_a_config_do_not_matter(folder):
    path = folder(config="{}", preprocessor_config=TRANSFORMERS | {"crop_pct": 0.9, "resample": 3})
    assert find_normalization(path, path) == EXPECTED


@pytest.fixture
def fetch(tmp_path, monkeypatch):
    """Fetch a repository from a local hub."""
    monkeypatch.setenv("no_proxy", "*")

    def function(weights, **configs):
        source = parse_hub(weights)
        name = source.file or "model.safetensors"
        files = {f"{stem}.json": json.dumps(value).encode() for stem, value in configs.items()}
        with serve_hub({source.repo: {"main": {name: b"weights", **files}}}) as hub:
            return fetch_hub(weights, endpoint=hub.url, cache_dir=str(tmp_path))

    return function


@pytest.mark.parametrize("configs", [{"config": TIMM}, {"preprocessor_config": TRANSFORMERS}])
@pytest.mark.parametrize("weights", ["hf://org/net", "hf://org/net@main/any.pth"])
def test_the_config_of_a_repository_has_the_normalisation(fetch, weights, configs):
    assert find_normalization(weights, fetch(weights, **configs)) == EXPECTED


def test_a_repository_without_config_leaves_it_to_the_architecture(fetch):
    assert find_normalization("hf://org/net", fetch("hf://org/net")) is None


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ("hf://torchgeo/resnet18_sentinel2_all_moco/x.pth", Normalization((0.0,), (1.0,))),
        (
            "hf://torchgeo/resnet50_sentinel1_all_moco@main/x.pth",
            Normalization((-12.59, -20.26), (5.26, 5.91)),
        ),
        ("hf://jstuckner/microscopy-resnet50-micronet/x.pth", NORMALIZATIONS["torch"]),
    ],
)
def test_known_weights_without_config_have_that_of_the_list(weights, expected, fetch):
    assert find_normalization(weights, fetch(weights)) == expected


def test_the_list_goes_before_a_config_that_is_known_to_be_wrong(fetch):
    weights = "hf://1aurent/resnet50.lunit_bt"
    found = find_normalization(weights, fetch(weights, config=TIMM))
    assert found.mean == (0.70322989, 0.53606487, 0.66096631)


def test_a_longer_name_is_another_repository(fetch):
    weights = "hf://1aurent/resnet50.lunit_bt2"
    assert find_normalization(weights, fetch(weights, config=TIMM)) == EXPECTED


def test_known_weights_whose_config_has_it_take_it_from_there(fetch):
    weights = "hf://timm/resnet34.ra4_e3600_r224_in1k"
    assert find_normalization(weights, fetch(weights, config=TIMM)) == EXPECTED


@pytest.mark.parametrize(
    "weights",
    [
        "RadImageNet-ResNet50_notop.h5",
        "/data/radimagenet/ResNet50.pt",
        "RADIMAGENET.safetensors",
        "rad_image_net.safetensors",
        "hf://Lab-Rasool/RadImageNet/ResNet50.pt",
        "hf://org/radimagenet",
    ],
)
def test_radimagenet_needs_a_normalisation(weights):
    with pytest.raises(ParameterError, match="'normalization' parameter must be given") as error:
        find_normalization(weights, weights)
    keras, torch = re.findall(r"normalization=(\(.*?'BGR'\))", str(error.value))
    expected = [c.normalization for c in CHECKPOINTS if c.family == "RadImageNet"]
    assert [parse_normalization(eval(text)) for text in (keras, torch)] == [
        parse_normalization(value) for value in expected
    ]


def test_the_scaling_of_radimagenet_is_that_of_its_training():
    """Of Keras: preprocess_input in the mode "caffe", then times 1 / 255."""
    pixel = np.array([10.0, 20.0, 30.0])  # R, G, B
    keras, torch = (
        parse_normalization(c.normalization).levels((0, 255))
        for c in CHECKPOINTS
        if c.family == "RadImageNet"
    )
    caffe = (pixel[::-1] - [103.939, 116.779, 123.68]) / 255
    np.testing.assert_allclose((pixel[::-1] - keras[0]) / keras[1], caffe, rtol=1e-6)
    scaled = (pixel[::-1] - 127.5) * 2 / 255
    np.testing.assert_allclose((pixel[::-1] - torch[0]) / torch[1], scaled, rtol=1e-6)


def test_x_rays_are_scaled_to_1024():
    (found,) = [c for c in CHECKPOINTS if c.family == "TorchXRayVision"]
    zero, step = parse_normalization(found.normalization).levels((0, 255))
    np.testing.assert_allclose((np.array([0, 255]) - zero) / step, [-1024, 1024])


@pytest.mark.parametrize("weights", ["imagenet", "mine.h5", "/radimagenet/of/mine/model.h5"])
def test_other_weights_need_none(weights):
    assert find_normalization(weights, weights) is None
