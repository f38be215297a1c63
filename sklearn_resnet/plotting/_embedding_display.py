"""EmbeddingDisplay: a scatter plot of an embedding, coloured by label."""

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import check_is_fitted

_MOST_CLASSES = 60  # more names than that fit no legend, and more colours no eye
_LEGEND_ROWS = 20


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
            if not, a clone of it is fitted on `X`.
        X : array-like
            What the estimator takes: paths, images.
        y : array-like of shape (n,), default=None
            What points are coloured by; the fit gets it too.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Further parameters of `plot`.

        Returns
        -------
        display : EmbeddingDisplay
        """
        try:
            check_is_fitted(estimator)
            embedding = estimator.transform(X)
        except NotFittedError:
            estimator = clone(estimator)
            embedding = estimator.fit_transform(X, y)
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
            y = np.asarray(y)
            if y.ndim == 2 and y.shape[1] == 1:
                y = y[:, 0]
            if y.ndim != 1:
                raise ValueError(
                    f"y must hold one value for each point. Got an array of shape {y.shape} "
                    "instead. Pass one of its columns."
                )
            check_consistent_length(embedding, y)
        return cls(embedding, y, axis_names=axis_names).plot(ax, **kwargs)

    def plot(self, ax=None, *, title=None, palette=None, point_size=None, alpha=None, legend=True):
        """Draw the embedding.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        title : str, default=None
            What stands above.
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
        if ax is None:
            with sns.axes_style("ticks"):
                _, ax = plt.subplots(figsize=(8, 6), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.legend_ = self.colorbar_ = None

        if y is None:
            ax.scatter(*xy.T, color=sns.color_palette("colorblind")[0], **style)
        else:
            missing = _is_missing(y)
            ax.scatter(*xy[missing].T, color="0.8", **style)
            # a fixed shuffle, so that no class covers the others for coming last
            order = np.random.RandomState(0).permutation(np.flatnonzero(~missing))
            draw = self._draw_scale if _is_scale(y[~missing]) else self._draw_labels
            draw(xy[order], y[order], palette, style, legend)
        ax.set_aspect("equal", adjustable="datalim")
        ax.set(xticks=[], yticks=[], title=title or "")
        names = [] if self.axis_names is None else list(self.axis_names)[: self.embedding.shape[1]]
        ax.set(xlabel=names[0] if names else "", ylabel=names[1] if len(names) > 1 else "")
        sns.despine(ax=ax)
        return self

    def _draw_scale(self, xy, y, palette, style, legend):
        points = self.ax_.scatter(*xy.T, c=y.astype(float), cmap=palette or "viridis", **style)
        if legend:
            self.colorbar_ = self.figure_.colorbar(points, ax=self.ax_)
            self.colorbar_.solids.set_alpha(1)

    def _draw_labels(self, xy, y, palette, style, legend):
        import seaborn as sns
        from natsort import natsorted

        y = np.array([str(label) for label in y.tolist()])
        names, counts = np.unique(y, return_counts=True)
        if len(names) > _MOST_CLASSES:
            kept = names[np.argsort(-counts, kind="stable")[: _MOST_CLASSES - 1]]
            rest = f"{len(names) - len(kept)} others"
            y = np.where(np.isin(y, kept), y, rest)
            names = np.append(natsorted(kept), rest)
        else:
            names = natsorted(names)
        many = len(names) > 10
        sns.scatterplot(
            x=xy[:, 0],
            y=xy[:, 1],
            hue=y,
            hue_order=names,
            palette=sns.color_palette(palette or ("husl" if many else "colorblind"), len(names))
            if not isinstance(palette, dict)
            else palette,
            style=y if many else None,
            style_order=names if many else None,
            markers=["o", "s", "^", "D", "v", "P", "X"] * (len(names) // 7 + 1) if many else True,
            legend="full" if legend else False,
            ax=self.ax_,
            **style,
        )
        if legend and len(names):
            self.legend_ = self.ax_.legend(
                loc="upper left",
                bbox_to_anchor=(1.01, 1),
                borderaxespad=0,
                ncols=-(-len(names) // _LEGEND_ROWS),
                frameon=False,
                handletextpad=0.2,
            )
            for handle in self.legend_.legend_handles:
                handle.set(markersize=6, alpha=1)


def _is_missing(y):
    import pandas as pd

    return np.asarray(pd.isna(y))


def _is_scale(y):
    """Whether values are numbers on a scale rather than labels."""
    try:
        numbers = y.astype(float) if y.dtype.kind in "iufO" else None
    except (TypeError, ValueError):
        numbers = None
    if numbers is None or all(isinstance(value, bool) for value in y.tolist()):
        return False
    return bool((numbers % 1).any()) or len(np.unique(numbers)) > _MOST_CLASSES
