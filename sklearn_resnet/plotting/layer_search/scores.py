"""Comparison of candidates by their scores on the same folds, and by their costs."""

from dataclasses import dataclass

import numpy as np

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class SearchScores:
    """The candidates of a search, one for each layer and image size.

    Attributes
    ----------
    layers : list of int
    image_sizes : list of (tuple of 2 int, or None)
        None is the size of the images.
    scores : ndarray of shape (n_candidates, n_folds)
    architecture : str
    score_name : str
    test_size : float
        The fraction of the samples in a test fold; NaN if the search does not tell.
    nested_scores, nested_candidates : list or None
        As for `LayerSearchDisplay`.
    """

    layers: list
    image_sizes: list
    scores: np.ndarray
    architecture: str
    score_name: str
    test_size: float
    nested_scores: list | None = None
    nested_candidates: list | None = None


def find_cheapest(scores, costs):
    """Find the cheapest candidate within one standard error of the best.

    Parameters
    ----------
    scores : ndarray of shape (n_candidates, n_folds)
    costs : ndarray of shape (n_candidates,)
        NaN if unknown; such a candidate is the cheapest only if it is the best.

    Returns
    -------
    int
        Index of the candidate. Of several, the one with the best score.
    """
    means, n_folds = scores.mean(axis=1), scores.shape[1]
    best = int(means.argmax())
    error = scores[best].std(ddof=1) / np.sqrt(n_folds) if n_folds > 1 else 0.0
    candidates = np.flatnonzero((means >= means[best] - error) & np.isfinite(costs))
    return int(min(candidates, key=lambda i: (costs[i], -means[i]), default=best))


def find_pareto_front(means, costs):
    """Find the candidates that no other one equals or beats in both score and cost.

    Parameters
    ----------
    means, costs : ndarray of shape (n_candidates,)

    Returns
    -------
    ndarray of bool of shape (n_candidates,)
        False if the cost is unknown. Of candidates with equal scores and costs, the first is True.
    """
    is_front, best = np.zeros(len(means), dtype=bool), -np.inf
    for i in np.lexsort((-means, costs)):  # stable, and NaN comes last
        if np.isfinite(costs[i]) and means[i] > best:
            is_front[i], best = True, means[i]
    return is_front


def compare_with_best(scores, test_size):
    """Estimate the difference of each candidate to the best one, over the same folds.

    Parameters
    ----------
    scores : ndarray of shape (n_candidates, n_folds)
    test_size : float
        The fraction of the samples in a test fold; NaN if unknown.

    Returns
    -------
    difference, low, high : ndarray of shape (n_candidates,)
        The mean difference and the bounds of its 95 % confidence interval, by the corrected
        resampled t-test of Nadeau and Bengio: folds share training samples, so that their scores
        are not independent. The bounds are NaN for one fold and for an unknown `test_size`.
    """
    from scipy import stats  # slow to import

    n_folds = scores.shape[1]
    best = scores.mean(axis=1).argmax()
    differences = scores - scores[best]
    difference = differences.mean(axis=1)
    if n_folds < 2:
        unknown = np.full(len(scores), np.nan)
        return difference, unknown, unknown
    variance = differences.var(axis=1, ddof=1) * (1 / n_folds + test_size / (1 - test_size))
    margin = stats.t.ppf((1 + _CONFIDENCE) / 2, n_folds - 1) * np.sqrt(variance)
    return difference, difference - margin, difference + margin
