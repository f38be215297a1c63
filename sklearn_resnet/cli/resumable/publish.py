"""Publish the table of finished parts: move it to OUTPUT."""

from sklearn_resnet._io.folders import keep_only, move, remove
from sklearn_resnet._io.table_formats import rows_path
from sklearn_resnet.cli.resumable.parts import Manifest
from sklearn_resnet.cli.resumable.plan import work_folders


def publish(plan, failures):
    """Move the table of finished parts to OUTPUT, and remove files that the run no longer needs.

    A reader finds the old table, the new one, or none; never rows of both.

    Parameters
    ----------
    plan : TablePlan
    failures : list of Failure
        The images that could not be read.
    """
    if plan.format.is_folder:
        _publish_folder(plan)
    else:
        _publish_file(plan, failures)


def clean_up(plan):
    """Remove the files of interrupted runs."""
    for path in work_folders(plan.output):
        remove(path)


def _publish_file(plan, failures):
    manifest = Manifest(plan.table_key, plan.computation, failures)
    parts = [part.path for part in plan.parts]
    plan.format.join(parts, plan.folder / plan.output.name, manifest._asdict())
    # a kill may leave a .npy without its rows, but not with the rows of another
    remove(rows_path(plan.output))
    for path in plan.format.files(plan.output):
        move(plan.folder / path.name, path)


def _publish_folder(plan):
    names = {part.path.name for part in plan.parts}
    keep_only(plan.folder, names)
    if plan.output.exists():
        *_, replaced = work_folders(plan.output)  # holds the old table meanwhile
        remove(replaced)
        move(plan.output, replaced)
    move(plan.folder, plan.output)
    keep_only(plan.output, names)  # a leftover worker may have been writing
