"""Boxes of YOLO: text files of relative boxes or polygons, and the names of their classes."""

import math
import os

from natsort import natsorted

from sklearn_resnet._images.decoding.overviews import read_size
from sklearn_resnet._io.listing import join, suffix_of_name
from sklearn_resnet.datasets._boxes import Boxes, annotation_error, check_relative
from sklearn_resnet.datasets._class_names import CLASSES, LABELS, find_classes, read_lines
from sklearn_resnet.datasets._image_paths import ImageIndex, list_folders


def list_label_files(files):
    """List the text files of YOLO among files, given as the parts of their paths.

    In a data set with folders named labels, these are the files in them.
    """
    texts = [
        parts for parts in files if suffix_of_name(parts[-1]) == ".txt" and parts[-1] != CLASSES
    ]
    inside = [parts for parts in texts if LABELS in parts[:-1]]
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
            classes[folder] = find_classes(folder)
        names, n_keypoints = classes[folder]
        path, size = None, None
        for number, line in enumerate(read_lines(file), start=1):
            if not line.strip():
                continue
            place = (file, f"Line {number}")
            label, corners, score = _read_line(line, names, n_keypoints, place)
            if min_score is not None and (score is None or score < min_score):
                continue
            if path is None:
                stem = os.path.splitext(parts[-1])[0]
                path = index.find(list_folders(folder, root, images), [stem], place)
                size = read_size(path)
            scaled = [corner * size[1 - i % 2] for i, corner in enumerate(corners)]
            boxes.add(path, size, tuple(scaled), place, label=label, score=score)
    return boxes


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
