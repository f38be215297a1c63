"""LayerSearchDisplay: the score of a search against the depth at which the network is cut."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils.validation import check_is_fitted

from sklearn_resnet._network.layers import count_gflop, layer_table, resolve_layers
from sklearn_resnet._network.weights import default_layers, find_weights
from sklearn_resnet._resnet_features import ResNetFeatures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FIGURE_SIZE = (9, 5.5)  # in inches
_LINE = "#0072B2"  # from the colours of Okabe and Ito, which the colour-blind tell apart
_BEST = "#D55E00"
_CHEAPEST = "#009E73"


class LayerSearchDisplay:
    """The score of each depth at which a network was cut, with its spread over folds.

    Make it by `from_search` or `from_estimator`, and draw it again with `plot`.

    Parameters
    ----------
    layers : array-like of shape (n_layers,)
        Indices of the layers at which the network was cut.
    scores : array-like of shape (n_layers, n_folds)
        Scores of each; greater is better.
    architecture : str, default="ResNet50V2"
        The network.
    score_name : str, default="score"
        What stands at the axis.

    Attributes
    ----------
    layers, scores : ndarray
        Sorted by depth.
    best_layer_ : int
        The cut with the best mean score.
    cheapest_layer_ : int
        Of the cuts whose mean score is at most one standard error below the best, the one
        that costs the least. The standard error is that of the best mean, over its folds.
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure that this is part of.

    See Also
    --------
    list_layers : Shows the layers at which a network can be cut.
    sklearn.model_selection.GridSearchCV : Makes the searches that are drawn.

    Notes
    -----
    The cheapest cut within one standard error of the best is the rule of [1]_, with the cost of a
    cut for the size of a tree.

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
        able = np.flatnonzero(means >= means[best] - error)
        self.best_layer_ = int(self.layers[best])
        self.cheapest_layer_ = int(self.layers[min(able, key=costs.__getitem__)])

    @classmethod
    def from_search(cls, search: Any, *, ax: "Axes | None" = None, **kwargs: Any) -> Self:
        """Draw a search.

        Parameters
        ----------
        search : GridSearchCV, RandomizedSearchCV or the like
            Fitted, over the parameter `layers` of a `ResNetFeatures`. Of the other parameters
            that it tried at a depth, those with the best mean score are shown.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Further parameters of `plot`.

        Returns
        -------
        display : LayerSearchDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the search did not try several values of `layers`, each of one layer, or has
            several scores and `refit` does not name one.
        NotFittedError
            If the search is not fitted.
        """
        check_is_fitted(search, "cv_results_")
        path, resnet = _find_searched(search)
        architecture = f"{path.removesuffix('layers')}architecture"
        if f"param_{architecture}" in search.cv_results_:
            raise ValueError(
                "The search must be over the layers of one architecture. Got one that tries "
                f"{architecture!r}, too, instead. Search each architecture by itself."
            )
        results, metric = search.cv_results_, _find_metric(search)
        if search.n_splits_ < 1 or f"split0_test_{metric}" not in results:
            raise ValueError(f"The search must have scores named {metric!r} in cv_results_.")
        splits = [results[f"split{i}_test_{metric}"] for i in range(search.n_splits_)]
        scores, means = np.stack(splits, axis=1), results[f"mean_test_{metric}"]
        best = {}  # by layer, the position of its best candidate
        for i in np.flatnonzero(np.isfinite(means)):
            # a grid of several parts need not name the layers in each
            layers = results["params"][i].get(path, resnet.layers)
            layers = default_layers(resnet.weights) if layers is None else layers
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
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        layers: list[int | str] | None = None,
        cv: Any = None,
        scoring: Any = None,
        n_jobs: int | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Score an estimator at several depths, by one pass through the network, and draw.

        Parameters
        ----------
        estimator : estimator
            One that contains a `ResNetFeatures`: a pipeline, for one. It stays as it is.
        X : array-like
            Images, or whatever the estimator takes.
        y : array-like, default=None
            What it is to predict.
        layers : list of int and str, default=None
            Where to cut the network; None is the ends of all blocks that the weights reach.
        cv : int, cross-validation generator or iterable, default=None
            The folds, as for `sklearn.model_selection.GridSearchCV`.
        scoring : str or callable, default=None
            What is scored, as there; None is what the estimator's ``score`` gives.
        n_jobs : int, default=None
            Number of processes, as there. They share what is computed only if the
            `ResNetFeatures` has a folder for its `cache`.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Further parameters of `plot`.

        Returns
        -------
        display : LayerSearchDisplay
            Drawn.

        Raises
        ------
        ValueError
            If there is not one `ResNetFeatures` in the estimator.
        """
        path = _find_only_resnet(estimator)
        resnet = estimator.get_params()[path] if path else estimator
        if layers is None:
            weights = find_weights(resnet.architecture, resnet.weights, 0)
            table = layer_table(resnet.architecture)[: weights.n_layers]
            layers = [layer.index for layer in table if layer.name.endswith("_out")]
        prefix = f"{path}__" if path else ""
        layers = [layer.index for layer in resolve_layers(resnet.architecture, layers)]
        tapped = clone(estimator).set_params(**{f"{prefix}tap_layers": layers})
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
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        title : str, default=None
            What stands above.

        Returns
        -------
        self : LayerSearchDisplay
            With `ax_` and `figure_`.
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
        what = "cheapest within one standard error"
        self._mark(ax, table, self.cheapest_layer_, what, _CHEAPEST, size=9)
        ax.set_xlim(limits)
        ax.margins(y=0.1)  # for the names of stages
        ax.set_xlabel(f"layer of {self.architecture} at which it is cut")
        ax.set_ylabel(self.score_name)
        ax.grid(axis="y", color="0.9", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.legend(loc="best", fontsize=9, framealpha=0.9)
        self._label_costs(ax, table)
        if title is not None:
            ax.set_title(title)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _mark(self, ax, table, layer, what, color, size):
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
            label=f"{what}: {layer} {table[layer].name}, {score:.3f}",
        )

    def _label_costs(self, ax, table):
        """A second axis, above: the width and the cost of cuts, as many as there is room for."""
        above = ax.secondary_xaxis("top")
        low, high = ax.get_xlim()
        width = ax.get_position().width * ax.figure.get_figwidth() * 72  # in points
        shown, least = [], (high - low) * 14 / width  # a line of text is as high as this is wide
        marked = [self.best_layer_, self.cheapest_layer_]
        for layer in [*marked, *self.layers]:
            if all(abs(layer - other) >= least for other in shown):
                shown.append(int(layer))
        cuts = [table[i] for i in shown]
        labels = [f"{cut.width:,} \N{MIDDLE DOT} {count_gflop(table, cut):.1f}" for cut in cuts]
        above.set_xticks(shown, labels, rotation=90, fontsize=8)
        above.set_xlabel("features \N{MIDDLE DOT} GFLOP for an image of 224 x 224", fontsize=9)


def _mark_stages(ax, table, limits):
    """Shade every other stage, and name them all along the axis."""
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
    """By path, the `ResNetFeatures` that an estimator contains or is."""
    found = estimator.get_params(deep=True)
    paths = {name: value for name, value in found.items() if isinstance(value, ResNetFeatures)}
    return paths | ({"": estimator} if isinstance(estimator, ResNetFeatures) else {})


def _find_only_resnet(estimator):
    paths = list(_find_resnets(estimator))
    if len(paths) != 1:
        raise ValueError(
            f"The estimator must contain one ResNetFeatures. Got {len(paths)} instead"
            f"{': ' + ', '.join(paths) if paths else ''}. LayerSearchDisplay.from_search takes any "
            "search."
        )
    return paths[0]


def _find_searched(search):
    """The parameter `layers` that was searched, and the `ResNetFeatures` that has it."""
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


def _describe_score(search, metric):
    if metric != "score":
        return metric
    return search.scoring if isinstance(search.scoring, str) else "score"
