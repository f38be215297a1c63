"""What keeps titles, labels and legends within a figure."""

import textwrap

import numpy as np

_GAP = 0.03  # inches, to the edge of a figure
_LONGEST_LINE = 100  # of a title, in characters


def fit_title(ax, title):
    """Write a title, its lines broken where they are wider than the axes, and lay the figure out.

    Parameters
    ----------
    ax : matplotlib Axes
    title : str or None
    """
    figure = ax.figure.figure
    figure.draw_without_rendering()
    n_characters = _LONGEST_LINE
    while True:
        # matplotlib wraps at the figure's edge, but breaks no word: textwrap does
        lines = [
            part for line in (title or "").split("\n") for part in textwrap.wrap(line, n_characters)
        ]
        text = ax.set_title("\n".join(lines), fontsize="medium")
        excess = text.get_window_extent().width / ax.get_window_extent().width
        if excess <= 1 or n_characters <= 8:
            break
        n_characters = max(8, min(n_characters - 1, int(n_characters / excess)))
    make_room(ax)
    figure.draw_without_rendering()


def make_room(ax, right=0):
    """Shrink axes by what extends beyond the figure.

    Where a figure has a layout engine, that sees to it.

    Parameters
    ----------
    ax : matplotlib Axes
    right : float, default=0
        What to leave free at the right, in pixels.
    """
    figure = ax.figure.figure
    if figure.get_layout_engine() is not None:
        return
    taken, whole = ax.get_tightbbox(), figure.bbox.padded(-_GAP * figure.dpi)
    excess = np.array([np.maximum(0, whole.p0 - taken.p0), (-right, min(0, whole.y1 - taken.y1))])
    if not excess.any():  # a position that is set takes part in no layout of a later time
        return
    corners = ax.get_window_extent().get_points() + excess
    low, high = ax.figure.transSubfigure.inverted().transform(corners)
    ax.set_position([*low, *(high - low)])
