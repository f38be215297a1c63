"""The plan of a resumable run: its parts, their keys, and where they are written."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._io.columns import label_texts
from sklearn_resnet._io.csv_text import as_text
from sklearn_resnet._io.folders import list_folder
from sklearn_resnet._io.paths import is_url
from sklearn_resnet._io.table_formats import TableFormat, find_format
from sklearn_resnet.cli.resumable import PART_SIZE
from sklearn_resnet.cli.resumable.parts import (
    Part,
    hash_text,
    is_part_name,
    make_key,
    name_part,
    read_manifest,
)

if TYPE_CHECKING:
    from upath import UPath

    from sklearn_resnet._resnet_features import ResNetFeatures


@dataclass(frozen=True)
class RunOptions:
    """How a table is computed in parts.

    Attributes
    ----------
    part_size : int, default=None
        Number of images in a part; None takes `PART_SIZE`.
    n_workers : int, default=1
        Number of processes on this machine.
    scheduler : str, default=None
        Address of a Dask scheduler, whose workers compute instead.
    restart : bool, default=False
        Whether to compute all features again.
    """

    part_size: int | None = None
    n_workers: int = 1
    scheduler: str | None = None
    restart: bool = False

    @property
    def images_per_part(self):
        """Number of images in a part."""
        return PART_SIZE if self.part_size is None else self.part_size


@dataclass(frozen=True)
class TablePlan:
    """The outputs and inputs of a run.

    Attributes
    ----------
    output : pathlib.Path or upath.UPath
    folder : path
        Parts are written here, and stay here if the run is interrupted.
    other_folder : path
        The folder of parts of runs with the opposite `RunOptions.restart`.
    parts : tuple of Part
    computation : str
        A hash of the settings that determine the features.
    images : LazyImages
    resnet : ResNetFeatures
        Fitted.
    """

    output: "Path | UPath"
    folder: "Path | UPath"
    other_folder: "Path | UPath"
    parts: tuple[Part, ...]
    computation: str
    images: LazyImages
    resnet: "ResNetFeatures"

    @property
    def format(self) -> TableFormat:
        """The format of the table."""
        return find_format(self.output)

    @property
    def noun(self):
        """The word for the images in texts."""
        return "images" if self.images.boxes is None else "regions"

    @property
    def table_key(self):
        """A hash of the content of the table."""
        return hash_text("".join(part.key for part in self.parts))

    @property
    def n_features(self):
        """The number of columns of features."""
        return self.resnet.get_feature_names_out().size


def work_folders(output):
    """Name the folders of a run: of its parts, of its parts with --restart, and of the old table."""
    suffixes = (".partial", ".restarted", ".former")
    return tuple(output.with_name(f"{output.name}{suffix}") for suffix in suffixes)


def plan_table(output, images, labels, resnet, options, further=None):
    """Plan a run.

    Parameters
    ----------
    output : pathlib.Path or upath.UPath
    images : LazyImages
    labels : ndarray of shape (n,) or None
    resnet : ResNetFeatures
        Fitted.
    options : RunOptions
    further : dict of str to ndarray of shape (n,), default=None
        Further columns of the table.

    Returns
    -------
    TablePlan
    """
    columns = {"path": as_text(images.paths)}  # as given, also for workers in other folders
    if options.scheduler is not None:
        output = output.absolute()
        images, resnet = make_absolute(images, resnet)
    # reading a file without one raises the error
    versions = images.file_versions(asks_urls=True)
    columns["file_version"] = [version or "" for version in versions]
    if labels is not None:
        columns["label"] = label_texts(labels)
    columns |= further or {}
    partial, restarted, _ = work_folders(output)
    folder, other_folder = (restarted, partial) if options.restart else (partial, restarted)
    computation = _hash_computation(resnet, images)
    suffix, parts = find_format(output).part_suffix, []
    for number, start in enumerate(range(0, len(images), options.images_per_part)):
        rows = slice(start, start + options.images_per_part)
        of_part = {name: values[rows] for name, values in columns.items()}
        key = make_key(computation, of_part, images.on_error)
        path = folder / name_part(number, key, suffix)
        parts.append(Part(path, computation, key, images[rows], of_part))
    return TablePlan(output, folder, other_folder, tuple(parts), computation, images, resnet)


def _hash_computation(resnet, images):
    forward = resnet._plan(resnet._separate(images))
    described = [forward.make_key(None), forward.layers, sorted(images.options.items())]
    if images.boxes is not None:
        described.append((images.margin, images.pad))
    return hash_text(repr(tuple(described)))


def find_finished(output):
    """List the files of a finished table that have a manifest: its parts, or the .npy."""
    if find_format(output).is_folder:
        return sorted(path for path in list_folder(output) if is_part_name(path.name))
    return [output] if output.is_file() else []


def read_finished_manifests(output):
    """Read the manifests of a finished table, by path; None for a damaged file."""
    return {path: read_manifest(path) for path in find_finished(output)}


def is_up_to_date(plan, finished):
    """Check whether the finished table, given by its manifests, equals the result of `plan`."""
    keys = [part.key for part in plan.parts] if plan.format.is_folder else [plan.table_key]
    found = list(finished.values())
    return (
        [None if manifest is None else manifest.key for manifest in found] == keys
        and not any(manifest.failures for manifest in found)
        and all(version for part in plan.parts for _, version in part.rows)
    )


def make_absolute(images, resnet):
    """Copy images and estimator, so that their paths are valid in any working folder.

    Parameters
    ----------
    images : LazyImages
    resnet : ResNetFeatures

    Returns
    -------
    images : LazyImages
    resnet : ResNetFeatures
    """
    resnet = copy.copy(resnet)
    if resnet.weights not in (None, "imagenet", "procedural"):
        resnet.weights = _absolute(resnet.weights)
    if resnet.cache not in (None, "memory"):
        resnet.cache = _absolute(resnet.cache)
    return images.with_paths(_absolute), resnet


def _absolute(path):
    return path if is_url(path) else str(Path(path).absolute())
