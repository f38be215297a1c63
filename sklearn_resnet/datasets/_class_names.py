"""The names of classes that data sets of YOLO have, in classes.txt or in the YAML file of the data set."""

import os
import re

from sklearn_resnet._io.listing import join, suffix_of_name
from sklearn_resnet._io.paths import as_path, is_url, open_file
from sklearn_resnet.datasets._boxes import annotation_error

CLASSES = "classes.txt"
LABELS = "labels"  # the folder of the text files, beside images
_YAML = (".yaml", ".yml")
_QUOTED = r"""(?<![^\s,\[{])(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')"""
_COMMENT = re.compile(rf"({_QUOTED})|(?<!\S)#[^\n]*", re.DOTALL)
_KEY = r"(\d{1,6})[ ]*:\s+"
_FLOW = re.compile(rf"(?:{_KEY})?({_QUOTED}|[^,\s][^,]*)", re.DOTALL)
_BLOCK = re.compile(rf"^[ ]*(?:-[ ]+|{_KEY})", re.MULTILINE)
_NAMES = re.compile(r"^names[ ]*:(.*?)(?=^\w+[ ]*:|\Z)", re.MULTILINE | re.DOTALL)
_KEYPOINTS = re.compile(r"^kpt_shape\s*:\s*\[\s*(\d{1,4})\s*,\s*(\d)\s*\]", re.MULTILINE)
_ESCAPE = re.compile(r"\\(?:x(\w{2})|u(\w{4})|U(\w{8})|\n\s*|(.))", re.DOTALL)
_ESCAPED = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "0": "\0",
    "_": "\xa0",
    "e": "\x1b",
    "a": "\a",
    "b": "\b",
}


def find_classes(folder):
    """Find the names of the classes, and the number of values of key points, of a folder of labels.

    They are in that folder or in the one above it. In a data set with a folder of labels, they may be
    beside that folder, or one folder higher if each split has one of its own.

    Parameters
    ----------
    folder : str

    Returns
    -------
    names : dict of int to str, or None
    n_keypoints : int
    """
    folder = folder if is_url(folder) else os.path.abspath(folder)
    steps = folder.replace(os.sep, "/").split("/")[::-1]
    n_folders = max(3, steps.index(LABELS) + 2) if LABELS in steps else 2
    for _ in range(n_folders):
        path = as_path(folder)
        names = sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []
        if CLASSES in names:
            lines = read_lines(join(folder, CLASSES))
            return {i: line.strip() for i, line in enumerate(lines) if line.strip()}, 0
        for name in names:
            if suffix_of_name(name) in _YAML:
                found = _read_yaml(join(folder, name))
                if found is not None:
                    return found
        folder = os.path.dirname(folder)
    return None, 0


def read_lines(file):
    """Read the lines of a text file."""
    return _read(file).splitlines()


def _read(file):
    with open_file(file) as opened:
        return opened.read().decode("utf-8-sig", "replace").replace("\r\n", "\n")


def _read_yaml(file):
    """Read the names of the classes, and the number of values of key points; None without names.

    Only lists and mappings of one level are read, in the forms that data sets have.
    """
    text = _COMMENT.sub(lambda found: found[1] or "", _read(file))
    found = _NAMES.search(text)
    if found is None:
        return None
    value = found[1].strip()
    if value[:1] in ("[", "{") and value[-1:] in ("]", "}"):
        entries = _FLOW.findall(value[1:-1])
    else:
        start, *parts = _BLOCK.split(found[1])
        entries = [] if start.strip() else list(zip(parts[::2], parts[1::2], strict=True))
    try:
        names = {int(index or i): _to_text(name) for i, (index, name) in enumerate(entries)}
    except ValueError:  # of an escape
        names = {}
    if not names:
        raise annotation_error(
            file,
            "The value of 'names'",
            "it must be a list or a mapping of names",
            repr(value[:100]),
            "Write the names into a file classes.txt, one a line.",
        )
    keypoints = _KEYPOINTS.search(text)
    return names, int(keypoints[1]) * int(keypoints[2]) if keypoints else 0


def _to_text(scalar):
    """Unfold and unquote a scalar of YAML."""
    scalar = scalar.strip()
    if scalar[:1] == '"' == scalar[-1:]:
        scalar = re.sub(r"(?<!\\)[ \t]*\n\s*", " ", scalar[1:-1])
        return _ESCAPE.sub(_unescape, scalar)
    scalar = re.sub(r"\s*\n\s*", " ", scalar)
    return scalar[1:-1].replace("''", "'") if scalar[:1] == "'" else scalar


def _unescape(found):
    code = found[1] or found[2] or found[3]
    if code:
        return chr(int(code, 16))
    return _ESCAPED.get(found[4], found[4] or "")
