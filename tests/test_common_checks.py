"""scikit-learn's own checks pass for every public estimator; none is skipped or expected to fail."""

from pathlib import Path

import pytest
from sklearn_checks import (
    ESTIMATORS,
    WHOLE_NETWORK,
    list_own_checks,
    name_of,
    run_check_estimator,
    run_own_check,
)

from sklearn_resnet import EmbeddingPlot, ImageLoader, ResNetFeatures

PAGE = Path(__file__).parents[1] / "docs" / "compliance.md"


def count_checks(estimator):
    """How many checks `check_estimator` must run: 47, of which one is of dtypes, and one of NaN."""
    tags = estimator.__sklearn_tags__()
    preserves_dtypes = bool(tags.transformer_tags.preserves_dtype)  # images may always be uint8
    return 45 + preserves_dtypes + (not tags.input_tags.allow_nan)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.mark.parametrize(
    "estimator",
    [
        pytest.param(each, marks=pytest.mark.long) if each is WHOLE_NETWORK else each
        for each in ESTIMATORS
    ],
    ids=name_of,
)
def test_check_estimator(estimator):
    statuses = run_check_estimator(estimator)
    assert set(statuses) == {"passed"}
    assert len(statuses) == count_checks(estimator)


@pytest.mark.parametrize(
    ("estimator", "check"),
    [(estimator, check) for estimator in ESTIMATORS for check in list_own_checks(estimator)],
    ids=str,
)
def test_own_check(estimator, check):
    run_own_check(check, estimator)


@pytest.mark.skipif(not PAGE.is_file(), reason="the documentation is not part of the sdist")
def test_the_page_shows_these_results():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    expected = []
    for estimator in ESTIMATORS:
        n_checks = count_checks(estimator) + len(list_own_checks(estimator))
        expected.append(f"| `{name_of(estimator)}` | {n_checks} | {n_checks} | 0 |")
    assert rows == expected, "run python docs/compliance.py"


@pytest.mark.parametrize("estimator", [ImageLoader(), ResNetFeatures(), EmbeddingPlot()], ids=str)
def test_tags_tell_the_truth(estimator):
    tags = estimator.__sklearn_tags__()
    assert tags.input_tags.two_d_array
    assert not tags.non_deterministic
    assert not tags.no_validation
