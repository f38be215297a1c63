"""Boxes of YOLO: text files of relative boxes or polygons, and the names of their classes."""

import itertools
import math
import os
import re

from natsort import natsorted

from sklearn_resnet._io.listing import join, suffix_of_name
from sklearn_resnet._io.paths import as_path, is_url, open_file
from sklearn_resnet.datasets._boxes import Boxes, annotation_error, check_relative
from sklearn_resnet.datasets._image_paths import ImageIndex, list_folders
from sklearn_resnet.datasets._region_tables import find_size

_CLASSES = "classes.txt"
_LABELS = "labels"  # the folder of the text files, beside images
_YAML = (".yaml", ".yml")
_TOP_LEVEL = re.compile(r"^\w+\s*:")
_COMMENT = re.compile(r"(^|\s)#.*")
_KEYPOINTS = re.compile(r"^kpt_shape\s*:\s*\[\s*(\d{1,4})\s*,\s*(\d)\s*\]", re.MULTILINE)
# an entry of a list or a mapping of YAML: "a", 0: a
_FLOW = re.compile(r"""(?:(\d{1,6})\s*:\s+)?("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,\s][^,]*)""")
_BLOCK = re.compile(r"\s*(?:-\s+|(\d{1,6})\s*:\s+)(.*\S)")


def list_label_files(files):
    """List the text files of YOLO among files, given as the parts of their paths.

    In a data set with folders named labels, these are the files in them.
    """
    texts = [
        parts for parts in files if suffix_of_name(parts[-1]) == ".txt" and parts[-1] != _CLASSES
    ]
    inside = [parts for parts in texts if _LABELS in parts[:-1]]
    return natsorted(inside or texts)


def read_yolo_boxes(root, files, images, min_score):
    """Read the boxes of text files.

    Parameters
    ----------
    root : str
        A folder.
    files : list of tuple of str
        The parts of the paths of text files below it.
    images : str or None
        The folder of the images.
    min_score : float or None

    Returns
    -------
    Boxes
    """
    boxes, index, classes = Boxes(), ImageIndex(), {}
    for parts in files:
        folder, file = join(root, *parts[:-1]), join(root, *parts)
        if folder not in classes:
            classes[folder] = _find_classes(folder)
        names, n_keypoints = classes[folder]
        path, size = None, None
        for number, line in enumerate(_read_lines(file), start=1):
            if not line.strip():
                continue
            place = (file, f"Line {number}")
            label, corners, score = _read_line(line, names, n_keypoints, place)
            if min_score is not None and (score is None or score < min_score):
                continue
            if path is None:
                stem = os.path.splitext(parts[-1])[0]
                path = index.find(list_folders(folder, root, images), [stem], place)
                size = find_size(path)
            scaled = [corner * size[1 - i % 2] for i, corner in enumerate(corners)]
            boxes.add(path, size, tuple(scaled), place, label=label, score=score)
    return boxes


def _read_lines(file):
    with open_file(file) as opened:
        return opened.read().decode("utf-8-sig", "replace").splitlines()


def _read_line(line, names, n_keypoints, place):
    """Read the class, the corners and the score of a line, which may be None."""
    try:
        number, *values = map(float, line.split())
    except ValueError:
        raise annotation_error(*place, "must be a class and numbers", repr(line[:100])) from None
    if not number.is_integer() or number < 0:
        raise annotation_error(*place, "a class must be a whole number of at least 0", f"{number}")
    label = int(number)
    if names is not None:
        if label not in names:
            raise annotation_error(
                *place, f"its class must be among the {len(names)} names of classes", str(label)
            )
        label = names[label]
    n_values = len(values)
    n_box = 4 if n_values < 6 or n_keypoints else n_values - n_values % 2
    has_score = n_values == n_box + n_keypoints + 1
    if n_values < 4 or n_values != n_box + n_keypoints + has_score:
        raise annotation_error(
            *place,
            "must be a class and the center, width and height of a box, or the points of a polygon",
            repr(line[:100]),
        )
    score = values[-1] if has_score else None
    if score is not None and not math.isfinite(score):
        raise annotation_error(*place, "a score must be finite", f"{score}")
    values = check_relative(values[:n_box], n_box, place)
    if n_box > 4:
        return label, _bound(values[::2], values[1::2]), score
    x, y, width, height = values
    return label, (x - width / 2, y - height / 2, x + width / 2, y + height / 2), score


def _bound(x, y):
    return min(x), min(y), max(x), max(y)


def _find_classes(folder):
    """Find the names of the classes, and the number of values of key points, of a folder of labels.

    They are in that folder or above it, up to the one that holds the folder of labels, and at least two
    folders above.

    Returns
    -------
    names : dict of int to str, or None
    n_keypoints : int
    """
    folder = folder if is_url(folder) else os.path.abspath(folder)
    steps = folder.replace(os.sep, "/").split("/")[::-1]
    n_folders = max(3, steps.index(_LABELS) + 2 if _LABELS in steps else 0)
    for _ in range(n_folders):
        path = as_path(folder)
        names = sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []
        if _CLASSES in names:
            lines = _read_lines(join(folder, _CLASSES))
            return {i: line.strip() for i, line in enumerate(lines) if line.strip()}, 0
        for name in names:
            if suffix_of_name(name) in _YAML:
                found = _read_yaml(join(folder, name))
                if found is not None:
                    return found
        folder = os.path.dirname(folder)
    return None, 0


def _read_yaml(file):
    """Read the names of the classes, and the number of values of key points; None without names.

    Only lists and mappings of one level are read, in the forms that data sets have.
    """
    lines = [_COMMENT.sub("", line).rstrip() for line in _read_lines(file)]
    start = next((i for i, line in enumerate(lines) if re.match(r"names\s*:", line)), None)
    if start is None:
        return None
    value = [lines[start].partition(":")[2]]
    value += itertools.takewhile(lambda line: not _TOP_LEVEL.match(line), lines[start + 1 :])
    text = "\n".join(value).strip()
    if text[:1] in ("[", "{") and text[-1:] in ("]", "}"):
        entries = _FLOW.findall(text[1:-1])
    else:
        found = [_BLOCK.fullmatch(line) for line in value if line.strip()]
        entries = [entry.groups() for entry in found] if all(found) else []
    if not entries:
        raise annotation_error(
            file,
            "The value of 'names'",
            "it must be a list or a mapping of names",
            repr(text[:100]),
            "Write the names into a file classes.txt, one a line.",
        )
    names = {int(index or i): _unquote(name) for i, (index, name) in enumerate(entries)}
    keypoints = _KEYPOINTS.search("\n".join(lines))
    return names, int(keypoints[1]) * int(keypoints[2]) if keypoints else 0


def _unquote(text):
    text = text.strip()
    if text[:1] == "'":
        return text[1:-1].replace("''", "'")
    return text.strip('"')
