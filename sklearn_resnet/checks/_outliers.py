"""Score how little an image resembles its neighbours."""

import numpy as np

from sklearn_resnet._features.neighbors import find_neighbors

_N_NEIGHBORS = 30  # fewer would call a few similar outliers typical


def score_outliers(features, groups):
    """Score images by their mean distance to their neighbours, in units of the median.

    Of a group of copies, only the first is a neighbour, so that copies do not hide an outlier.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
    groups : ndarray of shape (n,), dtype int
        Of copies.

    Returns
    -------
    ndarray of shape (n,)
        About 1 for typical images, and more for outliers; NaN if there are no others.
    """
    from sklearn.preprocessing import normalize  # slow to import

    _, first, members = np.unique(groups, return_index=True, return_inverse=True)
    n_neighbors = min(_N_NEIGHBORS + 1, len(first))
    if n_neighbors < 2:
        return np.full(len(features), np.nan)
    distances, _ = find_neighbors(normalize(features[first]), n_neighbors)
    scores = np.sort(distances, axis=1)[:, 1:].mean(1)
    return (scores / max(np.median(scores), 1e-12))[members]
