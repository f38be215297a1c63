"""Tables of features that the command wrote."""

import os

import numpy as np
from sklearn.utils import Bunch

from sklearn_resnet._io.tables import read_table


def load_table(path: str | os.PathLike) -> Bunch:
    """Load a table of features that the command ``embedding`` wrote.

    Parameters
    ----------
    path : str or path-like
        A .npy, .npz, .csv or .parquet file, or a folder of parts that ends in .parquet. It can also
        be a URL of fsspec (``"s3://bucket/photos.parquet"``).

    Returns
    -------
    table : Bunch
        With ``features``, an ndarray of shape (n, n_features) and dtype float32; ``labels``, an
        ndarray of shape (n,), or None; ``paths``, an ndarray of str of shape (n,), or None; and
        ``columns``, a DataFrame with the columns ``path``, ``label`` and all further ones that the
        table has, such as the boxes of regions. `ImageLoader` and `draw_regions` take it.
        Labels in .csv and .parquet files are text. A .npy has these columns only if the command
        wrote a file with them beside it: ``out_rows.csv`` beside ``out.npy``.

    Raises
    ------
    FileNotFoundError
        If the table does not exist.
    ValueError
        If it cannot be read.
    ImportError
        If the table is a .parquet or a URL, and a package that reads it is not installed.

    See Also
    --------
    load_image_folder : Lists the images of a folder, from which the command computes features.

    Examples
    --------
    The command ``embedding photos/ photos.npz`` writes such a file:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sklearn_resnet.datasets import load_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "photos.npz")
    ...     np.savez(path, features=np.ones((2, 3), np.float32), labels=["cat", "dog"])
    ...     table = load_table(path)
    >>> table.features.shape
    (2, 3)
    >>> table.labels
    array(['cat', 'dog'], dtype='<U3')
    >>> table.paths is None
    True
    """
    import pandas as pd  # slow to import

    table = read_table(path)
    features = table.features
    if isinstance(features, np.memmap):  # of a .npy, and read-only
        features = np.array(features)
    text = {"path": table.paths, "label": table.labels}
    columns = {name: values for name, values in text.items() if values is not None}
    return Bunch(
        features=features.astype(np.float32, copy=False),
        labels=table.labels,
        paths=table.paths,
        columns=pd.DataFrame(columns | (table.columns or {}), index=range(len(features))),
    )
