"""The nearest rows of a table to each of some queries."""

import numpy as np
from sklearn.utils import check_array

from sklearn_resnet._features.neighbors import BLOCK_VALUES, find_nearest
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet.cli.similar import METRICS


def find_similar(features, query, n_neighbors=10, metric="cosine", block_values=BLOCK_VALUES):
    """Find the rows of a table that are nearest to each query, by brute force.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
        May be memory-mapped: it is read block by block. Rows with NaN are never found.
    query : array-like of shape (n_queries, n_features)
    n_neighbors : int, default=10
    metric : {"cosine", "euclidean"}, default="cosine"
    block_values : int, default=BLOCK_VALUES
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
    if metric not in METRICS:
        raise ParameterError("metric", f"must be one of {', '.join(METRICS)}", repr(metric))
    query = check_array(query, dtype=np.float64, input_name="query")
    distances, rows = find_nearest(features, query, n_neighbors, metric, block_values)
    if not rows.size:
        raise ValueError("The table must have a row of finite features. All of its rows hold NaN.")
    return distances, rows
