"""scikit-learn's private functions that this package uses; no other module imports any."""

import re
from functools import cache

from sklearn.base import _fit_context as fit_context
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils._set_output import _get_output_config as get_output_config
from sklearn.utils.metaestimators import _safe_split as safe_split
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in

__all__ = [
    "DocumentedParameters",
    "Interval",
    "StrOptions",
    "check_feature_names_in",
    "fit_context",
    "get_output_config",
    "safe_indexing",
    "safe_split",
]


_LINK = re.compile(r' rel="noreferrer" target="_blank" href="[^"]*"')


class DocumentedParameters:
    """Mixin that adds descriptions of parameters and attributes to the HTML view of an estimator.

    scikit-learn shows them only beside links to a page with the documentation. No page is published
    yet, so that the links are removed. TODO: set `_doc_link_module` and `_doc_link_template`
    instead, once there is one.
    """

    @classmethod
    @cache  # clone and fit ask three times for each fold, and scikit-learn parses the signature
    def _get_param_names(cls):
        return super()._get_param_names()

    def _get_params_html(self, deep=True, doc_link=""):
        return _without_links(super()._get_params_html(deep, "#"))

    def _get_fitted_attr_html(self, doc_link=""):
        return _without_links(super()._get_fitted_attr_html("#"))


def _without_links(table):
    """Remove the links from the HTML view of a table."""
    make_html = table._html_repr
    table._html_repr = lambda: _LINK.sub("", make_html())
    return table
