"""Imports: optional dependencies with one error message, and libraries without their output."""

import contextlib
import gc
import importlib
import importlib.util
import os
import sys
import tempfile
import types
from typing import Any


@contextlib.contextmanager
def quiet_stderr():
    """Suppress output to stderr, including that of C++ code; print it after an error.

    During import, tensorflow logs several lines about the processor at any log level.
    """
    stderr = 2  # of C++ code, even where sys.stderr is redirected, as in a notebook
    with tempfile.TemporaryFile() as held:
        sys.stderr and sys.stderr.flush()
        try:
            saved = os.dup(stderr)
        except OSError:  # it is closed, and suppresses all output itself
            yield
            return
        os.dup2(held.fileno(), stderr)
        try:
            yield
        except BaseException:
            sys.stderr and sys.stderr.flush()
            held.seek(0)
            with contextlib.suppress(OSError):  # nobody reads it
                os.write(saved, held.read())
            raise
        finally:
            sys.stderr and sys.stderr.flush()
            os.dup2(saved, stderr)
            os.close(saved)


@contextlib.contextmanager
def hidden_module(name):
    """Hide a module from libraries for which it is optional.

    Inside the context, importing it raises ImportError in all threads. Afterwards, everything is as
    before: imported, not yet imported, not installed, or hidden by someone else.
    """
    before = {key: sys.modules[key] for key in [name] if key in sys.modules}
    sys.modules[name] = None
    try:
        yield
    finally:
        del sys.modules[name]
        sys.modules.update(before)


@contextlib.contextmanager
def deferred_module(name):
    """Defer a module that is imported inside the context to the first use of its attributes."""
    if name in sys.modules:
        yield
        return
    stand_in: Any = types.ModuleType(name)

    def give_way():
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]

    def load(attribute):
        give_way()
        return getattr(importlib.import_module(name), attribute)

    stand_in.__getattr__ = load
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        give_way()


def import_scikit_learn():
    """Import scikit-learn's base in half of its time, for a process that may use little of it.

    ``sklearn.utils.fixes`` imports scipy.stats and pandas for functions that are seldom called. All that
    imports make stays, so that looking for garbage in it is vain.
    """
    if "sklearn.base" in sys.modules:
        return
    gc.disable()
    try:
        with deferred_module("pandas"), deferred_module("scipy.stats"):
            import sklearn.base  # noqa: F401
    finally:
        gc.freeze()
        gc.enable()


def import_optional(module, *, extra, purpose):
    """Import an optional dependency.

    Parameters
    ----------
    module : str
        Its name, dotted for a module in a package.
    extra : str
        The extra of this package that installs it.
    purpose : str
        The subject of the error: ``"precision='int8'"``.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If it cannot be imported. The message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise _missing(module, extra, purpose, exc) from exc


def check_optional(module, *, extra, purpose):
    """Raise the ImportError of `import_optional` if the module is not installed, without importing it."""
    if importlib.util.find_spec(module.partition(".")[0]) is None:
        raise _missing(module, extra, purpose, "it is not installed")


def _missing(module, extra, purpose, cause):
    return ImportError(
        f"{purpose} needs {module.partition('.')[0]}, which cannot be imported: {cause}. "
        f"Install it with: pip install 'sklearn-resnet[{extra}]'"
    )
