"""A resumable run: many image files to a table of features, part by part."""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from sklearn_resnet._io.table_formats import RESUMABLE_SUFFIXES as SUFFIXES
from sklearn_resnet.cli.resumable.compute import compute_missing
from sklearn_resnet.cli.resumable.parts import read_features
from sklearn_resnet.cli.resumable.plan import (
    RunOptions,
    find_finished,
    is_up_to_date,
    plan_table,
    read_finished_manifests,
    work_folders,
)
from sklearn_resnet.cli.resumable.publish import clean_up, publish

__all__ = [
    "SUFFIXES",
    "RunOptions",
    "RunResult",
    "embed_in_parts",
    "read_finished_features",
    "work_folders",
]


@dataclass(frozen=True)
class RunResult:
    """A finished table.

    Attributes
    ----------
    written : tuple of path
        The files of the table, or its folder.
    metadata : dict
        Hashes of the computation and of the table, for the record.
    failures : tuple of Failure
        The images that could not be read.
    shape : tuple of 2 int
        The shape of the features.
    """

    written: tuple
    metadata: dict
    failures: tuple
    shape: tuple


def embed_in_parts(
    output, images, labels, resnet, options, progress, before_publish=None, further=None
):
    """Compute a table of features in parts, resuming an interrupted run.

    The caller holds the lock on OUTPUT.

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
    progress : Progress
    before_publish : callable, default=None
        Called before the first file of the table is put in its place, or replaced.
    further : dict of str to ndarray of shape (n,), default=None
        Further columns of the table.

    Returns
    -------
    RunResult
    """
    plan = plan_table(output, images, labels, resnet, options, further)
    finished = {} if options.restart else read_finished_manifests(plan.output)
    done, failures = [], []
    with _advising(plan, done):
        if is_up_to_date(plan, finished):
            done += plan.parts
            n_images = f"{len(images):,} {plan.noun}"
            progress.show("plan", f"{n_images}, and nothing is new since the last run")
        else:
            failures = compute_missing(plan, finished, options, progress, done)
            if before_publish is not None:
                before_publish()
            publish(plan, failures)
        clean_up(plan)
    n_rows = len(images) - (len(failures) if images.on_error == "skip" else 0)
    return RunResult(
        written=tuple(plan.format.files(plan.output)),
        metadata={"computation": plan.computation, "table": plan.table_key},
        failures=tuple(failures),
        shape=(n_rows, plan.n_features),
    )


def read_finished_features(output):
    """Read the features of a finished table into memory."""
    return np.concatenate([read_features(path) for path in find_finished(output)])


@contextmanager
def _advising(plan, done):
    """Add to an error, or to Ctrl-C, the progress of the run and how to continue it.

    The finished parts are counted in `done`, not in their folder, which may be the cause of the
    error.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt) as exc:
        if done or isinstance(exc, KeyboardInterrupt):
            exc.add_note(_describe_progress(plan, len(done)))
        raise


def _describe_progress(plan, n_done):
    if n_done == len(plan.parts):
        return "All parts are done: run the same command again to put the table in its place."
    done = f"{n_done} of {len(plan.parts)} parts are done"
    if n_done > 0:
        return f"{done}, and kept in {str(plan.folder)!r}: run the same command again to continue."
    if plan.resnet.cache is not None:
        return f"{done}. The computed features are in the cache: run the same command again."
    return (
        f"{done}, and nothing is kept without a cache. Parts of a smaller --part-size end sooner."
    )
