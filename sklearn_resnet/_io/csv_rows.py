"""Some rows of a .csv, read without the others."""

import io
from dataclasses import dataclass

import numpy as np

_CHUNK = 2**24  # bytes
_LINE_END = ord("\n")


@dataclass(frozen=True)
class RowColumn:
    """A column of which only some rows were read.

    Attributes
    ----------
    rows : ndarray of shape (n_read,), dtype int
        In ascending order.
    values : ndarray of shape (n_read,)
    shape : tuple of int
        That of the whole column.
    """

    rows: np.ndarray
    values: np.ndarray
    shape: tuple

    def __getitem__(self, rows):
        """Return the values of rows that were read."""
        return self.values[np.searchsorted(self.rows, rows)]


def cut_rows(path, rows):
    """Cut some rows out of a .csv.

    Parameters
    ----------
    path : pathlib.Path
    rows : ndarray of int
        In ascending order.

    Returns
    -------
    file : file-like or None
        A .csv of these rows. None if a row may be other than a line, as quoted text is.
    n_rows : int
        The number of all rows.
    """
    text = np.memmap(path, np.uint8, mode="r")
    ends = []
    for start in range(0, len(text), _CHUNK):
        chunk = text[start : start + _CHUNK]
        if (chunk == ord('"')).any() or (chunk == ord("\r")).any():
            return None, 0
        ends.append(start + np.flatnonzero(chunk == _LINE_END))
    if text[-1] != _LINE_END:
        ends.append([len(text)])
    ends = np.concatenate(ends)
    starts = np.r_[0, ends[:-1] + 1]
    if (starts == ends).any():  # pandas skips empty lines
        return None, 0
    lines = (
        text[starts[line] : ends[line] + 1].tobytes() for line in (0, *(1 + np.asarray(rows, int)))
    )
    return io.BytesIO(b"\n".join(line.rstrip(b"\n") for line in lines)), len(ends) - 1
