"""`embedding INPUT OUTPUT`: features, pictures of them, and the record."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path

import numpy as np

from sklearn_resnet._images.errors import ImageReadError
from sklearn_resnet._images.lazy import describe_failures
from sklearn_resnet._images.sources import as_source
from sklearn_resnet._io.atomic import atomic_write
from sklearn_resnet._io.csv_text import write_csv
from sklearn_resnet._io.tables import write_table
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet.cli.features import (
    FeatureOptions,
    check_features,
    compute_features,
    make_resnet,
    uses_openvino,
)
from sklearn_resnet.cli.inputs import (
    Input,
    InputOptions,
    check_apart,
    check_input,
    is_collection,
    load_input,
    reads_files,
)
from sklearn_resnet.cli.pictures import (
    MIN_MAPPED,
    Map,
    PictureOptions,
    compute_umap,
    draw_map,
    importing_umap,
    make_title,
    write_page,
)
from sklearn_resnet.cli.progress import Progress
from sklearn_resnet.cli.record import (
    Result,
    beside,
    describe_resnet,
    finish,
    hash_table,
    read_former_record,
    write_record,
)
from sklearn_resnet.cli.resumable.run import (
    SUFFIXES,
    RunOptions,
    embed_in_parts,
    read_finished_features,
)
from sklearn_resnet.cli.tables import check_table_path
from sklearn_resnet.plotting.explorer.page import check_bokeh

_MAX_THUMBNAILS = 200


@dataclass(frozen=True)
class EmbedOptions:
    """The options of `embedding INPUT OUTPUT`."""

    output: Path
    input: InputOptions
    features: FeatureOptions
    pictures: PictureOptions
    parts: RunOptions
    quiet: bool


@dataclass(frozen=True)
class EmbedPlan:
    """How an embedding is computed.

    Attributes
    ----------
    options : EmbedOptions
    in_parts : bool
        Whether to compute part by part, so that an interrupted command can be resumed.
    imports_umap : bool
        Whether to import umap during the computation.
    """

    options: EmbedOptions
    in_parts: bool
    imports_umap: bool


@dataclass(frozen=True)
class Embedding:
    """A finished table.

    Attributes
    ----------
    data : Input
        The images whose features are its rows.
    features : ndarray or None
        None if it was computed in parts and is only on disk.
    shape : tuple of 2 int
    metadata : dict
        How it was computed.
    written : tuple of path
        Its files, and a table of images that could not be read.
    """

    data: Input
    features: np.ndarray | None
    shape: tuple
    metadata: dict
    written: tuple


def embed(options):
    """Embed INPUT.

    Parameters
    ----------
    options : EmbedOptions

    Raises
    ------
    ValueError, TypeError, OSError, ImportError, RuntimeError
        If an option has an invalid value, or a file cannot be read or written.
    """
    progress = Progress(options.quiet)
    plan = plan_embedding(options, progress)
    former = read_former_record(options.output)
    if options.features.weights == "auto":
        _warn_about_other_weights(former, plan.options.features.weights, progress)
    options = plan.options
    with progress.timed("input"):
        data = load_input(options.input)
    progress.show_array("input", data.images)
    with (
        importing_umap(plan.imports_umap),
        progress.timed("embedding"),
        _advising_to_skip(options.features.model),
    ):
        embedding = compute_embedding(plan, data, progress)
    progress.show("embedding", f"{embedding.shape}  float32")
    shapes = {"input": data.images.shape, "embedding": embedding.shape}
    table = Result(embedding.written, shapes, embedding.metadata)
    if options.pictures.needs_map:  # Ctrl-C may end the process while UMAP runs
        write_record(options.output, options.input, table, progress, former)
    pictures, map_shapes = [], {}
    try:
        pictures, map_shapes = make_pictures(plan, embedding, progress)
    finally:  # the table can be used without pictures
        result = Result((*table.written, *pictures), shapes | map_shapes, embedding.metadata)
        finish(options.output, options.input, result, progress, former)


@contextmanager
def _advising_to_skip(model):
    """Add to the error of an unreadable image how to continue without it."""
    try:
        yield
    except ImageReadError as exc:
        if model == "resnet":
            exc.add_note("--on-error skip, or nan, continues without such a file.")
        raise


def _warn_about_other_weights(former, weights, progress):
    """Warn if --weights auto chose other weights for OUTPUT than an earlier command did."""
    before = former.get("weights", weights)
    if weights != before:
        progress.warn(
            f"The table was made with --weights {before}, and --weights auto now takes {weights}, so "
            f"that all features are computed again. --weights {before} keeps the former ones."
        )


def plan_embedding(options, progress):
    """Check the options, before images are read, and decide how to compute.

    Parameters
    ----------
    options : EmbedOptions
    progress : Progress

    Returns
    -------
    EmbedPlan
    """
    source, features = options.input.source, options.features
    if options.pictures.html:
        check_bokeh()
    check_apart(source, options.output)
    is_resumable = features.model == "resnet" and options.output.suffix in SUFFIXES
    in_parts = is_resumable and is_collection(source)
    _check_output(options, in_parts)
    check_input(source, options.input.patches)
    if options.input.on_error != "raise" and not is_collection(source):
        raise ParameterError(
            "on_error", "requires a folder or an archive of images as INPUT", repr(source)
        )
    if reads_files(source):
        features = replace(features, value_range=None)
    features = check_features(features, progress)
    options = replace(options, features=features)
    if features.model == "pca":
        may_import_umap = features.dimensions != 2
    else:
        may_import_umap = uses_openvino(features)  # Keras imports tensorflow, hidden from umap
    return EmbedPlan(options, in_parts, options.pictures.needs_map and may_import_umap)


def _check_output(options, in_parts):
    output = options.output
    if in_parts and output.suffix == ".parquet" and output.is_dir():
        check_table_path(output / "part-00000.parquet")
        return
    check_table_path(output)
    if in_parts:
        return
    parts = options.parts
    given = {
        "n_workers": parts.n_workers > 1,
        "scheduler": parts.scheduler is not None,
        "restart": parts.restart,
        "part_size": parts.part_size is not None,
    }
    for name, is_given in given.items():
        if is_given:
            raise ParameterError(
                name,
                "requires image files as INPUT, --model resnet and an OUTPUT that ends in "
                f"{' or '.join(SUFFIXES)}, which is then computed in parts",
                f"{options.input.source!r} and {str(output)!r}",
            )
    is_drawn = options.pictures.needs_map
    if options.input.labels is not None and output.suffix == ".npy" and not is_drawn:
        raise ParameterError(
            "labels",
            "requires an OUTPUT that holds labels (.npz, .csv or .parquet), or a picture (-p, -t or "
            "--html)",
            repr(str(output)),
        )


def compute_embedding(plan, data, progress):
    """Compute the features of INPUT, and write them to OUTPUT.

    Parameters
    ----------
    plan : EmbedPlan
    data : Input
    progress : Progress

    Returns
    -------
    Embedding
    """
    options, n_images = plan.options, len(data.images)
    on_error = options.input.on_error
    if plan.in_parts:
        resnet = make_resnet(options.features).fit(data.images)
        table = embed_in_parts(
            options.output, data.images, data.labels, resnet, options.parts, progress
        )
        values, shape, failures, written = None, table.shape, table.failures, table.written
        metadata = describe_resnet(resnet, options.features.weights) | table.metadata
        data = data.select(_is_kept(n_images, failures, on_error))
    else:
        features = compute_features(data.images, options.features, progress)
        failures = tuple(as_source(data.images).failures.values())
        is_kept = _is_kept(n_images, failures, on_error)
        values, data = features.values[is_kept], data.select(is_kept)
        metadata = features.metadata | {"table": hash_table(values, data.labels, data.paths)}
        write_table(options.output, values, features.names, data.labels, data.paths)
        shape, written = values.shape, [options.output]
    errors = _report_failures(options, failures, n_images, progress)
    return Embedding(data, values, shape, metadata, (*written, *errors))


def _is_kept(n_images, failures, on_error):
    """Return a mask of the images that have a row in OUTPUT."""
    is_kept = np.ones(n_images, bool)
    if on_error == "skip":
        is_kept[[failure.position for failure in failures]] = False
    return is_kept


def _report_failures(options, failures, n_images, progress):
    """Warn about unreadable images, and list them in a table; return its path in a list."""
    path = beside(options.output, "errors", ".csv")
    failures = sorted(failures, key=attrgetter("position"))
    if not failures:
        path.unlink(missing_ok=True)  # of an earlier command
        return []
    columns = ("path", "position", "cause")
    with atomic_write(path) as partial:
        write_csv(partial, {name: [getattr(f, name) for f in failures] for name in columns})
    outcome = {"nan": "their features are NaN", "skip": "they are left out"}
    line = describe_failures(failures, n_images, outcome[options.input.on_error])
    progress.warn(f"{line}. All are in {path}")
    return [path]


def make_pictures(plan, embedding, progress):
    """Draw the map of an embedding, or make a page of it.

    Parameters
    ----------
    plan : EmbedPlan
    embedding : Embedding
    progress : Progress

    Returns
    -------
    written : list of path
    shapes : dict of str to tuple of int
    """
    options = plan.options
    pictures, output = options.pictures, options.output
    if not pictures.needs_map:
        return [], {}
    features = read_finished_features(output) if plan.in_parts else embedding.features
    is_finite = np.isfinite(features).all(1)
    features, data = features[is_finite], embedding.data.select(is_finite)
    embedding_map, written = _compute_map(features, data, options, progress)
    has_patches = options.input.patches is not None
    noun = "patches" if has_patches else "images"
    title = make_title(options.input.source, embedding_map, embedding.metadata, noun)
    if pictures.draws_map:
        show_images = pictures.thumbnails or (has_patches and len(features) <= _MAX_THUMBNAILS)
        images = data.images if show_images else None
        path = beside(output, embedding_map.kind, f".{pictures.picture}")
        draw_map(path, embedding_map, data.labels, images=images, title=title)
        written.append(path)
    if pictures.html:
        path = beside(output, embedding_map.kind, ".html")
        with progress.timed("html"):
            write_page(path, embedding_map, data, features, title.replace("\n", ", "))
        written.append(path)
    return written, {"umap": embedding_map.xy.shape} if embedding_map.kind == "umap" else {}


def _compute_map(features, data, options, progress):
    """Map an embedding to the plane; one of two columns is a map.

    A map by UMAP is written beside OUTPUT, and its path returned in a list.
    """
    if features.shape[1] == 2:
        return Map("pca", features), []
    output = options.output
    if len(features) < MIN_MAPPED:
        raise ValueError(
            f"A map by UMAP needs at least {MIN_MAPPED} images. Got {len(features)} instead. The "
            f"embedding is in {str(output)!r}; leave -p, -t and --html out."
        )
    with progress.timed("umap"):
        xy = compute_umap(features, options.features.seed)
    progress.show_array("UMAP", xy)
    path = beside(output, "umap", ".csv" if output.suffix == ".parquet" else output.suffix)
    write_table(path, xy, ["umap_1", "umap_2"], data.labels, data.paths)
    return Map("umap", xy), [path]
