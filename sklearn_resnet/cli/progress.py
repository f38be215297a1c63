"""Printing and timing the steps of a command; its progress bars and warnings."""

import time
import warnings
from contextlib import contextmanager

import click

from sklearn_resnet._images.intensity import ValueRangeWarning
from sklearn_resnet._runtime.progress import count_images
from sklearn_resnet.cli.errors import spell_reading


class Progress:
    """Prints the steps of a command, and times them.

    Parameters
    ----------
    quiet : bool, default=False
        Print only warnings.

    Attributes
    ----------
    seconds : dict of str to float
        The time that each step took.
    """

    def __init__(self, quiet=False):
        self.quiet = quiet
        self.seconds = {}

    @contextmanager
    def timed(self, step):
        """Time a step."""
        start = time.perf_counter()
        yield
        self.seconds[step] = time.perf_counter() - start

    def show(self, step, text):
        """Print a line about a step."""
        if not self.quiet:
            click.echo(_format_line(step, text))

    def show_array(self, step, array):
        """Print the shape and dtype of the result of a step."""
        self.show(step, f"{array.shape}  {array.dtype}")

    def warn(self, text):
        """Print a warning to stderr, even with --quiet."""
        click.echo(_format_line("warning", text), err=True)

    def count_images(self, **options):
        """Make a progress bar of images, shown on a terminal; `options` are those of tqdm."""
        return count_images(not self.quiet, **options)


@contextmanager
def warnings_in_one_line():
    """Print Python's warnings as those of the command, without the file and line of the code."""
    progress = Progress()
    with warnings.catch_warnings():
        warnings.showwarning = lambda warning, *place, **_: progress.warn(
            " ".join(_describe(warning).split())
        )
        yield


def _describe(warning):
    if isinstance(warning, ValueRangeWarning):
        other = " So does --rescale percentile, for image files." if warning.is_dark else ""
        return f"{warning.problem} --value-range BLACK WHITE changes this.{other}"
    return spell_reading(str(warning))


def _format_line(step, text):
    return f"{step:10} {text}"
