"""The public estimators, and the scikit-learn checks that each must pass."""

import warnings

import sklearn.utils.estimator_checks as checks
from sklearn.base import clone

from sklearn_resnet import EmbeddingPlot, ImageLoader, ResNetFeatures

WHOLE_NETWORK = ResNetFeatures(weights=None, random_state=0)
ESTIMATORS = (
    ImageLoader(),
    ImageLoader(size=8, mode="L", resize="pad"),
    ImageLoader(mode="channels"),
    ImageLoader(mode="channels", rescale="percentile"),
    ImageLoader(channels=[0], rescale=("percentile", 1, 99), rescale_by="image", page=0, level=0),
    WHOLE_NETWORK,
    ResNetFeatures(layers=82, weights=None, random_state=0),
    ResNetFeatures(layers=[16, "conv3"], weights=None, random_state=0),
    ResNetFeatures(layers=16, weights=None, random_state=0, pooling="max"),
    ResNetFeatures(layers=16, weights=None, random_state=0, pooling=["avg", "max"]),
    ResNetFeatures(layers=16, weights=None, random_state=0, pooling="gem"),
    ResNetFeatures(layers=16, weights=None, random_state=0, grid=(2, 2)),
    ResNetFeatures(layers=16, weights=None, random_state=0, channels="separate"),
    EmbeddingPlot(),
)
# One per class, and both kinds of cut: `check_estimator` covers the other parameters.
_FULLY_CHECKED = (ImageLoader(), ImageLoader(mode="channels"), *ESTIMATORS[6:8], EmbeddingPlot())
# scikit-learn runs these on its own estimators only; `check_estimator` leaves them out.
_OWN_CHECKS = (
    "check_dataframe_column_names_consistency",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_get_feature_names_out_error",
    "check_inplace_ensure_writeable",
    "check_param_validation",
    "check_set_output_transform",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
)
# These build a dataframe from the output, which is impossible for the images of ImageLoader.
_DATAFRAME_CHECKS = (
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
)


def name_of(estimator):
    """The constructor call of an estimator, on one line."""
    return " ".join(str(estimator).split())


def list_own_checks(estimator):
    """Names of the checks to run besides `check_estimator`."""
    if name_of(estimator) not in map(name_of, _FULLY_CHECKED):
        return ()
    return _OWN_CHECKS if isinstance(estimator, ImageLoader) else _OWN_CHECKS + _DATAFRAME_CHECKS


def run_check_estimator(estimator):
    """Run `check_estimator`, and return the status of each check; a failure raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks pass rows of ten columns, and open figures
        results = checks.check_estimator(estimator, on_skip=None, on_fail="raise")
    return [result["status"] for result in results]


def run_own_check(name, estimator):
    """Run one of `list_own_checks`; a failure raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(checks, name)(type(estimator).__name__, clone(estimator))
