"""Training of the weights that ship. What needs PyTorch is left out where it is absent."""

import sys
from pathlib import Path

import numpy as np
import pytest

from sklearn_resnet import ResNetFeatures

TRAINING = Path(__file__).resolve().parents[1] / "training"
FEW = {"n_doodles": 2, "n_fractals": 2, "n_textures": 2, "n_leaves": 2, "seed": 0, "n_jobs": 1}


@pytest.fixture(autouse=True)
def _training_on_path(monkeypatch):
    if not TRAINING.is_dir():
        pytest.skip("the training code is not beside these tests")
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


def test_the_material_goes_by_its_seed():
    pytest.importorskip("torch")  # its environment has what the material needs
    from pictures import make_material

    one, same, other = (make_material(**FEW | {"seed": seed}) for seed in (0, 0, 1))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["pictures"], other["pictures"])
    assert 0 < one["picture_held"].mean() < 0.3
