"""Features, with labels and paths beside them, to a file, and back."""

import importlib.util
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sklearn_resnet._io.atomic import atomic_write, check_writable
from sklearn_resnet._io.csv_text import as_text, restore_text, write_csv
from sklearn_resnet._io.paths import as_path

SUFFIXES = (".npy", ".npz", ".csv", ".parquet")


class Table(NamedTuple):
    """Features, and for each row a label and a path; None is what a table does not have."""

    features: np.ndarray
    labels: np.ndarray | None = None
    paths: np.ndarray | None = None


def check_table_path(path):
    """Find out early whether `write_table` can write to `path`.

    Raises
    ------
    ValueError
        If its ending names no known format.
    ImportError
        If it ends in .parquet and pyarrow is not installed.
    OSError
        If its folder cannot be written to.
    """
    suffix = as_path(path).suffix
    if suffix not in SUFFIXES:
        raise ValueError(
            f"OUTPUT must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}. "
            f"Got {str(path)!r} instead."
        )
    if suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ImportError(
            f"Writing {str(path)!r} needs pyarrow, which is not installed. Install it by "
            "`pip install pyarrow`, or name an OUTPUT that ends in .npz or .csv."
        )
    check_writable(path)


def write_table(path, features, names, labels=None, paths=None):
    """Write features to a file whose ending chooses the format.

    Parameters
    ----------
    path : str or path-like
        ``.npy``: the features alone. ``.npz``: compressed, with the arrays ``features``,
        ``labels`` and ``paths``. ``.csv``: columns ``path``, ``label``, and one for each feature.
        ``.parquet``: ``path``, ``label``, and ``features``, lists of a fixed size.
    features : ndarray of shape (n, n_features)
    names : sequence of str
        Of the features.
    labels, paths : ndarray of shape (n,), default=None
        Left out where None.
    """
    path = as_path(path)
    if path.suffix in (".npy", ".npz"):
        with atomic_write(path) as whole:
            if path.suffix == ".npy":
                np.save(whole, features)
            else:
                extra = {"labels": labels, "paths": paths}
                arrays = {
                    key: np.asarray(value) for key, value in extra.items() if value is not None
                }
                for key, value in arrays.items():
                    if value.dtype.kind == "O":  # it would be pickled, and not be read again
                        arrays[key] = value.astype(str)
                np.savez_compressed(whole, features=features, **arrays)
        return
    columns = {"path": paths, "label": labels}
    columns = {name: values for name, values in columns.items() if values is not None}
    with atomic_write(path) as whole:
        if path.suffix == ".csv":
            write_csv(whole, columns | dict(zip(names, np.asarray(features).T, strict=True)))
        else:
            import pyarrow as pa
            import pyarrow.parquet as pq

            arrays = {name: pa.array(as_text(values)) for name, values in columns.items()}
            pq.write_table(pa.table(arrays | {"features": feature_lists(features)}), whole)


def feature_lists(features):
    """Features as an Arrow array of lists of a fixed size."""
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(features, np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, features.shape[1])


def rows_of(path):
    """Beside a .npy, the .csv with a line for each of its rows."""
    return path.with_name(f"{path.stem}_rows.csv")


def read_table(path):
    """Read what `write_table`, or a run in parts, wrote.

    Parameters
    ----------
    path : str or path-like
        A .parquet may be a folder of parts. Beside a .npy, which is mapped into memory, labels and
        paths may be in a .csv: of ``out.npy``, in ``out_rows.csv``.

    Returns
    -------
    Table
        From .csv and .parquet, labels and paths are text.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such table, or it cannot be read.
    """
    path = as_path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(
            f"A table must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}. Got {str(path)!r} "
            "instead."
        )
    if not path.exists():
        raise FileNotFoundError(f"There is no table {str(path)!r}.")
    read = {".npy": _read_npy, ".npz": _read_npz, ".csv": _read_csv, ".parquet": _read_parquet}
    try:
        table = read[path.suffix](path)
        features = table.features
        if features.ndim != 2 or features.size == 0 or features.dtype.kind != "f":
            raise ValueError("it holds no rows of features")
        for column in table[1:]:
            if column is not None and column.shape != features.shape[:1]:
                raise ValueError("it has not one label and path for each row of features")
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as exc:
        raise ValueError(
            f"The table {str(path)!r} cannot be read: {str(exc).rstrip('.')}."
        ) from exc
    return table


def _read_npy(path):
    if isinstance(path, Path):
        features = np.load(path, mmap_mode="r", allow_pickle=False)
    else:
        with path.open("rb") as file:
            features = np.load(file, allow_pickle=False)
    rows = rows_of(path)
    return Table(features, *(_read_csv(rows)[1:] if rows.is_file() else ()))


def _read_npz(path):
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        labels, paths = (file.get(name) for name in ("labels", "paths"))
        return Table(file["features"], labels, paths)


def _read_csv(path):
    import pandas as pd

    with path.open("rb") as file:
        text = {"path": restore_text, "label": restore_text, "file_version": str}
        frame = pd.read_csv(file, converters=text)
    labels, paths = (
        frame[name].to_numpy(str) if name in frame else None for name in ("label", "path")
    )
    features = frame.drop(columns=text, errors="ignore").to_numpy(np.float32)
    return Table(features, labels, paths)


def _read_parquet(path):
    """Read batch by batch, so that features are in memory once."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    where = {} if isinstance(path, Path) else {"filesystem": path.fs}
    dataset = ds.dataset(
        str(path) if isinstance(path, Path) else path.path, format="parquet", **where
    )
    lists = dataset.schema.field("features").type
    if not pa.types.is_fixed_size_list(lists):
        raise ValueError("its features are no lists of a fixed size")
    width = lists.list_size
    features = np.empty((dataset.count_rows(), width), np.float32)
    columns = {name: [] for name in ("label", "path") if name in dataset.schema.names}
    start = 0
    for batch in dataset.to_batches(columns=["features", *columns]):
        part = batch["features"].flatten().to_numpy().reshape(-1, width)
        features[start : start + len(part)] = part
        start += len(part)
        for name, values in columns.items():
            values += batch[name].to_pylist()
    labels, paths = (np.array(columns[n], str) if n in columns else None for n in ("label", "path"))
    return Table(features, labels, paths)
