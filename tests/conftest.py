"""Settings for libraries, made before they are imported, and a feature cache for each test."""

import os
import tempfile

import pytest

os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("SCIPY_ARRAY_API", "1")  # without it scikit-learn skips checks
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
_user_cache = tempfile.TemporaryDirectory()  # removed with the module
os.environ["XDG_CACHE_HOME"] = _user_cache.name


@pytest.fixture(autouse=True)
def _memory_cache(request):
    """Give each test its own memory cache.

    It is an empty one for tests that are marked `cache`. For others it has no hits, so that features
    that a test compares are computed each time.
    """
    from sklearn_resnet._features.cache import MemoryStore, set_memory_store

    class StoreWithoutHits(MemoryStore):
        def get_many(self, keys):
            return [None] * len(keys)

    is_used = request.node.get_closest_marker("cache") is not None
    former = set_memory_store(MemoryStore() if is_used else StoreWithoutHits())
    yield
    set_memory_store(former)
