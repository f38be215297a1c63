"""The colours and markers that labels get, if no palette is given."""

import itertools

import numpy as np

# matplotlib's "petroff10", with Tol's cyan in place of its light blue, which a protanope does not
# tell from MISSING. The least difference of any two, in CAM02-UCS, is 14.5 over normal, deuteranopic,
# protanopic and tritanopic vision; that of seaborn's "colorblind" is 5.8. The first few differ most.
PALETTE = (
    "#3f90da", "#bd1f01", "#ffa90e", "#832db6", "#66ccee",
    "#e76300", "#a96b59", "#94a4a2", "#717581", "#b9ac70",
)  # fmt: skip
MARKERS = "o^sXDPv"  # a further one for each ten labels
MISSING = "0.8"  # the grey of points without a value


def assign_styles(names, palette=None):
    """Choose a colour and a marker for each label.

    Parameters
    ----------
    names : list of str
    palette : str, list or dict, default=None
        A palette of seaborn, a list of colours, or a colour for each name. None repeats
        `PALETTE`, each time with another marker.

    Returns
    -------
    colors : ndarray of shape (n_names, 3)
        RGB, from 0 to 1.
    markers : list of str

    Raises
    ------
    ValueError
        If a dict lacks a name, or `palette` is none.
    """
    import seaborn as sns
    from matplotlib.colors import to_rgb

    markers = [MARKERS[i // len(PALETTE) % len(MARKERS)] for i in range(len(names))]
    if isinstance(palette, dict):
        lacking = [name for name in names if name not in palette]
        if lacking:
            raise ValueError(
                f"The 'palette' parameter must hold a colour for each label. Got none for "
                f"{lacking[0]!r}. Add it, or pass a list of colours."
            )
        colors = [palette[name] for name in names]
    else:
        colors = itertools.islice(itertools.cycle(PALETTE), len(names))
        if palette is not None:
            colors = sns.color_palette(palette, len(names))
    return np.array([to_rgb(color) for color in colors]).reshape(-1, 3), markers
