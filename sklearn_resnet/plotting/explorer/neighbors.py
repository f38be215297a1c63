"""Nearest neighbours of points."""

import numpy as np

from sklearn_resnet._features.neighbors import find_neighbors


def find_others(features, n_neighbors):
    """Find the nearest other points of each point, by Euclidean distance.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
    n_neighbors : int

    Returns
    -------
    ndarray of shape (n, at most n_neighbors), dtype int
        The nearest first; -1 where none was found.
    """
    _, rows = find_neighbors(features, min(n_neighbors + 1, len(features)))
    return list_others(rows, n_neighbors)


def list_others(rows, n_neighbors):
    """List the nearest other points of each point.

    Parameters
    ----------
    rows : ndarray of shape (n, n_found)
        The nearest points of each point, of which it is one, unless it has more duplicates.
    n_neighbors : int

    Returns
    -------
    ndarray of shape (n, at most n_neighbors), dtype int
    """
    is_self = rows == np.arange(len(rows))[:, None]
    is_self[~is_self.any(1), -1] = True
    return rows[~is_self].reshape(len(rows), rows.shape[1] - 1)[:, :n_neighbors]
