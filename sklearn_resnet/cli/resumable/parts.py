"""Parts: files with some rows of a table and a manifest that describes how they were made."""

import contextlib
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sklearn_resnet._images.failures import Failure
from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._io.atomic import atomic_write
from sklearn_resnet._io.csv_text import as_text
from sklearn_resnet._io.paths import is_local
from sklearn_resnet._io.table_formats import FORMATS, find_format

if TYPE_CHECKING:
    from upath import UPath

_SUFFIXES = {each.part_suffix for each in FORMATS.values() if each.part_suffix is not None}
_NAME = re.compile(rf"part-\d{{8,}}-[0-9a-f]{{32}}({'|'.join(map(re.escape, _SUFFIXES))})")


@dataclass(frozen=True)
class Part:
    """Rows that are computed and written together.

    Attributes
    ----------
    path : pathlib.Path or upath.UPath
        The file to write, named by `name_part`.
    computation : str
        A hash of the settings that determine the features.
    key : str
        A hash of its content; see `make_key`.
    images : LazyImages
    columns : dict of str to (list of str or ndarray)
        ``path``, ``file_version`` and, if there are labels, ``label``, as lists; further columns as
        arrays.
    """

    path: "Path | UPath"
    computation: str
    key: str
    images: LazyImages
    columns: dict[str, list[str] | np.ndarray]

    @property
    def rows(self):
        """Path and file version of each image."""
        return list(zip(self.columns["path"], self.columns["file_version"], strict=True))

    def is_done(self):
        """Check whether its file is written."""
        manifest = read_manifest(self.path)
        return manifest is not None and manifest.key == self.key


class Manifest(NamedTuple):
    """How a part or a .npy was made.

    Attributes
    ----------
    key, computation : str
        The digests that a `Part` has.
    failures : list of Failure
        The images that could not be read.
    """

    key: str
    computation: str
    failures: list[Failure]


def hash_text(text):
    """Hash text to 32 hexadecimal digits."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def make_key(computation, columns, on_error):
    """Make the key of a part from its computation, its columns and the policy for errors."""
    return hash_text(computation + json.dumps([columns, on_error], default=np.ndarray.tolist))


def name_part(number, key, suffix):
    """Name the file of a part, so that names sort by number.

    The name includes the key: a worker left over from an earlier run cannot overwrite a part of
    this run.
    """
    return f"part-{number:08}-{key}{suffix}"


def is_part_name(name):
    """Check whether a name has the form of `name_part`."""
    return _NAME.fullmatch(name) is not None


def write_part(part, features, failures):
    """Write a part.

    Parameters
    ----------
    part : Part
    features : ndarray of shape (n, n_features), dtype float32
    failures : dict of int to Failure
        The images that could not be read, by row. Such a row gets no file version, so that a later
        run tries the image again; with ``on_error="skip"`` the row is left out.

    Raises
    ------
    OSError
        If the part cannot be written, or its folder was removed.
    """
    rows = np.arange(len(part.images))
    if part.images.on_error == "skip":
        rows = np.setdiff1d(rows, list(failures))
    columns = {
        name: values[rows] if isinstance(values, np.ndarray) else [values[i] for i in rows]
        for name, values in part.columns.items()
    }
    columns["file_version"] = [
        "" if i in failures else version
        for i, version in zip(rows, columns["file_version"], strict=True)
    ]
    paths = part.columns["path"]  # a worker may have read the file by another path
    recorded = [
        (failures[i].position, *as_text([paths[i], failures[i].cause])) for i in sorted(failures)
    ]
    metadata = Manifest(part.key, part.computation, recorded)._asdict()
    # stores behind URLs have no empty folders
    if is_local(part.path) and not part.path.parent.is_dir():
        raise FileNotFoundError(
            f"The folder {str(part.path.parent)!r} was removed while features were computed. Run "
            "the same command again."
        )
    with atomic_write(part.path) as temporary:
        find_format(part.path).write_part(temporary, columns, features[rows], metadata)


def read_manifest(path):
    """Read the manifest of a part or of a .npy.

    Returns
    -------
    Manifest or None
        None if the file is missing, damaged or was written by another program, or if the manifest
        of a .npy was written for another file.
    """
    with contextlib.suppress(Exception):
        metadata = find_format(path).read_metadata(path)
        failures = [Failure(*failure) for failure in metadata["failures"]]
        return Manifest(metadata["key"], metadata["computation"], failures)
    return None


def read_rows(path):
    """Read path and file version of each row of a part or of a .npy."""
    columns = find_format(path).read_columns(path, ("path", "file_version"))
    return list(zip(columns["path"], columns["file_version"], strict=True))


def read_features(path, rows=None):
    """Read the features of a part or of a .npy.

    Parameters
    ----------
    path : pathlib.Path or upath.UPath
    rows : array-like of int, default=None
        None reads all rows.

    Returns
    -------
    ndarray of shape (n, n_features), dtype float32
    """
    return find_format(path).read_features(path, rows)
