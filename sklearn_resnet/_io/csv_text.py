"""Text in tables that no spreadsheet computes and that UTF-8 can encode."""

import re

import numpy as np

# At the start, and after what parts cells in other countries; apostrophes that stand there get one
# more, so that it can be taken off again.
_FORMULA = re.compile(r"(^|[;\n\t])('*[=+\-@\t\n])")
_INERT_FORMULA = re.compile(r"(^|[;\n\t])'('*[=+\-@\t\n])")


def write_csv(path, columns, is_first=True):
    """Write columns to a .csv in which no cell is a formula.

    A spreadsheet computes what begins with ``=``, ``+``, ``-`` or ``@``, and the names of files and
    folders may do so, or have it after a semicolon, a tab or a new line, which some take for the
    end of a cell: before it, unless the text is a number, comes an apostrophe.

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
    return [text if _is_number(text) else _FORMULA.sub(r"\1'\2", text) for text in values]


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def restore_text(text):
    """Take off what `write_csv` puts before a formula."""
    return _INERT_FORMULA.sub(r"\1\2", text)
