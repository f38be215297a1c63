"""COCO and MegaDetector: boxes by their published definitions, and hostile files."""

import json
import warnings

import numpy as np
import pytest
from PIL import Image

from sklearn_resnet import ImageLoader
from sklearn_resnet.datasets import read_boxes

BOX = ["top", "left", "bottom", "right"]


def make_coco():
    """Two images of 40 x 60 and 30 x 50, and three boxes: x, y, width and height."""
    return {
        "info": {"description": "made"},
        "images": [
            {"id": 7, "file_name": "a.png", "height": 40, "width": 60},
            {"id": 3, "file_name": "sub/b.png", "height": 30, "width": 50},
        ],
        "categories": [
            {"id": 18, "name": "dog", "supercategory": "animal"},
            {"id": 1, "name": "person", "supercategory": "person"},
        ],
        "annotations": [
            {"id": 11, "image_id": 3, "category_id": 18, "bbox": [10, 5, 20, 15], "area": 300, "iscrowd": 0},
            {"id": 12, "image_id": 7, "category_id": 1, "bbox": [0.4, 0.6, 10.2, 20.9], "iscrowd": 1},
            {"id": 13, "image_id": 3, "category_id": 1, "bbox": [40.5, 20.5, 20, 20], "iscrowd": 0},
        ],
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """The images."""
    (tmp_path / "sub").mkdir()
    rng = np.random.default_rng(0)
    for name, shape in (("a.png", (40, 60)), ("sub/b.png", (30, 50))):
        Image.fromarray(rng.integers(0, 256, (*shape, 3), np.uint8)).save(tmp_path / name)
    return tmp_path


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_annotations_of_coco(folder):
    boxes = read_boxes(write(folder / "instances.json", make_coco()))
    assert list(boxes) == ["path", *BOX, "label", "iscrowd", "annotation_id"]
    assert boxes["path"].tolist() == [
        str(folder / name) for name in ("sub/b.png", "a.png", "sub/b.png")
    ]
    # rounded outwards, the last one clipped to its image
    assert boxes[BOX].to_numpy().tolist() == [[5, 10, 20, 30], [0, 0, 22, 11], [20, 40, 30, 50]]
    assert (boxes.dtypes[BOX] == np.int64).all()
    assert boxes["label"].tolist() == ["dog", "person", "person"]
    assert boxes["annotation_id"].tolist() == [11, 12, 13]
    assert boxes[~boxes["iscrowd"]]["label"].tolist() == ["dog", "person"]
    assert len(ImageLoader(8).fit_transform(boxes)) == 3


@pytest.mark.parametrize("as_path", [str, lambda path: path])
def test_images_are_in_another_folder(folder, tmp_path_factory, as_path):
    file = write(tmp_path_factory.mktemp("annotations") / "a.json", make_coco())
    boxes = read_boxes(as_path(file), images=as_path(folder))
    assert boxes["path"][1] == str(folder / "a.png")
    with pytest.raises(
        ValueError, match="'images' parameter must be the folder .*b.png'.* Pass images="
    ):
        read_boxes(file)
    with pytest.raises(ValueError, match="'images' parameter must be the folder"):
        read_boxes(file, images=folder / "sub")


def test_a_relative_path_of_the_file(folder, monkeypatch):
    write(folder / "a.json", make_coco())
    monkeypatch.chdir(folder)
    assert read_boxes("a.json")["path"].tolist() == ["sub/b.png", "a.png", "sub/b.png"]


def test_images_in_an_archive(folder, tmp_path_factory):
    import shutil

    archive = shutil.make_archive(str(tmp_path_factory.mktemp("zip") / "images"), "zip", folder)
    boxes = read_boxes(write(folder / "a.json", make_coco()), images=archive)
    assert boxes["path"][0] == f"{archive}/sub/b.png"
    assert len(ImageLoader(8).fit_transform(boxes)) == 3


def test_whole_numbers_survive_the_digits_of_floats(folder):
    coco = make_coco()
    coco["annotations"] = [
        {"image_id": 7, "category_id": 1, "bbox": [10.0000001, 4.9999999, 20.0000001, 10.02]}
    ]
    assert read_boxes(write(folder / "a.json", coco))[BOX].to_numpy().tolist() == [[5, 10, 15, 30]]


def test_a_size_that_is_missing_clips_nothing(folder):
    coco = make_coco()
    del coco["images"][1]["height"]
    boxes = read_boxes(write(folder / "a.json", coco))
    assert boxes[BOX].to_numpy().tolist()[2] == [20, 40, 41, 61]


def test_without_categories_the_label_is_the_number(folder):
    coco = make_coco()
    del coco["categories"]
    assert read_boxes(write(folder / "a.json", coco))["label"].tolist() == [18, 1, 1]


def test_results_of_coco(folder):
    coco = make_coco()
    del coco["annotations"]  # as of the images to test
    results = [
        {"image_id": 7, "category_id": 18, "bbox": [1, 2, 3, 4], "score": 0.9},
        {"image_id": 3, "category_id": 1, "bbox": [5, 6, 7, 8], "score": 0.25},
    ]
    file, results_file = write(folder / "a.json", coco), write(folder / "r.json", results)
    boxes = read_boxes(file, results=results_file)
    assert list(boxes) == ["path", *BOX, "label", "score", "iscrowd"]
    assert boxes["label"].tolist() == ["dog", "person"]
    assert boxes["score"].tolist() == [0.9, 0.25]
    assert boxes[BOX].to_numpy().tolist() == [[2, 1, 6, 4], [6, 5, 14, 12]]
    assert read_boxes(file, results=results_file, min_score=0.25)["score"].tolist() == [0.9, 0.25]
    assert read_boxes(file, results=results_file, min_score=0.5)["label"].tolist() == ["dog"]
    empty = read_boxes(file, results=results_file, min_score=1)
    assert list(empty) == ["path", *BOX, "label", "score"]
    with pytest.raises(ValueError, match="holds results of COCO.* Pass .* this one as results"):
        read_boxes(results_file)


def test_annotations_without_scores_are_below_every_score(folder):
    assert len(read_boxes(write(folder / "a.json", make_coco()), min_score=0)) == 0


def test_no_annotations_are_an_empty_table(folder):
    boxes = read_boxes(write(folder / "a.json", make_coco() | {"annotations": []}))
    assert list(boxes) == ["path", *BOX, "label"]
    assert len(boxes) == 0


@pytest.mark.parametrize(
    "box",
    [[10, 5, 0, 15], [10, 5, 20, 0], [60, 5, 3, 3], [-9, 5, 9, 3], [5, 40.2, 3, 3], [1e9, 1, 1, 1]],
)
def test_boxes_without_pixels_are_left_out(folder, box):
    coco = make_coco()
    coco["annotations"][1]["bbox"] = box
    with pytest.warns(
        UserWarning, match=r"1 of 3 boxes have no pixels .* annotations\[1\] of '.*a.json'"
    ) as caught:
        boxes = read_boxes(write(folder / "a.json", coco))
    assert boxes["annotation_id"].tolist() == [11, 13]
    assert caught[0].filename == __file__


def test_a_box_narrower_than_a_pixel_has_one(folder):
    coco = make_coco()
    coco["annotations"][1]["bbox"] = [10.97, 5.02, 0.01, 0.01]
    assert read_boxes(write(folder / "a.json", coco))[BOX].to_numpy()[1].tolist() == [5, 11, 6, 12]


NUMBERS = ["NaN", "Infinity", "-Infinity", "1e400", "1e300", "1" * 400, '"5"', "null", "true", "[1]", "{}", "2147483648"]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("i", range(4))
def test_numbers_that_are_no_coordinates(folder, number, i):
    values = ["1"] * 4
    values[i] = number
    coco = make_coco()
    coco["annotations"][1]["bbox"] = "BOX"
    text = json.dumps(coco).replace('"BOX"', f"[{', '.join(values)}]")
    with pytest.raises(
        ValueError, match=r"^annotations\[1\] of '.*a.json': .*4 finite numbers below"
    ):
        read_boxes(write(folder / "a.json", text))


def edit(*path):
    """Make a function that sets the value at a path of the content, or deletes it with ``del``."""

    def apply(content, value):
        *inner, last = path
        for key in inner:
            content = content[key]
        if value == "del":
            del content[last]
        else:
            content[last] = value

    return apply


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("annotations", 1, "bbox"), "del", r"annotations\[1\] of '.*a.json': 'bbox' is missing."),
        (
            ("annotations", 1, "bbox"),
            [1, 2, 3],
            r"annotations\[1\] .*4 finite numbers.* Got \[1, 2, 3\]",
        ),
        (("annotations", 1, "bbox"), {"x": 1}, r"'bbox' must be a list. Got dict"),
        (("annotations", 1, "bbox"), [5, 5, -1, 5], "must not have a negative width"),
        (("annotations", 1), 3, r"annotations\[1\] .* must be an object. Got int"),
        (("annotations", 1, "image_id"), "del", "'image_id' is missing"),
        (("annotations", 1, "image_id"), 99, "its image_id must be in 'images'. Got 99"),
        (
            ("annotations", 1, "image_id"),
            [7],
            "'image_id' must be a whole number or text. Got list",
        ),
        (("annotations", 1, "category_id"), "del", "'category_id' is missing"),
        (("annotations", 1, "category_id"), 5, "its category must be among the categories. Got 5"),
        (("annotations", 1, "category_id"), True, "Got bool"),
        (("annotations", 1, "score"), "high", "a score must be 1 finite number"),
        (("annotations",), {}, "annotations of '.*a.json': must be a list. Got dict"),
        (("images", 0, "id"), "del", r"images\[0\] .* 'id' is missing"),
        (("images", 0, "id"), 3, r"images\[1\] .* not be that of another image. Got 3"),
        (("images", 0, "file_name"), "del", r"images\[0\] .* 'file_name' is missing"),
        (("images", 0, "file_name"), 3, "'file_name' must be text"),
        (("images", 0, "file_name"), " ", "the name of an image must be text"),
        (("images", 0, "file_name"), "a\0.png", "the name of an image must be text"),
        (("images",), "del", "'images' is missing"),
        (("images",), 3, "'images' must be a list"),
        (("categories", 1, "name"), "del", r"categories\[1\] .* 'name' is missing"),
        (("categories",), 3, "'categories' must be a list"),
    ],
)
def test_malformed_annotations_are_errors_that_name_the_place(folder, path, value, message):
    coco = make_coco()
    edit(*path)(coco, value)
    with pytest.raises(ValueError, match=message):
        read_boxes(write(folder / "a.json", coco))


ESCAPES = ["../secret.png", "/etc/secret.png", "sub/../../secret.png", "..\\secret.png", "..", ".", "sub/.."]  # fmt: skip


@pytest.mark.parametrize("name", ESCAPES)
def test_images_outside_of_the_folder_are_refused(folder, name):
    coco = make_coco()
    coco["images"][0]["file_name"] = name
    with pytest.raises(
        ValueError, match=r"images\[0\] .* must be inside the folder .*Pass images="
    ):
        read_boxes(write(folder / "a.json", coco))


@pytest.mark.parametrize("name", ["./sub/b.png", "sub\\b.png", "sub//b.png", "x/../sub/b.png"])
def test_names_are_normalized(folder, name):
    coco = make_coco()
    coco["images"][1]["file_name"] = name
    assert read_boxes(write(folder / "a.json", coco))["path"][0] == str(folder / "sub" / "b.png")


def test_an_absolute_name_in_the_folder(folder):
    coco = make_coco()
    coco["images"][1]["file_name"] = str(folder / "sub" / "b.png")
    assert read_boxes(write(folder / "a.json", coco))["path"][0] == str(folder / "sub" / "b.png")


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, '{"a": ' + "1" * 5000 + "}", "\0\1\2", "\ud800"]
)
def test_what_is_no_json_is_an_error_that_names_the_file(tmp_path, text):
    (tmp_path / "a.json").write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(ValueError, match="a.json' cannot be read as JSON"):
        read_boxes(tmp_path / "a.json")


@pytest.mark.parametrize(
    "content", [{}, {"images": []}, 3, '"text"', None, {"images": [3]}, {"shapes": []}]
)
def test_other_json_is_refused(tmp_path, content):
    with pytest.raises(ValueError, match="must be a JSON file of COCO, .* or of MegaDetector"):
        read_boxes(write(tmp_path / "a.json", content))


def test_json_of_other_encodings(folder):
    text = json.dumps(make_coco()).replace("dog", "h\u00fcnd")
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (folder / "a.json").write_text(text, encoding=encoding)
        assert read_boxes(folder / "a.json")["label"][0] == "h\u00fcnd"


def make_megadetector():
    """Of the format 1.4: x, y, width and height as shares of the image."""
    return {
        "info": {"format_version": "1.4", "detector": "md_v5a"},
        "detection_categories": {"1": "animal", "2": "person", "3": "vehicle"},
        "classification_categories": {"0": "fox", "1": "deer"},
        "images": [
            {
                "file": "a.png",
                "detections": [
                    {"category": "1", "conf": 0.926, "bbox": [0.1, 0.05, 0.5, 0.75],
                     "classifications": [["1", 0.8], ["0", 0.2]]},
                    {"category": "2", "conf": 0.061, "bbox": [0.0, 0.0, 1.0, 1.0]},
                ],
            },
            {"file": "sub/b.png", "detections": []},
        ],
    }  # fmt: skip


def test_detections_of_megadetector(folder):
    boxes = read_boxes(write(folder / "md.json", make_megadetector()))
    assert list(boxes) == ["path", *BOX, "label", "score", "classification", "classification_score"]
    # a.png has 40 x 60 pixels
    assert boxes[BOX].to_numpy().tolist() == [[2, 6, 32, 36], [0, 0, 40, 60]]
    assert boxes["label"].tolist() == ["animal", "person"]
    assert boxes["score"].tolist() == [0.926, 0.061]
    assert boxes["classification"].tolist()[0] == "deer"
    assert boxes["classification_score"].tolist()[0] == 0.8
    assert boxes["classification"].isna().tolist() == [False, True]
    sure = read_boxes(folder / "md.json", min_score=0.2)
    assert sure["label"].tolist() == ["animal"]
    assert len(ImageLoader(8).fit_transform(boxes)) == 2


def test_relative_boxes_are_of_the_upright_image(folder):
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (60, 40)).save(folder / "a.png", exif=exif)  # 60 x 40 upright
    boxes = read_boxes(write(folder / "md.json", make_megadetector()))
    assert boxes[BOX].to_numpy()[1].tolist() == [0, 0, 60, 40]


def test_images_that_megadetector_could_not_read_are_warned_of(folder):
    content = make_megadetector()
    content["images"] += [
        {"file": "c.png", "failure": "Failure image access", "detections": None},
        {"file": "d.png", "failure": "Failure image access"},
    ]
    with pytest.warns(
        UserWarning, match="could not read 'c.png' and 1 more, according to '.*md.json'"
    ):
        assert len(read_boxes(write(folder / "md.json", content))) == 2


def test_images_without_boxes_are_not_opened(folder):
    content = make_megadetector()
    (folder / "a.png").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_boxes(write(folder / "md.json", content), min_score=0.99)) == 0
    with pytest.raises(FileNotFoundError, match="a.png' does not exist"):
        read_boxes(folder / "md.json")


FIRST = ("images", 0, "detections", 0)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            (*FIRST, "bbox"),
            [10, 20, 30, 40],
            r"images\[0\], detections\[0\] .* relative .* from 0 to 1",
        ),
        ((*FIRST, "bbox"), [0.1, 0.1, -0.005, 0.1], "negative width"),
        ((*FIRST, "bbox"), "del", "'bbox' is missing"),
        ((*FIRST, "conf"), "del", "'conf' is missing"),
        ((*FIRST, "conf"), float("nan"), "conf must be 1 finite number"),
        ((*FIRST, "category"), "9", "its category must be among the categories. Got '9'"),
        ((*FIRST, "classifications"), [["7", 0.5]], "Got '7'"),
        ((*FIRST, "classifications"), [3], "must be pairs of a class and a score"),
        ((*FIRST, "classifications"), [["1", "high"]], "must be 1 finite number"),
        (FIRST, None, r"detections\[0\] .* must be an object"),
        (("images", 0, "file"), "../a.png", "must be inside the folder"),
        (("images", 0, "file"), "del", r"images\[0\] .* 'file' is missing"),
        (("images", 0, "detections"), 3, "'detections' must be a list"),
        (("detection_categories",), [], "must be among the categories"),
    ],
)
def test_malformed_detections_are_errors_that_name_the_place(folder, path, value, message):
    content = make_megadetector()
    edit(*path)(content, value)
    with pytest.raises(ValueError, match=message):
        read_boxes(write(folder / "md.json", content))
