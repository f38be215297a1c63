"""The paths of images that annotations name: inside their folder, on disk and behind URLs."""

import fsspec
import pytest

from sklearn_resnet.datasets._image_paths import ImageIndex, check_exists, join_name, list_folders

PLACE = ("boxes.json", "images[0]")


@pytest.mark.parametrize(
    ("folder", "name", "path"),
    [
        ("photos", "a.png", "photos/a.png"),
        (".", "sub/a.png", "sub/a.png"),
        ("/photos", "sub\\a.png", "/photos/sub/a.png"),
        ("/photos", "/photos/sub/a.png", "/photos/sub/a.png"),
        ("s3://bucket/photos", "sub/../a.png", "s3://bucket/photos/a.png"),
        ("photos.zip", "sub/a.png", "photos.zip/sub/a.png"),
    ],
)
def test_names_are_joined(folder, name, path):
    assert join_name(folder, name, PLACE) == path


@pytest.mark.parametrize("folder", ["photos", "/photos", "s3://bucket/photos", "photos.zip"])
@pytest.mark.parametrize("name", ["../a.png", "/a.png", "/photos2/a.png", "a/../..", ""])
def test_names_outside_are_refused(folder, name):
    with pytest.raises(ValueError, match=r"images\[0\] of 'boxes.json'"):
        join_name(folder, name, PLACE)


def test_a_url_in_a_file_is_not_followed():
    assert join_name("photos", "https://127.0.0.1/a.png", PLACE) == "photos/https:/127.0.0.1/a.png"


def test_folders_beside_labels():
    assert list_folders("data/labels/train", "data", None) == [
        "data/images/train",
        "data/images",
        "data/labels/train",
    ]
    assert list_folders("s3://b/labels", "s3://b/labels", None) == [
        "s3://b/images",
        "s3://b/labels",
    ]
    assert list_folders("data/labels/train", "data", "photos") == ["photos/train", "photos"]
    assert list_folders("data", "data", "photos") == ["photos"]


def test_images_behind_a_url():
    memory = fsspec.filesystem("memory")
    memory.pipe("/found/images/a.JPG", b"0")
    try:
        index = ImageIndex()
        path = index.find(["memory://found/none", "memory://found/images"], ["a"], PLACE)
        assert path == "memory://found/images/a.JPG"
        check_exists(path, is_given=True)
        with pytest.raises(ValueError, match="no image 'b' is in 'memory://found/images'"):
            index.find(["memory://found/images"], ["b"], PLACE)
    finally:
        memory.rm("/found", recursive=True)


def test_a_folder_is_listed_once(tmp_path):
    index = ImageIndex()
    (tmp_path / "a.png").touch()
    assert index.find([str(tmp_path)], ["a"], PLACE) == str(tmp_path / "a.png")
    (tmp_path / "b.png").touch()
    with pytest.raises(ValueError, match="no image 'b'"):
        index.find([str(tmp_path)], ["b"], PLACE)


def test_the_first_name_that_is_there(tmp_path):
    for name in ("a.png", "b.png", "a.txt"):
        (tmp_path / name).touch()
    find = ImageIndex().find
    assert find([str(tmp_path)], ["b.png", "a"], PLACE) == str(tmp_path / "b.png")
    assert find([str(tmp_path)], ["", "a"], PLACE) == str(tmp_path / "a.png")
    with pytest.raises(ValueError, match="no image 'a.txt' is in"):
        find([str(tmp_path)], ["a.txt"], PLACE)
