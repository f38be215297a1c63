"""LazyImages: like an array to its users, and decoded no sooner than needed."""

import pickle
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from channel_files import make_channels, save_arrays, save_ome
from lazy_images import watch
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_resnet import ImageLoader, ImageReadError, ResNetFeatures
from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._io.paths import as_path, file_version

N = 20


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for i in range(N):
        Image.fromarray(rng.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return [str(folder / f"{i}.png") for i in range(N)]


class Reads(list):
    """Paths in the order in which they were read."""

    def __init__(self):
        super().__init__()
        self._lock = threading.Lock()

    def record(self, path):
        with self._lock:
            self.append(path)


@pytest.fixture
def reads():
    return Reads()


def lazy(paths, size=8, **parameters):
    return ImageLoader(size, lazy=True, **parameters).fit_transform(paths)


def watched(before_read, paths, size=8, mode="RGB", n_threads=2):
    """Lazy images that call a function with each path before they read it."""
    options = {"size": size and (size, size), "resize": "crop", "mode": mode}
    return watch(LazyImages(paths, options, (0.0, 255.0), n_threads), before_read)


@pytest.mark.parametrize(("mode", "shape"), [("RGB", (N, 8, 8, 3)), ("L", (N, 8, 8))])
def test_it_looks_like_the_array_that_it_becomes(paths, reads, mode, shape):
    images = watched(reads.record, paths, mode=mode)
    assert (images.shape, images.ndim, images.dtype, len(images)) == (shape, len(shape), "uint8", N)
    assert reads == []
    array = np.asarray(images)
    np.testing.assert_array_equal(array, ImageLoader(8, mode=mode).fit_transform(paths))
    assert sorted(reads[:N]) == sorted(paths)
    assert np.asarray(images, dtype=np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="copy=False"):
        np.asarray(images, copy=False)


@pytest.mark.parametrize(
    "key",
    [
        slice(3, 9),
        slice(None, None, -3),
        [5, 2, 2, -1],
        np.array([7, 0]),
        np.arange(N) % 3 == 0,
        (np.array([4, 6]), ...),
        slice(0, 0),
    ],
    ids=str,
)
def test_it_is_indexed_as_its_array_without_decoding(paths, reads, key):
    images = watched(reads.record, paths)
    chosen = images[key]
    assert isinstance(chosen, LazyImages)
    assert reads == []
    np.testing.assert_array_equal(np.asarray(chosen), np.asarray(images)[key])


def test_one_image_is_an_array(paths):
    images = lazy(paths)
    np.testing.assert_array_equal(images[-2], np.asarray(images[-2:-1])[0])
    np.testing.assert_array_equal(images[np.int64(3)], list(images)[3])
    with pytest.raises(IndexError):
        images[N]
    for key in ((0, 1), (slice(None), slice(2, 5)), (slice(None), ..., slice(0, 1))):
        with pytest.raises(IndexError, match="first axis only"):
            images[key]


@pytest.mark.parametrize("n_jobs", [1, 4])
@pytest.mark.parametrize("batch_size", [1, 3, 20, 64])
def test_batches_hold_all_in_order_and_are_read_ahead_within_bounds(
    paths, reads, batch_size, n_jobs
):
    images = watched(reads.record, paths, n_threads=n_jobs)
    given = 0
    for batch in images.batches(batch_size):
        given += len(batch)
        assert len(batch) == batch_size or given == N
        assert len(reads) <= given + batch_size + 2 * n_jobs + 1
        np.testing.assert_array_equal(batch, np.asarray(lazy(paths))[given - len(batch) : given])
    assert given == N


def test_stopping_early_leaves_files_unread_and_no_thread(paths, reads):
    before = threading.active_count()
    batches = watched(reads.record, paths).batches(2)
    next(batches)
    batches.close()
    assert len(reads) < N
    assert threading.active_count() == before


def test_without_a_size_the_first_image_decides(paths, reads, tmp_path):
    images = watched(reads.record, paths, size=None)
    assert images.shape == (N, 12, 10, 3)
    assert reads == [paths[0]]
    Image.new("RGB", (7, 9)).save(tmp_path / "other.png")
    mixed = lazy([*paths[:2], str(tmp_path / "other.png")], size=None)
    message = r"0\.png' has 12 x 10 pixels and '.*other\.png' has 9 x 7 pixels"
    for use in (np.asarray, list, lambda images: images[2], lambda images: np.asarray(images[1:])):
        assert mixed.shape == (3, 12, 10, 3)
        with pytest.raises(ValueError, match=message):
            use(mixed)


def test_errors_number_arrays_as_they_first_came(paths):
    images = lazy([*paths[:3], np.full((4, 4, 3), np.nan)])
    for use in (np.asarray, lambda images: np.asarray(images[::-1]), lambda images: images[-1]):
        with pytest.raises(ValueError, match="Image 3 of X cannot be used: it holds NaN"):
            use(images)


def test_one_array_of_images_is_cut_lazily_too():
    array = np.random.default_rng(0).integers(0, 256, (5, 9, 9, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(lazy(array, size=None)[1:3]), array[1:3])


def test_resnet_features_are_those_of_the_array(paths, reads):
    resnet = ResNetFeatures(16, weights=None, random_state=0, batch_size=6)
    images = watched(reads.record, paths)
    expected = resnet.fit_transform(np.asarray(images))
    reads.clear()
    resnet.fit(images)
    assert reads == []
    np.testing.assert_array_equal(resnet.transform(images), expected)
    assert sorted(reads) == sorted(paths)
    np.testing.assert_array_equal(resnet.transform(images[[3, 1]]), expected[[3, 1]])
    resized = ResNetFeatures(16, weights=None, random_state=0, batch_size=6, image_size=14)
    np.testing.assert_array_equal(
        resized.fit_transform(images), resized.fit_transform(np.asarray(images))
    )


def test_scikit_learn_cuts_it_without_loading(paths, reads):
    y = np.arange(N) % 2
    images = watched(reads.record, paths)
    train, _, y_train, _ = train_test_split(images, y, random_state=0)
    assert isinstance(train, LazyImages)
    assert reads == []
    model = make_pipeline(
        ResNetFeatures(weights=None, random_state=0), PCA(2), LogisticRegression()
    )
    search = GridSearchCV(model, {"resnetfeatures__layers": [4, 16]}, cv=2, error_score="raise")
    search.fit(train, y_train)
    eager = GridSearchCV(model, search.param_grid, cv=2).fit(np.asarray(train), y_train)
    name = "mean_test_score"
    np.testing.assert_array_equal(search.cv_results_[name], eager.cv_results_[name])


def test_it_can_be_pickled(paths):
    images = lazy(paths)
    copy = pickle.loads(pickle.dumps(images))
    np.testing.assert_array_equal(np.asarray(copy), np.asarray(images))


@pytest.fixture
def broken(paths, tmp_path):
    """Paths of which 3 and 9 are one file that is no image, and 7 is absent."""
    (tmp_path / "bad.png").write_text("<html>")
    chosen = list(paths)
    chosen[3] = chosen[9] = str(tmp_path / "bad.png")
    chosen[7] = str(tmp_path / "none.png")
    return chosen


BAD = [3, 7, 9]
CACHES = [None, "memory", "folder"]


def make_resnet(cache, tmp_path, **parameters):
    cache = tmp_path / "cache" if cache == "folder" else cache
    return ResNetFeatures(4, weights=None, random_state=0, batch_size=6, cache=cache, **parameters)


def test_raise_names_the_file_its_position_and_the_cause(broken):
    uses = (
        np.asarray,
        list,
        lambda images: images[3],
        lambda images: images[2:][1],
        lambda images: list(images.batches(5)),
        lambda images: lazy(broken, size=None)[3:].shape,
    )
    for use in uses:
        with pytest.raises(ValueError) as raised:
            use(lazy(broken))
        message = str(raised.value)
        assert repr(broken[3]) in message
        assert "is of no known image format" in message
        assert "It is image 3, counted from 0" in message
        assert (raised.value.path, raised.value.position) == (broken[3], 3)
        assert raised.value.cause == (
            "its content is of no known image format: it is an HTML page, such as the error page of "
            "a server"
        )
    with pytest.raises(FileNotFoundError, match="none.png.* image 7, counted from 0"):
        lazy(broken)[7]


@pytest.mark.cache
@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("image_size", [None, 12])
def test_nan_keeps_the_row(paths, broken, tmp_path, cache, image_size):
    resnet = make_resnet(cache, tmp_path, image_size=image_size).fit(lazy(paths))
    images = lazy(broken, on_error="nan")
    for _ in range(2):  # the second time with a filled cache
        with pytest.warns(UserWarning, match=r"3 of 20 images .*features are NaN.*bad\.png.*7\)"):
            features = resnet.transform(images)
        assert np.isnan(features[BAD]).all()
        expected = make_resnet(None, tmp_path, image_size=image_size).fit_transform(lazy(paths))
        np.testing.assert_array_equal(
            np.delete(features, BAD, axis=0), np.delete(expected, BAD, axis=0)
        )
        failures = [images.failures[i] for i in sorted(images.failures)]
        assert [failure.position for failure in failures] == BAD
        assert [failure.path for failure in failures] == [broken[i] for i in BAD]
        assert failures[1].cause == "there is no such file"
    np.testing.assert_array_equal(resnet.transform(lazy(paths)), expected)
    assert not images[:3].failures


@pytest.mark.parametrize("cache", CACHES)
def test_skip_leaves_rows_out_and_keeps_paths_aligned(paths, broken, tmp_path, cache):
    resnet = make_resnet(cache, tmp_path).fit(lazy(paths))
    images = lazy(broken, on_error="skip")
    with pytest.warns(UserWarning, match="3 of 20 .*left out"):
        found = list(resnet.transform_batches(images))
    rows = np.concatenate([rows for rows, _ in found])
    assert rows.tolist() == [i for i in range(N) if i not in BAD]
    features = np.concatenate([features for _, features in found])
    np.testing.assert_array_equal(features, resnet.transform(lazy(paths))[rows])
    assert sorted(images.failures) == BAD
    with pytest.raises(ValueError, match="use transform_batches"):
        resnet.transform(images)


def test_a_file_that_is_mended_is_read(paths, broken, tmp_path):
    resnet = make_resnet("folder", tmp_path).fit(lazy(paths))
    images = lazy(broken, on_error="nan")
    with pytest.warns(UserWarning, match="3 of 20"):
        resnet.transform(images)
    Image.open(paths[7]).save(broken[7])
    Image.open(paths[3]).save(broken[3])
    features = resnet.transform(images)
    assert not images.failures
    np.testing.assert_array_equal(features[3], features[9])


def test_a_file_that_changes_between_key_and_decoding_spoils_no_cache(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8), "red").save(path)
    red, resnet = path.read_bytes(), make_resnet("folder", tmp_path).fit(lazy([path]))

    def replace(name):
        Image.new("RGB", (8, 8), "blue").save(name)

    resnet.transform(watched(replace, [path]))
    path.write_bytes(red)
    expected = make_resnet(None, tmp_path).fit_transform(lazy([path]))
    np.testing.assert_array_equal(resnet.transform(lazy([path])), expected)


def test_without_a_size_the_first_that_can_be_read_decides(paths, tmp_path):
    (tmp_path / "bad.png").write_text("")
    Image.new("RGB", (7, 9)).save(tmp_path / "other.png")
    mixed = [tmp_path / "bad.png", paths[0], tmp_path / "other.png"]
    images = lazy(mixed, size=None, on_error="nan")
    assert images.shape == (3, 12, 10, 3)
    with pytest.warns(UserWarning, match="2 of 3"):
        make_resnet(None, tmp_path).fit(images).transform(images)
    assert "0.png' has 12 x 10 pixels and" in images.failures[2].cause
    assert "9 x 7 pixels" in images.failures[2].cause
    with pytest.raises(ValueError, match="bad.png"):
        lazy([tmp_path / "bad.png"], size=None, on_error="nan").shape  # noqa: B018


def test_a_slice_of_a_slice_keeps_the_positions_of_the_input(broken):
    images = lazy(broken, on_error="nan")[2:][1:6]
    assert images.positions.tolist() == [3, 4, 5, 6, 7]
    assert [len(batch) for batch in images.batches(3)] == [3, 2]
    assert {i: failure.position for i, failure in images.failures.items()} == {0: 3, 4: 7}
    Image.new("RGB", (8, 8)).save(broken[7])
    list(images.batches(3))
    assert sorted(images.failures) == [0]


def digest(item, value_range=(0.0, 255.0), **options):
    options = {"size": (4, 4), "resize": "crop", "mode": "RGB"} | options
    return LazyImages([item], options, value_range, 1).digests()[0]


OTHER_OPTIONS = ({"size": (4, 5)}, {"size": None}, {"resize": "pad"}, {"mode": "L"})


def test_the_digest_of_an_array_covers_everything_that_changes_its_image():
    image = np.arange(6, dtype=np.uint8).reshape(2, 3)
    others = [
        digest(image + 1),
        digest(image.reshape(3, 2)),
        digest(image.view(np.int8)),
        digest(image, (0.0, 1.0)),
        digest(image, (1.0, 255.0)),
        *(digest(image, **options) for options in OTHER_OPTIONS),
    ]
    assert len({digest(image), *others}) == 1 + len(others)
    assert digest(image) == digest(np.asfortranarray(image))


def test_the_digest_of_a_file_covers_everything_that_changes_its_image(paths, tmp_path):
    with open(paths[0], "rb") as file:
        content = file.read()
    for name in ("same.png", "other.npy"):
        (tmp_path / name).write_bytes(content)
    others = [
        digest(paths[1]),
        digest(tmp_path / "other.npy"),
        *(digest(paths[0], **options) for options in OTHER_OPTIONS),
    ]
    assert len({digest(paths[0]), *others}) == 1 + len(others)
    assert digest(paths[0]) == digest(tmp_path / "same.png")


def test_an_unreadable_file_has_another_digest_each_time(tmp_path):
    none = str(tmp_path / "none.png")
    assert len(set(lazy([none, none]).digests() + lazy([none]).digests())) == 3


def test_only_files_on_this_machine_that_can_be_read_have_versions(paths, tmp_path):
    url = as_path("memory://test_lazy_versions/a.png")
    url.parent.mkdir(parents=True, exist_ok=True)
    url.write_bytes(b"some")
    images = lazy([paths[0], str(url), tmp_path / "none.png", np.zeros((4, 4))])
    assert images.file_versions() == [file_version(paths[0]), None, None, None]


def test_paths_are_replaced_and_arrays_are_kept(paths):
    images = lazy([paths[0], np.zeros((4, 4))]).with_paths(lambda path: paths[1])
    assert images.paths == [paths[1], ""]
    np.testing.assert_array_equal(images[0], lazy(paths)[1])
    assert (images[1] == 0).all()


def test_int8_is_calibrated_without_black_images(paths, broken, tmp_path):
    images = lazy(broken, on_error="nan")
    forward = make_resnet(None, tmp_path).fit(images)._plan(images)
    expected = np.delete(np.asarray(lazy(paths)), BAD, axis=0)
    np.testing.assert_array_equal(forward.make_calibration_batch(images), expected)


def test_on_error_needs_lazy_images(paths):
    with pytest.raises(ValueError, match="'on_error' .* lazy=True"):
        ImageLoader(8, on_error="nan").fit(paths)


def test_repr(paths):
    assert repr(lazy(paths)) == "<LazyImages: 20 of 8x8x3, not decoded yet>"
    assert "size of the first" in repr(lazy(paths, size=None))


@pytest.mark.parametrize("lazily", [False, True])
def test_max_pixels_names_the_file(paths, lazily):
    loader = ImageLoader(8, lazy=lazily, max_pixels=12 * 10)
    assert np.asarray(loader.fit_transform(paths)).shape == (N, 8, 8, 3)
    loader.set_params(max_pixels=12 * 10 - 1)
    with pytest.raises(ValueError, match=r"0\.png.* 12 x 10 pixels, more than the limit of 119 "):
        np.asarray(loader.fit_transform(paths))


def picture(mode="RGB", colours=4):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    return image.quantize(colours) if mode == "P" else image.convert(mode)


def changed_pixel():
    image = picture()
    image.putpixel((3, 4), (1, 2, 3))
    return image


def another_palette():
    image = picture("P")
    palette = image.getpalette()
    image.putpalette([*palette[:3][::-1], *palette[3:]])
    return image


def with_info(mode="RGB", **info):
    image = picture(mode)
    image.info |= info
    return image


def turned():
    image = picture()
    image.getexif()[274] = 6
    return image


def test_digests_of_images_of_pillow_tell_apart_what_changes_them():
    kinds = [
        picture(),
        picture("L"),
        picture("P"),
        picture("RGBA"),
        picture().crop((0, 0, 5, 12)),
        changed_pixel(),
        another_palette(),
        with_info("P", transparency=0),
        with_info("P", transparency=1),
        with_info(icc_profile=b"a"),
        with_info(icc_profile=b"b"),
        turned(),
        Image.frombytes("HSV", (10, 12), picture().tobytes()),
        Image.frombytes("YCbCr", (10, 12), picture().tobytes()),
        Image.frombytes("L", (10, 36), picture().tobytes()),
    ]
    digests = lazy(kinds).digests()
    assert len(set(digests)) == len(kinds)
    # Pillow copies no tags that were set
    assert lazy([kind.copy() for kind in kinds[:11]]).digests() == digests[:11]
    assert lazy(kinds, size=9).digests()[0] != digests[0]


def test_digests_of_contents_are_those_of_their_files(paths):
    contents = [Path(path).read_bytes() for path in paths]
    dicts = [
        {"bytes": content, "path": path} for content, path in zip(contents, paths, strict=True)
    ]
    digests = lazy(paths).digests()
    assert len(set(digests)) == N
    assert lazy(dicts).digests() == digests
    assert lazy(contents).digests() == lazy(contents).digests()
    assert len(set(lazy(contents).digests())) == N


@pytest.mark.cache
def test_an_open_file_that_cannot_be_read_is_not_looked_up_by_its_name(paths):
    resnet = ResNetFeatures(4, weights="procedural").fit(lazy(paths[:1]))
    resnet.transform(lazy(paths[:1]))
    with open(paths[0], "rb") as file:
        pass
    images = lazy([file], on_error="nan")
    with pytest.warns(UserWarning, match="I/O operation on closed file"):
        assert np.isnan(resnet.transform(images)).all()
    assert images.failures[0].path == paths[0]


def test_names_of_images_in_memory(paths):
    content = Path(paths[0]).read_bytes()
    images = lazy([paths[0], content, {"bytes": content, "path": "b.png"}, picture(), None])
    assert images.paths == [paths[0], "", "b.png", "", ""]
    assert images.file_versions() == [file_version(paths[0]), None, None, None, None]
    moved = images.with_paths(lambda path: f"moved/{path}")
    assert moved.paths == [f"moved/{paths[0]}", "", "b.png", "", ""]


def test_images_in_memory_survive_pickle(paths):
    images = lazy([Path(paths[0]).read_bytes(), picture("P"), picture()])
    again = pickle.loads(pickle.dumps(images))
    np.testing.assert_array_equal(again, images)


def test_a_selection_has_a_log_of_its_own(paths):
    images = ImageLoader(size=8, lazy=True).fit_transform(paths)
    assert images[:2].file_log is not images.file_log


@pytest.mark.cache
def test_images_that_are_not_decoded_again_are_not_warned_about_again(tmp_path):
    np.save(tmp_path / "dark.npy", np.full((12, 12), 100, np.uint16))
    images = ImageLoader(lazy=True).fit_transform([str(tmp_path / "dark.npy")])
    resnet = ResNetFeatures(4, weights=None, random_state=0).fit(images)
    with pytest.warns(UserWarning, match="nearly black"):
        resnet.transform(images)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resnet.transform(images)


CHANNELS = make_channels(6)


@pytest.fixture(scope="module")
def channel_paths(tmp_path_factory):
    return save_arrays(tmp_path_factory.mktemp("channels"), CHANNELS)


@pytest.fixture(scope="module")
def named_paths(tmp_path_factory):
    return save_ome(tmp_path_factory.mktemp("named"), CHANNELS)


def lazy_channels(paths, size=None, **parameters):
    return lazy(paths, size, mode="channels", **parameters)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_channels_have_the_shape_and_the_dtype_of_the_first_image(tmp_path, dtype):
    expected = (CHANNELS // 16).astype(dtype)
    images = lazy_channels(save_arrays(tmp_path, expected))
    assert (images.shape, images.dtype, images.ndim) == (expected.shape, expected.dtype, 4)
    np.testing.assert_array_equal(np.asarray(images), expected)
    np.testing.assert_array_equal(images[2], expected[2])
    np.testing.assert_array_equal(np.concatenate(list(images.batches(4))), expected)


def test_only_the_first_image_is_decoded_for_the_shape_of_channels(channel_paths, reads):
    options = lazy_channels(channel_paths).options
    images = watch(LazyImages(channel_paths, options, None, 2), reads.record)
    assert repr(images) == "<LazyImages: 6 of size of the first, not decoded yet>"
    assert images[3:].shape == (3, 12, 10, 5)
    assert images.shape == (6, 12, 10, 5)
    assert images.dtype == np.uint16
    assert reads == [channel_paths[3], channel_paths[0]]
    assert repr(images) == "<LazyImages: 6 of 12x10x5, not decoded yet>"
    assert images[3:].shape == (3, 12, 10, 5)
    assert len(reads) == 2  # a selection is compared with the same first image
    sized = watch(LazyImages(channel_paths, options | {"size": (8, 8)}, None, 2), reads.record)
    assert repr(sized) == "<LazyImages: 6 of 8x8 and the channels of the first, not decoded yet>"


def test_blocks_have_the_form_of_all(channel_paths, reads):
    options = lazy_channels(channel_paths).options
    images = watch(LazyImages(channel_paths, options, None, 2), reads.record)
    blocks = list(images.blocks(4))
    assert [block.shape for block in blocks] == [(4, 12, 10, 5), (2, 12, 10, 5)]
    assert [block.dtype for block in blocks] == [np.uint16] * 2
    assert reads == channel_paths[:1]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (CHANNELS[0][..., :3], "'channels' .*0.npy' has 5 channels of uint16 and .*1.npy' has 3 c"),
        (CHANNELS[0][..., 0], "1.npy' has 1 channel of uint16"),
        (CHANNELS[0].astype(np.float32), "1.npy' has 5 channels of float32.*mode='RGB'"),
        (CHANNELS[0][:8], "'size' .*0.npy' has 12 x 10 pixels and .*1.npy' has 8 x 10 pixels"),
    ],
    ids=["channels", "grey", "depth", "size"],
)
def test_images_of_other_channels_are_an_error_that_names_both(tmp_path, other, told):
    images = lazy_channels(save_arrays(tmp_path, [CHANNELS[0], other]))
    with pytest.raises(ValueError, match=told):
        np.asarray(images)
    images = lazy_channels(images.paths, on_error="nan")
    (batch,) = images.batches(2)
    assert (batch[1] == 0).all()
    assert list(images.failures) == [1]
    assert "all images must " in images.failures[1].cause


@pytest.fixture
def mixed_paths(tmp_path):
    """Two images of the same channels, in another order, and the first one in that order."""
    for name in "ab":
        (tmp_path / name).mkdir()
    first = save_ome(tmp_path / "a", CHANNELS[:1, ..., :2], ["DAPI", "GFP"])
    return first + save_ome(tmp_path / "b", CHANNELS[1::-1, ..., 1::-1], ["GFP", "DAPI"])


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "channels"},
        {"mode": "channels", "channels": [1]},
        {"mode": "channels", "channels": [0, "GFP"]},
        {"mode": "L", "channels": [0], "size": 8},
    ],
)
def test_channels_by_position_must_have_the_same_names(mixed_paths, options):
    told = r"(?s)a.0.ome.tif' has '.*, and '.*b.0.ome.tif' has '.*channels=\[...\] with names"
    images = ImageLoader(**options, lazy=True).fit_transform(mixed_paths)
    with pytest.raises(ValueError, match=told):
        np.asarray(images)
    with pytest.raises(ValueError, match=told):
        [images[0], images[1]]
    with pytest.raises(ValueError, match=told):
        [list(block.batches(1)) for block in images.blocks(1)]
    images = ImageLoader(**options, lazy=True, on_error="nan").fit_transform(mixed_paths)
    for _ in range(2):
        (batch,) = images.batches(3)
        assert list(images.failures) == [1, 2]
        assert "files name their channels differently" in images.failures[2].cause
        assert (batch[1:] == 0).all()
        assert (batch[0] > 0).any()


def test_channels_by_name_are_taken_in_any_order(mixed_paths):
    images = ImageLoader(mode="channels", channels=["GFP", "DAPI"]).fit_transform(mixed_paths)
    np.testing.assert_array_equal(images[:2], CHANNELS[:2, ..., [1, 0]])
    np.testing.assert_array_equal(images[2], images[0])


@pytest.mark.parametrize("other", [CHANNELS[0][..., :3], CHANNELS[0].astype(np.float32)])
def test_images_of_other_channels_do_not_end_a_run(tmp_path, other):
    paths = save_arrays(tmp_path, [CHANNELS[0], other, CHANNELS[1]])
    for options in ({}, {"rescale": "percentile"}):
        images = lazy_channels(paths, on_error="nan", **options)
        images.infer_value_range()
        list(images.batches(3))
        assert list(images.failures) == [1]


def test_an_array_among_files_must_have_their_channels_too(channel_paths):
    images = lazy_channels([channel_paths[0], CHANNELS[1], CHANNELS[1].astype(np.uint8)])
    np.testing.assert_array_equal(images[1], CHANNELS[1])
    with pytest.raises(ValueError, match=r"image 2 of X has 5 channels of uint8"):
        images[2]


def test_channels_without_names_are_called_by_their_index(channel_paths):
    assert lazy_channels(channel_paths).channel_names == ["0", "1", "2", "3", "4"]
    assert lazy_channels(channel_paths, channels=[3, 1]).channel_names == ["3", "1"]
    assert lazy_channels(list(CHANNELS), channels=[3, 1]).channel_names == ["3", "1"]
    assert lazy(channel_paths, channels=[3, 1, 0]).channel_names == ["0", "1", "2"]
    assert lazy(channel_paths, mode="L", channels=[3]).channel_names == ["0"]


def test_channels_have_the_names_in_the_first_image(named_paths, tmp_path):
    images = lazy_channels([tmp_path / "none.tif", *named_paths], on_error="nan")
    assert images.channel_names == ["DAPI", "GFP", "actin", "golgi", "lamin"]
    chosen = lazy_channels(named_paths, channels=["lamin", 1])
    assert chosen.channel_names == ["lamin", "GFP"]
    np.testing.assert_array_equal(np.asarray(chosen), CHANNELS[..., [4, 1]])


def test_channels_have_names_at_new_paths_too(named_paths, tmp_path):
    (tmp_path / "old.tif").write_bytes(Path(named_paths[0]).read_bytes())
    images = lazy_channels([tmp_path / "old.tif", *named_paths])
    assert images.shape == (7, 12, 10, 5)  # of the first
    (tmp_path / "old.tif").rename(tmp_path / "new.tif")
    moved = images.with_paths(lambda path: str(path).replace("old", "new"))
    assert moved[3:].channel_names == ["DAPI", "GFP", "actin", "golgi", "lamin"]


@pytest.mark.parametrize(
    ("dtype", "parameters", "white"),
    [
        (np.uint8, {}, 255),
        (np.uint16, {"rescale": "percentile"}, 65535),
        (np.uint16, {"rescale": "percentile", "rescale_by": "image"}, 65535),
        (np.uint16, {"value_range": (0, 4095)}, 65535),
        (np.float32, {"rescale": (0, 4095)}, 1),
    ],
)
def test_the_range_of_bytes_and_of_rescaled_channels_is_known(
    channel_paths, dtype, parameters, white
):
    images = lazy_channels(list(CHANNELS.astype(dtype)), **parameters)
    assert images.infer_value_range().value_range == (0, white)
    assert np.asarray(images).max() <= white


@pytest.mark.parametrize(("scale", "white"), [(1, 1), (1 / 16, 255)])
def test_the_range_of_other_channels_is_inferred(scale, white):
    floats = (CHANNELS / CHANNELS.max() if white == 1 else CHANNELS * scale).astype(np.float32)
    assert lazy_channels(list(floats)).infer_value_range().value_range == (0, white)
    assert lazy_channels(list(CHANNELS)).infer_value_range().value_range == (0, 65535)


def test_the_range_is_inferred_once_from_64_images_for_all_blocks(reads, tmp_path):
    paths = save_arrays(tmp_path, (make_channels(200, (4, 4), 2) / 4096).astype(np.float32))
    options = lazy_channels(paths).options
    images = watch(LazyImages(paths, options, None, 2), reads.record)
    for block in images.blocks(10):
        assert block.infer_value_range() == images.infer_value_range()
    assert len(reads) == 1 + 64
    assert {paths[0], paths[-1]} <= set(reads)
    selected = images[:20]
    selected.infer_value_range()
    assert len(reads) == 1 + 64 + 20  # it does not depend on what was read before


def test_images_that_cannot_be_read_do_not_count_for_the_range(channel_paths, tmp_path):
    broken = [tmp_path / "none.npy", *channel_paths]
    images = lazy_channels(broken, on_error="nan")
    assert images.infer_value_range().value_range == (0, 65535)
    assert not images.failures
    with pytest.raises(ImageReadError, match="does not exist"):
        lazy_channels(broken).infer_value_range()


def test_values_are_sampled_evenly_and_without_unreadable_images(channel_paths, tmp_path):
    images = lazy_channels([*channel_paths, tmp_path / "none.npy"], channels=[4, 0], on_error="nan")
    sample = images.sample_values(100, 10**6)
    assert len(sample) == 6
    for values, image in zip(sample, CHANNELS, strict=True):
        for found, channel in zip(values, (4, 0), strict=True):
            np.testing.assert_array_equal(np.sort(found), np.sort(image[..., channel].ravel()))
    assert len(images.sample_values(2, 10**6)) == 1  # the last one cannot be read
    assert {len(found) for values in images.sample_values(3, 50) for found in values} == {40}
    with pytest.raises(ImageReadError, match="does not exist"):
        images[6:].sample_values(100, 10)


def test_a_sample_of_images_of_other_channels_is_an_error_that_names_both(tmp_path):
    paths = save_arrays(tmp_path, [CHANNELS[0], CHANNELS[0][..., :3]])
    with pytest.raises(ValueError, match=r"0.npy' has 5 channels and .*1.npy' has 3 channels"):
        ImageLoader(mode="channels", rescale="percentile").fit(paths)


def test_the_digests_of_channels_are_those_of_each_image(channel_paths):
    images = lazy_channels(channel_paths)
    digests = images.channel_digests()
    assert np.shape(digests) == (6, 5)
    assert len(set(np.ravel(digests))) == 30
    chosen = lazy_channels(channel_paths[2:], channels=[3, 1]).channel_digests()
    assert chosen == [[row[3], row[1]] for row in digests[2:]]
    assert np.shape(lazy(channel_paths, channels=[0, 1, 2]).channel_digests()) == (6, 3)


def test_images_take_the_form_of_others(channel_paths, reads):
    options = lazy_channels(channel_paths).options
    images = watch(LazyImages(channel_paths, options, None, 2), reads.record)
    taken = images.with_form_of(lazy_channels(channel_paths[3:], channels=[0]))
    assert taken.shape == (6, 12, 10, 1)
    assert not reads
    with pytest.raises(ValueError, match=r"3.npy' has 1 channel of uint16 and .*0.npy' has 5"):
        taken[0]


def test_channels_are_pickled_with_their_form(channel_paths, reads):
    images = lazy_channels(channel_paths)
    assert images.shape == (6, 12, 10, 5)
    copied = pickle.loads(pickle.dumps(images))
    np.testing.assert_array_equal(np.asarray(copied), CHANNELS)
