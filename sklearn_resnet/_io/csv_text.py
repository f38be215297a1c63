"""Text for tables: it encodes to UTF-8, and no spreadsheet takes it for a formula."""

import re

import numpy as np

# At the start of a cell, and after what separates cells in other locales. Apostrophes that are
# already there get one more, so that `restore_text` finds the original.
_FORMULA = re.compile(r"(^|[;\n\t])('*[=+\-@\t\n])")
_INERT_FORMULA = re.compile(r"(^|[;\n\t])'('*[=+\-@\t\n])")


def write_csv(path, columns, is_first=True):
    """Write columns to a .csv in which no cell is a formula.

    A spreadsheet takes a cell that begins with ``=``, ``+``, ``-`` or ``@`` for a formula, and the
    names of files and folders may begin so. They may also contain such a character after a
    semicolon, a tab or a new line, which some spreadsheets take for the end of a cell. An
    apostrophe is put before it, unless the text is a number.

    Parameters
    ----------
    path : path
    columns : dict of str to array-like
    is_first : bool, default=True
        Whether to begin the file, or to append to it.
    """
    import pandas as pd

    frame = pd.DataFrame(
        {name: _escape_formulas(as_text(values)) for name, values in columns.items()}
    )
    frame.to_csv(path, index=False, mode="w" if is_first else "a", header=is_first)


def as_text(values):
    """Escape what UTF-8 cannot encode in text, as in some file names; leave other values alone."""
    values = np.asarray(values)
    if values.dtype.kind not in "OU":
        return values
    return [str(value).encode("utf-8", "backslashreplace").decode() for value in values]


def _escape_formulas(values):
    if not isinstance(values, list):
        return values
    values = [text.replace("\r", r"\r") for text in values]  # readers take it for a new line
    return [text if _is_number(text) else _FORMULA.sub(r"\1'\2", text) for text in values]


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def restore_text(text):
    """Remove the apostrophes that `write_csv` puts before formulas."""
    return _INERT_FORMULA.sub(r"\1\2", text)
