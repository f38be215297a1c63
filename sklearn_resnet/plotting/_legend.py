"""Legends beside axes, of a size that fits them."""

_FONT_SIZES = (10, 8.5, 7, 5.5)  # in points; the first that fits is taken
_ROW = 1.5  # of a legend, in font sizes
_LONGEST = 40  # characters of a name


def draw_legend(parent, coloring, *, height, most_width, **options):
    """Draw a legend of labels.

    Parameters
    ----------
    parent : matplotlib Axes or Figure
    coloring : Labels
    height : float
        What it may take, in inches: it goes on in further columns.
    most_width : float
        What it should take, in inches: fonts are smaller where it would take more.
    **options : dict
        Of ``parent.legend``: where.

    Returns
    -------
    matplotlib Legend
    """
    from matplotlib.lines import Line2D

    names = [
        name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…" for name in coloring.names
    ]
    handles = [
        Line2D([], [], ls="", marker=marker, color=color)
        for marker, color in zip(coloring.markers, coloring.colors, strict=True)
    ]
    for font_size in _FONT_SIZES:
        n_rows = max(1, int(height * 72 / (font_size * _ROW)))
        legend = parent.legend(
            handles,
            [" "] * len(names),
            ncols=-(-len(names) // n_rows),
            fontsize=font_size,
            markerscale=font_size / 10,
            frameon=False,
            borderpad=0,
            labelspacing=_ROW - 1.2,
            handletextpad=0.2,
            columnspacing=1,
            **options,
        )
        # set afterwards: a legend leaves out names with a leading underscore
        for text, name in zip(legend.get_texts(), names, strict=True):
            text.set(text=name, parse_math=False)
        dpi = parent.figure.figure.dpi
        if legend.get_window_extent().width <= most_width * dpi or font_size == _FONT_SIZES[-1]:
            return legend
        legend.remove()
