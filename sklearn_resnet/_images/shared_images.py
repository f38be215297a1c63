"""The images that regions were last cut out of, decoded once for all threads."""

import os
from collections import OrderedDict
from concurrent.futures import Future

from sklearn_resnet._runtime.threads import make_fork_safe_lock

_N_KEPT = 2  # images of any size
_MAX_BYTES = 64 * 2**20  # more images up to this size in total
_lock = (
    make_fork_safe_lock()
)  # one for all: it is held for moments, and each has its cost at a fork


class SharedImages:
    """An LRU cache of images. Threads that need the same one wait for the first of them.

    It holds the last two images, and more up to 64 MiB. A pickle is empty.
    """

    def __init__(self):
        self._futures = OrderedDict()

    def __reduce__(self):
        return type(self), ()

    def __len__(self):
        return len(self._futures)

    def get(self, key, make):
        """Return the image of a key, and make it for a miss.

        Parameters
        ----------
        key : hashable
        make : callable
            Returns an object with `nbytes` and `close`. An error is kept for no one.

        Returns
        -------
        object
        """
        key = os.getpid(), key  # no thread of a forked process completes the images of its parent
        with _lock:
            future = self._futures.get(key)
            is_miss = future is None
            if is_miss:
                future = self._futures[key] = Future()
            self._futures.move_to_end(key)
        if is_miss:
            try:
                future.set_result(make())
            except BaseException as exc:
                future.set_exception(exc)
                with _lock:
                    self._futures.pop(key, None)
                raise
            self._evict()
        return future.result()

    def clear(self):
        """Remove all images."""
        with _lock:
            futures = list(self._futures.values())
            self._futures.clear()
        _close(futures)

    def _evict(self):
        """Remove the least recently used images beyond the bounds."""
        evicted = []
        with _lock:
            made = [key for key, future in self._futures.items() if future.done()]
            n_bytes = sum(self._futures[key].result().nbytes for key in made)
            for key in made[: max(0, len(made) - _N_KEPT)]:
                if n_bytes <= _MAX_BYTES:
                    break
                evicted.append(self._futures.pop(key))
                n_bytes -= evicted[-1].result().nbytes
        _close(evicted)


def _close(futures):
    for future in futures:
        if future.done() and future.exception() is None:
            future.result().close()
