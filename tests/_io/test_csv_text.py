"""Text in tables: no cell is a formula, all of it is UTF-8, and it can be restored."""

import csv

import numpy as np
import pandas as pd
import pytest

from sklearn_resnet._io.csv_text import as_text, restore_text, write_csv

FORMULAS = {
    "=1+1": "'=1+1",
    "+a": "'+a",
    "-a": "'-a",
    "@SUM(A1)": "'@SUM(A1)",
    "\tx": "'\tx",
    "a;=1": "a;'=1",
    "a\t@b": "a\t'@b",
    "a\n-b": "a\n'-b",
    "'=1": "''=1",
    "''=1": "'''=1",
    "a;'=1": "a;''=1",
    "=a;=b": "'=a;'=b",
}
INERT = ["a", "a=b", "a-b", "'a", "", "-1.5", "+3", "1e-5", "-inf", "a;b", "mail@example.org"]


def read_cells(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_no_cell_is_a_formula_and_text_is_restored(tmp_path):
    write_csv(tmp_path / "a.csv", {"path": [*FORMULAS, *INERT]})
    header, *rows = read_cells(tmp_path / "a.csv")
    assert header == ["path"]
    cells = [row[0] if row else "" for row in rows]
    assert cells == [*FORMULAS.values(), *INERT]
    assert [restore_text(cell) for cell in cells] == [*FORMULAS, *INERT]


def test_a_carriage_return_is_written_as_an_escape(tmp_path):
    """Readers would take it for a new line, behind which a formula could begin."""
    write_csv(tmp_path / "a.csv", {"path": ["a\r=1"]})
    assert read_cells(tmp_path / "a.csv") == [["path"], [r"a\r=1"]]


def test_later_parts_are_appended_without_a_header(tmp_path):
    for i in range(3):
        write_csv(tmp_path / "a.csv", {"i": [i, i], "name": ["x", "y"]}, is_first=i == 0)
    frame = pd.read_csv(tmp_path / "a.csv")
    assert frame["i"].tolist() == [0, 0, 1, 1, 2, 2]
    assert frame["name"].tolist() == list("xyxyxy")
    write_csv(tmp_path / "a.csv", {"i": [7]})
    assert pd.read_csv(tmp_path / "a.csv")["i"].tolist() == [7]


@pytest.mark.parametrize("container", [list, lambda names: np.array(names, object)])
def test_names_that_are_no_utf_8_are_escaped(tmp_path, container):
    names = ["é", b"a\xff.png".decode("utf-8", "surrogateescape")]
    assert as_text(container(names)) == ["é", r"a\udcff.png"]
    write_csv(tmp_path / "a.csv", {"path": container(names)})
    assert read_cells(tmp_path / "a.csv")[2] == [r"a\udcff.png"]


def test_numbers_are_left_as_they_are():
    values = np.array([-1.5, 2.0])
    assert as_text(values) is values
