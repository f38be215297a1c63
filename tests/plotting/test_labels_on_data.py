"""Labels on the data: their positions, and when they are left out."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sklearn_resnet.plotting._coloring import color_points
from sklearn_resnet.plotting._labels_on_data import are_separated, draw_labels_on_data, place_labels

WINDOW = np.array([400.0, 300.0])


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def make_blobs(centers, n=100, spread=8.0):
    rng = np.random.RandomState(0)
    points = np.repeat(centers, n, axis=0) + spread * rng.standard_normal((n * len(centers), 2))
    return points, np.repeat(np.arange(len(centers)), n)


def find(points, codes, size=(16, 10)):
    return place_labels(points, codes, np.array([size] * (codes.max() + 1), float), WINDOW)


def test_labels_lie_on_their_clusters():
    centers = np.array([[100, 100], [300, 100], [200, 220]])
    positions, is_readable = find(*make_blobs(centers))
    assert is_readable
    assert np.linalg.norm(positions - centers, axis=1).max() < 12


def test_the_label_of_a_bent_cluster_lies_on_it():
    rng = np.random.RandomState(0)
    angles = rng.uniform(0, np.pi, 400)
    arc = [200, 100] + 100 * np.column_stack([np.cos(angles), np.sin(angles)])
    other, _ = make_blobs([[200, 130]], 200)  # where the mean of the arc lies
    points, codes = np.vstack([arc, other]), np.repeat([0, 1], [400, 200])
    positions, is_readable = find(points, codes)
    assert is_readable
    assert abs(np.linalg.norm(positions[0] - [200, 100]) - 100) < 10


def test_a_label_with_two_clusters_is_written_on_the_denser():
    points, codes = make_blobs([[80, 80], [300, 200], [300, 80]], 200)
    codes[codes == 2] = 0
    points = np.vstack([points, make_blobs([[300, 80]], 200)[0]])
    codes = np.append(codes, np.zeros(200, int))
    positions, _ = find(points, codes)
    assert np.linalg.norm(positions[0] - [300, 80]) < 15


def test_a_label_is_written_where_it_is_in_the_majority():
    """The densest place of the first label belongs to the second."""
    own, _ = make_blobs([[100, 150]], 200)
    shared, _ = make_blobs([[250, 150]], 600)
    points = np.vstack([own, shared, make_blobs([[250, 150]], 800)[0]])
    codes = np.repeat([0, 1], [800, 800])
    positions, _ = find(points, codes)
    assert np.linalg.norm(positions[0] - [100, 150]) < 15


@pytest.mark.parametrize("size", [(16, 10), (60, 14), (150, 20)])
def test_labels_do_not_overlap_and_lie_in_the_axes(size):
    points, codes = make_blobs([[20, 20], [60, 20], [380, 290], [200, 150], [215, 150]])
    positions, _ = find(points, codes, size)
    for i, position in enumerate(positions):
        assert np.all(position - np.array(size) / 2 >= 0)
        assert np.all(position + np.array(size) / 2 <= WINDOW)
        for other in positions[:i]:
            assert np.any(np.abs(position - other) >= size)


@pytest.mark.parametrize(
    ("centers", "n", "size"),
    [
        ([[200, 150], [204, 150]], 100, (16, 10)),  # no clusters
        ([[100, 100], [300, 100]], 3, (16, 10)),  # too few points
        ([[100, 100], [300, 100]], 100, (80, 40)),  # a label hides its cluster
        ([[100, 100], [300, 100]], 100, (420, 8)),  # a label is wider than the axes
    ],
)
def test_labels_that_are_hard_to_read(centers, n, size):
    assert not find(*make_blobs(centers, n), size)[1]


@pytest.mark.parametrize("n_labels", [2, 5])
@pytest.mark.parametrize("n", [30, 300, 30_000])
def test_random_labels_are_not_separated(n_labels, n):
    rng = np.random.RandomState(0)
    assert not are_separated(rng.rand(n, 2), np.arange(n) % n_labels)


def test_a_label_among_others_is_not_separated():
    points, codes = make_blobs([[100, 100], [300, 200]], 200)
    assert are_separated(points, codes)
    codes[::7] = 2
    assert not are_separated(points, codes)


@pytest.mark.parametrize(
    ("n_labels", "always", "written"), [(20, False, True), (21, False, False), (21, True, True)]
)
def test_at_most_twenty_labels_are_written(n_labels, always, written):
    rng = np.random.RandomState(0)
    centers = np.column_stack([np.arange(n_labels) % 5, np.arange(n_labels) // 5])
    codes = np.repeat(np.arange(n_labels), 40)
    xy = centers[codes] + 0.2 * rng.standard_normal((len(codes), 2))
    _, ax = plt.subplots(figsize=(8, 6))
    ax.set(xlim=(-1, 5), ylim=(-1, 5))
    texts = draw_labels_on_data(ax, xy, color_points(codes, len(codes)), always=always)
    assert len(texts) == (n_labels if written else 0)
    assert ax.texts[:] == texts
    for text in texts:
        distance = np.linalg.norm(text.get_position() - centers[int(text.get_text())])
        assert distance < 0.3


def test_points_without_a_label_do_not_matter():
    centers = np.array([[0, 0], [10, 0], [0, 10]])
    codes = np.repeat(np.arange(3), 60)
    xy = centers[codes] + np.random.RandomState(0).standard_normal((180, 2))
    y = codes.astype(float)
    y[::2] = np.nan
    _, ax = plt.subplots()
    ax.set(xlim=(-5, 15), ylim=(-5, 15))
    assert len(draw_labels_on_data(ax, xy, color_points(y, 180), always=False)) == 3


def test_neighbours_are_other_points():
    """Half of the neighbours of each first point have another label: that is no majority."""
    angles = 2 * np.pi * np.arange(5) / 5
    group = np.vstack([np.eye(6, 2), 20 * np.column_stack([np.cos(angles), np.sin(angles)])])
    points = np.vstack([group, group + 1_000, make_blobs([[3_000, 0]])[0]])
    codes = np.concatenate([np.tile([0] * 6 + [1] * 5, 2), np.ones(100, int)])
    assert not are_separated(points, codes)


@pytest.mark.parametrize("n", [9, 10, 11])
def test_few_points_are_not_separated_unless_all_are_alike(n):
    assert are_separated(np.random.RandomState(0).rand(n, 2), np.zeros(n, int)) == (n > 10)


def test_the_label_with_the_least_room_is_placed_first():
    large, _ = make_blobs([[200, 150]], 2_000, spread=25)
    small, _ = make_blobs([[270, 150]], 60, spread=3)
    peak, _ = make_blobs([[245, 150]], 1_000, spread=3)  # the densest place of the first
    points = np.vstack([large, peak, small])
    codes = np.repeat([0, 1], [3_000, 60])
    positions, _ = find(points, codes, (40, 10))
    assert np.linalg.norm(positions[1] - [270, 150]) < 12


def test_a_label_over_the_points_of_another_is_hard_to_read():
    rng = np.random.RandomState(0)
    middle = rng.uniform([185, 50], [215, 250], (300, 2))
    left, right = rng.uniform([0, 50], [175, 250], (2, 2_000, 2)) * [[[1, 1]]]
    right[:, 0] += 225
    points, codes = np.vstack([middle, left, right]), np.repeat([0, 1, 2], [300, 2_000, 2_000])
    assert find(points, codes, (20, 10))[1]
    assert not find(points, codes, (150, 10))[1]


def test_names_are_written_as_they_are():
    _, ax = plt.subplots()
    ax.set(xlim=(-1, 2), ylim=(-1, 2))
    y = np.repeat(["$\\bad$", "_private"], 20)
    xy = np.repeat([[0.0, 0], [1, 1]], 20, axis=0)
    texts = draw_labels_on_data(ax, xy, color_points(y, 40), always=True)
    ax.figure.canvas.draw()
    assert sorted(text.get_text() for text in texts) == ["$\\bad$", "_private"]
