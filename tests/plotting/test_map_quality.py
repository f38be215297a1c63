"""The quality of a map, against scikit-learn and by cases whose answer is known."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

from sklearn_resnet.plotting._map_quality import MapQuality, describe_quality, score_map


def make_points(n, n_features=5):
    return np.random.RandomState(0).standard_normal((n, n_features))


@pytest.mark.parametrize("n_neighbors", [1, 5, 12])
@pytest.mark.parametrize("n", [40, 300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_points_of_a_small_map_are_scored_as_scikit_learn_does(n, n_neighbors, dtype):
    X = make_points(n).astype(dtype)
    xy = X[:, :2] ** 3
    found = score_map(X, xy, n_neighbors)
    rounding = 1e-12 if dtype == np.float64 else 1e-5  # equal distances have other ranks
    assert found.trustworthiness == pytest.approx(
        trustworthiness(X, xy, n_neighbors=n_neighbors), abs=rounding
    )
    own, mapped = (
        NearestNeighbors(n_neighbors=n_neighbors).fit(table).kneighbors()[1] for table in (X, xy)
    )
    shared = [len(set(a) & set(b)) for a, b in zip(own.tolist(), mapped.tolist(), strict=True)]
    assert found.neighborhood_preservation == pytest.approx(np.mean(shared) / n_neighbors)
    assert (found.n_neighbors, found.n_points) == (n_neighbors, n)


def test_a_map_that_keeps_all_distances_is_perfect():
    xy = make_points(200, 2)
    assert score_map(3 * xy + 1, xy) == MapQuality(1.0, 1.0, 10, 200)


def test_a_random_map_is_as_good_as_chance():
    found = score_map(make_points(1_000), np.random.RandomState(1).rand(1_000, 2))
    assert found.trustworthiness == pytest.approx(0.5, abs=0.02)
    assert found.neighborhood_preservation == pytest.approx(0.01, abs=0.005)


def test_duplicates_are_neighbours_of_each_other():
    """Each point has 19 duplicates; whichever ten are found on the map, they are the nearest."""
    X = np.repeat(make_points(20), 20, axis=0)
    assert score_map(X, X[:, :2]) == MapQuality(1.0, 1.0, 10, 400)


@pytest.mark.long
def test_a_large_map_is_scored_by_a_sample_of_its_points():
    X = make_points(6_000)
    xy = X[:, :2]
    found = score_map(X, xy)
    assert found == score_map(X, xy)
    assert found.trustworthiness != trustworthiness(X, xy, n_neighbors=10)
    assert found.trustworthiness == pytest.approx(trustworthiness(X, xy, n_neighbors=10), abs=0.005)


def test_blocks_of_distances_do_not_change_the_scores(monkeypatch):
    X = make_points(500)
    whole = score_map(X, X[:, :2])
    monkeypatch.setattr("sklearn_resnet.plotting._map_quality._WORKING_MEMORY", 0.1)
    assert score_map(X, X[:, :2]) == whole


@pytest.mark.parametrize(
    ("n", "n_neighbors"), [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (20, 9), (21, 10), (22, 10)]
)
def test_few_points_have_fewer_neighbours(n, n_neighbors):
    X = make_points(n)
    found = score_map(X, X[:, :2])
    assert found.n_neighbors == n_neighbors
    if n_neighbors:
        assert found.trustworthiness == trustworthiness(X, X[:, :2], n_neighbors=n_neighbors)
    else:
        assert np.isnan(found.trustworthiness)
        assert np.isnan(found.neighborhood_preservation)
        assert describe_quality(found) == "There are too few points to judge this map."


def test_principal_components_of_digits():
    """Literature and scikit-learn agree that two components keep few of the neighbours of digits."""
    X, _ = load_digits(return_X_y=True)
    xy = PCA(2, svd_solver="full").fit_transform(X)
    found = score_map(X, xy)
    assert found.trustworthiness == pytest.approx(trustworthiness(X, xy, n_neighbors=10), abs=1e-3)
    assert 0.8 < found.trustworthiness < 0.85
    assert 0.1 < found.neighborhood_preservation < 0.2


def test_the_description_states_both_numbers_and_those_of_chance():
    text = describe_quality(MapQuality(0.987, 0.421, 10, 60_000))
    assert "10 nearest neighbours by features, this map keeps 42% " in text
    assert "(a random map: under 1%)" in text
    assert "trustworthiness is 0.99" in text
    assert "(a random map: 5%)" in describe_quality(MapQuality(0.9, 0.4, 10, 201))
    assert "(a random map: 50%)" in describe_quality(MapQuality(0.9, 0.4, 10, 21))
    assert "Of the nearest neighbour by features" in describe_quality(MapQuality(0.9, 0.4, 1, 4))
