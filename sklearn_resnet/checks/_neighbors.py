"""Nearest neighbours of images, by their features and by their pixels."""

import numpy as np
from scipy.ndimage import gaussian_filter

from sklearn_resnet.checks._thumbnails import halve

MAX_EXACT = 20_000  # images; for more, the search is approximate
_CHUNK = 4096


def find_neighbors(features, n_neighbors, query=None, max_exact=MAX_EXACT):
    """Find the nearest rows by Euclidean distance.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
    n_neighbors : int
        At most n.
    query : ndarray of shape (n_queries, n_features), default=None
        None finds the neighbours of the rows of `features` themselves, which come first.
    max_exact : int, default=MAX_EXACT
        The maximum number of rows for an exact search. For more, pynndescent finds almost all of
        the nearest.

    Returns
    -------
    distances, rows : ndarray of shape (n_queries, n_neighbors)
        The nearest first. A row is -1 where pynndescent found none.
    """
    if len(features) <= max_exact:
        from sklearn.neighbors import NearestNeighbors

        search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(features)
        return search.kneighbors(features if query is None else query)
    from pynndescent import NNDescent

    search = NNDescent(features, n_neighbors=n_neighbors, random_state=0)
    if query is None:
        rows, distances = search.neighbor_graph
    else:
        rows, distances = search.query(query, k=n_neighbors)
    return distances, rows


def describe_pixels(thumbnails):
    """Describe thumbnails by their blurred pixels, whatever their brightness and contrast.

    Returns
    -------
    ndarray of shape (n, 256), dtype float32
    """
    from sklearn.preprocessing import normalize  # slow to import

    described = np.empty((len(thumbnails), (thumbnails.shape[1] // 2) ** 2), np.float32)
    for start in range(0, len(thumbnails), _CHUNK):
        rows = slice(start, start + _CHUNK)
        pixels = gaussian_filter(halve(thumbnails[rows]), (0, 1, 1)).reshape(-1, described.shape[1])
        described[rows] = normalize(pixels - pixels.mean(1, keepdims=True))
    return described
