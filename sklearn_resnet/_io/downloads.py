"""Downloads into Keras' cache folder, which verify each file by its hash."""

import http.client
import os
import ssl
import sys
import threading
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from cachetools import TTLCache, cached

from sklearn_resnet._io.hashing import hash_file, identify_file
from sklearn_resnet._runtime.errors import DownloadError
from sklearn_resnet._runtime.threads import call_within

_PROBE_SECONDS = 3
_READ_SECONDS = 30  # without a byte, after which a download has failed
_REMEMBERED_SECONDS = 60  # of a probe, so that a search does not wait for each of its fits


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server, and its place in Keras' cache folder.

    Attributes
    ----------
    url : str
    place : str
        Its path below the folder: ``"datasets/mnist.npz"``.
    known_hash : str
        The algorithm and the hash: ``"md5:4d47..."``.
    megabytes : int
        Its size.
    """

    url: str
    place: str
    known_hash: str
    megabytes: int

    @property
    def path(self):
        """Its path on this machine, even if it is absent."""
        return keras_home() / self.place


def keras_home():
    """Return the folder of Keras' downloads; the variable KERAS_HOME sets it."""
    if "KERAS_HOME" in os.environ:
        return Path(os.environ["KERAS_HOME"]).expanduser()
    home = Path.home()
    return (home if os.access(home, os.W_OK) else Path("/tmp")) / ".keras"


def find_file(file):
    """Return the path of a file, as str, if it is in Keras' cache and undamaged; None otherwise."""
    algorithm, _, known_hash = file.known_hash.partition(":")
    try:
        is_valid = hash_file(identify_file(file.path), algorithm) == known_hash
    except OSError:
        return None
    return str(file.path) if is_valid else None


def fetch_file(file, subject, remedy):
    """Return the path of a file in Keras' cache; download it if it is absent or damaged.

    Parameters
    ----------
    file : RemoteFile
    subject, remedy : str
        As for `DownloadError`.

    Returns
    -------
    str

    Raises
    ------
    DownloadError
        If the file is absent and cannot be downloaded.
    """
    found = find_file(file)
    if found is not None:
        return found
    is_present = file.path.is_file()
    damage = (
        "the file found cannot be read, or is damaged or a different one (its hash differs), and "
    )
    try:
        probe_url(file.url)
        _download(file)
    except Exception as exc:  # of the network, the disk, or a wrong hash
        found = find_file(file)
        if found is not None:  # by another process in the meantime
            return found
        cause = f"{damage if is_present else ''}{str(exc) or type(exc).__name__}"
        # scikit-learn prints the whole chain for each fit of a search
        raise DownloadError(subject, cause, file.path, file.url, file.megabytes, remedy) from None
    return str(file.path)


def _download(file):
    """Download a file; it appears at its path only whole and verified."""
    import pooch  # with requests, slow to import

    downloader = pooch.HTTPDownloader(
        timeout=(_PROBE_SECONDS, _READ_SECONDS),
        progressbar=sys.stderr is not None and sys.stderr.isatty(),
    )
    pooch.create(
        path=file.path.parent,
        base_url="",
        registry={file.path.name: file.known_hash},
        urls={file.path.name: file.url},
        retry_if_failed=1,
    ).fetch(file.path.name, downloader=downloader)


def probe_url(url, timeout=_PROBE_SECONDS):
    """Request the header of a URL, with a time limit.

    The time limits of sockets do not cover the resolution of the host name. The result is
    remembered for a minute.

    Parameters
    ----------
    url : str
    timeout : float, default=3
        Seconds, including the time to resolve the host name.

    Raises
    ------
    ConnectionError
        If the URL does not answer in time; the message is the cause.
    """
    failure = _find_failure(url, timeout)
    if failure is not None:
        raise ConnectionError(failure)


@cached(TTLCache(maxsize=64, ttl=_REMEMBERED_SECONDS), lock=threading.Lock())
def _find_failure(url, timeout):
    def ask():
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=timeout):
                return None
        except (OSError, ValueError, http.client.HTTPException) as exc:
            cause = getattr(exc, "reason", None) or exc
            # the host answers, and pooch may trust its certificate
            is_reachable = isinstance(cause, ssl.SSLError)
            return None if is_reachable else str(cause) or type(exc).__name__

    try:
        return call_within(timeout, ask, f"no answer within {timeout} seconds")
    except TimeoutError as exc:
        return str(exc)
