"""Out-of-fold label scores."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from sklearn_resnet.checks._labels import _assign_folds, predict_out_of_fold, score_labels


@pytest.fixture
def blobs():
    return make_blobs([60, 60, 60], n_features=5, cluster_std=1.0, random_state=0)


def test_flipped_labels_score_least_and_get_the_right_suggestion(blobs):
    X, y = blobs
    given = y.copy()
    given[[3, 50, 100]] = (y[[3, 50, 100]] + 1) % 3
    probabilities = predict_out_of_fold(X, given, np.arange(180))
    scores, suggested, is_suspect = score_labels(probabilities, given)
    assert sorted(np.argsort(scores)[:3]) == [3, 50, 100]
    assert suggested[[3, 50, 100]].tolist() == y[[3, 50, 100]].tolist()
    assert np.flatnonzero(is_suspect).tolist() == [3, 50, 100]
    np.testing.assert_allclose(probabilities.sum(1), 1)


def test_copies_are_in_one_fold():
    """Otherwise copies with the same wrong label would confirm each other."""
    codes, groups = np.repeat([0, 1], 30), np.r_[np.arange(30), np.full(10, 30), np.arange(31, 51)]
    folds = _assign_folds(codes, groups, 0)
    assert len(set(folds[30:40])) == 1
    assert sorted(set(folds)) == [0, 1, 2, 3, 4]


def test_a_class_of_one_image_is_no_error(blobs):
    X, y = blobs
    given = y.copy()
    given[0] = 3
    probabilities = predict_out_of_fold(X, given, np.arange(180))
    assert probabilities.shape == (180, 4)
    assert probabilities[0, 3] == 0


def test_few_images_are_no_error():
    X = np.array([[0.0, 1], [0, 2], [9, 1], [9, 2]])
    probabilities = predict_out_of_fold(X, np.array([0, 0, 1, 1]), np.arange(4))
    assert np.isfinite(probabilities).all()
