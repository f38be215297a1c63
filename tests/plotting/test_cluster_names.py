"""Clusters of a map: nested, named by labels or numbers, with rows that represent them."""

import numpy as np
import pytest

from sklearn_resnet.plotting._cluster_names import _nest, find_map_clusters, find_medoids


def make_map(n=40, spread=0.05, seed=0):
    """Five groups, far apart, of six small blobs each."""
    rng = np.random.RandomState(seed)
    group, blob = np.divmod(np.repeat(np.arange(30), n), 6)
    middles = 20 * np.column_stack([group % 2, group // 2])
    middles = middles + np.column_stack([blob % 3, blob // 3])
    return middles + spread * rng.standard_normal((len(group), 2)), group, blob


def level_of(found, level):
    return [cluster for cluster in found.clusters if cluster.level == level]


def check_invariants(found, n):
    for level, codes in enumerate(found.codes):
        assert codes.shape == (n,)
        assert codes.dtype == np.int32
        for i, cluster in enumerate(found.clusters):
            if cluster.level != level:
                assert not (codes == i).any()
                continue
            rows = np.flatnonzero(codes == i)
            assert len(rows) == cluster.count > 0
            assert set(cluster.medoids) <= set(rows.tolist())
            assert len(set(cluster.medoids)) == len(cluster.medoids) >= 1
            if level:  # nested
                parents = np.unique(found.codes[level - 1][rows])
                assert parents.tolist() == [-1 if cluster.parent is None else cluster.parent]
            else:
                assert cluster.parent is None
    for cluster, other in zip(found.clusters, found.clusters[1:], strict=False):
        assert (cluster.level, -cluster.count) <= (other.level, -other.count)


def test_groups_of_groups_are_two_levels():
    xy, group, blob = make_map()
    found = find_map_clusters(xy)
    check_invariants(found, len(xy))
    coarse, fine = level_of(found, 0), level_of(found, 1)
    assert (len(coarse), len(fine)) == (5, 30)
    for codes, truth in zip(found.codes, (group, 6 * group + blob), strict=False):
        pairs = set(zip(codes.tolist(), truth.tolist(), strict=True))
        assert len(pairs) == len(np.unique(truth))
    assert sorted(cluster.name for cluster in coarse) == [f"cluster {i}" for i in range(1, 6)]
    for cluster in fine:
        assert cluster.name.startswith(found.clusters[cluster.parent].name + ".")
    names = [cluster.name for cluster in found.clusters]
    assert len(set(names)) == len(names)


def test_labels_name_clusters():
    xy, group, _ = make_map()
    kinds = np.array(["coat", "hat", "shirt", "shirt", "tie"])[group]
    found = find_map_clusters(xy, kinds)
    assert sorted(cluster.name for cluster in level_of(found, 0)) == [
        *("coat", "hat", "shirt", "shirt 2", "tie"),
    ]
    assert all(cluster.share == 1 for cluster in found.clusters)
    parts = [cluster for cluster in level_of(found, 1)]
    assert {cluster.name for cluster in parts if cluster.label == "coat"} == {
        f"coat, part {i}" for i in range(1, 7)
    }
    assert {cluster.name for cluster in parts if cluster.name.startswith("shirt 2")} == {
        f"shirt 2, part {i}" for i in range(1, 7)
    }


def test_two_labels_name_a_cluster_together_and_several_do_not():
    xy, _, blob = make_map()
    y = np.array(["ship", "ship", "boat", "boat", "boat", "car"])[blob].astype(object)
    y[np.flatnonzero(blob == 4)[::9]] = "car"
    found = find_map_clusters(xy, y)
    assert {cluster.name for cluster in level_of(found, 0)} == {
        *("boat / ship", "boat / ship 2", "boat / ship 3", "boat / ship 4", "boat / ship 5"),
    }
    assert {cluster.label for cluster in level_of(found, 0)} == {"boat"}
    found = find_map_clusters(xy, blob)
    assert {cluster.name for cluster in level_of(found, 0)} == {f"cluster {i}" for i in range(1, 6)}
    assert {cluster.name for cluster in level_of(found, 1)} >= {"0", "0 (2)", "5 (5)"}


def test_numbers_as_labels_are_counted_in_brackets():
    xy, group, _ = make_map()
    found = find_map_clusters(xy, np.array([7, 7, 8, 9, 10])[group])
    assert sorted(cluster.name for cluster in level_of(found, 0)) == ["10", "7", "7 (2)", "8", "9"]


def test_points_without_a_label_count_against_it():
    xy, group, _ = make_map()
    y = np.array(["a", "b", "c", "d", "e"], object)[group]
    rows = np.flatnonzero(group == 0)
    y[rows[::2]] = None
    y[rows[1]] = None
    found = find_map_clusters(xy, y)
    names = {cluster.name for cluster in level_of(found, 0)}
    assert "a" not in names
    assert {"b", "c", "d", "e"} < names
    (cluster,) = [cluster for cluster in level_of(found, 0) if cluster.label == "a"]
    assert cluster.share == pytest.approx(0.5, abs=0.01)
    all_missing = find_map_clusters(xy, np.full(len(xy), None))
    assert {cluster.label for cluster in all_missing.clusters} == {None}


def test_a_map_without_gaps_has_several_clusters():
    xy = np.random.RandomState(0).standard_normal((2_000, 2))
    found = find_map_clusters(xy)
    check_invariants(found, len(xy))
    for codes in found.codes:
        assert np.bincount(codes[codes >= 0]).max() <= len(xy) / 4


def test_a_level_divides_each_cluster_or_keeps_it_whole():
    coarse = np.array([0] * 6 + [1] * 6 + [2] * 6 + [3] * 6 + [-1] * 4)
    divided, single, none = [0, 0, 0, 1, 1, -1], [2, 2, -1, -1, -1, -1], [-1] * 6
    fine = np.array([*divided, *single, *none, *[3] * 6, 3, 3, 4, -1])
    found = _nest(fine, coarse)
    groups = {tuple(np.flatnonzero(found == code)) for code in range(found.max() + 1)}
    assert groups == {(0, 1, 2), (3, 4), *(tuple(range(i, i + 6)) for i in (6, 12, 18)), (26,)}
    assert found.min() == -1


@pytest.mark.parametrize("n", [1, 2, 5, 9, 10, 40])
def test_few_points(n):
    xy = np.random.RandomState(0).rand(n, 2)
    check_invariants(find_map_clusters(xy), n)
    check_invariants(find_map_clusters(np.zeros((n, 2)), np.repeat("a", n)), n)


@pytest.mark.parametrize("seed", range(5))
def test_clusters_of_any_map_are_nested(seed):
    rng = np.random.RandomState(seed)
    middles = rng.rand(12, 2) * 10
    sizes = rng.randint(5, 300, 12)
    xy = np.concatenate(
        [rng.normal(m, rng.uniform(0.1, 2), (k, 2)) for m, k in zip(middles, sizes, strict=True)]
    )
    check_invariants(find_map_clusters(xy, rng.randint(0, 4, len(xy))), len(xy))


def test_a_large_map_is_clustered_by_a_sample_and_the_result_is_the_same_each_time():
    xy, *_ = make_map(n=500)
    found = find_map_clusters(xy)
    check_invariants(found, len(xy))
    assert [cluster.count for cluster in level_of(found, 0)] == [3_000] * 5
    again = find_map_clusters(xy)
    assert again.clusters == found.clusters
    for codes, same in zip(found.codes, again.codes, strict=True):
        np.testing.assert_array_equal(codes, same)


def test_names_are_where_the_clusters_are():
    angles = np.random.RandomState(0).uniform(0, np.pi, 500)
    arc = 10 * np.column_stack([np.cos(angles), np.sin(angles)])
    blob = np.random.RandomState(1).normal([0, -30], 1, (500, 2))
    found = find_map_clusters(np.vstack([arc, blob]))
    for cluster in level_of(found, 0):
        x, y = cluster.at
        if y > -10:
            assert np.hypot(x, y) == pytest.approx(10, abs=0.5)
        else:
            assert np.hypot(x, y + 30) < 0.5
            assert 1 < cluster.size < 2


def test_the_names_of_points():
    xy, group, _ = make_map()
    xy = np.vstack([xy, [[500.0, 500]]])
    found = find_map_clusters(xy, np.append(group.astype(str), "far"))
    names = found.name_points(0)
    assert names[:-1].tolist() == group.astype(str).tolist()
    assert names[-1] is None


def test_medoids_are_typical_and_differ():
    rng = np.random.RandomState(0)
    features = np.vstack([np.zeros((1, 3)), rng.standard_normal((400, 3)), [[50, 0, 0]]])
    rows = np.arange(len(features))
    found = find_medoids(features, rows, 4)
    lengths = np.linalg.norm(features - features.mean(0), axis=1)
    assert lengths[found[0]] == lengths[:401].min()
    assert lengths[list(found)].max() <= np.median(lengths)
    line = np.concatenate([np.linspace(-1, 1, 41), [-9, 9] * 30])[:, None]
    spread = line[list(find_medoids(line, np.arange(len(line)), 4)), 0]
    assert abs(spread[0]) < 0.1
    assert np.diff(np.sort(spread)).min() > 0.4
    assert find_medoids(features, rows[5:7], 4) in [(5, 6), (6, 5)]
    assert len(set(find_medoids(np.ones((9, 2)), np.arange(9), 4))) == 4


def test_medoids_are_chosen_by_the_features():
    xy, *_ = make_map()
    features = np.random.RandomState(1).standard_normal((len(xy), 3))
    by_features = find_map_clusters(xy, features=features).clusters
    for code, cluster in enumerate(by_features[:5]):
        rows = np.flatnonzero(find_map_clusters(xy).codes[0] == code)
        assert cluster.medoids == find_medoids(features, rows, 5)
    assert [c.medoids for c in by_features] != [c.medoids for c in find_map_clusters(xy).clusters]


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_labels_that_look_like_numbers_of_clusters_leave_names_unique(number):
    xy = np.random.RandomState(0).standard_normal((300, 2)) * 0.3
    xy += np.repeat([[0, 0], [9, 0], [0, 9], [9, 9], [20, 20]], 60, axis=0)
    y = np.repeat(["", f"cluster {number}", "a", "b", "c"], 60)  # the first has a number
    found = find_map_clusters(xy, y)
    coarsest = [cluster.name for cluster in found.clusters if cluster.level == 0]
    assert len(set(coarsest)) == len(coarsest)
    named = found.name_points(0)
    assert f"cluster {number}" in named[60:120]
    assert f"cluster {number}" not in named[:60]
