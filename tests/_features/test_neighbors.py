"""Nearest neighbors equal those of all distances in double precision, whatever the block and the data."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_info

from sklearn_resnet._features import neighbors
from sklearn_resnet._features.neighbors import find_nearest, find_neighbors

METRICS = ("cosine", "euclidean")


def find_by_all_distances(features, query, n_neighbors, metric):
    features, query = features.astype(float), query.astype(float)
    distances = cdist(query, features, metric)
    distances[:, ~np.isfinite(features).all(1)] = np.inf
    rows = np.argsort(distances, axis=1, kind="stable")[:, :n_neighbors]
    return np.take_along_axis(distances, rows, axis=1), rows


def make_features(n_rows, n_features, dtype=np.float32):
    # far from the origin, where single precision loses digits of the distances
    features = np.random.default_rng(0).normal(3, 0.01, (n_rows, n_features))
    return features.astype(dtype)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("block_values", [1, 70 * 24, 2**21])
def test_rows_are_those_of_all_distances(metric, dtype, block_values):
    features = make_features(300, 24, dtype)
    query = make_features(310, 24, np.float64)[290:]
    distances, rows = find_nearest(features, query, 7, metric, block_values)
    expected = find_by_all_distances(features, query, 7, metric)
    np.testing.assert_array_equal(rows, expected[1])
    np.testing.assert_allclose(distances, expected[0], rtol=1e-9, atol=1e-15)
    assert distances.min() >= 0


def test_values_in_half_precision_are_measured_in_single_precision():
    features = make_features(300, 24, np.float16)
    distances, _ = find_nearest(features, features[:5], 7)
    expected = find_by_all_distances(features, features[:5], 7, "euclidean")
    np.testing.assert_allclose(distances, expected[0], rtol=1e-6)


@pytest.mark.parametrize("n_queries", [1, 3000])
def test_queries_are_searched_in_tiles(n_queries):
    features = make_features(3000, 24)
    query = features[:n_queries]
    _, rows = find_nearest(features, query, 4, block_values=1000 * 24)
    np.testing.assert_array_equal(rows, find_by_all_distances(features, query, 4, "euclidean")[1])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", [1e-25, 1e-12, 1e12, 1e25])
def test_rows_whose_squares_are_no_normal_numbers_are_found(metric, scale):
    features = np.random.default_rng(0).normal(size=(100, 24)).astype(np.float32)
    features[40:45] *= np.float32(scale)
    query = features[[0]].astype(float)
    with np.errstate(all="raise", under="ignore"):
        _, rows = find_nearest(features, query, 100, metric)
    np.testing.assert_array_equal(rows, find_by_all_distances(features, query, 100, metric)[1])
    assert find_nearest(features, features[[42]], 1, metric)[1] == [[42]]


def test_a_row_whose_square_is_no_normal_number_hides_no_others():
    features = np.random.default_rng(0).normal(-1, 0.1, (50, 24)).astype(np.float32)
    features[7] = -1e25
    query = np.ones((1, 24))
    _, rows = find_nearest(features, query, 1, "cosine")
    np.testing.assert_array_equal(rows, find_by_all_distances(features, query, 1, "cosine")[1])


@pytest.mark.parametrize("metric", METRICS)
def test_equal_rows_are_found_in_order(metric):
    features = make_features(100, 24)[np.arange(400) % 100]
    _, rows = find_nearest(features, features[[7]], 6, metric, block_values=24 * 150)
    assert rows[0, :4].tolist() == [7, 107, 207, 307]


@pytest.mark.parametrize("metric", METRICS)
def test_thousands_of_equal_rows_are_not_all_measured(metric, monkeypatch):
    features = make_features(4000, 24)
    features[1000:] = features[1000]
    measured, measure = [], neighbors._measure
    monkeypatch.setattr(neighbors, "_measure", lambda values, rows, *args: measured.append(len(rows)) or measure(values, rows, *args))  # fmt: skip
    distances, rows = find_nearest(features, features[::10], 5, metric)
    assert sum(measured) < 400 * 100
    assert rows[-1].tolist() == [1000, 1001, 1002, 1003, 1004]
    np.testing.assert_allclose(distances[-1], 0, atol=1e-12)
    expected = find_by_all_distances(features, features[:1000:10], 5, metric)
    np.testing.assert_array_equal(rows[:100], expected[1])


@pytest.mark.parametrize("metric", METRICS)
def test_thousands_of_rows_that_single_precision_cannot_tell_apart_are_told_apart(metric):
    features = make_features(4000, 24, np.float64)
    features[1000:] = 3 + 0.1 * (features[1000:] - 3)
    query = features[::10]
    distances, rows = find_nearest(features, query, 5, metric)
    expected = find_by_all_distances(features, query, 5, metric)
    np.testing.assert_array_equal(rows, expected[1])
    np.testing.assert_allclose(distances, expected[0], rtol=1e-6, atol=1e-12)


def test_rows_of_zeros_have_the_cosine_distance_1():
    features = np.float32([[0, 0], [0, 1], [1, 0.1], [-1, 0]])
    distances, rows = find_nearest(features, np.float32([[1, 0]]), 4, "cosine")
    assert rows.tolist() == [[2, 0, 1, 3]]
    np.testing.assert_allclose(distances, [[1 - 1 / np.sqrt(1.01), 1, 1, 2]], atol=1e-7)
    distances, _ = find_nearest(features, np.float32([[0, 0]]), 4, "cosine")
    assert distances.tolist() == [[1, 1, 1, 1]]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n_neighbors", [5, 20, 60])
def test_rows_that_are_not_finite_are_never_found(metric, n_neighbors):
    features = make_features(50, 24)
    features[::2, 5] = np.nan
    features[1::4, 3] = -np.inf
    distances, rows = find_nearest(features, features[3:4], n_neighbors, metric)
    assert rows.shape == (1, min(n_neighbors, 12))
    assert set(rows[0]) <= set(range(3, 50, 4))
    assert np.isfinite(distances).all()


def test_blas_has_its_threads_back():
    before = [pool["num_threads"] for pool in threadpool_info()]
    find_nearest(make_features(10, 24), make_features(2, 24), 2)
    assert [pool["num_threads"] for pool in threadpool_info()] == before


@pytest.mark.long  # numba compiles
def test_approximate_neighbors_are_the_exact_ones():
    X = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    exact = find_neighbors(X, 5)
    approximate = find_neighbors(X, 5, max_exact=100)
    assert (exact[1] == approximate[1]).mean() > 0.98
    np.testing.assert_allclose(exact[0][:, 1:], approximate[0][:, 1:], rtol=0.05, atol=0.01)


@pytest.mark.parametrize("max_exact", [100, pytest.param(1, marks=pytest.mark.long)])
def test_queries_find_rows(max_exact):
    X = np.arange(12.0).reshape(6, 2)
    _, rows = find_neighbors(X, 2, query=X[::-1] + 0.1, max_exact=max_exact)
    assert rows[:, 0].tolist() == [5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("n_features", [3, 40])
def test_a_tree_and_products_find_the_same_neighbors(n_features):
    X = np.random.default_rng(0).normal(size=(300, n_features)).astype(np.float32)
    distances, rows = find_neighbors(X, 5)
    expected = find_by_all_distances(X, X, 5, "euclidean")
    np.testing.assert_array_equal(rows, expected[1])
    np.testing.assert_allclose(distances, expected[0], rtol=1e-6, atol=1e-6)
