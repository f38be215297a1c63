"""Warnings that point to the line of the user."""

import sys
import warnings

_CALLED_THROUGH = ("sklearn_resnet", "sklearn", "joblib")


def warn_caller(message):
    """Warn at the first caller outside this package, scikit-learn and joblib.

    Parameters
    ----------
    message : str or Warning
        A str is a UserWarning.
    """
    # TODO: skip_file_prefixes=, once Python 3.12 is the oldest supported version
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in _CALLED_THROUGH:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
