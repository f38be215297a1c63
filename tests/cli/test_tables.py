"""The check of OUTPUT, before anything is computed."""

import pytest

from sklearn_resnet._io.table_formats import FORMATS
from sklearn_resnet._runtime.imports import hidden_module
from sklearn_resnet.cli.tables import check_table_path


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_writable_path_is_accepted(tmp_path, suffix):
    check_table_path(tmp_path / f"out{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out", "out.txt", "out.NPY", "out.npy.gz", ".npz"])
def test_an_unknown_ending_is_an_error(tmp_path, name):
    with pytest.raises(
        ValueError, match=rf"end in \.npy, \.npz, \.csv or \.parquet. Got .*{name}'"
    ):
        check_table_path(str(tmp_path / name))


@pytest.mark.parametrize(("name", "error"), [("file/out.npy", OSError), ("a.csv", OSError)])
def test_a_path_that_cannot_be_written_is_an_error(tmp_path, name, error):
    (tmp_path / "file").touch()
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(error, match=f"Cannot write .*{name}"):
        check_table_path(tmp_path / name)


def test_parquet_without_pyarrow_is_an_error_that_helps(tmp_path):
    message = r"needs pyarrow.* 'sklearn-resnet\[parquet\]'"
    with hidden_module("pyarrow"), pytest.raises(ImportError, match=message) as raised:
        check_table_path(tmp_path / "out.parquet")
    assert raised.value.__notes__ == ["Or name an OUTPUT that ends in .npz or .csv."]
    check_table_path(tmp_path / "out.csv")
