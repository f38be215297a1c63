"""Parts of a table of features: each a file that is written whole and says what it was made of."""

import contextlib
import hashlib
import json
import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sklearn_resnet._images.lazy import Failure, LazyImages
from sklearn_resnet._io.atomic import atomic_write
from sklearn_resnet._io.csv_text import as_text, restore_text, write_csv
from sklearn_resnet.cli.tables import feature_lists, rows_of

_COLUMNS = ("path", "label", "file_version")
_NAME = re.compile(r"part-\d{8,}-[0-9a-f]{32}\.(parquet|npz)")
_make_digest = partial(hashlib.blake2b, digest_size=16)


@dataclass
class Part:
    """Rows that are computed, and written, together.

    Attributes
    ----------
    path : pathlib.Path or upath.UPath
        The file to write, named by `name_part`.
    computation : str
        What tells how features are computed from all other ways.
    key : str
        What tells its content from all others: see `make_key`.
    images : LazyImages
    columns : dict of str to list of str
        ``path``, ``file_version`` and, where images have one, ``label``.
    known : list of tuple of (int, path, int)
        Rows whose features an earlier run has left: here, in which file, and at which row there.
    """

    path: object
    computation: str
    key: str
    images: LazyImages
    columns: dict
    known: list = field(default_factory=list)

    @property
    def rows(self):
        """Path and version of each image."""
        return list(zip(self.columns["path"], self.columns["file_version"], strict=True))

    def is_done(self):
        """Whether it is written."""
        facts = read_manifest(self.path)
        return facts is not None and facts.key == self.key


class Manifest(NamedTuple):
    """What a table says of itself: as `Part`, and with the images that could not be read."""

    key: str
    computation: str
    failures: list


def make_key(computation, columns, on_error):
    """What tells a part: how features are computed, of which files, and the policy of errors."""
    digest = _make_digest(computation.encode())
    digest.update(json.dumps([columns, on_error]).encode())
    return digest.hexdigest()


def name_part(number, key, suffix):
    """The name of the file of a part, which sorts by number.

    It has the key in it: so what a worker of an earlier run may still be writing takes the place of
    no part of this run.
    """
    return f"part-{number:08}-{key}{suffix}"


def is_part_name(name):
    """Whether a file is named as `name_part` does."""
    return _NAME.fullmatch(name) is not None


def write_part(part, features, failures):
    """Write a part.

    Parameters
    ----------
    part : Part
    features : ndarray of shape (n, n_features), dtype float32
    failures : dict of int to Failure
        By row. Of such an image no version is recorded, so that a later run tries it again; and
        its row is left out if its features are None.

    Raises
    ------
    OSError
        If it cannot be written, or its folder is gone.
    """
    rows = np.arange(len(part.images))
    if part.images.on_error == "skip":
        rows = np.setdiff1d(rows, list(failures))
    columns = {name: [values[i] for i in rows] for name, values in part.columns.items()}
    columns["file_version"] = [
        "" if i in failures else version
        for i, version in zip(rows, columns["file_version"], strict=True)
    ]
    paths = part.columns["path"]  # those of failures may be spelt for the machine that read them
    named = [
        (failures[i].position, *as_text([paths[i], failures[i].cause])) for i in sorted(failures)
    ]
    facts = Manifest(part.key, part.computation, named)._asdict()
    # stores behind URLs know no empty folders
    if isinstance(part.path, Path) and not part.path.parent.is_dir():
        raise FileNotFoundError(
            f"The folder {str(part.path.parent)!r} was removed while features were computed. Run "
            "the same command again."
        )
    with atomic_write(part.path) as whole:
        write = _write_parquet if part.path.suffix == ".parquet" else _write_npz
        write(whole, columns, features[rows], json.dumps(facts))


def read_manifest(path):
    """What a part, or a whole .npy, says of itself, or None if it cannot be read.

    What a .npy is made of is in its seal, which holds of the very files that it was written for.

    Returns
    -------
    Manifest or None
    """
    # a file of that name may be anything
    with contextlib.suppress(Exception):
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            with path.open("rb") as file:
                text = pq.read_schema(file).metadata[b"sklearn_resnet"]
        elif path.suffix == ".npy":
            text = manifest_path(path).read_text(encoding="utf-8")
            if json.loads(text)["digests"] != [_digest(path), _digest(rows_of(path))]:
                return None
        else:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                text = str(file["facts"])
        facts = json.loads(text)
        failures = [Failure(*failure) for failure in facts["failures"]]
        return Manifest(facts["key"], facts["computation"], failures)
    return None


def manifest_path(path):
    """Beside a .npy, the .json that says what it and its .csv are made of."""
    return path.with_name(f"{path.stem}_rows.json")


def _digest(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, _make_digest).hexdigest()


def read_rows(path):
    """Path and version of each row of a part, or of a whole .npy.

    Parameters
    ----------
    path : pathlib.Path or upath.UPath

    Returns
    -------
    list of tuple of 2 str
    """
    names = ["path", "file_version"]
    if path.suffix == ".npz":
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return list(zip(*(file[name].tolist() for name in names), strict=True))
    if path.suffix == ".npy":
        import pandas as pd

        with rows_of(path).open("rb") as file:
            frame = pd.read_csv(file, usecols=names, dtype=str, keep_default_na=False)
        return list(zip(frame["path"].map(restore_text), frame["file_version"], strict=True))
    import pyarrow.parquet as pq

    with path.open("rb") as file:
        table = pq.read_table(file, columns=names)
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))


def read_features(path, rows=None):
    """Features of a part, or of a whole .npy.

    Parameters
    ----------
    path : pathlib.Path or upath.UPath
    rows : array-like of int, default=None
        Which rows; None takes all.

    Returns
    -------
    ndarray of shape (n, n_features), dtype float32
    """
    with path.open("rb") as opened:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            table = pq.read_table(opened, columns=["features"], page_checksum_verification=True)
            column = table["features"]
            width = column.type.list_size  # of no rows, too
            features = column.combine_chunks().flatten().to_numpy().reshape(-1, width)
        elif path.suffix == ".npz":
            with np.load(opened, allow_pickle=False) as file:
                features = file["features"]
        elif rows is not None and hasattr(path, "__fspath__"):
            features = np.load(path, mmap_mode="r", allow_pickle=False)
        else:
            features = np.load(opened, allow_pickle=False)
        return features if rows is None else features[rows]


def join_npy(parts, output, facts):
    """Join parts to one .npy, that can be mapped into memory, with its .csv and its seal.

    Parameters
    ----------
    parts : list of path
    output : path
        The .npy.
    facts : Manifest
        What the next run must know of it.

    Raises
    ------
    ValueError
        If a part is damaged.
    """
    shapes = [_read_whole(part, read_features).shape for part in parts]
    n_rows, width = sum(shape[0] for shape in shapes), shapes[0][1]
    header = {"descr": "<f4", "fortran_order": False, "shape": (n_rows, width)}
    with atomic_write(rows_of(output)) as rows, atomic_write(output) as whole:
        with open(whole, "wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for part in parts:  # not through a map, which a full disk would turn into a crash
                file.write(np.ascontiguousarray(_read_whole(part, read_features), "<f4").data)
        for i, part in enumerate(parts):
            write_csv(rows, _read_whole(part, _read_columns), is_first=i == 0)
        digests = [_digest(whole), _digest(rows)]
    with atomic_write(manifest_path(output)) as seal:
        seal.write_text(json.dumps(facts._asdict() | {"digests": digests}), encoding="utf-8")


def _read_whole(part, read):
    try:
        return read(part)
    except Exception as exc:  # of numpy, zipfile, zlib and the disk
        raise ValueError(
            f"The part {str(part)!r} is damaged: {str(exc).rstrip('.')}. Remove it: it will be made "
            "again."
        ) from exc


def _read_columns(part):
    with part.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        return {name: file[name] for name in _COLUMNS if name in file}


def _write_parquet(path, columns, features, facts):
    import pyarrow as pa
    import pyarrow.parquet as pq

    # of no rows, too, text is text
    arrays = {
        name: pa.array(list(as_text(columns[name])), pa.string())
        for name in _COLUMNS
        if name in columns
    }
    table = pa.table(arrays | {"features": feature_lists(features)})
    table = table.replace_schema_metadata({"sklearn_resnet": facts})
    pq.write_table(table, path, write_page_checksum=True)


def _write_npz(path, columns, features, facts):
    arrays = {name: np.array(columns[name], str) for name in _COLUMNS if name in columns}
    with open(path, "wb") as file:
        np.savez(file, features=features, facts=np.array(facts), **arrays)
