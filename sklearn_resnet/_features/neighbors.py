"""Nearest neighbors of features: exact, block by block, and approximate for very many rows.

Distances are bounded in single precision, by one matrix product a block. Only rows that these bounds
allow to be among the nearest are measured, from their differences or in double precision.
"""

import math
from functools import partial
from typing import NamedTuple

import numpy as np

from sklearn_resnet._runtime.threads import count_threads, prefetch_map

# features of a block: 8 MiB in single precision, so that a mapped table is never in memory as a whole
BLOCK_VALUES = 2**21
_TILE_VALUES = 2**21  # bounds that are in memory at once, for each thread
_MAX_PRODUCTS = 2e12  # of an exact search; pynndescent, which compiles for 20 s, is faster for more
_MAX_TREE = 15  # features; for more, trees are slower than products
# features of the pairs of a query and a row that are measured at once, as their bounds are near
_MEASURED_VALUES = 2**23
# least for each neighbor: the k-th least of the chunks' least bounds limits the k-th distance
_MIN_CHUNKS = 8
_SQUARES = (1e-30, 1e36)  # the range of squared norms in which single precision bounds the error


class _Block(NamedTuple):
    """Rows of features.

    Attributes
    ----------
    start : int
    values : ndarray of shape (n_rows, n_features)
    single : ndarray of shape (n_rows, n_features), dtype float32
    squares : ndarray of shape (n_rows,), dtype float32
        Squared norms.
    forced : dict of int to ndarray of int
        Rows that are always measured, by -inf, and that are never found, by inf.
    """

    start: int
    values: np.ndarray
    single: np.ndarray
    squares: np.ndarray
    forced: dict


def find_neighbors(features, n_neighbors, query=None, max_exact=None):
    """Find the nearest rows by Euclidean distance.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
    n_neighbors : int
        At most n.
    query : ndarray of shape (n_queries, n_features), default=None
        None finds the neighbors of the rows of `features`, each of which is its own, too.
    max_exact : int, default=None
        The maximum number of rows for an exact search. For more, pynndescent finds almost all of
        the nearest. By default, it depends on the number of features: 125,000 rows of 128.

    Returns
    -------
    distances, rows : ndarray of shape (n_queries, n_neighbors)
        The nearest first. A row is -1 where pynndescent found none.
    """
    n_features = features.shape[1]
    if max_exact is None:
        max_exact = math.inf if n_features <= _MAX_TREE else math.sqrt(_MAX_PRODUCTS / n_features)
    if len(features) > max_exact:
        from pynndescent import NNDescent

        search = NNDescent(features, n_neighbors=n_neighbors, random_state=0)
        if query is not None:
            return search.query(query, k=n_neighbors)[::-1]
        return search.neighbor_graph[::-1]
    query = features if query is None else query
    if n_features <= _MAX_TREE:
        from sklearn.neighbors import NearestNeighbors

        return NearestNeighbors(algorithm="kd_tree").fit(features).kneighbors(query, n_neighbors)
    return find_nearest(features, query, n_neighbors)


def find_nearest(features, query, n_neighbors, metric="euclidean", block_values=BLOCK_VALUES):
    """Find the nearest rows exactly.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
        May be memory-mapped: it is read once, block by block. Rows with NaN are never found.
    query : ndarray of shape (n_queries, n_features)
        Finite.
    n_neighbors : int
    metric : {"cosine", "euclidean"}, default="euclidean"
    block_values : int, default=BLOCK_VALUES
        The number of features in a block.

    Returns
    -------
    distances : ndarray of shape (n_queries, n_found), dtype float64
        In ascending order. `n_found` is `n_neighbors`, or the number of finite rows if there are
        fewer.
    rows : ndarray of shape (n_queries, n_found), dtype int
        Of rows at equal distances, those of lower numbers come first.
    """
    from threadpoolctl import threadpool_limits

    query = _as_float(query)
    if len(_square(query)[2]):
        query = query.astype(np.float64, copy=False)
    shape, n_threads = (len(query), n_neighbors), count_threads()
    distances, rows = np.full(shape, np.inf), np.full(shape, -1)
    n_rows = max(1, block_values // features.shape[1])
    tile = max(1, _TILE_VALUES // min(n_rows, len(features)))
    tiles = [slice(start, start + tile) for start in range(0, len(query), tile)]
    read = partial(_read_block, features, n_rows)
    starts, n_finite = range(0, len(features), n_rows), 0
    # each thread has a block or a tile of its own, and no need of threads of BLAS
    with threadpool_limits(1, "blas"):
        for block in prefetch_map(read, starts, n_threads, n_threads):
            n_finite += len(block.values) - len(block.forced[np.inf])
            search = partial(_search_tile, block, query, metric, distances, rows)
            if len(tiles) == 1:
                search(tiles[0])
            else:
                list(prefetch_map(search, tiles, n_threads, n_threads))
    n_found = min(n_neighbors, n_finite)
    return distances[:, :n_found], rows[:, :n_found]


def _read_block(features, n_rows, start):
    values = _as_float(np.asarray(features[start : start + n_rows]))
    single, squares, odd = _square(values)
    odd_values = values[odd]
    is_finite = np.isfinite(odd_values).all(1)
    is_measured = is_finite & odd_values.any(1)  # rows of zeros have exact bounds
    forced = {-np.inf: odd[is_measured], np.inf: odd[~is_finite]}
    if is_measured.any():
        values = values.astype(np.float64, copy=False)
    return _Block(start, values, single, squares, forced)


def _as_float(values):
    """Return values in single or double precision."""
    return values.astype(np.result_type(values, np.float32), copy=False)


def _square(values):
    """Return values in single precision, their squared norms, and rows that need double precision."""
    with np.errstate(over="ignore", invalid="ignore"):
        single = values.astype(np.float32, copy=False)
        squares = np.einsum("ij,ij->i", single, single)
    return single, squares, np.flatnonzero(~((squares >= _SQUARES[0]) & (squares <= _SQUARES[1])))


def _search_tile(block, query, metric, distances, rows, tile):
    """Update the nearest rows of some queries, in place, with those of a block."""
    query, distances, rows = query[tile], distances[tile], rows[tile]
    n_neighbors = rows.shape[1]
    bounds, limits = _bound_distances(block, query, metric, n_neighbors, distances[:, -1])
    i, j = np.divmod(np.flatnonzero(bounds <= limits[:, None]), bounds.shape[1])
    counts = np.bincount(i, minlength=len(query))
    if len(i) * query.shape[1] > _MEASURED_VALUES:  # many rows at distances that are nearly equal
        crowded = np.flatnonzero(counts > 4 * n_neighbors)
        is_kept = np.isin(i, crowded, invert=True)
        chosen, columns = _choose_among_many(block, query[crowded], metric, n_neighbors)
        i, j = np.r_[i[is_kept], crowded[chosen]], np.r_[j[is_kept], columns]
        order = np.argsort(i, kind="stable")
        i, j = i[order], j[order]
        counts = np.bincount(i, minlength=len(query))
    measured = _measure(block.values, j, query, i, metric)
    # those found before come first, and then rows in order, so that a stable sort keeps ties in order
    places = n_neighbors + np.arange(len(i)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (len(query), n_neighbors + counts.max())
    all_distances, all_rows = np.full(shape, np.inf), np.full(shape, -1)
    all_distances[:, :n_neighbors], all_rows[:, :n_neighbors] = distances, rows
    all_distances[i, places], all_rows[i, places] = measured, block.start + j
    nearest = np.argsort(all_distances, axis=1, kind="stable")[:, :n_neighbors]
    distances[:] = np.take_along_axis(all_distances, nearest, axis=1)
    rows[:] = np.take_along_axis(all_rows, nearest, axis=1)


def _bound_distances(block, query, metric, n_neighbors, known, dtype=np.float32):
    """Bound the distances of queries to the rows of a block.

    Parameters
    ----------
    block : _Block
    query : ndarray of shape (n_queries, n_features)
    metric : {"cosine", "euclidean"}
    n_neighbors : int
    known : ndarray of shape (n_queries,)
        Distances that the nearest rows do not exceed.
    dtype : {float32, float64}, default=float32

    Returns
    -------
    bounds : ndarray of shape (n_queries, n_rows)
        Lower bounds of a quantity that ascends with the distance.
    limits : ndarray of shape (n_queries,)
        The nearest rows have bounds up to these.
    """
    values = block.single if dtype is np.float32 else block.values.astype(dtype, copy=False)
    squares = block.squares if dtype is np.float32 else np.einsum("ij,ij->i", values, values)
    # of products, sums and conversions, in whatever order a sum is taken
    error = (values.shape[1] + 8) * np.finfo(dtype).eps
    lengths = np.linalg.norm(query.astype(np.float64), axis=1)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if metric == "cosine":  # bounds are negative cosines, within the error
            units = query / np.where(lengths > 0, lengths, 1)[:, None]
            bounds = (-units).astype(dtype) @ values.T
            bounds *= np.where(squares > 0, 1 / np.sqrt(squares), 0).astype(dtype)
        else:  # squared distances, less squared lengths of the queries
            bounds = (-2 * query).astype(dtype) @ values.T
            bounds += ((1 - error) * squares).astype(dtype)
        for rows in block.forced.values():
            bounds[:, rows] = np.inf
        limits = _select_limits(bounds, n_neighbors, 16 if dtype is np.float32 else 1)
        if metric == "cosine":
            limits = np.minimum(limits + 2 * error, known - 1 + error)
        else:
            squares = lengths**2
            # the longest row within the limit
            reach = lengths + np.sqrt(np.maximum((1 + 4 * error) * squares + limits, 0))
            limits = limits + 2 * error * (squares + (1 + 8 * error) * reach**2)
            limits = np.minimum(limits, (1 + 1e-6) * known**2 - (1 - error) * squares)
        bounds[:, block.forced[-np.inf]] = -np.inf
        limits = np.nextafter(limits.astype(dtype), np.inf, dtype=dtype)
        return bounds, np.minimum(limits, np.finfo(dtype).max)


def _select_limits(bounds, n_neighbors, max_size):
    """Return for each query a number that the bounds of at least `n_neighbors` rows do not exceed."""
    n_queries, n_rows = bounds.shape
    if n_rows < n_neighbors:
        return np.full(n_queries, np.inf)
    size = max(1, min(max_size, n_rows // (_MIN_CHUNKS * n_neighbors)))
    n_chunks = n_rows // size
    least = bounds[:, : size * n_chunks].reshape(n_queries, size, n_chunks).min(axis=1)
    return np.partition(least, n_neighbors - 1, axis=1)[:, n_neighbors - 1].astype(np.float64)


def _choose_among_many(block, query, metric, n_neighbors):
    """Choose rows of a block to measure, in double precision.

    Of rows at distances that double precision cannot tell apart, those of lower numbers are chosen.

    Returns
    -------
    queries, rows : ndarray of shape (n_chosen,), dtype int
    """
    unknown = np.full(len(query), np.inf)
    bounds, limits = _bound_distances(block, query, metric, n_neighbors, unknown, np.float64)
    size = min(n_neighbors, bounds.shape[1])
    kth = np.partition(bounds, size - 1, axis=1)[:, size - 1]
    is_nearer = bounds < (2 * kth - limits)[:, None]
    is_equal = (bounds <= limits[:, None]) & ~is_nearer
    return np.nonzero(is_nearer | (is_equal & (np.cumsum(is_equal, axis=1) <= n_neighbors)))


def _measure(values, rows, query, queries, metric):
    """Return the distances between pairs of a row and a query, in double precision."""
    distances = np.empty(len(rows))
    size = max(1, _TILE_VALUES // values.shape[1])
    if metric == "cosine":
        query = query.astype(np.float64)
        lengths = np.linalg.norm(query, axis=1, keepdims=True)
        query = query / np.where(lengths > 0, lengths, 1)
    for start in range(0, len(rows), size):
        pairs = slice(start, start + size)
        found, sought = values[rows[pairs]], query[queries[pairs]]
        if metric == "cosine":
            found = found.astype(np.float64)
            products = np.einsum("ij,ij->i", found, sought)
            lengths = np.linalg.norm(found, axis=1)
            cosines = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
            distances[pairs] = np.clip(1 - cosines, 0, 2)
        else:
            squares = (found - sought) ** 2
            distances[pairs] = np.sqrt(squares.sum(axis=1, dtype=np.float64))
    return distances
