"""Standard output and error: closed or broken, they do not harm the files of a command."""

import io
import os
import sys
from contextlib import contextmanager, suppress

import click


class _LossyFile(io.RawIOBase):
    """A file that drops data that it cannot write, because its reader is gone or its disk is full.

    Attributes
    ----------
    error : OSError or None
        The last reason.
    """

    def __init__(self, raw):
        super().__init__()
        self._raw = raw
        self.error = None

    def writable(self):
        return True

    def fileno(self):
        return self._raw.fileno()

    def isatty(self):
        return self._raw.isatty()

    def write(self, data):
        try:
            n_written = self._raw.write(data)
        except OSError as exc:
            self.error = exc
            return len(data)
        return len(data) if n_written is None else n_written  # a full pipe that does not block


@contextmanager
def safe_streams():
    """Let prints always succeed, in any encoding; see `print_result` for prints that matter.

    Streams that are closed write nowhere. Otherwise, their descriptors would be those of the next
    files that are opened, and libraries would write their messages into these.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_RDWR)
                os.dup2(nowhere, descriptor)  # also for the processes of workers
                if nowhere != descriptor:
                    os.close(nowhere)
                else:
                    os.set_inheritable(descriptor, True)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_make_safe, before, (sys.__stdout__, sys.__stderr__))
    try:
        yield
    finally:
        for stream, former in zip((sys.stdout, sys.stderr), before, strict=True):
            with suppress(OSError, ValueError):
                stream.flush() if former is not None else stream.close()
        sys.stdout, sys.stderr = before


def _make_safe(stream, own):
    """Wrap a stream of this process; leave one that another program put in its place."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if stream is not own:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
        return stream
    stream.flush()
    raw = getattr(stream.buffer, "raw", stream.buffer)  # python -u has no buffer
    return io.TextIOWrapper(
        io.BufferedWriter(_LossyFile(raw)),
        encoding=stream.encoding,
        errors="backslashreplace",  # a path may be no UTF-8, and a terminal may know ASCII only
        line_buffering=True,
    )


def print_result(text):
    """Print the result of a command to stdout.

    Raises
    ------
    OSError
        If it cannot be written. A reader that stops reading, such as ``head``, is no error.
    """
    click.echo(text)
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    error = getattr(raw, "error", None)
    if error is not None and not isinstance(error, BrokenPipeError):
        raise OSError(f"The result cannot be printed: {error.strerror}.") from error


def printable(text):
    """Escape the characters of a text that move a cursor or begin a line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))
