"""EmbeddingDisplay: a scatter plot of an embedding, coloured by label."""

import contextlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_array, check_consistent_length, get_tags
from sklearn.utils.validation import check_is_fitted

from sklearn_resnet._images.validation import is_path
from sklearn_resnet.plotting._coloring import Scale, as_array, color_points
from sklearn_resnet.plotting._density import draw_density
from sklearn_resnet.plotting._dots import draw_dots
from sklearn_resnet.plotting._island_names import write_names
from sklearn_resnet.plotting._layout import fit_title, make_room
from sklearn_resnet.plotting._legend import draw_legend
from sklearn_resnet.plotting._thumbnails import as_images, draw_thumbnails, make_way

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FIGURE_SIZE = (8, 6)  # in inches
_MIN_WIDTH = 5  # of the figure beside its legend: long names make it wider
_MAX_DOTS = 50_000


class EmbeddingDisplay:
    """A scatter plot of an embedding in two dimensions.

    Make it by `from_estimator` or `from_embedding`, and draw it again with `plot`.

    Parameters
    ----------
    embedding : ndarray of shape (n, n_columns)
        The first two columns are drawn; a single one is drawn along a line.
    y : ndarray of shape (n,), default=None
        What points are coloured by: labels, or numbers on a scale.
    axis_names : sequence of 2 str, default=None
        What stands at the axes.
    images : array-like of n images, default=None
        What the points stand for, for thumbnails: an array of shape (n, height, width) or (n,
        height, width, {1, 3}), a list of such images, `LazyImages`, or paths. None is read
        before it is drawn.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure that this is part of.
    legend_ : matplotlib Legend or None
        The names of the labels, beside the axes.
    names_ : list of matplotlib Text
        The names of the labels, at their islands.
    colorbar_ : matplotlib Colorbar or None
        The scale of numbers.
    thumbnails_ : list of matplotlib AnnotationBbox
        The images.

    See Also
    --------
    EmbeddingPlot : The same as a step of a pipeline.

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_resnet import EmbeddingDisplay
    >>> from sklearn_resnet.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> xy = PCA(2).fit_transform(X.reshape(len(X), -1))
    >>> display = EmbeddingDisplay.from_embedding(xy, y, title="Two principal components")
    >>> display.figure_.savefig("digits.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        embedding: np.ndarray,
        y: np.ndarray | None = None,
        *,
        axis_names: Sequence[str] | None = None,
        images: Any = None,
    ) -> None:
        self.embedding = embedding
        self.y = y
        self.axis_names = axis_names
        self.images = images

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        images: Any = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Embed and draw.

        Parameters
        ----------
        estimator : estimator with ``transform`` or ``fit_transform``
            A pipeline that ends in two columns, for one. If it is fitted, it transforms `X`;
            if not, or if it has no ``transform``, a clone of it is fitted on `X`.
        X : array-like
            What the estimator takes: paths, images.
        y : array-like of shape (n,), default=None
            What points are coloured by. No fit sees it, unless the estimator cannot do
            without: UMAP, for one, would draw labels apart that it is given.
        images : array-like of n images, default=None
            What the points stand for, for thumbnails. None takes `X`, if it looks like paths or
            images.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Further parameters of `plot`.

        Returns
        -------
        display : EmbeddingDisplay
            Drawn.

        Raises
        ------
        ValueError
            If what the estimator gives is no table of finite numbers, or `y` or `images` of another
            length.
        """
        embedding = None
        if hasattr(estimator, "transform"):
            with contextlib.suppress(NotFittedError):
                check_is_fitted(estimator)
                embedding = estimator.transform(X)
        if embedding is None:
            estimator = clone(estimator)
            needs_y = get_tags(estimator).target_tags.required
            embedding = estimator.fit_transform(X, y if needs_y else None)
        names = None
        if hasattr(estimator, "get_feature_names_out") and not hasattr(embedding, "columns"):
            try:
                names = estimator.get_feature_names_out()
            except (AttributeError, ValueError):  # a step without names
                names = None
        images = as_images(X) if images is None else images
        return cls.from_embedding(embedding, y, axis_names=names, images=images, ax=ax, **kwargs)

    @classmethod
    def from_embedding(
        cls,
        embedding: Any,
        y: Any = None,
        *,
        axis_names: Sequence[str] | None = None,
        images: Any = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Draw an embedding.

        Parameters
        ----------
        embedding : array-like of shape (n, n_columns)
            The first two columns are drawn. A dataframe's column names stand at the axes.
        y : array-like of shape (n,), default=None
            What points are coloured by. Text, categories, booleans and whole numbers of at
            most 60 values are labels, with names; other numbers a scale, with a colour
            bar. Points without a value (None or NaN) are drawn in grey.
        axis_names : sequence of str, default=None
            What stands at the axes.
        images : array-like of n images, default=None
            What the points stand for, as in the constructor.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Further parameters of `plot`.

        Returns
        -------
        display : EmbeddingDisplay
            Drawn.

        Raises
        ------
        ValueError
            If `embedding` is no table of finite numbers, or `y` or `images` of another length.
        """
        if axis_names is None and hasattr(embedding, "columns"):
            axis_names = list(map(str, embedding.columns))
        embedding, y = check_points(embedding, y)
        return cls(embedding, y, axis_names=axis_names, images=images).plot(ax, **kwargs)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        thumbnails: bool = False,
        title: str | None = None,
        palette: str | list | dict | None = None,
        point_size: float | None = None,
        alpha: float | None = None,
        legend: str | bool = "auto",
        density: bool | None = None,
    ) -> Self:
        """Draw the embedding.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure of 8 x 6 inches, wider for a wide legend.
        thumbnails : bool, default=False
            Whether to draw images at their points: as many as fit without overlap, of all labels
            in turn, in frames of their colour. The other points stay dots.
        title : str, default=None
            What stands above; long lines are broken.
        palette : str, list or dict, default=None
            A seaborn palette, colours, a colour for each label or, for a scale, a matplotlib
            colour map. None is ten colours that the colour-blind tell apart, which repeat for
            more labels with another marker for each ten, and "viridis" for a scale.
        point_size : float, default=None
            Area of a point in points^2, as matplotlib has it. None goes by how many
            points there are, and by the size of the axes.
        alpha : float, default=None
            Opacity, from 0 to 1. None goes by how many points there are.
        legend : {"auto", "islands"} or bool, default="auto"
            Where names of labels stand. True: in a legend beside the axes. "islands": where most
            points of the label lie. "auto": at islands if they read well there, which takes at
            most 20 labels that lie apart, and no thumbnails; else beside. False leaves them
            out, and the colour bar of a scale.
        density : bool, default=None
            Whether to draw how dense the points are rather than each of them: the mean colour in
            each cell of a grid, the more opaque the more points there are. It has no markers:
            the second of each twenty colours is dark. None does so beyond 50,000 points, if
            neither `point_size` nor `alpha` is given.

        Returns
        -------
        self : EmbeddingDisplay
            With `ax_`, `figure_` and what was drawn on them.

        Raises
        ------
        ValueError
            If thumbnails are asked for and there are no images, or a parameter is of no use.
        """
        if legend not in ("auto", "islands", True, False):
            raise ValueError(
                f"The 'legend' parameter must be 'auto', 'islands', True or False. Got {legend!r} "
                "instead. True draws it beside the axes."
            )
        images = self._check_images(self.images, is_needed=thumbnails)
        xy = self._points
        coloring = color_points(self.y, len(xy), palette)
        if density is None:
            density = len(xy) > _MAX_DOTS and point_size is None and alpha is None
        if density and palette is None:
            coloring = coloring.without_markers()
        self._coloring = coloring
        self._start(ax, xy)
        fit_title(self.ax_, title)
        if legend == "auto" and thumbnails:
            legend = True
        self._draw_names(xy, coloring, legend, title, is_own_figure=ax is None)
        side = make_way(self.ax_, len(xy)) if thumbnails else None
        if density:
            draw_density(self.ax_, xy, coloring)
        else:
            draw_dots(self.ax_, xy, coloring, point_size, alpha)
        if thumbnails:
            self.thumbnails_ = draw_thumbnails(self.ax_, xy, images, coloring, side)
        return self

    def to_html(
        self,
        path: str | os.PathLike,
        *,
        images: Any = None,
        labels: Any = None,
        paths: Sequence[str] | None = None,
        features: ArrayLike | None = None,
        title: str | None = None,
    ) -> Self:
        """Write a page that shows the embedding with its images, and needs no network.

        Hovering over a point shows its image, label, path and nearest neighbours; a click pins
        them. Points can be searched, hidden by class, and selected to see and save what they are.
        The page is made by Bokeh (``pip install 'sklearn-resnet[explore]'``).

        Parameters
        ----------
        path : path
            Where the page goes: one file, which any browser opens.
        images : array-like of n images, default=None
            As in the constructor, whose images None takes. They become thumbnails of at most 160
            pixels, 32 for many.
        labels : array-like of shape (n,), dataframe or dict of such, default=None
            What points can be coloured by, and are found by: labels, or numbers on a scale, as
            for `from_embedding`. None takes `y`. Clusters that HDBSCAN finds come besides.
        paths : array-like of str of shape (n,), default=None
            Names of the images. None takes those of `images`, if these are paths, or numbers.
        features : array-like of shape (n, n_features), default=None
            What neighbours are near by, in Euclidean distance. None takes the embedding.
        title : str, default=None
            What stands above.

        Returns
        -------
        self : EmbeddingDisplay
            Unchanged.

        Raises
        ------
        ImportError
            If Bokeh is not installed.
        ValueError
            If there are more than 200,000 points, or something is not as long as the embedding.
        OSError
            If the page cannot be written.
        """
        from sklearn_resnet.plotting.explorer.page import write_page

        images = self._check_images(self.images if images is None else images)
        if paths is None and images is not None and is_path(images[0]):
            paths = images
        write_page(
            path,
            self._points,
            labels=self.y if labels is None else labels,
            paths=paths,
            images=images,
            features=features,
            title="Embedding" if title is None else title,
        )
        return self

    @property
    def _points(self):
        """What is drawn, of shape (n, 2)."""
        zeros = np.zeros((len(self.embedding), 1))
        return np.hstack([self.embedding, zeros])[:, :2].astype(float)

    def _check_images(self, given, is_needed=False):
        images = as_images(given)
        if images is None and (is_needed or given is not None):
            raise ValueError(
                "The 'images' parameter must hold an image for each point, in an array of shape (n, "
                "height, width) or (n, height, width, channels), or a list of arrays or of paths, "
                f"for thumbnails. Got {type(given).__name__} instead. Pass it to "
                "EmbeddingDisplay, from_embedding or from_estimator."
            )
        if images is not None and len(images) != len(self.embedding):
            raise ValueError(
                f"The 'images' parameter must hold one image for each of the {len(self.embedding)} "
                f"points. Got {len(images)} instead. Leave out the same of both."
            )
        return images

    def _start(self, ax, xy):
        """Set up the axes, whose limits hold the points."""
        import matplotlib.pyplot as plt
        import seaborn as sns

        if ax is None:
            with sns.axes_style("ticks"):
                _, ax = plt.subplots(figsize=_FIGURE_SIZE, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.legend_ = self.colorbar_ = None
        self.names_, self.thumbnails_ = [], []
        ax.update_datalim([xy.min(0), xy.max(0)])
        ax.autoscale_view()
        ax.set_aspect("equal", adjustable="datalim")
        names = [] if self.axis_names is None else list(self.axis_names)[: self.embedding.shape[1]]
        ax.set(xticks=[], yticks=[])
        ax.set(xlabel=names[0] if names else "", ylabel=names[1] if len(names) > 1 else "")
        sns.despine(ax=ax)

    def _draw_names(self, xy, coloring, legend, title, *, is_own_figure):
        """Draw the colour bar, or the names where they belong, and lay the figure out."""
        ax = self.ax_
        if isinstance(coloring, Scale) and legend:
            self.colorbar_ = self.figure_.colorbar(coloring.mappable, ax=ax)
        elif coloring.names and legend:
            if legend is not True:
                self.names_ = write_names(ax, xy, coloring, always=legend == "islands")
            if self.names_:
                return
            window, dpi = ax.get_window_extent(), self.figure_.dpi
            self.legend_ = draw_legend(
                ax,
                coloring,
                height=window.height / dpi,
                most_width=np.inf if is_own_figure else window.width / dpi / 3,
                loc="upper left",
                bbox_to_anchor=(1.02, 1),
                borderaxespad=0,
            )
            width = self.legend_.get_window_extent().width
            if is_own_figure:
                self.figure_.set_figwidth(max(_FIGURE_SIZE[0], _MIN_WIDTH + width / dpi))
            make_room(ax, right=1.05 * width)
        else:
            return
        fit_title(ax, title)


def check_points(embedding, y):
    """Make arrays of an embedding and of what it is coloured by.

    Raises
    ------
    ValueError
        If `embedding` is no table of finite numbers, or `y` does not hold a value for each row.
    """
    embedding = check_array(embedding, input_name="embedding")
    if y is not None:
        y = as_array(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        if y.ndim != 1:
            raise ValueError(
                f"y must hold one value for each point. Got an array of shape {y.shape} "
                "instead. Pass one of its columns."
            )
        check_consistent_length(embedding, y)
    return embedding, y
