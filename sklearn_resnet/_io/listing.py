"""Lists of files: below a folder, behind a URL, in archives."""

import heapq
import os
from collections import Counter
from pathlib import Path

import numpy as np
from natsort import natsorted

from sklearn_resnet._io.paths import as_path, builtin_type, is_url, join_member, scan_archive
from sklearn_resnet._runtime.errors import MissingFileError
from sklearn_resnet._runtime.warnings import warn_caller

_LABEL_SUFFIX = ".cls"
_MAX_LABEL_BYTES = 1000
_STORE_SUFFIX = ".zarr"  # of a folder that holds arrays
# Folders of Synology, QNAP, Windows, Linux and macOS, with thumbnails and deleted files.
_SYSTEM_FOLDERS = frozenset((
    "@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "$recycle.bin",
    "system volume information", "lost+found", "__macosx",
))  # fmt: skip


def list_files(folder):
    """List the files and the Zarr stores below a folder.

    Hidden ones and those in folders of the system are left out.

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
    return MissingFileError("folder", "must be a folder or an archive of images", got)


def join(folder, *parts):
    """Join a folder and the parts of a path below it, as text."""
    if not is_url(folder):
        return str(Path(folder).joinpath(*parts))
    inner, sep, outer = str(folder).partition("::")  # zip://folder::photos.zip
    inner = inner if inner.endswith("/") else f"{inner}/"
    return f"{inner}{'/'.join(parts)}{sep}{outer}"


def list_shards(archives, extensions):
    """List the images in archives.

    Parameters
    ----------
    archives : list of str
    extensions : set of str

    Returns
    -------
    paths : list of str
        Such as ``"shards/a.tar/0001.jpg"``, archive by archive, in natural order.
    parts : list of tuple of str
        The parts of the names of the members, without one folder that holds all class folders.
    labels : ndarray of str or None
        The contents of the files ``0001.cls`` beside ``0001.jpg``, if each image has one.
    others : Counter of str
        The number of other files by the suffix of their names.

    Raises
    ------
    ValueError
        If an archive cannot be read or no archive holds images.
    """
    paths, parts, labels, others = [], [], [], Counter()
    for archive in archives:
        files, contents = _scan(archive)
        images = [file for file in files if suffix_of_name(file[-1]) in extensions]
        others.update(suffix_of_name(file[-1]) for file in files)
        names = natsorted(sorted("/".join(image) for image in images))
        paths += [join_member(archive, name) for name in names]
        parts += [tuple(name.split("/")) for name in names]
        for name in names:
            label = f"{os.path.splitext(name)[0]}{_LABEL_SUFFIX}"
            if label in contents:
                labels.append(contents[label].decode("utf-8", "replace").strip())
    for suffix in (*extensions, _LABEL_SUFFIX):
        others.pop(suffix, None)
    if not paths:
        n_beside = len(archives) - 1
        beside = f", nor does any of the {n_beside} archives beside it" if n_beside else ""
        raise ValueError(f"The archive {archives[0]!r} holds no images{beside}.")
    if 0 < len(labels) < len(paths):
        warn_caller(
            f"{len(paths) - len(labels)} of the {len(paths)} images in archives have no label file "
            f"beside them (1{_LABEL_SUFFIX} for 1.jpg), so that the label files of the others are not "
            "used."
        )
    labels = np.array(labels) if len(labels) == len(paths) else None
    return paths, _without_top_folder(parts), labels, others


def _scan(archive):
    """List the parts of the names in an archive that `list_files` would list, and its labels."""
    try:
        names, contents = scan_archive(archive, _LABEL_SUFFIX, _MAX_LABEL_BYTES)
    except FileNotFoundError as exc:
        raise _not_a_folder(archive, "does not exist") from exc
    except Exception as exc:  # tarfile and zipfile raise many types for damaged files
        cause = str(getattr(exc, "strerror", None) or exc).rstrip(".") or type(exc).__name__
        raise ValueError(f"The archive {archive!r} cannot be read: {cause}. Replace it.") from exc
    files = [tuple(name.split("/")) for name in names]
    return [file for file in files if not _is_passed_over(file)], contents


def _without_top_folder(parts):
    """Remove the first folder if it is that of all images, and they are in several folders in it.

    A program that packs a folder may put its name before the names of all members.
    """
    if len({file[0] for file in parts}) > 1 or min(map(len, parts)) < 3:
        return parts
    inner = [file[1:] for file in parts]
    return inner if len({file[0] for file in inner}) > 1 else parts


def suffix_of_name(name):
    """Return the suffix of the name of a file in lower case, or "" for none."""
    return os.path.splitext(name)[1].lower()


def _is_hidden(name):
    return name.startswith(".")


def _is_system_folder(name):
    return name.lower() in _SYSTEM_FOLDERS


def _is_passed_over(parts):
    return any(map(_is_hidden, parts)) or any(map(_is_system_folder, parts[:-1]))


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
                    if _is_hidden(entry.name):
                        continue
                    if not _is_folder(entry) or suffix_of_name(entry.name) == _STORE_SUFFIX:
                        files.append(inner)
                    elif _is_system_folder(entry.name):
                        continue
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
    files = (tuple(name[len(root) :].strip("/").split("/")) for name in folder.fs.find(root))
    found = dict.fromkeys(map(_cut_store, files))  # in order, and once
    return [file for file in found if not _is_passed_over(file)]


def _cut_store(parts):
    """Cut the parts of a path after a Zarr store."""
    for i, name in enumerate(parts[:-1], start=1):
        if suffix_of_name(name) == _STORE_SUFFIX:
            return parts[:i]
    return parts
