"""EmbeddingPlot: a scatter plot as a pipeline step."""

import os
from numbers import Real
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_resnet._sklearn_private import DocumentedParameters, Interval, StrOptions, fit_context
from sklearn_resnet.plotting._embedding_display import EmbeddingDisplay
from sklearn_resnet.plotting._saving import save_figure


class EmbeddingPlot(DocumentedParameters, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Draw a scatter plot of the input of a pipeline step, and pass the input on.

    Put it after a step that reduces the features to two dimensions. Each `fit` draws a new plot.

    Parameters
    ----------
    path : path, default=None
        File to save the plot to. Its suffix selects the format (.png, .pdf, .svg). By default the
        plot is not saved; a notebook shows it.
    title : str, default=None
        Title of the plot.
    palette : str, list or dict, default=None
        Colours of the labels, or colour map of a scale. See `EmbeddingDisplay.plot`.
    point_size : float, default=None
        Area of a point in points^2. By default it depends on the number of points.
    alpha : float, default=None
        Opacity of a point, from 0 to 1. By default it depends on the number of points.
    legend : {"auto", "on data"} or bool, default="auto"
        Where to write the labels. See `EmbeddingDisplay.plot`.
    names : {"clusters"}, default=None
        Whether to write names on the clusters of the map. See `EmbeddingDisplay.plot`.
    density : bool, default=None
        Whether to draw the density of the points instead of each point. By default, this is done
        for more than 50,000 points.

    Attributes
    ----------
    display_ : EmbeddingDisplay
        The plot. It is not part of copies and pickles.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of str
        Names of the features seen during `fit`. Defined only if `X` is a dataframe whose column
        names are all strings.

    See Also
    --------
    EmbeddingDisplay : Draws a plot without a pipeline.

    Notes
    -----
    A pipeline passes `y` to all of its steps. If one of them is UMAP [1]_, it uses the labels and
    separates them on the map even if the images alone do not. To see the map of the images alone, use
    `EmbeddingDisplay.from_estimator`, which fits without `y`.

    References
    ----------
    .. [1] L. McInnes, J. Healy and J. Melville, "UMAP: Uniform Manifold Approximation and
           Projection for Dimension Reduction", arXiv:1802.03426, 2018.

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_resnet import EmbeddingPlot
    >>> from sklearn_resnet.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> pipe = make_pipeline(PCA(2), EmbeddingPlot(title="Two principal components"))
    >>> pipe.fit_transform(X.reshape(len(X), -1), y).shape
    (1797, 2)
    """

    _parameter_constraints = {  # noqa: RUF012
        "path": [str, os.PathLike, None],
        "title": [str, None],
        "palette": [str, list, dict, None],
        "point_size": [Interval(Real, 0, None, closed="neither"), None],
        "alpha": [Interval(Real, 0, 1, closed="both"), None],
        "legend": [StrOptions({"auto", "on data"}), "boolean"],
        "names": [StrOptions({"clusters"}), None],
        "density": ["boolean", None],
    }

    def __init__(
        self,
        path: str | os.PathLike | None = None,
        *,
        title: str | None = None,
        palette: str | list | dict | None = None,
        point_size: float | None = None,
        alpha: float | None = None,
        legend: str | bool = "auto",
        names: str | None = None,
        density: bool | None = None,
    ) -> None:
        self.path = path
        self.title = title
        self.palette = palette
        self.point_size = point_size
        self.alpha = alpha
        self.legend = legend
        self.names = names
        self.density = density

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Draw the plot, and save it if `path` is set.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The embedding. The first two columns are drawn, with a warning if there are more.
        y : array-like of shape (n_samples,), default=None
            Labels, or numbers on a scale, that determine the colours. Of several targets, the
            first is used.

        Returns
        -------
        self : EmbeddingPlot
            The fitted step.

        Raises
        ------
        OSError
            If the plot cannot be saved.
        """
        X = validate_data(self, X)
        if np.asarray(y).ndim > 1:
            y = np.asarray(y)[:, 0]  # the first of several targets
        self.display_ = EmbeddingDisplay.from_embedding(
            X,
            y,
            axis_names=getattr(self, "feature_names_in_", None),
            title=self.title,
            palette=self.palette,
            point_size=self.point_size,
            alpha=self.alpha,
            legend=self.legend,
            names=self.names,
            density=self.density,
        )
        if self.path is not None:
            save_figure(self.display_.figure_, self.path)
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Return `X` unchanged.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The embedding.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The same values.
        """
        check_is_fitted(self)
        return validate_data(self, X, reset=False)

    def __getstate__(self):
        """Return the state without the plot, for copies and pickles."""
        state = super().__getstate__().copy()
        state.pop("display_", None)
        return state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
