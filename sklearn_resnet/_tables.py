"""Features, with labels and paths beside them, to a file."""

import importlib.util
from pathlib import Path

import numpy as np

from sklearn_resnet._whole_files import check_writable, write_whole

SUFFIXES = (".npy", ".npz", ".csv", ".parquet")


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
    suffix = Path(path).suffix
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
        ``labels`` and ``paths``. ``.csv`` and ``.parquet``: columns ``path``, ``label``,
        and one for each feature.
    features : ndarray of shape (n, n_features)
    names : sequence of str
        Of the features.
    labels, paths : ndarray of shape (n,), default=None
        Left out where None.
    """
    path = Path(path)
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
    import pandas as pd

    frame = pd.DataFrame(features, columns=list(names))
    if labels is not None:
        frame.insert(0, "label", labels)
    if paths is not None:
        frame.insert(0, "path", paths)
    with write_whole(path) as whole:
        if path.suffix == ".csv":
            frame.to_csv(whole, index=False)
        else:
            frame.to_parquet(whole, index=False)
