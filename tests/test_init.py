"""The public names, and what the package imports."""

import importlib
import subprocess
import sys

import pytest

import sklearn_resnet

PACKAGES = ["sklearn_resnet", *(f"sklearn_resnet.{n}" for n in ("checks", "datasets", "plotting"))]


def imported_by(program, *args):
    """Run a program in a new process; return the names of the modules that it imported."""
    program += "\nimport sys\nprint(*sys.modules, sep='\\n')"
    command = [sys.executable, "-c", program, *args]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("name", PACKAGES)
def test_each_public_name_can_be_imported(name):
    package = importlib.import_module(name)
    assert dir(package) == package.__all__ == sorted(package.__all__)
    assert all(getattr(package, public) is not None for public in package.__all__)
    with pytest.raises(AttributeError, match="missing"):
        package.missing  # noqa: B018


def test_a_star_imports_the_public_names():
    names = {}
    exec("from sklearn_resnet import *", names)
    assert set(names) - {"__builtins__"} == set(sklearn_resnet.__all__)
    assert names["ResNetFeatures"] is sklearn_resnet.ResNetFeatures


@pytest.mark.parametrize("name", PACKAGES)
def test_importing_a_package_imports_no_library(name):
    modules = imported_by(f"import {name}")
    assert name in modules
    assert not {"numpy", "sklearn", "pandas", "matplotlib", "PIL", "joblib"} & modules


def test_estimators_import_what_scikit_learn_imports_and_little_else():
    expected = imported_by("import sklearn.base, sklearn.utils.metaestimators")
    modules = imported_by("from sklearn_resnet import ImageLoader, ResNetFeatures")
    heavy = {
        "h5py",
        "matplotlib",
        "openvino",
        "scipy.ndimage",
        "skimage",
        "sklearn.pipeline",
        "umap",
    }
    heavy |= {"pandas", "pyarrow", "scipy.stats", "scipy.spatial", "sklearn.metrics"}
    assert "sklearn.base" in modules
    assert not (heavy & modules) - expected
