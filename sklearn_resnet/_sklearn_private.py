"""scikit-learn's private functions that this package uses; no other module imports any."""

from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils._set_output import _get_output_config as get_output_config
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in

__all__ = [
    "DocumentedParameters",
    "Interval",
    "StrOptions",
    "check_feature_names_in",
    "fit_context",
    "get_output_config",
]


class DocumentedParameters:
    """Mixin that adds descriptions of the parameters to the HTML view of an estimator."""

    # scikit-learn shows the text only beside a link, and no page to link to exists yet: the link
    # goes nowhere. TODO: the address of the documentation, once it is published.
    _doc_link_module = "sklearn_resnet"
    _doc_link_template = "#{estimator_name}"
