"""EmbeddingPlot: a scatter plot as a step of a pipeline."""

import os
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_resnet._io.atomic import atomic_write
from sklearn_resnet._sklearn_private import DocumentedParameters, Interval, StrOptions, fit_context
from sklearn_resnet.plotting._embedding_display import EmbeddingDisplay


class EmbeddingPlot(DocumentedParameters, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Draw what passes through a pipeline, when it is fitted.

    Parameters
    ----------
    path : path, default=None
        Where the picture goes; its ending chooses the format (.png, .pdf, .svg). None
        draws without saving: a notebook shows the figure.
    title : str, default=None
        What stands above.
    palette : str, list or dict, default=None
        As in `EmbeddingDisplay.plot`.
    point_size : float, default=None
        Area of a point in points^2. None goes by how many points there are.
    alpha : float, default=None
        Opacity, from 0 to 1. None goes by how many points there are.
    legend : {"auto", "islands"} or bool, default="auto"
        Where names of labels stand: as in `EmbeddingDisplay.plot`.
    density : bool, default=None
        Whether to draw how dense the points are rather than each of them. None does so beyond
        50,000 points.

    Attributes
    ----------
    display_ : EmbeddingDisplay
        What was drawn. It is left out of copies and pickles.
    n_features_in_ : int
        Number of columns that `fit` saw.
    feature_names_in_ : ndarray of str
        Their names. Only if `fit` saw a dataframe with names.

    See Also
    --------
    EmbeddingDisplay : The same as a function of an embedding.

    Notes
    -----
    A pipeline hands `y` to all its steps. UMAP [1]_ makes use of it, and draws labels apart that
    the images alone do not tell apart; to draw what they do, give UMAP no `y`:
    `EmbeddingDisplay.from_estimator` sees to it.

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
        "legend": [StrOptions({"auto", "islands"}), "boolean"],
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
        density: bool | None = None,
    ) -> None:
        self.path = path
        self.title = title
        self.palette = palette
        self.point_size = point_size
        self.alpha = alpha
        self.legend = legend
        self.density = density

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Draw, and save the picture if there is a path.

        Parameters
        ----------
        X : array-like of shape (n, n_columns)
            The first two columns are drawn.
        y : array-like of shape (n,), default=None
            What points are coloured by, as in `EmbeddingDisplay.from_embedding`.

        Returns
        -------
        self : EmbeddingPlot
            With `display_`.

        Raises
        ------
        OSError
            If the picture cannot be written.
        """
        import matplotlib.pyplot as plt

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
            density=self.density,
        )
        if self.path is not None:
            try:
                with atomic_write(self.path) as path:
                    is_vector = path.suffix in (".pdf", ".svg", ".eps")
                    # of a vector file, for the dots that are pixels in it: as printers have it
                    self.display_.figure_.savefig(path, dpi=300 if is_vector else 150)
            finally:
                plt.close(self.display_.figure_)
        return self

    def transform(self, X: ArrayLike) -> Any:
        """Pass `X` through.

        Parameters
        ----------
        X : array-like of shape (n, n_columns)
            Finite numbers, in as many columns as `fit` saw.

        Returns
        -------
        X : ndarray of shape (n, n_columns)
            As it came.
        """
        check_is_fitted(self)
        return validate_data(self, X, reset=False)

    def __getstate__(self):
        """Leave the figure out of pickles."""
        state = super().__getstate__().copy()
        state.pop("display_", None)
        return state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
