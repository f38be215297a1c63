"""Legends: what stands in them, and how much room they take."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sklearn_resnet.plotting._coloring import color_points
from sklearn_resnet.plotting._legend import draw_legend


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def draw(names, height=4.0, max_width=2.0):
    figure, ax = plt.subplots(figsize=(8, 6))
    coloring = color_points(np.array(names), len(names))
    legend = draw_legend(ax, coloring, height=height, max_width=max_width)
    assert ax.get_legend() is legend
    return legend, legend.get_window_extent().size / figure.dpi


def test_names_stand_as_they_are():
    names = [" ", "$\\bad$", "_private", "b$"]
    legend, _ = draw(names)
    assert [text.get_text() for text in legend.get_texts()] == names
    legend.figure.canvas.draw()


def test_long_names_are_cut():
    legend, _ = draw(["a" * 40, "b" * 41])
    assert [text.get_text() for text in legend.get_texts()] == ["a" * 40, "b" * 39 + "…"]


@pytest.mark.parametrize("n_names", [1, 10, 30, 60])
@pytest.mark.parametrize("height", [1.5, 4, 9])
def test_it_is_no_higher_than_it_may_be(n_names, height):
    _, (_, found) = draw([f"name {i}" for i in range(n_names)], height=height)
    assert found <= height


def test_it_is_in_smaller_letters_where_it_would_be_wide():
    names = [f"name {i}" for i in range(20)]
    sizes = {}
    for max_width in (5, 1.5, 0.1):
        legend, (width, _) = draw(names, height=2, max_width=max_width)
        sizes[max_width] = legend.get_texts()[0].get_fontsize()
        assert width <= max_width or max_width == 0.1
    assert 10 == sizes[5] > sizes[1.5] > sizes[0.1] == 5.5


def test_a_figure_has_only_the_legend_that_fits():
    figure = plt.figure(figsize=(8, 6))
    names = np.array([f"name {i}" for i in range(20)])
    legend = draw_legend(figure, color_points(names, 20), height=2, max_width=1.5)
    assert figure.legends == [legend]


@pytest.mark.parametrize(("n_names", "n_columns"), [(12, 1), (30, 3)])
def test_names_stand_in_as_few_columns_as_fit(n_names, n_columns):
    legend, _ = draw([f"name {i}" for i in range(n_names)], height=3, max_width=9)
    legend.figure.canvas.draw()
    starts = {round(text.get_window_extent().x0) for text in legend.get_texts()}
    assert len(starts) == n_columns
