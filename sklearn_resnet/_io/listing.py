"""What files there are: below a folder, behind a URL, in tars."""

import heapq
import os
from pathlib import Path

import numpy as np
from natsort import natsorted

from sklearn_resnet._io.paths import as_path, builtin_type, is_url, scan_tar

_MAX_LABEL_BYTES = 1000


def list_files(folder):
    """List the files below a folder that are not hidden.

    Parameters
    ----------
    folder : str or path-like
        On disk, or a URL. Links to folders are followed. A folder that has several names by them
        is listed once: under that with the fewest links in it, and of these the first.

    Returns
    -------
    list of tuple of str
        The parts of each path below `folder`. Of a folder that cannot be listed, the last part is
        empty.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    OSError
        If it cannot be listed itself.
    """
    if is_url(folder):
        return _list_url(str(folder))
    if not Path(folder).is_dir():
        what = "is a file" if Path(folder).exists() else "does not exist"
        raise FileNotFoundError(
            f"The 'folder' parameter must be a folder of images. Got {str(folder)!r}, which {what}."
        )
    return _walk(os.fspath(folder))


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
            members, contents = scan_tar(tar, ".cls", _MAX_LABEL_BYTES)
        except Exception as exc:  # tarfile raises whatever damage leads it to
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
        raise ValueError(f"The tar {tars[0]!r} holds no images, nor do those beside it.")
    return paths, parts, np.array(labels) if len(labels) == len(paths) else None


def _walk(root):
    # by the number of links in a path, and its parts: what comes first gives a folder its name
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
                    f"The folder {root!r} cannot be listed: {cause}. Check who may read it."
                ) from exc
            files.append((*parts, ""))
    return files


def _is_folder(entry):
    try:
        return entry.is_dir()
    except OSError:  # a circle of links, or what lies where nobody may look
        return False


def _list_url(url):
    folder = as_path(url)
    if not folder.exists():
        raise FileNotFoundError(
            f"The 'folder' parameter must be a folder of images. Got {url!r}, which does not exist."
        )
    root = folder.fs._strip_protocol(folder.path).rstrip("/")
    files = [tuple(name[len(root) :].strip("/").split("/")) for name in folder.fs.find(root)]
    return [file for file in files if not any(part.startswith(".") for part in file)]
