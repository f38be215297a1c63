"""Layout: titles are wrapped and axes shrink so that nothing is cut off and nothing overlaps."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sklearn_resnet import EmbeddingDisplay
from sklearn_resnet.plotting._layout import fit_axes, fit_title


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("title", ["word " * 40, "x" * 120, "WWW " * 30, "one\ntwo", "", None])
@pytest.mark.parametrize("width", [2.5, 8])
def test_a_title_is_no_wider_than_its_axes(title, width):
    figure, (ax, _) = plt.subplots(1, 2, figsize=(2 * width, 6), layout="constrained")
    fit_title(ax, title)
    figure.canvas.draw()
    text = ax.title
    assert text.get_window_extent().width <= ax.get_window_extent().width
    assert text.get_window_extent().y1 <= figure.bbox.y1
    assert "".join(text.get_text().split()) == "".join((title or "").split())


def test_a_title_is_not_broken_without_need():
    _, ax = plt.subplots(figsize=(8, 6))
    fit_title(ax, "a title of a few words that all fit into one line")
    assert "\n" not in ax.get_title()


def test_room_is_made_for_what_lies_beyond_the_figure():
    figure, ax = plt.subplots(figsize=(3, 3))
    ax.set(title="1\n2\n3\n4", xlabel="1\n2\n3\n4", ylabel="1\n2\n3\n4", xticks=[], yticks=[])
    before = ax.get_tightbbox()
    assert not np.any((before.min >= 0) & (before.max <= figure.bbox.max))
    fit_axes(ax)
    box = ax.get_tightbbox()
    assert np.all((box.min >= 0) & (box.max <= figure.bbox.max))


def test_room_is_left_at_the_right():
    _, ax = plt.subplots(figsize=(3, 3))
    before = ax.get_window_extent().extents
    fit_axes(ax, right=30)
    after = ax.get_window_extent().extents
    np.testing.assert_allclose(after, before - [0, 0, 30, 0])


@pytest.mark.parametrize("layout", [None, "constrained", "tight"])
def test_axes_stay_where_they_need_not_shrink(layout):
    figure, ax = plt.subplots(layout=layout)
    figure.draw_without_rendering()
    before = ax.get_position().extents
    fit_axes(ax, right=0 if layout is None else 30)
    np.testing.assert_allclose(ax.get_position().extents, before)


def test_axes_of_a_subfigure_shrink_within_it():
    figure = plt.figure(figsize=(8, 3))
    ax = figure.subfigures(1, 2)[1].subplots()
    before = ax.get_window_extent().extents
    fit_axes(ax, right=30)
    np.testing.assert_allclose(ax.get_window_extent().extents, before - [0, 0, 30, 0])


def make_clusters(n_points=200, names="abcd"):
    """Labels that lie apart."""
    rng = np.random.RandomState(0)
    codes = np.arange(n_points) % len(names)
    angles = 2 * np.pi * codes / len(names)
    middles = 10 * np.column_stack([np.cos(angles), np.sin(angles)])
    return middles + rng.standard_normal((n_points, 2)), np.array(list(names))[codes]


TITLE = "photos/train: UMAP of 60,000 images, ResNet50V2, layer 82 (conv3_block4_2_relu)"


@pytest.mark.parametrize("layout", [None, "constrained", "tight"])
@pytest.mark.parametrize(
    "size", [(3.5, 3), pytest.param((8, 6), marks=pytest.mark.long), (14, 10)], ids=str
)
@pytest.mark.parametrize("kind", ["on data", "legend", "scale", "thumbnails", "density"])
def test_all_lies_within_a_figure_of_any_size(size, layout, kind):
    xy, y = make_clusters(names="abcd" if kind == "on data" else "abcdefghijklmnop")
    y = xy[:, 0] if kind == "scale" else y
    figure, ax = plt.subplots(figsize=size, layout=layout)
    display = EmbeddingDisplay.from_embedding(
        xy,
        y,
        axis_names=["first", "second"],
        images=np.zeros((len(xy), 8, 8)),
        ax=ax,
        title=TITLE,
        legend={"on data": "auto", "legend": True, "density": "on data"}.get(kind, "auto"),
        thumbnails=kind == "thumbnails",
        density=kind == "density",
    )
    figure.canvas.draw()
    assert figure.get_size_inches().tolist() == list(size)
    window = ax.get_window_extent()
    names = [ax.title, ax.xaxis.label, ax.yaxis.label, display.legend_]
    around = [artist.get_window_extent() for artist in names if artist is not None]
    if display.colorbar_ is not None:
        around.append(display.colorbar_.ax.get_tightbbox())
    for box in around:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert np.all(box.max <= figure.bbox.max)
        assert not box.overlaps(window)
    for artist in [*display.names_, *display.thumbnails_]:
        box = artist.get_window_extent()
        assert np.all(box.min >= window.min - 1)
        assert np.all(box.max <= window.max + 1)
    points = ax.transData.transform(xy)
    assert np.all((points > window.min) & (points < window.max))
    assert window.width > 0.35 * figure.bbox.width
    assert window.height > 0.35 * figure.bbox.height


@pytest.mark.parametrize("layout", [None, "constrained"])
@pytest.mark.parametrize("legend", ["auto", True])
def test_all_lies_within_its_part_of_a_grid(layout, legend):
    xy, y = make_clusters()
    figure, axes = plt.subplots(2, 2, figsize=(9, 7), layout=layout)
    for ax in axes.flat:
        display = EmbeddingDisplay.from_embedding(
            xy, y, ax=ax, legend=legend, axis_names=["first", "second"], title="a title of its own"
        )
        assert (display.legend_ is None) == (legend == "auto")
    figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in axes.flat]
    for i, box in enumerate(boxes):
        assert np.all((box.min >= 0) & (box.max <= figure.bbox.max))
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_axes_that_need_no_space_take_part_in_a_later_layout():
    figure, ax = plt.subplots(figsize=(4, 3))
    fit_axes(ax)
    ax.set_xlabel("1\n2\n3\n4\n5")
    figure.set_layout_engine("constrained")
    figure.draw_without_rendering()
    assert ax.get_tightbbox().y0 >= 0


def test_a_line_of_a_title_stays_a_line():
    _, ax = plt.subplots()
    fit_title(ax, "one\ntwo words")
    assert ax.get_title() == "one\ntwo words"
