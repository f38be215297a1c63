"""Pascal VOC: boxes whose pixels begin at 1, their images, and hostile XML."""

import numpy as np
import pytest
from PIL import Image

from sklearn_resnet import ImageLoader
from sklearn_resnet.datasets import read_boxes

BOX = ["top", "left", "bottom", "right"]

# Of the development kit of VOC2012, shortened: pixels are counted from 1, and xmax belongs to the box
ANNOTATION = """
<annotation>
    <folder>VOC2012</folder>
    <filename>a.png</filename>
    <size><width>80</width><height>40</height><depth>3</depth></size>
    <segmented>0</segmented>
    <object>
        <name>person</name>
        <pose>Frontal</pose>
        <truncated>0</truncated>
        <occluded>1</occluded>
        <difficult>0</difficult>
        <bndbox><xmin>1</xmin><ymin>11</ymin><xmax>20</xmax><ymax>40</ymax></bndbox>
        <part>
            <name>head</name>
            <bndbox><xmin>5</xmin><ymin>12</ymin><xmax>9</xmax><ymax>18</ymax></bndbox>
        </part>
    </object>
    <object>
        <name>chair</name>
        <bndbox><xmax>80</xmax><xmin>80</xmin><ymax>40.6</ymax><ymin>39.5</ymin></bndbox>
        <difficult>1</difficult>
    </object>
</annotation>
"""
BOXES = [[10, 0, 40, 20], [38, 79, 40, 80]]


def write(path, text=ANNOTATION):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def make_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((40, 80, 3), 100, np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    make_image(tmp_path / "a.png")
    write(tmp_path / "a.xml")
    return tmp_path


@pytest.mark.parametrize("name", ["", "a.xml"])
def test_boxes_of_a_folder_or_file(folder, name):
    for path in (folder / name, str(folder / name)):
        boxes = read_boxes(path)
        assert list(boxes) == ["path", *BOX, "label", "difficult", "truncated", "occluded"]
        assert boxes[BOX].to_numpy().tolist() == BOXES
        assert boxes["label"].tolist() == ["person", "chair"]
        assert boxes["occluded"].tolist() == [True, False]
        assert boxes[~boxes["difficult"]]["label"].tolist() == ["person"]
        assert boxes["path"].tolist() == [str(folder / "a.png")] * 2
    assert len(ImageLoader(8).fit_transform(boxes)) == 2


def test_tools_that_count_from_0_give_no_negative_boxes(folder):
    write(folder / "a.xml", ANNOTATION.replace("<xmin>1<", "<xmin>0<"))
    assert read_boxes(folder)[BOX].to_numpy().tolist() == BOXES


@pytest.mark.parametrize(
    "size", ["<size><width>0</width><height>0</height></size>", "", "<size><width>x</width></size>"]
)
def test_an_unknown_size_clips_nothing(folder, size):
    start, end = ANNOTATION.index("<size>"), ANNOTATION.index("</size>") + len("</size>")
    write(folder / "a.xml", ANNOTATION[:start] + size + ANNOTATION[end:])
    assert read_boxes(folder)[BOX].to_numpy()[1].tolist() == [38, 79, 41, 80]


LAYOUTS = {
    "beside": ("a.xml", "a.png", ""),
    "VOC": ("Annotations/a.xml", "JPEGImages/a.png", ""),
    "the folder of VOC": ("VOC2012/Annotations/a.xml", "VOC2012/JPEGImages/a.png", "VOC2012/Annotations"),
    "annotations": ("annotations/a.xml", "images/a.png", "annotations"),
    "pets": ("annotations/xmls/a.xml", "images/a.png", "annotations/xmls"),
    "one file": ("Annotations/a.xml", "JPEGImages/a.png", "Annotations/a.xml"),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_are_found(tmp_path, layout):
    annotation, image, given = LAYOUTS[layout]
    write(tmp_path / annotation)
    make_image(tmp_path / image)
    assert read_boxes(tmp_path / given)["path"].tolist() == [str(tmp_path / image)] * 2
    (tmp_path / image).unlink()
    with pytest.raises(
        ValueError, match=r"The image of '.*a.xml': no image 'a.png' or 'a' is in .*Pass images="
    ):
        read_boxes(tmp_path / given)
    make_image(tmp_path / "elsewhere" / "a.png")
    boxes = read_boxes(tmp_path / given, images=tmp_path / "elsewhere")
    assert boxes["path"].tolist() == [str(tmp_path / "elsewhere" / "a.png")] * 2


@pytest.mark.parametrize(
    "name", ["a.png", " a.png\n", "C:\\photos\\a.png", "/photos/a.png", "../../a.png", "old.png", "a", "", "..", "."]
)  # fmt: skip
def test_the_name_of_the_image_or_that_of_the_file(folder, name):
    write(folder / "a.xml", ANNOTATION.replace("a.png", name))
    assert read_boxes(folder)["path"].tolist() == [str(folder / "a.png")] * 2


def test_the_name_in_the_file_comes_first(folder):
    make_image(folder / "b.png")
    for name in ("b.png", "C:\\photos\\b.png", "/photos/b.png"):
        write(folder / "a.xml", ANNOTATION.replace("a.png", name))
        assert read_boxes(folder)["path"].tolist() == [str(folder / "b.png")] * 2


def test_the_box_of_a_part_is_not_that_of_the_object(folder):
    start, end = ANNOTATION.index("<part>"), ANNOTATION.index("</part>") + len("</part>")
    part = ANNOTATION[start:end]
    text = ANNOTATION.replace(part, "").replace("<name>person", f"{part}<name>person")
    write(folder / "a.xml", text)
    boxes = read_boxes(folder)
    assert boxes[BOX].to_numpy().tolist() == BOXES
    assert boxes["label"].tolist() == ["person", "chair"]


def test_images_without_boxes_have_no_rows(folder):
    write(folder / "b.xml", "<annotation><filename>none.png</filename></annotation>")
    assert len(read_boxes(folder)) == 2
    (folder / "a.xml").unlink()
    assert list(read_boxes(folder)) == ["path", *BOX, "label"]


def test_files_are_in_natural_order(tmp_path):
    for i in (10, 9):
        make_image(tmp_path / f"{i}.png")
        write(tmp_path / f"{i}.xml", ANNOTATION.replace("a.png", f"{i}.png"))
    names = [f"{i}.png" for i in (9, 9, 10, 10)]
    assert read_boxes(tmp_path)["path"].tolist() == [str(tmp_path / name) for name in names]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "<xmin>1</xmin>",
            "",
            r"Object 0 of '.*a.xml': a box must be 4 finite numbers .* Got \[None, 11",
        ),
        ("<xmin>80<", "<xmin>nan<", "Object 1"),
        ("<xmin>80<", "<xmin>1e400<", "4 finite numbers"),
        ("<xmin>80<", "<xmin>left<", "4 finite numbers"),
        ("<xmin>80<", "<xmin>90<", "must not have a negative width"),
        ("<name>chair</name>", "", "Object 1 of '.*a.xml': it has no 'name'"),
        ("<name>chair</name>", "<name> </name>", "it has no 'name'"),
        ("annotation>", "html>", "must be an XML file of Pascal VOC.* Got 'html'"),
        ("</annotation>", "", "a.xml' cannot be read as XML of Pascal VOC: no element found"),
        ("<annotation>", "&lol;<annotation>", "cannot be read as XML"),
    ],
)
def test_malformed_files_are_errors_that_name_the_place(folder, old, new, message):
    write(folder / "a.xml", ANNOTATION.replace(old, new))
    with pytest.raises(ValueError, match=message):
        read_boxes(folder)


def test_an_object_without_a_box_is_an_error(folder):
    start = ANNOTATION.index("<bndbox><xmax>")
    end = ANNOTATION.index("</bndbox>", start) + len("</bndbox>")
    write(folder / "a.xml", ANNOTATION[:start] + "<polygon/>" + ANNOTATION[end:])
    with pytest.raises(ValueError, match="Object 1 of '.*a.xml': it has no 'bndbox'"):
        read_boxes(folder)


def test_an_empty_box_is_left_out_with_a_warning(folder):
    write(folder / "a.xml", ANNOTATION.replace("<xmin>80<", "<xmin>81<"))
    with pytest.warns(UserWarning, match="1 of 2 boxes have no pixels.* Object 1 of '.*a.xml'"):
        assert read_boxes(folder)["label"].tolist() == ["person"]


def make_bomb(n_levels, encoding):
    entities = ['<!ENTITY a0 "' + "x" * 1000 + '">']
    entities += [f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, n_levels)]
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE annotation [{"".join(entities)}]>'
    return f"{text}<annotation><filename>&a{n_levels - 1};</filename></annotation>".encode(encoding)


DOCTYPES = {
    "billions": make_bomb(12, "utf-8"),
    "billions in UTF-16": make_bomb(12, "utf-16"),
    "a quadratic one": b'<!DOCTYPE a [<!ENTITY x "' + b"x" * 10**5 + b'">]><annotation>' + b"&x;" * 10**5 + b"</annotation>",
    "a file": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation><filename>&x;</filename></annotation>',
    "a parameter": b'<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]><annotation/>',
    "a definition elsewhere": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><annotation/>',
}  # fmt: skip


@pytest.mark.parametrize("name", DOCTYPES)
@pytest.mark.timeout(20)
def test_bombs_are_refused(tmp_path, name):
    (tmp_path / "a.xml").write_bytes(DOCTYPES[name])
    with pytest.raises(
        ValueError, match="a.xml' cannot be read as XML .* declares a document type"
    ):
        read_boxes(tmp_path / "a.xml")


def test_deep_xml_is_an_error(tmp_path):
    write(tmp_path / "a.xml", "<annotation>" * 100_000)
    with pytest.raises(ValueError, match="cannot be read as XML"):
        read_boxes(tmp_path / "a.xml")
    write(tmp_path / "a.xml", "<annotation>" * 100_000 + "</annotation>" * 100_000)
    assert len(read_boxes(tmp_path / "a.xml")) == 0


def test_xml_of_other_encodings(folder):
    text = ANNOTATION.strip().replace("chair", "st\u00fchl")
    for encoding in ("utf-8", "utf-16", "iso-8859-1"):
        declared = f'<?xml version="1.0" encoding="{encoding}"?>{text}'
        (folder / "a.xml").write_bytes(declared.encode(encoding))
        assert read_boxes(folder)["label"].tolist() == ["person", "st\u00fchl"]
    (folder / "a.xml").write_bytes(b'<?xml version="1.0" encoding="no"?><annotation/>')
    with pytest.raises(ValueError, match="unknown encoding"):
        read_boxes(folder)


def test_scores_are_not_in_the_format(folder):
    with pytest.raises(ValueError, match="The 'min_score' parameter must be None for Pascal VOC"):
        read_boxes(folder, min_score=0.5)
