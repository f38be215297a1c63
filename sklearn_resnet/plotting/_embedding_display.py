"""EmbeddingDisplay: a scatter plot of an embedding."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_array, check_consistent_length, get_tags
from sklearn.utils.validation import check_is_fitted

from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._io.csv_text import escape_text
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._runtime.imports import import_optional
from sklearn_resnet._runtime.warnings import warn_caller
from sklearn_resnet.plotting._cluster_names import find_map_clusters
from sklearn_resnet.plotting._coloring import Scale, check_column, color_points
from sklearn_resnet.plotting._density import MAX_POINTS_AS_DOTS, draw_density
from sklearn_resnet.plotting._dots import draw_dots
from sklearn_resnet.plotting._labels_on_data import draw_labels_on_data
from sklearn_resnet.plotting._layout import fit_axes, fit_title
from sklearn_resnet.plotting._legend import draw_legend_beside
from sklearn_resnet.plotting._names_on_map import draw_names
from sklearn_resnet.plotting._saving import ShownAsPicture, draw_png
from sklearn_resnet.plotting._thumbnails import as_images, choose_thumbnail_side, draw_thumbnails

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

    from sklearn_resnet.plotting.explorer.widget import EmbeddingExplorer

Images: TypeAlias = ArrayLike | Sequence[str | os.PathLike] | LazyImages

_FIGURE_SIZE = (8, 6)  # in inches
_MIN_WIDTH = 5  # inches beside a legend: long names make the figure wider


class EmbeddingDisplay(ShownAsPicture):
    """Scatter plot of an embedding in two dimensions.

    It is recommended to use `from_estimator` or `from_embedding` to create an
    `EmbeddingDisplay`. All parameters are stored as attributes; call `plot` to draw it again
    with other settings, or `to_html` to write an interactive page.

    Parameters
    ----------
    embedding : ndarray of shape (n_samples, n_columns)
        The embedding. The first two columns are drawn, with a warning if there are more; a single
        column is drawn along a line.
    y : ndarray of shape (n_samples,), default=None
        Labels, or numbers on a scale, that determine the colours of the points.
    axis_names : sequence of str, default=None
        Labels of the x-axis and the y-axis.
    images : array-like of n_samples images or paths, default=None
        The images that the points represent, for thumbnails: an array of shape (n_samples, height,
        width) or (n_samples, height, width, channels), a list of such images, `LazyImages`, or
        paths; or a table of regions, as `ImageLoader` accepts it. Channels that are not grey or RGB
        are shown in added colours. Only the images that are drawn are read, and a few others to see
        their channels.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the scatter plot.
    figure_ : matplotlib Figure
        Figure containing the scatter plot.
    legend_ : matplotlib Legend or None
        Legend with the labels, beside the axes.
    names_ : list of matplotlib Text
        Labels or names of clusters written on the data.
    colorbar_ : matplotlib Colorbar or None
        Colour bar of the scale.
    thumbnails_ : list of matplotlib AnnotationBbox
        Images drawn at their points, or beside names.

    See Also
    --------
    EmbeddingPlot : Draws the plot as a step of a pipeline.
    compare_embeddings : Draws several embeddings of the same samples side by side.

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
        images: Images | None = None,
    ) -> None:
        self.embedding = embedding
        self.y = y
        self.axis_names = axis_names
        self.images = images

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: Images,
        y: ArrayLike | None = None,
        *,
        images: Images | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Create the plot from an estimator that computes the embedding.

        Parameters
        ----------
        estimator : estimator instance
            Estimator or pipeline whose output has two columns. A fitted estimator transforms `X`.
            An unfitted one, or one without ``transform``, is cloned and fitted to `X`.
        X : array-like
            Input of the estimator, such as images or their paths.
        y : array-like of shape (n_samples,), default=None
            Labels, or numbers on a scale, that determine the colours of the points. The estimator
            is fitted without them unless it requires a target: UMAP, for example, would separate
            the labels on the map.
        images : array-like of n_samples images or paths, default=None
            Images for thumbnails. By default, `X` if it holds images or paths.
        ax : matplotlib Axes, default=None
            Axes object to plot on. If `None`, a new figure and axes are created.
        **kwargs : dict
            Additional keyword arguments passed to `plot`.

        Returns
        -------
        display : EmbeddingDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the embedding is not a table of finite numbers, or `y` or `images` has a different
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
            except (AttributeError, ValueError):  # a step does not name its output
                names = None
            if names is not None and np.ndim(names) == 0:  # a FunctionTransformer, never fitted
                names = None
        images = as_images(X) if images is None else images
        return cls.from_embedding(embedding, y, axis_names=names, images=images, ax=ax, **kwargs)

    @classmethod
    def from_embedding(
        cls,
        embedding: ArrayLike,
        y: ArrayLike | None = None,
        *,
        axis_names: Sequence[str] | None = None,
        images: Images | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Create the plot from an embedding.

        Parameters
        ----------
        embedding : array-like of shape (n_samples, n_columns)
            The embedding. The first two columns are drawn, with a warning if there are more. The
            column names of a dataframe label the axes.
        y : array-like of shape (n_samples,), default=None
            Labels, or numbers on a scale, that determine the colours of the points. Text,
            categories, booleans, and whole numbers with at most 60 distinct values are labels;
            other numbers are a scale, shown by a colour bar. Points without a value (None, NaN or "")
            are grey.
        axis_names : sequence of str, default=None
            Labels of the x-axis and the y-axis.
        images : array-like of n_samples images or paths, default=None
            Images for thumbnails. See the class.
        ax : matplotlib Axes, default=None
            Axes object to plot on. If `None`, a new figure and axes are created.
        **kwargs : dict
            Additional keyword arguments passed to `plot`.

        Returns
        -------
        display : EmbeddingDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If `embedding` is not a table of finite numbers, or `y` or `images` has a different
            length.

        Warns
        -----
        UserWarning
            If `embedding` has more than two columns.
        """
        if axis_names is None and hasattr(embedding, "columns"):
            axis_names = list(map(str, embedding.columns))
        display = cls(*check_points(embedding, y), axis_names=axis_names, images=images)
        return display.plot(ax, **kwargs)

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
        names: str | None = None,
        density: bool | None = None,
    ) -> Self:
        """Draw the scatter plot.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes object to plot on. If `None`, a new figure of 8 x 6 inches is created, or a wider
            one if the legend needs more space.
        thumbnails : bool, default=False
            Whether to draw images at their points, in frames of the points' colours: as many as fit
            without overlap, taking the labels in turn. The other points remain dots.
        title : str, default=None
            Title of the plot. Long lines are wrapped.
        palette : str, list or dict, default=None
            Colours of the labels: the name of a seaborn palette, a list of colours, or a dict from
            labels to colours. For a scale, the name of a matplotlib colour map. By default, ten
            colours that are distinct in all kinds of colour vision, combined with another marker
            for each ten labels; for a scale, "viridis".
        point_size : float, default=None
            Area of a point in points^2. By default it depends on the number of points and the size
            of the axes.
        alpha : float, default=None
            Opacity of a point, from 0 to 1. By default it depends on the number of points.
        legend : {"auto", "on data"} or bool, default="auto"
            Where to write the labels:

            - `True`: in a legend beside the axes;
            - `"on data"`: on the plot, at the densest region of each label;
            - `"auto"`: on the data if there are at most 20 labels, they form separate clusters, and
              no thumbnails are drawn; otherwise beside the axes;
            - `False`: nowhere, and without the colour bar of a scale.
        names : {"clusters"}, default=None
            With `"clusters"`, names are written on the clusters that HDBSCAN [1]_ finds on the map
            at up to three levels of detail, the coarser the larger. The label of most points names
            a cluster, or two labels together; otherwise a number does: "cluster 2.1" lies in
            "cluster 2". With `thumbnails`, images are drawn beside the names instead of at their
            points: the most typical ones of each cluster. Without `y`, the colours are those of the
            largest clusters. `legend="auto"` draws a legend if a label names no cluster.
        density : bool, default=None
            Whether to draw the density of the points instead of each point: each cell of a fine
            grid has the mean colour of its points, and is more opaque the more there are. Labels
            have no markers then; dark variants of the colours distinguish labels 11 to 20. By
            default, this is done for more than 50,000 points unless `point_size` or `alpha` is set.

        Returns
        -------
        display : EmbeddingDisplay
            The display, with `ax_`, `figure_`, and the other attributes set.

        Raises
        ------
        ValueError
            If `thumbnails` is set but there are no images, or a parameter has an invalid value.

        References
        ----------
        .. [1] R. Campello, D. Moulavi and J. Sander, "Density-based clustering based on hierarchical
               density estimates", PAKDD, 2013.
        """
        _check_legend(legend, names)
        images = self._check_images(self.images, is_needed=thumbnails)
        self._warn_about_columns()
        _, y = check_points(self.embedding, self.y)
        xy = self._points
        coloring, clusters = _color(xy, y, palette, names)
        if density is None:
            density = len(xy) > MAX_POINTS_AS_DOTS and point_size is None and alpha is None
        if density and palette is None:
            coloring = coloring.without_markers()
        self._coloring = coloring
        self._set_up_axes(ax, xy)
        fit_title(self.ax_, title)
        if legend == "auto" and clusters:
            is_written = set(coloring.names) <= {cluster.name for cluster in clusters}
            legend = isinstance(coloring, Scale) or not is_written
        elif legend == "auto" and thumbnails:
            legend = True
        self._draw_legend(xy, coloring, legend, title, is_own_figure=ax is None)
        side = None
        if thumbnails and not clusters:
            side = choose_thumbnail_side(self.ax_, len(xy))
        if density:
            draw_density(self.ax_, xy, coloring)
        else:
            draw_dots(self.ax_, xy, coloring, point_size, alpha)
        if clusters:
            self.names_, self.thumbnails_ = draw_names(
                self.ax_, xy, clusters, coloring, images if thumbnails else None
            )
        elif thumbnails:
            self.thumbnails_ = draw_thumbnails(self.ax_, xy, images, coloring, side)
        return self

    def to_html(
        self,
        path: str | os.PathLike,
        *,
        images: Images | None = None,
        labels: "ArrayLike | Mapping[str, ArrayLike] | DataFrame | None" = None,
        paths: Sequence[str | os.PathLike] | None = None,
        features: ArrayLike | None = None,
        title: str | None = None,
    ) -> Self:
        """Write an interactive page that shows the embedding and its images offline.

        Hovering over a point shows its image, labels, path, and nearest neighbours; a click pins it.
        You can search points, hide labels, select points with a box or a lasso, and save the
        selection as a CSV file. If the points are regions, the pinned card also shows the whole
        image with the region on it; a click enlarges it, with all regions of the image. You can put
        tags on points, save them as a CSV file, and load them again.

        Parameters
        ----------
        path : path
            File to write. The page is a single file that needs no network. If it would have more than
            200 MB, its thumbnails are in a folder beside it, with the ending "_files".
        images : array-like of n_samples images or paths, default=None
            Images of the points. By default, those of the display. The page holds thumbnails of at
            most 160 x 160 pixels, or fewer for more than 1,500 images; for regions, also the whole
            images, in at most 12 MB. If there are more than 600 of these, they are left out.
        labels : array-like of shape (n_samples,), dataframe, or dict of such, default=None
            One or several columns that can colour the points: labels, or numbers on a scale, as in
            `from_embedding`. Search looks through the labels. By default, `y`. The page adds a
            column "cluster", or "cluster (HDBSCAN)" beside one of that name, with the smallest of
            the clusters that HDBSCAN finds, named as by `plot` with ``names="clusters"``.
        paths : sequence of str of shape (n_samples,), default=None
            Names of the images. By default, those of `images` if these are paths, or numbers.
        features : array-like of shape (n_samples, n_features), default=None
            Features used to measure the Euclidean distance to neighbours. By default, the embedding.
            A page of more than 200,000 points has no neighbours.
        title : str, default=None
            Title of the page.

        Returns
        -------
        display : EmbeddingDisplay
            The display, unchanged.

        Raises
        ------
        ValueError
            If there are more than 1,000,000 points, or a parameter does not have one value for each
            point.
        OSError
            If the file cannot be written.
        """
        from sklearn_resnet.plotting.explorer.page import write_page

        checked = self._check_images(self.images if images is None else images)
        _, y = check_points(self.embedding, self.y)
        self._warn_about_columns()
        write_page(
            path,
            self._points,
            labels=y if labels is None else labels,
            paths=paths,
            images=checked,
            features=features,
            title="Embedding" if title is None else title,
        )
        return self

    def explore(
        self,
        *,
        images: Images | None = None,
        labels: "ArrayLike | Mapping[str, ArrayLike] | DataFrame | None" = None,
        paths: Sequence[str | os.PathLike] | None = None,
        features: ArrayLike | None = None,
        title: str | None = None,
        tags: ArrayLike | None = None,
        names: Mapping[str, str] | None = None,
    ) -> "EmbeddingExplorer":
        """Show the embedding and its images in a widget of a notebook.

        The widget shows the same as the page of `to_html`, and Python reads and sets its selection:
        ``widget.selection`` holds row numbers, and ``widget.selected(X)`` the rows of any data of the
        same length. The kernel reads and sends thumbnails when they are needed. Install it with
        ``pip install 'sklearn-resnet[explore]'``.

        Parameters
        ----------
        images : array-like of n_samples images or paths, default=None
            Images of the points. By default, those of the display.
        labels : array-like of shape (n_samples,), dataframe, or dict of such, default=None
            Columns that can colour the points, as for `to_html`. By default, `y`.
        paths : sequence of str of shape (n_samples,), default=None
            Names of the images.
        features : array-like of shape (n_samples, n_features), default=None
            Features used to measure the Euclidean distance to neighbours, and the quality of the map.
        title : str, default=None
            Title of the widget.
        tags : array-like of shape (n_samples,), default=None
            Tags to start with; None or NaN for no tag. For example, ``tags`` of another widget.
        names : dict of str to str, default=None
            Names of clusters, as ``names`` of another widget.

        Returns
        -------
        widget : EmbeddingExplorer
            The widget, which a notebook shows as the last expression of a cell.

        Raises
        ------
        ImportError
            If anywidget is not installed.
        ValueError
            If there are more than 1,000,000 points, a parameter does not have one value for each
            point, or `names` has a key that names no cluster.

        See Also
        --------
        to_html : Writes a page.
        """
        from sklearn_resnet.plotting.explorer.content import make_content

        explorer = import_explorer()
        checked = self._check_images(self.images if images is None else images)
        _, y = check_points(self.embedding, self.y)
        self._warn_about_columns()
        content = make_content(
            {"Embedding": self._points},
            labels=y if labels is None else labels,
            paths=paths,
            images=checked,
            features=features,
            tags=tags,
            names=names,
        )
        return explorer(content, "Embedding" if title is None else title, self._draw_png)

    def _repr_png_(self) -> bytes:
        """Return the figure as a PNG file, for notebooks; draw it if it is not drawn."""
        return super()._repr_png_() or self._draw_png()

    def _draw_png(self):
        from matplotlib.figure import Figure

        if hasattr(self, "figure_"):
            return draw_png(self.figure_.figure)  # of a subfigure, the whole one
        figure = Figure(figsize=_FIGURE_SIZE, layout="constrained")
        type(self)(self.embedding, self.y, axis_names=self.axis_names).plot(figure.subplots())
        return draw_png(figure)

    @property
    def _points(self):
        """The coordinates of the points, of shape (n_samples, 2)."""
        zeros = np.zeros((len(self.embedding), 1))
        return np.hstack([self.embedding, zeros])[:, :2].astype(float)

    def _warn_about_columns(self):
        """Warn about columns that are not drawn."""
        shape = np.shape(self.embedding)
        if shape[1] > 2:
            warn_caller(
                f"The embedding has the shape {shape}, and only its first two columns are drawn. Reduce "
                "it to two columns first, with UMAP or PCA, or pass these two columns alone."
            )

    def _check_images(self, given, is_needed=False):
        if given is None and not is_needed:
            return None
        return check_images(given, len(self.embedding))

    def _set_up_axes(self, ax, xy):
        """Prepare axes whose limits contain the points."""
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
        xlabel, ylabel = [*map(escape_text, names[:2]), "", ""][:2]
        ax.set(xticks=[], yticks=[], xlabel=xlabel, ylabel=ylabel)
        sns.despine(ax=ax)

    def _draw_legend(self, xy, coloring, legend, title, *, is_own_figure):
        """Draw the labels or the colour bar, and lay out the figure again if they take space."""
        if not legend:
            return
        if isinstance(coloring, Scale):
            self.colorbar_ = self.figure_.colorbar(coloring.mappable, ax=self.ax_)
        elif coloring.names:
            if legend is not True:
                always = legend == "on data"
                self.names_ = draw_labels_on_data(self.ax_, xy, coloring, always=always)
            if self.names_:
                return
            self._draw_legend_beside(coloring, is_own_figure)
        else:
            return
        fit_title(self.ax_, title)

    def _draw_legend_beside(self, coloring, is_own_figure):
        self.legend_ = draw_legend_beside(self.ax_, coloring, is_own_figure=is_own_figure)
        width = self.legend_.get_window_extent().width
        if is_own_figure:
            dpi = self.figure_.dpi
            self.figure_.set_figwidth(max(_FIGURE_SIZE[0], _MIN_WIDTH + width / dpi))
        fit_axes(self.ax_, right=1.05 * width)


def _check_legend(legend, names):
    if legend not in ("auto", "on data", True, False):
        raise ParameterError(
            "legend",
            "must be 'auto', 'on data', True or False",
            repr(legend),
            "True draws it beside the axes.",
        )
    if names not in (None, "clusters"):
        raise ParameterError(
            "names",
            "must be 'clusters' or None",
            repr(names),
            "legend='on data' writes the labels on the plot.",
        )
    if names is not None and legend == "on data":
        raise ParameterError(
            "legend",
            "must not be 'on data' if names='clusters', which takes the same places",
            None,
            "legend=True draws the labels beside the axes.",
        )


def _color(xy, y, palette, names):
    """Choose the colour of each point, and find the clusters that are to be named."""
    coloring = color_points(y, len(xy), palette)
    if names is None:
        return coloring, ()
    found = find_map_clusters(xy, None if isinstance(coloring, Scale) else y)
    if y is None and found.clusters:
        coloring = color_points(found.name_points(0), len(xy), palette)
        coloring = coloring if palette else coloring.without_markers()
    return coloring, found.clusters


def check_images(given, n_points):
    """Convert images of points to a sequence of images.

    Raises
    ------
    ValueError
        If `given` does not hold one image for each point.
    """
    images = as_images(given)
    if images is None:
        raise ParameterError(
            "images",
            "must hold an image for each point, in an array of shape (n, height, width) or (n, "
            "height, width, channels), a list of arrays or of paths, or a table of regions, for "
            "thumbnails",
            type(given).__name__,
            "Pass it to EmbeddingDisplay, from_embedding or from_estimator.",
        )
    if len(images) != n_points:
        raise ParameterError(
            "images",
            f"must hold one image for each of the {n_points} points",
            str(len(images)),
            "Remove the same rows from both.",
        )
    return images


def import_explorer():
    """Import the class of the widget; the error names the extra that installs what it needs."""
    import_optional("anywidget", extra="explore", purpose="The widget")
    from sklearn_resnet.plotting.explorer.widget import EmbeddingExplorer

    return EmbeddingExplorer


def check_points(embedding, y):
    """Check an embedding and its labels, and convert them to arrays.

    Raises
    ------
    ValueError
        If `embedding` is not a table of finite numbers, or `y` does not hold one value for each row.
    """
    embedding = check_array(embedding, input_name="embedding")
    if y is not None:
        y = check_column(y)
        check_consistent_length(embedding, y)
    return embedding, y
