"""The decoded images in memory: each file is decoded once, and never served when it has changed."""

import os
import threading

import numpy as np
import pytest
from PIL import Image, ImageFile
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_resnet import ImageLoader, ImageReadError, ResNetFeatures, clear_cache
from sklearn_resnet._images.decoding import reading as decoding
from sklearn_resnet._images.image_cache import MAX_BYTES, ImageCache, image_cache

pytestmark = pytest.mark.cache
N = 12
OPTIONS = [
    {"size": (9, 12)},
    {"size": 8},
    {"size": 8, "mode": "L"},
    {"size": 8, "resize": "pad"},
    {"size": (8, 9)},
]


@pytest.fixture
def paths(tmp_path):
    rng = np.random.default_rng(0)
    paths = [str(tmp_path / f"{i}.png") for i in range(N)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).save(path)
    return paths


@pytest.fixture
def decoded(monkeypatch):
    """The names of the files that were decoded, in order."""
    names = []
    decode = decoding._decode_and_fit

    def record(file, name, *options):
        names.append(name)
        return decode(file, name, *options)

    monkeypatch.setattr(decoding, "_decode_and_fit", record)
    return names


@pytest.fixture
def small_cache(monkeypatch):
    """Make the cache too small for 12 images of 9 x 12 pixels, but not for 6."""
    monkeypatch.setattr(image_cache, "_images", ImageCache(10 * 9 * 12 * 3)._images)


def load(paths, size=8, **parameters):
    return ImageLoader(size, **parameters).fit_transform(paths)


@pytest.mark.parametrize("size", [8, None])
@pytest.mark.parametrize("output", ["default", "pandas"])
def test_a_search_decodes_each_file_once(paths, decoded, size, output):
    loader = ImageLoader(size, n_jobs=1).set_output(transform=output)
    model = make_pipeline(loader, ResNetFeatures(weights=None, random_state=0), RidgeClassifier())
    parameters = {"resnetfeatures__layers": [4, 9], "ridgeclassifier__alpha": [0.1, 1, 10]}
    search = GridSearchCV(model, parameters, cv=3, error_score="raise")
    search.fit(paths, np.arange(N) % 2)
    assert sorted(decoded) == sorted(paths)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("earlier", OPTIONS, ids=str)
def test_hits_are_the_images_that_would_be_decoded(paths, earlier, options):
    expected = load(paths, **options)
    clear_cache()
    load(paths, **earlier)
    for _ in range(2):
        np.testing.assert_array_equal(load(paths, **options), expected)


def test_a_changed_file_of_the_same_size_and_time_is_decoded_again(tmp_path):
    path = tmp_path / "a.bmp"
    Image.new("RGB", (8, 8), "red").save(path)
    before = path.stat()
    assert (load([path]) == [255, 0, 0]).all()
    Image.new("RGB", (8, 8), "blue").save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert (load([path]) == [0, 0, 255]).all()


def test_a_moved_file_is_a_hit(paths, decoded):
    images = load(paths)
    os.rename(paths[0], paths[0] + "_moved.png")
    decoded.clear()
    np.testing.assert_array_equal(load([paths[0] + "_moved.png", *paths[1:]]), images)
    assert decoded == []


def test_a_url_is_hit_by_its_content(decoded):
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("upath")
    url = "memory://photos/a.png"
    for color, n_decoded in [("red", 1), ("red", 1), ("blue", 2)]:
        with fsspec.open(url, "wb") as file:
            Image.new("RGB", (8, 8), color).save(file, "PNG")
        assert load([url])[0, 0, 0].tolist() == [255 * (color == "red"), 0, 255 * (color == "blue")]
        assert len(decoded) == n_decoded


def test_a_file_that_changes_after_it_was_hashed_is_not_stored(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8), "red").save(path)
    red, decode = path.read_bytes(), decoding._decode_and_fit

    def replace_and_decode(*args):
        path.write_bytes(red + b"more")
        return decode(*args)

    monkeypatch.setattr(decoding, "_decode_and_fit", replace_and_decode)
    with pytest.raises(ImageReadError, match="it changed while it was read"):
        load([path])
    assert len(image_cache) == 0


def test_limits_hold_for_hits(paths):
    load(paths, max_pixels=9 * 12)
    with pytest.raises(ImageReadError, match="more than the limit of 107"):
        load(paths, max_pixels=9 * 12 - 1)


def test_a_name_that_decides_the_format_is_part_of_the_key(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((8, 8)))
    load([tmp_path / "a.npy"])
    os.rename(tmp_path / "a.npy", tmp_path / "a.png")
    with pytest.raises(ImageReadError, match="it is an array of NumPy"):
        load([tmp_path / "a.png"])


def test_a_truncated_image_is_no_hit_when_pillow_is_strict_again(tmp_path, monkeypatch):
    path = tmp_path / "a.jpg"
    Image.effect_noise((64, 64), 99).save(path)
    path.write_bytes(path.read_bytes()[:-500])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    load([path])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    with pytest.raises(ImageReadError, match="truncated"):
        load([path])


def test_a_decompression_bomb_is_no_hit_once_pillow_forbids_it(paths, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    load(paths)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 9 * 12 // 2 - 1)
    with pytest.raises(ImageReadError, match="decompression bomb"):
        load(paths)


def test_an_unreadable_file_is_an_error_each_time(paths):
    with open(paths[3], "w") as file:
        file.write("no image")
    for _ in range(2):
        with pytest.raises(ImageReadError, match=r"3\.png"):
            load(paths)


def test_results_can_be_written_to(paths):
    expected = load(paths).copy()
    for _ in range(2):
        images = load(paths)
        np.testing.assert_array_equal(images, expected)
        images[:] = 7


def test_images_that_are_read_in_batches_are_not_stored(paths):
    for size in (8, None):
        images = ImageLoader(size, lazy=True).fit_transform(paths)
        for _ in images.batches(5):
            pass
        ResNetFeatures(4, weights=None, random_state=0).fit_transform(images)
        list(images)
        images[0]
    assert len(image_cache) == 0
    np.asarray(images)
    assert len(image_cache) == N


def test_arrays_are_not_stored():
    load(list(np.zeros((3, 9, 9))))
    assert len(image_cache) == 0


def test_images_that_exceed_the_bound_together_are_not_stored(paths, small_cache):
    load(paths, size=None)
    assert len(image_cache) <= 1  # the one whose size is that of all
    load(paths, size=(9, 12))
    assert len(image_cache) <= 1
    load(paths[:6], size=(9, 12))
    assert len(image_cache) > 1
    assert image_cache.n_bytes <= image_cache.max_bytes


def test_a_file_larger_than_the_cache_is_neither_hashed_nor_stored(tmp_path, small_cache):
    np.save(tmp_path / "large.npy", np.zeros((30, 30)))
    np.save(tmp_path / "small.npy", np.zeros((9, 9)))
    load([tmp_path / "large.npy"])
    assert len(image_cache) == 0
    load([tmp_path / "small.npy"])
    assert len(image_cache) == 1


def test_clear_cache_frees_the_images(paths, decoded, tmp_path):
    load(paths)
    assert len(image_cache) == N
    assert image_cache.n_bytes > N * 8 * 8 * 3
    clear_cache(tmp_path)
    assert len(image_cache) == N
    clear_cache()
    assert len(image_cache) == image_cache.n_bytes == 0
    decoded.clear()
    load(paths)
    assert len(decoded) == N


def test_the_least_recently_used_image_is_evicted():
    cache = ImageCache(4 * 1000)
    for key in (b"a", b"b", b"c"):
        cache.put(key, np.zeros(900, np.uint8))
    assert cache.get(b"a") is not None
    cache.put(b"d", np.zeros(900, np.uint8))
    assert [cache.get(key) is not None for key in (b"a", b"b", b"c", b"d")] == [
        True,
        False,
        True,
        True,
    ]
    cache.put(b"large", np.zeros(4001, np.uint8))
    assert cache.get(b"large") is None
    assert len(cache) == 3
    assert cache.n_bytes <= cache.max_bytes


def test_the_bound_of_the_process():
    assert image_cache.max_bytes == MAX_BYTES == 256 * 2**20


def test_threads_share_it():
    def work(i):
        try:
            for j in range(300):
                key, image = bytes([i, j % 256]), np.full(100, j % 256, np.uint8)
                cache.put(key, image)
                found = cache.get(key)
                assert found is None or (found == image).all()
                assert cache.n_bytes <= cache.max_bytes
        except Exception as exc:
            errors.append(exc)

    errors, cache = [], ImageCache(20 * 500)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_an_image_in_the_cache_is_too_large_for_a_lower_limit(paths):
    load(paths, max_pixels=9 * 12)
    with pytest.raises(ImageReadError, match="more than the limit of 107"):
        load(paths, max_pixels=9 * 12 - 1)


def test_an_image_that_fits_only_without_its_entry_is_not_kept():
    cache = ImageCache(1000)
    cache.put(b"key", np.zeros(1000, np.uint8))
    assert len(cache) == 0
    cache.put(b"key", np.zeros(500, np.uint8))
    assert len(cache) == 1
