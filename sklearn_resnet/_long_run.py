"""A long run: many image files to a table of features, part by part, and taken up where it ended."""

import hashlib
import json
import shutil
import time
from itertools import groupby
from pathlib import Path

import click
import numpy as np
from tqdm.auto import tqdm

from sklearn_resnet._dask import share_with_worker
from sklearn_resnet._parts import (
    Part,
    join_npy,
    make_key,
    read_facts,
    read_features,
    read_rows,
    write_part,
)
from sklearn_resnet._paths import find_version
from sklearn_resnet._tables import as_text
from sklearn_resnet._workers import run_in_workers

SUFFIXES = (".parquet", ".npy")
_PART_SUFFIXES = {".parquet": ".parquet", ".npy": ".npz"}
_MOST_TIMED = 32  # images, to tell how long a run will take


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
    share_with_worker()
    n_images = len(part.images)
    features = np.empty((n_images, resnet.get_feature_names_out().size), np.float32)
    for path, rows in groupby(part.known, key=lambda known: known[1]):
        here, _, there = zip(*rows, strict=True)
        features[list(here)] = read_features(path, list(there))
    new = np.setdiff1d(np.arange(n_images), [row for row, _, _ in part.known])
    failures = {}
    if bar is not None:
        bar.update(n_images - len(new))
    if len(new):
        images = part.images[new]
        features[new] = resnet.compute(images, bar)
        failures = {int(new[i]): failure for i, failure in images.failures.items()}
    write_part(part, features, failures)


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
        self.output = output
        self.images = images
        self.labels = labels
        self.resnet = resnet
        self.part_size = part_size
        self.n_workers = n_workers
        self.scheduler = scheduler
        self.is_restarted = is_restarted
        self.quiet = quiet
        self.partial = output.with_name(f"{output.name}.partial")
        self.table = output.with_name(f"{output.stem}_rows.csv")  # of an .npy
        self.n_done = 0

    def run(self):
        """Compute what is missing, and put the whole in its place."""
        self.parts = self._plan()
        if self._is_up_to_date():
            self._say(f"{len(self.images):,} images, and nothing is new since the last run")
            self.n_done = len(self.parts)
            paths = self._find_parts()
        else:
            try:
                self._compute()
            except KeyboardInterrupt:
                raise KeyboardInterrupt(f"Interrupted: {self._how_to_go_on()}") from None
            except (ValueError, OSError) as exc:
                hint = " --on-error skip, or nan, goes on without such a file."
                hint = hint if hasattr(exc, "cause") else ""
                raise type(exc)(f"{exc} {self._how_to_go_on()}{hint}") from exc
            paths = self._publish()
        self._sum_up(paths)

    def facts(self):
        """What the next run must know, to tell what is new."""
        return {"computation": self.computation, "table": self._table_key()}

    def read(self):
        """The features of the finished table, all in memory."""
        if self.output.suffix == ".npy":
            return read_features(self.output)
        return np.concatenate([read_features(path) for path in self._find_parts()])

    def clean(self):
        """Remove what only an interrupted run needs: last of all."""
        _remove(self.partial)
        _remove(self._former())

    def _plan(self):
        forward = self.resnet.plan(self.images)
        self.computation = hashlib.blake2b(
            repr(
                (
                    sorted(forward.make_tap_keys(None).items()),
                    forward.layers,
                    sorted(self.images.options.items()),
                )
            ).encode(),
            digest_size=16,
        ).hexdigest()
        columns = {"path": as_text(self.images.paths), "file_version": self._find_versions()}
        if self.labels is not None:
            columns["label"] = [str(label) for label in self.labels]
        self.rows = list(zip(columns["path"], columns["file_version"], strict=True))
        known = {} if self.is_restarted else self._find_known()
        suffix, parts = _PART_SUFFIXES[self.output.suffix], []
        for number, start in enumerate(range(0, len(self.images), self.part_size)):
            rows = slice(start, start + self.part_size)
            chosen = {name: values[rows] for name, values in columns.items()}
            part = Part(
                self.partial / f"part-{number:05}{suffix}",
                self.computation,
                make_key(self.computation, chosen),
                self.images[rows],
                chosen,
                [
                    (i, *known[row])
                    for i, row in enumerate(self.rows[rows])
                    if row[1] and row in known
                ],
            )
            parts.append(part)
        return parts

    def _find_versions(self):
        versions = []
        for path in self.images.paths:
            try:
                versions.append(find_version(path))
            except Exception:  # reading it will say what is wrong
                versions.append("")
        return versions

    def _find_known(self):
        """By path and version, where an earlier run by the same computation left features."""
        known = {}
        if self.output.suffix == ".npy":
            if self._read_record().get("computation") == self.computation:
                rows = read_rows(self.table) if self.table.is_file() else []
                known = {row: (self.output, i) for i, row in enumerate(rows)}
            return known if self.output.is_file() else {}
        for path in self._find_parts():
            facts = read_facts(path)
            if facts is not None and facts.computation == self.computation:
                known |= {row: (path, i) for i, row in enumerate(read_rows(path))}
        return known

    def _is_up_to_date(self):
        is_known = all(len(part.known) == len(part.images) for part in self.parts)
        return is_known and self._read_record().get("table") == self._table_key()

    def _table_key(self):
        return hashlib.blake2b(
            "".join(part.key for part in self.parts).encode(), digest_size=16
        ).hexdigest()

    def _read_record(self):
        try:
            return json.loads(self.output.with_suffix(".json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def _find_parts(self):
        """Files of a finished table."""
        return sorted(self.output.glob("part-*.parquet")) if self.output.is_dir() else []

    def _compute(self):
        self.partial.mkdir(parents=True, exist_ok=True)
        names = {part.path.name for part in self.parts}
        for path in self.partial.iterdir():  # what a killed run was writing, or of other images
            if path.name not in names or self.is_restarted:
                _remove(path)
        todo = []
        for part in self.parts:
            facts = read_facts(part.path)
            if facts is None or facts.key not in part.possible_keys():
                todo.append(part)
        self.n_done = len(self.parts) - len(todo)
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
        if n_new and not self.quiet:
            line += f"; about {tqdm.format_interval(self._time_image(todo) * n_new)} (min:s)"
        self._say(line)

    def _time_image(self, todo):
        """Seconds for an image, measured on a few."""
        with_new = [part for part in todo if len(part.known) < len(part.images)]
        images = self.images[[i for part in with_new for i in _new_positions(part)]]
        n_timed = min(_MOST_TIMED, 1 + len(images) // 20)
        sample = images[np.linspace(0, len(images) - 1, n_timed).astype(int)]
        resnet = self.resnet
        resnet.compute(sample[:1])  # compiles the network
        start = time.perf_counter()
        resnet.compute(sample)
        return (time.perf_counter() - start) / n_timed

    def _publish(self):
        """Put the table in its place; return the files of its parts."""
        paths = [part.path for part in self.parts]
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise FileNotFoundError(
                f"The part {str(missing[0])!r} was written, and is not there: it was removed, or "
                "workers do not share the folder of OUTPUT with this process. Run the same command "
                "again, with an OUTPUT that they share."
            )
        if self.output.suffix == ".npy":
            join_npy(paths, self.output, self.table)
            return paths
        if self.output.exists():
            _remove(self._former())
            _move(self.output, self._former())
        _move(self.partial, self.output)
        return [self.output / path.name for path in paths]

    def _former(self):
        return self.output.with_name(f"{self.output.name}.former")

    def _sum_up(self, paths):
        self.failures, n_rows = [], 0
        if self.output.suffix == ".npy" and not self.partial.exists():  # nothing was new
            with self.output.open("rb") as file:
                np.lib.format.read_magic(file)
                self.shape = np.lib.format.read_array_header_1_0(file)[0]
            return
        for path in paths:
            self.failures += read_facts(path).failures
            n_rows += len(read_rows(path))
        self.shape = (n_rows, self.resnet.get_feature_names_out().size)

    def _how_to_go_on(self):
        return (
            f"{self.n_done} of {len(self.parts)} parts are done, and kept in {str(self.partial)!r}: "
            "run the same command again to go on."
        )

    def _say(self, line):
        if not self.quiet:
            click.echo(f"{'plan':10} {line}")


def _new_positions(part):
    known = {row for row, _, _ in part.known}
    start = int(part.images.positions[0])
    return [start + i for i in range(len(part.images)) if i not in known]


def _remove(path):
    if path.is_dir():
        if isinstance(path, Path):
            shutil.rmtree(path)
        else:
            path.fs.rm(path.path, recursive=True)
    elif path.exists():
        path.unlink()


def _move(path, target):
    if isinstance(path, Path):
        path.rename(target)
    else:
        path.fs.mv(path.path, target.path, recursive=True)
