"""Figures of a layer search: all of it can be read, and it is right."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sklearn_resnet import LayerSearchDisplay, list_layers
from sklearn_resnet._network.layers import layer_table

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
