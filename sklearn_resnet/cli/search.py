"""`embedding search INPUT`: the layers and image sizes that suit labelled images."""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sklearn_resnet._images.failures import describe_failures
from sklearn_resnet._io.atomic import atomic_write
from sklearn_resnet._io.csv_text import write_csv
from sklearn_resnet._io.paths import as_path
from sklearn_resnet._network.layers import resolve_layers
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet.cli.features import FeatureOptions, check_features, make_resnet, read_mode
from sklearn_resnet.cli.inputs import (
    InputOptions,
    check_apart,
    check_input,
    check_on_error,
    load_files,
    load_input,
    pick_input,
    read_for_each,
    reads_files,
)
from sklearn_resnet.cli.options import pick
from sklearn_resnet.cli.ownership import check_kind, check_replaceable, claim
from sklearn_resnet.cli.pictures import drawing_files, name_source, name_weights
from sklearn_resnet.cli.progress import Progress
from sklearn_resnet.cli.record import Result, describe_resnet, finish, hash_table
from sklearn_resnet.cli.resumable.lock import lock_output
from sklearn_resnet.cli.search_report import describe_search, name_stem
from sklearn_resnet.cli.tables import check_table_path
from sklearn_resnet.plotting import LayerSearchDisplay
from sklearn_resnet.plotting._coloring import as_label, is_missing, is_scale
from sklearn_resnet.plotting._saving import save_figure

_SIZES = (32, 48, 64, 96, 128, 224)
_MAX_ENLARGEMENT = 2  # of images by the default sizes
_N_CHECKED = 16  # files in memory while all are decoded to find unreadable ones
_N_MEASURED = 9  # files whose sizes stand for those of all


@dataclass(frozen=True)
class SearchOptions:
    """The arguments and options of `embedding search`.

    ``output`` is None to name it after INPUT, and ``image_sizes`` None for sizes that suit INPUT.
    """

    output: str | None
    image_sizes: list | None
    groups: str | None
    n_folds: int
    nested: bool
    input: InputOptions
    features: FeatureOptions
    picture: str
    quiet: bool


def make_search_options(params):
    """Make the options of the parameters of the command."""
    # of PCA, and of a table
    others = {"model": "resnet", "dimensions": None, "image_size": None}
    others |= {"patches": None, "patch_size": None}
    params = params | others
    params |= {"input": pick_input(params), "features": pick(FeatureOptions, params)}
    return pick(SearchOptions, params)


@dataclass(frozen=True)
class SearchPlan:
    """How a search is computed.

    Attributes
    ----------
    options : SearchOptions
    output, picture : path
        The table of scores, and the picture of them.
    """

    options: SearchOptions
    output: Path
    picture: Path


@dataclass(frozen=True)
class Target:
    """What is predicted from features, to score them.

    Attributes
    ----------
    y : ndarray of shape (n,)
        Labels as text, or numbers on a scale.
    groups : ndarray of shape (n,) or None
    splitter : cross-validation generator
    """

    y: np.ndarray
    groups: np.ndarray | None
    splitter: object

    @property
    def is_scale(self):
        """Whether numbers on a scale are predicted."""
        return self.y.dtype.kind == "f"

    @property
    def score_name(self):
        """The score, as scikit-learn calls it."""
        return "r2" if self.is_scale else "accuracy"


def search(options):
    """Score layers and image sizes by cross-validation, and write a table and a picture.

    Parameters
    ----------
    options : SearchOptions

    Returns
    -------
    str
        The scores, how certain they are, and the commands that use the best candidates.

    Raises
    ------
    ValueError, TypeError, OSError, ImportError, RuntimeError
        If an option has an invalid value, or a file cannot be read or written.
    """
    progress = Progress(options.quiet)
    plan = plan_search(options, progress)
    with lock_output(plan.output):
        return _search(plan, progress)


def _search(plan, progress):
    options = plan.options
    with progress.timed("input"):
        data = load_input(options.input, options.quiet)
    grouped_by, groups = find_groups(data, options, progress)
    if options.input.on_error == "skip":
        data, groups = leave_out_unreadable(data, groups, options, progress)
    target = make_target(options, data.labels, groups, progress)
    sizes = options.image_sizes or choose_sizes(data, options)
    options = replace(options, input=replace(options.input, rescale_range=data.rescale_range))
    images = _load_at(max(sizes), data, options.input)
    progress.show("input", f"{len(images):,} {data.noun}, {_describe_target(target, data.noun)}")
    advice = "" if options.image_sizes else "; --sizes compares others"
    progress.show("sizes", f"{', '.join(map(str, sizes))} pixels{advice}")
    with drawing_files():
        with progress.timed("search"):
            display = score_candidates(images, target, sizes, options, data.noun)
        claim(plan.output, [plan.output, plan.picture])
        frame = display.to_frame()
        with atomic_write(plan.output) as partial:
            write_csv(partial, {name: frame[name] for name in frame})
        save_figure(display.figure_, plan.picture)
    metadata = _describe_search(display, target, images, options)
    metadata["grouped_by"] = grouped_by
    result = Result((plan.output, plan.picture), {"input": images.shape}, metadata)
    finish(plan.output, options.input, result, progress)
    return "\n".join(describe_search(display, target.score_name, options, plan.output))


def plan_search(options, progress):
    """Check the options before images are read, and name the files.

    Parameters
    ----------
    options : SearchOptions
    progress : Progress

    Returns
    -------
    SearchPlan
    """
    source, features = options.input.source, options.features
    check_input(source, regions=options.input.regions)
    output = _name_output(options)
    check_apart(source, output)
    if output.suffix != ".csv":
        raise ParameterError("output", "must end in .csv", repr(str(output)))
    check_table_path(output)
    picture = output.with_suffix(f".{options.picture}")
    check_kind(output, "search", source if options.output is None else None)
    check_replaceable(output, [output, picture])
    check_on_error(options.input)
    if reads_files(source):
        features = replace(features, value_range=None)
    if features.layers is not None:
        found = resolve_layers(features.architecture, features.layers)
        features = replace(features, layers=[layer.index for layer in found])
    features = check_features(features, progress)
    images = replace(options.input, mode=read_mode(options.input, features))
    return SearchPlan(replace(options, features=features, input=images), output, picture)


def _name_output(options):
    """Return the path of OUTPUT, by default in the current folder and named after INPUT."""
    if options.output is not None:
        return as_path(options.output)
    return Path(f"{name_stem(options.input.source)}_search.csv")


def find_groups(data, options, progress):
    """Find the groups whose images are in one fold: regions of one image, unless others are named.

    Parameters
    ----------
    data : Input
    options : SearchOptions
    progress : Progress

    Returns
    -------
    grouped_by : {"file", "column", "image"}, or None
        Where the groups are from.
    groups : ndarray of shape (n,) or None
    """
    if options.groups is not None:
        return "file", read_for_each(options.groups, data, "group")
    if "group" in data.columns:
        return "column", data.columns["group"]
    if data.noun != "regions" or data.labels is None:
        return None, None
    n_images = len(set(data.paths.tolist()))
    labels = None if is_scale(data.labels) else [*map(as_label, data.labels.tolist())]
    n_pairs = 0 if labels is None else len(set(zip(labels, data.paths.tolist(), strict=True)))
    if n_images < 2 or (labels is not None and n_pairs == len(set(labels))):
        progress.warn(
            "Regions of one image are in training and test folds alike, because "
            f"{'there is one image' if n_images < 2 else 'each label is in one image'}. The scores are "
            "too high for regions of other images. Add images, or name groups with --groups."
        )
        return None, None
    progress.show(
        "groups", "regions of one image are in one fold; --groups, or a column group, names others"
    )
    return "image", data.paths


def leave_out_unreadable(data, groups, options, progress):
    """Decode all files once, because each fold needs to know its images, and leave out unreadable ones.

    Parameters
    ----------
    data : Input
    groups : ndarray of shape (n,) or None
    options : SearchOptions
    progress : Progress

    Returns
    -------
    data : Input
    groups : ndarray or None
    """
    size = max(options.image_sizes or _SIZES)
    files = replace(options.input, rescale_range=data.rescale_range)
    images, _ = load_files(data.files(), files, size, lazy=True, on_error="skip")
    for _ in images.batches(_N_CHECKED):
        pass
    if not images.failures:
        return data, groups
    failures = sorted(images.failures.values())
    progress.warn(f"{describe_failures(failures, len(images), 'they are left out')}.")
    is_kept = np.ones(len(images), bool)
    is_kept[list(images.failures)] = False
    return data.select(is_kept), None if groups is None else groups[is_kept]


def make_target(options, labels, groups, progress):
    """Choose what to predict, and how to split it into folds.

    Parameters
    ----------
    options : SearchOptions
    labels, groups : ndarray of shape (n,) or None
    progress : Progress

    Returns
    -------
    Target
    """
    y = _check_labels(labels, options.input.source)
    if groups is not None and is_missing(groups).any():
        name = "source" if options.groups is None else "groups"
        n_missing = int(is_missing(groups).sum())
        raise ParameterError(name, "must have a group for each image", f"{n_missing} without")
    target = Target(y, groups, _make_splitter(y, groups, options, progress))
    if not target.is_scale:
        _check_folds(target)
    return target


def _check_folds(target):
    """Check that a model can be trained in each fold, which needs images of two labels."""
    y = target.y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rare labels, which were named
        folds = list(target.splitter.split(y, y, target.groups))
    for train, _ in folds:
        if len(set(y[train])) < 2:
            raise ParameterError(
                "source",
                "must have images of at least two labels in the training part of each fold",
                f"only those of {str(y[train[0]])!r} in one",
                hint="Add images of other labels.",
            )


def _check_labels(labels, source):
    """Return labels as text, or as numbers if they are on a scale."""
    if labels is None:
        raise ParameterError(
            "source",
            "must have labels, which the features have to predict",
            f"{source!r} without labels",
            hint="Name a file of labels with --labels, or sort the images into a folder for each class.",
        )
    n_missing = int(is_missing(labels).sum())
    if n_missing:
        raise ParameterError("source", "must have a label for each image", f"{n_missing} without")
    if is_scale(labels):
        return labels.astype(float)
    y = np.array([as_label(value) for value in labels.tolist()])
    if len(np.unique(y)) < 2:
        raise ParameterError(
            "source",
            "must have at least two labels",
            f"only {str(y[0])!r}",
            hint="Add images of another label, or name other labels with --labels.",
        )
    return y


def _make_splitter(y, groups, options, progress):
    """Make shuffled folds that hold all labels and keep groups together, as far as they can."""
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    is_labelled = y.dtype.kind != "f"
    counts = _count_labels(y)
    limits = (
        [("source", counts.max(), "images of one label")]
        if is_labelled
        else [("source", len(y), "images")]
    )
    if groups is not None:
        limits.append(("groups", len(np.unique(groups)), "groups"))
    n_folds, n_units, units = min(
        (_limit_folds(name, n_units, units, options), n_units, units)
        for name, n_units, units in limits
    )
    if groups is not None and is_labelled:
        _check_groups(groups, y)
    if n_folds < options.n_folds:
        again = " with --nested, which splits the training part of each fold into as many again"
        progress.warn(
            f"{n_units} {units} are too few for {options.n_folds} folds"
            f"{again if options.nested else ''}: --cv is {n_folds}."
        )
    if is_labelled and counts.min() < n_folds:
        other = "lower --cv" if counts.min() > 1 else "leave the label out"
        progress.warn(
            f"Label {counts.idxmin()!r} has fewer images ({counts.min()}) than there are folds "
            f"({n_folds}), and some folds do not test it. Add images of it, or {other}."
        )
    kinds = (StratifiedKFold, StratifiedGroupKFold) if is_labelled else (KFold, GroupKFold)
    kind = kinds[groups is not None]
    return kind(n_folds, shuffle=True, random_state=options.features.seed)


def _count_labels(y):
    """Count the images of each label."""
    import pandas as pd

    return pd.Series(y).value_counts()


def _check_groups(groups, y):
    """Check that a label can be both in the training and in the test part of a fold."""
    if len(set(zip(y, groups, strict=True))) == len(set(y)):
        raise ParameterError(
            "groups",
            "must have at least two groups for a label",
            "one group for each label",
            hint="A group is never split between training and test images, so the model would be tested "
            "only on labels that it was not trained on. Name smaller groups, or leave --groups out.",
        )


def _limit_folds(name, n_units, units, options):
    """Lower the number of folds until all hold images; with --nested, those of the training part too."""
    minimum = 4 if options.nested else 2
    if n_units < minimum:
        condition = " with --nested" if options.nested else ""
        remedy = "Add images of other groups" if name == "groups" else "Add images"
        raise ParameterError(
            name,
            f"must have at least {minimum} {units}{condition}",
            n_units,
            hint=f"{remedy}, or leave --nested out." if options.nested else f"{remedy}.",
        )
    n_folds = min(options.n_folds, n_units)
    while options.nested and n_units - -(-n_units // n_folds) < n_folds:
        n_folds -= 1
    return n_folds


def _describe_target(target, noun):
    if target.is_scale:
        text = f"labels from {target.y.min():g} to {target.y.max():g}"
    else:
        counts = _count_labels(target.y)
        span = " to ".join(map(str, sorted({counts.min(), counts.max()})))
        text = f"{len(counts)} labels of {span} {noun}"
    if target.groups is not None:
        text += f", {len(np.unique(target.groups))} groups"
    return f"{text}, {target.splitter.get_n_splits(groups=target.groups)} folds"


def choose_sizes(data, options):
    """Choose image sizes to compare, up to twice the size of the images.

    Parameters
    ----------
    data : Input
    options : SearchOptions

    Returns
    -------
    list of int
        For arrays of small squares, with their own size.
    """
    if reads_files(options.input.source):
        side, own = _measure_files(data, options.input), ()
    else:
        resnet = _fit_resnet(options.features, data.images)
        height, width = getattr(resnet, "image_shape_", data.images.shape[1:])[:2]
        side = min(height, width)
        own = (side,) if height == width and side < max(_SIZES) else ()
    limit = max(_MAX_ENLARGEMENT * side, min(_SIZES))
    return sorted({size for size in _SIZES if size <= limit}.union(own))


def _fit_resnet(features, images):
    """Fit the network without warnings, which the search gives."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make_resnet(features).fit(images)


def _measure_files(data, options):
    """Return the median of the shorter sides of some images."""
    positions = np.unique(np.linspace(0, len(data.images) - 1, _N_MEASURED).astype(int))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # reading all files will warn
        shapes = [load_files(data.files([i]), options)[0].shape for i in positions]
    return int(np.median([min(shape[1:3]) for shape in shapes]))


def _load_at(size, data, options):
    """Return image files at one size; arrays as they are."""
    if not reads_files(options.source):
        return data.images
    images, _ = load_files(data.files(), options, size, lazy=True)
    return images


def score_candidates(images, target, image_sizes, options, noun="images"):
    """Score each layer at each image size, and draw the scores.

    Parameters
    ----------
    images : ndarray or LazyImages
    target : Target
    image_sizes : list of int
    options : SearchOptions
    noun : str, default="images"
        The word for them in the title.

    Returns
    -------
    LayerSearchDisplay
    """
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if target.is_scale:
        model = RidgeCV(np.logspace(0, 5, 11))
    else:
        model = LogisticRegression(C=0.01, max_iter=1000)  # there are more features than images
    resnet = make_resnet(options.features).set_params(verbose=not options.quiet)
    weights = name_weights(options.features.weights)
    title = f"{name_source(options.input.source)}: {len(images):,} {noun}\n{weights}"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return LayerSearchDisplay.from_estimator(
            make_pipeline(resnet, StandardScaler(), model),
            images,
            target.y,
            layers=options.features.layers,
            image_sizes=image_sizes,
            groups=target.groups,
            cv=target.splitter,
            scoring=target.score_name,
            nested=options.nested,
            title=title,
        )


def _describe_search(display, target, images, options):
    """Describe a search for the record."""
    layers, sizes = np.unique(display.layers).tolist(), sorted(set(display.image_sizes))
    features = replace(options.features, layers=layers, image_size=sizes[0])
    resnet = _fit_resnet(features, images)
    metadata = describe_resnet(resnet, features.weights) | {
        "model": "search",
        "image_sizes": sizes,
        "labels_file": options.input.labels,
        "groups_file": options.groups,
        "n_folds": display.scores.shape[1],
        "score": target.score_name,
        "best": {"layer": display.best_layer_, "image_size": display.best_image_size_},
        "cheapest": {"layer": display.cheapest_layer_, "image_size": display.cheapest_image_size_},
        "table": hash_table(display.scores),
    }
    del metadata["image_size"]
    if options.nested:
        metadata["nested_scores"] = [round(float(score), 6) for score in display.nested_scores]
        metadata["nested_candidates"] = display.nested_candidates
    return metadata
