"""Maps: the coordinates of UMAP itself, without tensorflow."""

import base64
import os
import re
import signal
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from sklearn_resnet.cli.pictures import (
    Map,
    compute_umap,
    find_map_neighbors,
    import_umap,
    list_colors,
    make_title,
    write_page,
)

FEATURES = np.random.default_rng(1).normal(size=(6, 24)).astype(np.float32)

PROGRAM = """
import sys
import zlib
if {is_missing}:
    class Missing:
        def find_spec(name, path=None, target=None):
            if name.partition(".")[0] in ("tensorflow", "keras"):
                raise ModuleNotFoundError("No module named " + repr(name), name=name)
    sys.meta_path.insert(0, Missing)
import numpy as np
from sklearn_resnet.cli.pictures import compute_umap
features = np.random.RandomState(0).standard_normal((20, 5))
assert compute_umap(features, seed=0).shape == (20, 2)
assert not {{"tensorflow", "keras"}} & set(sys.modules)
"""


@pytest.mark.long
@pytest.mark.parametrize("is_missing", [False, True], ids=["as it is", "not installed"])
def test_umap_runs_without_tensorflow(is_missing):
    program = PROGRAM.format(is_missing=is_missing)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.long
@pytest.mark.parametrize("n_images", [4, 12, 150])
def test_a_map_is_that_of_umap(n_images):
    features = np.random.default_rng(0).normal(size=(n_images, 24)).astype(np.float32)
    features[1] = features[0]  # equal images
    umap = import_umap()(
        n_neighbors=min(15, n_images - 1),
        init="spectral" if n_images > 10 else "random",
        random_state=3,
        n_jobs=1,
    )
    np.testing.assert_array_equal(compute_umap(features, 3), umap.fit_transform(features))


def test_the_page_shows_the_neighbors_that_the_map_was_made_of(tmp_path):
    features = np.arange(6.0)[:, None]
    neighbors = find_map_neighbors(features[[0, 5, 1, 4, 2, 3]])
    embedding_map = Map("umap", np.zeros((6, 2)), neighbors)
    data = SimpleNamespace(labels=None, columns={}, paths=None, images=None)
    write_page(tmp_path / "map.html", embedding_map, data, features, "six")
    text = (tmp_path / "map.html").read_text("utf-8")
    written = re.search(r'id="buffer-neighbors" data-encoding="zlib">([^<]*)<', text)[1]
    found = np.frombuffer(zlib.decompress(base64.b64decode(written)), "<i4")
    others = [[j for j in rows if j != i] for i, rows in enumerate(neighbors[1].tolist())]
    assert found.tolist() == [j for rows in others for j in rows]


class Watched:
    """Features that note how Ctrl-C is handled each time they are read."""

    def __init__(self, features):
        self.features = features
        self.handlers = []

    def __len__(self):
        return len(self.features)

    def __array__(self, dtype=None, copy=None):
        self.handlers.append(signal.getsignal(signal.SIGINT))
        return np.array(self.features, dtype)


def test_an_interrupt_ends_the_process_while_umap_runs_and_then_not():
    before = signal.getsignal(signal.SIGINT)
    watched = Watched(FEATURES)
    compute_umap(watched, 3)
    assert watched.handlers[0] == before
    assert watched.handlers[-1] == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) == before


def test_a_map_may_be_computed_in_a_thread():
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(compute_umap, FEATURES, 3).result()
    np.testing.assert_array_equal(found, compute_umap(FEATURES, 3))


RESNET = {"model": "resnet", "architecture": "ResNet50V2", "layers": [4], "layer_names": ["pool1"]}


@pytest.mark.parametrize(
    ("source", "kind", "metadata", "expected"),
    [
        (
            "photos/cats",
            "umap",
            RESNET | {"weights": "procedural"},
            "photos/cats: UMAP of 6 images\nResNet50V2, layer 4 (pool1)\nbundled weights",
        ),
        (
            "data/x.npz",
            "umap",
            RESNET | {"weights": "models/my.h5"},
            "x.npz: UMAP of 6 images\nResNet50V2, layer 4 (pool1)\nweights my.h5",
        ),
        (
            "x.npz",
            "umap",
            RESNET | {"weights": "hf://org/name@v1/model.safetensors"},
            "x.npz: UMAP of 6 images\nResNet50V2, layer 4 (pool1)\n"
            "weights hf://org/name@v1/model.safetensors",
        ),
        (
            "digits",
            "pca",
            {"model": "pca", "dimensions": 2},
            "digits: 6 images\n2 principal components of the pixels",
        ),
    ],
    ids=["folder", "file", "hub", "pca"],
)
def test_a_title_names_images_method_and_weights(
    tmp_path, monkeypatch, source, kind, metadata, expected
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos/cats").mkdir(parents=True)
    assert make_title(source, Map(kind, FEATURES[:, :2]), metadata, "images") == expected


def test_compiled_functions_of_umap_are_cached():
    import_umap()
    from umap import umap_

    for function in (umap_.smooth_knn_dist, umap_.compute_membership_strengths):
        assert function.stats.cache_path is not None


_DRAWING = """
import base64
import os
from sklearn_resnet.cli.pictures import drawing_files

with drawing_files():
    import matplotlib.pyplot as plt

    plt.subplots()
    print(plt.get_backend().lower(), os.environ["MPLBACKEND"])
"""


@pytest.mark.parametrize(
    "named",
    [
        "module://not_installed.backend",
        *(pytest.param(name, marks=pytest.mark.long) for name in ("tkagg", "nonsense")),
    ],
)
def test_files_are_drawn_without_the_backend_of_the_environment(named):
    done = subprocess.run(
        [sys.executable, "-c", _DRAWING],
        env=os.environ | {"MPLBACKEND": named},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["agg", named], done.stderr


def test_columns_of_numbers_and_of_few_texts_colour_a_page():
    labels, n = np.repeat(["a", "b"], 50), np.arange(100)
    columns = {
        "area": n / 3,
        "well": np.array([f"w{i % 9}" for i in n], object),
        "id": np.array([f"id{i}" for i in n]),
        "one": np.ones(100),
        "none": np.full(100, np.nan),
        "top": n,
        "segment": n,
    }
    assert list(list_colors(labels, columns)) == ["label", "area", "well"]
    assert list(list_colors(None, columns)) == ["area", "well"]
    assert list_colors(None, {}) == {}
    assert len(list_colors(labels, {str(i): n for i in range(99)})) == 20
