"""Files of labels: a label for each image, or an error that says why not."""

import os
import re
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
        ("a.txt", "0.5\n1.5\n2\n", [0.5, 1.5, 2]),
        ("a.txt", "01\n1\n2\n", ["01", "1", "2"]),
        ("labels", "b\r\na\r\nü", ["b", "a", "ü"]),
        ("a.txt", "\ufeffb\na\nc\n", ["b", "a", "c"]),
        ("a.csv", "label\n3\n1\n2\n", [3, 1, 2]),
        ("a.CSV", "label\nb\na\nc\n", ["b", "a", "c"]),
        ("a.NPY", np.array([3, 1, 2]), [3, 1, 2]),
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
        with open(path, "wb") as file:  # numpy would add .npy to a path
            np.save(file, content)
    for given in (path, str(path)):
        labels = read_labels(given, None, 3)
        assert labels.tolist() == expected
        assert labels.dtype.kind in "iufU"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"a\nb\n", r"one per image, 3. Got an array of shape \(2,\)"),
        ("a.txt", b"a\nb\nc\nd\n", r"Got an array of shape \(4,\)"),
        ("a.txt", b"a\nb\n \n", "line 3 holds no label"),
        ("a.txt", b"", r"Got an array of shape \(0,\)"),
        ("a.txt", b"\xff\xfea", "cannot be used: .*decode"),
        ("a.csv", b"label\na\nb\n", r"Got an array of shape \(2,\)"),
        (
            "a.csv",
            b"class,target,path\na,b,c\n",
            "no column 'label', but class, target, path; call",
        ),
        (
            "a.csv",
            b"colour,size\nred,1\nblue,2\nred,3",
            "no column 'label', but colour, size; call",
        ),
        ("a.csv", b"label,label\na,b\n", "must have different names, and are label, label"),
        ("a.csv", b"label,more\na,b,c\n", "Expected 2 fields in line 2, saw 3"),
        ("a.csv", b"", "cannot be used: No columns"),
        ("a.csv", b"label\ncaf\xe9\n", "it is not text in UTF-8.*decode"),
        ("a.csv", b'label\n"a\n', "cannot be used: .*EOF"),
        ("a.csv", b"more,label\n1,a\n2,\n3,c\n", "labels are missing: 1, the first for row 2"),
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
    with pytest.raises(
        FileNotFoundError, match=f"The file of labels .*{name}' (does not exist|is a folder)"
    ):
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
        (["2,b", "1,a"], ["1", "2"], ["a", "b"]),
    ],
    ids=["names", "whole", "ends", "dots", "longest_end", "numbers"],
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
        (["1.png,", "2.png,x"], ["1.png", "2.png"], "labels are missing: 1, the first for .*1.png"),
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


PATHS = [os.path.join("data", "photos", name) for name in ("1.png", "2.png", "10.png")]


def read(folder, content, name="labels.csv", paths=PATHS):
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_labels(file, np.array(paths), len(paths)).tolist()


@pytest.mark.parametrize(
    "header",
    ["path,label", "filename,label", "file_name,class", "Image,Target", "image id,category", "x,y"],
)
@pytest.mark.parametrize(
    "form", ["{}.png", "photos/{}.png", "{}", "photos/{}", "data/photos/{}.png", "data\\photos\\{}"]
)
def test_the_column_of_names_is_found_whatever_it_is_called(tmp_path, header, form):
    rows = [f"{form.format(i)},{label}" for i, label in ((10, "ten"), (1, "one"), (2, "two"))]
    assert read(tmp_path, "\n".join([header, *rows])) == ["one", "two", "ten"]
    rows = [",".join(row.split(",")[::-1]) for row in (header, *rows)]
    assert read(tmp_path, "\n".join(rows)) == ["one", "two", "ten"]


@pytest.mark.parametrize(
    "form",
    [
        "C:\\Users\\Ann\\1st\\{}.png",
        "/home/ann/pics/{}.png",
        "https://host/pics/{}.png",
        "archive/photos/{}.png",
        "../photos/{}.png",
        " {}.png ",
        "{}.PNG",
        '"photos/{}.png"',
    ],
)
def test_names_of_another_machine_are_matched_by_their_ends(tmp_path, form):
    rows = [f"{form.format(i)},{i}" for i in (10, 1, 2)]
    assert read(tmp_path, "\n".join(["file,label", *rows])) == [1, 2, 10]


def test_the_folders_of_another_machine_tell_images_of_one_name_apart(tmp_path):
    paths = ["photos/cat/1.png", "photos/dog/1.png"]
    table = "image,label\n/old/dog/1.png,d\n/old/cat/1.png,c"
    assert read(tmp_path, table, paths=paths) == ["c", "d"]


def test_accents_are_equal_however_they_are_written(tmp_path):
    assert read(tmp_path, "file,label\ncafe\u0301.png,a", paths=["caf\xe9.png"]) == ["a"]


def test_names_in_archives(tmp_path):
    paths = ["photos.zip/cat/1.png", "photos.tar.gz/2.png"]
    table = "file,label\nphotos/2.png,b\nphotos/cat/1.png,a"
    assert read(tmp_path, table, paths=paths) == ["a", "b"]
    assert read(tmp_path, f"file,label\n{paths[1]},b\n{paths[0]},a", paths=paths) == ["a", "b"]


def test_names_in_urls(tmp_path):
    paths = ["zip://cat/1.png::photos.zip", "s3://bucket/2.png"]
    assert read(tmp_path, "file,label\n2.png,b\ncat/1.png,a", paths=paths) == ["a", "b"]
    assert read(tmp_path, f"file,label\n{paths[1]},b\n{paths[0]},a", paths=paths) == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.CSV", b"path,label\n2.png,b\n1.png,a\n10.png,c"),
        ("a.tsv", b"path\tlabel\n2.png\tb\n1.png\ta\n10.png\tc"),
        ("a.TSV", b"path\tlabel\r\n2.png\tb\r\n1.png\ta\r\n10.png\tc\r\n"),
        ("a.csv", b"path;label\n2.png;b\n1.png;a\n10.png;c"),
        ("a.csv", b"sep=;\r\npath;label\r\n2.png;b\r\n1.png;a\r\n10.png;c"),
        ("a.csv", b'"sep=|"\npath|label\n2.png|b\n1.png|a\n10.png|c'),
        ("a.csv", b"path, label\n2.png, b\n1.png, a\n10.png, c"),
        ("a.csv", b'"path","label"\n"2.png","b"\n"1.png","a"\n"10.png","c"'),
        ("a.csv", b"\xef\xbb\xbfpath;label\n2.png;b\n1.png;a\n10.png;c"),
        ("a.csv", "path\tlabel\n2.png\tb\n1.png\ta\n10.png\tc".encode("utf-16")),
        ("a.csv", b"2.png,b\n1.png,a\n10.png,c"),
        ("a.csv", b"2,b\n1,a\n10,c"),
        ("a.csv", b",path,label\n0,2.png,b\n1,1.png,a\n2,10.png,c"),
        ("a.csv", b"id,path,label\n1,2.png,b\n2,1.png,a\n3,10.png,c"),
        ("a.csv", b"id,path,species\n2,2.png,b\n1,1.png,a\n10,10.png,c"),
        ("a.csv", b"id,path,label\n10,2.png,b\n2,1.png,a\n1,10.png,c"),
        ("a.csv", b"idx,path,kind\n0,2.png,b\n1,1.png,a\n2,10.png,c"),
        ("a.csv", b"\r\n\npath;label\n2.png;b\n1.png;a\n10.png;c"),
        ("a.csv", b"path,weight,class\n2.png,7,b\n1.png,8,a\n10.png,9,c"),
        ("a.txt", b"2.png b\n1.png a\n10.png c\n"),
        ("a.txt", b"2.png\tb\n1.png\ta\n10.png\tc\n"),
        ("a.txt", b"b photos/2.png\na photos/1.png\nc photos/10.png\n"),
        ("a", b"file,kind\n2.png,b\n1.png,a\n10.png,c\n"),
    ],
)
def test_tables_of_many_forms(tmp_path, name, content):
    assert read(tmp_path, content, name) == ["a", "b", "c"]


def test_a_table_in_parquet(tmp_path):
    import pandas as pd

    table = pd.DataFrame({"file": ["2.png", "1.png", "10.png"], "label": [2.5, 1.5, 3.5]})
    table.to_parquet(tmp_path / "a.parquet")
    assert read_labels(tmp_path / "a.parquet", np.array(PATHS), 3).tolist() == [1.5, 2.5, 3.5]
    table.set_index("file").to_parquet(tmp_path / "b.parquet")
    assert read_labels(tmp_path / "b.parquet", np.array(PATHS), 3).tolist() == [1.5, 2.5, 3.5]


def test_missing_values_in_parquet(tmp_path):
    import pandas as pd

    kind = pd.array([7, pd.NA, 9, 8], dtype="Int64")
    table = pd.DataFrame(
        {"id": pd.array([2, 5, 10, 1], dtype="Int64"), "kind": kind, "x": [pd.NA] * 4}
    )
    table.rename(columns={"kind": "label"}).to_parquet(tmp_path / "a.parquet")
    with pytest.warns(UserWarning, match="1 of the 4 rows .*: '5'"):
        labels = read_labels(tmp_path / "a.parquet", np.array(PATHS), 3)
    assert labels.tolist() == [8, 7, 9]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["001", "002", "007"], ["001", "002", "007"]),
        (["1", "01", "1"], ["1", "01", "1"]),
        (["1", "-2", "0"], [1, -2, 0]),
        (["1.10", "1.1", "2"], ["1.10", "1.1", "2"]),
        (["0.5", "1e-3", "2"], [0.5, 0.001, 2]),
        (["1", "2", "NA"], ["1", "2", "NA"]),
        (["1", "2", "inf"], ["1", "2", "inf"]),
        (["1", "2", "1_0"], ["1", "2", "1_0"]),
        (["True", "False", "True"], ["True", "False", "True"]),
        (["12345678901234567890", "1", "2"], [12345678901234567890.0, 1, 2]),
        (["0,5", "1,5", "2,5"], ["0,5", "1,5", "2,5"]),
    ],
)
def test_text_stays_text_and_numbers_are_numbers(tmp_path, values, expected):
    rows = [f"{i}.png;{value}" for i, value in zip((1, 2, 10), values, strict=True)]
    assert read(tmp_path, "\n".join(["path;label", *rows])) == expected


@pytest.mark.parametrize("label", ["10\n1\n2", "label\n10\n1\n2", "kind\n10\n1\n2"])
def test_a_table_of_labels_alone_is_in_the_order_of_the_images(tmp_path, label):
    assert read(tmp_path, label) == [10, 1, 2]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("id,label\n0,c\n1,a\n2,b", ["c", "a", "b"]),
        ("kind,weight,label\nx,1,c\nx,5,a\ny,7,b", ["c", "a", "b"]),
        ("Unnamed: 0,kind\n0,c\n1,a\n2,b", ["c", "a", "b"]),
        ("class,name\n10,a\n1,a\n2,b", [10, 1, 2]),
    ],
)
def test_rows_without_names_are_in_the_order_of_the_images(tmp_path, table, expected):
    assert read(tmp_path, table) == expected


@pytest.mark.parametrize("header", ["number", "index"])
def test_labels_that_count_the_rows_are_labels(tmp_path, header):
    assert read(tmp_path, f"{header}\n0\n1\n2") == [0, 1, 2]


def test_lines_that_are_no_names_are_labels(tmp_path):
    assert read(tmp_path, "red red\nblue sky\nred red", "a.txt") == [
        "red red",
        "blue sky",
        "red red",
    ]
    assert read(tmp_path, "tench, Tinca\na b\nc d", "a.txt") == ["tench, Tinca", "a b", "c d"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "file,label\na.png,1\nb.png,2\nc.png,3\nd.png,4",
            "no row has the path of 'data.photos.1.png' and of 2 other images. Its column 'file' "
            "holds 'a.png', 'b.png', 'c.png' and 1 more; the images are 'data.photos.1.png', .*remove it",
        ),
        ("x,label\n1.png,1\n2.png,2\nc.png,3", "no row has the path of 'data.photos.10.png'. Its"),
        ("image,label\na,1\nb,2\nc,3", "Its column 'image' holds 'a', 'b', 'c'; the images are"),
        ("id,label\na1,1\nb7,2\nc3,3", "Its column 'id' holds 'a1', 'b7', 'c3'; the images are"),
        ("x,label\n1a,1\n1.png,5\n2,4", "'data.photos.10.png'. Its column 'x' holds"),
        ("a.jpg,1\nb.jpg,2\nc.jpg,3", "Its column 'column 1' holds 'a.jpg'"),
        (
            "path,file,label\n1.png,2.png,x\n2.png,1.png,y\n10.png,10.png,z",
            "'path' and 'file' name",
        ),
    ],
)
def test_names_that_do_not_match_are_shown_beside_the_images(tmp_path, table, message):
    with pytest.raises(ValueError, match=f"labels.csv' cannot be used: .*{message}"):
        read(tmp_path, table)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("a.txt", ["a.jpg 1", "b.jpg 2", "c.jpg 3"]),
        ("a.txt", ["a.JPG", "b.JPG", "c.JPG"]),
        ("a.json", ['{"1.png": "a",', '"2.png": "b",', '"10.png": "c"}']),
    ],
)
def test_lines_with_names_that_do_not_match_are_an_error(tmp_path, name, lines):
    message = f"lines name images, and must .* It holds {re.escape(repr(lines[0]))}, .* the images are 'data.photos.1"
    with pytest.raises(ValueError, match=message):
        read(tmp_path, "\n".join(lines), name)


@pytest.mark.parametrize("n_more", [1, 5])
def test_rows_that_match_no_image_are_counted(tmp_path, n_more):
    more = [f"m{i}.png,m" for i in range(n_more)]
    shown = ", ".join(f"'m{i}.png'" for i in range(min(n_more, 3))) + " and 2 more" * (n_more > 3)
    with pytest.warns(
        UserWarning, match=f"{n_more} of the {n_more + 3} rows in .* image: {shown}.$"
    ):
        labels = read(tmp_path, "\n".join(["path,label", *more, "2.png,b", "1.png,a", "10.png,c"]))
    assert labels == ["a", "b", "c"]


def test_a_missing_label_of_an_image_that_is_not_there_does_no_harm(tmp_path):
    with pytest.warns(UserWarning, match="1 of the 3 rows"):
        labels = match_labels(tmp_path, ["3.png,", "2.png,b", "1.png,a"], ["1.png", "2.png"])
    assert labels == ["a", "b"]


@pytest.mark.parametrize(
    "table", ["path\n1.png\n2.png\n10.png", "x\n1.png\n2.png\n10.png", "file\n1\n2\n3"]
)
def test_a_table_without_a_column_of_labels_is_an_error(tmp_path, table):
    with pytest.raises(ValueError, match="no column 'label', but (path|x|file);"):
        read(tmp_path, table)


@pytest.mark.parametrize(
    "header",
    [
        "path,label,patient",
        "path,patient",
        "group,path,species",
        "path,Groups,species",
    ],
)
def test_groups_are_read_from_their_column(tmp_path, header):
    names = header.split(",")
    rows = [
        ",".join({"path": path, "label": "x", "species": "y"}.get(name, f"p{i}") for name in names)
        for i, path in enumerate(PATHS)
    ]
    file = tmp_path / "t.csv"
    file.write_text("\n".join([header, *reversed(rows)]))
    assert read_labels(file, np.array(PATHS), 3, "group").tolist() == ["p0", "p1", "p2"]


def test_groups_that_are_not_found_are_an_error(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("path,label\n" + "".join(f"{path},x\n" for path in PATHS))
    message = (
        "The groups in .* it has no column 'group', but path, label; call the column of the groups"
    )
    with pytest.raises(ValueError, match=message):
        read_labels(file, np.array(PATHS), 3, "group")
    with pytest.raises(FileNotFoundError, match="The file of groups"):
        read_labels(tmp_path / "none.csv", None, 3, "group")


def test_a_column_of_texts_that_name_no_image_is_told(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("sample,label\nS2,b\nS1,a\n")
    paths = np.array(["photos/1.png", "photos/2.png"])
    with pytest.warns(UserWarning, match=r"column 'sample' .* names no image, .* the order"):
        assert read_labels(table, paths, 2).tolist() == ["b", "a"]


def test_a_column_of_measurements_is_no_column_of_names(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("weight,label\n2.5,b\n1.5,a\n")
    paths = np.array(["photos/1.png", "photos/2.png"])
    assert read_labels(table, paths, 2).tolist() == ["b", "a"]
