"""A long run: many image files to a table of features, part by part, and taken up where it ended."""

import copy
import hashlib
import shutil
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import click
import numpy as np
from tqdm.auto import tqdm

from sklearn_resnet._io.csv_text import as_text
from sklearn_resnet._io.paths import file_version, is_url
from sklearn_resnet._runtime.threads import dask_task
from sklearn_resnet.cli.resumable.parts import (
    Manifest,
    Part,
    is_part_name,
    join_npy,
    make_key,
    manifest_path,
    name_part,
    read_features,
    read_manifest,
    read_rows,
    write_part,
)
from sklearn_resnet.cli.resumable.workers import lock_output, run_in_workers
from sklearn_resnet.cli.tables import rows_of

_PART_SUFFIXES = {".parquet": ".parquet", ".npy": ".npz"}  # of parts, by that of OUTPUT
SUFFIXES = tuple(_PART_SUFFIXES)
_MAX_TIMED = 32  # images, to tell how long a run will take


def embed_part(part, resnet, bar=None):
    """Compute the features of a part, or take them from an earlier run, and write them.

    Parameters
    ----------
    part : Part
    resnet : ResNetFeatures
        Fitted.
    bar : tqdm, default=None
        Counts images.
    """
    n_images = len(part.images)
    features = np.empty((n_images, resnet.get_feature_names_out().size), np.float32)
    is_new = np.ones(n_images, bool)
    for _, rows in groupby(sorted(part.known, key=_file_of), key=_file_of):
        here, (path, *_), there = map(list, zip(*rows, strict=True))
        with suppress(Exception):  # what is damaged is computed again
            features[here] = read_features(path, there)
            is_new[here] = False
    new = np.flatnonzero(is_new)
    failures = {}
    if bar is not None:
        bar.update(n_images - len(new))
    if len(new):
        images = part.images[new]
        with dask_task():
            features[new] = resnet.compute(images, bar)
        failures = {int(new[i]): failure for i, failure in images.failures.items()}
    write_part(part, features, failures)


def _file_of(known):
    return str(known[1])


@dataclass(frozen=True)
class RunOptions:
    """How a table is computed in parts."""

    part_size: int
    n_workers: int = 1
    scheduler: str | None = None
    restart: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class RunResult:
    """A finished table.

    Attributes
    ----------
    written : tuple of path
        The files of the table, or its folder.
    metadata : dict
        For the record: what distinguishes this table from all others.
    failures : tuple of Failure
        The images that could not be read.
    shape : tuple of 2 int
        Of the features.
    """

    written: tuple
    metadata: dict
    failures: tuple
    shape: tuple
    dtype: str = "float32"


def embed_in_parts(output, images, labels, resnet, options):
    """Compute a table of features in parts, resuming an interrupted run.

    Parameters
    ----------
    output : pathlib.Path or upath.UPath
        ``.parquet``: a folder of parts, which is read as one table. ``.npy``: one array, with a
        table of its rows beside it.
    images : LazyImages
    labels : ndarray of shape (n,) or None
    resnet : ResNetFeatures
        Fitted.
    options : RunOptions

    Returns
    -------
    RunResult
    """
    run = LongRun(
        output,
        images,
        labels,
        resnet,
        part_size=options.part_size,
        n_workers=options.n_workers,
        scheduler=options.scheduler,
        is_restarted=options.restart,
        quiet=options.quiet,
    )
    run.run()
    return RunResult(tuple(run.written), run.facts(), tuple(run.failures), run.shape)


def read_finished(output):
    """Read the features of a finished table, all in memory."""
    return np.concatenate([read_features(path) for path in _find_finished(output)])


class LongRun:
    """One run.

    Parameters
    ----------
    output : pathlib.Path or upath.UPath
        ``.parquet``: a folder of parts, which is read as one table. ``.npy``: one array, with a
        table of its rows beside it.
    images : LazyImages
    labels : ndarray of shape (n,) or None
    resnet : ResNetFeatures
        Fitted.
    part_size : int
        Number of images in a part.
    n_workers : int, default=1
        Number of processes.
    scheduler : str, default=None
        Address of a Dask scheduler, whose workers compute.
    is_restarted : bool, default=False
        Whether to compute again what is there.
    quiet : bool, default=False

    Attributes
    ----------
    shape, dtype
        Of the features.
    failures : list of Failure
        The images that could not be read.
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self,
        output,
        images,
        labels,
        resnet,
        *,
        part_size,
        n_workers=1,
        scheduler=None,
        is_restarted=False,
        quiet=False,
    ):
        self.paths = images.paths  # as they were given
        if scheduler is not None:  # whose workers may run in other folders
            output = output.absolute()
            images, resnet = make_absolute(images, resnet)
        self.output = output
        self.images = images
        self.labels = labels
        self.resnet = resnet
        self.part_size = part_size
        self.n_workers = n_workers
        self.scheduler = scheduler
        self.is_restarted = is_restarted
        self.quiet = quiet
        # what --restart has left goes on with --restart
        suffixes = (".restarted", ".partial") if is_restarted else (".partial", ".restarted")
        self.partial, self._other_partial = (
            output.with_name(f"{output.name}{suffix}") for suffix in suffixes
        )
        self.n_done = 0
        self.failures = []

    def run(self):
        """Compute what is missing, and put the whole in its place."""
        with lock_output(self.output):
            self._refuse_others()
            self.parts = self._plan()
            self._finished = {path: read_manifest(path) for path in _find_finished(self.output)}
            with self._saying_how_to_go_on():
                if self._is_up_to_date():
                    self.n_done = len(self.parts)
                    self._say(f"{len(self.images):,} images, and nothing is new since the last run")
                else:
                    self._compute()
                    self._publish()
                for path in (self.partial, self._other_partial, self._former()):
                    _remove(path)
        n_skipped = len(self.failures) if self.images.on_error == "skip" else 0
        n_features = self.resnet.get_feature_names_out().size
        self.shape = (len(self.images) - n_skipped, n_features)

    @property
    def written(self):
        """The files of the finished table, or its folder."""
        if self.output.suffix == ".npy":
            return [self.output, rows_of(self.output), manifest_path(self.output)]
        return [self.output]

    def facts(self):
        """For the record: what tells this table from all others."""
        return {"computation": self.computation, "table": self._table_key()}

    def _refuse_others(self):
        """Raise an error where OUTPUT is a folder that others use: it would be replaced."""
        for path in _entries(self.output):
            if not is_part_name(path.name) and (not path.name.startswith(".") or path.is_dir()):
                raise FileExistsError(
                    "OUTPUT must be a new name, or a table that this command wrote, which it "
                    f"replaces. Got {str(self.output)!r}, a folder with {path.name!r} in it. Name "
                    "another OUTPUT, or remove it."
                )

    def _plan(self):
        forward = self.resnet.plan(self.images)
        taps, options = forward.make_tap_keys(None), self.images.options
        self.computation = _digest(
            repr((sorted(taps.items()), forward.layers, sorted(options.items())))
        )
        columns = {"path": as_text(self.paths), "file_version": self._find_versions()}
        if self.labels is not None:
            columns["label"] = [str(label) for label in self.labels]
        suffix, parts = _PART_SUFFIXES[self.output.suffix], []
        for number, start in enumerate(range(0, len(self.images), self.part_size)):
            rows = slice(start, start + self.part_size)
            chosen = {name: values[rows] for name, values in columns.items()}
            key = make_key(self.computation, chosen, self.images.on_error)
            path = self.partial / name_part(number, key, suffix)
            parts.append(Part(path, self.computation, key, self.images[rows], chosen))
        return parts

    def _find_versions(self):
        versions = []
        for path in self.images.paths:
            try:
                versions.append(file_version(path))
            except Exception:  # reading it will say what is wrong
                versions.append("")
        return versions

    def _is_up_to_date(self):
        keys = [part.key for part in self.parts]
        keys = [self._table_key()] if self.output.suffix == ".npy" else keys
        found = list(self._finished.values())
        return (
            not self.is_restarted
            and [facts and facts.key for facts in found] == keys
            and not any(facts.failures for facts in found)
            and all(version for part in self.parts for _, version in part.rows)
        )

    def _table_key(self):
        return _digest("".join(part.key for part in self.parts))

    def _find_known(self, done):
        """By path and version, where earlier runs by the same computation left features."""
        folders = [self.partial] if self.is_restarted else [self.partial, self._other_partial]
        left = [path for folder in folders for path in _entries(folder) if is_part_name(path.name)]
        paths_done = {part.path for part in done}
        left = [path for path in left if path not in paths_done]
        left.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        rows_done = {row for part in done if left for row in part.rows}
        known = {}
        for path in left if self.is_restarted else [*self._finished, *left]:
            facts = self._finished.get(path) or read_manifest(path)
            if facts is None or facts.computation != self.computation:
                continue
            with suppress(Exception):  # what is damaged is computed again
                rows = {row: (path, i) for i, row in enumerate(read_rows(path)) if row[1]}
                if path in left and all(row in known or row in rows_done for row in rows):
                    _remove(path)  # else each interruption would leave more copies of the same
                else:
                    known.update((row, where) for row, where in rows.items() if row not in known)
        return known

    def _compute(self):
        self.partial.mkdir(parents=True, exist_ok=True)
        for path in _entries(self.partial):
            if path.name.startswith("."):  # what a killed run was writing
                _remove(path)
        done, todo = [], []
        for part in self.parts:
            (done if part.is_done() else todo).append(part)
        known = self._find_known(done)
        for part in todo:
            part.known = [(i, *known[row]) for i, row in enumerate(part.rows) if row in known]
        self.n_done = len(done)
        self._announce(todo)
        n_images = len(self.images)
        n_before = n_images - sum(len(part.images) for part in todo)
        hidden = True if self.quiet else None
        with tqdm(total=n_images, initial=n_before, unit=" images", disable=hidden) as bar:
            if self.n_workers == 1 and self.scheduler is None:
                for part in todo:
                    embed_part(part, self.resnet, bar)
                    self.n_done += 1
                return
            tasks = [(part, self.resnet) for part in todo]
            for part, _ in run_in_workers(embed_part, tasks, self.n_workers, self.scheduler):
                self.n_done += 1
                bar.update(len(part.images))

    def _announce(self, todo):
        """Say what there is to do, and how long it may take."""
        n_new = sum(len(part.images) - len(part.known) for part in todo)
        n_images, n_features = len(self.images), self.resnet.get_feature_names_out().size
        n_bytes = n_images * (4 * n_features + 100)
        line = f"{n_images:,} images in {len(self.parts)} parts of up to {self.part_size:,}"
        if n_new < n_images:
            line += f"; {n_images - n_new:,} known, {n_new:,} to embed"
        line += f"; {tqdm.format_sizeof(n_bytes, 'B')} to write"
        if self.output.suffix == ".npy":
            line += ", and as much again until the parts are joined"
        # workers here share the cores that are timed; those of a cluster have others
        if n_new and not self.quiet and self.scheduler is None:
            line += f"; about {tqdm.format_interval(self._time_image(todo) * n_new)} (min:s)"
        self._say(line)

    def _time_image(self, todo):
        """Seconds for an image, measured on a few."""
        with_new = [part for part in todo if len(part.known) < len(part.images)]
        images = self.images[[i for part in with_new for i in _new_positions(part)]]
        n_timed = min(_MAX_TIMED, 1 + len(images) // 20)
        sample = images[np.linspace(0, len(images) - 1, n_timed).astype(int)]
        resnet = self.resnet
        resnet.compute(sample[:1])  # compiles the network
        start = time.perf_counter()
        resnet.compute(sample)
        return (time.perf_counter() - start) / n_timed

    def _publish(self):
        """Put the table in its place."""
        for part in self.parts:
            facts = read_manifest(part.path)
            if facts is None or facts.key != part.key:
                raise FileNotFoundError(
                    f"The part {str(part.path)!r} was written, and is not there: it was removed, or "
                    "workers do not share the folder of OUTPUT with this process. Name an OUTPUT "
                    "that they share."
                )
            self.failures += facts.failures
        paths = [part.path for part in self.parts]
        if self.output.suffix == ".npy":
            facts = Manifest(self._table_key(), self.computation, self.failures)
            join_npy(paths, self.partial / self.output.name, facts)
            _remove(
                rows_of(self.output)
            )  # a kill may leave an .npy without its rows, not with others
            for path in self.written:
                _move(self.partial / path.name, path)
            return
        names = {path.name for path in paths}
        _keep_only(self.partial, names)
        if self.output.exists():
            _remove(self._former())
            _move(self.output, self._former())
        _move(self.partial, self.output)
        _keep_only(self.output, names)  # what a worker of an earlier run was just writing

    def _former(self):
        return self.output.with_name(f"{self.output.name}.former")

    @contextmanager
    def _saying_how_to_go_on(self):
        try:
            yield
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"Interrupted: {self._how_to_go_on()}") from None
        except (ValueError, OSError, RuntimeError) as exc:
            hint = " --on-error skip, or nan, goes on without such a file."
            hint = hint if hasattr(exc, "cause") else ""
            # not its own type, which may not be made of a message
            kind = next(
                kind for kind in (ValueError, OSError, RuntimeError) if isinstance(exc, kind)
            )
            raise kind(f"{exc} {self._how_to_go_on()}{hint}") from exc

    def _how_to_go_on(self):
        if self.n_done == len(self.parts):
            return "All parts are done: run the same command again to put the table in its place."
        return (
            f"{self.n_done} of {len(self.parts)} parts are done, and kept in {str(self.partial)!r}: "
            "run the same command again to go on."
        )

    def _say(self, line):
        if not self.quiet:
            click.echo(f"{'plan':10} {line}")


def _digest(text):
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _new_positions(part):
    known = {row for row, _, _ in part.known}
    start = int(part.images.positions[0])
    return [start + i for i in range(len(part.images)) if i not in known]


def _find_finished(output):
    """Files of a finished table."""
    if output.suffix == ".npy":
        return [output] if output.is_file() else []
    return sorted(path for path in _entries(output) if is_part_name(path.name))


def _entries(folder):
    return list(folder.iterdir()) if folder.is_dir() else []


def _keep_only(folder, names):
    for path in _entries(folder):
        if path.name not in names:
            _remove(path)


def _remove(path):
    if path.is_dir():
        if isinstance(path, Path):
            shutil.rmtree(path, ignore_errors=True)  # a worker that was left may be writing there
        else:
            path.fs.rm(path.path, recursive=True)
    elif path.exists():
        path.unlink()


def _move(path, target):
    if isinstance(path, Path):
        path.replace(target)
    else:
        path.fs.mv(path.path, target.path, recursive=path.is_dir())


def make_absolute(images, resnet):
    """Make copies that mean the same files in whatever folder a process runs.

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
