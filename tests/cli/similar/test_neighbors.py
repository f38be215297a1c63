"""The nearest rows are exact for any size of blocks."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from sklearn_resnet.cli.similar.neighbors import METRICS, find_similar

rng = np.random.default_rng(0)
FEATURES = rng.standard_normal((50, 4)).astype(np.float32)
QUERY = rng.standard_normal((3, 4))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("rows_in_block", [1, 7, 50, 1000])
def test_all_rows_are_compared(metric, rows_in_block):
    distances, rows = find_similar(FEATURES, QUERY, 5, metric, block_values=4 * rows_in_block)
    expected = cdist(QUERY, FEATURES.astype(float), metric)
    np.testing.assert_array_equal(rows, np.argsort(expected)[:, :5])
    np.testing.assert_allclose(distances, np.sort(expected)[:, :5], rtol=0, atol=1e-12)


def test_the_metrics_differ():
    features = np.array([[1, 0], [10, 1]])
    assert find_similar(features, [[9, 0.2]], 1, "cosine")[1] == [[0]]
    assert find_similar(features, [[9, 0.2]], 1, "euclidean")[1] == [[1]]


def test_rows_with_nan_match_nothing():
    features = FEATURES.copy()
    features[::2, 1] = np.nan
    _, rows = find_similar(features, features[1:2], 50)
    assert sorted(rows[0]) == list(range(1, 50, 2))


@pytest.mark.parametrize("start", [0, 14, 43])
def test_a_block_of_nan_alone_is_passed_over(start):
    features = FEATURES.copy()
    features[start : start + 7] = np.nan
    _, rows = find_similar(features, QUERY, 50, block_values=4 * 7)
    expected = np.setdiff1d(np.arange(50), np.arange(start, start + 7))
    np.testing.assert_array_equal(np.sort(rows), [expected] * 3)


def test_a_table_without_a_finite_row_is_an_error():
    with pytest.raises(ValueError, match="must have a row of finite features"):
        find_similar(np.full((3, 4), np.nan), QUERY)


def test_an_unknown_metric_is_an_error():
    with pytest.raises(ValueError, match="must be one of cosine, euclidean. Got 'l3'"):
        find_similar(FEATURES, QUERY, metric="l3")


def test_a_memory_mapped_table_is_never_copied_as_a_whole(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", FEATURES)
    sizes, asarray = [], np.asarray
    monkeypatch.setattr(np, "asarray", lambda a, *args, **kw: sizes.append(np.size(a)) or asarray(a, *args, **kw))  # fmt: skip
    find_similar(np.load(tmp_path / "x.npy", mmap_mode="r"), QUERY, block_values=40)
    assert max(sizes) == 40
