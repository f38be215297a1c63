"""Dots: their sizes, opacities and shapes."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sklearn_resnet.plotting._coloring import color_points
from sklearn_resnet.plotting._dots import draw_dots


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def draw(n, y=None, figsize=(8, 6), dpi=100, **style):
    _, ax = plt.subplots(figsize=figsize, dpi=dpi)
    draw_dots(ax, np.random.RandomState(0).rand(n, 2), color_points(y, n), **style)
    return ax.collections


def test_more_dots_are_smaller_and_paler():
    sizes = [draw(n)[0].get_sizes()[0] for n in (1, 10, 2_000, 10_000, 100_000)]
    assert sizes[0] == sizes[1] == 40
    assert 40 > sizes[2] > sizes[3] > sizes[4] == 1.5
    assert draw(10)[0].get_alpha() > draw(10_000)[0].get_alpha() >= 0.5


def test_dots_are_smaller_in_a_smaller_figure():
    assert draw(3_000, figsize=(3.5, 3))[0].get_sizes() < draw(3_000)[0].get_sizes()


def test_a_given_size_and_opacity_are_taken():
    (dots,) = draw(10, size=7, alpha=0.25)
    assert dots.get_sizes().tolist() == [7]
    assert dots.get_alpha() == 0.25


@pytest.mark.parametrize("n", [5_000, 5_001])
def test_many_dots_are_pixels_in_vector_files(n):
    assert bool(draw(n)[0].get_rasterized()) == (n > 5_000)


def test_each_ten_labels_have_a_shape():
    y = np.arange(30)
    (dots,) = draw(30, y)
    shapes = [path.vertices.tobytes() for path in dots.get_paths()]
    assert len(shapes) == 30
    place = {point: i for i, point in enumerate(map(tuple, np.random.RandomState(0).rand(30, 2)))}
    found = {}
    for point, shape in zip(dots.get_offsets().tolist(), shapes, strict=True):
        found.setdefault(shape, set()).add(place[tuple(point)] // 10)
    assert sorted(map(sorted, found.values())) == [[0], [1], [2]]


def test_dots_without_a_value_lie_below():
    below, above = draw(4, np.array([1.5, np.nan, np.nan, 2.5]))
    assert len(below.get_offsets()) == len(above.get_offsets()) == 2
    assert np.ptp(below.get_facecolors()[0][:3]) == 0
    (only,) = draw(3, np.full(3, np.nan))
    assert len(only.get_offsets()) == 3


def test_dots_have_one_size_in_points_at_any_resolution():
    assert draw(3_000, dpi=50)[0].get_sizes() == pytest.approx(draw(3_000)[0].get_sizes())


def test_no_label_lies_on_top_of_all_others():
    y = np.repeat([0, 1, 2], 100)
    (dots,) = draw(300, y)
    place = {point: i for i, point in enumerate(map(tuple, np.random.RandomState(0).rand(300, 2)))}
    drawn = y[[place[tuple(point)] for point in dots.get_offsets().tolist()]]
    for label in range(3):
        assert 20 < np.sum(drawn[:100] == label) < 50
