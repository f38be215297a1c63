"""Settings that come before the first import of what they set."""

import os
import tempfile

import pytest

os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("SCIPY_ARRAY_API", "1")  # without it scikit-learn skips checks
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
_user_cache = tempfile.TemporaryDirectory()  # removed with the module
os.environ["XDG_CACHE_HOME"] = _user_cache.name


@pytest.fixture(autouse=True)
def _no_cached_features(request, monkeypatch):
    """Let the memory cache find nothing, so that what a test compares is computed each time.

    Tests that are marked `cache` start with an empty one.
    """
    from sklearn_resnet import clear_cache
    from sklearn_resnet._features import cache as _feature_cache

    clear_cache()
    if request.node.get_closest_marker("cache") is None:
        nothing = lambda store, keys: [None] * len(keys)  # noqa: E731
        monkeypatch.setattr(_feature_cache._MemoryStore, "find", nothing)
