"""EmbeddingDisplay: what is drawn, where, and in which colour."""

from contextlib import nullcontext

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.manifold import TSNE
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.validation import check_is_fitted

from sklearn_resnet import EmbeddingDisplay

GREY = to_hex("0.8")
LONG_TITLES = {
    "words": "a title of many words " * 20,
    "wide": "WWWW " * 50,
    "capitals": "A TITLE OF CAPITALS " * 20,
    "no_spaces": "0123456789abcdef" * 16,
    "lines": "\n".join(["a line of a title that has several of them " * 3] * 2),
}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def make_points(n, n_columns=2):
    return np.random.RandomState(0).standard_normal((n, n_columns))


def draw(n, y=None, **kwargs):
    return EmbeddingDisplay.from_embedding(make_points(n), y, **kwargs)


def drawn_points(display):
    """The drawn points: {(x, y): colour}."""
    points = {}
    for collection in display.ax_.collections:
        if not len(collection.get_offsets()):
            continue
        collection.update_scalarmappable()  # what drawing does with numbers
        colors = collection.get_facecolors()
        offsets = collection.get_offsets().tolist()
        for i, point in enumerate(offsets):
            points[tuple(point)] = to_hex(colors[i % len(colors)])
    return points


def legend_names(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def legend_styles(display):
    """Colour and marker of each name in the legend."""
    handles = display.legend_.legend_handles
    styles = [(to_hex(handle.get_color()), handle.get_marker()) for handle in handles]
    return dict(zip(legend_names(display), styles, strict=True))


def extents(display):
    """Window extents of the figure, axes, title and legend, as drawn."""
    display.figure_.canvas.draw()
    artists = (display.figure_, display.ax_, display.ax_.title, display.legend_)
    return [artist and artist.get_window_extent() for artist in artists]


def expect_warning(n_columns):
    """Expect the warning about columns that are not drawn, if there are any."""
    if n_columns < 3:
        return nullcontext()
    return pytest.warns(
        UserWarning, match=rf"the shape \(\d+, {n_columns}\), and only its first two"
    )


@pytest.mark.parametrize("n_columns", [1, 2, 3])
@pytest.mark.parametrize("make", [np.asarray, np.ndarray.tolist], ids=["array", "list"])
def test_the_first_two_columns_are_drawn(n_columns, make):
    X = make_points(20, n_columns)
    with expect_warning(n_columns):
        display = EmbeddingDisplay.from_embedding(make(X))
    expected = np.column_stack([X, np.zeros(20)])[:, :2]
    assert set(drawn_points(display)) == set(map(tuple, expected.tolist()))
    assert display.legend_ is None
    assert display.colorbar_ is None
    assert display.ax_.get_xlabel() == display.ax_.get_ylabel() == ""
    assert display.figure_ is display.ax_.figure


@pytest.mark.parametrize(
    ("columns", "labels"),
    [(["a"], ("a", "")), (["a", "b"], ("a", "b")), (["a", "b", "c"], ("a", "b")), ([5, 6], "56")],
)
def test_column_names_stand_at_the_axes(columns, labels):
    frame = pd.DataFrame(make_points(9, len(columns)), columns=columns)
    with expect_warning(len(columns)):
        display = EmbeddingDisplay.from_embedding(frame)
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == tuple(labels)


def test_given_axis_names_come_before_those_of_columns():
    frame = pd.DataFrame(make_points(9), columns=["a", "b"])
    display = EmbeddingDisplay.from_embedding(frame, axis_names=["x", "y"])
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("x", "y")


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (np.array(["cat", "dog", "cat", "owl"]), ["cat", "dog", "owl"]),
        (["img10", "img9", "img1", "img9"], ["img1", "img9", "img10"]),
        (np.array([10, 9, 1, 9]), ["1", "9", "10"]),
        (np.array([200, 3, 3, 3], np.uint8), ["3", "200"]),
        (np.array([1.0, 2.0, 2.0, 1.0]), ["1", "2"]),
        (np.array([[1], [2], [2], [2]]), ["1", "2"]),
        ([True, False, True, True], ["False", "True"]),
        (["0.5", "1.5", "1.5", "0.5"], ["0.5", "1.5"]),
        (pd.Series(["0.5", "1.5", "1.5", "0.5"], dtype=object), ["0.5", "1.5"]),
        (pd.Series(["0.5", "1.5", "1.5", "0.5"]), ["0.5", "1.5"]),
        (pd.Series([0.5, 1.5, 1.5, 0.5]).astype("category"), ["0.5", "1.5"]),
        (["_private", "b$", "$\\bad$", " "], [" ", "$\\bad$", "_private", "b$"]),
        (["_only", "_only", "_only", "_only"], ["_only"]),
    ],
)
def test_labels_have_a_legend_in_natural_order(y, names):
    display = draw(4, y)
    assert legend_names(display) == names
    assert display.colorbar_ is None
    display.figure_.canvas.draw()
    assert len(drawn_points(display)) == 4


@pytest.mark.parametrize(
    ("y", "names", "missing"),
    [
        (["a", None, "b", "a"], ["a", "b"], [1]),
        (["a", float("nan"), "b", "a"], ["a", "b"], [1]),
        (np.array(["a", np.nan, "b", None], object), ["a", "b"], [1, 3]),
        (pd.Series(["a", None, "b", "a"]), ["a", "b"], [1]),
        (pd.Series(["a", None, "b", "a"], dtype="category"), ["a", "b"], [1]),
        (np.array([1.0, np.nan, 2.0, 1.0]), ["1", "2"], [1]),
        (pd.Series([1, None, 2, 1], dtype="Int64"), ["1", "2"], [1]),
        ([True, None, False, True], ["False", "True"], [1]),
        ([None] * 4, None, [0, 1, 2, 3]),
        (np.full(4, np.nan), None, [0, 1, 2, 3]),
    ],
)
def test_points_without_a_label_are_grey(y, names, missing):
    display = draw(4, y)
    assert (display.legend_ and legend_names(display)) == names
    points, X = drawn_points(display), make_points(4)
    assert len(points) == 4
    assert [i for i, point in enumerate(X) if points[tuple(point)] == GREY] == missing


@pytest.mark.parametrize("n_labels", [2, 10, 25])
def test_each_point_has_the_colour_of_its_label(n_labels):
    y = np.arange(100) % n_labels
    display = draw(100, y)
    styles, points = legend_styles(display), drawn_points(display)
    assert len(points) == 100
    for point, label in zip(make_points(100), y, strict=True):
        assert points[tuple(point)] == styles[str(label)][0]


@pytest.mark.parametrize(
    ("y", "palette"),
    [
        ("aabc", {"a": "red", "b": "lime", "c": "blue"}),
        ("aabc", ["red", "lime", "blue"]),
        ([0, 0, 1, 2], {0: "red", 1: "lime", 2: "blue"}),
        ([[0], [0], [1], [2]], {0: "red", 1: "lime", 2: "blue"}),
        ([0, 0, 1, 2.0], {0: "red", 1: "lime", 2: "blue"}),
    ],
)
def test_a_palette_gives_labels_their_colours(y, palette):
    points = drawn_points(draw(4, list(y), palette=palette))
    colors = [points[tuple(point)] for point in make_points(4)]
    assert colors == [to_hex(name) for name in ("red", "red", "lime", "blue")]


@pytest.mark.parametrize("n_labels", [11, 25, 60])
def test_many_labels_are_all_named_and_told_apart(n_labels):
    display = draw(120, [f"label {i % n_labels}" for i in range(120)])
    styles = legend_styles(display)
    assert list(styles) == [f"label {i}" for i in range(n_labels)]
    assert len(set(styles.values())) == n_labels
    assert len({marker for _, marker in styles.values()}) == -(-n_labels // 10)


def test_the_rarest_of_too_many_labels_are_grouped():
    y = [f"often {i % 59}" for i in range(118)] + [f"rare {i}" for i in range(7)]
    display = draw(125, y)
    names = legend_names(display)
    assert names == [f"often {i}" for i in range(59)] + ["7 others"]
    points, X = drawn_points(display), make_points(125)
    styles = legend_styles(display)
    # colours repeat every ten names
    alike = [name for name, style in styles.items() if style[0] == styles["7 others"][0]]
    assert alike == [*(f"often {i}" for i in range(9, 59, 10)), "7 others"]
    drawn = [i for i in range(125) if points[tuple(X[i])] == styles["7 others"][0]]
    assert drawn == [i for i in range(118) if i % 59 % 10 == 9] + list(range(118, 125))


@pytest.mark.parametrize(
    ("y", "low", "high"),
    [
        (np.linspace(-1.5, 2.5, 80), -1.5, 2.5),
        (np.linspace(0, 1, 80, dtype=np.float32), 0, 1),
        (np.r_[np.nan, np.linspace(3.5, 9, 79)], 3.5, 9),
        (np.arange(80) - 5, -5, 74),
        (np.arange(80).astype(object), 0, 79),
        (pd.Series(np.arange(80), dtype="Int64"), 0, 79),
    ],
)
def test_numbers_have_a_colour_bar_of_their_range(y, low, high):
    display = draw(80, y)
    assert display.legend_ is None
    assert (display.colorbar_.vmin, display.colorbar_.vmax) == (low, high)
    points, X = drawn_points(display), make_points(80)
    assert len(points) == 80
    viridis = plt.get_cmap("viridis")
    assert points[tuple(X[int(np.nanargmin(np.array(y, float)))])] == to_hex(viridis(0.0))
    assert points[tuple(X[-1])] == to_hex(viridis(1.0))


def test_a_palette_of_a_scale_is_a_colour_map():
    points = drawn_points(draw(80, np.linspace(0, 1, 80), palette="magma"))
    assert points[tuple(make_points(80)[-1])] == to_hex(plt.get_cmap("magma")(1.0))


@pytest.mark.parametrize("y", [list("abcd") * 20, np.linspace(0, 1, 80)], ids=["labels", "scale"])
def test_the_legend_can_be_left_out(y):
    display = draw(80, y, legend=False)
    assert display.legend_ is None
    assert display.colorbar_ is None
    assert display.ax_.get_legend() is None
    assert display.figure_.axes == [display.ax_]
    assert len(drawn_points(display)) == 80


def test_a_given_ax_is_drawn_on():
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3))
    display = draw(8, list("abababab"), ax=right)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert not left.collections
    assert plt.get_fignums() == [figure.number]
    assert figure.get_size_inches().tolist() == [7, 3]


def test_point_size_and_alpha_are_those_given():
    points = draw(5, list("ababa"), point_size=7, alpha=0.25).ax_.collections[-1]
    assert points.get_sizes().tolist() == [7]
    assert points.get_alpha() == 0.25


def test_from_estimator_transforms_with_a_fitted_estimator():
    X = make_points(30, 4)
    pca = PCA(2).fit(X[:10])
    display = EmbeddingDisplay.from_estimator(pca, X, np.arange(30) % 3)
    np.testing.assert_array_equal(display.embedding, pca.transform(X))
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("pca0", "pca1")
    assert legend_names(display) == ["0", "1", "2"]


@pytest.mark.parametrize("make", [PCA, lambda n: make_pipeline(StandardScaler(), PCA(n))])
def test_from_estimator_fits_a_clone_of_an_unfitted_estimator(make):
    X, estimator = make_points(30, 4), make(2)
    display = EmbeddingDisplay.from_estimator(estimator, X)
    np.testing.assert_allclose(display.embedding, make(2).fit_transform(X))
    with pytest.raises(NotFittedError):
        check_is_fitted(estimator)


@pytest.mark.long
@pytest.mark.parametrize("fitted", [False, True])
def test_from_estimator_takes_one_without_transform(fitted):
    X = make_points(12, 4)
    estimator = TSNE(2, perplexity=3, max_iter=250, init="random", random_state=0)
    if fitted:
        estimator.fit(X)
    display = EmbeddingDisplay.from_estimator(estimator, X)
    assert display.embedding.shape == (12, 2)
    assert hasattr(estimator, "embedding_") == fitted


def test_from_estimator_takes_one_without_feature_names_or_with_dataframes():
    X = pd.DataFrame(make_points(9), columns=["a", "b"])
    display = EmbeddingDisplay.from_estimator(FunctionTransformer(np.asarray), X)
    assert display.ax_.get_xlabel() == ""
    scaler = StandardScaler().set_output(transform="pandas")
    assert EmbeddingDisplay.from_estimator(scaler, X).ax_.get_xlabel() == "a"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"y": list("abc")}, "inconsistent numbers of samples"),
        ({"y": np.zeros((4, 2))}, r"one value for each point. Got an array of shape \(4, 2\)"),
        ({"images": np.zeros((3, 2, 2))}, "'images' parameter .* each of the 4 points. Got 3"),
        ({"images": np.zeros((5, 2, 2))}, "'images' parameter .* each of the 4 points. Got 5"),
        (
            {"images": np.zeros((4, 9))},
            r"'images' parameter .* for thumbnails. Got ndarray instead",
        ),
        ({"thumbnails": True}, r"'images' parameter .* Got NoneType instead. Pass it to"),
        ({"legend": "right"}, "'legend' parameter must be 'auto', .* Got 'right' instead"),
    ],
)
def test_what_does_not_fit_the_points_is_an_error(params, message):
    with pytest.raises(ValueError, match=message):
        draw(4, **params)
    assert plt.get_fignums() == []


def make_clusters(n_points=200, names="abcd"):
    """Labels that lie apart."""
    rng = np.random.RandomState(0)
    codes = np.arange(n_points) % len(names)
    angles = 2 * np.pi * codes / len(names)
    middles = 10 * np.column_stack([np.cos(angles), np.sin(angles)])
    return middles + rng.standard_normal((n_points, 2)), np.array(list(names))[codes]


@pytest.mark.parametrize(
    ("legend", "apart", "on_data"),
    [
        ("auto", True, True),
        ("auto", False, False),
        ("on data", False, True),
        (True, True, False),
        (False, True, None),
    ],
)
def test_names_stand_where_they_are_asked_to(legend, apart, on_data):
    xy, y = make_clusters()
    display = EmbeddingDisplay.from_embedding(
        xy if apart else make_points(200), y, legend=legend, title="title"
    )
    assert sorted(text.get_text() for text in display.names_) == list("abcd" if on_data else "")
    assert (display.legend_ is not None) == (on_data is False)
    assert set(display.names_) == set(display.ax_.texts)


def test_thumbnails_leave_the_names_beside():
    xy, y = make_clusters()
    images = np.zeros((200, 4, 4))
    display = EmbeddingDisplay.from_embedding(xy, y, images=images, thumbnails=True)
    assert legend_names(display) == list("abcd")
    assert len(display.thumbnails_) > 4
    display.plot()
    assert len(display.names_) == 4
    assert display.thumbnails_ == []


def test_from_estimator_takes_images_for_thumbnails():
    X = np.random.RandomState(0).randint(0, 256, (20, 4, 4), np.uint8)
    pipe = make_pipeline(FunctionTransformer(lambda X: X.reshape(len(X), -1)), PCA(2))
    display = EmbeddingDisplay.from_estimator(pipe, X, thumbnails=True)
    assert display.images is X
    assert display.thumbnails_
    other = X[::-1]
    assert EmbeddingDisplay.from_estimator(pipe, X, images=other).images is other
    rows = X.reshape(20, -1)
    assert EmbeddingDisplay.from_estimator(PCA(2), rows).images is None


@pytest.mark.parametrize(
    ("n", "params", "is_density"),
    [
        (50_000, {}, False),
        (50_001, {}, True),
        (50_001, {"density": False}, False),
        (50_001, {"point_size": 1}, False),
        (50_001, {"alpha": 0.5}, False),
        (30, {"density": True}, True),
        (30, {"density": True, "point_size": 1}, True),
    ],
)
def test_many_points_are_drawn_as_density(n, params, is_density):
    display = draw(n, **params)
    assert (len(display.ax_.images), len(display.ax_.collections)) == (is_density, not is_density)


def test_density_tells_many_labels_apart_without_markers():
    display = draw(200, np.arange(200) % 20, density=True, legend=True)
    styles = legend_styles(display)
    assert len({color for color, _ in styles.values()}) == 20
    assert {marker for _, marker in styles.values()} == {"o"}


@pytest.mark.parametrize(
    ("embedding", "message"),
    [
        ([[0.0, np.nan]], "embedding contains NaN"),
        ([[0.0, np.inf]], "embedding contains infinity"),
        ([0.0, 1.0], "Expected 2D array"),
        (np.empty((0, 2)), "minimum of 1 is required"),
    ],
)
def test_an_embedding_that_is_no_table_of_numbers_is_an_error(embedding, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingDisplay.from_embedding(embedding)


def test_plot_draws_again():
    display = draw(80, list("abcd") * 20)
    first = display.ax_
    points = drawn_points(display)
    assert display.plot(title="again", legend=False) is display
    assert display.ax_ is not first
    assert display.ax_.get_title() == "again"
    assert display.legend_ is None
    assert drawn_points(display) == points


@pytest.mark.parametrize("title", LONG_TITLES)
@pytest.mark.parametrize("n_labels", [None, 3, 25, 60])
def test_a_long_title_stays_within_the_figure(title, n_labels):
    y = None if n_labels is None else np.arange(120) % n_labels
    display = draw(120, y, title=LONG_TITLES[title])
    figure, _, text, _ = extents(display)
    assert display.ax_.get_title().replace("\n", "").replace(" ", "") == LONG_TITLES[title].replace(
        "\n", ""
    ).replace(" ", "")
    assert figure.x0 <= text.x0 < text.x1 <= figure.x1
    assert text.y1 <= figure.y1


def test_the_lines_of_a_title_are_kept():
    assert draw(3, title="one\ntwo").ax_.get_title() == "one\ntwo"
    assert draw(3).ax_.get_title() == ""


@pytest.mark.parametrize(
    ("n_labels", "name"), [(3, ""), (25, ""), (60, ""), (60, "a name that takes much room ")]
)
def test_the_legend_lies_in_the_figure_beside_the_axes(n_labels, name):
    y = [f"{name}{i % n_labels}" for i in range(120)]
    figure, ax, _, legend = extents(draw(120, y, legend=True))
    assert not legend.overlaps(ax)
    assert legend.x0 >= ax.x1
    assert figure.x0 <= legend.x0 < legend.x1 <= figure.x1
    assert figure.y0 <= legend.y0 < legend.y1 <= figure.y1
    assert ax.width > 0.5 * ax.height


def test_a_legend_takes_little_of_given_axes():
    y = [f"a name of some length {i}" for i in range(4)] * 5
    _, ax = plt.subplots(figsize=(4, 3))
    given = draw(20, y, ax=ax, legend=True)
    own = draw(20, y, legend=True)
    sizes = [display.legend_.get_texts()[0].get_fontsize() for display in (given, own)]
    assert sizes[0] < sizes[1] == 10


@pytest.mark.parametrize("suffix", ["pdf", "svg", "png"])
def test_pictures_are_small_files_of_any_format(tmp_path, suffix):
    xy, y = make_clusters(20_000)
    for density in (False, True):
        path = tmp_path / f"{density}.{suffix}"
        EmbeddingDisplay.from_embedding(xy, y, density=density).figure_.savefig(path)
        assert 2_000 < path.stat().st_size < 400_000


def test_from_estimator_colours_by_y_and_fits_without_it():
    class Supervised(PCA):
        def fit_transform(self, X, y=None):
            assert y is None
            return super().fit_transform(X)

    X = np.random.default_rng(0).normal(size=(12, 3))
    display = EmbeddingDisplay.from_estimator(Supervised(2), X, ["a", "b"] * 6)
    assert [text.get_text() for text in display.legend_.get_texts()] == ["a", "b"]
    lda = LinearDiscriminantAnalysis()  # it cannot do without y
    display = EmbeddingDisplay.from_estimator(lda, X, ["a", "b", "c"] * 4)
    assert display.embedding.shape == (12, 2)


def test_columns_that_are_not_drawn_are_no_secret():
    features = make_points(9, 512)
    with pytest.warns(UserWarning, match="two columns first, with UMAP or PCA") as warned:
        EmbeddingDisplay.from_embedding(features)
    assert [warning.filename for warning in warned] == [__file__]
    with expect_warning(512):
        EmbeddingDisplay.from_estimator(StandardScaler(), features)
    with expect_warning(512):
        EmbeddingDisplay(features).plot()


class Unnamed(PCA):
    def get_feature_names_out(self, input_features=None):
        raise ValueError("names are unknown")


class Framed(PCA):
    def fit_transform(self, X, y=None):
        return pd.DataFrame(np.asarray(super().fit_transform(X)), columns=["u", "v"])


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (Unnamed(2), ""),
        (Framed(2), "u"),
        (make_pipeline(FunctionTransformer(np.asarray)), ""),
        (FunctionTransformer(np.asarray, feature_names_out="one-to-one"), ""),  # never fitted
    ],
)
def test_axes_have_the_names_of_the_output_if_there_are_any(estimator, name):
    display = EmbeddingDisplay.from_estimator(estimator, make_points(9))
    assert display.ax_.get_xlabel() == name


def test_density_takes_a_given_palette_as_it_is():
    palette = [to_hex(color) for color in plt.get_cmap("tab20").colors]
    display = draw(200, np.arange(200) % 20, density=True, legend=True, palette=palette)
    assert [color for color, _ in legend_styles(display).values()] == palette


def test_a_single_column_has_a_single_name():
    display = EmbeddingDisplay.from_embedding(make_points(9, 1), axis_names=["x", "y"])
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("x", "")


@pytest.mark.parametrize("density", [False, True])
def test_a_unit_is_as_long_along_both_axes(density):
    display = EmbeddingDisplay.from_embedding(make_points(99) * [1, 5], density=density)
    display.figure_.canvas.draw()
    origin, unit = display.ax_.transData.transform([[0, 0], [1, 1]])
    assert unit[0] - origin[0] == pytest.approx(unit[1] - origin[1], rel=0.01)


def test_a_display_that_is_made_directly_checks_its_labels(tmp_path):
    points = make_points(4)
    column = EmbeddingDisplay(points, np.array([["a"], ["b"], ["b"], ["a"]])).plot(legend=True)
    assert [text.get_text() for text in column.legend_.get_texts()] == ["a", "b"]
    display = EmbeddingDisplay(points, list("abc"))
    for use in (display.plot, lambda: display.to_html(tmp_path / "page.html")):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            use()
    assert list(tmp_path.iterdir()) == []


def test_text_that_is_no_utf_8_is_escaped(tmp_path):
    y = ["caf\udce9", "b", "b", "caf\udce9"]
    display = draw(4, y=y, title="caf\udce9", axis_names=["x\udce9", "y"], legend=True)
    assert [text.get_text() for text in display.legend_.get_texts()] == ["b", "caf\\udce9"]
    assert display.ax_.get_title() == "caf\\udce9"
    assert display.ax_.get_xlabel() == "x\\udce9"
    display.figure_.savefig(tmp_path / "map.png")
    display.to_html(tmp_path / "page.html", title="caf\udce9", paths=y)
    assert "<title>caf\\udce9</title>" in (tmp_path / "page.html").read_text("utf-8")
