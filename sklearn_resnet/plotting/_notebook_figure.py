"""NotebookFigure: a figure that a notebook shows once."""

from matplotlib.figure import Figure

from sklearn_resnet.plotting._saving import close_in_notebook


class NotebookFigure(Figure):
    """A figure that a notebook does not show again below a cell whose last expression it is."""

    def _ipython_display_(self):
        close_in_notebook(self)
        raise NotImplementedError  # IPython then shows it as any figure
