"""Folders and files, on disk or behind a URL: listed, moved and removed."""

import shutil

from sklearn_resnet._io.paths import is_local


def list_folder(folder):
    """List the entries of a folder; none if it does not exist."""
    return list(folder.iterdir()) if folder.is_dir() else []


def keep_only(folder, names):
    """Remove the entries of a folder whose name is not in `names`."""
    for path in list_folder(folder):
        if path.name not in names:
            remove(path)


def remove(path):
    """Remove a file or a folder, if it exists."""
    if path.is_dir():
        if is_local(path):
            shutil.rmtree(path, ignore_errors=True)  # a leftover worker may be writing there
        else:
            path.fs.rm(path.path, recursive=True)
    elif path.exists():
        path.unlink()


def move(path, target):
    """Move a file or a folder; a file replaces the file at `target`."""
    if is_local(path):
        path.replace(target)
    else:
        path.fs.mv(path.path, target.path, recursive=path.is_dir())
