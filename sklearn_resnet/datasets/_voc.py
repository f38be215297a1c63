"""Boxes of Pascal VOC: an XML file for each image."""

import os
from xml.etree import ElementTree

from sklearn_resnet._io.listing import join
from sklearn_resnet._io.paths import open_file
from sklearn_resnet.datasets._boxes import Boxes, annotation_error, check_numbers
from sklearn_resnet.datasets._image_paths import ImageIndex, list_folders

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_FLAGS = ("difficult", "truncated", "occluded")


class _TreeBuilder(ElementTree.TreeBuilder):
    """A builder that refuses declarations of types, which can define entities that never end."""

    def doctype(self, name, pubid, system):
        """Refuse a declaration."""
        raise ValueError("it declares a document type, which annotations do not need")


def read_voc_boxes(root, files, images):
    """Read the boxes of XML files.

    Parameters
    ----------
    root : str
        A folder.
    files : list of tuple of str
        The parts of the paths of files below it.
    images : str or None
        The folder of the images.

    Returns
    -------
    Boxes
    """
    boxes, index = Boxes(), ImageIndex()
    for parts in files:
        folder, file = join(root, *parts[:-1]), join(root, *parts)
        annotation = _parse(file)
        objects = annotation.findall("object")
        if not objects:
            continue
        path = _find_image(annotation, file, list_folders(folder, root, images), index)
        size = _read_size(annotation)
        for i, element in enumerate(objects):
            place = (file, f"Object {i}")
            box = element.find("bndbox")
            if box is None:
                raise annotation_error(*place, "it has no 'bndbox'")
            values = [_to_number(box.findtext(name)) for name in _CORNERS]
            left, top, right, bottom = check_numbers(values, 4, place)
            name = element.findtext("name")
            if name is None or not name.strip():
                raise annotation_error(*place, "it has no 'name'")
            flags = {flag: bool(_to_number(element.findtext(flag))) for flag in _FLAGS}
            boxes.add(
                path,
                size,
                (left - 1, top - 1, right, bottom),
                place,
                label=name.strip(),
                **flags,
            )
    return boxes


def _parse(file):
    with open_file(file) as opened:
        content = opened.read()
    try:
        parser = ElementTree.XMLParser(target=_TreeBuilder())
        root = ElementTree.fromstring(content, parser)
    except (ElementTree.ParseError, ValueError, LookupError) as exc:
        raise ValueError(f"{file!r} cannot be read as XML of Pascal VOC: {exc}.") from exc
    if root.tag != "annotation":
        raise ValueError(
            f"{file!r} must be an XML file of Pascal VOC, whose root is 'annotation'. Got "
            f"{root.tag[:100]!r} instead."
        )
    return root


def _find_image(annotation, file, folders, index):
    """Find the image by the name in the file, or by that of the file."""
    name = (annotation.findtext("filename") or "").strip().replace("\\", "/").rpartition("/")[2]
    stem = os.path.splitext(os.path.basename(file))[0]
    return index.find(folders, [name, stem], (file, "The image"))


def _read_size(annotation):
    """Read the height and the width of the image; None if they are unknown."""
    size = [_to_number(annotation.findtext(f"size/{name}")) for name in ("height", "width")]
    return tuple(size) if all(n is not None and 0 < n < 2**31 for n in size) else None


def _to_number(text):
    """Convert the text of an element; None if it is missing or no number."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
