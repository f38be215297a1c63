"""Density: where, of which colour, how opaque."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sklearn_resnet.plotting._coloring import color_points
from sklearn_resnet.plotting._density import draw_density

RED, BLUE = (1, 0, 0), (0, 0, 1)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def draw(xy, y=None, palette=None):
    _, ax = plt.subplots(figsize=(3, 3))
    ax.set(xlim=(0, 1), ylim=(0, 1))
    xy = np.asarray(xy, float)
    draw_density(ax, xy, color_points(y, len(xy), palette))
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 1), (0, 1))
    return [image.get_array() for image in ax.images]


def at(image, x, y):
    """The most opaque pixel about a place."""
    height, width = image.shape[:2]
    row, column = int(y * height), int(x * width)
    near = image[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].reshape(-1, 4)
    return near[near[:, 3].argmax()]


def test_points_are_drawn_where_they_are_and_nothing_elsewhere():
    (image,) = draw([[0.25, 0.75], [0.9, 0.1]])
    assert at(image, 0.25, 0.75)[3] >= 0.6
    assert at(image, 0.9, 0.1)[3] >= 0.6
    assert at(image, 0.25, 0.25)[3] == 0
    assert (image[..., 3] > 0).mean() < 0.01


def test_points_at_the_edge_are_drawn():
    (image,) = draw([[0, 0], [1, 1]])
    assert at(image, 0, 0)[3] > 0.3
    assert at(image, 0.999, 0.999)[3] > 0.3


def test_denser_places_are_more_opaque_and_none_is_pale():
    counts = [1, 10, 100, 1_000]
    middles = [(0.2, 0.5), (0.4, 0.5), (0.6, 0.5), (0.8, 0.5)]
    (image,) = draw(np.repeat(middles, counts, axis=0))
    opacities = [at(image, *middle)[3] for middle in middles]
    assert 0.6 <= opacities[0] < opacities[1] < opacities[2] < opacities[3] <= 1


def test_colours_are_mixed_by_count():
    y = np.array(["red"] * 30 + ["blue"] * 10 + ["blue"])
    xy = [[0.5, 0.5]] * 40 + [[0.1, 0.1]]
    (image,) = draw(xy, y, {"red": RED, "blue": BLUE})
    np.testing.assert_allclose(at(image, 0.5, 0.5)[:3], [0.75, 0, 0.25], atol=1e-6)
    np.testing.assert_allclose(at(image, 0.1, 0.1)[:3], BLUE, atol=1e-6)


def test_the_colour_of_numbers_is_that_of_their_mean():
    y = np.array([0.0, 1.0, 0.5, 0.5])
    (image,) = draw([[0.3, 0.3], [0.3, 0.3], [0.7, 0.7], [0.7, 0.7]], y, "viridis")
    np.testing.assert_allclose(at(image, 0.3, 0.3)[:3], at(image, 0.7, 0.7)[:3])
    np.testing.assert_allclose(at(image, 0.3, 0.3)[:3], plt.get_cmap("viridis")(0.5)[:3], atol=0.01)


def test_points_without_a_value_lie_below_in_grey():
    below, above = draw([[0.3, 0.3], [0.7, 0.7]], np.array([None, "a"], object))
    assert np.ptp(at(below, 0.3, 0.3)[:3]) == 0
    assert at(below, 0.7, 0.7)[3] == 0
    assert at(above, 0.3, 0.3)[3] == 0
    assert len(draw([[0.3, 0.3]], np.array([None], object))) == 1


def test_cells_have_one_size_in_inches_at_any_resolution():
    shapes = []
    for dpi in (50, 200):
        _, ax = plt.subplots(figsize=(3, 2), dpi=dpi)
        draw_density(ax, np.random.RandomState(0).rand(9, 2), color_points(None, 9))
        shapes.append(ax.images[0].get_array().shape)
    assert shapes[0] == pytest.approx(shapes[1], abs=1)


def test_the_aspect_of_the_axes_is_kept():
    _, ax = plt.subplots()
    ax.set_aspect("equal", adjustable="datalim")
    draw_density(ax, np.random.RandomState(0).rand(9, 2), color_points(None, 9))
    assert ax.get_aspect() == 1


def test_places_are_those_of_both_axes():
    _, ax = plt.subplots(figsize=(4, 2))
    ax.set(xlim=(0, 10), ylim=(-1, 1))
    draw_density(ax, np.array([[7.5, 0.5]]), color_points(None, 1))
    assert (ax.images[0].get_extent(), ax.images[0].origin) == ([0, 10, -1, 1], "lower")
    assert at(ax.images[0].get_array(), 0.75, 0.75)[3] >= 0.6
