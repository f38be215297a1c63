"""EmbeddingDisplay: a scatter plot of an embedding, coloured by label."""

import contextlib
import itertools
import textwrap
from numbers import Real

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_array, check_consistent_length, get_tags
from sklearn.utils.validation import check_is_fitted

_MOST_CLASSES = 60  # more names than that fit no legend, and more colours no eye
_FIGURE_SIZE = (8, 6)  # in inches
_LEAST_WIDTH = 5  # of the figure beside its legend: long names make it wider
_LEGEND_ROWS = 20
_TITLE_WIDTH = 60  # of a line, in characters
_THUMBNAIL_SIZE = 32  # the longer side, in points


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

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure that this is part of.
    legend_ : matplotlib Legend or None
        The names of the labels.
    colorbar_ : matplotlib Colorbar or None
        The scale of numbers.

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

    def __init__(self, embedding, y=None, *, axis_names=None):
        self.embedding = embedding
        self.y = y
        self.axis_names = axis_names

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, ax=None, **kwargs):
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
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Further parameters of `plot`.

        Returns
        -------
        display : EmbeddingDisplay
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
        return cls.from_embedding(embedding, y, axis_names=names, ax=ax, **kwargs)

    @classmethod
    def from_embedding(cls, embedding, y=None, *, axis_names=None, ax=None, **kwargs):
        """Draw an embedding.

        Parameters
        ----------
        embedding : array-like of shape (n, n_columns)
            The first two columns are drawn. A dataframe's column names stand at the axes.
        y : array-like of shape (n,), default=None
            What points are coloured by. Text, categories, booleans and whole numbers of at
            most 60 values are labels, with a legend; other numbers a scale, with a colour
            bar. Points without a value (None or NaN) are drawn in grey.
        axis_names : sequence of str, default=None
            What stands at the axes.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Further parameters of `plot`.

        Returns
        -------
        display : EmbeddingDisplay

        Raises
        ------
        ValueError
            If `embedding` is no table of finite numbers, or `y` of another length.
        """
        if axis_names is None and hasattr(embedding, "columns"):
            axis_names = list(map(str, embedding.columns))
        embedding = check_array(embedding, input_name="embedding")
        if y is not None:
            y = _as_array(y)
            if y.ndim == 2 and y.shape[1] == 1:
                y = y[:, 0]
            if y.ndim != 1:
                raise ValueError(
                    f"y must hold one value for each point. Got an array of shape {y.shape} "
                    "instead. Pass one of its columns."
                )
            check_consistent_length(embedding, y)
        return cls(embedding, y, axis_names=axis_names).plot(ax, **kwargs)

    def plot(
        self,
        ax=None,
        *,
        images=None,
        title=None,
        palette=None,
        point_size=None,
        alpha=None,
        legend=True,
    ):
        """Draw the embedding.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        images : array-like of shape (n, height, width) or (n, height, width, 3), default=None
            Drawn at their points, as thumbnails: for some hundred points at most.
        title : str, default=None
            What stands above; long lines are broken.
        palette : str, list or dict, default=None
            A seaborn palette or, for a scale, a matplotlib colour map. None is
            "colorblind" for up to ten labels, "husl" with varied markers for more, and
            "viridis" for a scale.
        point_size : float, default=None
            Area of a point in points^2, as matplotlib has it. None goes by how many
            points there are.
        alpha : float, default=None
            Opacity, from 0 to 1. None goes by how many points there are.
        legend : bool, default=True
            Whether to draw the legend or colour bar.

        Returns
        -------
        self : EmbeddingDisplay
        """
        import matplotlib.pyplot as plt
        import seaborn as sns

        xy, y = self.embedding[:, :2], self.y
        if xy.shape[1] == 1:
            xy = np.column_stack([xy, np.zeros(len(xy))])
        style = {
            "s": float(np.clip(40_000 / len(xy), 2, 40)) if point_size is None else point_size,
            "alpha": (0.8 if len(xy) < 5_000 else 0.5) if alpha is None else alpha,
            "linewidth": 0,
            "rasterized": len(xy) > 5_000,  # keeps vector files small
        }
        own_figure = ax is None
        if own_figure:
            with sns.axes_style("ticks"):
                _, ax = plt.subplots(figsize=_FIGURE_SIZE, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.legend_ = self.colorbar_ = None

        if y is None:
            ax.scatter(*xy.T, color=sns.color_palette("colorblind")[0], **style)
        else:
            missing = _is_missing(y)
            ax.scatter(*xy[missing].T, color="0.8", **style)
        if y is not None and not missing.all():
            # a fixed shuffle, so that no class covers the others for coming last
            order = np.random.RandomState(0).permutation(np.flatnonzero(~missing))
            draw = self._draw_scale if _is_scale(y[~missing]) else self._draw_labels
            draw(xy[order], y[order], palette, style, legend)
        if images is not None:
            self._draw_images(xy, images)
        ax.set_aspect("equal", adjustable="datalim")
        ax.set(xticks=[], yticks=[])
        # matplotlib wraps at the figure's edge, but breaks no word: textwrap does
        lines = [
            part for line in (title or "").split("\n") for part in textwrap.wrap(line, _TITLE_WIDTH)
        ]
        ax.set_title("\n".join(lines), fontsize="medium", wrap=True)
        names = [] if self.axis_names is None else list(self.axis_names)[: self.embedding.shape[1]]
        ax.set(xlabel=names[0] if names else "", ylabel=names[1] if len(names) > 1 else "")
        sns.despine(ax=ax)
        if own_figure and self.legend_ is not None:
            legend_width = self.legend_.get_window_extent().width / self.figure_.dpi
            self.figure_.set_figwidth(max(_FIGURE_SIZE[0], _LEAST_WIDTH + legend_width))
        return self

    def _draw_images(self, xy, images):
        from matplotlib.offsetbox import AnnotationBbox, OffsetImage

        check_consistent_length(xy, images)
        images = [np.asarray(image) for image in images]
        if not all(image.ndim in (2, 3) and image.size for image in images):
            raise ValueError(
                "The 'images' parameter must hold arrays of shape (height, width) or (height, "
                f"width, 3). Got {images[0]!r} among them instead. ImageLoader reads files."
            )
        for point, image in zip(xy, images, strict=True):
            thumbnail = OffsetImage(image, zoom=_THUMBNAIL_SIZE / max(image.shape[:2]), cmap="gray")
            self.ax_.add_artist(AnnotationBbox(thumbnail, point, pad=0.1, frameon=True))

    def _draw_scale(self, xy, y, palette, style, legend):
        points = self.ax_.scatter(*xy.T, c=y.astype(float), cmap=palette or "viridis", **style)
        if legend:
            self.colorbar_ = self.figure_.colorbar(points, ax=self.ax_)
            self.colorbar_.solids.set_alpha(1)

    def _draw_labels(self, xy, y, palette, style, legend):
        import seaborn as sns
        from natsort import natsorted

        y = np.array([_label(value) for value in y.tolist()])
        names, counts = np.unique(y, return_counts=True)
        if len(names) > _MOST_CLASSES:
            kept = names[np.argsort(-counts, kind="stable")[: _MOST_CLASSES - 1]]
            rest = f"{len(names) - len(kept)} others"
            y = np.where(np.isin(y, kept), y, rest)
            names = np.append(natsorted(kept), rest)
        else:
            names = natsorted(names)
        many = len(names) > 10
        if isinstance(palette, dict):
            colors = {_label(value): color for value, color in palette.items()}
        else:
            colors = sns.color_palette(palette or ("husl" if many else "colorblind"), len(names))
            colors = dict(zip(names, colors, strict=True))
        markers = dict(zip(names, itertools.cycle("os^DvPX" if many else "o"), strict=False))
        sns.scatterplot(
            x=xy[:, 0],
            y=xy[:, 1],
            hue=y,
            hue_order=names,
            palette=colors,
            style=y,
            style_order=names,
            markers=markers,
            legend=False,
            ax=self.ax_,
            **style,
        )
        if legend:
            self._draw_legend(names, colors, markers)

    def _draw_legend(self, names, colors, markers):
        from matplotlib.lines import Line2D

        self.legend_ = self.ax_.legend(
            [Line2D([], [], ls="", marker=markers[name], color=colors[name]) for name in names],
            [" "] * len(names),
            loc="upper left",
            bbox_to_anchor=(1.01, 1),
            borderaxespad=0,
            ncols=-(-len(names) // _LEGEND_ROWS),
            frameon=False,
            handletextpad=0.2,
        )
        # set afterwards: a legend leaves out names with a leading underscore
        for text, name in zip(self.legend_.get_texts(), names, strict=True):
            text.set(text=name, parse_math=False)


def _as_array(y):
    """Make an array of values, in which missing ones are still None or NaN."""
    import pandas as pd

    if isinstance(getattr(y, "dtype", None), pd.CategoricalDtype):
        y = [None if pd.isna(value) else _label(value) for value in y]
    # of a list, numpy alone would make the text "nan" of a NaN among text
    return np.asarray(y) if hasattr(y, "dtype") else np.asarray(y, dtype=object)


def _label(value):
    """Write a label as the legend does, without the decimals that a missing value brings."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _is_missing(y):
    import pandas as pd

    return np.asarray(pd.isna(y))


def _is_scale(y):
    """Whether values are numbers on a scale rather than labels."""
    if y.dtype.kind not in "iuf" and not all(
        isinstance(value, Real) and not isinstance(value, bool) for value in y.tolist()
    ):
        return False
    numbers = y.astype(float)
    return bool((numbers % 1).any()) or len(np.unique(numbers)) > _MOST_CLASSES
