"""Printing and timing the steps of a command."""

import time
from contextlib import contextmanager

import click


class Progress:
    """Prints the steps of a command, and times them.

    Parameters
    ----------
    quiet : bool, default=False
        Print nothing.

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
            click.echo(f"{step:10} {text}")

    def show_array(self, step, array):
        """Print the shape and dtype of the result of a step."""
        self.show(step, f"{array.shape}  {array.dtype}")
