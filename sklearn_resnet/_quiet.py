"""Keep what libraries print while they are imported from people's terminals."""

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
