"""scikit-learn's own checks of every public estimator, none skipped and none excused."""

import collections
import warnings
from pathlib import Path

import pytest
import sklearn.utils.estimator_checks as checks
from sklearn.base import clone

from sklearn_resnet import EmbeddingPlot, ImageLoader, ResNetFeatures

ESTIMATORS = [
    ImageLoader(),
    ImageLoader(size=8, mode="L", resize="pad"),
    ResNetFeatures(weights=None, random_state=0),
    ResNetFeatures(layers=82, weights=None, random_state=0),
    ResNetFeatures(layers=[16, "conv3"], weights=None, random_state=0),
    ResNetFeatures(layers=16, weights=None, random_state=0, pooling="max"),
    ResNetFeatures(layers=16, weights=None, random_state=0, pooling=["avg", "max"]),
    EmbeddingPlot(),
]
# Those that scikit-learn runs on itself alone.
OWN_CHECKS = [
    "check_dataframe_column_names_consistency",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_get_feature_names_out_error",
    "check_inplace_ensure_writeable",
    "check_param_validation",
    "check_set_output_transform",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
]
# These make a dataframe of what transform gives, themselves; of ImageLoader's images none can be.
TABLE_CHECKS = [
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
]


TABLE = Path(__file__).parents[1] / "docs" / "compliance.md"
results_of = collections.defaultdict(collections.Counter)


@pytest.fixture(scope="module", autouse=True)
def table(request):
    """Write the table in the documentation, if all checks of this module ran."""
    yield
    n_run = len({item.name for item in request.session.items if item.path == Path(__file__)})
    n_all = len(ESTIMATORS) + len(OWN_CHECKS) * 4 + len(TABLE_CHECKS) * 3 + 3
    if not TABLE.is_file() or n_run < n_all or len(results_of) < len(ESTIMATORS):
        return
    head, _, _ = TABLE.read_text(encoding="utf-8").partition("| estimator")
    rows = ["| estimator | checks run | passed | skipped |", "|---|---|---|---|"]
    for name, counts in results_of.items():
        skipped = counts["skipped"] + counts["xfail"]
        rows.append(f"| `{name}` | {counts.total()} | {counts['passed']} | {skipped} |")
    TABLE.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_check_estimator(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks send rows of ten columns, and more figures
        results = checks.check_estimator(estimator, on_skip=None, on_fail="raise")
    name = " ".join(str(estimator).split())
    results_of[name].update(result["status"] for result in results)
    assert {result["status"] for result in results} == {"passed"}
    # one of the 47 checks is of a transformer's dtype, and ImageLoader's is always uint8
    assert len(results) == (46 if isinstance(estimator, ImageLoader) else 47)


@pytest.mark.parametrize("name", OWN_CHECKS)
@pytest.mark.parametrize("estimator", [ImageLoader(), *ESTIMATORS[3:5], EmbeddingPlot()], ids=str)
def test_own_check(name, estimator):
    run_own_check(name, estimator)


@pytest.mark.parametrize("name", TABLE_CHECKS)
@pytest.mark.parametrize("estimator", [*ESTIMATORS[3:5], EmbeddingPlot()], ids=str)
def test_table_check(name, estimator):
    run_own_check(name, estimator)


def run_own_check(name, estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(checks, name)(type(estimator).__name__, clone(estimator))
    results_of[" ".join(str(estimator).split())]["passed"] += 1


@pytest.mark.parametrize("estimator", [ImageLoader(), ResNetFeatures(), EmbeddingPlot()], ids=str)
def test_tags_tell_the_truth(estimator):
    tags = estimator.__sklearn_tags__()
    assert tags.input_tags.two_d_array
    assert not tags.non_deterministic
    assert not tags.no_validation
