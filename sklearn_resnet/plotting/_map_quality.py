"""Quality of a map: how many of the neighbours in the features remain neighbours on the map."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.utils import check_array

from sklearn_resnet._runtime.errors import ParameterError

_SAMPLE_SIZE = 2_000  # rows whose neighbours are examined; all rows are candidates
_WORKING_MEMORY = 128  # MiB of distances at a time


@dataclass(frozen=True)
class MapQuality:
    """Quality of a map.

    Attributes
    ----------
    trustworthiness : float
        From 0 to 1. A random map has about 0.5. NaN for fewer than three points.
    neighborhood_preservation : float
        From 0 to 1. A random map has about ``n_neighbors / n_points``.
    n_neighbors : int
    n_points : int
    """

    trustworthiness: float
    neighborhood_preservation: float
    n_neighbors: int
    n_points: int


def check_features(features, maps):
    """Check the features from which maps were computed, and list those of each map.

    Parameters
    ----------
    features : array-like of shape (n, n_features), dict of such by the names of the maps, or None
    maps : dict of str to ndarray of shape (n, 2)

    Returns
    -------
    dict of str to ndarray or None
        By the names of the maps. Maps with the same features have the same object.

    Raises
    ------
    ValueError
        If the names differ, or features are not a table with a row for each point.
    """
    if features is None:
        return dict.fromkeys(maps)
    n_points = len(next(iter(maps.values())))
    if not isinstance(features, Mapping):
        return dict.fromkeys(maps, _check_table(features, "features", n_points))
    given = {str(name): table for name, table in features.items()}
    if set(given) != set(maps):
        raise ParameterError(
            "features",
            f"must have the names of the maps if it is a dict: {', '.join(map(repr, maps))}",
            ", ".join(map(repr, given)) or "an empty dict",
        )
    checked = {
        id(table): _check_table(table, f"features[{name!r}]", n_points)
        for name, table in given.items()
    }
    return {name: checked[id(given[name])] for name in maps}


def _check_table(table, name, n_points):
    table = check_array(table, input_name=name)
    if len(table) != n_points:
        raise ParameterError(
            name, f"must hold one value for each of the {n_points} points", str(len(table))
        )
    return table


def score_map(features, xy, n_neighbors=10):
    """Compare the nearest neighbours on a map with those in the features.

    Neighbourhood preservation is the share of the nearest neighbours in the features that are among
    the nearest neighbours on the map, Q_NX of [2]_. Trustworthiness [1]_ reduces 1 for each neighbour
    on the map that is none in the features, by its rank there; it equals
    `sklearn.manifold.trustworthiness` unless points have equal distances.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
    xy : ndarray of shape (n, 2)
    n_neighbors : int, default=10
        Reduced to less than half of the points.

    Returns
    -------
    MapQuality
        The mean over at most 2,000 points, a fixed random sample, whose neighbours are sought among
        all points.

    References
    ----------
    .. [1] J. Venna and S. Kaski, "Neighborhood preservation in nonlinear projection methods: an
           experimental study", ICANN, 2001.
    .. [2] J. A. Lee and M. Verleysen, "Quality assessment of dimensionality reduction: rank-based
           criteria", Neurocomputing 72, 2009.
    """
    n = len(xy)
    n_neighbors = min(n_neighbors, (n - 1) // 2)
    if n_neighbors < 1:
        return MapQuality(np.nan, np.nan, 0, n)
    rows = np.sort(np.random.RandomState(0).permutation(n)[:_SAMPLE_SIZE])
    ranks = _rank_in_features(features, rows, _find_neighbors(xy, rows, n_neighbors))
    excess = np.maximum(0, ranks - n_neighbors).sum(1).mean()
    worst = n_neighbors * (2 * n - 3 * n_neighbors - 1) / 2  # the largest possible excess
    return MapQuality(
        trustworthiness=float(1 - excess / worst),
        neighborhood_preservation=float((ranks <= n_neighbors).mean()),
        n_neighbors=n_neighbors,
        n_points=n,
    )


def _find_neighbors(xy, rows, n_neighbors):
    """The nearest other points of some points on the map, of shape (n_rows, n_neighbors)."""
    from scipy.spatial import cKDTree

    found = cKDTree(xy).query(xy[rows], n_neighbors + 1)[1]
    # a point is its own nearest neighbour, unless it has more duplicates than neighbours
    is_self = found == rows[:, None]
    is_self[~is_self.any(1), -1] = True
    return found[~is_self].reshape(len(rows), n_neighbors)


def _rank_in_features(features, rows, neighbors):
    """The rank of each neighbour by its distance in the features, from 1 for the nearest."""
    from sklearn.metrics import pairwise_distances_chunked

    def rank(distances, start):
        ranks = np.empty((len(distances), neighbors.shape[1]), int)
        for i, row in enumerate(distances):
            row[rows[start + i]] = np.inf
            for j, neighbor in enumerate(neighbors[start + i]):
                ranks[i, j] = 1 + np.count_nonzero(row < row[neighbor])
        return ranks

    chunks = pairwise_distances_chunked(
        features[rows], features, reduce_func=rank, working_memory=_WORKING_MEMORY
    )
    return np.concatenate(list(chunks))


def describe_quality(quality):
    """Describe the quality of a map in a few sentences.

    Parameters
    ----------
    quality : MapQuality

    Returns
    -------
    str
    """
    k = quality.n_neighbors
    if not k:
        return "There are too few points to judge this map."
    share = quality.neighborhood_preservation
    chance = k / (quality.n_points - 1)
    nearest = "nearest neighbour" if k == 1 else f"{k} nearest neighbours"
    points = "as the nearest point" if k == 1 else f"among the {k} nearest points"
    return (
        f"Of the {nearest} by features, this map keeps {share:.0%} {points} "
        f"(a random map: {_as_percent(chance)}). Its trustworthiness is "
        f"{quality.trustworthiness:.2f} (1: all neighbours on the map are neighbours by features; "
        "0.5: a random map). Distances between clusters, and their sizes, mean little."
    )


def _as_percent(share):
    return "under 1%" if share < 0.01 else f"{share:.0%}"
