"""--labels and --groups: a value for each image, from a table that may name the images, an array or text."""

import csv
import os
import re
import unicodedata
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sklearn_resnet._images.decoding import EXTENSIONS, OPTIONAL_EXTENSIONS
from sklearn_resnet._io.columns import to_numbers
from sklearn_resnet._io.listing import suffix_of_name
from sklearn_resnet._io.paths import is_url, strip_archive_suffix
from sklearn_resnet._runtime.warnings import warn_caller
from sklearn_resnet.cli.delimited import decode_text, parse_cells

_MAX_NAMED = 3  # names in a message
_IMAGE_SUFFIXES = EXTENSIONS.union(OPTIONAL_EXTENSIONS)
_TABLE_SUFFIXES = (".csv", ".tsv")
# Names of columns, in small letters without "_" and spaces.
_NAME_WORDS = frozenset((
    "path", "paths", "filepath", "imagepath", "imgpath", "file", "files", "filename", "filenames",
    "fname", "imagefile", "imagefilename", "imagename", "imgname", "image", "images", "img", "photo",
    "picture", "imageid", "imgid", "id", "name", "key", "url", "uri", "imageurl",
))  # fmt: skip
_OTHER_NAME_WORDS = frozenset(("id", "name", "key"))  # may name persons and classes, too
_INDEX_WORDS = ("unnamed", "index", "idx", "row", "number")
_LABEL_WORDS = frozenset((
    "label", "labels", "target", "targets", "class", "classes", "classname", "classlabel", "classid",
    "category", "y",
))  # fmt: skip
_GROUP_WORDS = frozenset(("group", "groups"))
_ABSOLUTE = re.compile(r"[/\\~]|[A-Za-z]:|\w+://")
_IMAGE_NAME = re.compile(
    rf"\w(?:{'|'.join(map(re.escape, sorted(_IMAGE_SUFFIXES)))})(?!\w)", re.IGNORECASE
)


class _Images(NamedTuple):
    """The paths of the images, their parts, and these in small letters."""

    paths: list[str]
    parts: list[tuple[str, ...]]
    folded: list[tuple[str, ...]]


class _Match(NamedTuple):
    """The row of each image by the names in one column, or the reason why there is none."""

    rows: list[int] | None = None
    problem: str = ""
    n_matched: int = 0


def read_labels(path, image_paths, n_images, kind="label"):
    """Read labels or groups from a file.

    Parameters
    ----------
    path : str or path-like
        A table (.csv, .tsv or .parquet), a .npy file, or text with one label per line. The column
        of a table that names the images may have any name. Without such a column, the rows are in
        the order of the images.
    image_paths : ndarray of str or None
        Paths of the images.
    n_images : int
    kind : {"label", "group"}, default="label"
        The column to read. Groups are never read from a column of labels.

    Returns
    -------
    ndarray of shape (n_images,)

    Raises
    ------
    OSError, ValueError
        If the file does not exist, or does not hold one label for each image.

    Warns
    -----
    UserWarning
        If rows of a table match no image, or if a column of different texts does not name them.
    """
    path = Path(path)
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"The file of {kind}s {str(path)!r} {problem}.")
    try:
        if path.suffix.lower() == ".npy":
            labels = np.load(path, allow_pickle=False)
        else:
            images = None if image_paths is None else _split_all(image_paths)
            labels = _read_table(path, images, n_images, kind)
    except (ValueError, EOFError, csv.Error) as exc:
        problem = str(exc).strip()  # that of pandas ends in a new line
        raise ValueError(f"The {kind}s in {str(path)!r} cannot be used: {problem}.") from exc
    if labels.shape != (n_images,):
        raise ValueError(
            f"The {kind}s in {str(path)!r} must be one per image, {n_images}. Got an "
            f"array of shape {labels.shape} instead."
        )
    return labels


def _split_all(paths):
    paths = list(map(str, paths))
    parts = [_split(path if is_url(path) else os.path.abspath(path)) for path in paths]
    return _Images(paths, parts, [_fold(image, True) for image in parts])


def _read_table(path, images, n_images, kind):
    """Read the labels or groups of a table, or of lines of text."""
    if path.suffix.lower() == ".parquet":
        import pandas as pd

        table = pd.read_parquet(path)
        table = table.reset_index(drop=table.index.name is None)  # pandas may keep names there
    else:
        text = decode_text(path.read_bytes())
        if path.suffix.lower() in _TABLE_SUFFIXES:
            table = _parse(text, images, n_images)
        else:
            lines = text.splitlines()
            table = None if images is None else _parse_lines(lines, images)
            if table is None:
                return _convert_lines(lines, kind)
    names, rows = ([], None) if images is None else _find_names(table, images)
    labels = table[_find_column(table, names, kind)]
    if images is not None and rows is None:
        _warn_about_order(path, table.drop(columns=labels.name), kind)
    used = labels if rows is None else labels.iloc[rows]
    if used.isna().any():
        row = int(np.flatnonzero(used.isna())[0])
        name = repr(images.paths[row]) if rows is not None else f"row {row + 1}"
        raise ValueError(
            f"{kind}s are missing: {int(used.isna().sum())}, the first for {name}. Fill them in"
        )
    if rows is not None and len(rows) < len(table):
        _warn_about_unused(path, table[names[0]], rows)
    given = labels.dropna()
    numbers = to_numbers(given.tolist())
    if numbers is not None:
        used = type(labels)(numbers, given.index).loc[used.index]
    values = np.asarray(used)
    return values if values.dtype.kind in "iuf" else np.array([str(value) for value in used])


def _convert_lines(lines, kind):
    """Convert lines, each a label, to an array; numbers as in a table."""
    for i, line in enumerate(lines, 1):
        if not line.strip():
            raise ValueError(f"line {i} holds no {kind}")
    numbers = to_numbers(lines)
    return np.array(lines) if numbers is None else numbers


def _warn_about_order(path, others, kind):
    """Warn of a column that may be meant to name the images, and does not."""
    for name, values in others.items():
        if values.is_unique and to_numbers(values.dropna().tolist()) is None:
            warn_caller(
                f"The column {name!r} in {str(path)!r} names no image, so that the {kind}s are taken in "
                f"the order of the images. It holds {_show(values)}. If it should name the images, "
                "write their file names there."
            )
            return


def _warn_about_unused(path, names, rows):
    unused = names.drop(names.index[rows])
    warn_caller(
        f"{len(unused)} of the {len(names)} rows in {str(path)!r} match no image: {_show(unused)}."
    )


def _parse(text, images, n_images):
    """Parse a table of cells."""
    table = _with_header(parse_cells(text), images, n_images)
    if not table.columns.is_unique:
        raise ValueError(f"its columns must have different names, and are {_list(table)}")
    return table


def _with_header(table, images, n_images):
    """Use the first row as names of the columns, unless it holds the name of an image."""
    header = ["" if value != value else str(value).strip() for value in table.iloc[0]]
    is_header = any(_simplify(name) in _NAME_WORDS | _LABEL_WORDS for name in header)
    if not is_header:
        names = () if images is None else {os.path.splitext(image[-1])[0] for image in images.parts}
        has_name = any(suffix_of_name(cell) in _IMAGE_SUFFIXES or cell in names for cell in header)
        is_header = not has_name and (len(header) > 1 or len(table) != n_images)
    if is_header:
        table = table.iloc[1:].reset_index(drop=True)
    table.columns = header if is_header else [f"column {i + 1}" for i in range(len(header))]
    return table


def _parse_lines(lines, images):
    """Parse lines that hold the name and the label of each image; return None for other lines."""
    import pandas as pd

    for split in (
        *(lambda line, sep=sep: next(csv.reader([line], delimiter=sep), []) for sep in "\t,;"),
        lambda line: line.rsplit(None, 1),
        lambda line: line.split(None, 1),
    ):
        fields = [split(line) for line in lines]
        if not fields or min(map(len, fields)) < 2 or len(set(map(len, fields))) > 1:
            continue
        table = _with_header(pd.DataFrame(fields, dtype=object), images, len(images.paths))
        if not table.columns.is_unique:  # the first line is no header
            continue
        if any(_try_match(table[column], images).rows is not None for column in table):
            return table
    if 2 * sum(map(bool, map(_IMAGE_NAME.search, lines))) > len(lines):
        raise ValueError(
            "its lines name images, and must hold the name of each image in INPUT and its label, with "
            f"a space, tab, comma or semicolon between them. It holds {_show(lines)}; the images are "
            f"{_show(images.paths)}"
        )
    return None


def _find_names(table, images):
    """Find the columns that name the images, and the row of each image.

    Returns
    -------
    names : list of str
    rows : list of int or None
        None if there are no names.
    """
    columns = [name for name in table if _simplify(name) not in _LABEL_WORDS]
    if len(table.columns) == 1:
        columns = []
    matches = {name: _try_match(table[name], images) for name in columns}
    ranks = {
        name: (_looks_like_files(table[name]), _simplify(name) in _NAME_WORDS)
        for name in columns
        if matches[name].rows is not None
    }
    if ranks:
        best = max(ranks.values())
        found = [name for name in ranks if ranks[name] == best]
        rows = matches[found[0]].rows
        for name in found:
            if matches[name].rows != rows:
                raise ValueError(
                    f"the columns {found[0]!r} and {name!r} name the images in different orders; "
                    "remove one of them"
                )
        others = [name for name in ranks if name not in found and matches[name].rows == rows]
        return [*found, *others], rows
    for name in columns:
        if _is_meant_as_names(name, table[name], matches[name].n_matched, len(images.paths)):
            is_partly_right = matches[name].n_matched > 0
            remedy = "Correct the names" if is_partly_right else "If they name no images, remove it"
            raise ValueError(
                f"{matches[name].problem}. Its column {name!r} holds {_show(table[name].dropna())}; "
                f"the images are {_show(images.paths)}. {remedy}"
            )
    return [], None


def _is_meant_as_names(header, values, n_matched, n_images):
    """Whether a column that does not match the images was probably meant to name them."""
    word = _simplify(header)
    if _is_counter(values):
        return False
    if _holds_names(header, values):
        return True
    is_text = not all(str(value).isdecimal() for value in values)
    return values.is_unique and (
        word in _NAME_WORDS or (is_text and 2 * n_matched >= n_images > 0 and n_matched > 0)
    )


def _find_column(table, names, kind):
    """Find the column of the labels or groups among those that do not name the images."""
    rest = [name for name in table if name not in names]
    if not names:
        rest = [name for name in rest if not _holds_names(name, table[name])]
    rest = [name for name in rest if not _is_index(name, table[name])] or rest
    if kind == "group":
        rest = [name for name in rest if _simplify(name) not in _LABEL_WORDS]
    words = _LABEL_WORDS if kind == "label" else _GROUP_WORDS
    known = [name for name in rest if _simplify(name) in words]
    for chosen in ([name for name in rest if name == kind], known, rest):
        if len(chosen) == 1:
            return chosen[0]
    raise ValueError(
        f"it has no column {kind!r}, but {_list(table)}; call the column of the {kind}s {kind!r}"
    )


def _holds_names(header, values):
    """Whether a column holds names of images: by its header, or by its values."""
    word = _simplify(header)
    return word not in _LABEL_WORDS and (
        _looks_like_files(values) or (word in _NAME_WORDS and word not in _OTHER_NAME_WORDS)
    )


def _is_index(header, values):
    """Whether a column numbers the rows, as spreadsheets and pandas write it."""
    word = _simplify(header)
    return (word == "" or word.startswith(_INDEX_WORDS)) and _is_counter(values)


def _is_counter(values):
    """Whether a column counts its rows from 0 or 1."""
    return values.astype(str).tolist() in [
        [str(i) for i in range(start, start + len(values))] for start in (0, 1)
    ]


def _looks_like_files(values):
    """Whether most values of a column are names of image files."""
    n_files = sum(suffix_of_name(str(value)) in _IMAGE_SUFFIXES for value in values)
    return 2 * n_files > len(values)


def _try_match(values, images):
    """Match each image with the row that gives its path or the end of its path.

    Names that differ from those of the images in capital letters, or in first folders that all
    names share, are tried if no others match.
    """
    n_possible, first = _count_possible(values, images)
    if first is not None:
        return _Match(
            problem=_describe_missing(first, len(images.paths) - n_possible), n_matched=n_possible
        )
    is_missing = values.isna().tolist()
    names = [None if no else str(value) for value, no in zip(values, is_missing, strict=True)]
    rows = [None if name is None else _split(name) for name in names]
    first = None
    for fold, n_cut in product((False, True), range(_count_common(names, rows) + 1)):
        cut = [None if row is None else _fold(row[n_cut:], fold) for row in rows]
        match = _match(images.folded if fold else images.parts, cut, images.paths, names)
        if match.rows is not None:
            return match
        first = first or match
    return first


def _count_possible(values, images):
    """Count the images whose name without folders is in a column, and find the first that is not.

    Most columns hold no names of images, and are not compared further.
    """
    last = {_split(str(value))[-1].casefold() for value in values.dropna().unique()}
    is_possible = [
        parts[-1] in last or os.path.splitext(parts[-1])[0] in last for parts in images.folded
    ]
    first = None if all(is_possible) else images.paths[is_possible.index(False)]
    return sum(is_possible), first


def _describe_missing(path, n_missing):
    more = f" and of {n_missing - 1} other images" if n_missing > 1 else ""
    return f"no row has the path of {path!r}{more}"


def _count_common(names, rows):
    """Count the first folders that all names share, and that may be those of another machine."""
    rows = [row for row in rows if row is not None]
    if not rows:
        return 0
    folders = [row[:-1] for row in rows]
    pairs = list(zip(min(folders), max(folders), strict=False))  # what these share, all share
    n_common = next((i for i, (a, b) in enumerate(pairs) if a != b), len(pairs))
    if all(_ABSOLUTE.match(name.strip()) for name in names if name is not None):
        return n_common
    return max(min(n_common, min(map(len, rows)) - 2), 0)  # one folder must be equal


def _match(images, rows, image_paths, names):
    """Match the parts of images with those of rows."""
    row_of = {}
    for row, parts in enumerate(rows):
        if parts is not None and row_of.setdefault(parts, row) != row:
            return _Match(
                problem=f"the path {names[row]!r} occurs twice; remove one row, or name the folders too"
            )
    image_of, missing = {}, []
    for image, parts in enumerate(images):
        row = _find_row(row_of, parts)
        if row is None:
            missing.append(image)
        elif row in image_of:
            first, second = (image_paths[i] for i in (image_of[row], image))
            problem = f"the path {names[row]!r} matches both {first!r} and {second!r}; name their folders too"
            return _Match(problem=problem)
        else:
            image_of[row] = image
    if not missing:
        return _Match(list(image_of))
    problem = _describe_missing(image_paths[missing[0]], len(missing))
    return _Match(problem=problem, n_matched=len(image_of))


def _find_row(row_of, parts):
    """Find the row of the longest end of a path, with or without its suffix."""
    stem = os.path.splitext(parts[-1])[0]
    for start in range(len(parts)):
        for end in (parts[start:], (*parts[start:-1], stem)):
            if end in row_of:
                return row_of[end]
    return None


def _split(path):
    """Split a path into parts that are equal on all systems."""
    path = path.partition("::")[0] if is_url(path) else path
    path = unicodedata.normalize("NFC", path.strip()).replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    return (*map(strip_archive_suffix, parts[:-1]), *parts[-1:]) or ("",)


def _fold(parts, fold):
    return tuple(part.casefold() for part in parts) if fold else parts


def _simplify(name):
    return re.sub(r"[\W_]+", "", str(name)).lower()


def _list(table):
    return ", ".join(map(str, table.columns))


def _show(names):
    shown = [repr(str(name)) for name in list(names)[:_MAX_NAMED]]
    n_more = len(names) - len(shown)
    return ", ".join(shown) + f" and {n_more} more" * (n_more > 0)
