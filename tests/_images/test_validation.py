"""Shapes and channels of images in memory."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import skimage.data
from PIL import Image
from sklearn.base import BaseEstimator

from sklearn_resnet._images.errors import ImageReadError
from sklearn_resnet._images.items import EncodedImage, UnusableItem
from sklearn_resnet._images.validation import (
    as_arrays,
    as_sequence,
    check_image_list,
    check_image_shape,
    check_images,
    check_size,
    refuse_file,
    reset_n_features,
    row_shape,
)

NAMES = ["a.png", "b.png"]
MASKED = np.ma.masked_array(np.ones((2, 4, 4)), np.eye(4, dtype=bool) * [[[1]], [[0]]])


def objects(*items):
    array = np.empty(len(items), object)
    array[:] = items
    return array


@pytest.mark.parametrize(
    "X",
    [
        NAMES,
        tuple(NAMES),
        np.array(NAMES),
        np.array(NAMES, object),
        np.array(NAMES, np.dtypes.StringDType()),
        np.array(NAMES)[:, np.newaxis],
        pd.Series(NAMES, index=[7, 3]),
        pd.Series(NAMES, dtype="string"),
        pd.Series(NAMES, dtype="category"),
        pd.DataFrame({"path": NAMES}),
    ],
    ids=lambda X: type(X).__name__,
)
def test_names_are_a_sequence_of_plain_str(X):
    items = as_sequence(X)
    assert items == NAMES
    assert {type(item) for item in items} == {str}


def test_path_objects_are_a_sequence():
    paths = [Path(name) for name in NAMES]
    for X in (paths, pd.Series(paths), objects(*paths)):
        assert as_sequence(X) == paths


IMAGES = [np.zeros((2, 3)), np.zeros((4, 5, 3))]


@pytest.mark.parametrize("X", [IMAGES, tuple(IMAGES), objects(*IMAGES), pd.Series(IMAGES)])
def test_images_of_their_own_sizes_are_a_sequence(X):
    items = as_sequence(X)
    assert all(item is image for item, image in zip(items, IMAGES, strict=True))


@pytest.mark.parametrize("X", [[], (), np.array([], object), pd.Series([], dtype=object)])
def test_nothing_is_an_empty_sequence(X):
    assert as_sequence(X) == []


@pytest.mark.parametrize(
    "X",
    [
        np.zeros((2, 4)),
        np.zeros((2, 3, 3), np.uint8),
        np.zeros((0, 4)),
        [[1, 2], [3, 4]],
        [1, 2],
        pd.DataFrame({"a": [1], "b": [2.0]}),
        pd.DataFrame({"a": ["x"], "b": ["y"]}),
        None,
        3,
    ],
)
def test_rows_stacks_and_scalars_are_no_sequence(X):
    assert as_sequence(X) is None


CONTENTS = [b"\x89PNG\0", b"\xff\xd8\0"]
ENCODED = [EncodedImage(content) for content in CONTENTS]
STRUCTS = [{"bytes": content, "path": name} for content, name in zip(CONTENTS, NAMES, strict=True)]
PICTURES = [Image.new("P", (3, 2)), Image.new("CMYK", (3, 2))]


class Column:
    """A column of a dataset of Hugging Face: it counts its rows, and makes an object of each."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


@pytest.mark.parametrize(
    "make",
    [
        list,
        tuple,
        lambda items: objects(*items),
        pd.Series,
        lambda items: pd.DataFrame({"image": items}),
        pl.Series,
        lambda items: pl.DataFrame({"image": items}),
        pa.array,
        lambda items: pa.chunked_array([items[:1], items[1:]]),
        Column,
    ],
    ids=lambda make: make.__name__,
)
def test_encoded_images_are_a_sequence(make):
    assert as_sequence(make(CONTENTS)) == ENCODED
    assert as_sequence(make(STRUCTS)) == [
        EncodedImage(content, name) for content, name in zip(CONTENTS, NAMES, strict=True)
    ]
    assert as_sequence(make([{"bytes": None, "path": name} for name in NAMES])) == NAMES


@pytest.mark.parametrize(
    "X",
    [
        PICTURES,
        objects(*PICTURES),
        pd.Series(PICTURES),
        pl.Series(PICTURES, dtype=pl.Object),
        Column(PICTURES),
    ],
    ids=lambda X: type(X).__name__,
)
def test_images_of_pillow_are_a_sequence(X):
    items = as_sequence(X)
    assert all(item is image for item, image in zip(items, PICTURES, strict=True))


@pytest.mark.parametrize(
    ("X", "position"),
    [
        (["a.png", None], 1),
        ([None, "a.png"], 0),
        ([None, np.zeros((2, 3))], 0),
        ([PICTURES[0], np.nan], 1),
        (["a.png", ""], 1),
        (np.array(["a.png", ""]), 1),
        (pd.Series(["a.png", np.nan]), 1),
        (pd.Series(["a.png", pd.NA], dtype="string"), 1),
        (pd.Series([None, "a.png"], dtype="category"), 0),
        (pd.Series([np.nan]), 0),
        (pl.Series(["a.png", None]), 1),
        (pl.Series([CONTENTS[0], None]), 1),
        (pl.Series([STRUCTS[0], None]), 1),
        (pl.Series([None, None]), 1),
        (pa.array(["a.png", None]), 1),
        ([None], 0),
    ],
)
def test_a_missing_item_keeps_its_position(X, position):
    item = as_sequence(X)[position]
    assert isinstance(item, UnusableItem)
    assert item.cause.startswith("it is missing (")


def test_images_of_one_size_in_an_array_of_objects_are_numbers():
    images = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    items = as_sequence(np.array(list(images), object))
    assert [item.dtype for item in items] == [np.dtype(int)] * 2
    np.testing.assert_array_equal(items, images)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (iter(NAMES), r"Got a list_iterator instead; pass list\(X\)"),
        (map(str, NAMES), r"Got a map instead; pass list\(X\)"),
        (Path().glob("*.png"), r"pass list\(X\)"),
        ((name for name in NAMES), r"Got a generator instead; pass list\(X\)"),
        ({1: "a.png"}.values(), r"Got a dict_values instead; pass list\(X\)"),
        (set(NAMES), r"Got a set instead; pass sorted\(X\)"),
        (PICTURES[0], r"a single Image instead; pass \[X\]"),
        (CONTENTS[0], r"a single bytes instead; pass \[X\]"),
        (io.BytesIO(CONTENTS[0]), r"a single BytesIO instead; pass \[X\]"),
        (STRUCTS[0], r"a single dict instead; pass \[X\]"),
        ({"train": [], "test": []}, r"a dict with 'train', 'test' instead; pass one of its values"),
        ([("a.png", 1)], r"X\[0\] must be .* \[item\[0\] for item in X\]"),
        (Column([("a.png", 1)]), r"X\[0\] must be .* \[item\[0\] for item in X\]"),
        (["a.png", 3], r"X\[1\] must be a path or an image. Got the number 3"),
        ([3, "a.png"], r"X\[0\] must be a path or an image. Got the number 3"),
        ([{"image": PICTURES[0], "label": 1}], r"X\[0\] must be .*item\['image'\] for"),
        (np.array(CONTENTS), "dtype .S5, which drops zeros at the end"),
    ],
)
def test_other_inputs_are_an_error_that_says_what_to_pass(X, message):
    with pytest.raises(ValueError, match=message) as raised:
        as_sequence(X)
    assert len(str(raised.value)) < 250


def test_an_iterator_is_not_consumed():
    names = iter(NAMES)
    with pytest.raises(ValueError, match="list_iterator"):
        as_sequence(names)
    assert list(names) == NAMES


def test_a_long_path_is_shortened_in_a_message():
    with pytest.raises(ValueError, match=r"'aaa.*\.\.\.aaa") as raised:
        as_sequence("a" * 9000)
    assert len(str(raised.value)) < 400


def test_arrays_are_made_of_images_of_pillow_alone():
    array = np.ones((2, 3))
    images = as_arrays([array, Image.new("RGB", (3, 2), "red").quantize(2)])
    assert images[0] is array
    np.testing.assert_array_equal(images[1], np.tile([255, 0, 0], (2, 3, 1)))
    with pytest.raises(ValueError, match="at least one image. Got an empty sequence"):
        as_arrays([])
    with pytest.raises(ValueError, match=r"Got the contents of files.*ImageLoader"):
        as_arrays([array, *ENCODED])
    with pytest.raises(ValueError, match="Got paths instead, the first one 'a.png'"):
        as_arrays([UnusableItem("it is missing (None)"), "a.png"])
    with pytest.raises(ImageReadError, match=r"Image 1 of X .* it is missing \(None\)\.$"):
        as_arrays([array, UnusableItem("it is missing (None)")])


@pytest.mark.parametrize("path", ["a.png", Path("a.png")])
def test_a_single_path_is_an_error(path):
    with pytest.raises(ValueError, match=r"Got the single path 'a\.png' instead; pass \[path\]"):
        as_sequence(path)


@pytest.mark.parametrize(
    ("n_features", "image_shape", "shape"),
    [
        (1, None, (1, 1)),
        (64, None, (8, 8)),
        (784, None, (28, 28)),
        (3, None, (1, 1, 3)),
        (12, None, (2, 2, 3)),
        (3072, None, (32, 32, 3)),
        (12, (3, 4), (3, 4)),
        (12, [1, 4, 3], (1, 4, 3)),
        (64, (4, 16, 1), (4, 16, 1)),
    ],
)
def test_row_shape(n_features, image_shape, shape):
    assert row_shape(n_features, image_shape) == shape


@pytest.mark.parametrize("n_features", [10, 13, 65])
def test_a_row_that_is_no_square_is_one_pixel_high_with_a_warning(n_features):
    message = rf"rows of {n_features} values.*one pixel high.*image_shape="
    with pytest.warns(UserWarning, match=message):
        assert row_shape(n_features) == (1, n_features)


def test_a_row_that_does_not_fit_image_shape_is_an_error():
    with pytest.raises(ValueError, match=r"a row of X, 10\. Got \(3, 4\) with 12 values instead"):
        row_shape(10, (3, 4))


@pytest.mark.parametrize(
    ("size", "pair"),
    [
        (None, None),
        (5, (5, 5)),
        (np.int64(5), (5, 5)),
        ((3, 4), (3, 4)),
        ([3, 4], (3, 4)),
        (np.array([3, 4]), (3, 4)),
    ],
)
def test_check_size(size, pair):
    checked = check_size("size", size)
    assert checked == pair
    assert checked is None or {type(n) for n in checked} == {int}


@pytest.mark.parametrize(
    "size", [0, -1, 2.5, (), (4,), (1, 2, 3), (0, 5), (2.0, 3), "ab", ("a", "b"), [[1, 2]], {}]
)
def test_check_size_errors(size):
    message = r"The 'image_size' parameter must be None, an int of .* or \(height, width\)\. Got "
    with pytest.raises(ValueError, match=message):
        check_size("image_size", size)


@pytest.mark.parametrize(
    "image_shape",
    [None, (8, 8), [8, 8], (8, 9, 1), (8, 9, 3), (np.int64(8), 9), (3, 8, 9), (3, 8, 3), [3, 8, 8]],
)
def test_check_image_shape(image_shape):
    check_image_shape(image_shape)


@pytest.mark.parametrize(
    "image_shape",
    [8, (8,), (8, 8, 2), (8, 8, 4), (1, 8, 8), (4, 8, 8), (1, 2, 3, 4), (0, 8), (8.0, 8), "88"],
)
def test_check_image_shape_errors(image_shape):
    with pytest.raises(ValueError, match=r"'image_shape' parameter must be .* 1 or 3 channels\. "):
        check_image_shape(image_shape)


@pytest.mark.parametrize(
    ("given", "image_shape", "shape"),
    [
        ((5, 64), None, (5, 8, 8)),
        ((5, 12), None, (5, 2, 2, 3)),
        ((5, 12), (4, 3), (5, 4, 3)),
        ((5, 24), (3, 2, 4), (5, 2, 4, 3)),
        ((5, 27), (3, 3, 3), (5, 3, 3, 3)),
        ((5, 8, 9), None, (5, 8, 9)),
        ((5, 8, 9, 1), None, (5, 8, 9, 1)),
        ((5, 8, 9, 3), None, (5, 8, 9, 3)),
        ((3, 1, 1, 3), None, (3, 1, 1, 3)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float16, np.float64, bool])
def test_check_images_gives_a_view_of_the_same_dtype(given, image_shape, shape, dtype):
    X = np.ones(given, dtype)
    X.flags.writeable = False
    images = check_images(BaseEstimator(), X, image_shape=image_shape, reset=True)
    assert images.shape == shape
    assert images.dtype == dtype
    assert np.shares_memory(images, X)


def planar(images):
    return np.moveaxis(images, -1, 1).reshape(len(images), -1)


def interleaved(images):
    return images.reshape(len(images), -1)


def test_channels_come_first_or_last_as_image_shape_says():
    images = np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3)
    for rows, shape in ((planar(images), (3, 4, 5)), (interleaved(images), (4, 5, 3))):
        estimator = BaseEstimator()
        found = check_images(estimator, rows, image_shape=shape, reset=True)
        np.testing.assert_array_equal(found, images)
        assert estimator.image_shape_ == shape
    last = check_images(
        BaseEstimator(), planar(images[:, :3, :3]), image_shape=(3, 3, 3), reset=True
    )
    np.testing.assert_array_equal(last.ravel(), planar(images[:, :3, :3]).ravel())


def cut_photos(side):
    photos = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea()]
    corners = np.random.default_rng(0).integers(0, 200, (3, 8, 2))
    return np.stack(
        [
            photo[i : i + side, j : j + side]
            for photo, places in zip(photos, corners, strict=True)
            for i, j in places
        ]
    )


@pytest.mark.parametrize("side", [8, 16, 32, 64])
@pytest.mark.parametrize("is_grey", [False, True])
@pytest.mark.parametrize("scale", [1, 1 / 255])
def test_rows_that_seem_planar_are_warned_about(side, is_grey, scale):
    photos = cut_photos(side) * scale
    if is_grey:
        photos = np.repeat(photos[..., :1], 3, axis=-1)
    check_images(BaseEstimator(), interleaved(photos), reset=True)
    check_images(BaseEstimator(), planar(photos), image_shape=(3, side, side), reset=True)
    for reset in (True, False):
        estimator = BaseEstimator()
        estimator.n_features_in_ = 3 * side**2
        with pytest.warns(UserWarning, match=rf"CIFAR-10.* image_shape=\(3, {side}, {side}\)"):
            found = check_images(estimator, planar(photos), reset=reset)
        np.testing.assert_array_equal(found.ravel(), planar(photos).ravel())


@pytest.mark.parametrize("n", [1, 5, 500])
def test_noise_and_constant_rows_do_not_seem_planar(n):
    for i in range(20):
        noise = np.random.default_rng(i).random((n, 192))
        check_images(BaseEstimator(), noise, reset=True)
    check_images(BaseEstimator(), np.zeros((n, 192)), reset=True)


@pytest.mark.parametrize("shape", [(2, 4), (2, 3, 5), (2, 3, 5, 3)])
def test_check_images_takes_lists(shape):
    X = np.arange(np.prod(shape)).reshape(shape)
    images = check_images(BaseEstimator(), X.tolist(), reset=True)
    np.testing.assert_array_equal(images.ravel(), X.ravel())
    assert images.shape == ((2, 2, 2) if X.ndim == 2 else shape)


def test_rows_teach_their_shape_and_names_and_images_make_forget_them():
    estimator, X = BaseEstimator(), pd.DataFrame(np.ones((3, 4)), columns=list("abcd"))
    check_images(estimator, X, reset=True)
    assert (estimator.n_features_in_, estimator.image_shape_) == (4, (2, 2))
    assert list(estimator.feature_names_in_) == list("abcd")
    with pytest.raises(ValueError, match="feature names should match"):
        check_images(estimator, X[["b", "a", "c", "d"]], reset=False)
    check_images(estimator, np.ones((3, 5, 5)), reset=False)
    assert estimator.n_features_in_ == 4
    check_images(estimator, np.ones((3, 5, 5)), reset=True)
    assert vars(estimator) == {}
    assert check_images(estimator, np.ones((3, 9)), reset=False).shape == (3, 3, 3)


def test_rows_of_another_length_than_those_of_fit_are_an_error():
    estimator = BaseEstimator()
    check_images(estimator, np.ones((3, 4)), reset=True)
    with pytest.raises(ValueError, match="has 9 features, but BaseEstimator is expecting 4"):
        check_images(estimator, np.ones((3, 9)), reset=False)


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("n_channels", [3, 4])
def test_one_colour_image_taken_for_grey_ones_is_warned_of(n_channels, reset):
    X = np.ones((8, 9, n_channels))
    with pytest.warns(UserWarning, match=r"8 grey images of 9 x . .*pass X\[np\.newaxis\]"):
        check_images(BaseEstimator(), X, reset=reset)


NAN = np.full((2, 8, 8), np.nan)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((1, 2, 8, 8, 3)), r"Got an array with 5 dimensions, \(1, 2, 8, 8, 3\)"),
        (
            np.ones((2, 8, 8, 2)),
            r"must have 1 or 3 channels.* Got 2 in .*files with grey and alpha",
        ),
        (np.ones((2, 8, 8, 4)), r"must have 1 or 3 channels.* Got 4 in .*RGBA to RGB"),
        (np.ones((2, 3, 8, 8)), r"Got 8 in .*channels seem to come first: np\.moveaxis\(X, 1, -1"),
        (NAN, "Input X contains NaN"),
        (NAN.reshape(2, 64), "Input X contains NaN"),
        (np.full((2, 8, 8), np.inf), "Input X contains infinity"),
        (np.ones((2, 0, 8)), r"at least 1 x 1 pixel\. Got an array of shape \(2, 0, 8\)"),
        (np.ones((2, 8, 0, 3)), r"at least 1 x 1 pixel\. Got an array of shape \(2, 8, 0, 3\)"),
        (np.ones((0, 8, 8)), "0 sample"),
        (np.ones((0, 64)), "0 sample"),
        (np.ones((2, 0)), "0 feature"),
        (np.ones(8), "Expected 2D array, got 1D array"),
        (np.ones(()), "Expected 2D array, got scalar array"),
        (IMAGES, r"one size\. Got \(2, 3\) and \(4, 5, 3\) among 2 images\. ImageLoader\(size="),
        (np.full((2, 8, 8), "a"), "not compatible with arrays of bytes/strings"),
        (np.ones((2, 8, 8), complex), "Complex data not supported"),
    ],
)
@pytest.mark.parametrize("reset", [True, False])
def test_check_images_errors(X, message, reset):
    with pytest.raises(ValueError, match=message):
        check_images(BaseEstimator(), X, reset=reset)


def test_the_channels_that_are_allowed_are_named():
    X = np.ones((2, 8, 8, 4))
    assert check_images(BaseEstimator(), X, channels=(1, 3, 4), reset=True) is X
    with pytest.raises(ValueError, match="must have 1 or 3 or 4 channels"):
        check_images(BaseEstimator(), X[..., :2], channels=(1, 3, 4), reset=True)


def test_each_image_of_a_list_is_checked():
    images = check_image_list(BaseEstimator(), [np.ones((2, 3)), np.ones((4, 5, 3))], reset=True)
    assert [image.shape for image in images] == [(2, 3), (4, 5, 3)]
    with pytest.raises(ValueError, match="contains NaN"):
        check_image_list(BaseEstimator(), [np.ones((2, 3)), NAN[0]], reset=True)
    with pytest.raises(ValueError, match="must have 1 or 3 channels"):
        check_image_list(BaseEstimator(), [np.ones((2, 3)), np.ones((4, 5, 2))], reset=True)


def test_a_refit_on_images_forgets_the_names_of_columns_too():
    estimator = BaseEstimator()
    check_images(estimator, pd.DataFrame(np.ones((3, 4)), columns=list("abcd")), reset=True)
    reset_n_features(estimator)
    assert vars(estimator) == {}


@pytest.mark.parametrize("n_channels", [3, 4])
def test_one_image_with_three_or_four_channels_is_warned_of(n_channels):
    with pytest.warns(UserWarning, match=rf"8 grey images of 9 x {n_channels} "):
        check_images(BaseEstimator(), np.ones((8, 9, n_channels)), reset=True)


@pytest.mark.parametrize("given", [(1, 4), (4, 1)])
def test_rows_keep_the_image_shape_of_fit(given):
    estimator = BaseEstimator()
    check_images(estimator, np.ones((2, 4)), image_shape=given, reset=True)
    assert check_images(estimator, np.ones((5, 4)), reset=False).shape == (5, *given)


@pytest.mark.parametrize(("X", "first"), [(["a.png"], "a.png"), ([Path("b.png")], "b.png")])
def test_paths_where_images_are_needed_name_the_loader(X, first):
    with pytest.raises(
        ValueError, match=rf"Got paths instead, the first one '{first}'.*ImageLoader"
    ):
        refuse_file(X[0])
    refuse_file(np.ones(3))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (None, "X must be a list of paths, or images. Got None instead."),
        (3, "X must be a list of paths, or images. Got 3 instead."),
        (object(), "X must be a list of paths, or images. Got an object of type object instead."),
        (
            pd.DataFrame({"a": ["x"], "b": ["y"]}),
            r"texts in a table of shape \(1, 2\) .*X\['path'\]",
        ),
        (
            pl.DataFrame({"a": ["x"], "b": ["y"]}),
            r"texts in a table of shape \(1, 2\) .*X\['path'\]",
        ),
        ([["x", "y"]], r"texts in a table of shape \(1, 2\)"),
    ],
)
def test_scalars_and_tables_with_texts_are_named(X, message):
    with pytest.raises(ValueError, match=message):
        check_images(BaseEstimator(), X, reset=True)


def test_a_mask_is_not_ignored():
    for X in (MASKED, MASKED.reshape(2, 16)):
        with pytest.raises(ValueError, match=r"4 masked.*X\.filled"):
            as_sequence(X)
    masked, valid = as_sequence(list(MASKED))
    assert masked.cause == "it has masked pixels"
    assert "filled" in masked.remedy
    assert valid.shape == (4, 4)
    with pytest.raises(ImageReadError, match="masked"):
        as_arrays([masked, valid])
    assert as_sequence(MASKED[1:]) is None  # nothing is masked
