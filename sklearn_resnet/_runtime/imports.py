"""Keep libraries quiet while they are imported: on terminals, and on the network."""

import contextlib
import os
import sys
import tempfile


@contextlib.contextmanager
def quiet_stderr():
    """Hold back what is written to stderr, by C++ code too, and print it only after an error.

    tensorflow writes several lines about processors when it is imported, before it heeds
    any setting of its log level.
    """
    stderr = 2  # C++ code writes there, also where sys.stderr goes elsewhere, as in a notebook
    with tempfile.TemporaryFile() as held:
        sys.stderr and sys.stderr.flush()
        saved = os.dup(stderr)
        os.dup2(held.fileno(), stderr)
        try:
            yield
        except BaseException:
            sys.stderr and sys.stderr.flush()
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            sys.stderr and sys.stderr.flush()
            os.dup2(saved, stderr)
            os.close(saved)


@contextlib.contextmanager
def hidden_module(name):
    """Let a module seem not to be installed, to libraries that can do without it.

    Meanwhile importing it raises ImportError, in all threads; one that was imported before
    is there again afterwards.
    """
    imported = sys.modules.get(name)
    sys.modules[name] = None
    try:
        yield
    finally:
        del sys.modules[name]
        if imported is not None:
            sys.modules[name] = imported
