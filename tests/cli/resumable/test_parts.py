"""Parts: rows, features and manifests are read as they were written."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sklearn_resnet import ImageLoader
from sklearn_resnet._images.failures import Failure
from sklearn_resnet._io.paths import as_path
from sklearn_resnet._io.table_formats import FORMATS, manifest_path, rows_path
from sklearn_resnet.cli.resumable.parts import (
    Manifest,
    Part,
    is_part_name,
    make_key,
    name_part,
    read_features,
    read_manifest,
    read_rows,
    write_part,
)

PATHS = ["a/1.jpg", "=2.jpg", "b\n\N{SNOWMAN}.jpg", "\udcff.jpg"]
SHOWN = [*PATHS[:3], "\\udcff.jpg"]
VERSIONS = ["1-1", "2-2", "3-3", "4-4"]
FEATURES = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
FAILURE = {3: Failure(13, PATHS[3], "it is <broken>")}
MANIFEST = Manifest("key", "computation", [])
SUFFIXES = [".parquet", ".npz"]


def make_part(path, on_error="nan", labels=("x", "y", "=z", "1")):
    columns = {"path": PATHS, "file_version": VERSIONS}
    columns |= {} if labels is None else {"label": list(labels)}
    images = ImageLoader(8, lazy=True, on_error=on_error).fit_transform(PATHS)
    key = make_key("computation", columns, on_error)
    return Part(path, "computation", key, images, columns)


@pytest.mark.parametrize("labels", [None, ("x", "y", "=z", "1")], ids=["no labels", "labels"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_part_is_read_as_it_was_written(tmp_path, suffix, labels):
    part = make_part(tmp_path / f"part{suffix}", labels=labels)
    write_part(part, FEATURES, {})
    assert read_manifest(part.path) == (part.key, "computation", [])
    rows = read_rows(part.path)
    assert [version for _, version in rows] == VERSIONS
    assert [path for path, _ in rows] == (SHOWN if suffix == ".parquet" else PATHS)
    np.testing.assert_array_equal(read_features(part.path), FEATURES)
    np.testing.assert_array_equal(read_features(part.path, [3, 1]), FEATURES[[3, 1]])


def test_a_part_is_written_to_a_store_without_folders():
    part = make_part(as_path("memory://failing-part/part.parquet"))
    write_part(part, FEATURES, {})
    np.testing.assert_array_equal(read_features(part.path), FEATURES)


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".npy"])
def test_rows_are_read_without_labels(tmp_path, suffix, monkeypatch):
    part = make_part(path := tmp_path / f"part{suffix.replace('npy', 'npz')}")
    write_part(part, FEATURES, {})
    if suffix == ".npy":
        path = tmp_path / "table.npy"
        FORMATS[".npy"].join([part.path], path, MANIFEST._asdict())
    kind, found = type(FORMATS[suffix]), []
    read_columns = kind.read_columns

    def watch(*args):
        found.append(read_columns(*args))
        return found[-1]

    monkeypatch.setattr(kind, "read_columns", watch)
    assert [version for _, version in read_rows(path)] == VERSIONS
    assert list(found[0]) == ["path", "file_version"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_failures_are_recorded_and_have_no_version(tmp_path, suffix):
    part = make_part(tmp_path / f"part{suffix}")
    write_part(part, FEATURES, FAILURE)
    facts = read_manifest(part.path)
    assert facts.failures == [(13, "\\udcff.jpg", "it is <broken>")]
    assert [version for _, version in read_rows(part.path)] == ["1-1", "2-2", "3-3", ""]
    assert part.is_done()
    assert not make_part(part.path, "skip").is_done()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_skipped_rows_are_left_out(tmp_path, suffix):
    part = make_part(tmp_path / f"part{suffix}", "skip")
    write_part(part, FEATURES, FAILURE)
    assert [version for _, version in read_rows(part.path)] == VERSIONS[:3]
    np.testing.assert_array_equal(read_features(part.path), FEATURES[:3])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_part_of_no_rows_has_the_columns_of_others(tmp_path, suffix):
    failures = {i: Failure(i, path, "broken") for i, path in enumerate(PATHS)}
    part = make_part(tmp_path / f"part{suffix}", "skip")
    write_part(part, FEATURES, failures)
    assert read_rows(part.path) == []
    assert read_features(part.path).shape == (0, 3)
    if suffix == ".parquet":
        other = make_part(tmp_path / "part-1.parquet")
        write_part(other, FEATURES, {})
        assert pq.read_schema(part.path).equals(pq.read_schema(other.path))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_part_has_the_same_bytes(tmp_path, suffix, monkeypatch):
    contents = set()
    for second in (0, 1e9):
        monkeypatch.setattr("time.time", lambda second=second: second)
        write_part(make_part(tmp_path / f"part{suffix}"), FEATURES, FAILURE)
        contents.add((tmp_path / f"part{suffix}").read_bytes())
    assert len(contents) == 1


def test_keys_differ_with_each_part_of_the_content():
    columns = {"path": ["a"], "file_version": ["1"]}
    keys = {
        make_key("one", columns, "nan"),
        make_key("one", columns, "skip"),
        make_key("two", columns, "nan"),
        make_key("one", columns | {"path": ["b"]}, "nan"),
        make_key("one", columns | {"file_version": ["2"]}, "nan"),
        make_key("one", columns | {"label": ["1"]}, "nan"),
        make_key("one", columns | {"top": np.array([1])}, "nan"),
        make_key("one", columns | {"top": np.array([2])}, "nan"),
    }
    assert len(keys) == 8


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_further_columns_lack_rows_that_are_left_out(tmp_path, suffix):
    part = make_part(tmp_path / f"part{suffix}", "skip")
    columns = part.columns | {"top": np.arange(4), "kind": np.array(["a", "=b", "", "d"])}
    write_part(replace(part, columns=columns), FEATURES, {1: Failure(1, "=2.jpg", "broken")})
    kept = FORMATS[suffix].read_columns(part.path, ("top", "kind"))
    if suffix == ".npz":
        kept = FORMATS[suffix].read_columns(part.path)
    assert [list(kept[name]) for name in ("top", "kind")] == [[0, 2, 3], ["a", "", "d"]]


def test_names_sort_by_number():
    keys = [make_key("one", {"path": [str(i)]}, "nan") for i in range(4)]
    numbers = [9, 99_999, 100_000, 10_000_000]
    names = [name_part(*pair, ".npz") for pair in zip(numbers, keys, strict=True)]
    assert sorted(names) == names
    assert all(is_part_name(name) for name in names)


@pytest.mark.parametrize(
    "name",
    ["part-00000.parquet", "part-0.parquet", "part-00000-1-c000.snappy.parquet", "_metadata", "x"],
)
def test_names_of_other_programs_are_no_part_names(name):
    assert not is_part_name(name)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 100, None])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_another_file_has_no_manifest(tmp_path, suffix, content):
    path = tmp_path / f"part{suffix}"
    if content is not None:
        path.write_bytes(content)
    assert read_manifest(path) is None


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_truncated_part_has_no_manifest(tmp_path, suffix):
    part = make_part(tmp_path / f"part{suffix}")
    write_part(part, FEATURES, {})
    content = part.path.read_bytes()
    for size in range(0, len(content), 97):
        part.path.write_bytes(content[:size])
        assert read_manifest(part.path) is None


def test_a_parquet_of_another_program_has_no_manifest(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "part.parquet")
    assert read_manifest(tmp_path / "part.parquet") is None


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_folder_that_was_removed_is_an_error_that_helps(tmp_path, suffix):
    part = make_part(tmp_path / "gone" / f"part{suffix}")
    with pytest.raises(FileNotFoundError, match="gone' was removed.* Run the same command again"):
        write_part(part, FEATURES, {})
    assert list(tmp_path.iterdir()) == []


def join(folder):
    """Join three parts of which one lacks a row; return the .npy and the parts."""
    parts = [make_part(folder / f"{i}.npz", "skip") for i in range(3)]
    for part in parts:
        write_part(part, FEATURES, FAILURE if part is parts[1] else {})
    paths = [part.path for part in parts]
    FORMATS[".npy"].join(paths, folder / "out.npy", MANIFEST._asdict())
    return folder / "out.npy", paths


def test_parts_are_joined_to_one_array_and_a_table_of_its_rows(tmp_path):
    import pandas as pd

    output, _ = join(tmp_path)
    mapped = np.load(output, mmap_mode="r")
    assert mapped.dtype == np.float32
    expected = np.concatenate([FEATURES, FEATURES[:3], FEATURES])
    np.testing.assert_array_equal(mapped, expected)
    frame = pd.read_csv(rows_path(output))
    assert frame.columns.tolist() == ["path", "label", "file_version"]
    assert frame["path"][:4].tolist() == ["a/1.jpg", "'=2.jpg", *SHOWN[2:]]
    assert frame["label"][2] == "'=z"
    rows = list(zip(SHOWN, VERSIONS, strict=True))
    assert read_rows(output) == [*rows, *rows[:3], *rows]
    np.testing.assert_array_equal(read_features(output, [5, 0]), expected[[5, 0]])
    assert read_manifest(output) == ("key", "computation", [])
    url = as_path("memory://parts/out.npy")
    url.parent.mkdir(exist_ok=True, parents=True)
    url.write_bytes(output.read_bytes())
    np.testing.assert_array_equal(read_features(url, [5, 0]), expected[[5, 0]])


@pytest.mark.parametrize("find", [lambda path: path, rows_path, manifest_path])
@pytest.mark.parametrize("is_removed", [False, True])
def test_an_npy_that_was_changed_has_no_manifest(tmp_path, find, is_removed):
    output, _ = join(tmp_path)
    path = find(output)
    if is_removed:
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[-20] ^= 1
        path.write_bytes(content)
    assert read_manifest(output) is None


def test_a_damaged_part_is_named(tmp_path):
    output, parts = join(tmp_path)
    content = bytearray(parts[1].read_bytes())
    content[100:150] = bytes(50)
    parts[1].write_bytes(content)
    with pytest.raises(ValueError, match=r"The part '.*1\.npz' is damaged: .*Remove it"):
        FORMATS[".npy"].join(parts, output, MANIFEST._asdict())


def test_features_of_a_damaged_parquet_are_an_error(tmp_path):
    part = make_part(tmp_path / "part.parquet")
    write_part(part, FEATURES, {})
    content, features = bytearray(part.path.read_bytes()), FEATURES.tobytes()
    content[content.index(features[:12]) + 4] ^= 1
    part.path.write_bytes(content)
    with pytest.raises(OSError, match="checksum"):
        read_features(part.path)


def test_other_programs_read_a_part_as_a_table(tmp_path):
    import polars as pl

    part = make_part(tmp_path / "out.parquet")
    write_part(part, FEATURES, {})
    frame = pl.read_parquet(part.path)
    assert frame.columns == ["path", "label", "file_version", "features"]
    assert frame["features"].dtype == pl.Array(pl.Float32, 3)
    np.testing.assert_array_equal(frame["features"].to_numpy(), FEATURES)
