"""Plant realistic faults, one at a time, in a copy of the source, and print those that no test finds.

Run it as ``make mutants``, or ``python tests/mutants/run.py FILE.toml ...`` for some of the lists
(not on Windows). The lists beside this file hold tables ``[[fault]]`` of these strings:

- ``file``: the source file, below the root of the repository;
- ``find``: text that occurs in it once;
- ``replace``: the faulty text;
- ``tests``: the arguments of pytest for the tests that should find the fault.
"""

import argparse
import multiprocessing
import os
import shlex
import shutil
import signal
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import pytest

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("sklearn_resnet", "tests", "training", "benchmarks", "docs", "examples")
FILES = ("pyproject.toml", "README.md", "CHANGES.md", "CONTRIBUTING.md", "Makefile")
N_COPIES = 2
MAX_SECONDS = 300  # a test that hangs has found the fault
FOUND = (1, 2)  # exit codes of pytest: a test failed, or an import

# Each fault has a process of its own, forked from one that has imported these.
PRELOADED = [
    "pytest",
    "matplotlib.pyplot",
    "openvino",
    "pandas",
    "polars",
    "pyarrow",
    "sklearn.pipeline",
]
CONTEXT = multiprocessing.get_context("forkserver")


def main():
    """Plant the faults of some lists; the exit code is 1 if any passes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lists", nargs="*", type=Path, help="default: all beside this file")
    lists = parser.parse_args().lists or sorted(Path(__file__).parent.glob("*.toml"))
    faults = [fault for path in lists for fault in read_faults(path)]
    CONTEXT.set_forkserver_preload(PRELOADED)
    with tempfile.TemporaryDirectory() as folder:
        copies = SimpleQueue()
        for i in range(N_COPIES):
            copies.put(copy_source(Path(folder, str(i))))
        with ThreadPoolExecutor(N_COPIES) as pool:
            found = list(pool.map(lambda fault: try_fault(fault, copies), faults))
    passed = [fault for fault, is_found in zip(faults, found, strict=True) if not is_found]
    print(f"{len(faults)} faults, {len(faults) - len(passed)} found, {len(passed)} not found")
    sys.exit(bool(passed))


def read_faults(path):
    """Read a list of faults; raise ValueError if one does not fit the source."""
    faults = tomllib.loads(path.read_text(encoding="utf-8"))["fault"]
    for fault in faults:
        n_found = (ROOT / fault["file"]).read_text(encoding="utf-8").count(fault["find"])
        if n_found != 1 or fault["find"] == fault["replace"]:
            raise ValueError(
                f"{path.name}: {fault['find']!r} must occur once in {fault['file']}, and differ from "
                f"its replacement. Got it {n_found} times."
            )
    return faults


def copy_source(folder):
    """Copy the source and its tests to a folder; return it."""
    for name in COPIED:
        ignored = shutil.ignore_patterns("__pycache__", "_build", "generated")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    return folder


def try_fault(fault, copies):
    """Plant a fault in a copy, run its tests, and remove it; return whether a test failed."""
    folder = copies.get()
    path = folder / fault["file"]
    sound = path.read_text(encoding="utf-8")
    path.write_text(sound.replace(fault["find"], fault["replace"]), encoding="utf-8")
    try:
        is_found, end = run_tests(fault["tests"], folder)
    finally:
        path.write_text(sound, encoding="utf-8")
        copies.put(folder)
    if not is_found:
        print(
            f"NOT FOUND  {fault['file']}\n- {fault['find']}\n+ {fault['replace']}\n{end}",
            flush=True,
        )
    return is_found


def run_tests(arguments, folder):
    """Run tests in a copy; return whether one failed, and the last line of the output."""
    output = folder.with_suffix(".txt")
    process = CONTEXT.Process(target=run_pytest, args=(shlex.split(arguments), folder, output))
    process.start()
    process.join(MAX_SECONDS)
    if process.exitcode is None:
        os.killpg(process.pid, signal.SIGKILL)
        return True, "it hung"
    end = output.read_text(encoding="utf-8").strip().rpartition("\n")[-1]
    return process.exitcode in FOUND, end


def run_pytest(arguments, folder, output):
    """Run tests in this process, of a group of its own, with a copy in place of the package."""
    os.setsid()
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.chdir(folder)
    os.environ |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    sys.path.insert(0, str(folder))
    sys.exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *arguments]))


if __name__ == "__main__":
    main()
