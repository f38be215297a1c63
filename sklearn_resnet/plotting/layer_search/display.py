"""LayerSearchDisplay: the scores of a search over the layers of a network and the image size."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone

from sklearn_resnet._images.validation import check_size
from sklearn_resnet._network.layers import count_gflop, layer_table, resolve_layers
from sklearn_resnet._network.weights import check_layers_covered, choose_weights, find_weights
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet.plotting._saving import ShownAsPicture
from sklearn_resnet.plotting.layer_search.drawing import KINDS, draw
from sklearn_resnet.plotting.layer_search.reading import read_search
from sklearn_resnet.plotting.layer_search.running import cross_validate
from sklearn_resnet.plotting.layer_search.scores import (
    compare_with_best,
    find_cheapest,
    find_pareto_front,
)
from sklearn_resnet.plotting.layer_search.steps import find_only_resnet, join

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from sklearn.model_selection import BaseCrossValidator, GridSearchCV, RandomizedSearchCV


class LayerSearchDisplay(ShownAsPicture):
    """Scores of a search over the layers of a network and the image size, with their costs.

    It is recommended to use `from_search` or `from_estimator` to create a
    `LayerSearchDisplay`. All parameters are stored as attributes; call `plot` to draw it
    again.

    Parameters
    ----------
    layers : array-like of shape (n_candidates,)
        Index of the layer whose output was used as features, for each candidate.
    scores : array-like of shape (n_candidates, n_folds)
        Scores of each candidate; greater is better. Candidates with a score that is not finite are
        left out.
    image_sizes : list of int, tuple of 2 int, or None, default=None
        Size at which images entered the network, for each candidate: the side of a square, or
        (height, width). None is a size that is not known.
    architecture : str, default="ResNet50V2"
        Architecture of the network.
    score_name : str, default="score"
        Name of the score, used as the label of its axis.
    test_size : float, default=None
        Fraction of the samples in a test fold, for the confidence intervals. None means that
        the test folds share no samples: 0.2 for 5 folds. NaN means unknown.
    nested_scores : array-like of shape (n_outer_folds,), default=None
        Scores of the whole search on samples that the choice of a candidate has not seen.
    nested_candidates : list of (int, int or tuple), default=None
        Layer and image size that the search chose in each outer fold.

    Attributes
    ----------
    layers, scores : ndarray
        The layers and their scores, sorted by depth and then by image size.
    image_sizes : list
        The image sizes, in the same order.
    best_layer_ : int
        Layer of the candidate with the best mean score.
    best_image_size_ : int, tuple of 2 int, or None
        Image size of the candidate with the best mean score.
    cheapest_layer_ : int
        Layer of the candidate that is the cheapest to compute among those whose mean score is
        within one standard error of the best.
    cheapest_image_size_ : int, tuple of 2 int, or None
        Image size of that candidate.
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
    The cheapest candidate follows the one-standard-error rule of [1]_, with the computation for an
    image in place of the size of a tree. The standard error is that of the best mean, over its
    folds.

    The confidence intervals of `to_frame` are those of the corrected resampled t-test [2]_. They
    are not adjusted for the number of candidates. The best of many scores is biased upwards;
    ``from_estimator(nested=True)`` estimates the score of the search without this bias [3]_.

    References
    ----------
    .. [1] L. Breiman, J. H. Friedman, R. A. Olshen and C. J. Stone, "Classification and
           Regression Trees", Wadsworth 1984.
    .. [2] C. Nadeau and Y. Bengio, "Inference for the Generalization Error", Machine Learning
           52, 2003.
    .. [3] G. C. Cawley and N. L. C. Talbot, "On Over-fitting in Model Selection and Subsequent
           Selection Bias in Performance Evaluation", JMLR 11, 2010.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_resnet import LayerSearchDisplay, ResNetFeatures
    >>> from sklearn_resnet.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> resnet = ResNetFeatures(weights=None, random_state=0)
    >>> pipe = make_pipeline(resnet, LogisticRegression(max_iter=1000))
    >>> display = LayerSearchDisplay.from_estimator(
    ...     pipe, X[:100], y[:100], layers=[4, 16], image_sizes=[8, 16], cv=2
    ... )
    >>> display.to_frame()[["layer", "image_size"]].to_numpy().tolist()
    [[4, 8], [4, 16], [16, 8], [16, 16]]
    """

    def __init__(
        self,
        layers: ArrayLike,
        scores: ArrayLike,
        *,
        image_sizes: Sequence[int | tuple[int, int] | None] | None = None,
        architecture: str = "ResNet50V2",
        score_name: str = "score",
        test_size: float | None = None,
        nested_scores: ArrayLike | None = None,
        nested_candidates: Sequence[tuple] | None = None,
    ) -> None:
        layers, scores = np.asarray(layers), np.asarray(scores, dtype=float)
        sizes = [None] * len(layers) if image_sizes is None else list(image_sizes)
        pairs = [check_size("image_sizes", size) for size in sizes]
        if not len(layers) == len(scores) == len(sizes):
            raise ParameterError(
                "scores",
                "must have a row for each of `layers` and `image_sizes`",
                f"{len(layers)} layers, {len(scores)} rows and {len(sizes)} image sizes",
            )
        finite = np.flatnonzero(np.isfinite(scores).all(axis=1))
        if not len(finite):
            raise ParameterError("scores", "must be finite for one candidate at least", got=None)
        order = sorted(finite, key=lambda i: (layers[i], pairs[i] or (0, 0)))
        self.layers, self.scores = layers[order], scores[order]
        self.image_sizes = [_simplify(pairs[i]) for i in order]
        self.architecture = architecture
        self.score_name = score_name
        self.test_size = test_size
        self.nested_scores = nested_scores
        self.nested_candidates = nested_candidates
        self._costs = _count_costs(architecture, self.layers, [pairs[i] for i in order])
        self._best = int(self.scores.mean(axis=1).argmax())
        self._cheapest = find_cheapest(self.scores, self._costs)
        self.best_layer_ = int(self.layers[self._best])
        self.best_image_size_ = self.image_sizes[self._best]
        self.cheapest_layer_ = int(self.layers[self._cheapest])
        self.cheapest_image_size_ = self.image_sizes[self._cheapest]

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
            Fitted search over the parameter `layers` of a `ResNetFeatures`, and optionally over its
            `image_size` or the `size` of an `ImageLoader`. If it also searched other parameters,
            the best candidate of each layer and image size is shown. Of a successive halving, only
            the candidates of the last iteration are shown.
        ax : matplotlib Axes, default=None
            Axes object to plot on. If `None`, a new figure and axes are created.
        **kwargs : dict
            Additional keyword arguments passed to `plot`.

        Returns
        -------
        display : LayerSearchDisplay
            The display, drawn. Its `test_size` is NaN if the splitter does not tell it, such as a
            `ShuffleSplit` without `test_size`.

        Raises
        ------
        ValueError
            If the search is not over `layers` with a single layer in each candidate, is over
            several architectures, or has several scores and `refit` does not name one.
        NotFittedError
            If the search is not fitted.
        """
        return cls(**vars(read_search(search))).plot(ax=ax, **kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike | Sequence[str | os.PathLike],
        y: ArrayLike | None = None,
        *,
        layers: list[int | str] | None = None,
        image_sizes: list[int | tuple[int, int]] | None = None,
        groups: ArrayLike | None = None,
        cv: "int | BaseCrossValidator | Iterable | None" = None,
        scoring: str | Callable | None = None,
        nested: "bool | int | BaseCrossValidator" = False,
        n_jobs: int | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Create the plot by cross-validating an estimator at several layers and image sizes.

        The network runs once for each image size, and computes the features of all layers in the
        same pass. Only the steps behind it are fitted in each fold.

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
        image_sizes : list of int or tuple of 2 int, default=None
            Values of `image_size` to compare. An `ImageLoader` in the estimator decodes each file
            once, to the largest of them, with its own `resize`; the `ResNetFeatures` then reduces the
            images to the others. To use a candidate, set both sizes in the same way; an `ImageLoader`
            of the smaller size gives nearly the same images. By default, the estimator's size.
        groups : array-like of shape (n_samples,), default=None
            Groups of samples that stay in one fold, such as the patient of each image.
        cv : int, cross-validation generator or iterable, default=None
            Cross-validation splitting strategy. See `sklearn.model_selection.GridSearchCV`. With
            `groups`, None and an int are the folds of `StratifiedGroupKFold` for a classifier, and of
            `GroupKFold` otherwise.
        scoring : str or callable, default=None
            A single score. By default, that of the estimator's ``score`` method. See
            `sklearn.model_selection.GridSearchCV`. A callable gets positions of samples instead of
            images, unless the features depend on the folds; see Notes.
        nested : bool, int or cross-validation generator, default=False
            Whether to estimate the score of the search itself: for each split of `cv`, a search on
            the training samples alone chooses the layer and the image size, which the test samples
            then score. True splits the training samples by `cv` again; an int or a generator splits
            them otherwise. For each split, it takes about as many further fits as the search itself,
            but no pass of the network.
        n_jobs : int, default=None
            Number of jobs to run in parallel.
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
            If the estimator does not contain exactly one `ResNetFeatures`, its weights do not cover
            `layers`, `image_sizes` have different aspect ratios although the estimator contains an
            `ImageLoader`, `scoring` has several scores, or `cv` or `nested` cannot split the samples, or
            divides a group.
        ConnectionError
            If ImageNet's weights are needed, not in Keras' cache, and cannot be downloaded.

        Notes
        -----
        The features of all samples are in memory at once: 4 bytes for each sample, feature and image
        size. If `X` does not enter the network directly or from an `ImageLoader`, or if
        ``precision="int8"``, the features depend on the folds: they are then looked up in the
        feature cache, which must hold them.
        """
        path, resnet = find_only_resnet(estimator)
        if not (scoring is None or isinstance(scoring, str) or callable(scoring)):
            raise ParameterError("scoring", "must be a str, a callable or None", repr(scoring))
        layers, weights = _find_layers(resnet, layers)
        if image_sizes is not None:
            image_sizes = _check_image_sizes(image_sizes)
        found = cross_validate(
            clone(estimator).set_params(**{join(path, "weights"): weights}),
            X,
            y,
            layers,
            image_sizes,
            groups=groups,
            cv=cv,
            scoring=scoring,
            nested=nested,
            n_jobs=n_jobs,
        )
        return cls(**vars(found)).plot(ax=ax, **kwargs)

    def to_frame(self) -> "pd.DataFrame":
        """List the candidates with their scores and costs.

        Returns
        -------
        candidates : pandas.DataFrame
            One row for each candidate, sorted by depth and image size, with the columns

            - ``layer``, ``name``: index and name of the layer;
            - ``image_size``: height and width of the images, None if unknown;
            - ``width``: number of channels of the layer;
            - ``gflop``: 10^9 floating-point operations for one image of this size, as in
              `list_layers`; of 224 x 224 if no size is known;
            - ``mean_score``, ``std_score``: mean and standard deviation over the folds;
            - ``difference``, ``difference_low``, ``difference_high``: mean difference to the best
              candidate over the folds, and the bounds of its 95 % confidence interval. The scores
              cannot be told apart if the interval includes 0. The bounds are NaN if there is one
              fold, or `test_size` is NaN;
            - ``is_best``, ``is_cheapest``: whether it is the best candidate, and the cheapest one
              within one standard error of the best;
            - ``is_pareto``: whether no other candidate has both a better or equal score and a lower
              or equal cost.
        """
        import pandas as pd

        table = layer_table(self.architecture)
        means = self.scores.mean(axis=1)
        difference, low, high = compare_with_best(self.scores, self._resolve_test_size())
        positions = np.arange(len(means))
        return pd.DataFrame(
            {
                "layer": self.layers,
                "name": [table[layer].name for layer in self.layers],
                "image_size": pd.Series(self.image_sizes, dtype=object),
                "width": [table[layer].width for layer in self.layers],
                "gflop": self._costs,
                "mean_score": means,
                "std_score": self.scores.std(axis=1),
                "difference": difference,
                "difference_low": low,
                "difference_high": high,
                "is_best": positions == self._best,
                "is_cheapest": positions == self._cheapest,
                "is_pareto": find_pareto_front(means, self._costs),
            }
        )

    def plot(
        self, ax: "Axes | None" = None, *, kind: str | None = None, title: str | None = None
    ) -> Self:
        """Draw the scores.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes object to plot on. If `None`, a new figure and axes are created.
        kind : {"curves", "heatmap", "cost"}, default=None
            What to draw:

            - ``"curves"``: scores against the depth, a curve for each image size;
            - ``"heatmap"``: scores of each layer (columns) at each image size (rows), with GFLOP per
              image. Scores that cannot be told from the best are bold;
            - ``"cost"``: scores against GFLOP per image, with the Pareto front.

            None is a heat map if there are several image sizes, and curves otherwise.
        title : str, default=None
            Title of the plot.

        Returns
        -------
        display : LayerSearchDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        ValueError
            If `kind` is unknown.
        """
        if kind is None:
            kind = "heatmap" if len(set(self.image_sizes)) > 1 else "curves"
        if kind not in KINDS:
            raise ParameterError(
                "kind", f"must be one of {', '.join(map(repr, KINDS))}", repr(kind)
            )
        self.ax_ = draw(
            kind,
            ax,
            self.to_frame(),
            n_folds=self.scores.shape[1],
            architecture=self.architecture,
            score_name=self.score_name,
            nested=self._describe_nested(),
            title=title,
        )
        self.figure_ = self.ax_.figure
        return self

    def _resolve_test_size(self):
        return 1 / self.scores.shape[1] if self.test_size is None else self.test_size

    def _describe_nested(self):
        """Mean and standard deviation of the nested scores."""
        if self.nested_scores is None:
            return None
        return float(np.mean(self.nested_scores)), float(np.std(self.nested_scores))


def _simplify(pair):
    """Return the side of a square as an int."""
    return pair[0] if pair is not None and pair[0] == pair[1] else pair


def _count_costs(architecture, layers, pairs):
    """GFLOP of each candidate, NaN for unknown sizes; of 224 x 224 if none is known."""
    table = layer_table(architecture)
    if not any(pairs):
        return np.array([count_gflop(table, table[layer]) for layer in layers])
    return np.array(
        [
            np.nan if pair is None else count_gflop(table, table[layer], pair)
            for layer, pair in zip(layers, pairs, strict=True)
        ]
    )


def _check_image_sizes(image_sizes):
    """Return the image sizes, each once."""
    if not isinstance(image_sizes, (list, tuple)) and np.ndim(image_sizes) != 1:
        raise ParameterError("image_sizes", "must be a list of sizes", repr(image_sizes))
    sizes = [_simplify(check_size("image_sizes", size)) for size in image_sizes]
    if not sizes or None in sizes:
        raise ParameterError("image_sizes", "must be a list of int or (height, width)", repr(sizes))
    return list(dict.fromkeys(sizes))


def _find_layers(resnet, layers):
    """Find the layers to compare and the weights, and raise errors of either before the search."""
    named = [] if layers is None else resolve_layers(resnet.architecture, layers)
    weights = choose_weights(resnet.architecture, resnet.weights, named)
    found = find_weights(resnet.architecture, weights, 0, normalization=resnet.normalization)
    check_layers_covered(found, named)
    if layers is None:
        ends = {layer.block: layer for layer in found.table if layer.block}.values()
        named = [layer for layer in ends if layer.index < found.n_layers]
    return [layer.index for layer in named], weights
