"""Nearest neighbours and clusters."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from sklearn_resnet.plotting.explorer.neighbors import find_clusters, find_neighbors


@pytest.mark.parametrize("is_exact", [True, pytest.param(False, marks=pytest.mark.long)])
def test_neighbours_are_the_nearest_others(is_exact):
    X = np.random.RandomState(0).standard_normal((300, 4))
    found = find_neighbors(X, 5, max_exact=10_000 if is_exact else 10)
    expected = NearestNeighbors(n_neighbors=6).fit(X).kneighbors(X)[1][:, 1:]
    assert found.shape == (300, 5)
    assert not (found == np.arange(300)[:, None]).any()
    assert np.mean(np.sort(found) == np.sort(expected)) > (0.9999 if is_exact else 0.95)


def test_neighbours_of_duplicates_are_others():
    X = np.zeros((12, 2))
    found = find_neighbors(X, 3)
    assert found.shape == (12, 3)
    assert not (found == np.arange(12)[:, None]).any()


def test_clusters_are_found():
    rng = np.random.RandomState(0)
    xy = np.concatenate([rng.normal(0, 0.1, (50, 2)), rng.normal(5, 0.1, (50, 2)), [[20, -20]]])
    clusters = find_clusters(xy)
    assert len(set(clusters[:50])) == len(set(clusters[50:100])) == 1
    assert clusters[0] != clusters[50]
    assert clusters[100] is None
    assert set(clusters) == {"cluster 1", "cluster 2", None}


def test_few_points_have_fewer_neighbours():
    assert find_neighbors(np.array([[0.0], [1], [3]]), 8).tolist() == [[1, 2], [0, 2], [1, 0]]
