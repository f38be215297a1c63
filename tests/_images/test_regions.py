"""Tables of regions: read, checked, and loaded as the crops that one would cut by hand."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from lazy_images import watch
from PIL import Image

from sklearn_resnet import ImageLoader, ImageReadError, ResNetFeatures
from sklearn_resnet._images.regions import Region, is_region_table, list_regions
from sklearn_resnet._images.shared_images import SharedImages

BOX = ["top", "left", "bottom", "right"]


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for i in range(3):
        pixels = rng.integers(0, 256, (40 + i, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return [str(folder / f"{i}.png") for i in range(3)]


def make_table(images, n=20, seed=0):
    """Regions of images in random order, some of them twice."""
    rng = np.random.default_rng(seed)
    top, left = rng.integers(0, 20, (2, n))
    height, width = rng.integers(1, 20, (2, n))
    table = pd.DataFrame({"top": top, "left": left, "bottom": top + height, "right": left + width})
    table.insert(0, "path", [images[i] for i in rng.integers(0, len(images), n)])
    table["label"] = "a"
    return pd.concat([table, table[::3]], ignore_index=True)


def cut_by_hand(table, **parameters):
    whole = [ImageLoader(**parameters).fit_transform([path])[0] for path in table["path"]]
    return [
        image[top:bottom, left:right]
        for image, (top, left, bottom, right) in zip(whole, table[BOX].to_numpy(), strict=True)
    ]


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("n_jobs", [1, 4])
def test_regions_are_crops(paths, lazy, n_jobs):
    table = make_table(paths)
    images = ImageLoader(16, lazy=lazy, n_jobs=n_jobs).fit_transform(table)
    expected = ImageLoader(16).fit_transform(cut_by_hand(table))
    np.testing.assert_array_equal(np.asarray(images), expected)


def test_polars_is_read_as_pandas(paths):
    table = make_table(paths)
    expected = ImageLoader(16).fit_transform(table)
    np.testing.assert_array_equal(ImageLoader(16).fit_transform(pl.from_pandas(table)), expected)


@pytest.mark.cache
def test_features_are_those_of_crops(paths):
    table = make_table(paths)
    images = ImageLoader(16, lazy=True).fit_transform(table)
    crops = ImageLoader(16).fit_transform(cut_by_hand(table))
    resnet = ResNetFeatures(16, weights=None, random_state=0).fit(crops)
    expected = resnet.transform(crops)
    np.testing.assert_array_equal(resnet.transform(images), expected)
    np.testing.assert_array_equal(resnet.set_params(cache="memory").transform(images), expected)


def test_a_table_without_boxes_holds_whole_images(paths):
    table = pd.DataFrame({"path": paths, "label": [1, 2, 3]})
    np.testing.assert_array_equal(
        ImageLoader(16).fit_transform(table), ImageLoader(16).fit_transform(paths)
    )
    assert not is_region_table(table[["label"]])


class GeoDataFrame(pd.DataFrame):
    """A dataframe of another library."""


def test_kinds_of_dataframes_are_tables(paths):
    table = make_table(paths)
    expected = ImageLoader(8).fit_transform(table)
    np.testing.assert_array_equal(ImageLoader(8).fit_transform(GeoDataFrame(table)), expected)


def test_images_in_memory_are_sources():
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 4096, (30, 30), dtype=np.uint16) for _ in range(2)]
    table = pd.DataFrame({"path": [arrays[0], arrays[0], arrays[1]], "top": 1, "left": 2})
    table["bottom"], table["right"] = [9, 20, 30], 30
    whole = ImageLoader(value_range=(0, 4095)).fit_transform(arrays)
    found = ImageLoader(12, value_range=(0, 4095)).fit_transform(table)
    expected = [whole[0][1:9, 2:30], whole[0][1:20, 2:30], whole[1][1:30, 2:30]]
    np.testing.assert_array_equal(found, ImageLoader(12).fit_transform(expected))


def test_a_pickle_reads_the_same(paths):
    images = ImageLoader(8, lazy=True).fit_transform(make_table(paths))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(images))[3], images[3])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"bottom": 0},
            r"Got \(top 1, left 1, bottom 0, right 5\) in row 1 of the table, counted from 0, instead. "
            "Leave these rows out",
        ),
        ({"right": None}, "whole numbers. Got None in row 1 of .*. Leave these rows out"),
        ({"right": np.inf}, "whole numbers. Got inf in row 1 .* Leave these rows out"),
        ({"top": 0.5}, "'top' must hold whole numbers. Got 0.5 in row 1 .* Round them"),
        ({"top": "a"}, "Got 'a' in row 1 .* Convert the column"),
        (
            {"mask": "[[True]]"},
            "Got text in row 1 .* Drop the column 'mask', or make the table again",
        ),
        ({"path": 3}, "Row 1 of the table must have a path"),
    ],
)
def test_a_wrong_row_is_named(paths, change, problem):
    table = pd.DataFrame([[paths[0], 1, 1, 5, 5]] * 3, columns=["path", *BOX]).astype(object)
    for name, value in change.items():
        table.loc[1, name] = value
    with pytest.raises(ValueError, match=problem):
        ImageLoader(8).fit(table)


def test_many_wrong_rows_are_counted(paths):
    table = pd.DataFrame([[paths[0], 1, 1, 5, 5]] * 6, columns=["path", *BOX]).astype(
        dict.fromkeys(BOX, float)
    )
    for n, message in (
        (3, "in row 2 of"),
        (4, "in row 2 and in 1 more row of"),
        (6, "3 more rows of"),
    ):
        for name, value in (("top", 0.5), ("right", 1)):
            wrong = table.copy()
            wrong.loc[: n - 1, name] = value
            with pytest.raises(ValueError, match=f"in row 0, .* in row 1, .* {message}"):
                ImageLoader(8).fit(wrong)


@pytest.mark.parametrize(
    ("columns", "remedy"),
    [
        (
            "Top Left Bottom Right",
            "with 'Top', .* Rename 'Top' to 'top', .* 'Right' to 'right'. For whole",
        ),
        ("xmin ymin xmax ymax", "Rename 'ymin' to 'top', 'xmin' to 'left', 'ymax' to 'bottom'"),
        ("x1 y1 x2 y2", "'y1' to 'top', 'x1' to 'left', 'y2' to 'bottom', 'x2' to 'right'"),
        ("minr minc maxr maxc", "'minr' to 'top', 'minc' to 'left', 'maxr'"),
        ("bbox-0 bbox-1 bbox-2 bbox-3", "'bbox-0' to 'top', 'bbox-1' to 'left'"),
        ("X Y Width Height", r"top = Y, left = X, bottom = Y \+ Height and right = X \+ Width"),
        ("x y w h", r"columns top = y, left = x, bottom = y \+ h and right = x \+ w, if x and y"),
        ("left top width height", r"bottom = top \+ height and right = left \+ width"),
        ("bbox a b c", "Split the column 'bbox'"),
    ],
)
def test_other_names_of_boxes_have_a_remedy(paths, columns, remedy):
    table = make_table(paths).drop(columns="label").set_axis(["path", *columns.split()], axis=1)
    for frame in (table, pl.from_pandas(table)):
        with pytest.raises(ValueError, match=f"X must have the columns .* {remedy}"):
            ImageLoader(8).fit(frame)
    assert len(ImageLoader(8).fit_transform(table[["path", *columns.split()[2:]]])) == len(table)


def test_a_wrong_row_is_named_when_it_is_read(paths):
    table = pd.DataFrame([[paths[0], 0, 0, 5, 5]] * 2, columns=["path", *BOX])
    table.loc[1, "bottom"] = 10_000
    with pytest.raises(ImageReadError, match="It is row 1 of the table, counted from 0"):
        ImageLoader(8).fit_transform(table)
    table = table.assign(path=[np.zeros((9, 9), np.uint8)] * 2)
    with pytest.raises(
        ImageReadError, match="^The image in row 1 of the table cannot be used"
    ) as info:
        ImageLoader(8).fit_transform(table)
    assert str(pickle.loads(pickle.dumps(info.value))) == str(info.value)
    with pytest.raises(
        ImageReadError, match="no page 7.* Choose another one with the column 'page'"
    ):
        ImageLoader(8).fit_transform(pd.DataFrame({"path": paths[:1], "page": 7}))


def test_missing_columns_are_named(paths):
    table = make_table(paths)
    with pytest.raises(ValueError, match="without 'left', 'right'"):
        ImageLoader(8).fit(table[["path", "top", "bottom"]])
    with pytest.raises(ValueError, match="without 'path'"):
        ImageLoader(8).fit(table[BOX])


def test_whole_numbers_of_any_type(paths):
    table = make_table(paths, n=3)
    expected = list_regions(table)
    for kind in ("float64", "Int64", "object", "uint16"):
        regions = list_regions(table.astype(dict.fromkeys(BOX, kind)))
        assert [region.box for region in regions] == [region.box for region in expected]
    assert list_regions(table[:0]) == []


def test_images_for_calibration_are_read_image_by_image(paths):
    table = make_table(paths, n=40)
    # one thread, as others could read all small images while one waits
    images = ImageLoader(16, lazy=True, n_jobs=1).fit_transform(table)
    reads = count_reads(images)
    plan = ResNetFeatures(4, weights=None).fit(images)._plan(images)
    np.testing.assert_array_equal(plan.make_calibration_batch(images), np.asarray(images))
    assert sorted(reads) == sorted(2 * paths)


def test_list_regions():
    mask = np.ones((4, 4), bool)
    table = pd.DataFrame({"path": ["a", "b"], "top": 0, "left": 0, "bottom": 4, "right": 4})
    table["page"] = [2, None]
    table["mask"] = pd.Series([None, mask], dtype=object)
    first, second = list_regions(table)
    assert isinstance(first, Region)
    assert (first.source, first.box, first.page, first.mask) == ("a", (0, 0, 4, 4), 2, None)
    assert (second.source, second.page) == ("b", None)
    np.testing.assert_array_equal(second.mask, mask)


def test_equal_bytes_are_one_image(paths):
    content = Path(paths[0]).read_bytes()
    copies = [bytes(bytearray(content)) for _ in range(3)]
    table = pl.DataFrame({"path": copies, "top": 0, "left": 0, "bottom": [4, 5, 6], "right": 4})
    assert len({id(region.source) for region in list_regions(table)}) == 1


def count_reads(images):
    """The paths that lazy images decode, in order; of small images too, only two are kept."""
    images._reader._images = SharedImages(max_bytes=0)
    reads = []
    watch(images, reads.append)
    return reads


@pytest.mark.cache
@pytest.mark.parametrize("cache", [None, "memory"])
@pytest.mark.parametrize("n_jobs", [1, 4])
def test_each_file_is_decoded_once_whatever_the_order(paths, cache, n_jobs):
    table = make_table(paths, n=90).sample(frac=1, random_state=0)
    images = ImageLoader(16, lazy=True, n_jobs=n_jobs).fit_transform(table)
    resnet = ResNetFeatures(16, weights=None, random_state=0, cache=cache, batch_size=8)
    crops = ImageLoader(16).fit_transform(cut_by_hand(table))
    expected = resnet.set_params(cache=None).fit_transform(crops)
    reads = count_reads(images)
    found = resnet.set_params(cache=cache).fit(images).transform(images)
    np.testing.assert_array_equal(found, expected)
    assert sorted(reads) == paths
    np.testing.assert_array_equal(np.asarray(images), crops)
    assert sorted(reads) == sorted(2 * paths)


def test_batches_of_sorted_rows_decode_each_file_once(paths):
    table = make_table(paths, n=60).sort_values("path", kind="stable")
    images = ImageLoader(16, lazy=True, n_jobs=2).fit_transform(table)
    resnet = ResNetFeatures(16, weights=None, random_state=0, batch_size=7).fit(images)
    expected = resnet.transform(images)
    reads = count_reads(images)
    found = [features for _, features in resnet.transform_batches(images)]
    np.testing.assert_array_equal(np.concatenate(found), expected)
    assert sorted(reads) == paths
