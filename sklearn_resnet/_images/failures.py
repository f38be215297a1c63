"""Failures: images that could not be read, and the warning about them."""

import warnings
from typing import NamedTuple

_MAX_NAMED = 3  # in one warning


class Failure(NamedTuple):
    """An image that could not be read.

    Attributes
    ----------
    position : int
        The position of the image in the input of `ImageLoader`.
    path : str
        Empty for an image in memory.
    cause : str
    """

    position: int
    path: str
    cause: str


def warn_about_failures(failures, n_images, consequence):
    """Warn about images that could not be read; see `describe_failures`."""
    if failures:
        failures = sorted(failures.values())
        warnings.warn(describe_failures(failures, n_images, consequence), stacklevel=3)


def describe_failures(failures, n_images, consequence):
    """Describe the number of images that could not be read, and name the first ones.

    Parameters
    ----------
    failures : list of Failure
    n_images : int
        The total number of images.
    consequence : str
        How these images are handled: ``"their features are NaN"``.

    Returns
    -------
    str
    """
    named = "; ".join(
        f"{failure.path or 'an image in memory'!r} (image {failure.position}): {failure.cause}"
        for failure in failures[:_MAX_NAMED]
    )
    more = "; ..." if len(failures) > _MAX_NAMED else ""
    n_failures = len(failures)
    return f"{n_failures} of {n_images} images could not be read, and {consequence}: {named}{more}"
