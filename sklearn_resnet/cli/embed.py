"""`embedding INPUT OUTPUT`: features, pictures of them, and the record."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from pathlib import Path

import numpy as np

from sklearn_resnet._images.errors import ImageReadError
from sklearn_resnet._images.failures import describe_failures
from sklearn_resnet._images.sources import as_source
from sklearn_resnet._io.atomic import atomic_write
from sklearn_resnet._io.csv_text import write_csv
from sklearn_resnet._io.table_formats import find_format
from sklearn_resnet._io.tables import write_table
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet.cli.errors import spell_reading
from sklearn_resnet.cli.features import (
    FeatureOptions,
    check_features,
    compute_features,
    make_resnet,
    read_mode,
    uses_openvino,
)
from sklearn_resnet.cli.inputs import (
    Input,
    InputOptions,
    check_apart,
    check_input,
    check_on_error,
    load_input,
    pick_input,
    reads_files,
)
from sklearn_resnet.cli.options import pick
from sklearn_resnet.cli.ownership import check_kind, check_replaceable, claim
from sklearn_resnet.cli.pictures import (
    MIN_MAPPED,
    Map,
    PictureOptions,
    compute_umap,
    draw_map,
    find_map_neighbors,
    importing_umap,
    make_title,
    write_page,
)
from sklearn_resnet.cli.progress import Progress
from sklearn_resnet.cli.record import (
    Result,
    beside,
    describe_resnet,
    file_parameters,
    finish,
    hash_table,
    read_former_record,
    write_record,
)
from sklearn_resnet.cli.resumable.lock import lock_output
from sklearn_resnet.cli.resumable.run import (
    SUFFIXES,
    RunOptions,
    embed_in_parts,
    read_finished_features,
    work_folders,
)
from sklearn_resnet.cli.tables import check_table_path

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


def make_embed_options(params):
    """Make the options of the parameters of the command."""
    return EmbedOptions(
        output=params["output"],
        input=pick_input(params),
        features=pick(FeatureOptions, params),
        pictures=pick(PictureOptions, params),
        parts=pick(RunOptions, params),
        quiet=params["quiet"],
    )


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
    with lock_output(options.output):
        _embed(options, plan, progress)


def _embed(options, plan, progress):
    former = read_former_record(options.output)
    if options.features.weights == "auto":
        _warn_about_other_weights(former, plan.options.features.weights, progress)
    options = plan.options
    images = _take_former_range(plan, former, progress)
    with progress.timed("input"):
        data = load_input(images, options.quiet)
    options = replace(options, input=replace(images, rescale_range=data.rescale_range))
    progress.show_array("input", data.images)
    with (
        importing_umap(plan.imports_umap),
        progress.timed("embedding"),
        _advising_to_skip(options.features.model, "row" if data.noun == "regions" else "file"),
    ):
        embedding = compute_embedding(plan, data, progress)
    progress.show("embedding", f"{embedding.shape}  float32")
    shapes = {"input": data.images.shape, "embedding": embedding.shape}
    table = Result(embedding.written, shapes, embedding.metadata)
    if options.pictures.needs_map:  # Ctrl-C may end the process while UMAP runs
        write_record(options.output, options.input, table, progress)
    pictures, map_shapes = [], {}
    try:
        map_shapes = make_pictures(plan, embedding, progress, pictures)
    finally:  # the table can be used without pictures
        result = Result((*table.written, *pictures), shapes | map_shapes, embedding.metadata)
        finish(options.output, options.input, result, progress)


@contextmanager
def _advising_to_skip(model, item):
    """Add to the error of an unreadable image how to continue without it."""
    try:
        yield
    except ImageReadError as exc:
        if model == "resnet":
            exc.add_note(f"--on-error skip, or nan, continues without such a {item}.")
        raise


def _warn_about_other_weights(former, weights, progress):
    """Warn if --weights auto chose other weights for OUTPUT than an earlier command did."""
    before = former.get("weights", weights)
    if weights != before:
        progress.warn(
            f"The table was made with --weights {before}, and --weights auto now takes {weights}, so "
            f"that all features are computed again. --weights {before} keeps the former ones."
        )


def _take_former_range(plan, former, progress):
    """Take the range of percentiles of an earlier command, so that only new images are embedded.

    Returns
    -------
    InputOptions
    """
    options, reading = plan.options, former.get("reading") or {}
    is_resumed = plan.in_parts and not options.parts.restart
    if not is_resumed or reading.get("rescale_range") is None:
        return options.input
    images = replace(options.input, source=former["input"], **file_parameters(former))
    if replace(images, rescale_range=None) != options.input:
        return options.input
    progress.show("rescale", "with the range of the former table; --restart learns another")
    return images


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
    check_apart(source, options.output)
    is_resumable = features.model == "resnet" and options.output.suffix in SUFFIXES
    in_parts = is_resumable and options.input.is_many
    _check_output(options, in_parts)
    check_input(source, options.input.patches, options.input.regions)
    check_kind(options.output)
    check_replaceable(options.output, _list_outputs(options, in_parts))
    check_on_error(options.input)
    if reads_files(source):
        features = replace(features, value_range=None)
    features = check_features(features, progress)
    images = replace(options.input, mode=read_mode(options.input, features))
    options = replace(options, features=features, input=images)
    # Keras imports tensorflow, which is hidden from umap
    may_import_umap = features.model == "pca" or uses_openvino(features)
    imports_umap = "table" in _list_map_files(options) and may_import_umap
    return EmbedPlan(options, in_parts, imports_umap)


def _list_outputs(options, in_parts):
    """List the files and folders that a command writes, replaces or removes, besides the record."""
    output = options.output
    files = [*find_format(output).files(output), _errors_path(output)]
    run_files = work_folders(output) if in_parts else []
    return [*files, *run_files, *_list_map_files(options).values()]


def _errors_path(output):
    return beside(output, "errors", ".csv")


def _list_map_files(options):
    """Name the table of a map by UMAP, its picture and its page, as far as they are asked for."""
    pictures, output, files = options.pictures, options.output, {}
    is_map = options.features.model == "pca" and options.features.dimensions == 2
    kind = "pca" if is_map else "umap"
    if pictures.needs_map and kind == "umap":
        suffix = ".csv" if output.suffix == ".parquet" else output.suffix
        files["table"] = beside(output, kind, suffix)
    if pictures.draws_map:
        files["picture"] = beside(output, kind, f".{pictures.picture}")
    if pictures.html:
        files["page"] = beside(output, kind, ".html")
    return files


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
    options, output, n_images = plan.options, plan.options.output, len(data.images)
    on_error = options.input.on_error
    if plan.in_parts:
        resnet = make_resnet(options.features).fit(data.images)
        claim_table = partial(claim, output, find_format(output).files(output))
        table = embed_in_parts(
            output,
            data.images,
            data.labels,
            resnet,
            options.parts,
            progress,
            claim_table,
            further=data.columns,
        )
        values, shape, failures, written = None, table.shape, table.failures, table.written
        metadata = describe_resnet(resnet, options.features.weights) | table.metadata
        data = data.select(_is_kept(n_images, failures, on_error))
    else:
        features = compute_features(data.images, options.features, progress)
        failures = tuple(as_source(data.images).failures.values())
        is_kept = _is_kept(n_images, failures, on_error)
        values, data = features.values[is_kept], data.select(is_kept)
        columns = (data.labels, data.paths, data.columns)
        metadata = features.metadata | {"table": hash_table(values, *columns)}
        claim(output, [output])
        write_table(output, values, features.names, *columns)
        shape, written = values.shape, [output]
    errors = _report_failures(options, failures, n_images, data.uncut, progress)
    return Embedding(data, values, shape, metadata, (*written, *errors))


def _is_kept(n_images, failures, on_error):
    """Return a mask of the images that have a row in OUTPUT."""
    is_kept = np.ones(n_images, bool)
    if on_error == "skip":
        is_kept[[failure.position for failure in failures]] = False
    return is_kept


def _report_failures(options, failures, n_images, uncut, progress):
    """Warn about unreadable images, and list them in a table; return its path in a list.

    The table begins with images of which no regions were made. A warning has named them.
    """
    path = _errors_path(options.output)
    failures = sorted(failures, key=attrgetter("position"))
    listed = [*uncut, *failures]
    if listed or path.exists():
        claim(options.output, [path])
    if not listed:
        path.unlink(missing_ok=True)  # of an earlier command
        return []
    listed = [f._replace(cause=spell_reading(f.cause)) for f in listed]
    failures = listed[len(uncut) :]
    columns = ("path", "position", "cause")
    with atomic_write(path) as partial:
        write_csv(partial, {name: [getattr(f, name) for f in listed] for name in columns})
    if not failures:
        return [path]
    outcome = {"nan": "their features are NaN", "skip": "they are left out"}
    line = describe_failures(failures, n_images, outcome[options.input.on_error])
    progress.warn(f"{line}. All are in {path}")
    return [path]


def make_pictures(plan, embedding, progress, written):
    """Draw the map of an embedding, or make a page of it.

    Parameters
    ----------
    plan : EmbedPlan
    embedding : Embedding
    progress : Progress
    written : list of path
        Files are appended as they are written.

    Returns
    -------
    dict of str to tuple of int
        The shape of the map, if UMAP computed it.
    """
    options = plan.options
    pictures, output = options.pictures, options.output
    if not pictures.needs_map:
        return {}
    features = read_finished_features(output) if plan.in_parts else embedding.features
    is_finite = np.isfinite(features).all(1)
    features, data = features[is_finite], embedding.data.select(is_finite)
    files = _list_map_files(options)
    embedding_map = _compute_map(features, options, progress)
    claim(output, files.values())
    if "table" in files:
        names = ["umap_1", "umap_2"]
        columns = (data.labels, data.paths, data.columns)
        write_table(files["table"], embedding_map.xy, names, *columns)
        written.append(files["table"])
    has_patches = options.input.patches is not None
    noun = "patches" if has_patches else data.noun
    title = make_title(options.input.source, embedding_map, embedding.metadata, noun)
    if "picture" in files:
        show_images = pictures.thumbnails or (has_patches and len(features) <= _MAX_THUMBNAILS)
        images = data.images if show_images else None
        draw_map(files["picture"], embedding_map, data.labels, images=images, title=title)
        written.append(files["picture"])
    if "page" in files:
        with progress.timed("html"):
            write_page(files["page"], embedding_map, data, features, title.replace("\n", ", "))
        written.append(files["page"])
    return {"umap": embedding_map.xy.shape} if embedding_map.kind == "umap" else {}


def _compute_map(features, options, progress):
    """Map an embedding to the plane; one of two columns is a map."""
    if features.shape[1] == 2:
        return Map("pca", features)
    if len(features) < MIN_MAPPED:
        raise ValueError(
            f"A map by UMAP needs at least {MIN_MAPPED} images. Got {len(features)} instead. The "
            f"embedding is in {str(options.output)!r}; leave -p, -t and --html out."
        )
    with progress.timed("umap"):
        neighbors = find_map_neighbors(features)
        xy = compute_umap(features, options.features.seed, neighbors)
    progress.show_array("UMAP", xy)
    return Map("umap", xy, neighbors)
