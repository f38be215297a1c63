"""Nearest neighbours and clusters."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from sklearn_resnet.plotting.explorer.neighbors import find_others, list_others


def test_neighbours_are_the_nearest_others():
    X = np.random.RandomState(0).standard_normal((300, 4))
    found = find_others(X, 5)
    expected = NearestNeighbors(n_neighbors=6).fit(X).kneighbors(X)[1][:, 1:]
    assert found.shape == (300, 5)
    assert not (found == np.arange(300)[:, None]).any()
    assert np.mean(np.sort(found) == np.sort(expected)) > 0.9999


def test_others_are_listed_of_more_neighbours():
    rows = np.array([[0, 1, 2, 3], [2, 1, 0, 3], [1, 0, 3, 4]])  # the last one is not among its own
    assert list_others(rows, 2).tolist() == [[1, 2], [2, 0], [1, 0]]


def test_neighbours_of_duplicates_are_others():
    X = np.zeros((12, 2))
    found = find_others(X, 3)
    assert found.shape == (12, 3)
    assert not (found == np.arange(12)[:, None]).any()


def test_few_points_have_fewer_neighbours():
    assert find_others(np.array([[0.0], [1], [3]]), 8).tolist() == [[1, 2], [0, 2], [1, 0]]
