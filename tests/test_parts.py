"""Parts: what is written comes back, and says what it was made of."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sklearn_resnet import ImageLoader
from sklearn_resnet._lazy_images import Failure
from sklearn_resnet._parts import (
    Part,
    join_npy,
    make_key,
    read_facts,
    read_features,
    read_rows,
    write_part,
)

PATHS = ["a/1.jpg", "=2.jpg", "b\n\N{SNOWMAN}.jpg", "\udcff.jpg"]
SHOWN = [*PATHS[:3], "\\udcff.jpg"]
VERSIONS = ["1-1", "2-2", "3-3", "4-4"]
FEATURES = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
FAILURE = {2: Failure(12, PATHS[3], "it is <broken>")}
SUFFIXES = [".parquet", ".npz"]


def make_part(path, on_error="nan", labels=("x", "y", "=z", "1")):
    columns = {"path": PATHS, "file_version": VERSIONS}
    columns |= {} if labels is None else {"label": list(labels)}
    images = ImageLoader(8, lazy=True, on_error=on_error).fit_transform(PATHS)
    key = make_key("computation", columns)
    return Part(path, "computation", key, images, columns)


@pytest.mark.parametrize("labels", [None, ("x", "y", "=z", "1")], ids=["no labels", "labels"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_comes_back(tmp_path, suffix, labels):
    part = make_part(tmp_path / f"part{suffix}", labels=labels)
    write_part(part, FEATURES, {})
    assert read_facts(part.path) == (part.key, "computation", [])
    rows = read_rows(part.path)
    assert [version for _, version in rows] == VERSIONS
    assert [path for path, _ in rows] == (SHOWN if suffix == ".parquet" else PATHS)
    np.testing.assert_array_equal(read_features(part.path), FEATURES)
    np.testing.assert_array_equal(read_features(part.path, [3, 1]), FEATURES[[3, 1]])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_failures_are_recorded_and_have_no_version(tmp_path, suffix):
    part = make_part(tmp_path / f"part{suffix}")
    write_part(part, FEATURES, FAILURE)
    facts = read_facts(part.path)
    assert facts.key == f"{part.key} nan"
    assert facts.key in part.possible_keys()
    assert facts.failures == [(12, "\\udcff.jpg", "it is <broken>")]
    assert [version for _, version in read_rows(part.path)] == ["1-1", "2-2", "", "4-4"]
    assert facts.key not in make_part(part.path, "skip").possible_keys()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_skipped_rows_are_left_out(tmp_path, suffix):
    part = make_part(tmp_path / f"part{suffix}", "skip")
    write_part(part, FEATURES, FAILURE)
    assert [version for _, version in read_rows(part.path)] == ["1-1", "2-2", "4-4"]
    np.testing.assert_array_equal(read_features(part.path), FEATURES[[0, 1, 3]])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_part_has_the_same_bytes(tmp_path, suffix, monkeypatch):
    contents = set()
    for second in (0, 1e9):
        monkeypatch.setattr("time.time", lambda second=second: second)
        write_part(make_part(tmp_path / f"part{suffix}"), FEATURES, FAILURE)
        contents.add((tmp_path / f"part{suffix}").read_bytes())
    assert len(contents) == 1


def test_keys_tell_all_apart():
    columns = {"path": ["a"], "file_version": ["1"]}
    keys = {
        make_key("one", columns),
        make_key("two", columns),
        make_key("one", columns | {"path": ["b"]}),
        make_key("one", columns | {"file_version": ["2"]}),
        make_key("one", columns | {"label": ["1"]}),
    }
    assert len(keys) == 5


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 100, None])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_no_part_is_none(tmp_path, suffix, content):
    path = tmp_path / f"part{suffix}"
    if content is not None:
        path.write_bytes(content)
    assert read_facts(path) is None


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_truncated_part_is_none(tmp_path, suffix):
    part = make_part(tmp_path / f"part{suffix}")
    write_part(part, FEATURES, {})
    content = part.path.read_bytes()
    for size in range(0, len(content), 97):
        part.path.write_bytes(content[:size])
        assert read_facts(part.path) is None


def test_a_parquet_of_others_is_none(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "part.parquet")
    assert read_facts(tmp_path / "part.parquet") is None


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_folder_that_was_removed_is_an_error_that_helps(tmp_path, suffix):
    part = make_part(tmp_path / "gone" / f"part{suffix}")
    with pytest.raises(FileNotFoundError, match="gone' was removed.* Run the same command again"):
        write_part(part, FEATURES, {})
    assert list(tmp_path.iterdir()) == []


def test_parts_are_joined_to_one_array_and_a_table_of_its_rows(tmp_path):
    import pandas as pd

    parts = [make_part(tmp_path / f"{i}.npz", "skip") for i in range(3)]
    for part in parts:
        write_part(part, FEATURES, FAILURE if part is parts[1] else {})
    paths = [part.path for part in parts]
    assert join_npy(paths, tmp_path / "out.npy", tmp_path / "rows.csv") == (11, 3)
    mapped = np.load(tmp_path / "out.npy", mmap_mode="r")
    assert mapped.dtype == np.float32
    expected = np.concatenate([FEATURES, FEATURES[[0, 1, 3]], FEATURES])
    np.testing.assert_array_equal(mapped, expected)
    frame = pd.read_csv(tmp_path / "rows.csv")
    assert frame.columns.tolist() == ["path", "label", "file_version"]
    assert frame["path"][:4].tolist() == ["a/1.jpg", "'=2.jpg", *SHOWN[2:]]
    assert frame["label"][2] == "'=z"
    assert len(read_rows(tmp_path / "rows.csv")) == 11
    np.testing.assert_array_equal(read_features(tmp_path / "out.npy", [5, 0]), expected[[5, 0]])


def test_a_part_is_a_table_for_others(tmp_path):
    import polars as pl

    part = make_part(tmp_path / "out.parquet")
    write_part(part, FEATURES, {})
    frame = pl.read_parquet(part.path)
    assert frame.columns == ["path", "label", "file_version", "features"]
    assert frame["features"].dtype == pl.Array(pl.Float32, 3)
    np.testing.assert_array_equal(frame["features"].to_numpy(), FEATURES)
