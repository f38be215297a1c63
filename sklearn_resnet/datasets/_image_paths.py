"""The images that annotations name, or that are beside them."""

import os
import posixpath

from sklearn_resnet._io.listing import join, suffix_of_name
from sklearn_resnet._io.paths import as_path, is_url, open_file
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet.datasets._boxes import annotation_error
from sklearn_resnet.datasets._folders import find_extensions

_SIBLINGS = {"labels": "images", "annotations": "images", "Annotations": "JPEGImages"}


def join_name(folder, name, place):
    """Join the folder of images and a name in an annotation file, which must be inside it.

    Parameters
    ----------
    folder : str
    name : object
        A relative or absolute path.
    place : tuple of str
        The file and the place in it.

    Returns
    -------
    str
    """
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise annotation_error(*place, "the name of an image must be text", repr(name)[:100])
    inside = posixpath.normpath(name.replace("\\", "/"))
    if os.path.isabs(name) and not is_url(folder):
        inside = os.path.relpath(name, folder).replace(os.sep, "/")
    if inside in (".", "..") or inside.startswith(("../", "/")):
        raise annotation_error(
            *place,
            f"the image must be inside the folder {folder!r}",
            repr(name),
            "Pass images=, a folder that holds all images.",
        )
    return join(folder, *inside.split("/"))


def check_exists(path, is_given):
    """Raise an error if the first image is missing, because the folder is then probably wrong."""
    try:
        with open_file(path):
            return
    except OSError as exc:
        remedy = "" if is_given else "Pass images=, the folder of the images."
        got = f"a folder without {path!r}, the first image,"
        raise ParameterError(
            "images", "must be the folder that the names of images are relative to", got, remedy
        ) from exc


def list_folders(folder, root, images):
    """List the folders in which the images of an annotation file may be.

    Parameters
    ----------
    folder : str
        The folder of the file.
    root : str
        The folder in which the user's files are; `folder` or above it.
    images : str or None
        The folder of images, if the user gave one.

    Returns
    -------
    list of str
    """
    if images is not None:
        below = os.path.relpath(folder, root).replace(os.sep, "/").split("/")
        below = [part for part in below if part not in (".", *_SIBLINGS)]
        return list(dict.fromkeys([join(images, *below), str(images)]))
    if is_url(folder):
        return [*_list_siblings(folder, "/"), folder]
    found = _list_siblings(os.path.normpath(folder), os.sep)
    return [*(found or _list_siblings(os.path.abspath(folder), os.sep)), folder]


def _list_siblings(folder, sep):
    """List the folders that usually hold the images of a folder of annotations."""
    parts = folder.split(sep)
    for i in reversed(range(len(parts))):
        sibling = _SIBLINGS.get(parts[i])
        if sibling is not None:
            both = [*parts[:i], sibling, *parts[i + 1 :]], [*parts[:i], sibling]
            return list(dict.fromkeys(map(sep.join, both)))
    return []


class ImageIndex:
    """The images in folders, each of which is listed once."""

    def __init__(self):
        self._folders = {}

    def find(self, folders, names, place):
        """Find an image.

        Parameters
        ----------
        folders : list of str
        names : list of str
            Its possible names, with or without a suffix.
        place : tuple of str
            The file and the place in it.

        Returns
        -------
        str
        """
        for folder in folders:
            if folder not in self._folders:
                self._folders[folder] = _index_folder(folder)
            for name in names:
                if name in self._folders[folder]:
                    return join(folder, self._folders[folder][name])
        raise annotation_error(
            *place,
            f"no image {' or '.join(map(repr, filter(None, names)))} is in "
            + " or ".join(map(repr, folders)),
            remedy="Pass images=, the folder of the images.",
        )


def _index_folder(folder):
    """Map the names of the images in a folder, also without their suffixes, to their names."""
    extensions = find_extensions()
    path = as_path(folder)
    if not path.is_dir():
        return {}
    names = sorted(entry.name for entry in path.iterdir())
    # caches of YOLO are .npy beside the images
    names.sort(key=lambda name: suffix_of_name(name) != ".npy")
    images = [name for name in names if suffix_of_name(name) in extensions]
    return {os.path.splitext(name)[0]: name for name in images} | {name: name for name in images}
