"""NotebookFigure: a figure that a notebook shows once."""

from matplotlib.figure import Figure

from sklearn_resnet.plotting._saving import is_shown_by_notebook


class NotebookFigure(Figure):
    """A figure that a notebook does not show twice if it is the last expression of a cell."""

    def _ipython_display_(self):
        if not is_shown_by_notebook(self):
            raise NotImplementedError  # IPython then shows it as any figure
