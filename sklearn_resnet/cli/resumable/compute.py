"""Compute the parts of a plan that are missing, here or in workers."""

import time
from contextlib import nullcontext, suppress
from functools import partial
from itertools import groupby

import numpy as np

from sklearn_resnet._images.file_log import FileLog
from sklearn_resnet._io.folders import list_folder, remove
from sklearn_resnet._runtime.progress import tqdm
from sklearn_resnet._runtime.threads import dask_task
from sklearn_resnet.cli.resumable.parts import (
    is_part_name,
    read_features,
    read_manifest,
    read_rows,
    write_part,
)
from sklearn_resnet.cli.resumable.workers import open_pool, run_in_workers

_MAX_TIMED = 32  # images, to estimate the time of a run


def compute_missing(plan, finished, options, progress, done):
    """Compute and write the parts that an interrupted run has not written.

    Parameters
    ----------
    plan : TablePlan
    finished : dict of path to Manifest or None
        The finished table of an earlier run, whose features are reused.
    options : RunOptions
    progress : Progress
    done : list of Part
        Parts are appended as they are finished, those of the interrupted run first.

    Returns
    -------
    list of Failure
        The images that could not be read, of all parts.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    for path in list_folder(plan.folder):
        if path.name.startswith("."):  # incomplete files of a killed run
            remove(path)
    missing = []
    for part in plan.parts:
        (done if part.is_done() else missing).append(part)
    reusable = _find_reusable(plan, done, finished, options)
    tasks = [(part, _select_reusable(part, reusable), plan.resnet) for part in missing]
    _announce(plan, tasks, options, progress)
    n_images = len(plan.images)
    n_done = n_images - sum(len(part.images) for part in missing)
    file_log = FileLog()
    n_workers = min(options.n_workers, len(tasks))  # others would keep cores from those with a part
    with progress.count_images(total=n_images, initial=n_done) as bar:
        if n_workers <= 1 and options.scheduler is None:
            for task in tasks:
                file_log.update(embed_part(*task, bar))
                done.append(task[0])
        else:
            pool = open_pool(n_workers, options.scheduler)
            turn = nullcontext if options.scheduler is None else dask_task
            embed = partial(embed_part, turn=turn)
            for part, *_ in run_in_workers(embed, tasks, pool, file_log.update):
                done.append(part)
                bar.update(len(part.images))
    file_log.warn()
    return [failure for part in plan.parts for failure in _read_failures(part)]


def embed_part(part, reusable, resnet, bar=None, turn=nullcontext):
    """Compute the features of a part, or reuse those of an earlier run, and write them.

    Parameters
    ----------
    part : Part
    reusable : list of tuple of (int, path, int)
        Rows with features in an earlier file: the row here, the file, and the row there.
    resnet : ResNetFeatures
        Fitted.
    bar : tqdm, default=None
        Counts images.
    turn : callable, default=nullcontext
        Returns a context manager, in which the features are computed; files are read and written
        outside of it.

    Returns
    -------
    FileLog
        The value ranges of the files that were decoded.
    """
    n_images = len(part.images)
    features = np.empty((n_images, resnet.get_feature_names_out().size), np.float32)
    is_new = np.ones(n_images, bool)
    for _, rows in groupby(sorted(reusable, key=_file_of), key=_file_of):
        here, (path, *_), there = map(list, zip(*rows, strict=True))
        with suppress(Exception):  # features of a damaged file are computed again
            features[here] = read_features(path, there)
            is_new[here] = False
    new = np.flatnonzero(is_new)
    failures, file_log = {}, FileLog()
    if bar is not None:
        bar.update(n_images - len(new))
    if len(new):
        images = part.images[new]
        with turn():
            features[new] = resnet._compute(images, bar)
        failures = {int(new[i]): failure for i, failure in images.failures.items()}
        file_log = images.file_log
    write_part(part, features, failures)
    return file_log


def _file_of(reusable_row):
    return str(reusable_row[1])


def _find_reusable(plan, done, finished, options):
    """Find the features left by earlier runs, by path and file version of their image.

    Files that add nothing are removed. Otherwise, each interruption would leave more copies.

    Returns
    -------
    dict of tuple of 2 str to tuple of (path, int)
        The file, and the row in it.
    """
    folders = [plan.folder] if options.restart else [plan.folder, plan.other_folder]
    done_paths = {part.path for part in done}
    leftovers = [
        path
        for folder in folders
        for path in list_folder(folder)
        if is_part_name(path.name) and path not in done_paths
    ]
    leftovers.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    done_rows = {row for part in done if leftovers for row in part.rows}
    reusable = {}
    for path in [*finished, *leftovers]:
        manifest = finished.get(path) or read_manifest(path)
        if manifest is None or manifest.computation != plan.computation:
            continue
        with suppress(Exception):  # features of a damaged file are computed again
            rows = {row: (path, i) for i, row in enumerate(read_rows(path)) if row[1]}
            if path not in finished and all(row in reusable or row in done_rows for row in rows):
                remove(path)
            else:
                reusable.update((row, rows[row]) for row in rows if row not in reusable)
    return reusable


def _select_reusable(part, reusable):
    return [(i, *reusable[row]) for i, row in enumerate(part.rows) if row in reusable]


def _read_failures(part):
    manifest = read_manifest(part.path)
    if manifest is None or manifest.key != part.key:
        raise FileNotFoundError(
            f"The part {str(part.path)!r} was written but is missing: it was removed, or "
            "the workers do not share the folder of OUTPUT with this process. Name an OUTPUT "
            "that they share."
        )
    return manifest.failures


def _announce(plan, tasks, options, progress):
    """Print the number of images to compute, the bytes to write, and the estimated time."""
    if progress.quiet:  # timing images takes a while
        return
    n_images, n_bytes = len(plan.images), len(plan.images) * (4 * plan.n_features + 100)
    n_new = sum(len(part.images) - len(reusable) for part, reusable, _ in tasks)
    line = (
        f"{n_images:,} {plan.noun} in {len(plan.parts)} part{'s' * (len(plan.parts) != 1)} of up to "
        f"{options.images_per_part:,}"
    )
    if n_new < n_images:
        line += f"; {n_images - n_new:,} known, {n_new:,} to embed"
    line += f"; {tqdm.format_sizeof(n_bytes, 'B')} to write"
    if not plan.format.is_folder:
        line += ", and as much again until the parts are joined"
    # local workers share the cores that are timed; those of a cluster have others
    if n_new and options.scheduler is None:
        seconds = n_new * _time_image(plan, tasks)
        line += f"; about {tqdm.format_interval(seconds)} (min:s)"
    progress.show("plan", line)


def _time_image(plan, tasks):
    """Measure the seconds per image on a few of the images to compute."""
    positions = np.concatenate([_new_positions(*task) for task in tasks])
    n_timed = min(_MAX_TIMED, 1 + len(positions) // 20)
    spread = np.linspace(0, len(positions) - 1, n_timed).astype(int)
    sample = plan.images[positions[spread]]
    plan.resnet._compute(sample[:1])  # compiles the network
    start = time.perf_counter()
    plan.resnet._compute(sample)
    return (time.perf_counter() - start) / n_timed


def _new_positions(part, reusable, resnet):
    """Find the positions, among all images, of those of a part that are to be computed."""
    known = [i for i, *_ in reusable]
    return part.images.positions[0] + np.setdiff1d(np.arange(len(part.images)), known)
