"""Score labels by the predictions of a classifier that was trained without them."""

import warnings

import numpy as np
from threadpoolctl import threadpool_limits

_N_FOLDS = 5


@threadpool_limits.wrap(limits=1, user_api="blas")  # threads lose time where cores are busy
def predict_out_of_fold(features, codes, groups, random_state=0):
    """Predict the probabilities of the classes of each image by a model that was not trained on it.

    Copies are in one fold: otherwise a wrong label would confirm that of its copy.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
    codes : ndarray of shape (n,), dtype int
        The classes, from 0.
    groups : ndarray of shape (n,), dtype int
        Of copies.
    random_state : int, RandomState instance or None

    Returns
    -------
    ndarray of shape (n, n_classes)
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # slow to import
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probabilities = np.zeros((len(codes), codes.max() + 1))
    folds = _assign_folds(codes, groups, random_state)
    for fold in np.unique(folds):
        test = np.flatnonzero(folds == fold)
        counts = np.bincount(codes[folds != fold], minlength=probabilities.shape[1])
        known = np.flatnonzero(counts > 1)  # one image tells no variance
        if len(known) < 2:
            probabilities[test] = counts / max(counts.sum(), 1)
            continue
        train = np.flatnonzero((folds != fold) & np.isin(codes, known))
        model = make_pipeline(
            StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        )
        model.fit(features[train], codes[train])
        probabilities[np.ix_(test, known)] = model.predict_proba(features[test])
    return probabilities


def score_labels(probabilities, codes):
    """Score labels by confident learning.

    A label is suspect if another class is at least as probable as that class is for the images that
    have its label, on average.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
    codes : ndarray of shape (n,), dtype int

    Returns
    -------
    scores : ndarray of shape (n,)
        The probability of the label that the image has.
    suggested : ndarray of shape (n,), dtype int
        The most probable class.
    is_suspect : ndarray of shape (n,), dtype bool

    References
    ----------
    .. [1] C. Northcutt, L. Jiang and I. Chuang, "Confident Learning: Estimating Uncertainty in
           Dataset Labels", JAIR 2021.
    """
    rows = np.arange(len(codes))
    scores = probabilities[rows, codes]
    counts = np.maximum(np.bincount(codes, minlength=probabilities.shape[1]), 1)
    typical = np.bincount(codes, scores, minlength=len(counts)) / counts
    suggested = probabilities.argmax(1)
    is_suspect = (suggested != codes) & (probabilities[rows, suggested] >= typical[suggested])
    return scores, suggested, is_suspect


def _assign_folds(codes, groups, random_state):
    """Number the folds of images: stratified, and that of the first image for all of a group."""
    from sklearn.model_selection import StratifiedKFold  # slow to import

    folds = np.zeros(len(codes), int)
    splitter = StratifiedKFold(min(_N_FOLDS, len(codes)), shuffle=True, random_state=random_state)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        try:
            splits = list(splitter.split(codes, codes))
        except ValueError:  # all classes have fewer images than folds
            return np.unique(groups, return_inverse=True)[1] % _N_FOLDS
    for fold, (_, test) in enumerate(splits):
        folds[test] = fold
    _, first, members = np.unique(groups, return_index=True, return_inverse=True)
    return folds[first[members]]
