"""Candidates by their scores and costs: the cheapest, the Pareto front, and the intervals."""

import numpy as np
import pytest
from scipy import stats

from sklearn_resnet.plotting.layer_search.scores import (
    compare_with_best,
    find_cheapest,
    find_pareto_front,
)

NAN = float("nan")


def make_scores(n_candidates, n_folds, seed=0):
    return np.random.default_rng(seed).random((n_candidates, n_folds))


def spread(mean, error, n_folds=4):
    """Scores with this mean and this standard error."""
    signs = np.resize([1.0, -1.0], n_folds)
    return mean + signs * error * np.sqrt(n_folds) / signs.std(ddof=1)


def test_spread_has_the_standard_error():
    assert stats.sem(spread(0.9, 0.01)) == pytest.approx(0.01)


@pytest.mark.parametrize(("mean", "cheapest"), [(0.8901, 0), (0.8899, 1)])
def test_the_cheapest_is_within_one_standard_error_of_the_best(mean, cheapest):
    # the error of the best counts, not the large one of the other
    scores = np.stack([spread(mean, 0.2), spread(0.9, 0.01)])
    assert find_cheapest(scores, np.array([1.0, 2.0])) == cheapest


def test_the_cheapest_is_that_of_the_least_cost():
    scores = np.stack([spread(mean, 0.1) for mean in (0.88, 0.89, 0.9, 0.5)])
    assert find_cheapest(scores, np.array([3.0, 2.0, 4.0, 1.0])) == 1


def test_of_equal_costs_the_better_is_the_cheapest():
    scores = np.stack([spread(mean, 0.1) for mean in (0.88, 0.89, 0.9)])
    assert find_cheapest(scores, np.array([2.0, 2.0, 4.0])) == 1


def test_one_fold_has_no_standard_error():
    assert find_cheapest(np.array([[0.899], [0.9], [0.9]]), np.array([1.0, 3.0, 2.0])) == 2


@pytest.mark.parametrize(
    ("costs", "cheapest"),
    [([NAN, 2.0, 1.0], 2), ([1.0, NAN, 2.0], 0), ([NAN, NAN, NAN], 1)],
)
def test_an_unknown_cost_is_not_cheap(costs, cheapest):
    scores = np.stack([spread(mean, 0.1) for mean in (0.88, 0.9, 0.89)])
    assert find_cheapest(scores, np.array(costs)) == cheapest


def find_front_by_definition(means, costs):
    """Those that no other equals or beats in both; of equal ones, the first."""
    points = list(zip(means, costs, strict=True))
    return [
        np.isfinite(cost)
        and not any(
            m >= mean and c <= cost and ((m, c) != (mean, cost) or j < i)
            for j, (m, c) in enumerate(points)
        )
        for i, (mean, cost) in enumerate(points)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_the_pareto_front_of_many_ties(seed):
    rng = np.random.default_rng(seed)
    means, costs = rng.integers(0, 5, (2, 12)).astype(float)
    costs[rng.random(12) < 0.2] = NAN
    is_front = find_pareto_front(means, costs)
    assert is_front.tolist() == find_front_by_definition(means, costs)


def test_the_pareto_front_has_the_best_and_the_least_cost():
    means, costs = np.array([0.5, 0.9, 0.7, 0.6, 0.8]), np.array([1.0, 5.0, 2.0, 3.0, 5.0])
    assert find_pareto_front(means, costs).tolist() == [True, True, True, False, False]
    assert not find_pareto_front(means, np.full(5, NAN)).any()


def test_the_difference_is_that_of_the_same_folds():
    scores = make_scores(3, 5)
    best = scores.mean(axis=1).argmax()
    difference, low, high = compare_with_best(scores, 0.2)
    np.testing.assert_allclose(difference, scores.mean(axis=1) - scores.mean(axis=1)[best])
    np.testing.assert_allclose((low + high) / 2, difference)
    assert difference[best] == low[best] == high[best] == 0
    # a shift of all scores in a fold changes nothing
    shifted = compare_with_best(scores + np.arange(5), 0.2)
    np.testing.assert_allclose(shifted, (difference, low, high), atol=1e-12)


def test_without_common_training_samples_it_is_the_interval_of_a_paired_t_test():
    scores = make_scores(4, 6)
    best = scores.mean(axis=1).argmax()
    _, low, high = compare_with_best(scores, 0.0)
    for i in np.delete(np.arange(4), best):
        interval = stats.ttest_rel(scores[i], scores[best]).confidence_interval(0.95)
        np.testing.assert_allclose((low[i], high[i]), interval)


@pytest.mark.parametrize(
    ("n_folds", "n_train", "n_test"), [(5, 80, 20), (10, 90, 10), (15, 60, 30)]
)
def test_the_variance_is_corrected_for_the_training_samples_that_folds_share(
    n_folds, n_train, n_test
):
    """Nadeau and Bengio: (1 / n_folds + n_test / n_train) in place of 1 / n_folds."""
    scores = make_scores(2, n_folds)
    _, low, high = compare_with_best(scores, n_test / (n_train + n_test))
    _, naive_low, naive_high = compare_with_best(scores, 0.0)
    other = scores.mean(axis=1).argmin()
    ratio = (high - low)[other] / (naive_high - naive_low)[other]
    assert ratio == pytest.approx(np.sqrt(1 + n_folds * n_test / n_train))


def test_the_interval_is_that_of_weka():
    """Of 10 folds repeated 10 times, as in Witten, Frank and Hall, with t of 99 degrees."""
    scores = np.stack([spread(0.5, 0.1, 100), spread(0.9, 0.0, 100)])
    deviation = scores[0].std(ddof=1)
    _, low, high = compare_with_best(scores, 0.1)
    margin = 1.98422 * deviation * np.sqrt(0.01 + 10 / 90)
    np.testing.assert_allclose([low[0], high[0]], [-0.4 - margin, -0.4 + margin], rtol=1e-5)


def test_bounds_that_cannot_be_known_are_nan():
    difference, low, high = compare_with_best(make_scores(3, 1), 0.2)
    assert np.isfinite(difference).all()
    assert np.isnan([low, high]).all()
    difference, low, high = compare_with_best(make_scores(3, 4), NAN)
    assert np.isfinite(difference).all()
    assert np.isnan([low, high]).all()
