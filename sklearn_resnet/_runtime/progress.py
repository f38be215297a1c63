"""Progress bars."""

import sys
import warnings

__all__ = ["PartsBar", "count_images", "tqdm"]

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


class PartsBar:
    """Counts an image on a progress bar when all of its parts are done.

    Parameters
    ----------
    bar : tqdm
    n_parts : int
        The number of parts of an image.
    """

    def __init__(self, bar, n_parts):
        self._bar = bar
        self._n_parts = n_parts
        self._n_left = 0  # parts done of an image that is not done

    def update(self, n=1):
        """Count `n` parts."""
        n_images, self._n_left = divmod(self._n_left + n, self._n_parts)
        self._bar.update(n_images)
