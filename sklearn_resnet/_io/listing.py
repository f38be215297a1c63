"""Lists of files: below a folder, behind a URL, in tars."""

import heapq
import os
from pathlib import Path

import numpy as np
from natsort import natsorted

from sklearn_resnet._io.paths import as_path, builtin_type, is_url, scan_tar
from sklearn_resnet._runtime.errors import MissingFileError

_MAX_LABEL_BYTES = 1000


def list_files(folder):
    """List the files below a folder, except hidden ones.

    Parameters
    ----------
    folder : str or path-like
        A path on disk or a URL. Links to folders are followed. A folder with several names is
        listed once, under the first name with the fewest links.

    Returns
    -------
    list of tuple of str
        The parts of each path below `folder`. The last part is empty for a folder that cannot be
        listed.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    OSError
        If the folder itself cannot be listed.
    """
    if is_url(folder):
        return _list_url(str(folder))
    if not Path(folder).is_dir():
        problem = "is a file" if Path(folder).exists() else "does not exist"
        raise _not_a_folder(folder, problem)
    return _walk(os.fspath(folder))


def _not_a_folder(folder, problem):
    got = f"{str(folder)!r}, which {problem},"
    return MissingFileError("folder", "must be a folder of images", got)


def join(folder, *parts):
    """Join a folder and the parts of a path below it, as text."""
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
        Such as ``"shards/a.tar/0001.jpg"``, tar by tar, in natural order.
    parts : list of tuple of str
        The parts of the names of the members.
    labels : ndarray of str or None
        The contents of the files ``0001.cls`` beside ``0001.jpg``, if each image has one.

    Raises
    ------
    ValueError
        If a tar cannot be read or no tar holds images.
    """
    paths, parts, labels = [], [], []
    for tar in tars:
        try:
            members, contents = scan_tar(tar, ".cls", _MAX_LABEL_BYTES)
        except Exception as exc:  # tarfile raises many types for damaged files
            cause = getattr(exc, "strerror", None) or exc
            raise ValueError(
                f"The tar {tar!r} cannot be read: {cause}. Replace it, or unpack it if it is compressed."
            ) from exc
        names = natsorted(
            sorted(name for name in members if os.path.splitext(name)[1].lower() in extensions)
        )
        paths += [f"{tar}/{name}" for name in names]
        parts += [tuple(name.split("/")) for name in names]
        for name in names:
            label = f"{os.path.splitext(name)[0]}.cls"
            if label in contents:
                labels.append(contents[label].decode("utf-8", "replace").strip())
    if not paths:
        others = f", nor does any of the {len(tars) - 1} tars beside it" if len(tars) > 1 else ""
        raise ValueError(f"The tar {tars[0]!r} holds no images{others}.")
    return paths, parts, np.array(labels) if len(labels) == len(paths) else None


def _walk(root):
    # sorted by the number of links in a path, then by its parts: the first path names a folder
    files, listed, todo = [], set(), [(0, (), root, os.path.realpath(root))]
    while todo:
        n_links, parts, folder, real = heapq.heappop(todo)
        if real in listed:
            continue
        listed.add(real)
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    inner = (*parts, entry.name)
                    if entry.name.startswith("."):
                        continue
                    if not _is_folder(entry):
                        files.append(inner)
                    elif entry.is_symlink():
                        target = os.path.realpath(entry.path)
                        heapq.heappush(todo, (n_links + 1, inner, entry.path, target))
                    else:
                        target = os.path.join(real, entry.name)
                        heapq.heappush(todo, (n_links, inner, entry.path, target))
        except OSError as exc:
            if not parts:
                cause = exc.strerror or exc
                raise builtin_type(exc)(
                    f"The folder {root!r} cannot be listed: {cause}. Check its permissions."
                ) from exc
            files.append((*parts, ""))
    return files


def _is_folder(entry):
    try:
        return entry.is_dir()
    except OSError:  # a loop of links, or no permission
        return False


def _list_url(url):
    folder = as_path(url)
    if not folder.exists():
        raise _not_a_folder(url, "does not exist")
    root = folder.fs._strip_protocol(folder.path).rstrip("/")
    files = [tuple(name[len(root) :].strip("/").split("/")) for name in folder.fs.find(root)]
    return [file for file in files if not any(part.startswith(".") for part in file)]
