"""Training of the weights that ship. What needs PyTorch is left out where it is absent."""

import sys
from pathlib import Path

import numpy as np
import pytest

from sklearn_resnet import ResNetFeatures
from sklearn_resnet._network.layers import layer_table

TRAINING = Path(__file__).resolve().parents[1] / "training"
FEW = {"n_glyphs": 2, "n_doodles": 2, "n_fractals": 1, "n_textures": 2, "n_leaves": 1}
pytestmark = pytest.mark.skipif(
    not TRAINING.is_dir(), reason="the training code is not beside these tests"
)


@pytest.fixture(autouse=True)
def _training_on_path(monkeypatch):
    monkeypatch.syspath_prepend(TRAINING)
    yield
    for name in ("network", "pictures", "scenes"):
        sys.modules.pop(name, None)


def test_keras_computes_what_was_trained(tmp_path):
    torch = pytest.importorskip("torch")
    from network import Network

    torch.manual_seed(0)
    network = Network()
    for module in network.modules():  # running statistics that matter
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)
    arrays = network.keras_arrays()
    flat = {f"{name}/{i}": a for name, each in arrays.items() for i, a in enumerate(each)}
    np.savez(tmp_path / "weights.npz", **flat)
    for module in network.modules():  # kernels as float16, as they are kept
        if isinstance(module, torch.nn.Conv2d):
            module.weight.data = module.weight.data.half().float()
    X = np.random.default_rng(0).integers(0, 256, (2, 30, 33, 3), np.uint8)
    with torch.no_grad():
        images = torch.from_numpy(X).permute(0, 3, 1, 2).float() / 127.5 - 1
        expected = network.eval()(images).numpy()
    weights = tmp_path / "weights.npz"
    features = ResNetFeatures("conv3", weights=weights, engine="openvino").fit_transform(X)
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def make_few(seed):
    from pictures import make_material

    return make_material(**FEW, seed=seed, n_jobs=1)


@pytest.fixture(scope="module")
def few():
    sys.path.insert(0, str(TRAINING))
    yield make_few(0)
    sys.path.remove(str(TRAINING))


def test_the_material_goes_by_its_seed(few):
    one, same, other = few, make_few(0), make_few(1)
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["pictures"], other["pictures"])
    assert 0 < one["picture_held"].mean() < 0.3


def test_the_material_is_labelled_by_class(few):
    made = few
    kinds = ["glyph"] * 2 + ["doodle"] * 2 + ["fractal"] + ["texture"] * 2 + ["leaves"]
    assert made["class_kinds"].tolist() == kinds
    assert made["maps"].shape[1:] == (64, 64)
    assert made["pictures"].shape[1:] == (96, 96, 3)
    assert set(made["map_labels"]) == {0, 1, 2, 3, 4}
    assert set(made["picture_labels"]) == {5, 6, 7}
    for part in ("map", "picture"):
        labels, held = made[f"{part}_labels"], made[f"{part}_held"]
        assert len(labels) == len(made[f"{part}s"])
        for label in set(labels):  # the last eighth of each class
            n = (labels == label).sum()
            assert held[labels == label].tolist() == [False] * (n - n // 8) + [True] * (n // 8)
    # two classes of a kind are not alike
    pictures = made["pictures"][:48:24]
    assert not np.array_equal(*pictures)
    assert len(np.unique(made["pictures"], axis=0)) == len(made["pictures"])


def test_a_map_holds_the_distance_from_the_ink(few):
    """In eighths of a pixel over level 64, and below it inside an outline."""
    from pictures import OUTLINE, SKELETON

    first = few["map_labels"] == 0  # "!", in all fonts
    maps, kinds = few["maps"][first].astype(int), few["map_kinds"][first]
    assert kinds.tolist() == [SKELETON, OUTLINE] * (len(kinds) // 2)
    for skeleton, outline in zip(maps[::2], maps[1::2], strict=True):
        assert skeleton.min() == 64
        assert outline.min() < 64 < outline.max()
        assert skeleton[0, 0] >= outline[0, 0] > 150  # the corner is far from all ink
        steps = np.abs(np.diff(skeleton, axis=0))
        assert steps.max() <= 8 + 1


def test_names_and_shapes_are_those_of_keras():
    pytest.importorskip("torch")
    from network import Network

    arrays = Network().keras_arrays()
    expected = {la.name: la.weight_shapes for la in layer_table("ResNet50V2")[:86]}
    expected = {name: shapes for name, shapes in expected.items() if shapes}
    found = {name: tuple(a.shape for a in each) for name, each in arrays.items()}
    assert found == expected
