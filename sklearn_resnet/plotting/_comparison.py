"""compare_embeddings: several embeddings of the same samples, side by side, with scores."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import Bunch

from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet.plotting._coloring import Scale, as_label, is_missing, is_scale
from sklearn_resnet.plotting._embedding_display import (
    EmbeddingDisplay,
    Images,
    check_images,
    check_points,
    import_explorer,
)
from sklearn_resnet.plotting._labels_on_data import draw_labels_on_data
from sklearn_resnet.plotting._legend import draw_legend
from sklearn_resnet.plotting._map_quality import check_features, score_map
from sklearn_resnet.plotting._saving import ShownAsPicture, draw_png

if TYPE_CHECKING:
    from pandas import DataFrame

    from sklearn_resnet.plotting.explorer.widget import EmbeddingExplorer

_MAX_COLUMNS = 4
_PANEL_SIZE = (3.4, 3.4)  # in inches
_N_FOLDS = 5
_SAMPLE_SIZE = 10_000  # for the silhouette, whose cost is quadratic


class EmbeddingComparison(ShownAsPicture, Bunch):
    """The result of `compare_embeddings`, which documents its attributes."""

    def explore(
        self,
        *,
        images: Images | None = None,
        labels: "ArrayLike | Mapping[str, ArrayLike] | DataFrame | None" = None,
        paths: Sequence[str | os.PathLike] | None = None,
        features: ArrayLike | Mapping[str, ArrayLike] | None = None,
        title: str | None = None,
        tags: ArrayLike | None = None,
        names: Mapping[str, str] | None = None,
    ) -> "EmbeddingExplorer":
        """Show the maps side by side in a widget, with one selection.

        What is selected, pinned, hidden or tagged on one map is so on all of them.

        Parameters
        ----------
        images, labels, paths, title, tags, names
            As for `EmbeddingDisplay.explore`. By default, the labels are `y`. The keys of names are
            such as "PCA: cluster 2".
        features : array-like of shape (n_samples, n_features) or dict of such, default=None
            Features of all maps, or of each map by its name. A pinned image has its neighbours by
            each of them. By default, those given to `compare_embeddings`.

        Returns
        -------
        widget : EmbeddingExplorer

        Raises
        ------
        ImportError
            If anywidget is not installed.
        ValueError
            If there are more than three maps, or a parameter does not have one value for each point.
        """
        from sklearn_resnet.plotting.explorer.content import make_content

        explorer = import_explorer()
        content = make_content(
            self.embeddings,
            labels=self.y if labels is None else labels,
            paths=paths,
            images=None if images is None else check_images(images, len(self.y)),
            features=self.features if features is None else features,
            tags=tags,
            names=names,
        )
        title = "Comparison of embeddings" if title is None else title
        return explorer(content, title, lambda: draw_png(self.figure))


def compare_embeddings(
    embeddings: dict[str, ArrayLike],
    y: ArrayLike,
    *,
    features: ArrayLike | Mapping[str, ArrayLike] | None = None,
    n_neighbors: int = 10,
    palette: str | list | dict | None = None,
    point_size: float | None = None,
    alpha: float | None = None,
    legend: str | bool = "auto",
    density: bool | None = None,
) -> EmbeddingComparison:
    """Draw several embeddings of the same samples side by side, and score them.

    The title of each plot shows the name of the embedding and its scores: the accuracy of a
    nearest-neighbour classifier on the map (R² of a regressor for numbers on a scale), and the
    silhouette coefficient of the labels, which measures how well they are separated. With
    `features`, it also shows how many of the neighbours by features are neighbours on the map.

    Parameters
    ----------
    embeddings : dict of str to array-like of shape (n_samples, n_columns)
        The embeddings by name. Their first two columns are drawn and scored, with a warning if there
        are more.
    y : array-like of shape (n_samples,)
        Labels, or numbers on a scale, as in `EmbeddingDisplay.from_embedding`. The scores leave out
        samples without a value (None, NaN or "") and labels with a single sample.
    features : array-like of shape (n_samples, n_features) or dict of such, default=None
        The features from which the embeddings were computed, to score how well these keep their
        neighbourhoods. A dict has the names of the embeddings, and holds the features of each, for
        example of several layers.
    n_neighbors : int, default=10
        Number of neighbours of all scores, reduced if there are fewer samples.
    palette : str, list or dict, default=None
        Colours of the labels, or colour map of a scale. See `EmbeddingDisplay.plot`.
    point_size : float, default=None
        Area of a point in points^2. By default it depends on the number of points.
    alpha : float, default=None
        Opacity of a point, from 0 to 1. By default it depends on the number of points.
    legend : {"auto", "on data"} or bool, default="auto"
        Where to write the labels. See `EmbeddingDisplay.plot`. With `"auto"`, they are written on
        the data if they are readable in all plots, otherwise in one legend beside them.
    density : bool, default=None
        Whether to draw the density of the points instead of each point. See
        `EmbeddingDisplay.plot`.

    Returns
    -------
    result : EmbeddingComparison
        Dictionary-like object, with the following attributes, and a method ``explore`` that shows up
        to three maps side by side in a widget of a notebook, with one selection.

        figure : matplotlib Figure
            Figure containing the plots.
        axes : ndarray of matplotlib Axes
            Axes of each embedding.
        scores : DataFrame
            One row for each embedding, with NaN where no score is defined: ``accuracy`` (or ``r2``
            for numbers on a scale), the mean over shuffled folds, stratified by label;
            ``n_neighbors``; ``n_folds``, at most 5 and at most the number of samples of the rarest
            label; and the ``silhouette`` [1]_ of the labels, computed on at most 10,000 samples.
            With `features`, also ``trustworthiness`` [2]_ and ``neighborhood_preservation``, Q_NX
            of [3]_, on at most 2,000 samples whose neighbours are sought among all. The second is
            the share of the nearest neighbours by features that are among as many nearest
            neighbours on the map; 1 is best. The first is 1 if all neighbours on the map are
            neighbours by features, and falls with the rank of those that are not; a random map has
            0.5.
        embeddings : dict of str to ndarray of shape (n_samples, 2)
            The points of each map.
        y : ndarray of shape (n_samples,)
            The labels.
        features : ndarray of shape (n_samples, n_features), dict of such, or None
            The features, as they were given.

    Raises
    ------
    ValueError
        If `embeddings` is not a dict of tables with one row for each value of `y`, `features` is
        not a table with as many rows, or has other names.

    See Also
    --------
    EmbeddingDisplay : Draws one embedding.
    LayerSearchDisplay : Shows the score at each depth of a network.

    References
    ----------
    .. [1] P. J. Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of
           cluster analysis", J. Comput. Appl. Math. 20, 1987.
    .. [2] J. Venna and S. Kaski, "Neighborhood preservation in nonlinear projection methods: an
           experimental study", ICANN, 2001.
    .. [3] J. A. Lee and M. Verleysen, "Quality assessment of dimensionality reduction: rank-based
           criteria", Neurocomputing 72, 2009.

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.manifold import TSNE
    >>> from sklearn_resnet import compare_embeddings
    >>> from sklearn_resnet.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> X, y = X[:300].reshape(300, -1), y[:300]
    >>> maps = {"PCA": PCA(2).fit_transform(X), "t-SNE": TSNE(random_state=0).fit_transform(X)}
    >>> result = compare_embeddings(maps, y)
    >>> result.scores["accuracy"].idxmax()
    't-SNE'
    """
    import pandas as pd

    displays = _make_displays(embeddings, y)
    maps = {str(name): each._points for name, each in zip(embeddings, displays, strict=True)}
    tables = check_features(features, maps)
    figure, axes = _make_figure(len(embeddings))
    scores = {}
    for ax, name, display in zip(axes, embeddings, displays, strict=True):
        scores[str(name)] = score_labels(display.embedding[:, :2], display.y, n_neighbors)
        if features is not None:
            scores[str(name)] |= _score_neighbors(tables[str(name)], maps[str(name)], n_neighbors)
        display.plot(
            ax,
            title=f"{name}\n{_describe(scores[str(name)])}",
            palette=palette,
            point_size=point_size,
            alpha=alpha,
            legend=False,
            density=density,
        )
    _draw_shared_legend(figure, displays, legend)
    return EmbeddingComparison(
        figure=figure,
        axes=axes,
        scores=pd.DataFrame.from_dict(scores, orient="index"),
        embeddings=maps,
        y=displays[0].y,
        features=tables if isinstance(features, Mapping) else next(iter(tables.values())),
    )


def _make_displays(embeddings, y):
    if not isinstance(embeddings, dict) or not embeddings:
        raise ParameterError(
            "embeddings",
            "must be a dict of names and arrays of shape (n, 2)",
            type(embeddings).__name__ if embeddings else "nothing",
            "Pass, for instance, {'PCA': xy_pca, 'UMAP': xy_umap}.",
        )
    if y is None:
        raise ValueError("y must hold a value for each point, to score the maps. Got None instead.")
    return [EmbeddingDisplay(*check_points(xy, y)) for xy in embeddings.values()]


def _score_neighbors(features, xy, n_neighbors):
    quality = score_map(features, xy, n_neighbors)
    return {
        "trustworthiness": quality.trustworthiness,
        "neighborhood_preservation": quality.neighborhood_preservation,
    }


def score_labels(xy, y, n_neighbors=10):
    """Score how well a map predicts and separates the labels.

    Parameters
    ----------
    xy : ndarray of shape (n, 2)
    y : ndarray of shape (n,)
        As `as_array` returns it.
    n_neighbors : int, default=10

    Returns
    -------
    dict of str to float
        See `compare_embeddings`.
    """
    # slow to import
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    known = ~is_missing(y)
    xy, y = xy[known], y[known]
    if len(y) and is_scale(y):
        return _score_scale(xy, y.astype(float), n_neighbors)
    y = np.array([as_label(value) for value in y.tolist()], dtype=str)
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    is_shared = counts[codes] > 1
    xy, codes, counts = xy[is_shared], codes[is_shared], counts[counts > 1]
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
    from sklearn.model_selection import KFold, cross_val_score
    from sklearn.neighbors import KNeighborsRegressor

    n_folds = min(_N_FOLDS, len(y) // 2)
    if n_folds < 2:
        return {"r2": np.nan, "n_neighbors": 0, "n_folds": 0}
    n_neighbors = min(n_neighbors, len(y) - -(-len(y) // n_folds))
    folds = KFold(n_folds, shuffle=True, random_state=0)
    r2 = cross_val_score(KNeighborsRegressor(n_neighbors), xy, y, cv=folds).mean()
    return {"r2": r2, "n_neighbors": n_neighbors, "n_folds": n_folds}


def _score_silhouette(xy, codes):
    from sklearn.metrics import silhouette_score

    sample = np.random.RandomState(0).permutation(len(xy))[:_SAMPLE_SIZE]
    if not 1 < len(np.unique(codes[sample])) < len(sample):  # undefined
        return np.nan
    return silhouette_score(xy[sample], codes[sample])


def _describe(scores):
    """Format scores as lines of the title."""
    lines = [_describe_labels(scores)]
    share = scores.get("neighborhood_preservation", np.nan)
    if np.isfinite(share):
        trust = scores["trustworthiness"]
        lines.append(f"keeps {share:.0%} of neighbours, trustworthiness {trust:.2f}")
    return "\n".join(lines)


def _describe_labels(scores):
    if not scores["n_folds"]:
        return "too few points to score"
    model = f"{scores['n_neighbors']}-NN"
    if scores["n_folds"] < _N_FOLDS:
        model += f" in {scores['n_folds']} folds"
    if "r2" in scores:
        return f"{model} R² {scores['r2']:.2f}"
    text = f"{model} accuracy {scores['accuracy']:.3f}"
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


def _draw_shared_legend(figure, displays, legend):
    """Draw one colour bar or legend for all maps, or write the labels on the data of each."""
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
            display.names_ = draw_labels_on_data(
                display.ax_, display._points, coloring, always=legend == "on data"
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
        max_width=math.inf,
        loc="outside right upper",
        borderaxespad=0.5,
    )
    figure.set_figwidth(width + drawn.get_window_extent().width / figure.dpi)
