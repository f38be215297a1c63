"""Features, with labels and paths beside them, to a file."""

import importlib.util
import re

import numpy as np

from sklearn_resnet._paths import as_path
from sklearn_resnet._whole_files import check_writable, write_whole

SUFFIXES = (".npy", ".npz", ".csv", ".parquet")
_FORMULA = re.compile(r"[=+\-@\t]")


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
        with write_whole(path) as whole:
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
    with write_whole(path) as whole:
        if path.suffix == ".csv":
            write_csv(whole, columns | dict(zip(names, np.asarray(features).T, strict=True)))
        else:
            import pyarrow as pa
            import pyarrow.parquet as pq

            arrays = {name: pa.array(as_text(values)) for name, values in columns.items()}
            pq.write_table(pa.table(arrays | {"features": feature_lists(features)}), whole)


def write_csv(path, columns, is_first=True):
    """Write columns to a .csv in which no cell is a formula.

    A spreadsheet computes what begins with ``=``, ``+``, ``-`` or ``@``, and the names of files and
    folders may do so: before such text, unless it is a number, comes an apostrophe.

    Parameters
    ----------
    path : path
    columns : dict of str to array-like
    is_first : bool, default=True
        Whether to begin the file, or to go on.
    """
    import pandas as pd

    frame = pd.DataFrame({name: _inert(as_text(values)) for name, values in columns.items()})
    frame.to_csv(path, index=False, mode="w" if is_first else "a", header=is_first)


def as_text(values):
    """Text as UTF-8 can hold it: what file names may hold besides is escaped. Others as they are."""
    values = np.asarray(values)
    if values.dtype.kind not in "OU":
        return values
    return [str(value).encode("utf-8", "backslashreplace").decode() for value in values]


def _inert(values):
    if not isinstance(values, list):
        return values
    values = [text.replace("\r", r"\r") for text in values]  # which readers take for a new line
    return [
        "'" + text if _FORMULA.match(text) and not _is_number(text) else text for text in values
    ]


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def feature_lists(features):
    """Features as an Arrow array of lists of a fixed size."""
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(features, np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, features.shape[1])
