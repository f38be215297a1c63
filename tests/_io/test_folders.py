"""Folders and files, on disk and behind URLs, are listed, moved and removed alike."""

import uuid

import pytest

from sklearn_resnet._io.folders import keep_only, list_folder, move, remove
from sklearn_resnet._io.paths import as_path


@pytest.fixture(params=["disk", "memory"])
def root(request, tmp_path):
    if request.param == "disk":
        return tmp_path
    root = as_path(f"memory://{uuid.uuid4()}")
    root.mkdir()
    return root


def write(path, text="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def names(folder):
    return sorted(path.name for path in list_folder(folder))


def test_a_folder_that_is_not_there_has_no_entries(root):
    assert list_folder(root / "none") == []
    assert list_folder(write(root / "file")) == []
    assert names(root) == ["file"]


def test_files_and_folders_are_removed(root):
    write(root / "folder" / "inner" / "a")
    write(root / "b")
    for name in ("folder", "b", "none"):
        remove(root / name)
    assert names(root) == []


def test_only_some_entries_are_kept(root):
    for name in ("a", "b", "folder/c"):
        write(root / name)
    keep_only(root, {"b"})
    assert names(root) == ["b"]


def test_a_file_replaces_the_file_in_its_place(root):
    move(write(root / "new", "new"), write(root / "old", "old"))
    assert names(root) == ["old"]
    assert (root / "old").read_text() == "new"


def test_a_folder_is_moved_with_all_in_it(root):
    write(root / "folder" / "inner" / "a", "text")
    move(root / "folder", root / "moved")
    assert names(root) == ["moved"]
    assert (root / "moved" / "inner" / "a").read_text() == "text"
