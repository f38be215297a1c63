"""The nearest rows of a table to each of some queries."""

import numpy as np

from sklearn_resnet._runtime.errors import ParameterError

METRICS = ("cosine", "euclidean")
_BLOCK_VALUES = 2**23  # 64 MiB, so that a memory-mapped table is never in memory as a whole


def find_similar(features, query, n_neighbors=10, metric="cosine", block_values=_BLOCK_VALUES):
    """Find the rows of a table that are nearest to each query, by brute force.

    It wraps `sklearn.neighbors.NearestNeighbors`, which needs all rows in memory and refuses NaN.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
        May be memory-mapped: it is read block by block. Rows with NaN are never found.
    query : array-like of shape (n_queries, n_features)
    n_neighbors : int, default=10
    metric : {"cosine", "euclidean"}, default="cosine"
    block_values : int, default=8_388_608
        The number of features in a block.

    Returns
    -------
    distances : ndarray of shape (n_queries, n_found)
        In double precision, in ascending order. `n_found` is `n_neighbors`, or the number of finite
        rows if there are fewer.
    rows : ndarray of shape (n_queries, n_found), dtype int
        Indices into `features`.

    Raises
    ------
    ValueError
        If no row is finite, or queries have another number of features.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_resnet.cli.similar.neighbors import find_similar
    >>> features = np.array([[0, 1], [1, 1], [3, 0.1]])
    >>> distances, rows = find_similar(features, [[1, 0]], n_neighbors=2)
    >>> rows
    array([[2, 1]])
    """
    from sklearn.neighbors import NearestNeighbors  # slow to import

    if metric not in METRICS:
        raise ParameterError("metric", f"must be one of {', '.join(METRICS)}", repr(metric))
    query = np.asarray(query, np.float64)
    n_rows = max(1, block_values // features.shape[1])
    distances, rows = np.empty((len(query), 0)), np.empty((len(query), 0), int)
    for start in range(0, len(features), n_rows):
        block = np.asarray(features[start : start + n_rows], np.float64)
        finite = np.flatnonzero(np.isfinite(block).all(1))
        if not len(finite):
            continue
        search = NearestNeighbors(
            n_neighbors=min(n_neighbors, len(finite)), metric=metric, algorithm="brute"
        )
        new_distances, new = search.fit(block[finite]).kneighbors(query)
        distances = np.hstack([distances, new_distances])
        rows = np.hstack([rows, start + finite[new]])
        nearest = np.argsort(distances, axis=1, kind="stable")[:, :n_neighbors]
        distances, rows = (np.take_along_axis(a, nearest, 1) for a in (distances, rows))
    if not rows.size:
        raise ValueError("The table must have a row of finite features. All of its rows hold NaN.")
    return distances, rows
