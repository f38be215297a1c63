"""Files of labels: a label for each image, or an error that says why not."""

import os
import time

import numpy as np
import pytest
from special_files import save_pickle

from sklearn_resnet.cli.labels import read_labels


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.npy", np.array([3, 1, 2]), [3, 1, 2]),
        ("a.npy", np.array([0.5, 1.5, 2.5]), [0.5, 1.5, 2.5]),
        ("a.npy", np.array(["b", "a", "c"]), ["b", "a", "c"]),
        ("a.txt", "b\na\nc c\n", ["b", "a", "c c"]),
        ("labels", "b\r\na\r\nü", ["b", "a", "ü"]),
        ("a.txt", "\ufeffb\na\nc\n", ["b", "a", "c"]),
        ("a.csv", "label\n3\n1\n2\n", [3, 1, 2]),
        ("a.csv", 'label,more\nb,x\na,x\n"c, d",x\n', ["b", "a", "c, d"]),
        ("a.csv", "\ufefflabel\nb\na\nc\n", ["b", "a", "c"]),
        ("a.csv", "label\nNA\nNone\nnan\n", ["NA", "None", "nan"]),
        ("a.csv", "label\n0.5\n1.5\n2\n", [0.5, 1.5, 2]),
        ("a.csv", "path,label\nz.png,b\ny.png,a\nx.png,c\n", ["b", "a", "c"]),
    ],
)
def test_labels_in_the_order_of_the_images(tmp_path, name, content, expected):
    path = tmp_path / name
    if isinstance(content, str):
        path.write_bytes(content.encode())
    else:
        np.save(path, content)
    for given in (path, str(path)):
        labels = read_labels(given, None, 3)
        assert labels.tolist() == expected
        assert labels.dtype.kind in "iufU"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"a\nb\n", r"one per image, 3. Got an array of shape \(2,\)"),
        ("a.txt", b"a\nb\nc\nd\n", r"Got an array of shape \(4,\)"),
        ("a.txt", b"", r"Got an array of shape \(0,\)"),
        ("a.txt", b"\xff\xfea", "cannot be used: .*decode"),
        ("a.csv", b"label\na\nb\n", r"Got an array of shape \(2,\)"),
        ("a.csv", b"class,path\na,b\n", "no column 'label', but class, path"),
        ("a.csv", b"", "cannot be used: No columns"),
        ("a.csv", b'label\n"a\n', "cannot be used: .*EOF"),
        ("a.csv", b"more,label\n1,a\n2,\n3,c\n", "1 of its rows have no label"),
        ("a.npy", b"", "cannot be used: No data left"),
        ("a.npy", b"text", "cannot be used"),
    ],
)
def test_labels_that_cannot_be_used_are_an_error(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"The labels in .*{name}' .*{message}"):
        read_labels(tmp_path / name, None, 3)


def test_labels_of_two_dimensions_are_an_error(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"Got an array of shape \(3, 2\)"):
        read_labels(tmp_path / "a.npy", None, 3)


def test_labels_are_never_unpickled(tmp_path):
    save_pickle(tmp_path / "array.npy", tmp_path / "made")
    with pytest.raises(ValueError, match="array.npy' cannot be used: .*allow_pickle"):
        read_labels(tmp_path / "array.npy", None, 1)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["absent.csv", "folder"])
def test_a_file_of_labels_that_is_not_there_is_an_error(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileNotFoundError, match=f"The file of labels .*{name}' does not exist"):
        read_labels(tmp_path / name, None, 3)


def match_labels(folder, rows, images):
    (folder / "labels.csv").write_text("\n".join(["path,label", *rows]))
    images = np.array([os.path.join("data", *name.split("/")) for name in images])
    return read_labels(folder / "labels.csv", images, len(images)).tolist()


@pytest.mark.parametrize(
    ("rows", "images", "expected"),
    [
        (["2.png,b", "3.png,c", "1.png,a"], ["1.png", "2.png", "3.png"], ["a", "b", "c"]),
        (["data/2.png,5", "data/1.png,4"], ["1.png", "2.png"], [4, 5]),
        (["b/1.png,y", "a/1.png,x"], ["a/1.png", "b/1.png"], ["x", "y"]),
        (["./b/1.png,y", "./a//1.png,x"], ["a/1.png", "b/1.png"], ["x", "y"]),
        (["1.png,y", "a/1.png,x"], ["a/1.png", "1.png"], ["x", "y"]),
        (["3.png,", "2.png,b", "1.png,a"], ["1.png", "2.png"], ["a", "b"]),
        (["2,b", "1,a"], ["1", "2"], ["a", "b"]),
    ],
    ids=["names", "whole", "ends", "dots", "longest_end", "more_rows", "numbers"],
)
def test_labels_are_matched_by_path(tmp_path, rows, images, expected):
    assert match_labels(tmp_path, rows, images) == expected


@pytest.mark.parametrize(
    ("rows", "images", "message"),
    [
        (["1.png,x"], ["1.png", "2.png"], "no row has the path of 'data/2.png'"),
        (["c/1.png,x"], ["a/1.png"], "no row has the path of 'data/a/1.png'"),
        (["11.png,x"], ["1.png"], "no row has the path"),
        (["1.png,x"], ["a/1.png", "b/1.png"], "'1.png' matches both .*a/1.png' and .*b/1.png'"),
        (["1.png,x", "1.png,y"], ["a/1.png", "b/1.png"], "'1.png' occurs twice"),
        (["1.png,x", "1.png,y"], ["a/1.png"], "'1.png' occurs twice"),
        (["1.png,x", "./1.png,y"], ["1.png"], "'./1.png' occurs twice"),
        (["1.png,", "2.png,x"], ["1.png", "2.png"], "1 of its rows have no label"),
    ],
)
def test_labels_that_could_be_mixed_up_are_an_error(tmp_path, rows, images, message):
    with pytest.raises(ValueError, match=f"labels.csv' cannot be used: .*{message}"):
        match_labels(tmp_path, rows, images)


def test_many_labels_are_matched_in_good_time(tmp_path):
    names = [f"{i}.png" for i in range(60_000)]
    rows = [f"{name},{i}" for i, name in enumerate(names)]
    start = time.monotonic()
    assert match_labels(tmp_path, rows[::-1], names) == list(range(60_000))
    assert time.monotonic() - start < 10  # half a second if it is not quadratic
