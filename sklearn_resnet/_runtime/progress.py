"""Progress bars."""

import sys
import warnings

__all__ = ["count_images", "tqdm"]

with warnings.catch_warnings():
    # in a notebook without ipywidgets, where tqdm takes another bar
    warnings.filterwarnings("ignore", "IProgress not found")
    from tqdm.auto import tqdm


def count_images(is_shown=True, **options):
    """Make a progress bar of images, which is shown if stderr is a terminal.

    Parameters
    ----------
    is_shown : bool, default=True
    **options : dict
        Those of tqdm.
    """
    can_be_shown = is_shown and sys.stderr is not None  # as in a program without a console
    return tqdm(unit=" images", disable=None if can_be_shown else True, **options)
