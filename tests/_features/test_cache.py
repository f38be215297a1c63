"""The feature cache: its rows, its bounds, and the failures of a folder."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sklearn_resnet import ImageLoader, ResNetFeatures, cache_info, clear_cache
from sklearn_resnet._features.cache import (
    check_cache,
    max_cache_bytes,
    open_store,
    warn_if_cache_is_too_small,
)
from sklearn_resnet._features.memory_store import ENTRY_BYTES
from sklearn_resnet._images.image_cache import image_cache

pytestmark = pytest.mark.cache
KEY = b"k" * 16
KEYS = [bytes([i]) * 16 for i in range(20)]
ROWS = [bytes([i]) * 400 for i in range(20)]
PLENTY = 2**30
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 12, 12), dtype=np.uint8)


@pytest.fixture(params=["memory", "folder"])
def cache(request, tmp_path):
    return "memory" if request.param == "memory" else tmp_path / "new" / "features"


def small(layers=4, **parameters):
    return ResNetFeatures(layers, weights=None, random_state=0, **parameters)


def put(cache, keys=KEYS, rows=ROWS, max_bytes=PLENTY):
    with open_store(cache) as store:
        put_rows(store, keys, rows, max_bytes)


def put_rows(store, digests, rows, max_bytes=PLENTY):
    rows = np.frombuffer(b"".join(rows), np.float32).reshape(len(digests), -1)
    store.put(KEY, list(digests), {0: rows}, max_bytes)


def get_many(cache, keys=KEYS, width=100):
    with open_store(cache) as store:
        return get_rows(store, keys, width)


def get_rows(store, digests, width=100):
    """Look up rows; None for a miss."""
    out = np.empty((len(digests), width), np.float32)
    is_hit = store.get_many(KEY, [0], list(digests), out)
    return [row.tobytes() if hit else None for row, hit in zip(out, is_hit, strict=True)]


def test_rows_that_were_put_are_hits(cache):
    assert get_many(cache) == [None] * 20
    put(cache, KEYS[:10], ROWS[:10])
    assert get_many(cache, KEYS[::-1]) == [None] * 10 + ROWS[:10][::-1]
    put(cache)
    assert get_many(cache) == ROWS


def test_more_keys_than_fit_into_one_query(cache):
    keys = [i.to_bytes(16, "big") for i in range(5000)]
    rows = [i.to_bytes(4, "big") for i in range(5000)]
    put(cache, keys, rows)
    assert get_many(cache, keys, width=1) == rows


@pytest.mark.parametrize("n_sought", [100, 2500, 20_000])
def test_the_last_of_equal_images_is_found_among_few_and_many(tmp_path, n_sought):
    keys = [i.to_bytes(16, "big") for i in range(20_000)]
    rows = [i.to_bytes(4, "big") for i in range(20_000)]
    put(tmp_path, keys, rows)
    put(tmp_path, keys[50:60], rows[150:160])
    expected = [*rows[:50], *rows[150:160], *rows[60:n_sought]]
    assert get_many(tmp_path, keys[:n_sought], width=1) == expected
    absent = [i.to_bytes(16, "little") for i in range(1, n_sought)]
    assert get_many(tmp_path, [keys[5], *absent], width=1) == [rows[5], *[None] * (n_sought - 1)]
    with open_store(tmp_path) as store:
        assert not store.get_many(b"other key, 16 by", [0], keys[:n_sought]).any()


def test_damaged_digests_among_many_are_misses(tmp_path):
    keys = [i.to_bytes(16, "big") for i in range(20_000)]
    rows = [i.to_bytes(4, "big") for i in range(20_000)]
    put(tmp_path, keys, rows)
    with sqlite3.connect(tmp_path / "features-2.sqlite") as connection:
        connection.execute("UPDATE blocks SET digests = 'text' WHERE id = 1")
    connection.close()
    found = get_many(tmp_path, keys, width=1)
    n_missing = found.count(None)
    assert 0 < n_missing < len(rows)
    assert found[n_missing:] == rows[n_missing:]


def test_info_counts(cache):
    with open_store(cache):
        pass
    put(cache, KEYS[:10], ROWS[:10])
    get_many(cache)
    get_many(cache, KEYS[:3])
    info = cache_info(cache)
    assert (info.hits, info.misses, info.n_features) == (13, 10, 10)
    assert info.n_bytes >= 4000
    assert info.where == ("memory" if cache == "memory" else str(cache / "features-2.sqlite"))


def test_clear(cache):
    put(cache)
    clear_cache(cache)
    assert cache_info(cache).n_features == 0
    assert get_many(cache) == [None] * 20
    put(cache)
    assert get_many(cache) == ROWS


@pytest.mark.parametrize("function", [cache_info, clear_cache])
def test_a_folder_must_be_there(function, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"'cache' parameter .*This folder does not exist"):
        function(tmp_path / "no")
    assert list(tmp_path.iterdir()) == []


def test_the_memory_evicts_the_least_recently_used():
    put("memory", KEYS[:10], ROWS[:10])
    get_many("memory", KEYS[:5])
    put("memory", KEYS[10:11], ROWS[10:11], max_bytes=6 * (400 + 250))
    assert get_many("memory", KEYS[:11]) == [*ROWS[:5], *[None] * 5, ROWS[10]]
    assert cache_info().n_bytes == 6 * (400 + 250)
    put("memory", KEYS[:1], ROWS[:1], max_bytes=0)
    assert cache_info().n_features == cache_info().n_bytes == 0


def test_a_folder_evicts_the_oldest(tmp_path):
    rows = [os.urandom(4000) for _ in range(1000)]
    keys = [os.urandom(16) for _ in range(1000)]
    for i in range(0, 1000, 100):
        put(tmp_path, keys[i : i + 100], rows[i : i + 100], max_bytes=2**21)
        assert cache_info(tmp_path).n_bytes <= 2**21
    found = [row is not None for row in get_many(tmp_path, keys, width=1000)]
    assert found[-100:] == [True] * 100
    assert found == sorted(found)
    assert 300 < sum(found) < 600
    assert (tmp_path / "features-2.sqlite").stat().st_size < 2**21 + 2**20


def test_bounds():
    assert max_cache_bytes("memory", None) == 256 * 2**20
    assert max_cache_bytes("folder", None) == 4096 * 2**20
    assert max_cache_bytes("memory", 0.5) == 2**19
    for cache in ("memory", "folder", Path("memory")):
        assert max_cache_bytes(cache, 0) == 0
    assert max_cache_bytes(Path("memory"), None) == 4096 * 2**20


def test_a_cache_of_no_size_holds_nothing(cache):
    small(cache=cache, cache_size=0).fit_transform(IMAGES)
    assert cache_info(cache).n_features == 0


def test_a_folder_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    put("~/features")
    assert [path.name for path in tmp_path.iterdir()] == ["features"]
    assert cache_info("~/features").where == str(tmp_path / "features" / "features-2.sqlite")
    assert cache_info("features").where == cache_info("~/features").where
    assert cache_info("~/features").n_features == 20
    clear_cache("~/features")
    assert list((tmp_path / "features").iterdir()) == []


def test_a_row_that_is_put_again_counts_once():
    for _ in range(3):
        put("memory", KEYS[:1], ROWS[:1])
    assert cache_info().n_bytes == 400 + 250


def test_clearing_the_memory_empties_the_cache_of_decoded_images(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(IMAGES[0]).save(path)
    ImageLoader(8).fit_transform([path])
    assert len(image_cache) == 1
    clear_cache()
    assert len(image_cache) == 0


@pytest.mark.parametrize(("cache", "n_bytes"), [("memory", ENTRY_BYTES), ("folder", 60)])
def test_a_warning_of_a_small_cache_goes_by_all_bytes(cache, n_bytes):
    size = 2**20 - n_bytes
    warn_if_cache_is_too_small(cache, 1, size, 2**20)
    with pytest.warns(UserWarning, match="take 2 MiB, but the cache holds 1 MiB.*cache_size=4"):
        warn_if_cache_is_too_small(cache, 2, size, 2**20)


def test_an_existing_folder_may_have_a_name_like_memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "memry").mkdir()
    check_cache("memry")
    with pytest.raises(ValueError, match=r"Did you mean 'memory'\? A folder could be './memori'"):
        check_cache("memori")


@pytest.mark.parametrize(
    "cache", ["", "s3://bucket/cache", Path("s3://bucket/cache"), "hf://org/name"]
)
def test_a_cache_that_is_no_folder_makes_none(cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="'cache' .* None or the path of a local folder"):
        check_cache(cache)
    check_cache("C:/cache")


def test_threads_share_the_memory(cache):
    import threading

    errors = []

    def work(i):
        try:
            for j in range(30):
                key, row = bytes([i, j]) * 8, bytes([i, j]) * 50
                put(cache, [key], [row])
                assert get_many(cache, [key], width=25) == [row]
        except Exception as exc:
            errors.append(exc)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert cache_info(cache).n_features == 120


_FORK = """
import os, signal, threading, warnings
from sklearn_resnet import cache_info
from sklearn_resnet._features.cache import open_store

warnings.simplefilter("ignore")  # about a fork with threads
is_held, is_forking = threading.Event(), threading.Event()
with open_store("memory") as store:
    def hold():
        with store.lock:
            is_held.set()
            is_forking.wait(0.5)  # never set: the fork waits for the lock

    threading.Thread(target=hold).start()
    is_held.wait()
child = os.fork()
if not child:
    signal.alarm(10)
    cache_info()
    os._exit(0)
cache_info()
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_while_a_thread_uses_the_memory():
    command = [sys.executable, "-c", _FORK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


# failures of a folder: features are computed all the same, with one warning


def transform_with_one_warning(cache, match):
    exact = small(cache=None).fit(IMAGES).transform(IMAGES)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        features = small(cache=cache).fit(IMAGES).transform(IMAGES)
    np.testing.assert_array_equal(features, exact)
    messages = [str(w.message) for w in caught]
    assert len(messages) == 1, messages
    assert "cannot be used" in messages[0]
    assert "clear_cache" in messages[0]
    assert match in messages[0]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    transform_with_one_warning(tmp_path / "file" / "cache", "Not a directory")


def test_a_database_that_cannot_be_written_to(tmp_path, monkeypatch):
    """As in a read-only folder, in which root, as whom tests may run, could write."""
    small(layers=3, cache=tmp_path).fit_transform(IMAGES)
    connect = sqlite3.connect
    reader = lambda path, **kw: connect(f"file:{path}?mode=ro", uri=True, **kw)  # noqa: E731
    monkeypatch.setattr(sqlite3, "connect", reader)
    transform_with_one_warning(tmp_path, "readonly database")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # there are hits only, and nothing to write
        small(layers=3, cache=tmp_path).fit_transform(IMAGES)


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_a_full_disk(tmp_path):
    """A limit on the size of files has the same effect."""
    program = (
        "import resource, sys, warnings, numpy as np\n"
        "from sklearn_resnet import ResNetFeatures, cache_info\n"
        "X = np.random.default_rng(0).integers(0, 256, (300, 12, 12), dtype=np.uint8)\n"
        "resnet = ResNetFeatures(16, weights=None, random_state=0, cache=sys.argv[1])\n"
        "resnet.fit(X[:10]).transform(X[:10])\n"
        "limit = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit))\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    features = resnet.transform(X)\n"
        "assert len(caught) == 1, caught\n"
        "assert 'free some space' in str(caught[0].message)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
        "assert cache_info(sys.argv[1]).n_features == 10\n"
        "assert np.array_equal(features, resnet.set_params(cache=None).transform(X))\n"
        "resnet.set_params(cache=sys.argv[1]).transform(X)\n"
        "assert cache_info(sys.argv[1]).n_features == 300\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_full_database_is_still_read(tmp_path):
    with open_store(tmp_path) as store:
        put_rows(store, KEYS[:1], ROWS[:1])
        store._connection.execute("PRAGMA max_page_count = 10")  # as on a full disk
        with pytest.warns(UserWarning, match="full"):
            put_rows(store, KEYS[1:2], [bytes(400_000)])
        assert get_rows(store, KEYS[:1]) == ROWS[:1]


def test_one_of_another_version(tmp_path):
    small(cache=tmp_path).fit_transform(IMAGES)
    with sqlite3.connect(tmp_path / "features-2.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (tmp_path / "features-2.sqlite").read_bytes()
    transform_with_one_warning(tmp_path, "another version of sklearn-resnet, in format 99")
    assert (tmp_path / "features-2.sqlite").read_bytes() == before


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "features-2.sqlite").write_bytes(os.urandom(20_000))
    transform_with_one_warning(tmp_path, "not a database")
    clear_cache(tmp_path)
    small(cache=tmp_path).fit_transform(IMAGES)
    assert cache_info(tmp_path).n_features == 6


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_database_never_gives_a_wrong_value(tmp_path, seed):
    put(tmp_path)
    rng = random.Random(seed)
    path = tmp_path / "features-2.sqlite"
    content = bytearray(path.read_bytes())
    if seed % 3 == 0:
        content = content[: rng.randrange(len(content))]
    else:
        n_bytes = [1, 4000][seed % 3 - 1]
        start = rng.randrange(len(content) - n_bytes)
        content[start : start + n_bytes] = rng.randbytes(n_bytes)
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = get_many(tmp_path)
        put(tmp_path)
        again = get_many(tmp_path)
    for rows in (found, again):
        assert all(row in (None, right) for row, right in zip(rows, ROWS, strict=True))


def test_a_changed_value_is_found_by_its_checksum_and_replaced(tmp_path):
    put(tmp_path)
    with sqlite3.connect(tmp_path / "features-2.sqlite") as connection:
        wrong = bytes([7]) * (20 * 400 + 16)
        connection.execute("UPDATE features SET value = ?", (wrong,))
    connection.close()
    with pytest.warns(UserWarning, match="does not match its checksum"):
        found = get_many(tmp_path)
    assert found == [None] * 20
    put(tmp_path)
    assert get_many(tmp_path) == ROWS


@pytest.mark.parametrize("row", [4, 99])
def test_a_value_of_another_image_is_not_taken(tmp_path, row):
    put(tmp_path)
    with sqlite3.connect(tmp_path / "features-2.sqlite") as connection:
        connection.execute("UPDATE images SET place = place - 3 + ? WHERE place % 1024 = 3", (row,))
    connection.close()
    assert get_many(tmp_path) == [*ROWS[:3], None, *ROWS[4:]]
    put(tmp_path)
    assert get_many(tmp_path) == ROWS


@pytest.mark.parametrize("changed", ["tap", "key", "digests"])
def test_a_block_of_another_tap_or_computation_is_not_taken(tmp_path, changed):
    put(tmp_path)
    key, tap = (b"o" * 16 if changed == "key" else KEY), int(changed == "tap")
    digests = KEYS[::-1] if changed == "digests" else KEYS
    with open_store(tmp_path) as store:
        store.put(key, digests, {tap: np.ones((20, 100), np.float32)}, PLENTY)
    with sqlite3.connect(tmp_path / "features-2.sqlite") as connection:
        connection.execute("DELETE FROM features WHERE block = 1")
        connection.execute("UPDATE features SET block = 1, tap = 0")
        connection.execute("UPDATE images SET place = place % (1024 * 1024) + 1024 * 1024")
    connection.close()
    with pytest.warns(UserWarning, match="does not match its checksum"):
        assert get_many(tmp_path) == [None] * 20


def test_a_database_of_a_former_format_is_left_alone_until_the_cache_is_cleared(tmp_path):
    (tmp_path / "features.sqlite").write_bytes(b"format 1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small(cache=tmp_path).fit_transform(IMAGES)
    assert (tmp_path / "features.sqlite").read_bytes() == b"format 1"
    clear_cache(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_databases_have_secrets_of_their_own(tmp_path):
    secrets = set()
    for folder in ("a", "b", "a"):
        with open_store(tmp_path / folder) as store:
            secrets.add(store.secret)
    with open_store("memory") as store:
        secrets.add(store.secret)
    assert len(secrets) == 3


@pytest.fixture
def impatient(monkeypatch):
    """Wait for a moment instead of a minute for other processes that write."""
    connect = sqlite3.connect
    hasty = lambda path, **kw: connect(path, **kw | {"timeout": 0.01})  # noqa: E731
    monkeypatch.setattr(sqlite3, "connect", hasty)


@pytest.mark.usefixtures("impatient")
def test_a_database_that_others_write_to_without_end_is_still_read(tmp_path):
    put(tmp_path, KEYS[:5], ROWS[:5])
    other = sqlite3.connect(tmp_path / "features-2.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with open_store(tmp_path) as store:
        with pytest.warns(UserWarning, match="cannot be used: database is locked"):
            put_rows(store, KEYS[5:], ROWS[5:])
        assert get_rows(store, KEYS) == [*ROWS[:5], *[None] * 15]
    other.execute("ROLLBACK")
    other.close()


@pytest.mark.usefixtures("impatient")
@pytest.mark.filterwarnings("error")
def test_a_write_that_fails_ends_its_transaction(tmp_path):
    """Or the lock would keep other processes waiting until the run ends."""
    with open_store(tmp_path) as store:
        with pytest.raises(TypeError):  # after the rows were written
            put_rows(store, KEYS[:9], ROWS[:9], None)
        put(tmp_path, KEYS[:3], ROWS[:3])
    assert get_many(tmp_path) == [*ROWS[:3], *[None] * 17]


def test_a_journal_does_not_outlive_its_database(tmp_path):
    put(tmp_path)
    (tmp_path / "features-2.sqlite-journal").write_bytes(b"old")
    clear_cache(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_database_outlives_a_journal_that_cannot_be_deleted(tmp_path):
    put(tmp_path)
    (tmp_path / "features-2.sqlite-journal").mkdir()
    with pytest.raises(OSError, match="features-2.sqlite-journal"):
        clear_cache(tmp_path)
    assert (tmp_path / "features-2.sqlite").exists()


_WRITER = """
import sys
import numpy as np
from sklearn_resnet._features.cache import open_store
seed, folder = int(sys.argv[1]), sys.argv[2]
with open_store(folder) as store:
    print("ready", flush=True)
    i = 0
    while True:
        numbers = [(seed, i + j) for j in range(20)]
        keys = [f"{s:08}{n:08}".encode() for s, n in numbers]
        rows = np.frombuffer(b"".join(key * 100 for key in keys), np.float32).reshape(20, 400)
        store.put(b"k" * 16, keys, {0: rows}, 2**22)
        i = (i + 20) % 2000
"""


@pytest.mark.long
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_writers_that_are_killed_leave_right_values_or_none(tmp_path):
    def start(seed):
        command = [sys.executable, "-W", "error", "-c", _WRITER, str(seed), str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout.readline()
        return process

    keys = [f"{s:08}{n:08}".encode() for s in range(3) for n in range(2000)]
    stayers, rng = [start(0), start(1)], random.Random(0)
    n_found = 0
    try:
        for _ in range(5):
            victim = start(2)
            time.sleep(rng.uniform(0, 0.1))  # anywhere in a transaction
            victim.kill()
            victim.communicate()
            rows = get_many(tmp_path, keys, width=400)
            assert all(row in (None, key * 100) for key, row in zip(keys, rows, strict=True))
            n_found += sum(row is not None for row in rows)
            assert [process.poll() for process in stayers] == [None, None]
    finally:
        for process in stayers:
            process.kill()
            process.communicate()
    assert n_found > 100


@pytest.mark.parametrize(
    ("n_bytes", "is_enough"),
    [(10 * (64 * 4 + ENTRY_BYTES), True), (10 * (64 * 4 + ENTRY_BYTES) - 1, False)],
)
def test_precompute_warns_of_a_cache_that_holds_too_few_features(n_bytes, is_enough):
    X = np.random.default_rng(0).integers(0, 256, (10, 12, 12), dtype=np.uint8)
    resnet = small(layers=4, cache_size=n_bytes / 2**20)
    assert resnet.fit_transform(X).nbytes == 10 * 64 * 4
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        resnet.precompute(X)
    assert (len(caught) == 0) == is_enough
    assert (cache_info().n_features == 10) == is_enough
