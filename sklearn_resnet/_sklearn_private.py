"""What this package uses of scikit-learn's private parts; nothing else imports any."""

from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils._set_output import _get_output_config as get_output_config
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in

__all__ = [
    "Interval",
    "StrOptions",
    "check_feature_names_in",
    "fit_context",
    "get_output_config",
]
