"""Results that threads share: each is made once, and the last ones are kept."""

import os
from collections import OrderedDict
from concurrent.futures import Future

from sklearn_resnet._runtime.threads import make_fork_safe_lock


class SharedResults:
    """The last results of a function by key; threads that need the same one wait for the first.

    A pickle is empty.

    Parameters
    ----------
    n_kept : int
        The number of results that are kept whatever their size.
    max_bytes : int
        More are kept up to this size in total.
    """

    def __init__(self, n_kept, max_bytes):
        self._n_kept = n_kept
        self._max_bytes = max_bytes
        self._lock = make_fork_safe_lock()
        self._futures = OrderedDict()

    def __reduce__(self):
        return type(self), (self._n_kept, self._max_bytes)

    def __len__(self):
        return len(self._futures)

    def get(self, key, make):
        """Return the result for a key, and make it if it is not there.

        Parameters
        ----------
        key : hashable
        make : callable
            Returns an object with `nbytes`. Nothing is kept if it raises an error.

        Returns
        -------
        object
        """
        key = os.getpid(), key  # no thread of a forked process will finish those of its parent
        with self._lock:
            future = self._futures.get(key)
            is_missing = future is None
            if is_missing:
                future = self._futures[key] = Future()
            self._futures.move_to_end(key)
        if is_missing:
            try:
                future.set_result(make())
            except BaseException as exc:
                future.set_exception(exc)
                with self._lock:
                    self._futures.pop(key, None)
                raise
            self._evict()
        return future.result()

    def clear(self):
        """Remove all results."""
        with self._lock:
            self._futures.clear()

    def _evict(self):
        """Remove the least recently used results beyond the bounds."""
        with self._lock:
            made = [key for key, future in self._futures.items() if future.done()]
            n_bytes = sum(self._futures[key].result().nbytes for key in made)
            for key in made[: max(0, len(made) - self._n_kept)]:
                if n_bytes <= self._max_bytes:
                    break
                n_bytes -= self._futures.pop(key).result().nbytes
