"""Keras' cache folder, and finding out early that a download cannot work."""

import http.client
import os
import threading
import urllib.request
from pathlib import Path


def keras_home():
    """The folder in which Keras keeps its downloads; the variable KERAS_HOME sets it."""
    if "KERAS_HOME" in os.environ:
        return Path(os.environ["KERAS_HOME"]).expanduser()
    home = Path.home()
    return (home if os.access(home, os.W_OK) else Path("/tmp")) / ".keras"


def probe_url(url, timeout=8):
    """Ask for a URL's header, and give up in time.

    Keras' own download has no time limit: where packets are dropped, or names are not
    resolved, it hangs for minutes.

    Parameters
    ----------
    url : str
    timeout : float, default=8
        In seconds, resolving the name included.

    Raises
    ------
    ConnectionError
        If the URL does not answer in time, with the cause.
    """
    failure = [f"no answer within {timeout} seconds"]

    def ask():
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=timeout):
                failure[0] = None
        except (OSError, ValueError, http.client.HTTPException) as exc:
            failure[0] = str(getattr(exc, "reason", None) or exc) or type(exc).__name__

    # The time limit of urlopen does not cover the look-up of the host's name; a thread's does.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    if failure[0] is not None:
        raise ConnectionError(failure[0])
