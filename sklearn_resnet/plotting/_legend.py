"""Legends beside axes, in a font size that fits."""

import numpy as np

_FONT_SIZES = (10, 8.5, 7, 5.5)  # in points; the first that fits is used
_LINE_HEIGHT = 1.5  # in font sizes
_MAX_NAME = 40  # characters


def draw_legend(parent, coloring, *, height, max_width, **options):
    """Draw a legend of labels.

    Parameters
    ----------
    parent : matplotlib Axes or Figure
    coloring : Labels
    height : float
        The available height, in inches. More labels continue in further columns.
    max_width : float
        The desired width, in inches. Wider legends get a smaller font, down to the smallest.
    **options : dict
        Passed to ``parent.legend``: the location.

    Returns
    -------
    matplotlib Legend
    """
    from matplotlib.lines import Line2D

    names = [
        name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 1] + "…" for name in coloring.names
    ]
    handles = [
        Line2D([], [], ls="", marker=marker, color=color)
        for marker, color in zip(coloring.markers, coloring.colors, strict=True)
    ]
    for font_size in _FONT_SIZES:
        n_rows = max(1, int(height * 72 / (font_size * _LINE_HEIGHT)))
        legend = parent.legend(
            handles,
            [" "] * len(names),
            ncols=-(-len(names) // n_rows),
            fontsize=font_size,
            markerscale=font_size / 10,
            frameon=False,
            borderpad=0,
            labelspacing=_LINE_HEIGHT - 1.2,
            handletextpad=0.2,
            columnspacing=1,
            **options,
        )
        # set afterwards, because a legend skips names with a leading underscore
        for text, name in zip(legend.get_texts(), names, strict=True):
            text.set(text=name, parse_math=False)
        dpi = parent.figure.figure.dpi
        if legend.get_window_extent().width <= max_width * dpi or font_size == _FONT_SIZES[-1]:
            return legend
        legend.remove()


def draw_legend_beside(ax, coloring, *, is_own_figure):
    """Draw a legend of labels on the right of axes.

    Parameters
    ----------
    ax : matplotlib Axes
        Laid out.
    coloring : Labels
    is_own_figure : bool
        Whether the figure can be made wider. Otherwise the legend should take a third of the axes
        at most.

    Returns
    -------
    matplotlib Legend
    """
    window, dpi = ax.get_window_extent(), ax.figure.dpi
    return draw_legend(
        ax,
        coloring,
        height=window.height / dpi,
        max_width=np.inf if is_own_figure else window.width / dpi / 3,
        loc="upper left",
        bbox_to_anchor=(1.02, 1),
        borderaxespad=0,
    )
