"""What is to tell about the files of a pass, told at its end: remarks and doubtful value ranges."""

import os
from typing import NamedTuple

from sklearn_resnet._images.intensity import ValueRangeWarning, is_nearly_black
from sklearn_resnet._runtime.warnings import warn_caller

_IS_DARK = "the images are nearly black."


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


class ChannelNames(tuple):
    """The names that a file gives the channels that were read of it."""

    __slots__ = ()


class FileLog:
    """The reports on the files of a pass, to warn about at its end."""

    def __init__(self):
        self._remarks = {}  # a set in order
        self._brightest = {}
        self._doubtful = {}

    def clear(self):
        """Forget all files."""
        self._remarks.clear()
        self._brightest.clear()
        self._doubtful.clear()

    def add(self, path, report):
        """Add a report on a file.

        Parameters
        ----------
        path : str or path-like
        report : Remark, ChannelNames or InferredRange
            Names of channels are not logged.
        """
        if isinstance(report, Remark):
            self._remarks[os.fspath(path), report] = None
        elif not isinstance(report, ChannelNames):
            self._add_range(path, report)

    def _add_range(self, path, inferred):
        if inferred.is_guess or inferred.overshoots:
            self._count(inferred.is_guess, {os.fspath(path)}, path, inferred)
        if not inferred.is_guess and not inferred.is_blank:
            self._keep(path, inferred)

    def update(self, other):
        """Add the files of another log."""
        self._remarks |= other._remarks
        for is_guess, (names, path, inferred) in other._doubtful.items():
            self._count(is_guess, names, path, inferred)
        for path, inferred in other._brightest.values():
            self._keep(path, inferred)

    def warn(self):
        """Warn of each kind of remark, and once if value ranges may be wrong."""
        _warn_about_remarks(self._remarks)
        problems = [*self._describe_doubtful(), *self._describe_brightest()]
        if problems:
            is_dark = any(problem.endswith(_IS_DARK) for problem in problems)
            warn_caller(ValueRangeWarning(" ".join(problems), is_dark))

    def _count(self, is_guess, names, *first):
        found, *_ = self._doubtful.setdefault(is_guess, (set(), *first))
        found.update(names)

    def _keep(self, path, inferred):
        key = inferred.extent.dtype.name, inferred.bits, inferred.value_range[1]
        found = self._brightest.get(key)
        if found is None or inferred.extent.max > found[1].extent.max:
            self._brightest[key] = path, inferred

    def _describe_doubtful(self):
        for is_guess, (names, path, inferred) in self._doubtful.items():
            others = f" and {len(names) - 1} more" if len(names) > 1 else ""
            how = (
                "which fit no usual range; each is scaled from its own darkest to its brightest value"
                if is_guess
                else f"and those outside 0 to {inferred.value_range[1]:g} are clipped"
            )
            yield f"{os.fspath(path)!r}{others}: values from {inferred.extent}, {how}."

    def _describe_brightest(self):
        kinds = {}
        for (dtype, bits, white), found in self._brightest.items():
            kinds.setdefault((dtype, bits), {})[white] = found
        for (dtype, _), files in kinds.items():
            white, (path, inferred) = max(files.items())
            if len(files) > 1:
                named = ", ".join(
                    f"{white:g} for {os.fspath(path)!r}"
                    for white, (path, _) in sorted(files.items())
                )
                yield f"Files of {dtype} are read with different white levels: {named}."
            elif inferred.is_dark:
                yield (
                    f"Files of {dtype} hold values up to {inferred.extent.max:.6g} (in "
                    f"{os.fspath(path)!r}), but their white level is {white:g}: {_IS_DARK}"
                )


def remark_on_learned_range(image):
    """Remark on an image that the range of a collection makes nearly black; None if it does not.

    Parameters
    ----------
    image : ndarray
        From 0 to the white of its dtype.

    Returns
    -------
    Remark or None
    """
    if not is_nearly_black(image):
        return None
    return Remark(
        "the percentiles that fit learned make them nearly black",
        f"values up to {image.max(initial=0):.3g}",
        "Pass files in one unit, ImageLoader(rescale_by='image'), or value_range=(black, white) instead of "
        "rescale.",
    )


def _warn_about_remarks(remarks):
    """Warn once for each problem.

    Parameters
    ----------
    remarks : iterable of tuple of (str, Remark)
        The name of each image, and the remark on it.
    """
    kinds = {}
    for name, remark in remarks:
        kinds.setdefault((remark.problem, remark.remedy), {})[name] = remark.detail
    for (problem, remedy), details in kinds.items():
        name, detail = min(details.items())  # threads decode in any order
        others = f" and {len(details) - 1} more" if len(details) > 1 else ""
        warn_caller(f"{name!r} ({detail}){others}: {problem}. {remedy}".rstrip())
