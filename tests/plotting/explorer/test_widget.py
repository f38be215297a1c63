"""The widget in Python: its traits, its rows, and what it sends."""

import base64
import io
import json
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy import sparse

from sklearn_resnet import EmbeddingDisplay, ImageLoader, compare_embeddings
from sklearn_resnet._runtime.errors import ParameterError

pytest.importorskip("anywidget")

N = 30


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def images():
    return np.random.RandomState(0).randint(0, 256, (N, 8, 8), np.uint8)


@pytest.fixture
def display(images):
    xy = np.random.RandomState(1).standard_normal((N, 2))
    return EmbeddingDisplay(xy, np.array(["cat", "dog", "owl"])[np.arange(N) % 3], images=images)


@pytest.fixture
def widget(display):
    return display.explore()


def make_blobs():
    """Five clusters of eight points with a label each."""
    xy = 0.1 * np.random.RandomState(0).standard_normal((40, 2))
    xy += np.repeat([[0, 0], [9, 0], [0, 9], [9, 9], [20, 20]], 8, axis=0)
    return xy, np.repeat(["cat", "dog", "elk", "fox", "owl"], 8)


def test_the_selection_is_set_by_rows_or_a_mask_and_sorted(widget):
    assert widget.selection.size == 0
    widget.selection = [5, 2, 5]
    assert widget.selection.tolist() == [2, 5]
    widget.selection = np.arange(N) >= 28
    assert widget.selection.tolist() == [28, 29]
    widget.selection = pd.Series([7])
    assert widget.selection.tolist() == [7]
    widget.selection = {4, 3}
    assert widget.selection.tolist() == [3, 4]
    widget.selection = np.array([6], object)
    assert widget.selection.tolist() == [6]
    widget.selection = pd.Series(np.arange(N) < 2, dtype="boolean")
    assert widget.selection.tolist() == [0, 1]
    widget.selection = []
    assert widget.selection.size == 0


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (None, "mask of all rows. Got None instead"),
        (1.5, "mask of all rows. Got 1.5 instead"),
        ([-1], "row numbers from 0 to 29"),
        ([N], "row numbers from 0 to 29"),
        ([0.5], "row numbers from 0 to 29"),
        (["a"], "row numbers from 0 to 29"),
        (-1, "row numbers from 0 to 29"),
        (None, "row numbers from 0 to 29"),
        (slice(3), "row numbers from 0 to 29"),
        ([[1, 2]], "row numbers from 0 to 29"),
        ([True], "one value for each of the 30 points, if it is a mask"),
    ],
)
def test_a_selection_of_other_rows_is_an_error(widget, selection, message):
    widget.selection = [1]
    with pytest.raises(ValueError, match=message):
        widget.selection = selection
    assert widget.selection.tolist() == [1]


def test_arrays_cannot_change_in_place_because_the_widget_would_not_see_it(widget):
    widget.selection = [1]
    with pytest.raises(ValueError, match="read-only"):
        widget.selection[0] = 2
    with pytest.raises(ValueError, match="read-only"):
        widget.tags[0] = "seen"


def test_a_given_array_stays_writable(widget):
    tags = np.full(N, None)
    rows = np.array([1, 2])
    widget.tags, widget.selection = tags, rows
    tags[0], rows[0] = "seen", 0
    assert widget.tags[0] is None
    assert widget.selection.tolist() == [1, 2]


def test_selected_takes_the_rows_of_any_data(widget, images):
    widget.selection = [3, 4]
    table = pd.DataFrame({"a": range(N)}, index=range(100, 100 + N))
    np.testing.assert_array_equal(widget.selected(images), images[[3, 4]])
    assert widget.selected(table).index.tolist() == [103, 104]
    assert widget.selected(list(range(N))) == [3, 4]
    assert widget.selected(sparse.eye_array(N).tocsr()).toarray().argmax(1).tolist() == [3, 4]
    with pytest.raises(ValueError, match=r"X.*one row for each of the 30 points.*29 rows"):
        widget.selected(images[1:])
    with pytest.raises(ValueError, match="31 rows"):
        widget.selected([*images, images[0]])


@pytest.mark.parametrize("form", ["coo", "dia", "bsr", "csc", "lil"])
def test_selected_takes_sparse_matrices_of_any_form(widget, form):
    widget.selection = [3, 4]
    rows = widget.selected(sparse.eye_array(N).asformat(form))
    assert rows.toarray().argmax(1).tolist() == [3, 4]


def test_two_widgets_that_follow_each_other_come_to_an_end(display):
    first, second = display.explore(), display.explore()
    for name in ("selection", "tags"):
        first.observe(lambda change: second.set_trait(change.name, change.new), name)
        second.observe(lambda change: first.set_trait(change.name, change.new), name)
    first.selection = [3, 4, 5]
    first.tags = ["seen"] * N
    assert second.selection.tolist() == [3, 4, 5]
    second.selection = []
    assert first.selection.size == 0
    assert second.tags.tolist() == ["seen"] * N


@pytest.mark.parametrize(
    "hidden", [np.array([1, 2]), pd.Series([1.0, 2.0]), (1, 2), ["1", "2"], pd.Index(["1", "2"])]
)
def test_hidden_labels_are_given_as_they_are_in_the_data(display, hidden):
    widget = display.explore(labels=np.arange(N) % 3)
    widget.hidden = hidden
    assert widget.hidden == ["1", "2"]


@pytest.mark.parametrize(
    ("column", "hidden", "message"),
    [
        ("kind", ["owl", "dgo"], r"'hidden' .* which are 'cat', 'dog', 'no kind'.*Got 'owl'"),
        ("kind", ["dgo"], r"Got 'dgo' instead. Did you mean 'dog'\?"),
        ("kind", ["keep"], "labels in the column 'kind'"),
        ("weight", ["1"], "must be empty, because there are no labels in the column 'weight'"),
        ("many", ["x"], "which are '1', '2', .* and 52 more"),
        ("many", ["9"], "Got '9' instead"),  # one of "n others"
        ("tag", ["cat"], "'tag', which are 'keep', 'no tag'. Got 'cat'"),
    ],
)
def test_hidden_labels_must_be_in_the_legend(display, column, hidden, message):
    kind = np.array(["cat", "dog", None], object)[np.arange(70) % 3]
    weight, many = np.arange(70) / 3, [str(i + 1) for i in range(70)]
    display = EmbeddingDisplay(np.random.RandomState(1).standard_normal((70, 2)))
    labels = {"kind": kind, "weight": weight, "many": many}
    widget = display.explore(labels=labels, tags=["keep"] + [None] * 69)
    widget.color_by = column
    with pytest.raises(ParameterError, match=message):
        widget.hidden = hidden
    assert widget.hidden == []
    groups = {"kind": ["no kind"], "weight": [], "many": ["11 others"], "tag": ["no tag"]}[column]
    widget.hidden = groups
    assert widget.hidden == groups


def test_hidden_labels_that_the_browser_sends_are_never_refused(display):
    widget = display.explore(tags=["keep", "drop"] + [None] * (N - 2))
    widget.set_state({"hidden": ["cat"], "color_by": "tag"})  # of the column before
    assert (widget.color_by, widget.hidden) == ("tag", [])
    widget.set_state({"hidden": ["cat"], "color_by": "label"})  # of the column behind
    assert (widget.color_by, widget.hidden) == ("label", ["cat"])
    widget.color_by = "tag"
    codes = np.zeros(N, "<i4").tobytes()
    widget.set_state({"tags": {"names": ["keep", "drop"], "codes": codes}})
    widget.set_state({"hidden": ["drop"]})  # the browser lists it, although no row has it
    assert widget.hidden == ["drop"]
    widget.hidden = widget.hidden


def test_labels_that_tags_no_longer_have_are_not_hidden(display):
    widget = display.explore(tags=["keep", "drop"] + [None] * (N - 2))
    widget.color_by = "tag"
    widget.hidden = ["drop", "no tag"]
    widget.tags = ["keep"] * N
    assert widget.hidden == ["no tag"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"cluster 9": "x"}, r"'names' .*, which are '.*'cat'.* Got 'cluster 9' instead"),
        ({"cat": 1}, "'names' .* text for the cluster 'cat'. Got 1 instead"),
        ({"cat": None}, "Got None instead"),
    ],
)
def test_names_must_be_those_of_clusters(names, message):
    xy, labels = make_blobs()
    display = EmbeddingDisplay(xy, labels)
    widget = display.explore(names={"cat": "mine"})
    with pytest.raises(ParameterError, match=message):
        widget.names = names
    with pytest.raises(ParameterError, match=message):
        display.explore(names=names)
    assert widget.names == {"cat": "mine"}
    few = EmbeddingDisplay(xy[:5])
    with pytest.raises(ParameterError, match="because there are no names of clusters"):
        few.explore(names=names)


def test_a_closed_widget_keeps_its_values(widget, capsys):
    pytest.importorskip("IPython")
    widget.close()
    widget.selection = [1]
    assert widget.selection.tolist() == [1]
    widget._ipython_display_()
    assert "base64" in capsys.readouterr().out  # its picture


def test_a_name_is_for_a_cluster_of_one_map():
    xy, labels = make_blobs()
    comparison = compare_embeddings({"a": xy, "b": xy[:, ::-1]}, labels)
    widget = comparison.explore(names={"a: cat": "mine"})
    assert widget.names == {"a: cat": "mine"}
    widget.names = {"b: cat": "yours"}
    with pytest.raises(ParameterError, match="Got 'cat' instead"):
        widget.names = {"cat": "mine"}


def test_clusters_are_a_column_for_each_level_with_the_users_names():
    xy, labels = make_blobs()
    xy[3] = [50, 50]
    widget = EmbeddingDisplay(xy, labels).explore(names={"dog": "mine"})
    assert widget.clusters.columns.tolist() == ["cluster level 0"]
    expected = np.where(labels == "dog", "mine", labels.astype(object))
    expected[3] = None
    assert widget.clusters["cluster level 0"].tolist() == expected.tolist()
    widget.names = {}
    widget.selection = widget.clusters["cluster level 0"] == "dog"
    assert widget.selection.tolist() == list(range(8, 16))
    with pytest.raises(AttributeError):
        widget.clusters = widget.clusters
    few = EmbeddingDisplay(xy[:5]).explore().clusters
    assert few.shape == (5, 0)


def test_renamed_clusters_are_hidden_by_the_names_that_they_had():
    xy, labels = make_blobs()
    widget = EmbeddingDisplay(xy, labels).explore(names={"dog": "mine"})
    widget.color_by = "cluster"
    widget.hidden = ["dog"]
    widget.names = {"dog": "yours"}
    assert widget.hidden == ["dog"]
    with pytest.raises(ValueError, match="Got 'yours' instead"):
        widget.hidden = ["yours"]


def test_clusters_are_columns_of_each_map():
    xy, labels = make_blobs()
    shifted = np.roll(xy, 4, axis=0)
    comparison = compare_embeddings({"a": xy, "b": shifted}, labels)
    widget = comparison.explore(labels=np.arange(40) / 3, names={"b: cluster 1": "mine"})
    assert widget.clusters.columns.tolist() == ["a: cluster level 0", "b: cluster level 0"]
    first, second = widget.clusters.to_numpy().T
    assert set(first) == {f"cluster {k}" for k in range(1, 6)}
    assert set(second) == {"mine", *(f"cluster {k}" for k in range(2, 6))}
    assert len(set(second[4:12])) == 1


def test_the_picture_of_a_plot_in_a_subfigure_is_the_whole_figure(display):
    figure = Figure()
    display.plot(figure.subfigures(1, 2)[0].subplots())
    png = display.explore()._picture()
    assert Image.open(io.BytesIO(png)).size == tuple(figure.bbox.size.astype(int))


def test_selected_takes_lazy_images(widget, tmp_path):
    paths = [tmp_path / f"{i:02}.png" for i in range(N)]
    for i, path in enumerate(paths):
        Image.new("L", (8, 8), i).save(path)
    lazy = ImageLoader(lazy=True).fit_transform(paths)
    widget.selection = [3, 4]
    assert np.asarray(widget.selected(lazy))[:, 0, 0, 0].tolist() == [3, 4]


def test_changes_are_observed(widget):
    seen = []
    widget.observe(lambda change: seen.append(change.new.tolist()), "selection")
    widget.selection = [1, 2]
    widget.set_state({"selection": np.array([9], "<u4").tobytes()})  # as the browser does
    assert seen == [[1, 2], [9]]
    assert widget.selection.dtype == np.int64


def test_the_pinned_row_and_the_column_are_checked(widget):
    widget.pinned = 3
    with pytest.raises(ValueError, match=r"pinned.*from 0 to 29, or None.*30"):
        widget.pinned = N
    with pytest.raises(ValueError, match="color_by.*'label', 'cluster', 'tag'.*'size'"):
        widget.color_by = "size"
    assert widget.pinned == 3


def test_another_column_shows_all_labels(widget):
    widget.hidden = ["cat"]
    widget.color_by = "cluster"
    assert widget.hidden == []
    with widget.hold_trait_notifications():
        widget.hidden = ["dog"]
        widget.color_by = "label"
    assert (widget.color_by, widget.hidden) == ("label", ["dog"])


def test_tags_are_a_column_that_goes_to_the_browser_and_back(display):
    tags = np.array(["keep", None, np.nan, "drop"] + [None] * (N - 4), object)
    widget = display.explore(tags=tags)
    assert widget.tags[:4].tolist() == ["keep", None, None, "drop"]
    sent = widget.get_state("tags")["tags"]
    assert sent["names"] == ["drop", "keep"]
    codes = np.frombuffer(sent["codes"], "<i4").copy()
    codes[1] = 1
    widget.set_state({"tags": {"names": ["drop", "keep"], "codes": codes.tobytes()}})
    assert widget.tags[:4].tolist() == ["keep", "keep", None, "drop"]
    again = display.explore(tags=widget.tags)
    assert again.tags.tolist() == widget.tags.tolist()
    with pytest.raises(ValueError, match=r"tags.*each of the 30 points"):
        widget.tags = ["keep"]


def test_a_sheet_is_made_when_it_is_asked_for(display):
    display.images = np.zeros((N, 8, 8), np.uint8)
    widget = display.explore()
    assert Image.open(io.BytesIO(widget._first_sheet)).format == "WEBP"  # the only one
    sent = []
    widget.send = lambda content, buffers=None: sent.append((content, buffers))
    widget._handle_custom_msg({"kind": "sheet", "k": 0}, [])
    assert sent[0][0] == {"kind": "sheet", "k": 0}
    assert sent[0][1] == [widget._first_sheet]


def test_a_sheet_that_cannot_be_made_is_told_to_the_browser(widget):
    sent = []
    widget.send = lambda content, buffers=None: sent.append(content)
    widget._sheets = None
    with pytest.raises(AttributeError):
        widget._answer(widget, {"kind": "sheet", "k": 0}, [])
    assert sent[0]["k"] == 0
    assert sent[0]["error"]


def test_the_display_is_a_picture_in_a_notebook(display):
    png = display._repr_png_()
    assert Image.open(io.BytesIO(png)).format == "PNG"
    assert not hasattr(display, "figure_")
    figure = display.plot().figure_
    size = Image.open(io.BytesIO(display._repr_png_())).size
    assert size == tuple(np.round(figure.get_size_inches() * figure.dpi).astype(int))


def test_a_saved_notebook_has_a_picture(widget, capsys):
    pytest.importorskip("IPython")
    widget._ipython_display_()
    out = capsys.readouterr().out
    assert "application/vnd.jupyter.widget-view+json" in out
    start = out.index("base64,") + len("base64,")
    png = base64.b64decode(out[start : out.index('"', start)])
    assert Image.open(io.BytesIO(png)).format == "PNG"
    assert widget._id in out  # by which the widget finds the picture to hide it


def test_without_anywidget_the_error_names_the_extra(display, monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, "sklearn_resnet.plotting.explorer.widget", raising=False)
    with pytest.raises(ImportError, match=r"sklearn-resnet\[explore\]"):
        display.explore()


def test_a_comparison_shows_its_maps_side_by_side(display, images):
    xy, features = display.embedding, np.random.RandomState(2).standard_normal((N, 5))
    comparison = compare_embeddings({"a": xy, "b": xy[:, ::-1]}, display.y, features=features)
    widget = comparison.explore(images=images)
    metadata = json.loads(widget._metadata)
    assert [each["name"] for each in metadata["maps"]] == ["a", "b"]
    assert metadata["distances"] == ["Euclidean distance of features"]
    np.testing.assert_array_equal(
        np.frombuffer(widget._buffers["xy1"], "<f4")[::2], xy[:, 1].astype("<f4")
    )
    with pytest.raises(ValueError, match="one image for each of the 30 points"):
        comparison.explore(images=images[1:])
    own = compare_embeddings(
        {"a": xy, "b": xy[:, ::-1]}, display.y, features={"a": features, "b": xy}
    )
    for widget in (own.explore(), comparison.explore(features={"b": xy, "a": features})):
        expected = ["the features of a", "the features of b"]
        assert json.loads(widget._metadata)["distances"] == expected
    with pytest.raises(ParameterError, match="names of the maps .*'a', 'b'. Got 'a' instead"):
        comparison.explore(features={"a": features})
    four = compare_embeddings(dict.fromkeys("abcd", xy), display.y)
    with pytest.raises(ValueError, match="at most 3 maps"):
        four.explore()
