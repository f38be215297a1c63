"""The lists of faults that `make mutants` plants."""

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "mutants"


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.toml")))
def test_each_fault_of_a_list_fits_the_source(name):
    read_faults = runpy.run_path(str(FOLDER / "run.py"))["read_faults"]
    for fault in read_faults(FOLDER / name):
        assert list(fault) == ["file", "find", "replace", "tests"]
        for test in fault["tests"].split():
            path = Path(__file__).parents[1] / test.partition("::")[0]
            assert not test.startswith("tests/") or path.exists(), test
