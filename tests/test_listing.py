"""Files below folders, behind URLs and in tars: all, once, and in a finite time."""

import os
import tarfile

import numpy as np
import pytest
from test_paths import make_tar

from sklearn_resnet import ImageLoader
from sklearn_resnet._listing import join, list_files, list_shards
from sklearn_resnet._paths import as_path
from sklearn_resnet.datasets import load_image_folder


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    touch(tmp_path, "a/1", "a/.2", ".b/3", "4")
    assert sorted(list_files(tmp_path)) == [("4",), ("a", "1")]


def test_links_are_followed_but_not_in_a_circle(tmp_path):
    touch(tmp_path, "photos/cat/1", "elsewhere/2")
    os.symlink(tmp_path / "elsewhere", tmp_path / "photos" / "dog")
    os.symlink(tmp_path / "photos", tmp_path / "photos" / "cat" / "up")
    os.symlink(".", tmp_path / "photos" / "self")
    os.symlink(tmp_path / "photos" / "cat", tmp_path / "elsewhere" / "cats")
    found = sorted(list_files(tmp_path / "photos"))
    assert found == [("cat", "1"), ("dog", "2"), ("dog", "cats", "1")]


def test_one_folder_may_be_reached_by_two_names(tmp_path):
    touch(tmp_path, "elsewhere/1")
    (tmp_path / "photos").mkdir()
    for name in ("a", "b"):
        os.symlink(tmp_path / "elsewhere", tmp_path / "photos" / name)
    assert sorted(list_files(tmp_path / "photos")) == [("a", "1"), ("b", "1")]


@pytest.mark.parametrize("form", ["zip", "memory"])
def test_a_folder_behind_a_url(tmp_path, form):
    from zipfile import ZipFile

    names = ["cat/2.npy", "cat/10.npy", "dog/1.npy", ".git/1.npy"]
    arrays = {name: np.full((4, 4, 3), i, np.uint8) for i, name in enumerate(names)}
    if form == "zip":
        url = f"zip://::{tmp_path}/all.zip"
        with ZipFile(tmp_path / "all.zip", "w") as file:
            for name, array in arrays.items():
                np.save(tmp_path / "one.npy", array)
                file.write(tmp_path / "one.npy", name)
    else:
        url = "memory://test_listing/photos"
        for name, array in arrays.items():
            path = as_path(f"{url}/{name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                np.save(file, array)
    paths, labels = load_image_folder(url, return_X_y=True)
    assert paths.tolist() == [join(url, *name.split("/")) for name in names[:3]]
    assert labels.tolist() == ["cat", "cat", "dog"]
    images = ImageLoader().fit_transform(paths)
    assert images[:, 0, 0, 0].tolist() == [0, 1, 2]


def test_an_absent_url_is_named():
    with pytest.raises(FileNotFoundError, match="memory://nowhere"):
        load_image_folder("memory://nowhere")


def test_shards_with_their_classes_beside_the_images(tmp_path):
    make_tar(tmp_path / "10.tar", **{"1.jpg": b"", "1.cls": b"7\n"})
    make_tar(tmp_path / "9.tar", **{"2.jpg": b"", "10.png": b"", "2.cls": b"3", "10.cls": b"4"})
    paths, labels = load_image_folder(tmp_path, return_X_y=True)
    names = [os.path.relpath(path, tmp_path) for path in paths]
    assert names == ["9.tar/2.jpg", "9.tar/10.png", "10.tar/1.jpg"]
    assert labels.tolist() == ["3", "4", "7"]


def test_folders_in_a_tar_are_classes(tmp_path):
    tar = make_tar(tmp_path / "a.tar", **{"cat__1.jpg": b"", "dog__1.jpg": b"", "dog__x.txt": b""})
    paths, labels = load_image_folder(tar, return_X_y=True)
    assert paths.tolist() == [f"{tar}/cat/1.jpg", f"{tar}/dog/1.jpg"]
    assert labels.tolist() == ["cat", "dog"]


def test_a_class_file_that_is_missing_leaves_no_labels(tmp_path):
    tar = make_tar(tmp_path / "a.tar", **{"1.jpg": b"", "2.jpg": b"", "2.cls": b"3"})
    assert list_shards([tar], {".jpg"})[2] is None


@pytest.mark.parametrize("content", [b"", b"no tar", b"\x1f\x8b" + b"x" * 600])
def test_a_damaged_tar_is_named(tmp_path, content):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.tar"):
        load_image_folder(tmp_path / "a.tar")


def test_links_and_devices_in_a_tar_are_no_images(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo(f"{kind!r}.jpg")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    with pytest.raises(ValueError, match="holds no images"):
        load_image_folder(tmp_path / "a.tar")
