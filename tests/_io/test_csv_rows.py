"""Some rows of the .csv beside a .npy are read without the others, and equal those of the whole."""

import numpy as np
import pandas as pd
import pytest

from sklearn_resnet._io import csv_rows
from sklearn_resnet._io.csv_rows import RowColumn, cut_rows
from sklearn_resnet._io.tables import read_rows, read_table

COLUMNS = {"path": [f"p{i}" for i in range(20)], "label": list("abcde" * 4), "top": range(20)}


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "out.npy", np.ones((20, 3), np.float32))
    pd.DataFrame(COLUMNS).to_csv(tmp_path / "out_rows.csv", index=False)
    return tmp_path / "out.npy"


@pytest.mark.parametrize("chunk", [7, 2**24])
def test_columns_of_some_rows_equal_those_of_all(path, chunk, monkeypatch):
    monkeypatch.setattr(csv_rows, "_CHUNK", chunk)
    whole, table = read_table(path), read_table(path, rows=np.array([], int))
    assert table.labels.shape == (20,)
    assert list(table.columns) == ["top"]
    rows = np.array([0, 3, 19])
    table = read_rows(path, table, rows)
    for part, column in zip(table[1:3], whole[1:3], strict=True):
        assert isinstance(part, RowColumn)
        assert part[[19, 0, 3]].tolist() == column[[19, 0, 3]].tolist()
        assert part[19] == column[19]
    assert table.columns["top"][rows].tolist() == [0, 3, 19]


def test_the_last_line_may_have_no_end(path):
    rows = path.with_name("out_rows.csv")
    rows.write_bytes(rows.read_bytes().rstrip(b"\n"))
    assert read_table(path, rows=np.array([19])).paths[19] == "p19"


@pytest.mark.parametrize("text", ['path\n"a\nb"\nc\n', "path\r\na\r\nb\r\n", "path\na\n\nb\n"])
def test_rows_that_may_not_be_lines_are_not_cut(tmp_path, text):
    (tmp_path / "x.csv").write_bytes(text.encode())
    assert cut_rows(tmp_path / "x.csv", np.array([0])) == (None, 0)


def test_quoted_rows_are_read_as_a_whole(path):
    frame = pd.DataFrame(COLUMNS | {"path": ["a\nb", *COLUMNS["path"][1:]]})
    frame.to_csv(path.with_name("out_rows.csv"), index=False)
    table = read_table(path, rows=np.array([], int))
    assert table.paths.tolist() == frame["path"].tolist()
    assert read_rows(path, table, np.array([1])) is table


def test_another_number_of_rows_is_an_error(path):
    pd.DataFrame(COLUMNS)[:19].to_csv(path.with_name("out_rows.csv"), index=False)
    with pytest.raises(ValueError, match="one label and path per row"):
        read_table(path, rows=np.array([], int))
