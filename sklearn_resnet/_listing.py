"""What files there are: below a folder, behind a URL, in tars."""

import os
from pathlib import Path

import numpy as np
from natsort import natsorted

from sklearn_resnet._paths import as_path, is_url, list_tar, open_file


def list_files(folder):
    """List the files below a folder that are not hidden.

    Parameters
    ----------
    folder : str or path-like
        On disk, or a URL. Links to folders are followed, unless they lead to one that they lie in.

    Returns
    -------
    list of tuple of str
        The parts of each path below `folder`.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    """
    if is_url(folder):
        return _list_url(str(folder))
    if not Path(folder).is_dir():
        what = "is a file" if Path(folder).exists() else "does not exist"
        raise FileNotFoundError(
            f"The 'folder' parameter must be a folder of images. Got {str(folder)!r}, which {what}."
        )
    files = []
    _walk(os.fspath(folder), (), [os.path.realpath(folder)], files)
    return files


def join(folder, *parts):
    """The path of a file below a folder, as text."""
    if not is_url(folder):
        return str(Path(folder).joinpath(*parts))
    inner, sep, outer = str(folder).partition("::")  # zip://folder::photos.zip
    inner = inner if inner.endswith("/") else f"{inner}/"
    return f"{inner}{'/'.join(parts)}{sep}{outer}"


def list_shards(tars, extensions):
    """List the images in tars.

    Parameters
    ----------
    tars : list of str
    extensions : set of str

    Returns
    -------
    paths : list of str
        ``"shards/a.tar/0001.jpg"``, tar by tar, in natural order.
    parts : list of tuple of str
        Of the names of the members.
    labels : ndarray of str or None
        What the files ``0001.cls`` beside ``0001.jpg`` hold, if there is one for each.

    Raises
    ------
    ValueError
        If a tar cannot be read, or there are no images.
    """
    paths, parts, labels = [], [], []
    for tar in tars:
        try:
            members = list_tar(tar)
        except Exception as exc:  # tarfile raises whatever damage leads it to
            raise ValueError(
                f"The tar {tar!r} cannot be read: {exc}. Replace it, or unpack it if it is compressed."
            ) from exc
        names = natsorted(
            sorted(name for name in members if os.path.splitext(name)[1].lower() in extensions)
        )
        paths += [f"{tar}/{name}" for name in names]
        parts += [tuple(name.split("/")) for name in names]
        for name in names:
            label = f"{os.path.splitext(name)[0]}.cls"
            if label in members:
                with open_file(f"{tar}/{label}") as file:
                    labels.append(file.read().decode("utf-8", "replace").strip())
    if not paths:
        raise ValueError(f"The tar {tars[0]!r} holds no images, nor do those beside it.")
    return paths, parts, np.array(labels) if len(labels) == len(paths) else None


def _walk(folder, parts, above, files):
    """Add the files below a folder; `above` are the real paths of the folders that it lies in."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if not entry.is_dir():
                files.append((*parts, entry.name))
                continue
            real = (
                os.path.realpath(entry.path) if entry.is_symlink() else f"{above[-1]}/{entry.name}"
            )
            if real not in above:
                _walk(entry.path, (*parts, entry.name), [*above, real], files)


def _list_url(url):
    folder = as_path(url)
    if not folder.exists():
        raise FileNotFoundError(
            f"The 'folder' parameter must be a folder of images. Got {url!r}, which does not exist."
        )
    root = folder.fs._strip_protocol(folder.path).rstrip("/")
    files = [tuple(name[len(root) :].strip("/").split("/")) for name in folder.fs.find(root)]
    return [file for file in files if not any(part.startswith(".") for part in file)]
