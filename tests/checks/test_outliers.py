"""Outlier scores."""

import numpy as np

from sklearn_resnet.checks._outliers import score_outliers


def draw(n=60):
    return np.random.default_rng(0).normal([5, 5, 5], 0.3, (n, 3))


def test_a_foreign_image_scores_most():
    X = np.r_[draw(), [[5, -5, 5]]]
    scores = score_outliers(X, np.arange(61))
    assert scores.argmax() == 60
    assert scores[60] > 3
    assert np.median(scores) == 1


def test_copies_do_not_hide_an_outlier():
    X = np.r_[draw(), np.tile([[5.0, -5, 5]], (40, 1))]
    groups = np.r_[:60, np.full(40, 60)]
    scores = score_outliers(X, groups)
    assert scores[60:].min() > 3
    assert score_outliers(X, np.arange(100))[60:].max() < 1


def test_one_image_has_no_score():
    assert np.isnan(score_outliers(draw(1), np.array([0]))).all()
    assert np.isnan(score_outliers(draw(2), np.array([0, 0]))).all()
