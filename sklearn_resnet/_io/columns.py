"""Columns of tables: arrays of numbers, of booleans or of text."""

import re

import numpy as np

_INTEGER = re.compile(r"0|-?[1-9]\d{0,17}")  # fits into int64
_DECIMAL = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?")
_LONG = re.compile(r"-?\d{19,}")  # exceeds int64, and loses digits as a float
_BOOLEANS = {"False": False, "True": True}


def to_array(values):
    """Convert a column of a dataframe to an array that each format of tables can hold.

    Parameters
    ----------
    values : array-like of shape (n,)

    Returns
    -------
    ndarray of shape (n,)
        Integers, floats, booleans or text. Missing numbers are NaN, and missing text is empty.
    """
    import pandas as pd
    from pandas.api import types

    series = values if isinstance(values, pd.Series) else pd.Series(values)
    if series.dtype == object and all(isinstance(x, str) for x in series):
        return np.array(series, str)  # pandas would infer its strings, which must be UTF-8
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    series = series.infer_objects()
    if types.is_bool_dtype(series.dtype) and not series.hasnans:
        return series.to_numpy(bool)
    if types.is_numeric_dtype(series.dtype) and not types.is_complex_dtype(series.dtype):
        dtype = getattr(series.dtype, "numpy_dtype", series.dtype)
        return series.to_numpy(np.float64 if series.hasnans else dtype, na_value=np.nan)
    is_missing = series.isna()
    return np.array(["" if no else str(x) for x, no in zip(series, is_missing, strict=True)], str)


def label_texts(labels):
    """Convert labels to text: missing numbers to empty text, and whole ones beside them to integers.

    Parameters
    ----------
    labels : ndarray of shape (n,)

    Returns
    -------
    list of str
    """
    if labels.dtype.kind != "f" or not np.isnan(labels).any():
        return [str(label) for label in labels]
    is_known = ~np.isnan(labels)
    is_whole = bool((labels[is_known] % 1 == 0).all())
    texts = [str(int(label) if is_whole else label) for label in labels[is_known]]
    found = iter(texts)
    return [next(found) if known else "" for known in is_known]


def parse_texts(texts):
    """Convert the text of the cells of a column to the array that was written.

    Parameters
    ----------
    texts : sequence of str
        An empty cell is a missing value.

    Returns
    -------
    ndarray of shape (n,)
        Numbers or booleans if all texts are, and nothing is lost by it: ``"001"`` stays text.
    """
    given = [text for text in texts if text]
    if given and len(given) == len(texts) and _BOOLEANS.keys() >= set(given):
        return np.array([_BOOLEANS[text] for text in given])
    numbers = to_numbers(given)
    if numbers is None or not given or any(map(_LONG.fullmatch, given)):
        return np.array(texts, str)
    if len(given) == len(texts):
        return numbers
    values = np.full(len(texts), np.nan)
    values[[bool(text) for text in texts]] = numbers
    return values


def to_numbers(texts):
    """Convert text to an array of numbers; None if it has to stay text, such as ``"001"``."""
    if not all(isinstance(text, str) for text in texts):
        return None
    if all(map(_INTEGER.fullmatch, texts)):
        return np.array(texts, dtype=np.int64)
    if all(map(_DECIMAL.fullmatch, texts)):
        numbers = np.array(texts, dtype=np.float64)
        # "1.1" and "1.10" would become one class
        if np.isfinite(numbers).all() and len(np.unique(numbers)) == len(set(texts)):
            return numbers
    return None
