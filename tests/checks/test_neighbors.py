"""Nearest neighbours."""

import numpy as np
import pytest

from sklearn_resnet.checks._neighbors import describe_pixels, find_neighbors


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


def test_pixels_are_described_whatever_their_brightness():
    thumbnails = np.random.default_rng(0).random((3, 32, 32))
    described = describe_pixels(np.concatenate([thumbnails, 0.2 + 0.5 * thumbnails]))
    assert described.shape == (6, 256)
    np.testing.assert_allclose(described[:3], described[3:], atol=1e-4)
    assert describe_pixels(np.ones((1, 32, 32))).tolist() == [[0] * 256]
