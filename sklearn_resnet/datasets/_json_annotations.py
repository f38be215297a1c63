"""Boxes of COCO (annotations and results) and of MegaDetector."""

import json
import os

from sklearn_resnet._images.decoding.overviews import read_size
from sklearn_resnet._io.paths import open_file
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._runtime.warnings import warn_caller
from sklearn_resnet.datasets._boxes import Boxes, annotation_error, check_numbers, check_relative
from sklearn_resnet.datasets._image_paths import check_exists, join_name

_KINDS = {str: "text", list: "a list", dict: "an object", (int, str): "a whole number or text"}


def read_json_boxes(file, images, results, min_score):
    """Read the boxes of a file of COCO or MegaDetector.

    Parameters
    ----------
    file : str
    images : str or None
        The folder of the images; None for that of `file`.
    results : str or None
        The results of COCO, instead of the annotations in `file`.
    min_score : float or None
        Boxes with lower scores are left out.

    Returns
    -------
    Boxes
    """
    content = _load(file)
    folder = images or os.path.dirname(file) or "."
    if isinstance(content, list):
        raise ParameterError(
            "file",
            "must name the images",
            f"{file!r}, which holds results of COCO,",
            "Pass the file of the annotations as file, and this one as results.",
        )
    if isinstance(content, dict) and (results is not None or "annotations" in content):
        boxes = _read_coco(content, file, folder, results, min_score)
    elif isinstance(content, dict) and _is_megadetector(content):
        boxes = _read_megadetector(content, file, folder, min_score)
    else:
        raise ParameterError(
            "file",
            "must be a JSON file of COCO, with 'images' and 'annotations', or of MegaDetector, with "
            "'images' and 'detections' of each",
            repr(file),
        )
    if boxes.images:
        check_exists(boxes.images[0], images is not None)
    return boxes


def _load(file):
    with open_file(file) as opened:
        try:
            return json.loads(opened.read())
        except (ValueError, RecursionError) as exc:  # also of an encoding, and of long numbers
            raise ValueError(f"{file!r} cannot be read as JSON: {exc}.") from exc


def _is_megadetector(content):
    images = content.get("images")
    first = images[0] if isinstance(images, list) and images else None
    return "detection_categories" in content or (isinstance(first, dict) and "file" in first)


def _read_coco(content, file, folder, results, min_score):
    """Read annotations, or results instead of them."""
    paths, sizes = _list_coco_images(content, file, folder)
    names = _list_coco_categories(content, file)
    source, section, records = file, "annotations", content.get("annotations")
    if results is not None:
        source, section, records = results, "results", _load(results)
    if not isinstance(records, list):
        raise annotation_error(source, section, "must be a list", type(records).__name__)
    boxes = Boxes()
    for i, record in enumerate(records):
        place = (source, f"{section}[{i}]")
        image = _get(record, "image_id", (int, str), place)
        if image not in paths:
            raise annotation_error(*place, "its image_id must be in 'images'", repr(image))
        x, y, width, height = check_numbers(_get(record, "bbox", list, place), 4, place)
        score = record.get("score")
        if score is not None:
            (score,) = check_numbers([score], 1, place, "a score")
        if min_score is not None and (score is None or score < min_score):
            continue
        boxes.add(
            paths[image],
            sizes[image],
            (x, y, x + width, y + height),
            place,
            label=_name_category(_get(record, "category_id", (int, str), place), names, place),
            score=score,
            iscrowd=bool(record.get("iscrowd")),
            annotation_id=record.get("id"),
        )
    return boxes


def _list_coco_images(content, file, folder):
    """Map the ids of images to their paths and sizes."""
    paths, sizes = {}, {}
    for i, record in enumerate(_get(content, "images", list, (file, "the content"))):
        place = (file, f"images[{i}]")
        key = _get(record, "id", (int, str), place)
        if key in paths:
            raise annotation_error(*place, "its id must not be that of another image", repr(key))
        paths[key] = join_name(folder, _get(record, "file_name", str, place), place)
        size = record.get("height"), record.get("width")
        is_known = all(isinstance(n, int) and 0 < n < 2**31 for n in size)
        sizes[key] = size if is_known else None
    return paths, sizes


def _list_coco_categories(content, file):
    """Map the ids of categories to their names; None if there are no names."""
    if content.get("categories") is None:
        return None
    names = {}
    for i, record in enumerate(_get(content, "categories", list, (file, "the content"))):
        place = (file, f"categories[{i}]")
        names[_get(record, "id", (int, str), place)] = _get(record, "name", str, place)
    return names


def _name_category(key, names, place):
    """Return the name of a category; the key itself if there are no names."""
    if names is None:
        return key
    if not isinstance(names, dict) or key not in names:
        raise annotation_error(*place, "its category must be among the categories", repr(key))
    return names[key]


def _read_megadetector(content, file, folder, min_score):
    """Read detections, with the best class of each if a classifier has run."""
    names = content.get("detection_categories")
    classes = content.get("classification_categories")
    boxes, failed = Boxes(), []
    for i, record in enumerate(_get(content, "images", list, (file, "the content"))):
        place = (file, f"images[{i}]")
        name = _get(record, "file", str, place)
        if record.get("detections") is None:
            failed.append(name)
            continue
        path, size = join_name(folder, name, place), None
        for j, detection in enumerate(_get(record, "detections", list, place)):
            place = (file, f"images[{i}], detections[{j}]")
            score = _get(detection, "conf", (int, float), place)
            (score,) = check_numbers([score], 1, place, "conf")
            if min_score is not None and score < min_score:
                continue
            x, y, width, height = check_relative(_get(detection, "bbox", list, place), 4, place)
            size = size or read_size(path)
            category = _get(detection, "category", (int, str), place)
            boxes.add(
                path,
                size,
                (x * size[1], y * size[0], (x + width) * size[1], (y + height) * size[0]),
                place,
                label=_name_category(category, names, place),
                score=score,
                **_read_classification(detection, classes, place),
            )
    if failed:
        others = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        warn_caller(f"MegaDetector could not read {failed[0]!r}{others}, according to {file!r}.")
    return boxes


def _read_classification(detection, names, place):
    """Read the best class of a detection."""
    found = detection.get("classifications")
    columns = dict.fromkeys(("classification", "classification_score"))
    if not found:
        return columns
    first = found[0] if isinstance(found, list) else None
    if not isinstance(first, list) or len(first) != 2 or not isinstance(first[0], (int, str)):
        raise annotation_error(*place, "its classifications must be pairs of a class and a score")
    (score,) = check_numbers(first[1:], 1, place, "the score of a classification")
    return {
        "classification": _name_category(first[0], names, place),
        "classification_score": score,
    }


def _get(record, key, kind, place):
    """Return the value of a key of a JSON object; raise an error if it is missing or of another kind."""
    if not isinstance(record, dict):
        raise annotation_error(*place, "must be an object", type(record).__name__)
    value = record.get(key)
    if value is None:
        raise annotation_error(*place, f"{key!r} is missing")
    if not isinstance(value, kind) or isinstance(value, bool):
        wanted = _KINDS.get(kind, "a number")
        raise annotation_error(*place, f"{key!r} must be {wanted}", type(value).__name__)
    return value
