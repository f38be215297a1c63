"""ImageLoader: its inputs, the order of its outputs, and its errors."""

import io
import os
import pickle
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from channel_files import make_channels, save_arrays
from local_server import serve_folder
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import Bunch

from sklearn_resnet import ImageLoader, ImageReadError, ResNetFeatures
from sklearn_resnet._runtime.imports import hidden_module
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
        (GREY.astype(np.uint16) * 257, 65_535),
        ([GREY[0], GREY[1, 1:]], 255),
        ([GREY[0] / 255, GREY[1, 1:] / 255], 1),
        (["a.png", GREY[0] / 255], 1),
        (GREY // 128, 1),
        (GREY / 250, 1),
    ],
)
def test_fit_learns_the_value_range(X, white):
    assert ImageLoader().fit(X).value_range_ == (0, white)


@pytest.mark.parametrize(
    ("X", "white", "told"),
    [
        (GREY.astype(np.uint16), 65_535, "from 0 to 2[0-9]+, but .* nearly black"),
        (GREY // 25 / 1.0, 255, "from 0 to 9, but the value range is 0 to 255: .* nearly black"),
        ([np.full((2, 2), 0.5), np.full((3, 3), 200.0)], 255, "0.5 in image 0, and up to 200"),
    ],
)
def test_fit_warns_of_a_range_that_may_be_wrong(X, white, told):
    with pytest.warns(UserWarning, match=told):
        assert ImageLoader().fit(X).value_range_ == (0, white)


def test_a_value_range_that_is_given_is_the_range_of_files_and_arrays(tmp_path):
    images = [np.array([[-100, 150, 400]], dtype) for dtype in (np.int16, np.int32, float)]
    paths = [str(tmp_path / f"{i}.npy") for i in range(3)]
    for path, image in zip(paths, images, strict=True):
        np.save(path, image)
    loader = ImageLoader(mode="L", value_range=(-100, 400)).fit(images)
    assert loader.value_range_ == (-100, 400)
    for X in (images, paths, [*paths, *images]):
        assert (loader.transform(X) == [[0, 128, 255]]).all()
        assert (loader.fit_transform(X) == [[0, 128, 255]]).all()
    assert (loader.transform([np.array([[0, 150, 200]], np.uint8)]) == [[51, 128, 153]]).all()
    with pytest.warns(
        UserWarning, match=r"0\.npy' and 2 more: .* -100 to 400, .* Pass value_range="
    ):
        assert (ImageLoader(mode="L").fit_transform(paths) == [[0, 128, 255]]).all()


@pytest.mark.parametrize("value_range", [(1, 0), (0, 1, 2), "ab"])
def test_an_invalid_value_range(value_range):
    with pytest.raises(ValueError, match="'value_range' parameter"):
        ImageLoader(value_range=value_range).fit(["a.png"])


def test_each_image_of_a_list_has_the_white_level_of_its_dtype(paths):
    loader, mixed = ImageLoader(mode="L"), [GREY[0], GREY[0] / 255, GREY[0].astype(np.uint16) * 257]
    for images in (loader.fit_transform(mixed), loader.fit(GREY).transform(mixed)):
        np.testing.assert_array_equal(images, np.stack([GREY[0]] * 3))
    mixed = [paths[0], *mixed, paths[1]]
    np.testing.assert_array_equal(loader.fit_transform(mixed)[1:4], np.stack([GREY[0]] * 3))
    assert mixed[0] is paths[0]


def test_dark_files_are_warned_about_once(tmp_path):
    """Of 12 bits; the darkest come first."""
    arrays = [np.full((2, 2), 40 * i, np.uint16) for i in range(100)]
    paths = [str(tmp_path / f"{i:02}.npy") for i in range(100)]
    for path, array in zip(paths, arrays, strict=True):
        np.save(path, array)
    images = ImageLoader(lazy=True, n_jobs=4).fit_transform(paths)
    with pytest.warns(
        UserWarning, match=r"uint16 .* 3960 .in '.*99\.npy'.* 65535: .*black"
    ) as told:
        ImageLoader().fit_transform(paths)
    assert len(told) == 1
    resnet = ResNetFeatures(4, weights=None, cache=None, batch_size=8).fit(images)
    for run in (np.asarray, list, resnet.transform, lambda X: list(resnet.transform_batches(X))):
        with pytest.warns(UserWarning, match="3960") as told:
            run(images)
        assert len(told) == 1
    np.save(paths[1], np.full((2, 2), 5000, np.uint16))
    for run in (np.asarray, list, resnet.transform, lambda X: list(resnet.transform_batches(X))):
        run(images)


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
    fitted = {"value_range_": (0, 255), "_seen_range": (0, 255)}
    assert vars(loader) == {**vars(ImageLoader(4)), **fitted}


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
        (np.zeros((4, 4, 2)), r"it must have the shape .*not \(4, 4, 2\)\. Pass .*"),
        (np.zeros((1, 2, 4, 4, 3)), r"it must have the shape .*not \(1, 2, 4, 4, 3\)"),
        (np.zeros((0, 4)), r"it has no pixels, its shape is \(0, 4\)"),
        (np.full((4, 4), np.nan), r"it holds NaN or infinity\. Pass mode=.* make them black"),
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


def contents(paths):
    return [path.read_bytes() for path in paths]


FORMS = {
    "bytes": contents,
    "series of bytes": lambda paths: pd.Series(contents(paths)),
    "open files": lambda paths: [open(path, "rb") for path in paths],  # noqa: SIM115
    "files in memory": lambda paths: list(map(io.BytesIO, contents(paths))),
    "dicts": lambda paths: [{"bytes": content, "path": None} for content in contents(paths)],
    "dicts of paths": lambda paths: [{"bytes": None, "path": str(path)} for path in paths],
    "structs": lambda paths: pl.Series(
        [{"bytes": path.read_bytes(), "path": path.name} for path in paths]
    ),
    "images of Pillow": lambda paths: [Image.open(path) for path in paths],
    "series of images": lambda paths: pd.Series([Image.open(path) for path in paths]),
    "all kinds": lambda paths: [
        paths[0],
        paths[1].read_bytes(),
        Image.open(paths[2]),
        {"path": str(paths[3])},
        COLOUR[4],
    ],
}


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("lazy", [False, True])
def test_each_form_of_an_image_gives_its_pixels(paths, form, lazy):
    X = FORMS[form](paths)
    loader = ImageLoader(lazy=lazy).fit(X)
    for _ in range(2):  # an open file is read again
        np.testing.assert_array_equal(loader.transform(X), COLOUR)
    assert loader.value_range_ == (0, 255)


def pillow_images():
    colour = Image.fromarray(COLOUR[0])
    transparent = colour.copy()
    transparent.putalpha(Image.fromarray(GREY[0]))
    palette = colour.quantize(16)
    palette.info["transparency"] = 3
    turned = colour.copy()
    turned.getexif()[274] = 6
    return {
        "L": colour.convert("L"),
        "1": colour.convert("1"),
        "P": colour.quantize(16),
        "P with a transparent colour": palette,
        "LA": transparent.convert("LA"),
        "RGBA": transparent,
        "I;16": Image.fromarray(GREY[0].astype(np.uint16) * 257),
        "orientation": turned,
    }


@pytest.mark.parametrize("name", pillow_images())
def test_an_image_of_pillow_gives_the_pixels_of_its_file(tmp_path, name):
    image = pillow_images()[name]
    before = image.copy()
    path = tmp_path / "a.png"
    image.save(path, exif=image.getexif(), **image.info)
    expected = ImageLoader(5).fit_transform([path])
    for X in ([image], [Image.open(path)]):
        np.testing.assert_array_equal(ImageLoader(5).fit_transform(X), expected)
    assert image == before


@pytest.mark.parametrize(
    ("mode", "white"), [("CMYK", (0, 0, 0, 0)), ("La", (255, 255)), ("HSV", (0, 0, 255))]
)
def test_other_modes_of_pillow_are_converted(mode, white):
    image = Image.new(mode, (3, 2), white)
    np.testing.assert_array_equal(ImageLoader().fit_transform([image]), 255)


def test_a_picture_that_is_in_many_places_is_read_by_many_threads(tmp_path):
    pixels = RNG.integers(0, 256, (700, 700, 3), np.uint8)
    path = save(tmp_path, [pixels])[0]
    for _ in range(3):
        images = ImageLoader(700, n_jobs=8).fit_transform([Image.open(path)] * 8)
        assert all(np.array_equal(image, pixels) for image in images)


def test_max_pixels_holds_for_images_of_pillow():
    with pytest.raises(ImageReadError, match=r"Image 0 of X .* it has 2 x 3 pixels, more than"):
        ImageLoader(max_pixels=5).fit_transform([Image.new("L", (3, 2))])


def closed(path):
    with Image.open(path) as image:
        return image


@pytest.mark.parametrize(
    ("make", "cause", "path"),
    [
        (lambda path: None, r"it is missing \(None\)", None),
        (lambda path: b"", "it is empty", None),
        (lambda path: {"bytes": b"<html>", "path": "b.jpg"}, "it is an HTML page", "b.jpg"),
        (lambda path: b"\x01\x02" * 9000, "of no known image format", None),
        (closed, "closed", None),
        (lambda path: "<svg/>", "SVG", None),
    ],
)
def test_an_item_that_cannot_be_used_is_named(paths, make, cause, path):
    X = [paths[0], make(paths[1])]
    with pytest.raises(ImageReadError, match=cause) as raised:
        ImageLoader().fit_transform(X)
    assert raised.value.position == 1
    assert raised.value.path == path
    assert len(str(raised.value)) < 400
    for policy in ("nan", "skip"):
        images = ImageLoader(lazy=True, on_error=policy).fit_transform(X)
        batch = next(images.batches(2))
        np.testing.assert_array_equal(batch, [COLOUR[0], np.zeros_like(COLOUR[0])])
        assert list(images.failures) == [1]
        assert cause.replace("\\", "") in images.failures[1].cause


def test_a_url_of_http_is_read(paths):
    with serve_folder(paths[0].parent) as url:
        images = ImageLoader().fit_transform([f"{url}0.png", f"{url}1.png"])
        np.testing.assert_array_equal(images, COLOUR[:2])
        with pytest.raises(FileNotFoundError, match="none.png' does not exist"):
            ImageLoader().fit_transform([f"{url}none.png"])
        with (
            hidden_module("aiohttp"),
            pytest.raises(ImportError, match=r"needs aiohttp.*sklearn-resnet\[remote\]"),
        ):
            ImageLoader().fit_transform([f"{url}0.png"])


DEEP = make_channels(6) * np.uint16(20)  # not nearly black


@pytest.fixture(scope="module")
def deep_paths(tmp_path_factory):
    return save_arrays(tmp_path_factory.mktemp("deep"), DEEP)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("bool", "uint8"),
        ("uint8", "uint8"),
        ("int8", "float32"),
        ("uint16", "uint16"),
        ("int16", "float32"),
        ("uint32", "float32"),
        ("int64", "float32"),
        ("float16", "float32"),
        ("float32", "float32"),
        ("float64", "float32"),
    ],
)
@pytest.mark.parametrize("container", ["files", "stack", "list"])
def test_all_channels_have_their_own_values_and_depth(tmp_path, dtype, expected, container):
    images = (DEEP // 20 % 100).astype(dtype)
    X = save_arrays(tmp_path, images) if container == "files" else images
    loaded = ImageLoader(mode="channels").fit_transform(list(X) if container == "list" else X)
    assert (loaded.shape, loaded.dtype) == (DEEP.shape, np.dtype(expected))
    np.testing.assert_array_equal(loaded, images.astype(expected) * (255 if dtype == "bool" else 1))


@pytest.mark.parametrize("shape", [(6, 12, 10), (6, 12, 10, 1), (6, 144), (6, 432), (6, 576)])
def test_channels_of_any_array(shape):
    X = np.resize(DEEP, shape)
    sides = {144: (12, 12, 1), 432: (12, 12, 3), 576: (24, 24, 1)}
    expected = X.reshape(6, *(sides[shape[1]] if len(shape) == 2 else (12, 10, 1)))
    np.testing.assert_array_equal(ImageLoader(mode="channels").fit_transform(X), expected)


@pytest.mark.parametrize("kind", ["files", "stack", "list"])
def test_channels_are_chosen_and_ordered(deep_paths, kind):
    X = {"files": deep_paths, "stack": DEEP, "list": list(DEEP)}[kind]
    loaded = ImageLoader(mode="channels", channels=[4, 0, 4, -2]).fit_transform(X)
    np.testing.assert_array_equal(loaded, DEEP[..., [4, 0, 4, 3]])
    colour = ImageLoader(channels=(4, 0, 2), rescale=(0, 65535)).fit_transform(X)
    np.testing.assert_array_equal(colour, np.rint(DEEP[..., [4, 0, 2]] / 257).astype(np.uint8))
    grey = ImageLoader(mode="L", channels=[2], rescale=(0, 65535)).fit_transform(X)
    np.testing.assert_array_equal(grey, colour[..., 2])
    assert ImageLoader(channels=[2]).fit_transform(X).shape == (6, 12, 10, 3)


@pytest.mark.parametrize("kind", ["files", "stack", "list"])
def test_channels_that_are_no_colours_are_an_error_that_names_both_ways(deep_paths, kind):
    X = {"files": deep_paths, "stack": DEEP, "list": list(DEEP)}[kind]
    with pytest.raises(ValueError, match=r"5") as caught:
        ImageLoader().fit_transform(X)
    assert "mode='channels'" in str(caught.value)
    assert "channels=[" in str(caught.value)


def test_there_must_be_such_a_channel(deep_paths):
    with pytest.raises(ImageReadError, match=r"0\.npy' .*no channel 5: its channels are 0 to 4"):
        ImageLoader(mode="channels", channels=[5]).fit_transform(deep_paths)
    with pytest.raises(ImageReadError, match="no channel 'DAPI'"):
        ImageLoader(mode="channels", channels=["DAPI"]).fit_transform(list(DEEP))


def scale(values, low, high, white):
    return np.rint((values.astype(float) - low) / (high - low) * white).clip(0, white)


@pytest.mark.parametrize(
    ("mode", "dtype", "white"),
    [("channels", "uint16", 65535), ("channels", "float32", 1), ("channels", "uint8", 255), ("RGB", "uint16", 255)],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["files", "stack"])
def test_percentiles_of_a_collection_are_learned_for_each_channel(
    tmp_path, mode, dtype, white, kind
):
    images = (DEEP[..., :3] // (1 if dtype == "uint16" else 256)).astype(dtype)
    X = save_arrays(tmp_path, images) if kind == "files" else images
    loader = ImageLoader(mode=mode, rescale=("percentile", 1, 90)).fit(X[1:])
    values = images[1:].reshape(-1, 3)
    np.testing.assert_allclose(loader.rescale_range_, np.percentile(values, [1, 90], axis=0).T)
    assert loader.value_range_ is None
    loaded = loader.transform(X)
    assert loaded.dtype == (dtype if mode == "channels" else "uint8")
    for i, (low, high) in enumerate(loader.rescale_range_):
        found = loaded[..., i]
        if white > 1:
            np.testing.assert_array_equal(found, scale(images[..., i], low, high, white))
        else:
            expected = ((images[..., i] - low) / (high - low)).clip(0, 1)
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_percentiles_of_each_image_are_those_of_scikit_image(deep_paths):
    from skimage.exposure import rescale_intensity

    loader = ImageLoader(mode="channels", rescale=("percentile", 2, 98), rescale_by="image")
    loaded = loader.fit_transform(deep_paths)
    assert not hasattr(loader, "rescale_range_")
    for found, image in zip(loaded, DEEP, strict=True):
        for i in range(5):
            low, high = np.percentile(image[..., i], [2, 98])
            expected = rescale_intensity(
                image[..., i].astype(float), in_range=(low, high), out_range=(0, 65535)
            )
            np.testing.assert_array_equal(found[..., i], np.rint(expected))


def test_percentiles_by_default():
    loader = ImageLoader(mode="channels", rescale="percentile").fit(DEEP)
    expected = np.percentile(DEEP.reshape(-1, 5), [0.1, 99.9], axis=0).T
    np.testing.assert_allclose(loader.rescale_range_, expected)


def test_percentiles_are_those_of_up_to_100_images_spread_evenly(tmp_path):
    images = np.arange(300, dtype=np.uint16)[:, None, None, None] + np.zeros(
        (1, 2, 2, 1), np.uint16
    )
    paths = save_arrays(tmp_path, images)
    os.remove(paths[1])  # is not read
    loader = ImageLoader(mode="channels", rescale=("percentile", 0, 100)).fit(paths)
    np.testing.assert_array_equal(loader.rescale_range_, [[0, 299]])


@pytest.mark.parametrize("on_error", ["nan", "skip"])
def test_files_of_other_channels_take_no_part_in_the_range_if_they_are_no_error(tmp_path, on_error):
    paths = save_arrays(tmp_path, [DEEP[0], DEEP[1][..., :4], DEEP[2]])
    loader = ImageLoader(mode="channels", rescale="percentile", lazy=True, on_error=on_error)
    expected = loader.fit([paths[0], paths[2]]).rescale_range_
    np.testing.assert_array_equal(loader.fit(paths).rescale_range_, expected)
    with pytest.raises(ValueError, match="has 5 channels and .* has 4 channels"):
        loader.set_params(on_error="raise").fit(paths)


def test_a_range_is_learned_again_by_another_fit_and_needed_by_transform(deep_paths):
    loader = ImageLoader(mode="channels", rescale="percentile").fit(deep_paths)
    learned = loader.rescale_range_
    assert not np.array_equal(loader.fit(list(DEEP // 2)).rescale_range_, learned)
    loader.set_params(rescale=None).fit(deep_paths)
    assert not hasattr(loader, "rescale_range_")
    with pytest.raises(NotFittedError, match="fit again after a change of rescale"):
        loader.set_params(rescale="percentile").transform(deep_paths)


@pytest.mark.parametrize(
    "change", [{"channels": [1]}, {"rescale": ("percentile", 5, 95)}, {"mode": "L"}]
)
def test_a_learned_range_is_not_that_of_other_channels_or_percentiles(deep_paths, change):
    loader = ImageLoader(mode="channels", channels=[0], rescale="percentile").fit(deep_paths)
    loader.set_params(resize="pad", rescale=("percentile", 0.1, 99.9)).transform(deep_paths)
    with pytest.raises(NotFittedError, match="Call fit again after a change of"):
        loader.set_params(**change).transform(deep_paths)


def test_a_folder_of_grey_and_colour_files_has_one_range_for_each_colour(tmp_path):
    rng = np.random.default_rng(0)
    colour = rng.integers(0, [100, 150, 200], (12, 10, 3)).astype(np.uint8)
    colour[0, 0], colour[0, 1] = 0, [99, 149, 199]
    grey = rng.integers(0, 50, (12, 10)).astype(np.uint8)
    paths = [tmp_path / "colour.png", tmp_path / "grey.png"]
    Image.fromarray(colour).save(paths[0])
    Image.fromarray(grey).save(paths[1])
    loader = ImageLoader(rescale=("percentile", 0, 100)).fit(paths)
    np.testing.assert_array_equal(loader.rescale_range_, [[0, 99], [0, 149], [0, 199]])
    images = loader.transform(paths)
    assert images.max() == 255
    np.testing.assert_array_equal(images[1], as_rgb(np.rint(grey * (255 / 149))))
    of_grey = ImageLoader(rescale=("percentile", 0, 100)).fit(paths[1:])
    np.testing.assert_array_equal(of_grey.rescale_range_, [[0, 49]])
    expected = np.rint(colour * (255 / 49)).clip(0, 255)
    np.testing.assert_array_equal(of_grey.transform(paths)[0], expected)


def test_rescale_to_a_range_is_value_range(deep_paths):
    for mode in ("channels", "RGB"):
        parameters = {"mode": mode, "channels": [0, 1, 2]}
        loader = ImageLoader(**parameters, rescale=(100, 900))
        for X in (deep_paths, DEEP):
            expected = ImageLoader(**parameters, value_range=(100, 900)).fit_transform(X)
            np.testing.assert_array_equal(loader.fit_transform(X), expected)
            assert loader.value_range_ == (100, 900)


@pytest.mark.parametrize("kind", ["files", "stack", "list", "rows"])
@pytest.mark.parametrize("rescale", [None, "percentile", ("percentile", 0, 100), (0, 1)])
def test_gaps_become_black_and_do_not_count(tmp_path, kind, rescale):
    images = np.random.default_rng(0).uniform(0.2, 0.9, (4, 6, 6, 1)).astype(np.float32)
    gaps = images.copy()
    gaps[0, :2], gaps[1, 3:], gaps[2, 0, 0] = np.nan, np.inf, -np.inf
    X = {
        "files": lambda: save_arrays(tmp_path, gaps),
        "stack": lambda: gaps,
        "list": lambda: list(gaps),
    }
    X = gaps.reshape(4, -1) if kind == "rows" else X[kind]()
    loader = ImageLoader(mode="channels", rescale=rescale)
    loaded = loader.fit_transform(X)
    is_gap = ~np.isfinite(gaps)
    assert (loaded[is_gap] == 0).all()
    if rescale is None:
        np.testing.assert_array_equal(loaded[~is_gap], images[~is_gap])
    elif rescale != (0, 1):
        p, q = (0.1, 99.9) if rescale == "percentile" else (0, 100)
        expected = np.percentile(images[~is_gap].astype(float), [p, q])
        np.testing.assert_allclose(loader.rescale_range_, [expected], rtol=1e-6)
        assert loaded[~is_gap].max() == 1
    colour = ImageLoader(rescale=rescale)
    if rescale == (0, 1):  # as value_range
        with pytest.raises(ValueError, match="NaN"):
            colour.fit_transform(X)
    elif rescale is not None:
        assert (colour.fit_transform(X)[is_gap[..., 0]] == 0).all()
    if rescale is not None:
        colour.set_params(channels=[0, 0, 0])
        assert (colour.fit_transform(X)[is_gap[..., 0]] == 0).all()


def test_a_window_needs_a_file_that_has_one(deep_paths):
    for X in (deep_paths[:2], list(DEEP[:2])):
        with pytest.raises(ImageReadError, match="it has no window"):
            ImageLoader(mode="channels", rescale="window").fit_transform(X)


def test_pages_of_an_array_in_a_file(tmp_path):
    (path,) = save_arrays(tmp_path, [np.moveaxis(DEEP[0], -1, 0)])
    for page in range(-2, 5):
        (found,) = ImageLoader(mode="channels", page=page).fit_transform([path])
        np.testing.assert_array_equal(found[..., 0], DEEP[0][..., page])
    for page, expected in {
        "max": DEEP[0].max(2),
        "mean": np.rint(DEEP[0].mean(2)),
        "middle": DEEP[0][..., 2],
    }.items():
        (found,) = ImageLoader(mode="channels", page=page).fit_transform([path])
        np.testing.assert_array_equal(found[..., 0], expected)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"channels": [0, 1]}, "'channels' .*list of 3 channels"),
        ({"channels": "DAPI"}, "'channels' parameter .* must be"),
        ({"channels": []}, "'channels' .*list of channels"),
        ({"rescale": "minmax"}, r"\('percentile', p, q\) or 'window'.* Got 'minmax' instead"),
        ({"channels": [0, 1], "mode": "L"}, "'channels' .*list of 1 channel, or of 3"),
        ({"rescale": ("percentile", 9, 1)}, "'rescale' parameter must be"),
        ({"rescale": (0, np.inf)}, "'rescale' parameter must be"),
        ({"rescale": "window", "value_range": (0, 1)}, "'rescale' .*None if value_range is given"),
        ({"rescale": (0, 1), "value_range": (0, 1)}, "'rescale' .*None if value_range is given"),
        ({"rescale_by": "file"}, "'rescale_by' parameter"),
        ({"rescale_by": "image"}, "'rescale_by' .*'collection' unless percentiles are taken"),
        ({"rescale_by": "image", "rescale": "window"}, "'rescale_by' .*'collection' unless"),
        ({"rescale_by": "image", "rescale": (0, 1)}, "'rescale_by' .*'collection' unless"),
        ({"page": "min"}, "'page' parameter"),
        ({"page": 1.5}, "'page' parameter"),
        ({"level": -1}, "'level' parameter"),
        ({"mode": "rgb"}, "'mode' parameter"),
    ],
)
def test_invalid_choices_are_errors_of_fit(parameters, told):
    with pytest.raises(ValueError, match=told):
        ImageLoader(**parameters).fit(DEEP[..., :3])


def test_the_ranges_are_part_of_the_key_of_the_cache_of_images(deep_paths):
    first = ImageLoader(mode="channels", rescale="percentile").fit(deep_paths)
    second = clone(first).fit(list(DEEP // 2))
    expected = second.transform(list(DEEP))
    first.transform(deep_paths)
    np.testing.assert_array_equal(second.transform(deep_paths), expected)
    for loader in (first, second):
        assert loader.set_params(lazy=True).transform(deep_paths).digests()
    digests = [set(loader.transform(deep_paths).digests()) for loader in (first, second)]
    assert not digests[0] & digests[1]


def test_deep_channels_are_resized_without_rounding_to_bytes():
    image = np.zeros((8, 8, 2), np.uint16)
    image[:, ::2, 0], image[..., 1] = 60_000, 1_234
    (small,) = ImageLoader(4, mode="channels").fit_transform([image])
    assert small.dtype == np.uint16
    np.testing.assert_array_equal(small[..., 1], 1_234)
    assert 20_000 < small[..., 0].mean() < 40_000


def test_deep_channels_in_a_dataframe(deep_paths):
    frame = ImageLoader(mode="channels").set_output(transform="pandas").fit_transform(deep_paths)
    np.testing.assert_array_equal(np.stack(frame["image"]), DEEP)


def test_tags_of_channels():
    tags = ImageLoader(mode="channels").__sklearn_tags__()
    assert tags.input_tags.allow_nan
    assert tags.transformer_tags.preserves_dtype == ["uint8", "uint16", "float32"]
    assert not ImageLoader().__sklearn_tags__().input_tags.allow_nan
    assert ImageLoader(rescale="percentile").__sklearn_tags__().input_tags.allow_nan


@pytest.mark.parametrize("mode", ["channels", "L"])
@pytest.mark.parametrize("lazy", [False, True])
def test_images_that_the_learned_range_makes_nearly_black_are_counted(tmp_path, mode, lazy):
    images = [make_channels(1, (8, 8))[0, ..., 0].astype(np.float32) + 1 for _ in range(6)]
    images[2] /= 1000  # of another unit
    images[4] /= 1000
    paths = save_arrays(tmp_path, images)
    loader = ImageLoader(mode=mode, rescale="percentile", lazy=lazy, n_jobs=2)
    told = (
        r"2.npy' \(values up to .*\) and 1 more: the percentiles that fit learned make them nearly"
    )
    with pytest.warns(UserWarning, match=told) as caught:
        np.asarray(loader.fit_transform(paths))
    assert len(caught) == 1
    assert "ImageLoader(rescale_by='image'), or value_range=(black, white)" in str(
        caught[0].message
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.asarray(loader.set_params(rescale_by="image").fit_transform(paths))


def test_unreadable_files_are_not_nearly_black(tmp_path):
    paths = save_arrays(tmp_path, list(DEEP))
    loader = ImageLoader(mode="channels", rescale="percentile", lazy=True, on_error="nan")
    images = loader.fit(paths).transform(paths)
    Path(paths[2]).write_bytes(b"no image")
    list(images.batches(4))
    assert list(images.failures) == [2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images.file_log.warn()
