"""Remarks on image files: what was read otherwise than one might expect, told once per pass."""

from typing import NamedTuple

from sklearn_resnet._runtime.warnings import warn_caller


class Remark(NamedTuple):
    """A remark on one image.

    Attributes
    ----------
    problem : str
        The same for all images of a kind: ``"only the first page is read"``.
    detail : str
        Of this image: ``"12 pages"``.
    remedy : str
        A sentence for the user.
    """

    problem: str
    detail: str
    remedy: str = ""


def warn_about_remarks(remarks):
    """Warn once for each problem.

    Parameters
    ----------
    remarks : list of tuple of (str, Remark)
        The name of each image, and the remark on it.
    """
    kinds = {}
    for name, remark in remarks:
        kinds.setdefault((remark.problem, remark.remedy), {})[name] = remark.detail
    for (problem, remedy), details in kinds.items():
        name, detail = min(details.items())  # threads decode in any order
        others = f" and {len(details) - 1} more" if len(details) > 1 else ""
        warn_caller(f"{name!r} ({detail}){others}: {problem}. {remedy}".rstrip())
