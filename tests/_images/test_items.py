"""The items of X: paths, arrays, images of Pillow, encoded files, and what is none of these."""

import gzip
import io
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sklearn_resnet import ImageLoader
from sklearn_resnet._images.items import (
    EncodedImage,
    Region,
    UnusableItem,
    as_item,
    is_array,
    is_image_item,
    is_missing,
    name_of,
)

CONTENT = b"\x89PNG\0of a file\0"


@pytest.mark.parametrize("path", ["a.png", Path("a.png"), "<a>/b.png.", "s3://a/b.png", "dat.png"])
def test_a_path_is_kept(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if str(path)[0] == "<":
        Path("<a>").mkdir()
        Path(path).touch()
    assert as_item(path) is path
    assert name_of(path) == str(path)
    assert not is_array(path)


def test_a_str_of_numpy_is_a_plain_str():
    assert type(as_item(np.str_("a.png"))) is str


def test_a_url_of_universal_pathlib_is_a_str():
    from upath import UPath

    url = UPath("memory://bucket/a.png")
    assert is_image_item(url)
    assert as_item(url) == "memory://bucket/a.png"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_are_an_encoded_image(kind):
    assert is_image_item(kind(CONTENT))
    assert as_item(kind(CONTENT)) == EncodedImage(CONTENT)


def test_a_later_change_of_a_bytearray_changes_no_image():
    content = bytearray(CONTENT)
    item = as_item(content)
    content[0] = 0
    assert item.content == CONTENT


def test_the_bytes_of_a_file_are_in_no_message():
    assert "PNG" not in repr(EncodedImage(CONTENT, "a.png"))


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"bytes": CONTENT, "path": "a.png"}, EncodedImage(CONTENT, "a.png")),
        ({"bytes": CONTENT, "path": None}, EncodedImage(CONTENT)),
        ({"bytes": CONTENT}, EncodedImage(CONTENT)),
        ({"bytes": b"", "path": "a.png"}, EncodedImage(b"", "a.png")),
        ({"bytes": None, "path": "a.png"}, "a.png"),
        ({"path": Path("a.png")}, Path("a.png")),
        ({"bytes": None, "path": None}, UnusableItem("it is missing (None)")),
        ({"bytes": None, "path": float("nan")}, UnusableItem("it is missing (nan)")),
    ],
)
def test_a_dict_of_hugging_face(item, expected):
    assert as_item(item) == expected


@pytest.mark.parametrize("position", [0, 4, None])
def test_an_open_file_is_read_from_its_start_and_stays_at_its_position(tmp_path, position):
    path = tmp_path / "a.png"
    path.write_bytes(CONTENT)
    with open(path, "rb") as file:
        file.read(position)
        before = file.tell()
        for _ in range(2):
            assert as_item(file) == EncodedImage(CONTENT, str(path))
            assert file.tell() == before


def test_other_files_are_read():
    assert as_item(io.BytesIO(CONTENT)) == EncodedImage(CONTENT)
    with gzip.open(io.BytesIO(gzip.compress(CONTENT))) as file:
        assert as_item(file) == EncodedImage(CONTENT)
    with tempfile.SpooledTemporaryFile() as file:
        file.write(CONTENT)
        assert as_item(file) == EncodedImage(CONTENT)


def test_files_that_cannot_be_read_are_unusable(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(CONTENT)
    with open(path, "rb") as closed:
        pass
    assert as_item(closed).cause == "I/O operation on closed file"
    assert as_item(closed).name == str(path)
    with open(path) as text:
        assert as_item(text).cause == "it is open for reading text"
        assert "'rb'" in as_item(text).remedy
    assert as_item(io.StringIO("a.png")).cause == "it is open for reading text"


@pytest.mark.skipif(os.name == "nt", reason="a pipe of Windows can seek")
def test_a_stream_is_unusable():
    reading, writing = os.pipe()
    with open(writing, "wb") as file:
        file.write(CONTENT)
    with open(reading, "rb") as file:
        assert "seek" in as_item(file).cause
        assert "its bytes" in as_item(file).remedy
        assert name_of(as_item(file)) == ""


@pytest.mark.parametrize(
    "item", [None, np.nan, float("nan"), np.float32("nan"), pd.NA, pd.NaT, np.datetime64("NaT")]
)
def test_missing_items(item):
    assert is_missing(item)
    assert as_item(item) == UnusableItem(f"it is missing ({item!r})")


def test_an_empty_path_is_missing():
    assert as_item("") == UnusableItem("it is missing ('')")


@pytest.mark.parametrize("item", [0, 0.0, "a", b"a", np.float64(1), [None], np.array(np.nan), {}])
def test_items_that_are_not_missing(item):
    assert not is_missing(item)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        ("data:image/png;base64,iVBORw0KGgo", "a data URL"),
        ("iVBORw0KGgoAAAANSUhEUg", "base64"),
        ("/9j/4AAQSkZJRg", "base64"),
    ],
)
def test_texts_that_are_no_paths(text, kind):
    item = as_item(text)
    assert kind in item.cause
    assert text not in item.cause + item.remedy


@pytest.mark.parametrize("item", [np.zeros((2, 3)), [[1, 2], [3, 4]], Image.new("P", (2, 3))])
def test_images_in_memory_are_kept(item):
    assert as_item(item) is item
    assert is_array(item) is not isinstance(item, Image.Image)


def test_an_array_of_objects_becomes_one_of_numbers():
    image = np.arange(6).reshape(2, 3)
    item = as_item(image.astype(object))
    assert item.dtype == image.dtype
    np.testing.assert_array_equal(item, image)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"image": "a.png", "label": 1}, r"a dict with 'image', 'label'\. .*item\['image'\] for"),
        ({"path": "a.png", "label": 1}, r"a dict with 'path', 'label'\. .*item\['path'\] for"),
        ({}, "a dict with"),
        (("a.png", 1), r"a tuple of 2 objects\. .*item\[0\] for"),
        ([1, Image.new("L", (2, 2))], r"a list of 2 objects\. .*item\[1\] for"),
        (3, "the number 3. Pass paths"),
        (object(), "an object of type object. Pass paths"),
    ],
)
def test_other_objects_are_an_error_that_says_what_to_pass(item, message):
    with pytest.raises(ValueError, match=f"^Got {message}") as raised:
        as_item(item)
    assert len(str(raised.value)) < 200


def test_a_region_is_kept_among_paths(tmp_path):
    image = np.arange(75, dtype=np.uint8).reshape(5, 5, 3)
    Image.fromarray(image).save(tmp_path / "a.png")
    region = Region(str(tmp_path / "a.png"), (1, 2, 4, 5))
    assert as_item(region) is region
    loaded = ImageLoader().fit_transform([region, region])
    np.testing.assert_array_equal(loaded, [image[1:4, 2:5]] * 2)


def test_a_reader_of_something_else_is_named():
    class Reader:
        def read(self):
            return np.zeros((3, 4, 4))

    for item in (Reader(), io.BufferedWriter(io.BytesIO())):
        assert as_item(item).cause == "it cannot be read from its start"


@pytest.mark.parametrize("dtype", ["complex64", "datetime64[s]", "timedelta64[s]", "u1,u1", "U1"])
def test_an_array_of_no_numbers_is_named(dtype):
    array = np.zeros((2, 2), dtype)
    assert "not bool, integer or float" in as_item(array).cause
