"""Figures of a layer search: all of it can be read, and it is right."""

from itertools import pairwise, product

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.text import Text

from sklearn_resnet import LayerSearchDisplay, list_layers
from sklearn_resnet._network.layers import count_gflop, layer_table
from sklearn_resnet.plotting.layer_search.drawing import describe_size

BLOCK_ENDS = [layer.index for layer in layer_table("ResNet50V2") if layer.name.endswith("_out")]


def read_labels(display):
    display.figure_.canvas.draw()
    above = display.ax_.child_axes[0]
    return [label for label in above.get_xticklabels() if label.get_text()]


@pytest.mark.parametrize("layers", [[82], [16, 51, 82, 85], [84, 85, 86, 87], BLOCK_ENDS])
def test_what_is_drawn_can_be_read(layers):
    rng = np.random.default_rng(0)
    display = LayerSearchDisplay(layers, rng.random((len(layers), 3))).plot()
    labels = read_labels(display)
    boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: box.x0)
    assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))
    assert len(labels) >= min(len(layers), 2)
    legend = " ".join(text.get_text() for text in display.ax_.get_legend().get_texts())
    name = layer_table("ResNet50V2")[display.best_layer_].name
    assert f"best: {display.best_layer_} {name}, " in legend
    assert "cheapest within one standard error: " in legend
    assert "standard deviation over 3 folds" in legend


def test_costs_and_widths_are_told():
    labels = read_labels(LayerSearchDisplay([16, 153], [[0], [1]]).plot())
    assert sorted(label.get_text() for label in labels) == ["1,024 · 5.5", "256 · 0.7"]
    assert list_layers()["gflop"][153] == pytest.approx(5.5, abs=0.05)


def test_means_are_drawn_with_their_standard_deviations():
    display = LayerSearchDisplay([2, 4], [[0, 0.5], [0.25, 1]]).plot()
    (bars,) = display.ax_.containers
    np.testing.assert_allclose(bars[0].get_xydata(), [[2, 0.25], [4, 0.625]])
    spreads = [np.ptp(segment[:, 1]) / 2 for segment in bars[2][0].get_segments()]
    np.testing.assert_allclose(spreads, [0.25, 0.375])
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert any(text.startswith("best: 4 ") and text.endswith(", 0.625") for text in legend)


@pytest.mark.parametrize(
    ("layers", "names"),
    [([84, 85, 86, 87], ["conv3", "conv4"]), ([16, 189], ["conv2", "conv3", "conv4", "conv5"])],
)
def test_stages_are_named_where_they_are_in_view(layers, names):
    display = LayerSearchDisplay(layers, np.zeros((len(layers), 1))).plot()
    low, high = display.ax_.get_xlim()
    assert [text.get_text() for text in display.ax_.texts] == names
    for text in display.ax_.texts:
        stage = [
            layer.index for layer in layer_table("ResNet50V2") if layer.stage == text.get_text()
        ]
        assert max(low, stage[0] - 1) < text.get_position()[0] < min(high, stage[-1] + 1)
    shaded = [
        patch.get_extents().transformed(display.ax_.transData.inverted())
        for patch in display.ax_.patches
    ]
    stages = list(dict.fromkeys(layer.stage for layer in layer_table("ResNet50V2")))
    stages = [stage for stage in stages if stage.startswith("conv")][1::2]
    ends = [
        [layer.index for layer in layer_table("ResNet50V2") if layer.stage == stage]
        for stage in stages
    ]
    np.testing.assert_allclose(
        [(box.x0, box.x1) for box in shaded], [(end[0] - 0.5, end[-1] + 0.5) for end in ends]
    )


def draw_surface(layers, sizes, n_folds=5, *, scale=1.0, **parameters):
    """A display with a random score for each layer at each size."""
    rng, cuts = np.random.default_rng(0), list(product(layers, sizes))
    scores = scale * (rng.random((len(cuts), 1)) + 0.02 * rng.random((len(cuts), n_folds)))
    return LayerSearchDisplay(
        [layer for layer, _ in cuts], scores, image_sizes=[size for _, size in cuts], **parameters
    )


SIZES = [32, 48, 64, 96, 128, 224]
SURFACES = {
    "usual": draw_surface([16, 39, 51, 73, 82, 85], SIZES, nested_scores=[0.8, 0.7]),
    "all blocks": draw_surface(BLOCK_ENDS, [32, 64, 224]),
    "many sizes": draw_surface([16, 85], range(16, 256, 16)),
    "one layer": draw_surface([85], [32, 64]),
    "pairs": draw_surface([16, 39, 85], [None, (32, 48), (64, 96)]),
    "large scores": draw_surface([16, 39, 51, 85], [32, 64], scale=-2000, score_name="neg_mse"),
    "one fold": draw_surface([16, 39], [32, 64], 1, test_size=0.2),
    "deep": draw_surface([16, 555], [32, 224], architecture="ResNet152V2"),
}


def list_texts(display):
    """All that is written in a figure, drawn."""
    display.figure_.canvas.draw()
    return [
        text
        for text in display.figure_.findobj(Text)
        if text.get_text().strip() and text.get_visible() and text.get_window_extent().width > 1
    ]


def shrunk(box, pixels=1):
    return box.padded(-pixels)


def list_cells(display):
    """The texts in the cells of a heat map, by row and column."""
    cells = {}
    for text in display.ax_.texts:
        x, y = text.get_position()
        cells.setdefault((int(y), int(x)), []).append(text)
    return cells


DRAWN = [
    *((surface, "heatmap", "new") for surface in SURFACES),
    *((surface, "heatmap", "given") for surface in ("usual", "large scores")),
    *((surface, "curves", "new") for surface in ("usual", "deep")),
    *((surface, "curves", "given") for surface in ("usual", "pairs")),
    *((surface, "cost", "new") for surface in ("usual", "large scores")),
    ("usual", "cost", "given"),
]


def draw(surface, kind, where):
    ax = plt.subplots()[1] if where == "given" else None
    return SURFACES[surface].plot(ax, kind=kind, title="A title")


@pytest.mark.parametrize(("surface", "kind", "where"), DRAWN)
def test_all_that_is_written_is_in_the_figure(surface, kind, where):
    display = draw(surface, kind, where)
    texts, figure = list_texts(display), display.figure_.bbox
    assert "A title" in [text.get_text() for text in texts]
    in_view = display.ax_.get_window_extent().padded(20)
    ticks = display.ax_.get_xticklabels() + display.ax_.get_yticklabels()
    for text in texts:
        box = text.get_window_extent()
        if text in ticks and not in_view.overlaps(box):
            continue
        assert figure.x0 <= box.x0 < box.x1 <= figure.x1, text
        assert figure.y0 <= box.y0 < box.y1 <= figure.y1, text


@pytest.mark.parametrize("kind", ["heatmap", "curves", "cost"])
@pytest.mark.parametrize("where", ["new", "given"])
def test_the_legend_hides_nothing(kind, where):
    display = draw("usual", kind, where)
    display.figure_.canvas.draw()
    legend = display.ax_.get_legend().get_window_extent()
    assert legend.x0 > display.ax_.get_window_extent().x1
    assert legend.x1 <= display.figure_.bbox.x1


@pytest.mark.parametrize(
    ("surface", "where"), [(surface, where) for surface, kind, where in DRAWN if kind == "heatmap"]
)
def test_cells_hold_their_texts(surface, where):
    display = draw(surface, "heatmap", where)
    display.figure_.canvas.draw()
    for (row, column), texts in list_cells(display).items():
        corners = display.ax_.transData.transform([(column, row), (column + 1, row + 1)])
        boxes = [text.get_window_extent() for text in texts]
        for box in boxes:
            assert corners[0, 0] <= box.x0 < box.x1 <= corners[1, 0]
            assert corners[0, 1] <= box.y0 < box.y1 <= corners[1, 1]
        assert not any(shrunk(a).overlaps(shrunk(b)) for a, b in pairwise(boxes))
    labels = [label.get_window_extent() for label in display.ax_.get_yticklabels()]
    assert not any(shrunk(a).overlaps(shrunk(b)) for a, b in pairwise(labels))


def test_each_cell_tells_the_score_and_cost_of_its_layer_and_size():
    cuts = [(16, 32), (16, 224), (85, 32), (85, (32, 64)), (51, 224)]
    means = [0.5123, 0.61, 0.7, 0.9, 0.8]
    display = LayerSearchDisplay(
        [layer for layer, _ in cuts],
        np.array(means)[:, None] + [0.001, -0.001],
        image_sizes=[size for _, size in cuts],
    ).plot()
    rows = [label.get_text() for label in display.ax_.get_yticklabels()]
    columns = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert rows == ["32 x 32", "32 x 64", "224 x 224"]
    assert columns == ["16 conv2_block1_out", "51 conv3_block1_out", "85 conv3_block4_out"]
    told = {
        (rows[row], columns[column]): [text.get_text() for text in texts]
        for (row, column), texts in list_cells(display).items()
    }
    table, expected = layer_table("ResNet50V2"), {}
    for (layer, size), mean in zip(cuts, means, strict=True):
        pair = size if isinstance(size, tuple) else (size, size)
        cost = count_gflop(table, table[layer], pair)
        name = f"{layer} {table[layer].name}"
        expected[f"{pair[0]} x {pair[1]}", name] = [f"{mean:.3f}", f"{cost:#.2g}"]
    assert told == expected
    (mesh,) = display.ax_.collections
    np.testing.assert_allclose(
        mesh.get_array().filled(np.nan),
        [[0.5123, np.nan, 0.7], [np.nan, np.nan, 0.9], [0.61, 0.8, np.nan]],
    )


def test_a_cell_without_a_known_cost_tells_none():
    display = LayerSearchDisplay([16, 16], [[0.5, 0.6], [0.7, 0.8]], image_sizes=[None, 32]).plot()
    told = {row: len(texts) for (row, _), texts in list_cells(display).items()}
    assert told == {0: 1, 1: 2}
    assert display.ax_.get_yticklabels()[0].get_text() == "their own size"


def test_letters_have_the_contrast_of_their_cell():
    display = SURFACES["usual"].plot()
    (mesh,) = display.ax_.collections
    for (row, column), texts in list_cells(display).items():
        cell = rgb_to_grey(mesh.cmap(mesh.norm(mesh.get_array()[row, column]))[:3])
        for text in texts:
            assert abs(cell - rgb_to_grey(to_rgb(text.get_color()))) > 0.4


def rgb_to_grey(color):
    return np.dot(color, [0.299, 0.587, 0.114])


def list_outlines(display):
    """The corner of the cell in each outline, by its colour."""
    return {
        to_hex(patch.get_edgecolor()): tuple(np.floor(patch.get_xy()).astype(int))
        for patch in display.ax_.patches
    }


def test_the_best_the_cheapest_and_the_front_are_marked():
    layers, sizes = zip(*product([16, 51, 85], [32, 224]), strict=True)
    means = [0.5, 0.4, 0.899, 0.6, 0.9, 0.3]
    scores = np.array(means)[:, None] + [0.01, -0.01]
    display = LayerSearchDisplay(layers, scores, image_sizes=sizes).plot()
    assert (display.best_layer_, display.cheapest_layer_) == (85, 51)
    outlines = list_outlines(display)
    assert sorted(outlines.values()) == [(1, 0), (2, 0)]
    legend = display.ax_.get_legend()
    texts = [text.get_text().replace("\n", " ") for text in legend.get_texts()]
    handles = dict(zip(texts, legend.legend_handles, strict=True))
    best = handles["best: 85 conv3_block4_out at 32 x 32, 0.900"]
    cheapest = handles["cheapest within one standard error: 51 conv3_block1_out at 32 x 32, 0.899"]
    assert outlines[to_hex(best.get_edgecolor())] == (2, 0)
    assert outlines[to_hex(cheapest.get_edgecolor())] == (1, 0)
    dots = {tuple(np.floor(line.get_xydata()[0]).astype(int)) for line in display.ax_.lines}
    assert dots == {(0, 0), (1, 0), (2, 0)}


def test_scores_that_cannot_be_told_from_the_best_are_bold():
    scores = [[0.9, 0.8, 0.91], [0.89, 0.82, 0.9], [0.2, 0.1, 0.21]]
    display = LayerSearchDisplay([16, 51, 85], scores, image_sizes=[32, 32, 64]).plot()
    high = display.to_frame()["difference_high"]
    assert (high >= 0).tolist() == [True, True, False]
    weights = {
        column: texts[0].get_fontweight() for (_, column), texts in list_cells(display).items()
    }
    assert weights == {0: "bold", 1: "bold", 2: "normal"}
    explained = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert any("bold" in text for text in explained)
    display = LayerSearchDisplay([16, 51], [[0.5], [0.6]], image_sizes=[32, 64]).plot()
    explained = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert not any("bold" in text for text in explained)
    assert {text.get_fontweight() for text in display.ax_.texts} == {"normal"}


def test_each_size_has_a_curve():
    display = SURFACES["pairs"].plot(kind="curves")
    frame = display.to_frame()
    curves = display.ax_.containers
    sizes = [None, (32, 48), (64, 96)]
    names = ["their own size", "32 x 48", "64 x 96"]
    assert [bars.get_label() for bars in curves] == [f"images of {name}" for name in names]
    assert len({to_hex(bars[0].get_color()) for bars in curves}) == 3
    for size, bars in zip(sizes, curves, strict=True):
        part = frame[
            frame["image_size"].map(lambda other, size=size: other == size or other is size)
        ]
        np.testing.assert_allclose(bars[0].get_xydata(), part[["layer", "mean_score"]])
        spreads = [np.ptp(segment[:, 1]) / 2 for segment in bars[2][0].get_segments()]
        np.testing.assert_allclose(spreads, part["std_score"])


def test_curves_of_several_sizes_tell_no_cost_and_each_width_once():
    labels = read_labels(LayerSearchDisplay([16, 16, 153], [[0], [1], [2]],
                                            image_sizes=[32, 64, 32]).plot(kind="curves"))  # fmt: skip
    assert sorted(label.get_text() for label in labels) == ["1,024", "256"]


def test_curves_of_one_size_tell_the_cost_at_that_size():
    display = LayerSearchDisplay([16, 153], [[0], [1]], image_sizes=[448, 448]).plot()
    labels = read_labels(display)
    assert sorted(label.get_text() for label in labels) == ["1,024 · 22", "256 · 2.8"]
    above = display.ax_.child_axes[0]
    assert above.get_xlabel() == "features · GFLOP for an image of 448 x 448"


def list_points(display, label):
    return [
        line.get_xydata() for line in display.ax_.lines if str(line.get_label()).startswith(label)
    ]


def test_scores_are_drawn_against_costs():
    display = SURFACES["usual"].plot(kind="cost")
    frame = display.to_frame()
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_xlabel() == "GFLOP for an image"
    drawn = list_points(display, "images of")
    assert len(drawn) == len(SIZES)
    for size, points in zip(SIZES, drawn, strict=True):
        part = frame[frame["image_size"] == size]
        np.testing.assert_allclose(points, part[["gflop", "mean_score"]])
    (front,) = list_points(display, "Pareto front")
    expected = frame[frame["is_pareto"]].sort_values("gflop")[["gflop", "mean_score"]]
    np.testing.assert_allclose(front, expected)
    assert (np.diff(front, axis=0) > 0).all()
    for label, flag in (("best", "is_best"), ("cheapest", "is_cheapest")):
        (mark,) = list_points(display, label)
        np.testing.assert_allclose(mark, frame[frame[flag]][["gflop", "mean_score"]])


def test_costs_that_are_not_known_are_not_drawn():
    display = LayerSearchDisplay(
        [16, 16, 51], [[0.9], [0.8], [0.7]], image_sizes=[None, 32, 32]
    ).plot(kind="cost")
    assert [len(points) for points in list_points(display, "images of")] == [2]
    assert display.ax_.get_xlabel() == "GFLOP for an image of 32 x 32"


def test_candidates_of_the_front_are_named():
    display = LayerSearchDisplay(
        [16, 51, 85, 85], [[0.5], [0.7], [0.9], [0.6]], image_sizes=[32, 64, 224, 32]
    ).plot(kind="cost")
    names = {text.get_text() for text in display.ax_.texts}
    assert names == {"16 at 32 x 32", "85 at 32 x 32", "51 at 64 x 64", "85 at 224 x 224"}
    display = LayerSearchDisplay([16, 51], [[0.5], [0.4]]).plot(kind="cost")
    assert [text.get_text() for text in display.ax_.texts] == ["16"]
    assert display.ax_.get_xlabel() == "GFLOP for an image of 224 x 224"


@pytest.mark.parametrize("kind", ["heatmap", "curves", "cost"])
def test_the_score_of_the_whole_search_is_told(kind):
    display = LayerSearchDisplay(
        [16, 51], [[0.5, 0.6], [0.7, 0.8]], image_sizes=[32, 64], nested_scores=[0.6, 0.7]
    ).plot(kind=kind)
    legend = [text.get_text().replace("\n", " ") for text in display.ax_.get_legend().get_texts()]
    assert "score of the whole search (nested): 0.650 ± 0.050" in legend
    if kind != "heatmap":
        (line,) = [line for line in display.ax_.lines if line.get_linestyle() == "--"]
        np.testing.assert_allclose(line.get_ydata(), 0.65)


def test_no_nested_scores_are_told_without_them():
    display = LayerSearchDisplay([16, 51], [[0.5, 0.6], [0.7, 0.8]]).plot()
    assert not any("nested" in text.get_text() for text in display.ax_.get_legend().get_texts())


@pytest.mark.parametrize(
    ("size", "text"),
    [(64, "64 x 64"), ((64, 64), "64 x 64"), ((48, 64), "48 x 64"), (None, "their own size")],
)
def test_a_size_is_described_by_height_and_width(size, text):
    assert describe_size(size) == text
