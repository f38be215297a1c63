"""The package without its extras; `make dist` runs these tests in a new environment."""

import importlib.util
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from sklearn_resnet import EmbeddingDisplay, LayerSearchDisplay, ResNetFeatures
from sklearn_resnet.datasets import load_digits

MAX_SIZE = 1.2e9  # bytes of an environment


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


def test_keras_and_tensorflow_are_not_installed():
    assert importlib.util.find_spec("keras") is None
    assert importlib.util.find_spec("tensorflow") is None


def test_the_package_is_the_installed_one():
    location = Path(importlib.util.find_spec("sklearn_resnet").origin)
    assert location.is_relative_to(sysconfig.get_path("purelib"))


def test_the_environment_is_small():
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    files = (path for folder in folders for path in Path(folder).rglob("*") if path.is_file())
    assert sum(path.stat().st_size for path in files) <= MAX_SIZE


def test_features_of_digits(digits):
    X, _ = digits
    features = ResNetFeatures(layers=82, weights="procedural").fit_transform(X)
    assert features.shape == (len(X), 128)
    assert np.isfinite(features).all()
    assert np.ptp(features) > 0


def test_the_keras_engine_names_its_extra(digits):
    resnet = ResNetFeatures(layers=4, weights="procedural", engine="keras")
    with pytest.raises(ImportError, match=r"sklearn-resnet\[keras\]"):
        resnet.fit_transform(digits[0][:2])


def test_the_command_draws_a_map(tmp_path):
    command = Path(sysconfig.get_path("scripts"), "embedding")
    options = ["--weights", "procedural", "--image-size", "32", "--seed", "0", "--plot"]
    done = subprocess.run(
        [command, "digits", tmp_path / "digits.npz", *options], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "rror" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        "digits.npz",
        "digits.json",
        "digits_umap.npz",
        "digits_umap.png",
    }


def test_a_search_over_layers_is_drawn(digits):
    import matplotlib as mpl
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    X, y = (array[:300] for array in digits)
    model = make_pipeline(
        ResNetFeatures(weights="procedural", tap_layers=[30, 82]), LogisticRegression(max_iter=1000)
    )
    search = GridSearchCV(model, {"resnetfeatures__layers": [30, 82]}, cv=3, error_score="raise")
    with mpl.rc_context({"backend": "agg"}):
        display = LayerSearchDisplay.from_search(search.fit(X, y))
    assert search.best_score_ > 0.8
    assert display.figure_ is not None


def test_nothing_imported_an_optional_dependency():
    optional = {"keras", "tensorflow", "torch", "jax", "anywidget", "dask"}
    optional |= {"aiohttp", "imagecodecs", "pillow_heif", "pillow_jxl"}
    optional |= {"astropy", "pydicom", "pylibjpeg", "zarr"}
    assert not optional & set(sys.modules)


def test_the_widget_names_its_extra():
    display = EmbeddingDisplay(np.eye(2))
    with pytest.raises(ImportError, match=r"sklearn-resnet\[explore\]"):
        display.explore()
