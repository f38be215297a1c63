"""Parts of a table of features: each a file that is written whole and says what it was made of."""

import contextlib
import hashlib
import json
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from sklearn_resnet._lazy_images import Failure, LazyImages
from sklearn_resnet._tables import as_text, feature_lists, write_csv
from sklearn_resnet._whole_files import write_whole

_COLUMNS = ("path", "label", "file_version")


@dataclass
class Part:
    """Rows that are computed, and written, together.

    Attributes
    ----------
    path : pathlib.Path or upath.UPath
        The file to write.
    computation : str
        What tells how features are computed from all other ways.
    key : str
        What tells its images, labels and computation from all others.
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

    def possible_keys(self):
        """Of a file in which all images could be read, and of one in which some could not."""
        return self.key, f"{self.key} {self.images.on_error}"


class Facts(NamedTuple):
    """What a part says of itself: as `Part`, and with the images that could not be read."""

    key: str
    computation: str
    failures: list


def make_key(computation, columns):
    """What tells a part from all others: how features are computed, and of which files."""
    digest = hashlib.blake2b(computation.encode(), digest_size=16)
    digest.update(json.dumps(columns).encode())
    return digest.hexdigest()


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
    named = [(*failures[i][:1], *as_text(failures[i][1:])) for i in sorted(failures)]
    key = part.possible_keys()[bool(failures)]
    facts = {"key": key, "computation": part.computation, "failures": named}
    if not part.path.parent.is_dir():
        raise FileNotFoundError(
            f"The folder {str(part.path.parent)!r} was removed while features were computed. Run "
            "the same command again."
        )
    with write_whole(part.path) as whole:
        write = _write_parquet if part.path.suffix == ".parquet" else _write_npz
        write(whole, columns, features[rows], json.dumps(facts))


def read_facts(path):
    """What a part that was written says of itself, or None if it cannot be read.

    Returns
    -------
    Facts or None
    """
    # a file of that name may be anything
    with contextlib.suppress(Exception):
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            with path.open("rb") as file:
                text = pq.read_schema(file).metadata[b"sklearn_resnet"]
        else:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                text = str(file["facts"])
        facts = json.loads(text)
        failures = [Failure(*failure) for failure in facts["failures"]]
        return Facts(facts["key"], facts["computation"], failures)
    return None


def read_rows(path):
    """Path and version of each row of a part or, ending in .csv, of a whole table.

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
    if path.suffix == ".csv":
        import pandas as pd

        with path.open("rb") as file:
            frame = pd.read_csv(file, usecols=names, dtype=str, keep_default_na=False)
        return list(zip(frame["path"], frame["file_version"], strict=True))
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

            column = pq.read_table(opened, columns=["features"])["features"].combine_chunks()
            features = column.flatten().to_numpy().reshape(len(column), -1)
        elif path.suffix == ".npz":
            with np.load(opened, allow_pickle=False) as file:
                features = file["features"]
        elif rows is not None and hasattr(path, "__fspath__"):
            features = np.load(path, mmap_mode="r", allow_pickle=False)
        else:
            features = np.load(opened, allow_pickle=False)
        return features if rows is None else features[rows]


def join_npy(parts, output, table):
    """Join parts to one .npy, that can be mapped into memory, and a .csv with a line for each row.

    Parameters
    ----------
    parts : list of path
    output, table : path
        The .npy and the .csv.

    Returns
    -------
    tuple of 2 int
        The shape of the array.
    """
    widths, n_rows = set(), 0
    for part in parts:
        n, width = read_features(part).shape
        n_rows += n
        widths |= {width}
    (width,) = widths
    header = {"descr": "<f4", "fortran_order": False, "shape": (n_rows, width)}
    with write_whole(table) as rows, write_whole(output) as whole:
        with open(whole, "wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for part in parts:  # not through a map, which a full disk would turn into a crash
                file.write(np.ascontiguousarray(read_features(part), "<f4").data)
        for i, part in enumerate(parts):
            with part.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                columns = {name: file[name] for name in _COLUMNS if name in file}
            write_csv(rows, columns, is_first=i == 0)
    return n_rows, width


def _write_parquet(path, columns, features, facts):
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {name: pa.array(as_text(columns[name])) for name in _COLUMNS if name in columns}
    table = pa.table(arrays | {"features": feature_lists(features)})
    pq.write_table(table.replace_schema_metadata({"sklearn_resnet": facts}), path)


def _write_npz(path, columns, features, facts):
    arrays = {name: np.array(columns[name], str) for name in _COLUMNS if name in columns}
    with open(path, "wb") as file:
        np.savez(file, features=features, facts=np.array(facts), **arrays)
