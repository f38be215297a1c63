"""Names at islands: where they stand, and when they do not."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sklearn_resnet.plotting._coloring import color_points
from sklearn_resnet.plotting._island_names import find_places, lie_apart, write_names

WINDOW = np.array([400.0, 300.0])


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def make_blobs(middles, n=100, spread=8.0):
    rng = np.random.RandomState(0)
    points = np.repeat(middles, n, axis=0) + spread * rng.standard_normal((n * len(middles), 2))
    return points, np.repeat(np.arange(len(middles)), n)


def find(points, codes, size=(16, 10)):
    return find_places(points, codes, np.array([size] * (codes.max() + 1), float), WINDOW)


def test_names_stand_at_their_islands():
    middles = np.array([[100, 100], [300, 100], [200, 220]])
    places, reads_well = find(*make_blobs(middles))
    assert reads_well
    assert np.linalg.norm(places - middles, axis=1).max() < 12


def test_the_name_of_a_bent_island_stands_on_it():
    rng = np.random.RandomState(0)
    angles = rng.uniform(0, np.pi, 400)
    arc = [200, 100] + 100 * np.column_stack([np.cos(angles), np.sin(angles)])
    other, _ = make_blobs([[200, 130]], 200)  # where the mean of the arc lies
    points, codes = np.vstack([arc, other]), np.repeat([0, 1], [400, 200])
    places, reads_well = find(points, codes)
    assert reads_well
    assert abs(np.linalg.norm(places[0] - [200, 100]) - 100) < 10


def test_a_label_of_two_islands_is_named_at_the_denser():
    points, codes = make_blobs([[80, 80], [300, 200], [300, 80]], 200)
    codes[codes == 2] = 0
    points = np.vstack([points, make_blobs([[300, 80]], 200)[0]])
    codes = np.append(codes, np.zeros(200, int))
    places, _ = find(points, codes)
    assert np.linalg.norm(places[0] - [300, 80]) < 15


def test_a_name_stands_where_its_label_is_not_in_the_minority():
    """The densest place of the first label belongs to the second."""
    points, codes = make_blobs([[100, 150], [250, 150]], 200)
    extra, _ = make_blobs([[250, 150]], 260)
    points, codes = np.vstack([points, extra]), np.append(np.zeros(400, int), np.ones(260, int))
    places, _ = find(points, codes)
    assert np.linalg.norm(places[0] - [100, 150]) < 15


@pytest.mark.parametrize("size", [(16, 10), (60, 14), (150, 20)])
def test_names_do_not_overlap_and_lie_in_the_axes(size):
    points, codes = make_blobs([[20, 20], [60, 20], [380, 290], [200, 150], [215, 150]])
    places, _ = find(points, codes, size)
    for i, place in enumerate(places):
        assert np.all(place - np.array(size) / 2 >= 0)
        assert np.all(place + np.array(size) / 2 <= WINDOW)
        for other in places[:i]:
            assert np.any(np.abs(place - other) >= size)


@pytest.mark.parametrize(
    ("middles", "n", "size"),
    [
        ([[200, 150], [204, 150]], 100, (16, 10)),  # no islands
        ([[100, 100], [300, 100]], 3, (16, 10)),  # too few points to tell
        ([[100, 100], [300, 100]], 100, (80, 40)),  # a name hides its island
        ([[100, 100], [300, 100]], 100, (420, 8)),  # a name is wider than the axes
    ],
)
def test_names_that_do_not_read_well(middles, n, size):
    assert not find(*make_blobs(middles, n), size)[1]


@pytest.mark.parametrize("n_labels", [2, 5])
@pytest.mark.parametrize("n", [30, 300, 30_000])
def test_labels_at_random_do_not_lie_apart(n_labels, n):
    rng = np.random.RandomState(0)
    assert not lie_apart(rng.rand(n, 2), np.arange(n) % n_labels)


def test_one_label_among_others_does_not_lie_apart():
    points, codes = make_blobs([[100, 100], [300, 200]], 200)
    assert lie_apart(points, codes)
    codes[::7] = 2
    assert not lie_apart(points, codes)


@pytest.mark.parametrize(
    ("n_labels", "always", "written"), [(20, False, True), (21, False, False), (21, True, True)]
)
def test_at_most_twenty_names_are_written(n_labels, always, written):
    rng = np.random.RandomState(0)
    middles = np.column_stack([np.arange(n_labels) % 5, np.arange(n_labels) // 5])
    codes = np.repeat(np.arange(n_labels), 40)
    xy = middles[codes] + 0.2 * rng.standard_normal((len(codes), 2))
    _, ax = plt.subplots(figsize=(8, 6))
    ax.set(xlim=(-1, 5), ylim=(-1, 5))
    texts = write_names(ax, xy, color_points(codes, len(codes)), always=always)
    assert len(texts) == (n_labels if written else 0)
    assert ax.texts[:] == texts
    for text in texts:
        distance = np.linalg.norm(text.get_position() - middles[int(text.get_text())])
        assert distance < 0.3


def test_points_without_a_label_do_not_matter():
    middles = np.array([[0, 0], [10, 0], [0, 10]])
    codes = np.repeat(np.arange(3), 60)
    xy = middles[codes] + np.random.RandomState(0).standard_normal((180, 2))
    y = codes.astype(float)
    y[::2] = np.nan
    _, ax = plt.subplots()
    ax.set(xlim=(-5, 15), ylim=(-5, 15))
    assert len(write_names(ax, xy, color_points(y, 180), always=False)) == 3
