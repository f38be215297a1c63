"""What libraries print while they are imported is held back."""

import contextlib
import importlib
import io
import os
import subprocess
import sys

import pytest

from sklearn_resnet._runtime.imports import (
    check_optional,
    deferred_module,
    hidden_module,
    import_optional,
    quiet_stderr,
)


def print_everywhere(where):
    """As C++ code does, as Python does, and as a child does."""
    os.write(2, f"{where}: C++\n".encode())
    print(f"{where}: Python", file=sys.stderr, end=" ")
    subprocess.run([sys.executable, "-c", f"import os; os.write(2, b'{where}: child\\n')"])


@pytest.fixture
def run(capfd, monkeypatch):
    """Run functions as a program does, its sys.stderr writing to fd 2, and give what is seen."""

    def run(*functions):
        # here, not in the fixture: pytest sets its own sys.stderr between that and the test
        with monkeypatch.context() as patch, open(2, "w", closefd=False) as stderr:
            patch.setattr(sys, "stderr", stderr)
            for function in functions:
                function()
        return capfd.readouterr().err

    return run


def test_what_is_written_inside_is_not_seen(run):
    def print_inside():
        with quiet_stderr():
            print_everywhere("inside")

    err = run(lambda: print_everywhere("before"), print_inside, lambda: print_everywhere("after"))
    counts = {where: err.count(where) for where in ("before", "inside", "after")}
    assert counts == {"before": 3, "inside": 0, "after": 3}


@pytest.mark.parametrize("error", [ImportError, KeyboardInterrupt])
def test_after_an_error_it_is_seen(run, error):
    @quiet_stderr()
    def fail():
        print_everywhere("inside")
        raise error

    def catch():
        with pytest.raises(error):
            fail()

    err = run(catch, lambda: print_everywhere("after"))
    assert (err.count("inside"), err.count("after")) == (3, 3)


@pytest.mark.parametrize(
    "stderr", [None, io.StringIO(), object], ids=["None", "StringIO", "pytest"]
)
@pytest.mark.parametrize("fails", [False, True])
def test_it_works_wherever_python_writes(capfd, monkeypatch, stderr, fails):
    """In a notebook, or below pytest, sys.stderr is not what C++ code writes to."""
    if stderr is not object:
        monkeypatch.setattr(sys, "stderr", stderr)
    try:
        with quiet_stderr():
            os.write(2, b"inside\n")
            if fails:
                raise ImportError
    except ImportError:
        assert fails
    os.write(2, b"after\n")
    monkeypatch.undo()
    assert capfd.readouterr().err == ("inside\nafter\n" if fails else "after\n")


def test_standard_output_is_left_alone(capfd):
    with quiet_stderr():
        os.write(1, b"seen\n")
    assert capfd.readouterr().out == "seen\n"


def test_no_file_is_left_open():
    def is_open(descriptor):
        with contextlib.suppress(OSError):
            return bool(os.fstat(descriptor))

    before = list(filter(is_open, range(1000)))
    with quiet_stderr():
        pass
    assert list(filter(is_open, range(1000))) == before


@pytest.mark.parametrize("name", ["colorsys", "a_module_that_is_not_installed"])
@pytest.mark.parametrize("before", ["not imported", "imported", "hidden"])
def test_a_module_is_hidden_and_then_as_before(monkeypatch, name, before):
    module = {"imported": sys, "hidden": None}  # any module would do
    monkeypatch.delitem(sys.modules, name, raising=False)
    if before in module:
        monkeypatch.setitem(sys.modules, name, module[before])
    with hidden_module(name), pytest.raises(ImportError):
        importlib.import_module(name)
    assert sys.modules.get(name, "not there") is module.get(before, "not there")
    monkeypatch.delitem(sys.modules, name, raising=False)


def test_a_deferred_module_is_imported_at_its_first_use(monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with deferred_module("colorsys"):
        import colorsys
    assert "colorsys" not in sys.modules
    assert colorsys.rgb_to_hsv(0, 0, 0) == (0, 0, 0)
    assert colorsys.rgb_to_hsv is sys.modules["colorsys"].rgb_to_hsv
    with pytest.raises(AttributeError, match="missing"):
        colorsys.missing  # noqa: B018


def test_a_deferred_module_whose_names_are_imported_is_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with deferred_module("colorsys"):
        from colorsys import rgb_to_hsv

        assert sys.modules["colorsys"].rgb_to_hsv is rgb_to_hsv
    assert sys.modules["colorsys"].rgb_to_hsv is rgb_to_hsv


def test_an_imported_module_is_not_deferred():
    with deferred_module("contextlib"):
        import contextlib as within
    assert within is contextlib is sys.modules["contextlib"]


def test_scikit_learn_works_without_what_its_base_imports():
    program = """
import sys
from sklearn_resnet._runtime.imports import import_scikit_learn
import_scikit_learn()
assert "sklearn.base" in sys.modules
assert not {"pandas", "scipy.stats"} & set(sys.modules)
import numpy as np
from sklearn.neighbors import KNeighborsClassifier  # its predict calls scipy.stats.mode
from sklearn.utils.fixes import _mode
X = np.arange(8.0).reshape(-1, 1)
print(KNeighborsClassifier(3).fit(X, X[:, 0] > 4).predict(X).sum(), _mode(np.array([1, 2, 2]))[0].item())
import pandas, scipy.stats
from sklearn.utils import fixes
assert scipy.stats.mode and fixes.scipy.stats is scipy.stats and pandas.DataFrame
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["3", "2"]


def test_an_optional_dependency_is_imported():
    assert import_optional("os.path", extra="any", purpose="It") is os.path
    check_optional("os.path", extra="any", purpose="It")


@pytest.mark.parametrize("name", ["no_such_module", "no_such_module.part"])
def test_a_missing_dependency_names_its_package_and_the_extra(name):
    message = (
        r"^It needs no_such_module, which cannot be imported: {}\. "
        r"Install it with: pip install 'sklearn-resnet\[remote\]'$"
    )
    with pytest.raises(
        ImportError, match=message.format("No module named 'no_such_module'")
    ) as got:
        import_optional(name, extra="remote", purpose="It")
    assert isinstance(got.value.__cause__, ImportError)
    with pytest.raises(ImportError, match=message.format("it is not installed")):
        check_optional(name, extra="remote", purpose="It")


def test_a_check_imports_nothing():
    check_optional("this", extra="any", purpose="It")
    assert "this" not in sys.modules


def test_output_to_a_closed_stderr_is_suppressed():
    program = """
import os
os.close(2)
from sklearn_resnet._runtime.imports import quiet_stderr
with quiet_stderr():
    print("inside")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "inside\n")
