"""Tables of features with their labels and paths, written and read in any format."""

from sklearn_resnet._io.csv_rows import RowColumn
from sklearn_resnet._io.paths import as_path
from sklearn_resnet._io.table_formats import (
    DAMAGE_ERRORS,
    FORMATS,
    Table,
    describe_suffixes,
    find_format,
)
from sklearn_resnet._runtime.errors import ParameterError


def write_table(path, features, names, labels=None, paths=None, columns=None):
    """Write features to a file, in the format of its suffix.

    Parameters
    ----------
    path : str or path-like
        ``.npy``: the features alone. ``.npz``: compressed, with the arrays ``features``, ``labels``,
        ``paths`` and ``columns/NAME``. ``.csv``: further columns, ``path``, ``label``, and one for
        each feature. ``.parquet``: ``path``, ``label``, further columns, and ``features``, with one
        list of a fixed size a row.
    features : ndarray of shape (n, n_features)
    names : sequence of str
        The names of the features.
    labels, paths : ndarray of shape (n,), default=None
        None leaves the column out.
    columns : dict of str to array-like of shape (n,), default=None
        Further columns, of numbers or text.
    """
    path = as_path(path)
    find_format(path).write(path, Table(features, labels, paths, columns), names)


def read_table(path, parameter="path", rows=None):
    """Read a table that `write_table` or a resumable run wrote.

    Parameters
    ----------
    path : str or path-like
        A .parquet may be a folder of parts. A .npy is mapped into memory, and may have its labels
        and paths in a .csv beside it: ``out_rows.csv`` beside ``out.npy``.
    parameter : str, default="path"
        The name of `path` in errors.
    rows : ndarray of int, default=None
        In ascending order: rows whose labels, paths and other columns are read from the .csv beside
        a .npy, which are then `RowColumn`s. Other formats are read as a whole.

    Returns
    -------
    Table
        Labels and paths from .csv and .parquet are text. Other columns keep their type, but for text
        that looks like a number in a .csv.

    Raises
    ------
    FileNotFoundError, ValueError
        If the table does not exist or cannot be read.
    """
    path = as_path(path)
    if path.suffix not in FORMATS:
        raise ParameterError(parameter, f"must end in {describe_suffixes()}", repr(str(path)))
    if not path.exists():
        raise FileNotFoundError(f"The table {str(path)!r} does not exist.")
    try:
        # other formats read their columns with the features
        options = {"rows": rows} if rows is not None and path.suffix == ".npy" else {}
        table = find_format(path).read(path, **options)
        _check_shapes(table)
    except DAMAGE_ERRORS as exc:
        raise ValueError(
            f"The table {str(path)!r} cannot be read: {str(exc).rstrip('.')}."
        ) from exc
    return table


def read_rows(path, table, rows):
    """Read the columns of some rows of a table that `read_table` read without these rows.

    Parameters
    ----------
    path : path
    table : Table
    rows : ndarray of int
        In ascending order.

    Returns
    -------
    Table
    """
    columns = (table.labels, table.paths, *(table.columns or {}).values())
    is_partial = any(isinstance(column, RowColumn) for column in columns)
    return read_table(path, rows=rows) if is_partial else table


def _check_shapes(table):
    features = table.features
    if features.ndim != 2 or features.size == 0 or features.dtype.kind != "f":
        raise ValueError("it holds no rows of features")
    for column in (table.labels, table.paths, *(table.columns or {}).values()):
        if column is not None and column.shape != features.shape[:1]:
            raise ValueError("it does not have one label and path per row")
