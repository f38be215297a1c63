"""Settings for libraries, made before they are imported, and a feature cache for each test."""

import gc
import os
import tempfile

import pytest

gc.set_threshold(100_000, 50, 100)  # full collections are slow once tensorflow is imported

os.environ.setdefault("MPLBACKEND", "agg")
# threads that spin would take the cores of the other tests
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("SCIPY_ARRAY_API", "1")  # without it scikit-learn skips checks
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["https_proxy"] = "http://127.0.0.1:9"  # tests are offline: nothing listens there
_user_cache = tempfile.TemporaryDirectory()  # removed with the module
os.environ["XDG_CACHE_HOME"] = _user_cache.name
os.environ["KERAS_HOME"] = os.path.join(_user_cache.name, "keras")


@pytest.fixture(autouse=True)
def _memory_cache(request, monkeypatch):
    """Empty the memory caches before each test.

    Except in tests that are marked `cache`, they have no hits, so that images and features that a
    test compares are decoded and computed each time.
    """
    from sklearn_resnet import clear_cache
    from sklearn_resnet._features.cache import open_store
    from sklearn_resnet._images.image_cache import image_cache

    clear_cache()
    if request.node.get_closest_marker("cache") is None:
        monkeypatch.setattr(image_cache, "get", lambda key: None)
        with open_store("memory") as store:
            monkeypatch.setattr(store, "get_all", lambda *args: False)
            monkeypatch.setattr(store, "get_many", _miss)


def _miss(key, taps, digests, *args):
    import numpy as np

    return np.zeros(len(digests), bool)
