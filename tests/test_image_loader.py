"""ImageLoader: its inputs, the order of its outputs, and its errors."""

import os
import pickle
import threading
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import Bunch

from sklearn_resnet import ImageLoader
from sklearn_resnet._runtime.threads import set_thread_limit

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 6, 7), np.uint8)
COLOUR = RNG.integers(0, 256, (5, 6, 7, 3), np.uint8)


def as_rgb(grey):
    return np.repeat(grey[..., np.newaxis], 3, axis=-1)


def save(folder, images):
    paths = [folder / f"{i}.png" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


@pytest.fixture
def paths(tmp_path):
    return save(tmp_path, COLOUR)


@pytest.mark.parametrize(
    "container",
    [
        list,
        tuple,
        lambda paths: [str(path) for path in paths],
        lambda paths: np.array(paths),
        lambda paths: np.array([str(path) for path in paths]),
        lambda paths: pd.Series(paths, index=[4, 3, 2, 1, 0]),
        lambda paths: pd.Series([str(path) for path in paths]),
        lambda paths: pd.DataFrame({"path": [str(path) for path in paths]}),
    ],
    ids=["list", "tuple", "str", "array", "array of str", "series", "series of str", "column"],
)
def test_paths_in_any_container(paths, container):
    images = ImageLoader().fit_transform(container(paths))
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, COLOUR)


class WatchedPath(os.PathLike):
    """A path that calls a function in the thread that reads its file, before it is read."""

    def __init__(self, path, watch):
        self.path, self.watch = path, watch

    def __fspath__(self):
        self.watch(self.path)
        return os.fspath(self.path)


@pytest.mark.parametrize("n_jobs", [8, -1, None])
def test_order_is_kept_when_later_images_are_read_first(paths, n_jobs):
    def wait(path):
        time.sleep(0.01 * (len(paths) - paths.index(path)))
        finished.append(path)

    finished = []
    watched = [WatchedPath(path, wait) for path in paths]
    images = ImageLoader((6, 7), n_jobs=n_jobs).fit_transform(watched)
    np.testing.assert_array_equal(images, COLOUR)
    assert sorted(finished) == paths
    assert finished != paths or n_jobs != 8


def test_order_is_kept_of_many_files(tmp_path):
    paths = save(tmp_path, [np.full((1 + i % 7, 1 + i % 5), i, np.uint8) for i in range(100)])
    images = ImageLoader(2, mode="L", resize="stretch", n_jobs=16).fit_transform(paths)
    np.testing.assert_array_equal(images[:, 1, 1], np.arange(100))


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_as_many_threads_read_as_n_jobs_says(paths, n_jobs):
    def meet(path):
        threads.add(threading.get_ident())
        together.wait(timeout=30)

    threads, together = set(), threading.Barrier(n_jobs)
    watched = [WatchedPath(path, meet) for path in paths[:3]]
    ImageLoader(1, n_jobs=n_jobs).fit_transform(watched)
    assert len(threads) == n_jobs


@pytest.mark.parametrize("parameters", [{}, {"size": 4}, {"size": (3, 9), "resize": "pad"}])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_one_thread_and_four_give_the_same(paths, parameters, mode):
    one, four = (
        ImageLoader(**parameters, mode=mode, n_jobs=n_jobs).fit_transform(paths)
        for n_jobs in (1, 4)
    )
    np.testing.assert_array_equal(one, four)


@pytest.mark.parametrize(
    ("size", "shape"), [(4, (4, 4)), (np.int64(4), (4, 4)), ((3, 9), (3, 9)), ([3, 9], (3, 9))]
)
@pytest.mark.parametrize(("mode", "channels"), [("RGB", (3,)), ("L", ())])
def test_shapes_of_the_result(paths, size, shape, mode, channels):
    mixed = [*paths, np.zeros((9, 2)), np.zeros((1, 300, 3)), np.zeros((20, 20, 4))]
    images = ImageLoader(size, mode=mode).fit_transform(mixed)
    assert images.shape == (8, *shape, *channels)


@pytest.mark.parametrize(("resize", "black"), [("crop", 0), ("pad", 8), ("stretch", 0)])
def test_resize_holds_for_files_and_arrays(tmp_path, resize, black):
    white = np.full((2, 4), 255, np.uint8)
    X = [*save(tmp_path, [white]), white]
    images = ImageLoader(4, mode="L", resize=resize).fit_transform(X)
    assert (images == 0).sum(axis=(1, 2)).tolist() == [black, black]


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (GREY[:, :6, :6].reshape(5, 36), as_rgb(GREY[:, :6, :6])),
        (COLOUR[:, :6, :6].reshape(5, 108), COLOUR[:, :6, :6]),
        (GREY, as_rgb(GREY)),
        (GREY[..., np.newaxis], as_rgb(GREY)),
        (COLOUR, COLOUR),
        (COLOUR.tolist(), COLOUR),
        (COLOUR.astype(float), COLOUR),
        (COLOUR / 255, COLOUR),
        ((COLOUR / 255).astype(np.float32), COLOUR),
        (COLOUR * np.uint16(257), COLOUR),
        (COLOUR.astype(np.int64), COLOUR),
        (GREY > 99, as_rgb((GREY > 99) * np.uint8(255))),
        (np.asfortranarray(COLOUR), COLOUR),
        (COLOUR[:, ::-1, ::-1], COLOUR[:, ::-1, ::-1]),
        (pd.DataFrame(GREY[:, :6, :6].reshape(5, 36)), as_rgb(GREY[:, :6, :6])),
    ],
)
def test_numeric_arrays(X, expected):
    images = ImageLoader().fit_transform(X)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, expected)


@pytest.mark.parametrize("white", [255, 1.0])
def test_arrays_with_alpha_are_laid_on_white(white):
    X = np.array([[[[1, 0, 0, 1], [1, 0, 0, 0], [1, 0, 0, 0.2]]]]) * white
    expected = [[[[255, 0, 0], [255, 255, 255], [255, 204, 204]]]]
    np.testing.assert_array_equal(ImageLoader().fit_transform(X), expected)
    np.testing.assert_array_equal(ImageLoader().fit_transform(list(X)), expected)


def test_arrays_of_different_sizes():
    X = [np.full((3, 4), 0.2), np.full((5, 2, 1), 0.4), np.full((2, 9, 3), 1.0)]
    images = ImageLoader(4).fit_transform(X)
    assert [np.unique(image).tolist() for image in images] == [[51], [102], [255]]


@pytest.mark.parametrize(
    ("X", "white"),
    [
        (["a.png"], 255),
        (GREY, 255),
        (GREY / 255, 1),
        (GREY / 1.0, 255),
        (GREY.astype(np.uint16), 65_535),
        ([GREY[0], GREY[1, 1:]], 255),
        ([GREY[0] / 255, GREY[1, 1:] / 255], 1),
        (["a.png", GREY[0] / 255], 1),
        ([np.full((2, 2), 0.5), np.full((3, 3), 200.0)], 255),
    ],
)
def test_fit_learns_the_value_range(X, white):
    assert ImageLoader().fit(X).value_range_ == (0, white)


@pytest.mark.parametrize("container", [np.asarray, list])
def test_transform_keeps_the_value_range_of_fit(container):
    """A dark batch stays dark, where a range of its own would brighten it."""
    loader = ImageLoader(mode="L").fit(container(np.full((1, 2, 2), 200.0)))
    with pytest.warns(UserWarning, match="from 0 to 1, but fit saw values .* to 255"):
        dark = loader.transform(container(np.full((1, 2, 2), 1.0)))
    assert (dark == 1).all()


@pytest.mark.parametrize(
    "X", [np.linspace(-1, 1, 32).reshape(2, 4, 4)[..., :2], np.full((2, 4, 5), 300.0)]
)
def test_fit_warns_of_floats_beyond_the_range_it_finds(X):
    with pytest.warns(UserWarning, match="but the value range is 0 to .* are clipped"):
        ImageLoader().fit(X)


def test_a_bunch_must_be_unpacked(tmp_path):
    with pytest.raises(ValueError, match="Got a Bunch with 'data', 'target'.* X.data"):
        ImageLoader().fit(Bunch(data=["a.png"], target=[0]))
    with pytest.raises(ValueError, match="single path .* load_image_folder"):
        ImageLoader().fit(str(tmp_path))


def test_fit_reads_no_file():
    ImageLoader().fit(["there is no such file.png"])


def test_a_fit_on_paths_forgets_rows(paths):
    loader = ImageLoader().fit(np.ones((2, 4)))
    assert (loader.n_features_in_, loader.image_shape_) == (4, (2, 2))
    loader.fit(paths)
    assert not {"n_features_in_", "image_shape_"} & set(vars(loader))
    assert loader.transform(np.full((2, 9), 255.0)).shape == (2, 3, 3, 3)


def test_a_fit_on_a_dask_collection_forgets_rows(paths):
    bag = pytest.importorskip("dask.bag")
    loader = ImageLoader(4).fit(pd.DataFrame(np.full((2, 4), 0.5), columns=list("abcd")))
    assert loader.value_range_ == (0, 1)
    loader.fit(bag.from_sequence(paths))
    assert vars(loader) == {**vars(ImageLoader(4)), "value_range_": (0, 255)}


def test_a_failed_fit_keeps_what_rows_taught():
    loader = ImageLoader().fit(np.ones((2, 4)))
    for X in ([], np.full((2, 4), np.nan), np.zeros((2, 3, 3, 7))):
        with pytest.raises(ValueError, match="X must|NaN"):
            loader.fit(X)
        assert (loader.n_features_in_, loader.image_shape_) == (4, (2, 2))
    assert loader.transform(np.ones((2, 4))).shape == (2, 2, 2, 3)


@pytest.mark.parametrize("parameters", [{}, {"size": 3}, {"mode": "L"}])
@pytest.mark.parametrize("X", [GREY, COLOUR, COLOUR / 255, RNG.random((5, 6, 7, 4))])
def test_the_input_is_never_written_to_nor_shared(parameters, X):
    for given in (X.copy(), list(X.copy())):
        images = ImageLoader(**parameters).fit_transform(given)
        images[:] = 7
        np.testing.assert_array_equal(given, X)
    frozen = X.copy()
    frozen.flags.writeable = False
    ImageLoader(**parameters).fit_transform(frozen)


def test_without_a_size_two_files_of_different_sizes_are_named(tmp_path):
    paths = save(tmp_path, [np.zeros(shape, np.uint8) for shape in ((2, 3), (2, 3), (4, 3))])
    message = r"'.*0\.png' has 2 x 3 pixels and '.*2\.png' has 4 x 3 pixels\. Pass size= to"
    with pytest.raises(ValueError, match=message):
        ImageLoader().fit_transform(paths)
    with pytest.raises(ValueError, match=r"image 0 of X has 2 x 3 .* image 1 of X has 4 x 3"):
        ImageLoader().fit_transform([np.zeros((2, 3)), np.zeros((4, 3))])


@pytest.mark.parametrize("n_jobs", [1, 4])
@pytest.mark.parametrize("bad", [0, 3])
def test_an_error_in_one_file_names_it(paths, n_jobs, bad):
    paths[bad].write_text("no image")
    with pytest.raises(ValueError, match=rf"'.*{bad}\.png' cannot be read: .* known image format"):
        ImageLoader(n_jobs=n_jobs).fit_transform(paths)
    paths[bad].unlink()
    with pytest.raises(FileNotFoundError, match=rf"image file '.*{bad}\.png' does not exist"):
        ImageLoader(n_jobs=n_jobs).fit_transform(paths)


def test_an_error_ends_the_reading():
    def watch(path):
        time.sleep(0.01)
        count.append(path)

    count = []
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        ImageLoader(4, n_jobs=1).fit_transform([WatchedPath("none.png", watch)] * 200)
    assert len(count) < 100


@pytest.mark.parametrize(
    ("image", "cause"),
    [
        (np.zeros((4, 4, 2)), r"it must have the shape .*not \(4, 4, 2\)"),
        (np.zeros((1, 2, 4, 4, 3)), r"it must have the shape .*not \(1, 2, 4, 4, 3\)"),
        (np.zeros((0, 4)), r"it has no pixels, its shape is \(0, 4\)"),
        (np.full((4, 4), np.nan), "it holds NaN or infinity"),
        (np.nan, r"it is missing \(nan\)"),
    ],
)
def test_an_error_in_one_array_names_it(image, cause):
    with pytest.raises(ValueError, match=rf"Image 1 of X cannot be used: {cause}\.$"):
        ImageLoader(4).fit_transform([np.ones((4, 4)), image])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([], "must hold at least one image. Got an empty sequence instead"),
        (pd.Series([], dtype=object), "must hold at least one image"),
        (np.zeros((0, 4, 4)), "0 sample"),
        ("a.png", r"Got the single path 'a\.png' instead; pass \[path\]"),
        (np.zeros((2, 4, 4, 2)), "must have 1 or 3 or 4 channels .*Got 2"),
        (np.zeros((2, 3, 8, 8)), "channels seem to come first"),
        (np.zeros((1, 2, 8, 8, 3)), "5 dimensions"),
        (np.full((2, 8, 8), np.nan), "contains NaN"),
        ([1, 2], "Expected 2D array"),
    ],
)
def test_input_without_images_is_an_error(X, message):
    with pytest.raises(ValueError, match=message):
        ImageLoader().fit(X)
    with pytest.raises(ValueError, match=message):
        ImageLoader().fit(GREY).transform(X)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"size": 0}, "'size' parameter"),
        ({"size": 2.5}, "'size' parameter"),
        ({"size": "4"}, "'size' parameter"),
        ({"size": (4,)}, r"'size' parameter must be .*\(height, width\)\. Got \(4,\)"),
        ({"size": (4, 0)}, r"'size' parameter .*Got \(4, 0\)"),
        ({"mode": "CMYK"}, "'mode' parameter"),
        ({"resize": "fit"}, "'resize' parameter"),
        ({"n_jobs": 1.5}, "'n_jobs' parameter"),
        ({"n_jobs": 0}, "n_jobs"),
        ({"on_error": "skip"}, "'on_error' parameter"),
    ],
)
def test_bad_parameters_are_errors(parameters, message):
    with pytest.raises(ValueError, match=message):
        ImageLoader(**parameters).fit_transform(GREY)


def test_transform_before_fit_is_an_error(paths):
    with pytest.raises(NotFittedError, match="ImageLoader instance is not fitted"):
        ImageLoader().transform(paths)


def test_clone_and_pickle(paths):
    loader = ImageLoader((3, 4), mode="L", resize="pad", n_jobs=2)
    assert clone(loader).get_params() == loader.get_params()
    loader.fit(GREY / 255)
    copy = pickle.loads(pickle.dumps(loader))
    assert copy.value_range_ == (0, 1)
    for X in (paths, GREY / 255):
        np.testing.assert_array_equal(copy.transform(X), loader.transform(X))
    with pytest.raises(NotFittedError):
        clone(loader).transform(paths)


@pytest.mark.parametrize("on_error", ["nan", "skip"])
def test_transform_checks_on_error_again(paths, on_error):
    """As `set_params` may change it after fit; also for pickles and Dask collections."""
    bag = pytest.importorskip("dask.bag")
    loader = ImageLoader(8).fit(paths).set_params(on_error=on_error)
    for X in (paths, COLOUR, bag.from_sequence(paths)):
        for made in (loader, pickle.loads(pickle.dumps(loader))):
            with pytest.raises(ValueError, match=r"'on_error' .* unless lazy=True.*Pass lazy=True"):
                made.transform(X)
    loader.set_params(lazy=True)
    assert loader.transform(paths).on_error == on_error
    with pytest.raises(ValueError, match="'on_error' .* unless lazy=True"):
        loader.set_params(lazy=False).fit_transform(paths)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_dataframes_cannot_mark_images_as_missing(paths, library):
    loader = ImageLoader(8, lazy=True, on_error="nan").fit(paths).set_output(transform=library)
    for call in (loader.fit, loader.transform):
        with pytest.raises(ValueError, match=r"'on_error' .* if the output is a dataframe"):
            call(paths)
    with pytest.raises(ValueError, match=r"'on_error' .* if the output is a dataframe"):
        loader.fit_transform(paths)
    loader.set_params(on_error="raise")
    assert len(loader.fit_transform(paths)) == len(paths)


def test_a_list_of_paths_becomes_a_dataframe(paths):
    for X in (paths, tuple(paths), np.array(paths), pd.Series(paths, index=list("abcde"))):
        frame = ImageLoader().set_output(transform="pandas").fit_transform(X)
        assert frame.index.tolist() == (list("abcde") if isinstance(X, pd.Series) else [*range(5)])
        np.testing.assert_array_equal(np.stack(frame["image"]), COLOUR)


@pytest.mark.parametrize(
    "make", [pd.Series, lambda paths, index: pd.DataFrame({"a": paths}, index)]
)
def test_the_index_of_a_dataframe_is_kept(paths, make):
    frame = ImageLoader().set_output(transform="pandas").fit_transform(make(paths, list("edcba")))
    assert frame.index.tolist() == list("edcba")
    np.testing.assert_array_equal(np.stack(frame["image"]), COLOUR)


def test_a_polars_dataframe_holds_the_images_in_order(paths):
    polars = pytest.importorskip("polars")
    frame = ImageLoader().set_output(transform="polars").fit_transform(paths)
    assert isinstance(frame, polars.DataFrame)
    np.testing.assert_array_equal(np.stack(frame["image"].to_list()), COLOUR)


def test_the_name_of_the_column_needs_the_names_of_fit():
    loader = ImageLoader().fit(pd.DataFrame(np.ones((2, 4)), columns=list("abcd")))
    assert loader.get_feature_names_out(list("abcd")).tolist() == ["image"]
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        loader.get_feature_names_out(list("abce"))


def test_tags_tell_what_it_takes():
    tags = ImageLoader().__sklearn_tags__()
    assert tags.input_tags.three_d_array
    assert tags.input_tags.string
    assert tags.transformer_tags.preserves_dtype == []


def test_all_cores_of_the_process_decode_by_default(paths):
    threads, together = set(), threading.Barrier(2)

    def meet(path):
        threads.add(threading.get_ident())
        together.wait(timeout=5)

    set_thread_limit(2)
    try:
        ImageLoader(1).fit_transform([WatchedPath(path, meet) for path in paths[:2]])
    finally:
        set_thread_limit(None)
    assert len(threads) == 2
