"""Cross-validation of an estimator over layers and image sizes, whose features are computed once."""

import numbers
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone, is_classifier
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from sklearn_resnet._images.lazy import warn_about_failures
from sklearn_resnet._images.sources import as_source
from sklearn_resnet._images.validation import check_size
from sklearn_resnet._network.layers import layer_table
from sklearn_resnet._network.pooling import split_layers
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._sklearn_private import get_output_config, safe_split
from sklearn_resnet.plotting.layer_search.reading import describe_score, find_test_size, read_scores
from sklearn_resnet.plotting.layer_search.scores import SearchScores
from sklearn_resnet.plotting.layer_search.steps import (
    find_only_loader,
    find_only_resnet,
    find_steps,
    is_input,
    join,
)

_BLOCK_BYTES = 64 * 2**20  # of decoded images
# values in the features of all images; in smaller fits, threads of BLAS wait for each other
_MAX_SMALL_FIT = 2**22


@dataclass(frozen=True)
class Candidates:
    """An estimator and its input, such that setting parameters selects features.

    Attributes
    ----------
    estimator : estimator
        A clone of the user's, in which features are looked up or found in the cache.
    X : array-like
        The input of `estimator`.
    path : str
        The name of the parameter of `estimator` that is the network.
    layers : list of int
    image_sizes : list of int, tuple or None
    loaded_size : int, tuple or None
        The size of the images of the one `ImageLoader`, at which they enter a network without
        `image_size`.
    n_features : int, default=None
        The features of the widest layer, if they are computed.
    """

    estimator: BaseEstimator
    X: object
    path: str
    layers: list
    image_sizes: list
    loaded_size: int | tuple | None
    n_features: int | None = None

    @property
    def grid(self):
        """The grid of parameters."""
        return {
            join(self.path, "layers"): self.layers,
            join(self.path, "image_size"): self.image_sizes,
        }

    def find_cut(self, parameters):
        """Return the layer and the image size of a candidate."""
        layer, size = (parameters[join(self.path, name)] for name in ("layers", "image_size"))
        return layer, self.loaded_size if size is None else size


class CutFeatures(TransformerMixin, BaseEstimator):
    """Looks up features that were computed before, by the positions of their images.

    Parameters
    ----------
    layers : int
    image_size : int, tuple or None
    table : FeatureTable
    """

    def __init__(self, layers=None, image_size=None, table=None):
        self.layers = layers
        self.image_size = image_size
        self.table = table

    def fit(self, X, y=None):
        """Learn nothing."""
        return self

    def transform(self, X):
        """Look up the features of the images at the positions `X`."""
        return self.table.features[self.layers, self.image_size][np.ravel(X)]

    def get_feature_names_out(self, input_features=None):
        """Return the names of the features of `ResNetFeatures`."""
        return self.table.names[self.layers]


class FeatureTable:
    """The features of all candidates; clones of estimators share it.

    Parameters
    ----------
    features : dict of (int, size) to ndarray of shape (n, n_features)
        By layer and image size.
    names : dict of int to ndarray of str
        By layer, the names of its features.
    """

    def __init__(self, features, names):
        self.features = features
        self.names = names

    def __sklearn_clone__(self):
        return self


def cross_validate(estimator, X, y, layers, image_sizes, *, groups, cv, scoring, nested, n_jobs):
    """Cross-validate an estimator at each layer and image size.

    Parameters
    ----------
    estimator : estimator
        Contains one `ResNetFeatures`. Changed.
    layers : list of int
    image_sizes : list of int or tuple, or None
        None keeps the `image_size` of the network.
    X, y, groups, cv, scoring, nested, n_jobs
        As for `LayerSearchDisplay.from_estimator`.

    Returns
    -------
    SearchScores
    """
    from sklearn.model_selection import GridSearchCV  # slow to import

    splits = _split(estimator, X, y, groups, cv, nested)
    path, resnet = find_only_resnet(estimator)
    candidates = _make_candidates(estimator, X, path, layers, image_sizes)
    with _limit_blas(candidates):
        search = GridSearchCV(
            candidates.estimator,
            candidates.grid,
            cv=[(train, test) for train, test, _ in splits],
            scoring=scoring,
            n_jobs=n_jobs,
            refit=False,
            error_score="raise",
        ).fit(candidates.X, y)
        nested_scores = nested_cuts = None
        if nested:
            nested_scores, nested_cuts = _cross_validate_nested(
                candidates, y, splits, scoring, n_jobs
            )
    cuts = [candidates.find_cut(parameters) for parameters in search.cv_results_["params"]]
    return SearchScores(
        layers=[layer for layer, _ in cuts],
        image_sizes=[size for _, size in cuts],
        scores=read_scores(search),
        architecture=resnet.architecture,
        score_name=describe_score(scoring),
        test_size=find_test_size([(train, test) for train, test, _ in splits]),
        nested_scores=nested_scores,
        nested_candidates=nested_cuts,
    )


def _limit_blas(candidates):
    """Let small fits run in one thread of BLAS; the network does not run then."""
    is_small = candidates.n_features is not None and (
        len(candidates.X) * candidates.n_features <= _MAX_SMALL_FIT
    )
    return threadpool_limits(1, "blas") if is_small else nullcontext()


def _make_candidates(estimator, X, path, layers, image_sizes):
    """Compute the features of all candidates, or prepare to find them in the cache.

    Parameters
    ----------
    estimator : estimator
        Changed.
    X : array-like
        Its input.
    path : str
        The name of its parameter that is a `ResNetFeatures`.
    layers, image_sizes
        As for `cross_validate`.

    Returns
    -------
    Candidates
    """
    resnet = estimator.get_params()[path] if path else estimator
    loader = find_only_loader(estimator)
    if image_sizes is None:
        image_sizes = [resnet.image_size]
    elif loader is not None:
        loader[1].set_params(size=_find_largest(image_sizes))
    loaded_size = None if loader is None else loader[1].size
    resnet.set_params(layers=layers, tap_layers=layers)
    if resnet.precision == "int8" or not is_input(estimator, resnet):
        # the features depend on the images or the steps that fit sees, so that each fold has its own
        return Candidates(estimator, X, path, layers, image_sizes, loaded_size)
    if loader is not None:
        X = loader[1].fit_transform(X)
        estimator.set_params(**{loader[0]: "passthrough"})
    table = _compute_table(resnet, X, layers, image_sizes)
    lookup = CutFeatures(table=table)
    library = get_output_config("transform", resnet)["dense"]
    lookup.set_output(transform=library)
    estimator = _forget_memory(estimator.set_params(**{path: lookup})) if path else lookup
    positions = np.arange(len(table.features[layers[0], image_sizes[0]])).reshape(-1, 1)
    n_features = max(map(len, table.names.values()))
    return Candidates(estimator, positions, path, layers, image_sizes, loaded_size, n_features)


def _forget_memory(estimator):
    """Unset the cache of pipelines, which would write the whole table for each fit."""
    pipelines = find_steps(estimator, Pipeline)
    return estimator.set_params(**{join(path, "memory"): None for path in pipelines})


def _find_largest(image_sizes):
    """Find the size to which files are decoded; all sizes must have its aspect ratio."""
    pairs = [check_size("image_sizes", size) for size in image_sizes]
    largest = max(pairs)
    for pair in pairs:
        if pair[0] * largest[1] != pair[1] * largest[0]:
            raise ParameterError(
                "image_sizes",
                "must have one aspect ratio if the estimator contains an ImageLoader, which crops or "
                "pads to it",
                f"{pair[0]} x {pair[1]} and {largest[0]} x {largest[1]}",
                "Search each aspect ratio separately.",
            )
    return largest


def _compute_table(resnet, X, layers, image_sizes):
    """Compute the features of all layers at each size."""
    images = as_source(X)
    if images.is_lazy and resnet.value_range is None:
        # for blocks that happen to be black
        resnet.set_params(value_range=images.infer_value_range().value_range)
    networks = [clone(resnet).set_params(image_size=size).fit(X) for size in image_sizes]
    if images.is_lazy and images.on_error != "skip":
        computed = _compute_lazily(networks, images)
    else:
        computed = [network.transform(X) for network in networks]
    features = {
        (layer, size): part
        for size, values in zip(image_sizes, computed, strict=True)
        for layer, part in zip(layers, _split_layers(networks[0], values), strict=True)
    }
    names = _split_layers(networks[0], networks[0].get_feature_names_out()[np.newaxis])
    return FeatureTable(features, dict(zip(layers, map(np.ravel, names), strict=True)))


def _split_layers(resnet, values):
    """Split an array along its last axis, which is that of features, by layer."""
    table = layer_table(resnet.architecture, resnet.n_channels_)
    n_channels = len(getattr(resnet, "channel_names_", [None]))
    return split_layers(values, [table[i] for i in resnet.layers_], n_channels)


def _compute_lazily(networks, images):
    """Decode images once for all networks."""
    block_size = max(1, _BLOCK_BYTES // int(np.prod(images.shape[1:])))
    images.failures.clear()
    images.file_log.clear()
    parts = [
        [network.transform(block) for network in networks] for block in images.batches(block_size)
    ]
    computed = [np.concatenate(of_network) for of_network in zip(*parts, strict=True)]
    for features in computed:
        features[list(images.failures)] = np.nan
    warn_about_failures(images.failures, len(images), "their features are NaN")
    images.file_log.warn()
    return computed


def _split(estimator, X, y, groups, cv, nested):
    """Split the samples, before anything is computed.

    Parameters
    ----------
    estimator, X, y, groups, cv, nested
        As for `LayerSearchDisplay.from_estimator`.

    Returns
    -------
    list of tuple (ndarray, ndarray, list)
        The positions of the training and of the test samples; the splits of the training samples if
        `nested`, and otherwise an empty list.

    Raises
    ------
    ParameterError
        If `cv` is a list of splits or a PredefinedSplit, which cannot split the training samples
        too, or if it divides a group.
    """
    from sklearn.model_selection import PredefinedSplit

    inner_cv = cv if isinstance(nested, (bool, np.bool_)) else nested
    is_list = not (isinstance(inner_cv, numbers.Integral) or hasattr(inner_cv, "split"))
    if nested and inner_cv is not None and (is_list or isinstance(inner_cv, PredefinedSplit)):
        raise ParameterError(
            "nested",
            "must be an int or another cross-validation generator if cv is a list of splits or a "
            "PredefinedSplit, because it splits the training samples of each",
            repr(nested),
        )
    y, groups = (None if values is None else np.asarray(values) for values in (y, groups))
    make_splitter = partial(_make_splitter, is_classifier=is_classifier(estimator))
    splits = []
    for train, test in make_splitter(cv, y, groups).split(X, y, groups):
        inner = []
        _check_groups(groups, train, test)
        if nested:
            inner_y, inner_groups = (v if v is None else v[train] for v in (y, groups))
            inner_splitter = make_splitter(inner_cv, inner_y, inner_groups)
            try:
                inner = list(inner_splitter.split(train, inner_y, inner_groups))
            except ValueError as exc:
                exc.add_note(
                    "The training samples of a split are split again with nested=True. Pass a "
                    "splitter with fewer splits for them, as in nested=GroupKFold(3)."
                )
                raise
        splits.append((train, test, inner))
    return splits


def _make_splitter(cv, y, groups, is_classifier):
    """Make a splitter of the parameter `cv`; a number of folds keeps groups together."""
    from sklearn.model_selection import (
        GroupKFold,
        StratifiedGroupKFold,
        StratifiedKFold,
        check_cv,
    )

    splitter = check_cv(cv, y, classifier=is_classifier)
    if groups is None or not (cv is None or isinstance(cv, numbers.Integral)):
        return splitter
    is_stratified = isinstance(splitter, StratifiedKFold)
    return (StratifiedGroupKFold if is_stratified else GroupKFold)(splitter.n_splits)


def _check_groups(groups, train, test):
    """Raise ParameterError if a group is in both parts of a split."""
    shared = [] if groups is None else np.intersect1d(groups[train], groups[test])
    if len(shared):
        raise ParameterError(
            "cv",
            "must keep each group in one part of a split",
            f"group {shared.tolist()[0]!r} in both the training and the test samples",
            "Pass an int, or a splitter of groups such as GroupKFold(5).",
        )


def _cross_validate_nested(candidates, y, splits, scoring, n_jobs):
    """Score the whole search: choose the best candidate on the training part of each split alone.

    Parameters
    ----------
    candidates : Candidates
    y : array-like of shape (n_samples,) or None
    splits : list of tuple
        As `_split` returns them.
    scoring, n_jobs
        As for `GridSearchCV`.

    Returns
    -------
    scores : list of float
        The score of the chosen candidate on the test part of each split.
    cuts : list of tuple
        The layer and the image size of each.
    """
    from sklearn.model_selection import GridSearchCV

    scores, cuts = [], []
    for train, test, inner in splits:
        X_train, y_train = safe_split(candidates.estimator, candidates.X, y, train)
        X_test, y_test = safe_split(candidates.estimator, candidates.X, y, test, train)
        search = GridSearchCV(
            candidates.estimator,
            candidates.grid,
            cv=inner,
            scoring=scoring,
            n_jobs=n_jobs,
            error_score="raise",
        ).fit(X_train, y_train)
        scores.append(search.score(X_test, y_test))
        cuts.append(candidates.find_cut(search.best_params_))
    return scores, cuts
