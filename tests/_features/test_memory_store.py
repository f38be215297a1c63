"""The feature cache in memory: its rows, its bound, and sequences of images seen before."""

import os
import sys
import threading

import numpy as np
import pytest

from sklearn_resnet import ResNetFeatures, cache_info
from sklearn_resnet._features.memory_store import ENTRY_BYTES, MemoryStore

pytestmark = pytest.mark.cache
KEY = b"k" * 16
PLENTY = 2**30
DIGESTS = [i.to_bytes(16, "big") for i in range(1000)]
ROWS = np.random.default_rng(0).random((1000, 10), np.float32)
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 12, 12), dtype=np.uint8)


@pytest.fixture
def store():
    return MemoryStore()


def put(store, chosen, max_bytes=PLENTY, key=KEY, taps=(0,)):
    features = {tap: ROWS[chosen] + np.float32(tap) for tap in taps}
    store.put(key, [DIGESTS[i] for i in range(1000)[chosen]], features, max_bytes)


def find(store, chosen, key=KEY):
    """Look up images, and compare the hits with what was put."""
    out = np.full((len(chosen), 10), np.nan, np.float32)
    is_hit = store.get_many(key, [0], [DIGESTS[i] for i in chosen], out)
    np.testing.assert_array_equal(out[is_hit], ROWS[chosen][is_hit])
    return is_hit


def test_any_order_with_repetitions_and_misses(store):
    put(store, slice(0, 500))
    assert find(store, [3, 1, 3, 499, 0]).all()
    assert find(store, [3, 600, 3, 999, 0]).tolist() == [True, False, True, False, True]
    assert not find(store, [3], key=b"o" * 16).any()
    assert not find(store, [700, 701]).any()


def test_taps_side_by_side_in_the_order_asked_for(store):
    put(store, slice(0, 20), taps=(1, 4))
    for chosen in ([5, 2], [5, 900]):
        out = np.zeros((2, 20), np.float32)
        is_hit = store.get_many(KEY, [4, 1], [DIGESTS[i] for i in chosen], out)
        expected = np.concatenate([ROWS[chosen] + np.float32(4), ROWS[chosen] + np.float32(1)], 1)
        np.testing.assert_array_equal(out[is_hit], expected[is_hit])
    info = store.info()
    assert (info.hits, info.misses, info.n_features) == (6, 2, 40)


def test_all_images_are_found_by_one_look_up_once_all_were_hits(store):
    put(store, slice(0, 20))
    out = np.empty((3, 10), np.float32)
    asked = [DIGESTS[i] for i in (7, 7, 3)]
    assert not store.get_all(KEY, [0], b"whole", out)
    store.get_many(KEY, [0], [*asked[:2], DIGESTS[99]], out, b"other")
    assert not store.get_all(KEY, [0], b"other", out)
    store.get_many(KEY, [0], asked, out, b"whole")
    out[:] = np.nan
    assert store.get_all(KEY, [0], b"whole", out)
    np.testing.assert_array_equal(out, ROWS[[7, 7, 3]])
    assert not store.get_all(b"o" * 16, [0], b"whole", out)
    assert (store.info().hits, store.info().misses) == (2 + 3 + 3, 1)


def test_an_eviction_forgets_where_sequences_of_images_were(store):
    put(store, slice(0, 10))
    asked, out = DIGESTS[8:10], np.empty((2, 10), np.float32)
    store.get_many(KEY, [0], asked, out, b"whole")
    put(store, slice(10, 15), max_bytes=10 * (40 + ENTRY_BYTES))
    assert not store.get_all(KEY, [0], b"whole", out)
    assert find(store, [8, 9, 10]).all()  # in other rows than before
    assert not find(store, [0]).any()


def test_a_look_up_of_all_is_a_use(store):
    put(store, slice(0, 10))
    out = np.empty((2, 10), np.float32)
    store.get_many(KEY, [0], DIGESTS[:2], out, b"whole")
    find(store, [5, 6, 7])
    store.get_all(KEY, [0], b"whole", out)
    put(store, slice(10, 13), max_bytes=5 * (40 + ENTRY_BYTES))
    assert find(store, range(13)).tolist() == [True] * 2 + [False] * 8 + [True] * 3


def test_the_least_recently_used_of_all_computations_are_evicted(store):
    put(store, slice(0, 5), key=b"a" * 16)
    put(store, slice(0, 5), key=b"b" * 16)
    find(store, [0, 1], key=b"a" * 16)
    put(store, slice(5, 6), key=b"b" * 16, max_bytes=5 * (40 + ENTRY_BYTES))
    assert find(store, range(6), key=b"a" * 16).tolist() == [True] * 2 + [False] * 4
    assert find(store, range(6), key=b"b" * 16).tolist() == [False] * 3 + [True] * 3


def test_the_size_counts_all_memory_and_stays_in_the_bound(store):
    bound = 300 * (40 + ENTRY_BYTES)
    for start in range(0, 1000, 10):
        put(store, slice(start, start + 10), bound)
        arrays = sum(a.nbytes for t in store._tables.values() for a in t.features.values())
        n_features = store.info().n_features
        assert store.info().n_bytes == arrays + n_features * ENTRY_BYTES <= bound
    assert 280 <= n_features <= 300
    assert find(store, range(1000)).tolist() == [False] * (1000 - n_features) + [True] * n_features


def test_sequences_that_are_remembered_have_a_bound(store):
    put(store, slice(0, 10))
    out = np.empty((10, 10), np.float32)
    for i in range(100):
        store.get_many(KEY, [0], DIGESTS[:10], out, b"%d" % i)
    (table,) = store._tables.values()
    assert sum(map(len, table.seen.values())) <= 160
    assert store.get_all(KEY, [0], b"99", out)
    assert not store.get_all(KEY, [0], b"0", out)


def test_threads_that_put_evict_and_look_up(store):
    errors = []

    def work(seed):
        rng = np.random.default_rng(seed)
        try:
            for _ in range(200):
                start = int(rng.integers(0, 990))
                put(store, slice(start, start + 10), 200 * (40 + ENTRY_BYTES))
                chosen = rng.integers(0, 1000, 30)
                find(store, chosen)
                out = np.empty((30, 10), np.float32)
                digests = [DIGESTS[i] for i in chosen]
                is_hit = store.get_many(KEY, [0], digests, out, digests[0])
                np.testing.assert_array_equal(out[is_hit], ROWS[chosen][is_hit])
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_has_the_features_of_its_parent(store):
    put(store, slice(0, 20))
    child = os.fork()
    if not child:
        os._exit(0 if find(store, [3, 4]).all() else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("cache", ["memory", "folder"])
def test_an_array_that_changes_between_calls_never_gives_its_former_features(cache, tmp_path):
    cache = "memory" if cache == "memory" else tmp_path
    resnet = ResNetFeatures(4, weights=None, random_state=0, cache=cache).fit(IMAGES)
    X = IMAGES.copy()
    for i in range(4):
        for _ in range(2):  # the second time as a whole
            exact = resnet.set_params(cache=None).transform(X)
            np.testing.assert_array_equal(resnet.set_params(cache=cache).transform(X), exact)
        X[i, 0, 0] ^= 1
        X[10:12] = X[11:9:-1].copy()  # the same images in another order


def test_the_same_bytes_of_other_shapes_are_no_hits_as_a_whole():
    kinds = [IMAGES, IMAGES.reshape(20, 24, 12), IMAGES.reshape(40, 9, 16), IMAGES.view(np.int8)]
    parameters = {"weights": None, "random_state": 0, "image_size": 8, "value_range": (0, 255)}
    for X in kinds * 2:
        exact = ResNetFeatures(4, cache=None, **parameters).fit_transform(X)
        for _ in range(2):
            found = ResNetFeatures(4, **parameters).fit_transform(X)
            np.testing.assert_array_equal(found, exact)


def test_images_padded_with_zeros_are_others():
    """Of 5, 6 and 7 bytes, which are padded to whole words."""
    parameters = {"weights": None, "random_state": 0, "value_range": (0, 255), "pooling": "max"}
    for width in (5, 6, 7, 6, 5):
        X = np.zeros((2, 1, width), np.uint8)
        X[1, 0, 0] = 9
        exact = ResNetFeatures(2, cache=None, **parameters).fit_transform(X)
        found = ResNetFeatures(2, **parameters).fit_transform(X)
        np.testing.assert_array_equal(found, exact)


def test_hits_as_a_whole_are_counted():
    resnet = ResNetFeatures(4, weights=None, random_state=0, tap_layers=[2, 4]).fit(IMAGES)
    for _ in range(4):
        resnet.transform(IMAGES)
    info = cache_info()
    assert (info.hits, info.misses, info.n_features) == (120, 40, 80)


def test_images_that_are_put_again(store):
    for start in (0, 5, 15):
        put(store, slice(start, start + 10))
    assert find(store, range(25)).all()


class _Unresizable:
    shape = (10, 10)

    def resize(self, *args, **kwargs):
        raise MemoryError


class _Interrupted(list):
    """Raises KeyboardInterrupt while it is gone through."""

    def __iter__(self):
        yield from list(self[: len(self) // 2])
        raise KeyboardInterrupt


def test_an_interrupted_write_leaves_no_images_without_features(store):
    put(store, slice(0, 10))
    with pytest.raises(KeyboardInterrupt):
        store.put(KEY, _Interrupted(DIGESTS[10:20]), {0: ROWS[10:20]}, PLENTY)
    assert find(store, range(20)).tolist() == [True] * 10 + [False] * 10
    put(store, slice(5, 30))
    assert find(store, range(30)).all()


def test_an_interrupted_first_write_leaves_no_hits(store):
    with pytest.raises(KeyboardInterrupt):
        store.put(KEY, _Interrupted(DIGESTS[:10]), {0: ROWS[:10]}, PLENTY)
    assert not find(store, range(10)).any()


def test_a_write_without_memory_leaves_no_images_without_features(store):
    put(store, slice(0, 10))
    table = store._tables[KEY]
    rows, table.features[0] = table.features[0], _Unresizable()
    with pytest.raises(MemoryError):
        put(store, slice(0, 20))
    table.features[0] = rows
    assert find(store, range(20)).tolist() == [True] * 10 + [False] * 10
    put(store, slice(0, 20))
    assert find(store, range(20)).all()


def test_sequences_of_one_image_count_their_entries(store):
    put(store, slice(0, 1000))
    out = np.empty((1, 10), np.float32)
    for i in range(1000):
        store.get_many(KEY, [0], [DIGESTS[i]], out, DIGESTS[i])
    (table,) = store._tables.values()
    assert sum(map(sys.getsizeof, [*table.seen, *table.seen.values()])) <= 64 * 1000
    store.get_many(KEY, [0], DIGESTS, np.empty((1000, 10), np.float32), b"all")
    assert store.get_all(KEY, [0], b"all")
