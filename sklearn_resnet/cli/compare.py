"""`embedding INPUT OUTPUT --compare MAPS`: maps of the same images side by side, scored by labels."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sklearn_resnet._io.table_formats import find_format
from sklearn_resnet._io.tables import write_table
from sklearn_resnet._network.layers import resolve_layers
from sklearn_resnet._network.pooling import split_layers
from sklearn_resnet._network.weights import default_layers
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet.cli.errors import renamed_parameters
from sklearn_resnet.cli.features import (
    FeatureOptions,
    check_features,
    compute_pca,
    compute_resnet,
    read_mode,
    uses_openvino,
)
from sklearn_resnet.cli.inputs import (
    InputOptions,
    check_apart,
    check_input,
    load_input,
    pick_input,
    reads_files,
)
from sklearn_resnet.cli.options import pick
from sklearn_resnet.cli.ownership import check_kind, check_replaceable, claim
from sklearn_resnet.cli.pictures import MIN_MAPPED, compute_umap, drawing_files, importing_umap
from sklearn_resnet.cli.progress import Progress
from sklearn_resnet.cli.record import Result, beside, finish, hash_table
from sklearn_resnet.cli.resumable.lock import lock_output
from sklearn_resnet.cli.tables import check_table_path
from sklearn_resnet.plotting import compare_embeddings
from sklearn_resnet.plotting._saving import save_figure

_SCORES = ("accuracy", "r2", "silhouette")


@dataclass(frozen=True)
class CompareOptions:
    """The options of `embedding INPUT OUTPUT --compare MAPS`.

    ``maps`` gives for each name the layer whose features UMAP maps, None for the last layer; the
    map ``"pca"`` is two principal components of the pixels.
    """

    output: Path
    maps: dict
    input: InputOptions
    features: FeatureOptions
    picture: str
    quiet: bool


@dataclass(frozen=True)
class ComparePlan:
    """How the maps are computed.

    Attributes
    ----------
    options : CompareOptions
    layers : dict of str to (int or None)
        The layer of each map, None for ``"pca"``.
    features : FeatureOptions
        The options of computing the features of all these layers.
    """

    options: CompareOptions
    layers: dict
    features: FeatureOptions


def make_compare_options(params):
    """Make the options of the parameters of the command."""
    return CompareOptions(
        output=params["output"],
        maps=params["compare"],
        input=pick_input(params),
        features=pick(FeatureOptions, params),
        picture=params["picture"],
        quiet=params["quiet"],
    )


def compare(options):
    """Compute the maps, score them, and draw them side by side.

    Parameters
    ----------
    options : CompareOptions

    Raises
    ------
    ValueError, TypeError, OSError, ImportError, RuntimeError
        If an option has an invalid value, or a file cannot be read or written.
    """
    progress = Progress(options.quiet)
    plan = plan_comparison(options, progress)
    with lock_output(options.output):
        _compare(plan, progress)


def _compare(plan, progress):
    options = plan.options
    with progress.timed("input"):
        data = load_input(options.input, options.quiet)
    options = replace(options, input=replace(options.input, rescale_range=data.rescale_range))
    progress.show_array("input", data.images)
    _check_images(options, data)
    maps, metadata = compute_maps(plan, data.images, progress)
    names = [f"{name}_{axis}" for name in maps for axis in (1, 2)]
    coordinates = np.hstack(list(maps.values()))
    picture = _picture_path(options)
    claim(options.output, [options.output, picture])
    columns = (data.labels, data.paths, data.columns)
    write_table(options.output, coordinates, names, *columns)
    scores = draw_maps(picture, maps, data.labels, progress)
    metadata |= {"scores": scores, "model": "compare", "maps": plan.layers}
    metadata["table"] = hash_table(coordinates, *columns)
    shapes = {"input": data.images.shape, "embedding": (len(data.images), len(names))}
    result = Result((options.output, picture), shapes, metadata)
    finish(options.output, options.input, result, progress)


def _picture_path(options):
    return beside(options.output, "compare", f".{options.picture}")


def plan_comparison(options, progress):
    """Check the options, before images are read, and resolve the layers of the maps.

    Parameters
    ----------
    options : CompareOptions
    progress : Progress

    Returns
    -------
    ComparePlan
    """
    check_apart(options.input.source, options.output)
    check_table_path(options.output)
    architecture = options.features.architecture
    named = {
        name: _resolve_layer(architecture, cut)
        for name, cut in options.maps.items()
        if name != "pca" and cut is not None
    }
    features = replace(
        options.features,
        model="pca" if set(options.maps) == {"pca"} else "resnet",
        layers=list(dict.fromkeys(named.values())) or None,  # two maps may use the same layer
        dimensions=2,
    )
    check_input(options.input.source, options.input.patches, options.input.regions)
    if reads_files(options.input.source):
        features = replace(features, value_range=None)
    files = find_format(options.output).files(options.output)
    check_kind(options.output, "compare")
    check_replaceable(options.output, [*files, _picture_path(options)])
    with renamed_parameters(layers="compare"):
        features = check_features(features, progress)
    default = _resolve_layer(architecture, default_layers(features.weights))
    layers = {name: None if name == "pca" else named.get(name, default) for name in options.maps}
    cuts = dict.fromkeys(layer for layer in layers.values() if layer is not None)
    images = replace(options.input, mode=read_mode(options.input, features))
    options = replace(options, input=images)
    return ComparePlan(options, layers, replace(features, layers=list(cuts) or None))


def _resolve_layer(architecture, cut):
    (layer,) = resolve_layers(architecture, cut, "compare")
    return layer.index


def _check_images(options, data):
    if data.labels is None:
        raise ParameterError(
            "source",
            "must have labels with --compare, which scores maps by them",
            f"{options.input.source!r} without labels",
            hint="Name a file of labels with --labels, or sort the images into a folder for each class.",
        )
    if len(data.images) < MIN_MAPPED:
        raise ParameterError(
            "source", f"must hold at least {MIN_MAPPED} images with --compare", len(data.images)
        )


def compute_maps(plan, images, progress):
    """Compute the maps, the features of all layers in one pass.

    Parameters
    ----------
    plan : ComparePlan
    images : ndarray or LazyImages
    progress : Progress

    Returns
    -------
    maps : dict of str to ndarray of shape (n, 2)
    metadata : dict
        How the features were computed.
    """
    features, metadata = {}, {}
    if plan.features.model == "resnet":
        with importing_umap(uses_openvino(plan.features)), progress.timed("embedding"):
            computed = compute_resnet(images, plan.features, progress)
        progress.show_array("embedding", computed.values)
        features, metadata = _split_layers(computed), computed.metadata
    maps = {}
    for name, layer in plan.layers.items():
        with progress.timed(name):
            maps[name] = (
                compute_pca(images, plan.features).values
                if layer is None
                else compute_umap(features[layer], plan.features.seed)
            )
        progress.show_array(name, maps[name])
    return maps, metadata


def _split_layers(features):
    """Return the features of each layer, by its index."""
    metadata = features.metadata
    layers = resolve_layers(metadata["architecture"], metadata["layers"])
    n_channels = len(metadata["channel_names"] or [None])
    parts = split_layers(features.values, layers, n_channels)
    return dict(zip(metadata["layers"], parts, strict=True))


def draw_maps(path, maps, labels, progress):
    """Draw the maps side by side, and print their scores.

    Returns
    -------
    dict of str to dict
        The scores of each map.
    """
    with drawing_files():
        with progress.timed("compare"):
            compared = compare_embeddings(maps, labels)
        save_figure(compared.figure, path)
    # pandas writes NaN as null
    scores = json.loads(compared.scores.to_json(orient="index", double_precision=6))
    for name, row in scores.items():
        known = {key: row[key] for key in _SCORES if row.get(key) is not None}
        progress.show(name, ", ".join(f"{key} {score:.3f}" for key, score in known.items()))
    return scores
