"""Layout: titles, labels and legends stay within their figure."""

import textwrap

import numpy as np

from sklearn_resnet._io.csv_text import escape_text

_MARGIN = 0.03  # inches, to the edge of the figure
_MIN_LINE, _MAX_LINE = 8, 100  # characters in a line of the title


def fit_title(ax, title):
    """Write a title, wrapped to the width of the axes, and lay out the figure.

    Parameters
    ----------
    ax : matplotlib Axes
    title : str or None
    """
    figure = ax.figure.figure
    figure.draw_without_rendering()
    n_characters = _MAX_LINE
    while True:
        # matplotlib wraps at the edge of the figure and breaks no long word; textwrap does
        lines = [
            part
            for line in escape_text(title or "").split("\n")
            for part in textwrap.wrap(line, n_characters)
        ]
        text = ax.set_title("\n".join(lines), fontsize="medium")
        excess = text.get_window_extent().width / _get_slot(ax).width
        if excess <= 1 or n_characters <= _MIN_LINE:
            break
        n_characters = max(_MIN_LINE, min(n_characters - 1, int(n_characters / excess)))
    fit_axes(ax)
    figure.draw_without_rendering()


def fit_axes(ax, right=0):
    """Shrink axes until everything around them fits within the figure.

    If the figure has a layout engine, this does nothing.

    Parameters
    ----------
    ax : matplotlib Axes
    right : float, default=0
        Space to leave free on the right, in pixels.
    """
    figure = ax.figure.figure
    if figure.get_layout_engine() is not None:
        return
    taken, available = ax.get_tightbbox(), figure.bbox.padded(-_MARGIN * figure.dpi)
    excess = np.array(
        [np.maximum(0, available.p0 - taken.p0), (-right, min(0, available.y1 - taken.y1))]
    )
    if not excess.any():  # axes with a fixed position would be left out of a later layout
        return
    corners = _get_slot(ax).get_points() + excess
    low, high = ax.figure.transSubfigure.inverted().transform(corners)
    ax.set_position([*low, *(high - low)])


def _get_slot(ax):
    """Return the space of axes, in pixels, part of which is free around an image."""
    return ax.get_position(original=True).transformed(ax.figure.transSubfigure)
