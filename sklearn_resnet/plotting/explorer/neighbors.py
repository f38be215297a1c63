"""Nearest neighbours and clusters of points."""

import numpy as np

MAX_EXACT = 10_000  # points; for more, the search is approximate


def find_neighbors(features, n_neighbors, max_exact=MAX_EXACT):
    """Find the nearest other points of each point, by Euclidean distance.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
    n_neighbors : int
    max_exact : int, default=MAX_EXACT
        The maximum number of rows for an exact search. For more, pynndescent finds almost all of
        the nearest.

    Returns
    -------
    ndarray of shape (n, at most n_neighbors), dtype int
        The nearest first; -1 where none was found.
    """
    n_found = min(n_neighbors + 1, len(features))
    if len(features) <= max_exact:
        from sklearn.neighbors import NearestNeighbors

        found = NearestNeighbors(n_neighbors=n_found).fit(features).kneighbors(features)[1]
    else:
        from pynndescent import NNDescent

        found = NNDescent(features, n_neighbors=n_found, random_state=0).neighbor_graph[0]
    # a point is its own nearest neighbour, unless it has more duplicates than neighbours
    is_self = found == np.arange(len(found))[:, None]
    is_self[~is_self.any(1), -1] = True
    return found[~is_self].reshape(len(found), n_found - 1)


def find_clusters(xy):
    """Find clusters by HDBSCAN; None for points outside of all clusters."""
    from sklearn.cluster import HDBSCAN

    size = max(5, len(xy) // 100)
    clusters = HDBSCAN(min_cluster_size=size, copy=True).fit_predict(xy)
    return np.array([None if cluster < 0 else f"cluster {cluster + 1}" for cluster in clusters])
