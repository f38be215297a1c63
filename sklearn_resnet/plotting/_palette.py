"""The default colours and markers of labels."""

import itertools

import numpy as np

from sklearn_resnet._runtime.errors import ParameterError

# matplotlib's "petroff10", with Tol's cyan in place of its light blue, which is too close to MISSING
# in protanopic vision. The least difference of any two, in CAM02-UCS, is 14.5 over normal,
# deuteranopic, protanopic and tritanopic vision; that of seaborn's "colorblind" is 5.8. The first few
# differ most.
PALETTE = (
    "#3f90da", "#bd1f01", "#ffa90e", "#832db6", "#66ccee",
    "#e76300", "#a96b59", "#94a4a2", "#717581", "#b9ac70",
)  # fmt: skip
MARKERS = "o^s*DPv"  # one for each ten labels; all are filled, and the page has them too
MISSING = "0.8"  # the grey of points without a value
MISSING_ON_DARK = "#4b535c"  # the same on a dark background


def assign_styles(names, palette=None):
    """Choose a colour and a marker for each label.

    Parameters
    ----------
    names : list of str
    palette : str, list or dict, default=None
        The name of a seaborn palette, a list of colours, or a dict from labels to colours. By
        default `PALETTE` repeats, with another marker each time.

    Returns
    -------
    colors : ndarray of shape (n_names, 3)
        RGB, from 0 to 1.
    markers : list of str

    Raises
    ------
    ValueError
        If `palette` is a dict without one of the labels, or no palette.
    """
    import seaborn as sns
    from matplotlib.colors import to_rgb

    markers = [MARKERS[i // len(PALETTE) % len(MARKERS)] for i in range(len(names))]
    if isinstance(palette, dict):
        lacking = [name for name in names if name not in palette]
        if lacking:
            raise ParameterError(
                "palette",
                "must hold a colour for each label",
                f"a dict without {lacking[0]!r}",
                "Add it, or pass a list of colours.",
            )
        colors = [palette[name] for name in names]
    elif palette is None:
        colors = itertools.islice(itertools.cycle(PALETTE), len(names))
    else:
        colors = sns.color_palette(palette, len(names))
    return np.array([to_rgb(color) for color in colors]).reshape(-1, 3), markers
