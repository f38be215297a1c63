"""A server of files on this machine."""

import contextlib
import functools
import http.server
import threading


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serve_folder(folder):
    """Serve the files of a folder; the value is the URL, with a slash at its end."""
    with serve(functools.partial(_Handler, directory=folder)) as url:
        yield f"{url}/"


@contextlib.contextmanager
def serve(handler):
    """Serve requests by a handler of `http.server`; the value is the URL, without a slash."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02])  # seconds to shut down
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
