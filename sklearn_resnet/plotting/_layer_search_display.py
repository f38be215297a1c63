"""LayerSearchDisplay: the scores of a search over the layers of a network."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from sklearn_resnet._io.csv_text import escape_text
from sklearn_resnet._network.layers import count_gflop, layer_table, resolve_layers
from sklearn_resnet._network.weights import (
    check_layers_covered,
    choose_weights,
    default_layers,
    find_weights,
)
from sklearn_resnet._resnet_features import ResNetFeatures
from sklearn_resnet.plotting._palette import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from sklearn.model_selection import BaseCrossValidator, GridSearchCV, RandomizedSearchCV

_FIGURE_SIZE = (9, 5.5)  # in inches
_LINE, _BEST, _CHEAPEST = PALETTE[:3]


class LayerSearchDisplay:
    """Scores of a search over the layers of a network, with their spread over folds.

    It is recommended to use `from_search` or `from_estimator` to create a
    `LayerSearchDisplay`. All parameters are stored as attributes; call `plot` to draw it
    again.

    Parameters
    ----------
    layers : array-like of shape (n_layers,)
        Indices of the layers whose output was used as features.
    scores : array-like of shape (n_layers, n_folds)
        Scores of each layer; greater is better.
    architecture : str, default="ResNet50V2"
        Architecture of the network.
    score_name : str, default="score"
        Name of the score, used as the label of the y-axis.

    Attributes
    ----------
    layers, scores : ndarray
        The layers and their scores, sorted by depth.
    best_layer_ : int
        Layer with the best mean score.
    cheapest_layer_ : int
        Cheapest layer to compute among those whose mean score is within one standard error of the
        best.
    ax_ : matplotlib Axes
        Axes with the scores.
    figure_ : matplotlib Figure
        Figure containing the scores.

    See Also
    --------
    list_layers : Lists the layers of a network.
    sklearn.model_selection.GridSearchCV : Searches over the layers.

    Notes
    -----
    `cheapest_layer_` follows the one-standard-error rule of [1]_, with the computation for an image
    in place of the size of a tree. The standard error is that of the best mean, over its folds.

    References
    ----------
    .. [1] L. Breiman, J. H. Friedman, R. A. Olshen and C. J. Stone, "Classification and
           Regression Trees", Wadsworth 1984.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_resnet import LayerSearchDisplay, ResNetFeatures
    >>> from sklearn_resnet.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> resnet = ResNetFeatures(weights=None, random_state=0, tap_layers=[4, 16])
    >>> pipe = make_pipeline(resnet, LogisticRegression(max_iter=1000))
    >>> search = GridSearchCV(pipe, {"resnetfeatures__layers": [4, 16]}, cv=2)
    >>> display = LayerSearchDisplay.from_search(search.fit(X[:100], y[:100]))
    >>> display.layers.tolist()
    [4, 16]
    """

    def __init__(
        self,
        layers: ArrayLike,
        scores: ArrayLike,
        *,
        architecture: str = "ResNet50V2",
        score_name: str = "score",
    ) -> None:
        order = np.argsort(layers)
        self.layers = np.asarray(layers)[order]
        self.scores = np.asarray(scores, dtype=float)[order]
        self.architecture = architecture
        self.score_name = score_name
        means, n_folds = self.scores.mean(axis=1), self.scores.shape[1]
        best = means.argmax()
        error = self.scores[best].std(ddof=1) / np.sqrt(n_folds) if n_folds > 1 else 0.0
        table = layer_table(architecture)
        costs = [count_gflop(table, table[layer]) for layer in self.layers]
        candidates = np.flatnonzero(means >= means[best] - error)
        self.best_layer_ = int(self.layers[best])
        self.cheapest_layer_ = int(self.layers[min(candidates, key=costs.__getitem__)])

    @classmethod
    def from_search(
        cls,
        search: "GridSearchCV | RandomizedSearchCV",
        *,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Create the plot from a fitted search.

        Parameters
        ----------
        search : GridSearchCV, RandomizedSearchCV or similar
            Fitted search over the parameter `layers` of a `ResNetFeatures`. If it also searched
            other parameters, the best candidate of each layer is shown.
        ax : matplotlib Axes, default=None
            Axes object to plot on. If `None`, a new figure and axes are created.
        **kwargs : dict
            Additional keyword arguments passed to `plot`.

        Returns
        -------
        display : LayerSearchDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the search is not over `layers` with a single layer in each candidate, is over
            several architectures, or has several scores and `refit` does not name one.
        NotFittedError
            If the search is not fitted.
        """
        check_is_fitted(search, "cv_results_")
        path, resnet = _find_searched(search)
        architecture = f"{path.removesuffix('layers')}architecture"
        if f"param_{architecture}" in search.cv_results_:
            raise ValueError(
                "The search must be over the layers of one architecture. Got a search that includes "
                f"{architecture!r} instead. Search each architecture separately."
            )
        metric = _find_metric(search)
        scores = _read_scores(search, metric)
        default = _find_default_layers(search, path, resnet)
        best = _find_best_candidates(search.cv_results_, metric, path, resnet, default)
        display = cls(
            list(best),
            scores[list(best.values())],
            architecture=resnet.architecture,
            score_name=_describe_score(search, metric),
        )
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike | Sequence[str | os.PathLike],
        y: ArrayLike | None = None,
        *,
        layers: list[int | str] | None = None,
        cv: "int | BaseCrossValidator | Iterable | None" = None,
        scoring: str | Callable | None = None,
        n_jobs: int | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Create the plot by cross-validating an estimator at several layers.

        The network runs once; the features of all layers are computed in the same pass.

        Parameters
        ----------
        estimator : estimator instance
            Estimator that contains a `ResNetFeatures`, such as a pipeline. It is cloned.
        X : array-like
            Input of the estimator, such as images or their paths.
        y : array-like of shape (n_samples,), default=None
            Target relative to `X`.
        layers : list of int and str, default=None
            Layers to compare. By default, the last layer of each block that the weights cover.
        cv : int, cross-validation generator or iterable, default=None
            Cross-validation splitting strategy. See `sklearn.model_selection.GridSearchCV`.
        scoring : str or callable, default=None
            Score. By default, that of the estimator's ``score`` method. See
            `sklearn.model_selection.GridSearchCV`.
        n_jobs : int, default=None
            Number of jobs to run in parallel. Jobs in separate processes share features only if the
            `cache` of the `ResNetFeatures` is a folder.
        ax : matplotlib Axes, default=None
            Axes object to plot on. If `None`, a new figure and axes are created.
        **kwargs : dict
            Additional keyword arguments passed to `plot`.

        Returns
        -------
        display : LayerSearchDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the estimator does not contain exactly one `ResNetFeatures`, or its weights do not
            cover `layers`.
        ConnectionError
            If ImageNet's weights are needed, not in Keras' cache, and cannot be downloaded.
        """
        from sklearn.model_selection import GridSearchCV  # slow to import

        path = _find_only_resnet(estimator)
        resnet = estimator.get_params()[path] if path else estimator
        named = [] if layers is None else resolve_layers(resnet.architecture, layers)
        weights = choose_weights(resnet.architecture, resnet.weights, named)
        # errors of the weights are raised here, rather than from within the search
        found = find_weights(resnet.architecture, weights, 0)
        check_layers_covered(found, named)
        if layers is None:
            table = layer_table(resnet.architecture)[: found.n_layers]
            named = [layer for layer in table if layer.name.endswith("_out")]
        prefix = f"{path}__" if path else ""
        layers = [layer.index for layer in named]
        tapped = clone(estimator)
        tapped.set_params(**{f"{prefix}tap_layers": layers, f"{prefix}weights": weights})
        search = GridSearchCV(
            tapped,
            {f"{prefix}layers": layers},
            cv=cv,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=False,
            error_score="raise",
        )
        return cls.from_search(search.fit(X, y), ax=ax, **kwargs)

    def plot(self, ax: "Axes | None" = None, *, title: str | None = None) -> Self:
        """Draw the scores.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes object to plot on. If `None`, a new figure and axes are created.
        title : str, default=None
            Title of the plot.

        Returns
        -------
        display : LayerSearchDisplay
            The display, with `ax_` and `figure_` set.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=_FIGURE_SIZE, layout="constrained")
        table = layer_table(self.architecture)
        means, spreads = self.scores.mean(axis=1), self.scores.std(axis=1)
        span = max(1, self.layers[-1] - self.layers[0])
        limits = self.layers[0] - 0.05 * span, self.layers[-1] + 0.05 * span
        _mark_stages(ax, table, limits)
        ax.errorbar(
            self.layers,
            means,
            yerr=spreads,
            color=_LINE,
            marker="o",
            markersize=4,
            linewidth=1.5,
            elinewidth=1,
            capsize=3,
            label=f"mean and standard deviation over {self.scores.shape[1]} folds",
        )
        self._mark(ax, table, self.best_layer_, "best", _BEST, size=14)
        label = "cheapest within one standard error"
        self._mark(ax, table, self.cheapest_layer_, label, _CHEAPEST, size=9)
        ax.set_xlim(limits)
        ax.margins(y=0.1)  # for the stage names
        ax.set_xlabel(f"layer of {self.architecture}")
        ax.set_ylabel(self.score_name)
        ax.grid(axis="y", color="0.9", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.legend(loc="best", fontsize=9, framealpha=0.9)
        self._label_costs(ax, table)
        if title is not None:
            ax.set_title(escape_text(title))
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _mark(self, ax, table, layer, label, color, size):
        score = self.scores.mean(axis=1)[list(self.layers).index(layer)]
        ax.plot(
            layer,
            score,
            linestyle="none",
            marker="o",
            markersize=size,
            markerfacecolor="none",
            markeredgewidth=2,
            color=color,
            label=f"{label}: {layer} {table[layer].name}, {score:.3f}",
        )

    def _label_costs(self, ax, table):
        """Label a second axis with the number of features and the cost of layers, where they fit."""
        above = ax.secondary_xaxis("top")
        low, high = ax.get_xlim()
        width = ax.get_position().width * ax.figure.get_figwidth() * 72  # in points
        shown, min_distance = [], (high - low) * 14 / width  # the height of a line of text
        marked = [self.best_layer_, self.cheapest_layer_]
        for layer in [*marked, *self.layers]:
            if all(abs(layer - other) >= min_distance for other in shown):
                shown.append(int(layer))
        labels = [
            f"{table[i].width:,} \N{MIDDLE DOT} {count_gflop(table, table[i]):.1f}" for i in shown
        ]
        above.set_xticks(shown, labels, rotation=90, fontsize=8)
        above.set_xlabel("features \N{MIDDLE DOT} GFLOP for an image of 224 x 224", fontsize=9)


def _mark_stages(ax, table, limits):
    """Shade every second stage, and write their names at the top."""
    stages = {}
    for layer in table:
        if layer.stage.startswith("conv"):
            stages.setdefault(layer.stage, []).append(layer.index)
    for i, (stage, indices) in enumerate(stages.items()):
        start, stop = indices[0] - 0.5, indices[-1] + 0.5
        if i % 2:
            ax.axvspan(start, stop, color="0.95", linewidth=0)
        start, stop = max(start, limits[0]), min(stop, limits[1])
        if stop - start > 0.05 * (limits[1] - limits[0]):
            ax.text(
                (start + stop) / 2,
                0.985,
                stage,
                transform=ax.get_xaxis_transform(),
                ha="center",
                va="top",
                fontsize=9,
                color="0.4",
            )


def _find_resnets(estimator):
    """The `ResNetFeatures` in an estimator, or the estimator itself, by parameter name."""
    found = estimator.get_params(deep=True)
    paths = {name: value for name, value in found.items() if isinstance(value, ResNetFeatures)}
    return paths | ({"": estimator} if isinstance(estimator, ResNetFeatures) else {})


def _find_only_resnet(estimator):
    paths = list(_find_resnets(estimator))
    if len(paths) != 1:
        raise ValueError(
            f"The estimator must contain one ResNetFeatures. Got {len(paths)} instead"
            f"{': ' + ', '.join(paths) if paths else ''}. LayerSearchDisplay.from_search accepts "
            "any search over layers."
        )
    return paths[0]


def _find_searched(search):
    """The name of the parameter `layers` that was searched, and its `ResNetFeatures`."""
    resnets = _find_resnets(search.estimator)
    parameters = {f"{path}__layers" if path else "layers": path for path in resnets}
    searched = [name for name in parameters if f"param_{name}" in search.cv_results_]
    if len(searched) != 1:
        example = next(iter(parameters), "resnetfeatures__layers")
        raise ValueError(
            "The search must be over the parameter 'layers' of one ResNetFeatures, as in "
            f"{{{example!r}: [51, 82]}}. Got a search over {len(searched)} of them instead."
        )
    return searched[0], resnets[parameters[searched[0]]]


def _find_metric(search):
    if "mean_test_score" in search.cv_results_:
        return "score"
    if not isinstance(search.refit, str):
        raise ValueError(
            "A search with several scores must name one of them in 'refit'. Got "
            f"refit={search.refit!r} instead."
        )
    return search.refit


def _read_scores(search, metric):
    """The scores of all candidates, of shape (n_candidates, n_folds)."""
    results, n_folds = search.cv_results_, search.n_splits_
    if n_folds < 1 or f"split0_test_{metric}" not in results:
        raise ValueError(f"The search must have scores named {metric!r} in cv_results_.")
    return np.stack([results[f"split{i}_test_{metric}"] for i in range(n_folds)], axis=1)


def _find_default_layers(search, path, resnet):
    """The layers of candidates with ``layers=None``, by the weights that the search took."""
    if not any(params.get(path, resnet.layers) is None for params in search.cv_results_["params"]):
        return None
    if hasattr(search, "best_estimator_"):
        weights = _find_resnets(search.best_estimator_)[
            path.removesuffix("layers").removesuffix("__")
        ].weights_
    else:
        weights = choose_weights(resnet.architecture, resnet.weights)
    return default_layers(weights)


def _find_best_candidates(results, metric, path, resnet, default):
    """The index of the best candidate of each layer."""
    means = results[f"mean_test_{metric}"]
    best = {}
    for i in np.flatnonzero(np.isfinite(means)):
        # in a list of grids, some may not name the layers
        layers = results["params"][i].get(path, resnet.layers)
        layers = default if layers is None else layers
        resolved = resolve_layers(resnet.architecture, layers)
        if len(resolved) > 1:
            raise ValueError(
                "LayerSearchDisplay shows searches over single layers. Got the several layers "
                f"{[layer.index for layer in resolved]} in one candidate instead."
            )
        layer = resolved[0].index
        if layer not in best or means[i] > means[best[layer]]:
            best[layer] = i
    if not best:
        raise ValueError("The search must have scores. All of its fits failed instead.")
    return best


def _describe_score(search, metric):
    if metric != "score":
        return metric
    return search.scoring if isinstance(search.scoring, str) else "score"
