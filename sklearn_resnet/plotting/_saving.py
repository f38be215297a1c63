"""Saving figures: one resolution, one type of fonts, and atomic writes; pictures for notebooks."""

import io

from sklearn_resnet._io.atomic import atomic_write

SCREEN_DPI = 150
PRINT_DPI = 300  # also of thumbnails and rasterized dots in vector formats
_VECTOR_FORMATS = (".pdf", ".svg", ".svgz", ".eps", ".ps")


def save_figure(figure, path):
    """Save a figure in the format of the file's suffix, and close it.

    Parameters
    ----------
    figure : matplotlib Figure
        Closed even if it cannot be saved.
    path : path

    Raises
    ------
    OSError
        If the file cannot be written. A former file at the path is unchanged.
    ValueError
        If matplotlib does not know the format.
    """
    import matplotlib.pyplot as plt

    # TrueType (42), because many journals refuse PDFs with fonts of type 3
    fonts = {"pdf.fonttype": 42, "ps.fonttype": 42}
    try:
        with atomic_write(path) as temporary, plt.rc_context(fonts):
            is_vector = temporary.suffix.lower() in _VECTOR_FORMATS
            figure.savefig(temporary, dpi=PRINT_DPI if is_vector else SCREEN_DPI)
    finally:
        plt.close(figure)


def draw_png(figure):
    """Return a figure as a PNG file, in the resolution of the figure."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


class ShownAsPicture:
    """A mixin: a notebook shows the figure of the object, not its text.

    The figure is the attribute ``figure_`` or ``figure``. Without one, the text is shown.
    """

    def _repr_png_(self):
        figure = getattr(self, "figure_", None) or getattr(self, "figure", None)
        if figure is None:
            return None
        figure = figure.figure  # of a subfigure, the whole one
        picture = draw_png(figure)
        close_in_notebook(figure)
        return picture


def close_in_notebook(figure):
    """Close a figure that is being shown, or a notebook would show it again at the end of the cell."""
    import matplotlib.pyplot as plt

    if "inline" in plt.get_backend():
        plt.close(figure)
