"""Tables as text: cells separated by commas, semicolons, tabs or bars."""

import csv
import io
import re

_SEPARATORS = (",", ";", "\t", "|")
_DECLARED_SEPARATOR = re.compile(r'"?sep=(.)"?[^\w\r\n]*\r?\n', re.IGNORECASE)  # of Excel


def decode_text(content):
    """Decode text in UTF-8, or in UTF-16 as Excel writes it, with or without a byte order mark."""
    is_utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ValueError(
            "it is not text in UTF-8. From Excel, save it as 'CSV UTF-8'; a .csv in another encoding "
            f"must be converted ({exc})"
        ) from exc


def parse_cells(text):
    """Parse the cells of a table, its header among them, to a dataframe of text; empty ones are missing."""
    import pandas as pd

    text = text.lstrip("\r\n")
    declared = _DECLARED_SEPARATOR.match(text)
    if declared:
        separator, text = declared[1], text[declared.end() :]
    else:
        line = next(iter(text.split("\n", 1)[0].splitlines()), "")
        counts = {sep: len(next(csv.reader([line], delimiter=sep), [])) for sep in _SEPARATORS}
        separator = max(_SEPARATORS, key=counts.__getitem__)
    return pd.read_csv(
        io.StringIO(text),
        sep=separator,
        header=None,
        dtype=object,
        skipinitialspace=True,
        # only an empty cell is missing: "NA" and "None" may be names
        keep_default_na=False,
        na_values=[""],
    )
