"""EmbeddingPlot: a step that draws and lets pass."""

import base64
import copy
import io
import pickle
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from PIL import Image
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator

from sklearn_resnet import EmbeddingPlot

X = np.random.RandomState(0).standard_normal((30, 4))
Y = np.where(X[:, 0] > 0, "right", "left")
MAGIC = {".png": b"\x89PNG\r\n", ".pdf": b"%PDF-", ".svg": b"<?xml"}
# of X; one test expects this warning
pytestmark = pytest.mark.filterwarnings("ignore:The embedding has the shape")
TAIL = {".png": b"IEND\xaeB`\x82", ".pdf": b"%%EOF\n", ".svg": b"</svg>\n"}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.mark.long  # test_common_checks.py runs the same
def test_common_tests():
    with plt.rc_context({"figure.max_open_warning": 0}):
        results = check_estimator(EmbeddingPlot(), on_skip=None)
    assert {"passed"} <= {result["status"] for result in results} <= {"passed", "skipped"}


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
def test_input_passes_through(dtype):
    values = X.astype(dtype) if dtype != np.uint8 else np.arange(40, dtype=dtype).reshape(20, 2)
    passed = EmbeddingPlot().fit_transform(values)
    assert passed.dtype == dtype
    np.testing.assert_array_equal(passed, values)


def test_columns_that_are_not_drawn_are_no_secret():
    with pytest.warns(UserWarning, match=r"the shape \(30, 4\), and only its first two columns"):
        make_pipeline(PCA(), EmbeddingPlot()).fit(X)


def test_fit_draws_what_it_is_given():
    frame = pd.DataFrame(X[:, :2], columns=["a", "b"])
    plot = EmbeddingPlot(title="title", palette={"left": "red", "right": "blue"}, point_size=9)
    display = plot.set_params(alpha=0.5, legend=True).fit(frame, Y).display_
    points = display.ax_.collections[-1]
    assert set(map(tuple, points.get_offsets().tolist())) == set(map(tuple, X[:, :2].tolist()))
    assert {to_hex(color) for color in points.get_facecolors()} == {"#ff0000", "#0000ff"}
    assert points.get_sizes().tolist() == [9]
    assert points.get_alpha() == 0.5
    assert display.ax_.get_title() == "title"
    assert display.ax_.get_xlabel() == "a"
    assert [text.get_text() for text in display.legend_.get_texts()] == ["left", "right"]
    assert plt.fignum_exists(display.figure_.number)


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (np.column_stack([np.arange(30) % 2, np.arange(30)]), ["0", "1"]),
        (["a", float("nan"), "b"] * 10, ["a", "b"]),
        (pd.Series([0.5, 1.5, None] * 10).astype("category"), ["0.5", "1.5"]),
    ],
)
def test_y_is_taken_as_by_the_display(y, names):
    display = EmbeddingPlot().fit(X, y).display_
    assert [text.get_text() for text in display.legend_.get_texts()] == names


@pytest.mark.parametrize("suffix", MAGIC)
def test_the_picture_is_saved_whole_and_closed(tmp_path, suffix):
    path = tmp_path / "new" / f"plot{suffix}"
    plot = EmbeddingPlot(path).fit(X, Y)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    content = path.read_bytes()
    assert content.startswith(MAGIC[suffix])
    assert content.endswith(TAIL[suffix])
    assert not plt.fignum_exists(plot.display_.figure_.number)
    if suffix == ".png":
        picture = plt.imread(path)
        assert picture.shape == (900, 1200, 4)
        assert len(np.unique(picture)) > 10


def test_dots_in_vector_files_are_fine_enough_for_print(tmp_path):
    path = tmp_path / "plot.svg"
    EmbeddingPlot(path, alpha=1).fit(np.random.RandomState(0).rand(5_001, 2))
    content = path.read_text()
    encoded = re.search(r"base64,([^\"]*)", content)[1]
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
        assert image.width > 1_200  # of 8 inches


def test_a_picture_is_replaced(tmp_path):
    path = tmp_path / "plot.svg"
    path.write_text("old")
    EmbeddingPlot(str(path)).fit(X)
    assert path.read_bytes().startswith(MAGIC[".svg"])


@pytest.mark.parametrize("name", ["file/plot.png", "folder.png"])
def test_a_path_that_cannot_be_written_is_a_clear_error(tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OSError, match=rf"Cannot write '.*{name}'.*Choose a file"):
        EmbeddingPlot(tmp_path / name).fit(X)
    assert plt.get_fignums() == []
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder.png"]


def test_an_unknown_format_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="Format 'xyz' is not supported"):
        EmbeddingPlot(tmp_path / "plot.xyz").fit(X)
    assert plt.get_fignums() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "params",
    [
        {"path": 3},
        {"title": 3},
        {"palette": 3},
        {"point_size": 0},
        {"alpha": 1.5},
        {"legend": "right"},
        {"names": "labels"},
        {"density": 3},
    ],
)
def test_parameters_are_checked(params):
    with pytest.raises(ValueError, match=f"The '{next(iter(params))}' parameter"):
        EmbeddingPlot(**params).fit(X)


def test_the_legend_and_density_are_those_of_the_display():
    display = EmbeddingPlot(legend=False, density=True).fit(X, Y).display_
    assert display.legend_ is None
    assert display.names_ == []
    assert len(display.ax_.images) == 1


def test_clone_has_the_parameters_and_not_the_figure(tmp_path):
    plot = EmbeddingPlot(tmp_path / "a.png", title="t", palette=["red", "blue"], alpha=0.5)
    copied = clone(plot.fit(X, Y))
    assert copied.get_params() == plot.get_params()
    assert not hasattr(copied, "display_")


@pytest.mark.parametrize("copied", [lambda p: pickle.loads(pickle.dumps(p)), copy.deepcopy])
def test_copies_leave_the_figure_out(copied):
    plot = EmbeddingPlot(title="t").fit(X, Y)
    other = copied(plot)
    assert hasattr(plot, "display_")
    assert not hasattr(other, "display_")
    assert other.title == "t"
    np.testing.assert_array_equal(other.transform(X), X)


def test_pickles_are_small():
    assert len(pickle.dumps(EmbeddingPlot().fit(np.repeat(X, 100, axis=0)))) < 10_000


def test_it_is_the_last_step_of_a_pipeline():
    pipe = make_pipeline(PCA(2), EmbeddingPlot())
    embedding = pipe.fit_transform(X, Y)
    np.testing.assert_allclose(embedding, PCA(2).fit_transform(X))
    assert sorted(text.get_text() for text in pipe[-1].display_.names_) == ["left", "right"]
    assert pipe.get_feature_names_out().tolist() == ["pca0", "pca1"]


def test_it_stands_in_the_middle_of_a_pipeline(tmp_path):
    path = tmp_path / "plot.png"
    pipe = make_pipeline(PCA(2), EmbeddingPlot(path), LogisticRegression()).fit(X, Y)
    plain = make_pipeline(PCA(2), LogisticRegression()).fit(X, Y)
    assert path.exists()
    path.unlink()
    assert pipe.predict(X).tolist() == plain.predict(X).tolist()
    assert not path.exists()


def test_it_goes_through_a_grid_search(tmp_path):
    pipe = make_pipeline(PCA(2), EmbeddingPlot(tmp_path / "plot.png"), LogisticRegression())
    search = GridSearchCV(pipe, {"pca__n_components": [1, 2]}, cv=2).fit(X, Y)
    assert search.best_score_ > 0.5
    assert plt.get_fignums() == []


def test_tags_name_the_dtypes_that_pass():
    assert get_tags(EmbeddingPlot()).transformer_tags.preserves_dtype == ["float64", "float32"]


def test_names_of_clusters_are_those_of_the_display():
    rng = np.random.RandomState(0)
    xy = np.concatenate([rng.normal(middle, 0.1, (40, 2)) for middle in range(5)])
    display = EmbeddingPlot(names="clusters").fit(xy).display_
    names = {text.get_text() for text in display.names_}
    assert {f"cluster {i}" for i in range(1, 6)} <= names
