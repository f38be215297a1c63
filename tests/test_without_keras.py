"""The package where Keras and TensorFlow are not installed."""

import json
import subprocess
import sys

import pytest

PREPARE = """
import sys
sys.modules |= dict.fromkeys(["keras", "tensorflow"])  # importing them fails
"""
ESTIMATORS = """
import numpy as np
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator
from sklearn_resnet import EmbeddingDisplay, ImageLoader, LayerSearchDisplay, ResNetFeatures
from sklearn_resnet.datasets import fetch_mnist, load_digits

results = check_estimator(ResNetFeatures(), on_fail=None)
assert {result["status"] for result in results} == {"passed"}
assert len(results) == 47
X, y = load_digits(return_X_y=True)
X, y = X[:40], y[:40]
pipe = make_pipeline(ImageLoader(size=16), ResNetFeatures(), RidgeClassifier())
display = LayerSearchDisplay.from_estimator(pipe, X, y, layers=[4, 16], cv=2)
assert display.layers.tolist() == [4, 16]
EmbeddingDisplay(ResNetFeatures(4).fit_transform(X)[:, :2], y).plot()
try:
    fetch_mnist()
except ConnectionError:
    pass
"""
COMMAND = """
from sklearn_resnet.cli.main import main
main(["digits", "o.npz", "-l", "4", "--plot", "--quiet"], standalone_mode=False)
"""


def run(script, folder):
    done = subprocess.run(
        [sys.executable, "-c", PREPARE + script], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.long
def test_the_estimators_run_without_keras(tmp_path):
    run(ESTIMATORS, tmp_path)


@pytest.mark.long
def test_the_command_runs_without_keras_and_says_which_weights_it_took(tmp_path):
    stderr = run(COMMAND, tmp_path)
    assert stderr.count("warning ") == 1
    assert "layer 4 will use the bundled weights" in stderr
    assert "--weights procedural takes" in stderr
    record = json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))
    assert record["weights"] == "procedural"
    assert (tmp_path / "o_umap.png").exists()
