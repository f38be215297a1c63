"""The cache of decoded images in this process, so that a search decodes each file once."""

from cachetools import LRUCache

from sklearn_resnet._runtime.threads import make_fork_safe_lock

MAX_BYTES = 256 * 2**20
_ENTRY_BYTES = 400  # that Python needs for a key, an array and their entry


class ImageCache:
    """LRU cache in this process, from keys to images.

    Parameters
    ----------
    max_bytes : int
    lock : lock, default=None
        None makes one that a fork waits for, which is never freed.
    """

    def __init__(self, max_bytes, lock=None):
        self._lock = make_fork_safe_lock() if lock is None else lock
        self._images = LRUCache(max_bytes, lambda image: image.nbytes + _ENTRY_BYTES)

    @property
    def max_bytes(self):
        """The bound."""
        return self._images.maxsize

    @property
    def n_bytes(self):
        """The size of all images, with their entries."""
        return self._images.currsize

    def __len__(self):
        return len(self._images)

    def get(self, key):
        """Return an image that nobody may write to; None for a miss."""
        with self._lock:
            return self._images.get(key)

    def put(self, key, image):
        """Store an image, and evict the least recently used ones beyond the bound."""
        if image.nbytes + _ENTRY_BYTES <= self.max_bytes:
            with self._lock:
                self._images[key] = image

    def clear(self):
        """Remove all images."""
        with self._lock:
            self._images.clear()


image_cache = ImageCache(MAX_BYTES)
