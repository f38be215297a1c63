"""Progress bars."""

import sys
import warnings

__all__ = ["PartsBar", "count_images", "tqdm"]

with warnings.catch_warnings():
    # in a notebook without ipywidgets, where tqdm takes another bar
    warnings.filterwarnings("ignore", "IProgress not found")
    from tqdm.auto import tqdm


def count_images(is_shown=True, **options):
    """Make a progress bar of images, which is shown in a terminal and in a notebook.

    Parameters
    ----------
    is_shown : bool, default=True
    **options : dict
        Those of tqdm.
    """
    disable = None  # unless stderr is a terminal
    if not is_shown or sys.stderr is None:  # the latter in a program without a console
        disable = True
    elif _is_in_notebook():  # whose stderr is no terminal
        disable = False
    return tqdm(unit=" images", disable=disable, **options)


def _is_in_notebook():
    """Whether this process is a kernel of IPython."""
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)
    return getattr(get_shell(), "kernel", None) is not None


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
