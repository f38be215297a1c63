"""Features, labels and paths to files, and back."""

import shutil
import sys
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from sklearn_resnet._io import table_formats
from sklearn_resnet._io.table_formats import FORMATS, Table, TableFormat
from sklearn_resnet._io.tables import read_table, write_table
from sklearn_resnet.cli.tables import check_table_path

FEATURES = np.random.RandomState(0).standard_normal((4, 3)).astype(np.float32)
NAMES = np.array(["f0", "f1", "f2"], object)
BESIDE = {
    "nothing": {},
    "labels": {"labels": np.array([3, 1, 2, 2], np.uint8)},
    "both": {
        "labels": np.array(["cat", "dog, big", 'a "b"', "ü"]),
        "paths": np.array(["a/1.png", "a/2.png", "b 3.png", "ü.png"]),
    },
}


@pytest.mark.parametrize("beside", BESIDE)
def test_npy_holds_the_features_alone(tmp_path, beside):
    path = tmp_path / "out.npy"
    write_table(path, FEATURES, NAMES, **BESIDE[beside])
    features = np.load(path, allow_pickle=False)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, FEATURES)


@pytest.mark.parametrize("beside", BESIDE)
def test_npz_holds_arrays_by_name(tmp_path, beside):
    path = tmp_path / "out.npz"
    write_table(str(path), FEATURES, NAMES, **BESIDE[beside])
    with np.load(path, allow_pickle=False) as file:
        assert set(file.files) == {"features", *BESIDE[beside]}
        assert file["features"].dtype == np.float32
        np.testing.assert_array_equal(file["features"], FEATURES)
        for key, value in BESIDE[beside].items():
            assert file[key].dtype == value.dtype
            np.testing.assert_array_equal(file[key], value)


@pytest.mark.parametrize(
    "labels", [["cat", "dog", "cat", "dog"], np.array(["cat", "dog", "cat", "dog"], object)]
)
def test_npz_holds_no_pickles(tmp_path, labels):
    write_table(tmp_path / "out.npz", FEATURES, NAMES, labels, pd.Series(["1", "2", "3", "4"]))
    with np.load(tmp_path / "out.npz", allow_pickle=False) as file:
        assert file["labels"].tolist() == ["cat", "dog", "cat", "dog"]
        assert file["paths"].tolist() == ["1", "2", "3", "4"]


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_hold_columns_by_name(tmp_path, suffix, beside):
    path = tmp_path / f"out{suffix}"
    write_table(path, FEATURES, NAMES, **BESIDE[beside])
    read = {".csv": pd.read_csv, ".parquet": pd.read_parquet}[suffix]
    frame = read(path)
    expected = {"paths": "path", "labels": "label"}
    columns = [expected[key] for key in expected if key in BESIDE[beside]]
    if suffix == ".csv":
        assert frame.columns.tolist() == [*columns, "f0", "f1", "f2"]
        np.testing.assert_array_equal(frame[["f0", "f1", "f2"]].to_numpy(np.float32), FEATURES)
    else:
        assert frame.columns.tolist() == [*columns, "features"]
        np.testing.assert_array_equal(np.stack(frame["features"]), FEATURES)
    for key, value in BESIDE[beside].items():
        assert frame[expected[key]].tolist() == value.tolist()


COLUMNS = {
    "top": np.array([0, 4, 8, 12]),
    "score": np.array([0.5, np.nan, 1e-7, 3.0]),
    "is_large": np.array([True, False, False, True]),
    "file": np.array(["=1+1", "a;-b", "", "NA"]),
    "@name;-x": np.array(["001", "02", "3", "4"]),
}


def check_columns(table):
    assert list(table.columns) == list(COLUMNS)
    for name, values in COLUMNS.items():
        np.testing.assert_array_equal(table.columns[name], values)
        assert table.columns[name].dtype.kind == values.dtype.kind


@pytest.mark.parametrize("labels", [None, BESIDE["both"]["labels"]], ids=["", "labels"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_further_columns_keep_their_names_and_types(tmp_path, suffix, labels):
    path = tmp_path / f"out{suffix}"
    write_table(path, FEATURES, NAMES, labels, BESIDE["both"]["paths"], COLUMNS)
    table = read_table(path)
    np.testing.assert_array_equal(table.features, FEATURES)
    assert table.paths.tolist() == BESIDE["both"]["paths"].tolist()
    assert (table.labels is None) == (labels is None)
    check_columns(table)
    if suffix == ".csv":
        cells = pd.read_csv(path, dtype=str, keep_default_na=False)
        assert cells.columns[:6].tolist() == [*list(COLUMNS)[:4], "'@name;'-x", "path"]
        assert cells["file"].tolist() == ["'=1+1", "a;'-b", "", "NA"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_a_table_without_further_columns_has_none(tmp_path, suffix):
    write_table(tmp_path / f"out{suffix}", FEATURES, NAMES, **BESIDE["both"])
    assert read_table(tmp_path / f"out{suffix}").columns is None


def test_features_of_another_table_give_way_to_those_of_the_same_name(tmp_path):
    columns = {"f1": np.ones(4), "f7": np.ones(4)}
    write_table(tmp_path / "out.csv", FEATURES, NAMES, paths=list("abcd"), columns=columns)
    table = read_table(tmp_path / "out.csv")
    np.testing.assert_array_equal(table.features, FEATURES)
    assert list(table.columns) == ["f7"]


def test_further_columns_of_parts_are_joined(tmp_path):
    (tmp_path / "out.parquet").mkdir()
    for i, rows in enumerate((slice(0, 3), slice(3, 4))):
        columns = {"path": BESIDE["both"]["paths"][rows].tolist()}
        columns |= {name: values[rows] for name, values in COLUMNS.items()}
        FORMATS[".npz"].write_part(tmp_path / f"part{i}.npz", columns, FEATURES[rows], {})
        path = tmp_path / "out.parquet" / f"part{i}.parquet"
        FORMATS[".parquet"].write_part(path, columns, FEATURES[rows], {})
    FORMATS[".npy"].join([tmp_path / f"part{i}.npz" for i in range(2)], tmp_path / "out.npy", {})
    for suffix in (".npy", ".parquet"):
        check_columns(read_table(tmp_path / f"out{suffix}"))


def test_columns_of_lists_in_a_parquet_are_passed_over(tmp_path):
    features = pa.FixedSizeListArray.from_arrays(pa.array(FEATURES.reshape(-1)), 3)
    table = pa.table({"boxes": [[1, 2]] * 4, "features": features, "n": [1, 2, 3, 4]})
    pyarrow.parquet.write_table(table, tmp_path / "out.parquet")
    assert list(read_table(tmp_path / "out.parquet").columns) == ["n"]


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_the_same_call_writes_the_same_bytes(tmp_path, suffix, monkeypatch):
    written = []
    for year in (0, 1):
        monkeypatch.setattr("time.time", lambda year=year: 1.7e9 + year * 3e7)
        write_table(tmp_path / f"out{suffix}", FEATURES, NAMES, **BESIDE["both"])
        written.append((tmp_path / f"out{suffix}").read_bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_failed_write_leaves_the_old_file(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"out{suffix}"
    path.write_text("old")

    def fail(*args, **kwargs):
        raise RuntimeError("the disk is full")

    for owner, name in (
        (np, "save"),
        (np, "savez_compressed"),
        (pd.DataFrame, "to_csv"),
        (pyarrow.parquet, "write_table"),
    ):
        monkeypatch.setattr(owner, name, fail)
    with pytest.raises(RuntimeError, match="the disk is full"):
        write_table(path, FEATURES, NAMES)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "old"


def test_parquet_has_lists_of_a_fixed_size(tmp_path):
    write_table(tmp_path / "out.parquet", FEATURES, NAMES, **BESIDE["both"])
    schema = pyarrow.parquet.read_schema(tmp_path / "out.parquet")
    assert schema.field("features").type == pa.list_(pa.float32(), 3)


HOSTILE = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "<script>alert(1)</script>",
    'a "quoted", name',
    "two\nlines",
    "\N{PILE OF POO}.jpg",
    "not utf-8 \udcff",
]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_names_and_labels_are_inert_text(tmp_path, suffix):
    path, names = tmp_path / f"out{suffix}", np.array(HOSTILE)
    features = np.zeros((len(names), 1), np.float32)
    write_table(path, features, ["f0"], names, names)
    if suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            assert file["paths"].tolist() == file["labels"].tolist() == HOSTILE
        return
    read = {".csv": pd.read_csv, ".parquet": pd.read_parquet}[suffix]
    frame = read(path)
    assert frame["path"].tolist() == frame["label"].tolist()
    kept = [name.replace("\udcff", "\\udcff") for name in HOSTILE]
    if suffix == ".parquet":  # holds text that nothing computes
        assert frame["path"].tolist() == kept
    else:
        kept = [f"'{name}" for name in kept[:5]] + [name.replace("\r", "\\r") for name in kept[5:]]
        assert frame["path"].tolist() == kept
        assert not frame["path"].str.match(r"[=+\-@\t\r]").any()


def test_numbers_stay_numbers(tmp_path):
    labels = np.array(["-1", "+2.5", "-1e3", "3"])
    write_table(tmp_path / "out.csv", FEATURES, NAMES, labels)
    assert pd.read_csv(tmp_path / "out.csv")["label"].tolist() == [-1, 2.5, -1000, 3]


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_table_is_read_as_it_was_written(tmp_path, suffix, beside):
    path = tmp_path / f"out{suffix}"
    features = FEATURES.copy()
    features[1] = np.nan
    write_table(path, features, NAMES, **BESIDE[beside])
    table = read_table(path)
    np.testing.assert_array_equal(table.features, features)
    for name in ("labels", "paths"):
        expected = BESIDE[beside].get(name) if suffix != ".npy" else None
        read = getattr(table, name)
        assert (
            read is None if expected is None else read.astype(str).tolist() == [*map(str, expected)]
        )


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_names_come_back_without_apostrophes(tmp_path, suffix):
    names = np.array([name for name in HOSTILE if name.isprintable()] + ["'quoted'", "-1"])
    write_table(tmp_path / f"out{suffix}", np.zeros((len(names), 1)), ["f0"], names, names)
    table = read_table(tmp_path / f"out{suffix}")
    assert table.paths.tolist() == table.labels.tolist() == names.tolist()


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_labels_that_look_like_missing_values_stay_text(tmp_path, suffix):
    labels = ["cat", "NA", "None", "nan"]
    features = FEATURES.copy()
    features[1] = np.nan
    write_table(tmp_path / f"out{suffix}", features, NAMES, labels, labels)
    table = read_table(tmp_path / f"out{suffix}")
    assert table.labels.tolist() == table.paths.tolist() == labels
    np.testing.assert_array_equal(table.features, features)


def test_rows_that_were_changed_beside_their_npy_are_not_taken(tmp_path):
    output = tmp_path / "out.npy"
    columns = {"path": list("abcd"), "label": list("1234")}
    FORMATS[".npz"].write_part(tmp_path / "part.npz", columns, FEATURES, {})
    FORMATS[".npy"].join([tmp_path / "part.npz"], output, {})
    rows = tmp_path / "out_rows.csv"
    rows.write_text(rows.read_text().replace("4", "5"))
    with pytest.raises(ValueError, match="the manifest describes other files"):
        FORMATS[".npy"].read_metadata(output)


def test_a_npy_is_hashed_only_if_its_files_changed(tmp_path, monkeypatch):
    output = tmp_path / "out.npy"
    columns = {"path": list("abcd"), "label": list("1234")}
    FORMATS[".npz"].write_part(tmp_path / "part.npz", columns, FEATURES, {})
    FORMATS[".npy"].join([tmp_path / "part.npz"], output, {})
    hashed, hash_file = [], table_formats._hash_file
    monkeypatch.setattr(table_formats, "_hash_file", lambda path: hashed.append(path.name) or hash_file(path))  # fmt: skip
    assert read_table(output).labels.tolist() == list("1234")
    assert hashed == []
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path, copy)
    assert read_table(copy / "out.npy").labels.tolist() == list("1234")
    assert hashed == ["out.npy", "out_rows.csv"]
    rows = tmp_path / "out_rows.csv"
    rows.write_text(rows.read_text().replace("4", "5"))
    with pytest.warns(UserWarning, match="does not belong"):
        assert read_table(output).labels is None


def test_columns_of_a_part_without_rows_are_text(tmp_path):
    columns = {"path": [], "label": []}
    FORMATS[".parquet"].write_part(tmp_path / "part.parquet", columns, FEATURES[:0], {})
    schema = pa.parquet.read_schema(tmp_path / "part.parquet")
    assert schema.field("path").type == schema.field("label").type == pa.string()


def test_rows_beside_a_npy_that_was_written_again_are_not_taken(tmp_path):
    output = tmp_path / "out.npy"
    write_part = FORMATS[".npz"].write_part
    columns = {"path": list("abcd"), "label": list("1234")}
    write_part(tmp_path / "part.npz", columns, FEATURES, {})
    FORMATS[".npy"].join([tmp_path / "part.npz"], output, {})
    assert read_table(output).labels.tolist() == list("1234")
    write_table(output, FEATURES + 1, NAMES)
    with pytest.warns(UserWarning, match=r"out_rows.csv' does not belong to .*out.npy'"):
        table = read_table(output)
    assert (table.labels, table.paths) == (None, None)
    np.testing.assert_array_equal(table.features, FEATURES + 1)


def test_a_folder_of_parts_is_one_table(tmp_path):
    for i, rows in enumerate((slice(0, 3), slice(3, 4))):
        columns = {name: values[rows] for name, values in BESIDE["both"].items()}
        write_table(tmp_path / "out.parquet" / f"part-{i:05}.parquet", FEATURES[rows], NAMES, **columns)  # fmt: skip
    table = read_table(tmp_path / "out.parquet")
    np.testing.assert_array_equal(table.features, FEATURES)
    assert table.paths.tolist() == BESIDE["both"]["paths"].tolist()
    assert table.labels.tolist() == BESIDE["both"]["labels"].tolist()


def test_lists_of_any_size_are_no_features(tmp_path):
    pd.DataFrame({"features": [[1.0], [1.0, 2.0]]}).to_parquet(tmp_path / "out.parquet")
    with pytest.raises(ValueError, match="not fixed-size lists"):
        read_table(tmp_path / "out.parquet")


def test_npy_is_mapped_and_its_rows_are_beside_it(tmp_path):
    np.save(tmp_path / "out.npy", FEATURES)
    columns = {"path": list("abcd"), "label": [1, 2, 3, 4], "file_version": list("wxyz")}
    pd.DataFrame(columns).to_csv(tmp_path / "out_rows.csv", index=False)
    table = read_table(tmp_path / "out.npy")
    assert isinstance(table.features, np.memmap)
    assert table.paths.tolist() == list("abcd")
    assert table.labels.tolist() == list("1234")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_table_may_lie_behind_a_url(suffix):
    url = f"memory://read_table/out{suffix}"
    write_table(url, FEATURES, NAMES)
    np.testing.assert_array_equal(read_table(url).features, FEATURES)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.npz", None, "The table '.*no.npz' does not exist"),
        ("x.jpg", b"", "must end in .npy, .npz, .csv or .parquet. Got '.*x.jpg'"),
        ("x.npz", b"PK", "x.npz' cannot be read"),
        ("x.npy", b"", "x.npy' cannot be read"),
        ("x.parquet", b"PAR1", "x.parquet' cannot be read"),
        ("x.csv", b"path,label\n", "it holds no rows of features"),
        ("x.csv", b"path,f0\na,cat\n", "x.csv' cannot be read"),
        ("no_features.npz", {"x": FEATURES}, "features"),
        ("integers.npy", np.zeros((2, 2), int), "it holds no rows of features"),
        ("image.npy", np.zeros((2, 2, 2)), "it holds no rows of features"),
        ("pickle.npy", np.array([{}]), "cannot be read: .*Python objects in dtype.$"),
        *(
            (
                "labels.npz",
                {"features": FEATURES, "labels": labels},
                "does not have one label and path per row",
            )
            for labels in (["a"], list("abcde"), [["a"]] * 4)
        ),
    ],
)
def test_an_unreadable_table_is_an_error_that_names_it(tmp_path, name, content, message):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        np.savez(path, **content)
    elif content is not None:
        np.save(path, content)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_table(path)


@pytest.mark.parametrize("name", ["features", "labels"])
def test_a_member_of_a_npz_that_is_no_array_is_an_error(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as file:
        for member in {"features", name}:
            with file.open(f"{member}.npy", "w") as opened:
                opened.write(b"text") if member == name else np.save(opened, FEATURES)
    with pytest.raises(ValueError, match=r"x.npz' cannot be read: it "):
        read_table(tmp_path / "x.npz")


def test_a_table_whose_bytes_are_damaged_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "x.npz"
    write_table(path, FEATURES, NAMES)
    content = path.read_bytes()
    for start in range(30, len(content) - 8, 8):
        path.write_bytes(content[:start] + b"\xff" * 8 + content[start + 8 :])
        try:
            table = read_table(path)
        except ValueError as exc:
            assert "x.npz' cannot be read: " in str(exc)  # noqa: PT017
        else:  # bytes that nothing reads
            np.testing.assert_array_equal(table.features, FEATURES)


LIVE_ELSEWHERE = {
    "a;=1+1.jpg": "a;'=1+1.jpg",
    "a;'=1": "a;''=1",
    "\n=1": "'\n=1",
    "a\n=1": "a\n'=1",
    "a\t@b;-c": "a\t'@b;'-c",
    "'=1": "''=1",
    "two\nlines; and - = more": "two\nlines; and - = more",
}


def test_text_is_inert_where_other_characters_separate_cells_and_comes_back(tmp_path):
    """In much of Europe a spreadsheet takes what follows a semicolon for a cell."""
    names = list(LIVE_ELSEWHERE)
    write_table(tmp_path / "out.csv", np.zeros((len(names), 1)), ["f0"], names, names)
    assert pd.read_csv(tmp_path / "out.csv")["path"].tolist() == list(LIVE_ELSEWHERE.values())
    table = read_table(tmp_path / "out.csv")
    assert table.paths.tolist() == table.labels.tolist() == names


class Feather(TableFormat):
    """One column for each feature."""

    suffix = ".feather"

    def write(self, path, table, names):
        pd.DataFrame(table.features, columns=names).to_feather(path)

    def read(self, path):
        return Table(pd.read_feather(path).to_numpy())


def test_a_new_format_is_one_class_and_one_entry(tmp_path, monkeypatch):
    monkeypatch.setitem(FORMATS, ".feather", Feather())
    path = tmp_path / "out.feather"
    check_table_path(path)
    write_table(path, FEATURES, ["a", "b", "c"])
    np.testing.assert_array_equal(read_table(path).features, FEATURES)
    with pytest.raises(ValueError, match=r"\.csv, \.parquet or \.feather"):
        check_table_path(tmp_path / "out.txt")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".parquet"])
def test_a_table_can_have_a_name_that_is_no_utf_8(tmp_path, suffix):
    path = tmp_path / f"caf\udce9{suffix}"
    features = np.eye(3, dtype=np.float32)
    write_table(path, features, ["a", "b", "c"])
    np.testing.assert_array_equal(read_table(path).features, features)


def test_a_folder_without_parts_is_no_table(tmp_path):
    (tmp_path / "a.parquet").mkdir()
    with pytest.raises(ValueError, match="cannot be read: it holds no parts"):
        read_table(tmp_path / "a.parquet")
