"""A server with the layout of the Hugging Face Hub, on this machine."""

import contextlib
import hashlib
import http.server
import json
import threading
import time
from urllib.parse import unquote

from local_server import serve


class Hub:
    """Repositories, which a test may change while they are served.

    Attributes
    ----------
    repos : dict
        The files of each repository: ``{"org/name": {"main": {"model.safetensors": b"..."}}}``.
    gated : set of str
        Repositories whose files need consent.
    failures : dict of str to int
        The status to answer with, by the end of a path.
    silent : threading.Event
        While it is set, the server accepts requests and does not answer.
    cuts : dict of str to list of int
        The numbers of bytes after which the next downloads break off, by the name of the file.
    requests : list of str
        The requests so far: ``"HEAD /org/name/resolve/main/model.safetensors"``.
    url : str
    """

    def __init__(self, repos):
        self.repos = repos
        self.gated = set()
        self.failures = {}
        self.silent = threading.Event()
        self.cuts = {}
        self.requests = []
        self.url = None

    def commit(self, repo, revision="main"):
        """Return the commit that a revision stands for; None if there is none."""
        revisions = self.repos[repo]
        commits = {
            name: _hash("".join(f"{file}{_hash(files[file])}" for file in sorted(files)).encode())
            for name, files in revisions.items()
        }
        if revision in commits.values():
            return revision
        return commits.get(revision)

    def files(self, repo, commit):
        return next(f for r, f in self.repos[repo].items() if self.commit(repo, r) == commit)


def _hash(content):
    return hashlib.sha1(content).hexdigest()


@contextlib.contextmanager
def serve_hub(repos):
    """Serve repositories; the value is their `Hub`."""
    hub = Hub(repos)
    with serve(type("Handler", (_Handler,), {"hub": hub})) as hub.url:
        yield hub
        hub.silent.clear()


class _Handler(http.server.BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = unquote(self.path.partition("?")[0])
        self.hub.requests.append(f"{self.command} {path}")
        while self.hub.silent.is_set():
            time.sleep(0.02)
        for end, status in self.hub.failures.items():
            if path.endswith(end):
                return self._answer(status, b"")
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            return self._answer_info("/".join(parts[2:4]), "/".join(parts[5:]) or "main")
        revision, _, file = path.partition("/resolve/")[2].partition("/")
        return self._answer_file("/".join(parts[:2]), revision, file)

    def _find_commit(self, repo, revision):
        if repo not in self.hub.repos:
            self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})
            return None
        commit = self.hub.commit(repo, revision)
        if commit is None:
            self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        return commit

    def _answer_info(self, repo, revision):
        commit = self._find_commit(repo, revision)
        if commit is not None:
            siblings = [{"rfilename": name} for name in self.hub.files(repo, commit)]
            info = {"id": repo, "sha": commit, "siblings": siblings}
            self._answer(200, json.dumps(info).encode())

    def _answer_file(self, repo, revision, file):
        commit = self._find_commit(repo, revision)
        if commit is None:
            return
        headers = {"X-Repo-Commit": commit}
        content = self.hub.files(repo, commit).get(file)
        if repo in self.hub.gated:
            self._answer(403, b"", {"X-Error-Code": "GatedRepo"})
        elif content is None:
            self._answer(404, b"", headers | {"X-Error-Code": "EntryNotFound"})
        else:
            etag = f'"{_hash(content)}"'
            headers |= {"ETag": etag, "X-Linked-Etag": etag, "X-Linked-Size": str(len(content))}
            cuts = self.hub.cuts.get(file) if self.command == "GET" else None
            start = int(self.headers.get("Range", "bytes=0-")[len("bytes=") :].partition("-")[0])
            cut = cuts.pop(0) if cuts else None
            self._answer(206 if start else 200, content[start:], headers, cut)

    def _answer(self, status, content, headers=(), cut=None):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            with contextlib.suppress(ConnectionError):
                self.wfile.write(content if cut is None else content[:cut])
        if cut is not None:
            self.close_connection = True
