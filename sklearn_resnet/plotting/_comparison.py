"""Several embeddings of the same things, side by side, with scores."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import silhouette_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.utils import Bunch

from sklearn_resnet.plotting._coloring import Scale, as_label, is_missing, is_scale
from sklearn_resnet.plotting._embedding_display import EmbeddingDisplay, check_points
from sklearn_resnet.plotting._island_names import write_names
from sklearn_resnet.plotting._legend import draw_legend

_MAX_COLUMNS = 4
_PANEL_SIZE = (3.4, 3.4)  # in inches
_N_FOLDS = 5
_SAMPLE_SIZE = 10_000  # of the silhouette, which compares all with all


def compare(
    embeddings: dict[str, ArrayLike],
    y: ArrayLike,
    *,
    n_neighbors: int = 10,
    palette: str | list | dict | None = None,
    point_size: float | None = None,
    alpha: float | None = None,
    legend: str | bool = "auto",
    density: bool | None = None,
) -> Bunch:
    """Draw several embeddings of the same things side by side, and score them.

    Above each stand its name and its scores. The first tells how well the nearest points on the map
    predict what a point is; the second, of labels alone, how far islands lie apart.

    Parameters
    ----------
    embeddings : dict of str to array-like of shape (n, n_columns)
        By their names. The first two columns are drawn and scored.
    y : array-like of shape (n,)
        Labels, or numbers on a scale, as in `EmbeddingDisplay.from_embedding`. Points without
        a value (None or NaN), or with a label that no other has, are left out of the scores.
    n_neighbors : int, default=10
        How many nearest points predict. Fewer, if there are not so many.
    palette : str, list or dict, default=None
        As in `EmbeddingDisplay.plot`.
    point_size : float, default=None
        Area of a point in points^2. None goes by how many points there are.
    alpha : float, default=None
        Opacity, from 0 to 1. None goes by how many points there are.
    legend : {"auto", "islands"} or bool, default="auto"
        As in `EmbeddingDisplay.plot`: names stand at islands if they read well in all pictures,
        else in one legend beside them.
    density : bool, default=None
        Whether to draw how dense the points are, as in `EmbeddingDisplay.plot`.

    Returns
    -------
    Bunch
        ``figure`` : matplotlib Figure
        ``axes`` : ndarray of matplotlib Axes, one for each embedding
        ``scores`` : DataFrame with a row for each embedding, NaN where nothing can be scored:
        ``accuracy`` (or ``r2``, of numbers on a scale), the mean of shuffled folds, stratified by
        label; ``n_neighbors`` and ``n_folds``, five or as many as the rarest label has points;
        and the ``silhouette`` [1]_ of labels, of at most 10,000 points.

    Raises
    ------
    ValueError
        If `embeddings` is no dict of tables with a row for each value of `y`.

    See Also
    --------
    EmbeddingDisplay : Draws one.
    LayerSearchDisplay : Shows the score of each depth of a network.

    References
    ----------
    .. [1] P. J. Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of
           cluster analysis", J. Comput. Appl. Math. 20, 1987.

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.manifold import TSNE
    >>> from sklearn_resnet import compare
    >>> from sklearn_resnet.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> X, y = X[:300].reshape(300, -1), y[:300]
    >>> maps = {"PCA": PCA(2).fit_transform(X), "t-SNE": TSNE(random_state=0).fit_transform(X)}
    >>> found = compare(maps, y)
    >>> found.scores["accuracy"].idxmax()
    't-SNE'
    """
    import pandas as pd

    if not isinstance(embeddings, dict) or not embeddings:
        raise ValueError(
            "The 'embeddings' parameter must be a dict of names and arrays of shape (n, 2). Got "
            f"{type(embeddings).__name__ if embeddings else 'nothing'} instead. Pass, for instance, "
            "{'PCA': xy_pca, 'UMAP': xy_umap}."
        )
    if y is None:
        raise ValueError("y must hold a value for each point, to score maps by. Got None instead.")
    displays = [EmbeddingDisplay(*check_points(xy, y)) for xy in embeddings.values()]
    figure, axes = _make_figure(len(embeddings))
    scores = {}
    style: dict[str, Any] = {
        "palette": palette,
        "point_size": point_size,
        "alpha": alpha,
        "density": density,
    }
    for ax, name, display in zip(axes, embeddings, displays, strict=True):
        scores[str(name)] = score_map(display.embedding[:, :2], display.y, n_neighbors)
        title = f"{name}\n{_describe(scores[str(name)])}"
        display.plot(ax, legend=False, title=title, **style)
    _draw_names(figure, displays, legend)
    return Bunch(figure=figure, axes=axes, scores=pd.DataFrame.from_dict(scores, orient="index"))


def score_map(xy, y, n_neighbors=10):
    """Score a map by what its points are.

    Parameters
    ----------
    xy : ndarray of shape (n, 2)
    y : ndarray of shape (n,)
        As `as_array` makes it.
    n_neighbors : int, default=10

    Returns
    -------
    dict of str to float
        See `compare`.
    """
    known = ~is_missing(y)
    xy, y = xy[known], y[known]
    if len(y) and is_scale(y):
        return _score_scale(xy, y.astype(float), n_neighbors)
    y = np.array([as_label(value) for value in y.tolist()], dtype=str)
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    shared = counts[codes] > 1
    xy, codes, counts = xy[shared], codes[shared], counts[counts > 1]
    if len(counts) < 2:
        return {"accuracy": np.nan, "silhouette": np.nan, "n_neighbors": 0, "n_folds": 0}
    n_folds = min(_N_FOLDS, counts.min())
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=0)
    n_neighbors = min(n_neighbors, len(codes) - -(-len(codes) // n_folds))
    accuracy = cross_val_score(KNeighborsClassifier(n_neighbors), xy, codes, cv=folds).mean()
    return {
        "accuracy": accuracy,
        "silhouette": _score_silhouette(xy, codes),
        "n_neighbors": n_neighbors,
        "n_folds": n_folds,
    }


def _score_scale(xy, y, n_neighbors):
    n_folds = min(_N_FOLDS, len(y) // 2)
    if n_folds < 2:
        return {"r2": np.nan, "n_neighbors": 0, "n_folds": 0}
    n_neighbors = min(n_neighbors, len(y) - -(-len(y) // n_folds))
    folds = KFold(n_folds, shuffle=True, random_state=0)
    r2 = cross_val_score(KNeighborsRegressor(n_neighbors), xy, y, cv=folds).mean()
    return {"r2": r2, "n_neighbors": n_neighbors, "n_folds": n_folds}


def _score_silhouette(xy, codes):
    sample = np.random.RandomState(0).permutation(len(xy))[:_SAMPLE_SIZE]
    if not 1 < len(np.unique(codes[sample])) < len(sample):  # it is not defined
        return np.nan
    return silhouette_score(xy[sample], codes[sample])


def _describe(scores):
    """Scores as the line of a title."""
    if not scores["n_folds"]:
        return "too few points to score"
    what = f"{scores['n_neighbors']}-NN"
    if scores["n_folds"] < _N_FOLDS:
        what += f" in {scores['n_folds']} folds"
    if "r2" in scores:
        return f"{what} R² {scores['r2']:.2f}"
    text = f"{what} accuracy {scores['accuracy']:.3f}"
    if np.isfinite(scores["silhouette"]):
        text += f", silhouette {scores['silhouette']:.2f}"
    return text


def _make_figure(n_panels):
    import matplotlib.pyplot as plt

    n_rows = math.ceil(n_panels / _MAX_COLUMNS)
    n_columns = math.ceil(n_panels / n_rows)
    figure, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(n_columns * _PANEL_SIZE[0], n_rows * _PANEL_SIZE[1]),
        layout="constrained",
        squeeze=False,
    )
    for ax in axes.flat[n_panels:]:
        ax.remove()
    return figure, axes.flat[:n_panels]


def _draw_names(figure, displays, legend):
    """Draw one colour bar or legend for all, or names at the islands of each."""
    coloring = displays[0]._coloring
    width, height = figure.get_size_inches()
    if not legend or not (coloring.names or isinstance(coloring, Scale)):
        return
    if isinstance(coloring, Scale):
        figure.set_figwidth(width + 1)
        figure.colorbar(coloring.mappable, ax=[display.ax_ for display in displays])
        return
    if legend is not True:
        figure.draw_without_rendering()
        for display in displays:
            display.names_ = write_names(
                display.ax_, display._points, coloring, always=legend == "islands"
            )
        if all(display.names_ for display in displays):
            return
        for display in displays:
            for text in display.names_:
                text.remove()
            display.names_ = []
    drawn = draw_legend(
        figure,
        coloring,
        height=0.9 * height,
        most_width=math.inf,
        loc="outside right upper",
        borderaxespad=0.5,
    )
    figure.set_figwidth(width + drawn.get_window_extent().width / figure.dpi)
