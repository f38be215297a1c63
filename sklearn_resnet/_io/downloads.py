"""Keras' cache folder, and an early check of the connection before a download."""

import http.client
import os
import threading
import urllib.request
from pathlib import Path


def keras_home():
    """Return the folder of Keras' downloads; the variable KERAS_HOME sets it."""
    if "KERAS_HOME" in os.environ:
        return Path(os.environ["KERAS_HOME"]).expanduser()
    home = Path.home()
    return (home if os.access(home, os.W_OK) else Path("/tmp")) / ".keras"


def probe_url(url, timeout=8):
    """Request the header of a URL, with a time limit.

    Keras' own download has no time limit. It hangs for minutes if packets are dropped or the host
    name is not resolved.

    Parameters
    ----------
    url : str
    timeout : float, default=8
        Seconds, including the time to resolve the host name.

    Raises
    ------
    ConnectionError
        If the URL does not answer in time; the message is the cause.
    """
    failure = [f"no answer within {timeout} seconds"]

    def ask():
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=timeout):
                failure[0] = None
        except (OSError, ValueError, http.client.HTTPException) as exc:
            failure[0] = str(getattr(exc, "reason", None) or exc) or type(exc).__name__

    # the time limit of urlopen does not cover the resolution of the host name
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    if failure[0] is not None:
        raise ConnectionError(failure[0])
