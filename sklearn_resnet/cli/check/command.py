"""The command `embedding check`: a table, a page and a summary of the findings in folders of images."""

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd

from sklearn_resnet import datasets
from sklearn_resnet._images.decoding.overviews import read_size
from sklearn_resnet._images.errors import ImageReadError
from sklearn_resnet._images.items import UnusableItem
from sklearn_resnet._io.atomic import atomic_write
from sklearn_resnet._io.csv_text import write_csv
from sklearn_resnet._io.paths import as_path, is_local
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet.checks import check_images, choose_size
from sklearn_resnet.cli.check.findings import Findings
from sklearn_resnet.cli.check.page import write_report_page
from sklearn_resnet.cli.check.summary import describe_findings, describe_threshold
from sklearn_resnet.cli.errors import renamed_parameters, spell_reading
from sklearn_resnet.cli.features import (
    FeatureOptions,
    check_features,
    compute_features,
    read_mode,
)
from sklearn_resnet.cli.inputs import InputOptions, check_apart, is_collection, load_files
from sklearn_resnet.cli.labels import read_labels
from sklearn_resnet.cli.options import pick
from sklearn_resnet.cli.ownership import check_kind, check_replaceable, claim
from sklearn_resnet.cli.pictures import importing_umap, name_weights
from sklearn_resnet.cli.progress import Progress
from sklearn_resnet.cli.record import Result, finish, hash_table
from sklearn_resnet.cli.resumable.lock import lock_output
from sklearn_resnet.cli.search_report import name_stem
from sklearn_resnet.cli.tables import check_table_path

_N_MEASURED = 25  # files whose sizes stand for those of all
_OF_SPLITS = frozenset(
    ("train", "training", "test", "testing", "val", "valid", "validation", "dev")
)


@dataclass(frozen=True)
class CheckOptions:
    """The arguments and options of `embedding check`.

    Attributes
    ----------
    sources : tuple of str
        Folders or archives of images; each is a split if there are several.
    output : str or None
        The path of the table, with or without its suffix; None names it after the first source.
    labels : str or None
        A file of labels; see `read_labels`.
    max_false_pairs, mirrored
        As for `check_images`.
    features : FeatureOptions
    quiet : bool
    """

    sources: tuple[str, ...]
    output: str | None
    labels: str | None
    max_false_pairs: float
    mirrored: bool
    features: FeatureOptions
    quiet: bool


def make_check_options(params):
    """Make the options of the parameters of the command."""
    defaults = {"model": "resnet", "dimensions": None, "pooling": "avg", "precision": "float32"}
    return pick(CheckOptions, params | {"features": pick(FeatureOptions, defaults | params)})


def check(options):
    """Check folders of images, and write a table and a page of the findings.

    Parameters
    ----------
    options : CheckOptions

    Returns
    -------
    str
        The findings, with the first of each kind.

    Raises
    ------
    ValueError, TypeError, OSError, ImportError, RuntimeError
        If an option has an invalid value, or a file cannot be read or written.
    """
    progress = Progress(options.quiet)
    output = _name_output(options)
    page = output.with_suffix(".html")
    _check_paths(options.sources, output, page)
    check_kind(output, "check", options.sources[0] if options.output is None else None)
    with lock_output(output):
        return _check(options, output, page, progress)


def _check(options, output, page, progress):
    features = check_features(options.features, progress)
    with progress.timed("input"):
        images = _list_images(options, progress)
    progress.show("input", _describe_input(images))
    size = features.image_size or _choose_size(images["path"])
    features = replace(features, image_size=size)
    with importing_umap():
        with progress.timed("features"):
            computed, failures = _compute_features(images["path"], features, options, progress)
        progress.show("features", f"{computed.values.shape}  at {size} x {size} pixels")
        with progress.timed("checks"):
            table = check_listed(images, computed.values, failures, options)
    findings = Findings(table, computed.values)
    claim(output, [output, page])
    _write_table(output, table)
    with progress.timed("page"):
        title = _make_title(options.sources, table, computed.metadata)
        write_report_page(page, findings, title, options.features.seed)
    metadata = computed.metadata | _describe_check(findings, options)
    metadata["table"] = hash_table(
        computed.values, *(table.get(name) for name in ("label", "path"))
    )
    shapes = {"input": (len(table), size, size), "embedding": computed.values.shape}
    result = Result((output, page), shapes, metadata)
    finish(output, InputOptions(options.sources[0], seed=options.features.seed), result, progress)
    progress.show("copies", describe_threshold(table.attrs["copies"]))
    return "\n".join(describe_findings(findings))


def _name_output(options):
    """Return the path of the table, by default in the current folder and named after the first source."""
    if options.output is None:
        return Path(f"{name_stem(options.sources[0])}_check.csv")
    output = as_path(options.output)
    if output.suffix not in ("", ".csv", ".html"):
        raise ParameterError("output", "must end in .csv, or have no suffix", repr(str(output)))
    return output.with_suffix(".csv")


def _check_paths(sources, output, page):
    """Check, before images are read, that all sources are collections, and that files can be written."""
    for source in sources:
        if not as_path(source).exists():
            raise FileNotFoundError(f"FOLDER {source!r} does not exist.")
        if not is_collection(source):
            raise ParameterError("sources", "must be folders or archives of images", repr(source))
        with renamed_parameters(source="sources"):
            check_apart(source, output)
    for first, second in permutations(filter(is_local, map(as_path, sources)), 2):
        outer, inner = first.resolve(), second.resolve()
        if outer == inner or outer in inner.parents:
            raise ParameterError(
                "sources", "must not contain one another", f"{str(first)!r} and {str(second)!r}"
            )
    check_table_path(output)
    check_replaceable(output, [output, page])


def _list_images(options, progress):
    """List the images of all sources, with their splits and labels.

    Returns
    -------
    DataFrame
        With the column path, and maybe split and label.
    """
    tables = []
    for source, split in zip(options.sources, _name_splits(options.sources), strict=True):
        with renamed_parameters(folder="sources"):
            paths, labels = datasets.load_image_folder(source, return_X_y=True)
        table = {
            "path": paths.tolist(),
            "split": split,
            "label": None if labels is None else labels,
        }
        tables.append(pd.DataFrame(table, dtype=object))
        _warn_about_splits(source, labels, options, progress)
    table = pd.concat(tables, ignore_index=True)
    if options.labels is not None:
        table["label"] = read_labels(options.labels, table["path"].to_numpy(str), len(table))
    if len(options.sources) == 1:
        del table["split"]
    return table.drop(columns="label") if table["label"].isna().all() else table


def _name_splits(sources):
    """Name splits after their folders, or by their whole paths if folders have the same name."""
    names = [name_stem(source) for source in sources]
    return names if len(set(names)) == len(names) else list(sources)


def _warn_about_splits(source, labels, options, progress):
    """Warn if the folders that are taken for classes seem to be splits."""
    names = [] if labels is None else sorted(set(labels.tolist()))
    if options.labels is None and names and _OF_SPLITS.issuperset(map(str.lower, names)):
        progress.warn(
            f"The folders {', '.join(names)} in {source!r} are taken for classes. If they are splits, "
            "name each of them, as in: embedding check photos/train photos/test."
        )


def _describe_input(images):
    text = f"{len(images):,} images"
    if "split" in images:
        counts = images["split"].value_counts(sort=False)
        text += f" ({', '.join(f'{count:,} in {name}' for name, count in counts.items())})"
    if "label" in images:
        text += f", {images['label'].nunique():,} labels"
    return text


def _choose_size(paths):
    """Choose the size of images by those of some files."""
    sides = []
    for i in np.unique(np.linspace(0, len(paths) - 1, _N_MEASURED).astype(int)):
        with suppress(ImageReadError, OSError):  # it will be listed as unreadable
            sides.append(min(read_size(paths[i])))
    return choose_size(np.array(sides))


def _compute_features(paths, features, options, progress):
    """Compute the features of all images; those of unreadable ones are NaN.

    Returns
    -------
    computed : Features
    failures : dict of int to Failure
    """
    files = InputOptions(options.sources[0], seed=features.seed, mode=None)
    files = replace(files, mode=read_mode(files, features))
    images, _ = load_files(paths.tolist(), files, features.image_size, lazy=True, on_error="nan")
    return compute_features(images, features, progress), images.failures


def check_listed(images, features, failures, options):
    """Check images; those without features count as unreadable.

    Parameters
    ----------
    images : DataFrame
        As `_list_images` returns it.
    features : ndarray of shape (n, n_features)
    failures : dict of int to Failure
    options : CheckOptions

    Returns
    -------
    DataFrame
        As `Findings` takes it.
    """
    items = images["path"].tolist()
    for i, failure in failures.items():  # not read again, as the file may have changed
        items[i] = UnusableItem(failure.cause, name=failure.path)
    table = check_images(
        items,
        images.get("label"),
        split=images.get("split"),
        features=features,
        max_false_pairs=options.max_false_pairs,
        mirrored=options.mirrored,
        random_state=options.features.seed,
    )
    attrs = table.attrs
    table = images.join(table.drop(columns="path"))
    table["error"] = ""
    table.loc[table["unreadable"], "error"] = "it cannot be read as a grey image"
    for i, failure in failures.items():
        table.loc[i, "error"] = spell_reading(failure.cause)
    table.attrs = attrs
    return table


def _write_table(path, table):
    """Write the table, with empty cells for missing values."""
    columns = {}
    for name, values in table.items():
        if values.dtype.kind == "f":
            columns[name] = values.round(6)
        elif values.hasnans:
            columns[name] = values.astype(object).where(values.notna(), "")
        else:
            columns[name] = values
    with atomic_write(path) as partial:
        write_csv(partial, columns)


def _make_title(sources, table, metadata):
    names = ", ".join(_name_splits(sources))
    layers = ", ".join(metadata["layer_names"])
    weights = name_weights(metadata["weights"])
    return f"{names}: {len(table):,} images\n{metadata['architecture']}, {layers}, {weights}"


def _describe_check(findings, options):
    """Describe the findings for the record."""
    return {
        "model": "check",
        "folders": list(options.sources),
        "labels_file": options.labels,
        "mirrored": options.mirrored,
        "copies": findings.table.attrs["copies"],
        "findings": findings.count(),
    }
