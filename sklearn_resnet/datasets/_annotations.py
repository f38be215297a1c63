"""Annotations and detections of several formats to tables of regions."""

import os

import pandas as pd
from natsort import natsorted

from sklearn_resnet._io.listing import list_files, suffix_of_name
from sklearn_resnet._io.paths import as_path
from sklearn_resnet._runtime.errors import MissingFileError, ParameterError
from sklearn_resnet.datasets._json_annotations import read_json_boxes
from sklearn_resnet.datasets._voc import read_voc_boxes
from sklearn_resnet.datasets._yolo import list_label_files, read_yolo_boxes


def read_boxes(
    file: str | os.PathLike,
    *,
    images: str | os.PathLike | None = None,
    results: str | os.PathLike | None = None,
    min_score: float | None = None,
) -> pd.DataFrame:
    """Read the boxes of annotations or of a detector.

    Parameters
    ----------
    file : str or path-like
        The annotations:

        - a .json of COCO: boxes of its ``annotations``, or of `results`.
        - a .json of MegaDetector.
        - a .xml of Pascal VOC, or a folder of such files.
        - a .txt of YOLO, or a folder of such files, as of a data set or of predictions: boxes,
          polygons or key points, with or without scores. The names of the classes are read from
          ``classes.txt`` or the YAML file of the data set, in the folder of the files or above it.
    images : str or path-like, default=None
        The folder of the images, in which the names in JSON files begin. None takes the folder of
        `file`. For Pascal VOC and YOLO, None also takes the folder ``images`` beside ``labels`` or
        ``annotations``, and ``JPEGImages`` beside ``Annotations``.
    results : str or path-like, default=None
        A .json of results for COCO, a list of the boxes of a detector. They take the place of the
        annotations in `file`, which has the images and the categories.
    min_score : float, default=None
        The lowest score of a box. Boxes without a score are left out.

    Returns
    -------
    boxes : DataFrame
        A row for each box, in the order of the file, and of files in natural order. The columns are
        ``path``, ``top``, ``left``, ``bottom``, ``right``, ``label``, and

        - ``score``: of results, of MegaDetector, and of predictions of YOLO;
        - ``iscrowd`` and ``annotation_id``: of COCO;
        - ``difficult``, ``truncated`` and ``occluded``: of Pascal VOC;
        - ``classification`` and ``classification_score``: the best class of MegaDetector's boxes, if
          a classifier has run.

    Raises
    ------
    ValueError
        If the file is of none of these formats, or malformed. The message names the annotation.
    FileNotFoundError
        If `file` does not exist.
    ImageReadError
        If boxes are relative, and an image, whose size is needed, cannot be read.

    Warns
    -----
    UserWarning
        If boxes have no width or height, or are outside of their image. They are left out.

    See Also
    --------
    find_regions : Finds the regions of label images.
    sklearn_resnet.ImageLoader : Reads the regions of a table.

    Notes
    -----
    Boxes are rounded outwards to whole pixels, and clipped to their image if its size is known. In
    COCO, pixels begin at 0; in Pascal VOC, at 1, and the last one belongs to the box. The label is the
    name of the category, or its number if the file has no names.

    Boxes of crowds and difficult ones are in the table. To leave them out, select rows:
    ``boxes[~boxes["iscrowd"]]``.

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from sklearn_resnet.datasets import read_boxes
    >>> coco = {
    ...     "images": [{"id": 7, "file_name": "cat.png", "height": 40, "width": 60}],
    ...     "categories": [{"id": 1, "name": "cat"}],
    ...     "annotations": [{"image_id": 7, "category_id": 1, "bbox": [10, 5.5, 20, 30]}],
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("RGB", (60, 40)).save(Path(folder, "cat.png"))
    ...     file = Path(folder, "boxes.json")
    ...     _ = file.write_text(json.dumps(coco), encoding="utf-8")
    ...     boxes = read_boxes(file)
    >>> boxes[["top", "left", "bottom", "right", "label"]]
       top  left  bottom  right label
    0    5    10      36     30   cat
    """
    file, images, results = (
        None if path is None else os.fspath(path) for path in (file, images, results)
    )
    root, files, kind = _list_annotation_files(file)
    if results is not None and kind != ".json":
        raise ParameterError(
            "results", "must be None unless file is a .json of COCO", repr(results)
        )
    if kind == ".json":
        boxes = read_json_boxes(file, images, results, min_score)
    elif kind == ".txt":
        boxes = read_yolo_boxes(root, files, images, min_score)
    elif min_score is None:
        boxes = read_voc_boxes(root, files, images)
    else:
        raise ParameterError(
            "min_score", "must be None for Pascal VOC, which has no scores", repr(min_score)
        )
    return boxes.to_table(["label"] if results is min_score is None else ["label", "score"])


def _list_annotation_files(file):
    """List annotation files.

    Returns
    -------
    root : str
        A folder.
    files : list of tuple of str
        The parts of their paths below it.
    kind : {".json", ".txt", ".xml"}
        The suffix of all of them.
    """
    suffix = suffix_of_name(file)
    if as_path(file).is_dir():
        found = list_files(file)
        texts = list_label_files(found)
        xml = natsorted(parts for parts in found if suffix_of_name(parts[-1]) == ".xml")
        if bool(texts) != bool(xml):
            return file, texts or xml, ".txt" if texts else ".xml"
        got = f"the folder {file!r} with {'both' if texts else 'neither'}"
        raise ParameterError(
            "file",
            "must be a folder of .xml or .txt",
            got,
            "Of COCO and MegaDetector, pass the .json itself.",
        )
    if suffix in (".json", ".txt", ".xml"):
        folder, name = os.path.split(file)
        return folder or ".", [(name,)], suffix
    if not as_path(file).exists():
        got = f"{file!r}, which does not exist,"
        raise MissingFileError("file", "must be a file or a folder", got)
    raise ParameterError(
        "file", "must be a .json, a .xml or a .txt, or a folder of .xml or .txt", repr(file)
    )
