"""Text for tables, escaped for UTF-8 and for spreadsheets, which would evaluate formulas."""

import re

import numpy as np

# A formula begins a cell, or follows a separator of cells in some locale. Existing apostrophes get
# one more, so that `restore_text` finds the original.
_FORMULA = re.compile(r"(^|[;\n\t])('*[=+\-@\t\n])")
_INERT_FORMULA = re.compile(r"(^|[;\n\t])'('*[=+\-@\t\n])")


def write_csv(path, columns, is_first=True):
    """Write columns to a .csv in which no cell is a formula.

    A spreadsheet evaluates a cell that begins with ``=``, ``+``, ``-`` or ``@`` as a formula, and
    names of files and folders may begin with these characters. They may also contain one after a
    semicolon, a tab or a new line, where some spreadsheets end a cell. An apostrophe is inserted
    before it, unless the text is a number.

    Parameters
    ----------
    path : path
    columns : dict of str to array-like
    is_first : bool, default=True
        Whether to begin the file, or to append to it.
    """
    import pandas as pd

    names = _escape_formulas(as_text(list(columns)))
    cells = [_escape_formulas(as_text(values)) for values in columns.values()]
    frame = pd.DataFrame(dict(zip(names, cells, strict=True)))
    frame.to_csv(path, index=False, mode="w" if is_first else "a", header=is_first)


def as_text(values):
    """Escape text that UTF-8 cannot encode, as in some file names; leave other values unchanged."""
    values = np.asarray(values)
    if values.dtype.kind not in "OU":
        return values
    return [escape_text(value) for value in values]


def escape_text(value):
    """Convert a value to text, with escapes for the characters that UTF-8 cannot encode."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def _escape_formulas(values):
    if not isinstance(values, list):
        return values
    values = [text.replace("\r", r"\r") for text in values]  # readers interpret it as a new line
    return [text if _is_number(text) else _FORMULA.sub(r"\1'\2", text) for text in values]


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def restore_text(text):
    """Remove the apostrophes that `write_csv` inserts before formulas."""
    return _INERT_FORMULA.sub(r"\1\2", text)
