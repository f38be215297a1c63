"""Layers, image sizes and scores of a fitted search."""

import numbers

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_resnet._images.validation import check_size
from sklearn_resnet._network.layers import resolve_layers
from sklearn_resnet._network.weights import choose_weights, default_layers
from sklearn_resnet._resnet_features import ResNetFeatures
from sklearn_resnet.plotting.layer_search.scores import SearchScores
from sklearn_resnet.plotting.layer_search.steps import find_only_loader, find_steps, join

# Splitters that test each sample once, or once in each repetition.
_PARTITIONS = (
    "KFold",
    "StratifiedKFold",
    "GroupKFold",
    "StratifiedGroupKFold",
    "LeaveOneOut",
    "LeaveOneGroupOut",
    "RepeatedKFold",
    "RepeatedStratifiedKFold",
)


def read_search(search):
    """Read a fitted search.

    Parameters
    ----------
    search : GridSearchCV, RandomizedSearchCV or similar

    Returns
    -------
    SearchScores

    Raises
    ------
    ValueError, NotFittedError
        See `LayerSearchDisplay.from_search`.
    """
    check_is_fitted(search, "cv_results_")
    path, resnet = _find_searched(search)
    architecture = join(path, "architecture")
    if f"param_{architecture}" in search.cv_results_:
        raise ValueError(
            "The search must be over the layers of one architecture. Got a search that includes "
            f"{architecture!r} instead. Search each architecture separately."
        )
    metric = _find_metric(search)
    scores = read_scores(search, metric)
    means = scores.mean(axis=1)
    if "iter" in search.cv_results_:  # earlier iterations scored other and fewer samples
        means[search.cv_results_["iter"] < search.cv_results_["iter"].max()] = np.nan
    best = _find_best_candidates(search, means, path, resnet)
    return SearchScores(
        layers=[layer for layer, _ in best],
        image_sizes=[size for _, size in best],
        scores=scores[list(best.values())],
        architecture=resnet.architecture,
        score_name=describe_score(search.scoring, metric),
        test_size=_find_test_size(search.cv, search.n_splits_),
    )


def _find_searched(search):
    """The name of the `ResNetFeatures` whose parameter `layers` was searched, and itself."""
    resnets = find_steps(search.estimator, ResNetFeatures)
    searched = [path for path in resnets if f"param_{join(path, 'layers')}" in search.cv_results_]
    if len(searched) != 1:
        example = join(next(iter(resnets), "resnetfeatures"), "layers")
        raise ValueError(
            "The search must be over the parameter 'layers' of one ResNetFeatures, as in "
            f"{{{example!r}: [51, 82]}}. Got a search over {len(searched)} of them instead."
        )
    return searched[0], resnets[searched[0]]


def _find_metric(search):
    if "mean_test_score" in search.cv_results_:
        return "score"
    if not isinstance(search.refit, str):
        raise ValueError(
            "A search with several scores must name one of them in 'refit'. Got "
            f"refit={search.refit!r} instead."
        )
    return search.refit


def read_scores(search, metric="score"):
    """Read the scores of all candidates, of shape (n_candidates, n_folds)."""
    results, n_folds = search.cv_results_, search.n_splits_
    if n_folds < 1 or f"split0_test_{metric}" not in results:
        raise ValueError(f"The search must have scores named {metric!r} in cv_results_.")
    return np.stack([results[f"split{i}_test_{metric}"] for i in range(n_folds)], axis=1)


def describe_score(scoring, metric="score"):
    """Name a score for the label of an axis."""
    if metric != "score":
        return metric
    return scoring if isinstance(scoring, str) else "score"


def _find_best_candidates(search, means, path, resnet):
    """The index of the best candidate of each layer and image size."""
    default = _find_default_layers(search, path, resnet)
    loader = find_only_loader(search.estimator)
    best = {}
    for i in np.flatnonzero(np.isfinite(means)):
        # in a list of grids, some may not name the layers
        parameters = search.cv_results_["params"][i]
        layers = parameters.get(join(path, "layers"), resnet.layers)
        resolved = resolve_layers(resnet.architecture, default if layers is None else layers)
        if len(resolved) > 1:
            raise ValueError(
                "LayerSearchDisplay shows searches over single layers. Got the several layers "
                f"{[layer.index for layer in resolved]} in one candidate instead."
            )
        cut = resolved[0].index, _find_image_size(parameters, path, resnet, loader)
        if cut not in best or means[i] > means[best[cut]]:
            best[cut] = i
    if not best:
        raise ValueError("The search must have scores. All of its fits failed instead.")
    return best


def _find_default_layers(search, path, resnet):
    """The layers of candidates with ``layers=None``, by the weights that the search took."""
    name = join(path, "layers")
    if not any(params.get(name, resnet.layers) is None for params in search.cv_results_["params"]):
        return None
    if hasattr(search, "best_estimator_"):
        weights = find_steps(search.best_estimator_, ResNetFeatures)[path].weights_
    else:
        weights = choose_weights(resnet.architecture, resnet.weights)
    return default_layers(weights)


def _find_image_size(parameters, path, resnet, loader):
    """The size at which images enter the network in one candidate; None is their own."""
    size = check_size("image_size", parameters.get(join(path, "image_size"), resnet.image_size))
    if size is None and loader is not None:
        step = parameters.get(loader[0], loader[1])  # the search may replace it
        own_size = getattr(step, "size", None)
        size = check_size("size", parameters.get(join(loader[0], "size"), own_size))
    return size


def _find_test_size(cv, n_folds):
    """The mean fraction of the samples in a test fold; NaN if the splitter does not tell it."""
    from sklearn import model_selection  # slow to import

    if isinstance(cv, (list, tuple)):
        return find_test_size(cv)
    test_size, train_size = getattr(cv, "test_size", None), getattr(cv, "train_size", None)
    if _is_fraction(test_size) and (train_size is None or _is_fraction(train_size)):
        return test_size / (test_size + (1 - test_size if train_size is None else train_size))
    partitions = tuple(getattr(model_selection, name) for name in _PARTITIONS)
    if cv is None or isinstance(cv, (numbers.Integral, *partitions)):
        return getattr(cv, "n_repeats", 1) / n_folds
    return np.nan


def _is_fraction(size):
    return isinstance(size, numbers.Real) and 0 < size < 1


def find_test_size(splits):
    """The mean fraction of the samples in a test fold."""
    return float(np.mean([len(test) / (len(train) + len(test)) for train, test in splits]))
