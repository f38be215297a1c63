"""The images that regions were last cut out of, decoded once for all threads."""

import os
from concurrent.futures import Future

from sklearn_resnet._runtime.threads import make_fork_safe_lock

_lock = make_fork_safe_lock()  # one for all, as each has its cost at a fork


class SharedImages:
    """A cache of images, which evicts the oldest. Threads that need the same image wait for it.

    Images are read one after the other; by the least recent use, a late region of the one before could
    evict the present one. A pickle is empty.

    Parameters
    ----------
    n_kept : int, default=2
        The number of images that are kept whatever their size.
    max_bytes : int, default=64 MiB
        More are kept up to this size in total.
    """

    def __init__(self, n_kept=2, max_bytes=64 * 2**20):
        self._n_kept = n_kept
        self._max_bytes = max_bytes
        self._futures = {}  # the oldest first
        self._made = set()  # all keys since the last `clear`

    def __reduce__(self):
        return type(self), (self._n_kept, self._max_bytes)

    def __del__(self):
        _close(self._futures.values())

    def __len__(self):
        return len(self._futures)

    def get(self, key, make):
        """Return the image of a key, and make it for a miss.

        Parameters
        ----------
        key : hashable
        make : callable
            Returns an object with `nbytes` and `close`. An error is raised in all threads that wait
            for the image, and is not kept.

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
                self._made.add(key)
        if is_miss:
            self._evict(self._n_kept - 1)  # to make room, as decoding needs memory of its own
            try:
                future.set_result(make())
            except BaseException as exc:
                future.set_exception(exc)
                with _lock:
                    self._futures.pop(key, None)
                raise
            self._evict(self._n_kept)
        return future.result()

    def has_had(self, key):
        """Whether an image has been made since `clear`."""
        return (os.getpid(), key) in self._made

    def clear(self):
        """Remove all images."""
        with _lock:
            futures = list(self._futures.values())
            self._futures.clear()
            self._made.clear()
        _close(futures)

    def _evict(self, n_kept):
        """Remove the oldest images until `n_kept` are left, or all have few bytes."""
        evicted = []
        with _lock:
            made = [key for key, future in self._futures.items() if future.done()]
            n_bytes = sum(self._futures[key].result().nbytes for key in made)
            for key in made[: max(0, len(made) - n_kept)]:
                if n_bytes <= self._max_bytes:
                    break
                evicted.append(self._futures.pop(key))
                n_bytes -= evicted[-1].result().nbytes
        _close(evicted)


def _close(futures):
    for future in futures:
        if future.done() and future.exception() is None:
            future.result().close()
