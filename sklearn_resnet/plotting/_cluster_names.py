"""Clusters of a map at several levels of detail, with names and exemplars."""

from dataclasses import dataclass

import numpy as np

from sklearn_resnet.plotting._coloring import encode_labels

# The smallest and the largest cluster of each level, as shares of the points. Without a largest one, a
# map without gaps would be a single cluster.
_LEVELS = ((1 / 25, 1 / 4), (1 / 60, 1 / 8), (1 / 150, 1 / 20))
_MIN_POINTS = 5  # of a cluster
_MIN_SAMPLES = 5  # one value for all levels, so that all clusters are nodes of one tree
_SAMPLE_SIZE = 10_000  # points that are clustered; the others join the nearest of these
_MEDOID_SAMPLE = 500  # points of a cluster among which its medoids are sought
_N_MEDOIDS = 5
_MIN_GROWTH = 1.5  # a level has so many times the clusters of the one above, or takes its place
_MIN_SHARE = 0.5  # of the label that names a cluster alone
_MIN_SHARED = 0.8  # of two labels that name a cluster together


@dataclass(frozen=True)
class Cluster:
    """A cluster of a map.

    Attributes
    ----------
    level : int
        From 0 for the coarsest.
    name : str
        Unique, but for clusters with the same points at two levels.
    parent : int or None
        The cluster of the level above that contains it, as an index of `MapClusters.clusters`. None
        for a cluster outside of these.
    label : str or None
        The most frequent label of its points, if there are any.
    share : float
        The share of its points that have this label.
    medoids : tuple of int
        Rows that represent it: the most typical one, and others that differ from each other.
    count : int
        Number of its points.
    at : tuple of 2 float
        Where to write its name: the point nearest to all others, which lies on a bent cluster, too.
    size : float
        The root mean square of the distances from `at`, in the unit of the map.
    """

    level: int
    name: str
    parent: int | None
    label: str | None
    share: float
    medoids: tuple[int, ...]
    count: int
    at: tuple[float, float]
    size: float


@dataclass(frozen=True)
class MapClusters:
    """The clusters of a map.

    Attributes
    ----------
    clusters : tuple of Cluster
        By level; in each, by number of points, the largest first.
    codes : tuple of ndarray of shape (n,), dtype int32
        For each level, the cluster of each point, as an index of `clusters`; -1 for points outside
        of all clusters. A point with a cluster may have none at another level.
    """

    clusters: tuple[Cluster, ...]
    codes: tuple[np.ndarray, ...]

    def name_points(self, level):
        """The name of each point's cluster at a level, None outside of all clusters."""
        names = np.array([*(cluster.name for cluster in self.clusters), None], dtype=object)
        return names[self.codes[level]]


def find_map_clusters(xy, y=None, features=None):
    """Find clusters at up to three levels of detail, by HDBSCAN, and name them.

    Clusters are nested: two of them are disjoint, or the finer lies within the coarser. Levels with
    about the same clusters count as one.

    Parameters
    ----------
    xy : ndarray of shape (n, 2)
    y : ndarray of shape (n,), default=None
        Labels for names, as `as_array` returns them. A cluster without a prevailing label, or two or
        three that prevail together, is named by a number: "cluster 2.1" lies in "cluster 2".
    features : ndarray of shape (n, n_features), default=None
        Features by which medoids are chosen. By default, the map.

    Returns
    -------
    MapClusters
        The same for the same input.
    """
    levels = _spread(xy, *_find_levels(xy))
    names, labels = ([], None) if y is None else encode_labels(y)
    clusters, codes, numbers = [], [], []
    for level, found in enumerate(levels):
        groups = sorted(_group_rows(found), key=len, reverse=True)
        parents = [int(codes[-1][rows[0]]) if level else -1 for rows in groups]
        shares = [_count_labels(labels, rows, names) for rows in groups]
        is_same = [
            parent >= 0 and clusters[parent].count == len(rows)
            for rows, parent in zip(groups, parents, strict=True)
        ]
        codes.append(np.full(len(xy), -1, np.int32))
        for i, rows in enumerate(groups):
            codes[-1][rows] = len(clusters) + i
        numbers += _number(parents, is_same, numbers)
        chosen = _choose_names(shares, parents, is_same, numbers[len(clusters) :], clusters)
        clusters += [
            _describe(level, name, parent, found, rows, xy, features)
            for name, parent, found, rows in zip(chosen, parents, shares, groups, strict=True)
        ]
    return MapClusters(tuple(clusters), tuple(codes))


def _describe(level, name, parent, shares, rows, xy, features):
    label, share = shares[0] if shares else (None, 0.0)
    at, size = _locate(xy, rows)
    return Cluster(
        level=level,
        name=name,
        parent=None if parent < 0 else parent,
        label=label,
        share=share,
        medoids=find_medoids(xy if features is None else features, rows, _N_MEDOIDS),
        count=len(rows),
        at=at,
        size=size,
    )


def _find_levels(xy):
    """Cluster a sample of a map.

    Returns
    -------
    sample : ndarray of shape (n_sample,), dtype int
    levels : list of ndarray of shape (n_sample,), dtype int
        Codes from 0; -1 for points outside of all clusters.
    """
    from sklearn.cluster import HDBSCAN

    sample = np.sort(np.random.RandomState(0).permutation(len(xy))[:_SAMPLE_SIZE])
    levels = []
    for smallest, largest in _LEVELS:
        min_size = max(_MIN_POINTS, round(smallest * len(sample)))
        max_size = max(2 * min_size, round(largest * len(sample)))
        if len(sample) < 2 * min_size:
            break
        model = HDBSCAN(
            min_cluster_size=min_size,
            max_cluster_size=max_size,
            min_samples=_MIN_SAMPLES,
            copy=True,
        )
        found = model.fit_predict(xy[sample])
        if levels:
            found = _nest(found, levels[-1])
        if found.max() < 0:
            continue
        if levels and found.max() + 1 < _MIN_GROWTH * (levels[-1].max() + 1):
            levels.pop()
        levels.append(found)
    return sample, levels


def _nest(fine, coarse):
    """Make a level complete: each coarse cluster is divided into two or more, or stays whole.

    Clusters of one tree of HDBSCAN are nested or disjoint. But the level with the shorter minimum size
    may have a larger cluster, a single one within a coarse cluster, or none.
    """
    nested, offset = fine.copy(), fine.max() + 1
    for code in range(coarse.max() + 1):
        is_member = coarse == code
        parts = np.unique(fine[is_member & (fine >= 0)])
        if len(parts) < 2:
            nested[np.isin(fine, parts) & (coarse < 0)] = -1  # of one that is larger
            nested[is_member] = offset + code
    return np.unique(np.append(nested, -1), return_inverse=True)[1][:-1] - 1


def _spread(xy, sample, levels):
    """Give each point the codes of the nearest point of the sample."""
    from scipy.spatial import cKDTree

    if len(sample) == len(xy):
        return levels
    nearest = cKDTree(xy[sample]).query(xy)[1]
    return [codes[nearest] for codes in levels]


def _group_rows(codes):
    """The rows of each code, as a list of arrays."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.searchsorted(codes[order], np.arange(codes.max() + 1)))[1:]


def _count_labels(labels, rows, names):
    """The labels of some rows with their shares of all of them, the most frequent first."""
    if not names:
        return []
    known = labels[rows]
    counts = np.bincount(known[known >= 0], minlength=len(names))
    order = np.argsort(-counts, kind="stable")[:2]
    return [(names[i], float(counts[i] / len(rows))) for i in order if counts[i]]


def _number(parents, is_same, coarser):
    """Number the clusters of a level: 3.1 lies in 3, which lies in none.

    Parameters
    ----------
    parents : list of int
        Indices of `coarser`, or -1.
    is_same : list of bool
        Whether each cluster has all points of its parent, and so its number.
    coarser : list of str
        The numbers of all levels above.
    """
    counts = {-1: sum("." not in number for number in set(coarser))}
    numbers = []
    for parent, same in zip(parents, is_same, strict=True):
        if same:
            numbers.append(coarser[parent])
            continue
        counts[parent] = counts.get(parent, 0) + 1
        prefix = "" if parent < 0 else f"{coarser[parent]}."
        numbers.append(f"{prefix}{counts[parent]}")
    return numbers


def _choose_names(shares, parents, is_same, numbers, coarser):
    """Choose names for all clusters of a level, which differ from each other and the coarser ones."""
    used = {cluster.name for cluster in coarser}
    labels = list(map(_join_labels, shares))
    counts, names = {}, []
    for label, parent, same, number in zip(labels, parents, is_same, numbers, strict=True):
        if same:
            names.append(coarser[parent].name)
        elif label is None:
            names.append(_make_unique(f"cluster {number}", used | set(labels)))
        elif parent >= 0 and _is_named_by(coarser[parent], label):
            counts[parent] = counts.get(parent, 0) + 1
            part = f"{coarser[parent].name}, part {counts[parent]}"
            names.append(_make_unique(part, used | set(labels)))
        else:
            names.append(_make_unique(label, used))
        used.add(names[-1])
    return names


def _make_unique(name, used):
    n = 1
    while _repeat(name, n) in used:
        n += 1
    return _repeat(name, n)


def _is_named_by(cluster, label):
    return cluster.label == label and cluster.share >= _MIN_SHARE


def _repeat(label, n):
    """The name of the nth cluster with a label: "shirt", "shirt 2", but "7 (2)"."""
    if n == 1:
        return label
    return f"{label} ({n})" if label[-1:].isdigit() else f"{label} {n}"


def _join_labels(shares):
    """The name of a cluster by its labels, or None if none prevail."""
    if not shares:
        return None
    if shares[0][1] >= _MIN_SHARE:
        return shares[0][0]
    if sum(share for _, share in shares) >= _MIN_SHARED:
        return " / ".join(label for label, _ in shares)
    return None


def find_medoids(features, rows, n_medoids):
    """Choose rows that represent a group.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
    rows : ndarray of int
        The group; of a large one, a fixed sample is taken.
    n_medoids : int

    Returns
    -------
    tuple of int
        At most `n_medoids` rows: the nearest to the centre of the group, and then, of the half that
        is nearest to it, each time the one farthest from those chosen.
    """
    sample = np.random.RandomState(0).permutation(len(rows))[:_MEDOID_SAMPLE]
    rows = rows[np.sort(sample)]
    table = np.asarray(features[rows], float)
    order = np.argsort(np.linalg.norm(table - table.mean(0), axis=1), kind="stable")
    candidates = order[: max(n_medoids, len(order) // 2)]
    chosen = [candidates[0]]
    nearest = np.full(len(candidates), np.inf)
    while len(chosen) < min(n_medoids, len(candidates)):
        distance = np.linalg.norm(table[candidates] - table[chosen[-1]], axis=1)
        nearest = np.minimum(nearest, distance)
        nearest[np.isin(candidates, chosen)] = -1  # duplicates have no distance
        chosen.append(candidates[nearest.argmax()])
    return tuple(rows[chosen].tolist())


def _locate(xy, rows):
    """The point nearest to all others of a group, and the mean distance from it."""
    from scipy.spatial.distance import cdist

    sample = np.random.RandomState(0).permutation(len(rows))[:_MEDOID_SAMPLE]
    points = xy[rows[np.sort(sample)]]
    at = points[cdist(points, points).sum(1).argmin()]
    size = np.sqrt(((xy[rows] - at) ** 2).sum(1).mean())
    return tuple(at.tolist()), float(size)
