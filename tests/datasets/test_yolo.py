"""YOLO: boxes, polygons and scores of text files, their images, and the names of classes."""

import contextlib

import numpy as np
import pytest
from PIL import Image

from sklearn_resnet import ImageLoader
from sklearn_resnet.datasets import read_boxes

BOX = ["top", "left", "bottom", "right"]


def write(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def make_image(path, height=40, width=80):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), 100, np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    """An image of 40 x 80 pixels, and a file of two boxes: class, center, width and height."""
    make_image(tmp_path / "a.png")
    write(tmp_path / "a.txt", "1 0.5 0.5 0.25 0.5", "0 0.0625 0.25 0.125 0.5", "")
    return tmp_path


BOXES = [[10, 30, 30, 50], [0, 0, 20, 10]]


@pytest.mark.parametrize("name", ["", "a.txt"])
def test_boxes_of_a_folder_or_file(folder, name):
    for path in (folder / name, str(folder / name)):
        boxes = read_boxes(path)
        assert list(boxes) == ["path", *BOX, "label"]
        assert boxes[BOX].to_numpy().tolist() == BOXES
        assert boxes["label"].tolist() == [1, 0]
        assert boxes["path"].tolist() == [str(folder / "a.png")] * 2
    assert len(ImageLoader(8).fit_transform(boxes)) == 2


def test_predictions_have_scores(folder):
    write(folder / "a.txt", "1 0.5 0.5 0.25 0.5 0.75", "0 0.0625 0.25 0.125 0.5")
    boxes = read_boxes(folder)
    assert list(boxes) == ["path", *BOX, "label", "score"]
    np.testing.assert_array_equal(boxes["score"], [0.75, np.nan])
    assert boxes[BOX].to_numpy().tolist() == BOXES
    assert read_boxes(folder, min_score=0.5)["label"].tolist() == [1]


def test_polygons_become_their_boxes(folder):
    write(
        folder / "a.txt",
        "3 0.25 0.25 0.5 0.5 0.375 0.75",
        "3 0.25 0.25 0.5 0.25 0.5 0.5 0.25 0.5",
        "3 0.25 0.25 0.5 0.25 0.5 0.5 0.25 0.5 0.9",
    )
    boxes = read_boxes(folder)
    assert boxes[BOX].to_numpy().tolist() == [[10, 20, 30, 40], [10, 20, 20, 40], [10, 20, 20, 40]]
    np.testing.assert_array_equal(boxes["score"], [np.nan, np.nan, 0.9])


@pytest.mark.parametrize(("shape", "n_values"), [("[2, 3]", 6), ("[ 2 , 2 ]", 4)])
def test_key_points_are_not_the_box(folder, shape, n_values):
    points = " 0.9" * n_values
    write(folder / "a.txt", f"0 0.5 0.5 0.25 0.5{points}", f"0 0.5 0.5 0.25 0.5{points} 0.7")
    write(folder / "data.yaml", f"kpt_shape: {shape}  # points", "names: [person]")
    boxes = read_boxes(folder)
    assert boxes[BOX].to_numpy().tolist() == [BOXES[0]] * 2
    np.testing.assert_array_equal(boxes["score"], [np.nan, 0.7])


@pytest.mark.parametrize("side", [640, 1333, 4000, 20_000])
def test_whole_pixels_survive_six_digits(tmp_path, side):
    rng = np.random.default_rng(side)
    left, width = rng.integers(0, side // 2, 50), rng.integers(1, side // 2, 50)
    lines = [
        f"0 {(x + w / 2) / side:.6f} 0.500000 {w / side:.6f} 1.000000"
        for x, w in zip(left, width, strict=True)
    ]
    make_image(tmp_path / "a.png", 2, side)
    write(tmp_path / "a.txt", *lines)
    boxes = read_boxes(tmp_path)
    assert boxes["left"].tolist() == left.tolist()
    assert boxes["right"].tolist() == (left + width).tolist()


LAYOUTS = {
    "beside": ("a.txt", "a.png", ""),
    "images and labels": ("labels/a.txt", "images/a.png", ""),
    "splits inside": ("labels/train/a.txt", "images/train/a.png", ""),
    "splits outside": ("train/labels/a.txt", "train/images/a.png", ""),
    "the folder of labels": ("labels/a.txt", "images/a.png", "labels"),
    "a split of labels": ("labels/train/a.txt", "images/train/a.png", "labels/train"),
    "one file": ("labels/train/a.txt", "images/train/a.png", "labels/train/a.txt"),
    "all images together": ("labels/train/a.txt", "images/a.png", "labels"),
    "predictions": ("runs/predict/labels/a.txt", "runs/predict/a.jpg", "runs/predict/labels"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_are_found(tmp_path, layout):
    label, image, given = LAYOUTS[layout]
    write(tmp_path / label, "1 0.5 0.5 0.25 0.5")
    make_image(tmp_path / image)
    if layout == "predictions":
        boxes = read_boxes(tmp_path / given, images=tmp_path / "runs" / "predict")
    else:
        boxes = read_boxes(tmp_path / given)
    assert boxes["path"].tolist() == [str(tmp_path / image)]
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / image).rename(tmp_path / "moved.png")
    make_image(elsewhere / "a.png")
    assert read_boxes(tmp_path / given, images=elsewhere)["path"].tolist() == [
        str(elsewhere / "a.png")
    ]


def test_splits_in_another_folder_of_images(tmp_path):
    for split in ("train", "val"):
        write(tmp_path / "labels" / split / "a.txt", "1 0.5 0.5 0.25 0.5")
        make_image(tmp_path / "pictures" / split / "a.png")
    boxes = read_boxes(tmp_path / "labels", images=tmp_path / "pictures")
    expected = [str(tmp_path / "pictures" / split / "a.png") for split in ("train", "val")]
    assert boxes["path"].tolist() == expected


def test_the_current_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for path in (".", "a.txt"):
        assert read_boxes(path)["path"].tolist() == ["a.png"] * 2
    (folder / "labels").mkdir()
    (folder / "a.txt").rename(folder / "labels" / "a.txt")
    make_image(folder / "images" / "a.png")
    assert read_boxes("labels")["path"].tolist() == ["images/a.png"] * 2
    monkeypatch.chdir(folder / "labels")
    assert read_boxes(".")["path"].tolist() == [str(folder / "images" / "a.png")] * 2


def test_other_texts_of_a_data_set_are_no_labels(tmp_path):
    write(tmp_path / "labels" / "a.txt", "1 0.5 0.5 0.25 0.5")
    make_image(tmp_path / "images" / "a.png")
    write(tmp_path / "README.txt", "Made by hand.")
    write(tmp_path / "labels" / "classes.txt", "cat", "dog")
    assert read_boxes(tmp_path)["label"].tolist() == ["dog"]


def test_files_are_in_natural_order(tmp_path):
    for i in (10, 9, 1):
        write(tmp_path / f"{i}.txt", f"{i} 0.5 0.5 0.25 0.5")
        make_image(tmp_path / f"{i}.png")
    assert read_boxes(tmp_path)["label"].tolist() == [1, 9, 10]


def test_images_without_boxes_need_not_be_there(folder):
    write(folder / "b.txt", "")
    write(folder / "c.txt", "0 0.5 0.5 0.25 0.5 0.1")
    assert len(read_boxes(folder, min_score=0.2)) == 0
    (folder / "c.txt").unlink()
    assert len(read_boxes(folder)) == 2


def test_an_image_comes_before_its_cache(folder):
    np.save(folder / "a.npy", np.zeros((40, 80, 3), np.uint8))
    assert read_boxes(folder)["path"].tolist() == [str(folder / "a.png")] * 2
    (folder / "a.png").rename(folder / "a.jpg")
    assert read_boxes(folder)["path"].tolist() == [str(folder / "a.jpg")] * 2


YAMLS = {
    "a list in a line": ["nc: 2", "names: ['cat', \"dog\"]"],
    "a list in lines": ["names: [", "  cat,", "  'dog',  # good", "]", "nc: 2"],
    "items": ["train: images/train", "names:", "- cat", "- dog", "nc: 2"],
    "indented items": ["names:", "  - 'cat'", "  - \"dog\"", "", "nc: 2"],
    "a mapping": ["path: ../data  # root", "# Classes", "names:", "  0: cat", "  1: dog", "download: |", "  2: no"],
    "a mapping in a line": ["names: {0: cat, 1: 'dog'}"],
    "a mapping out of order": ["names:", "  1: dog", "  0: cat"],
}  # fmt: skip


@pytest.mark.parametrize("kind", YAMLS)
def test_names_of_yaml(folder, kind):
    write(folder / "data.yaml", *YAMLS[kind])
    assert read_boxes(folder)["label"].tolist() == ["dog", "cat"]


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (["names: ['a''s, b \"c\"', \"it's: 3\"]"], ["it's: 3", 'a\'s, b "c"']),
        (["names: [traffic light, # 0", "C#]"], ["C#", "traffic light"]),
        (["names: ['3: a', b:c]"], ["b:c", "3: a"]),
        (["names: {0: 'a: b', 1: c d}"], ["c d", "a: b"]),
        (["names:", "  0: 'a: b'", "  1: c, d  # e"], ["c, d", "a: b"]),
    ],
)
def test_names_with_signs(folder, lines, names):
    write(folder / "data.yaml", *lines)
    assert read_boxes(folder)["label"].tolist() == names


@pytest.mark.parametrize("name", ["classes.txt", "data.yaml", "coco8.yml"])
@pytest.mark.parametrize(
    ("label", "image", "place"),
    [
        ("a.txt", "a.png", ""),
        ("labels/a.txt", "images/a.png", ""),
        ("labels/a.txt", "images/a.png", "labels"),
        ("labels/train/a.txt", "images/train/a.png", ""),
        ("labels/train/day/a.txt", "images/train/day/a.png", ""),
        ("train/labels/a.txt", "train/images/a.png", ""),
    ],
)
def test_names_are_in_the_folder_or_above(tmp_path, name, label, image, place):
    write(tmp_path / label, "1 0.5 0.5 0.25 0.5")
    make_image(tmp_path / image)
    lines = ["cat", "dog"] if name.endswith("txt") else ["names: [cat, dog]"]
    write(tmp_path / place / name, *lines)
    write(tmp_path / "aaa.yaml", "version: 3")
    for path in (tmp_path, tmp_path / label):
        assert read_boxes(path)["label"].tolist() == ["dog"]


def test_names_far_above_are_of_others(tmp_path):
    root = tmp_path / "a" / "b"
    write(root / "a.txt", "1 0.5 0.5 0.25 0.5")
    make_image(root / "a.png")
    write(tmp_path / "classes.txt", "cat", "dog")
    assert read_boxes(root)["label"].tolist() == [1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 0.5 0.5 0.25", r"Line 2 of '.*a.txt': must be a class and .* Got '1 0.5 0.5 0.25'"),
        ("1", "Line 2"),
        ("cat 0.5 0.5 0.2 0.2", "must be a class and numbers. Got 'cat"),
        ("-1 0.5 0.5 0.2 0.2", "a class must be a whole number of at least 0. Got -1"),
        ("1.5 0.5 0.5 0.2 0.2", "a class must be a whole number of at least 0. Got 1.5"),
        ("nan 0.5 0.5 0.2 0.2", "a class must be a whole number"),
        ("1e400 0.5 0.5 0.2 0.2", "a class must be a whole number"),
        ("2 0.5 0.5 0.2 0.2", "its class must be among the 2 names of classes. Got 2"),
        ("1e300 0.5 0.5 0.2 0.2", "its class must be among the 2 names"),
        ("1 320 240 100 50", "a box must be relative to the size of its image, from 0 to 1"),
        ("1 nan 0.5 0.2 0.2", "a box must be 4 finite numbers"),
        ("1 0.5 inf 0.2 0.2", "a box must be 4 finite numbers"),
        ("1 0.5 0.5 -0.009 0.2", "must not have a negative width"),
        ("1 0.5 0.5 0.2 0.2 nan", "a score must be finite"),
        ("1 0.5 0.5 0.2 0.2 0.3 nan", "a box must be 6 finite numbers"),
        ("\x00\x01\x02", "must be a class and numbers"),
    ],
)
def test_malformed_lines_are_errors_that_name_them(folder, line, message):
    write(folder / "classes.txt", "cat", "dog")
    write(folder / "a.txt", "1 0.5 0.5 0.25 0.5", line)
    with pytest.raises(ValueError, match=message):
        read_boxes(folder)


def test_a_missing_image_is_an_error_that_names_the_folders(folder):
    (folder / "a.png").unlink()
    with pytest.raises(
        ValueError, match=r"Line 1 of '.*a.txt': no image 'a' is in '.*'. Pass images="
    ):
        read_boxes(folder)


@pytest.mark.parametrize("value", ["", "[]", "3", "&anchor", "&anchor\n  0: cat\n  1: dog"])
def test_names_that_cannot_be_read(folder, value):
    write(folder / "data.yaml", f"names: {value}", "nc: 2")
    with pytest.raises(
        ValueError, match="'names' of '.*data.yaml': it must be a list.* classes.txt"
    ):
        read_boxes(folder)


@pytest.mark.parametrize("text", ['"a\\' * 50_000, "0: " * 50_000, "'" * 100_001, " " * 100_000])
@pytest.mark.timeout(20)
def test_hostile_yaml_takes_no_time(folder, text):
    for end in ("", "]"):
        write(folder / "data.yaml", f"names: [{text}{end}", text)
        with contextlib.suppress(ValueError):
            read_boxes(folder)
