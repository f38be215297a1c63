"""Regions in all the ways in which they are read: modes, ranges, pages, failures, digests, Dask."""

import pickle
import warnings

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pytest
import tifffile
import zarr
from channel_files import make_channels, save_arrays
from lazy_images import watch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_resnet import ImageLoader, ImageReadError, ResNetFeatures, clear_cache
from sklearn_resnet._images.shared_images import SharedImages

BOX = ["top", "left", "bottom", "right"]


def make_regions(sources, n=24, seed=0, size=None):
    """Regions of images of at least 30 x 30 pixels in random order."""
    rng = np.random.default_rng(seed)
    top, left = rng.integers(0, 15, (2, n))
    height, width = rng.integers(1, 15, (2, n)) if size is None else np.full((2, n), size)
    table = pd.DataFrame({"top": top, "left": left, "bottom": top + height, "right": left + width})
    table["path"] = [sources[i] for i in rng.integers(0, len(sources), n)]
    table.loc[: len(sources) - 1, "path"] = sources  # each at least once
    return table


def crop(table, whole):
    """Cut the rows of a table out of images by path."""
    rows = zip(table["path"], table[BOX].to_numpy(), strict=True)
    return [whole[path][top:bottom, left:right] for path, (top, left, bottom, right) in rows]


def load_whole(table, **parameters):
    """Each image of a table as a whole, by path."""
    paths = sorted(set(table["path"]))
    return {path: ImageLoader(**parameters).fit(paths).transform([path])[0] for path in paths}


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Photos of different sizes."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(1)
    for i in range(4):
        pixels = rng.integers(0, 256, (30 + i, 35, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return [str(folder / f"{i}.png") for i in range(4)]


@pytest.fixture(scope="module")
def channel_paths(tmp_path_factory):
    """Images of 12 bits in 16, with 2 channels."""
    folder = tmp_path_factory.mktemp("channels")
    return save_arrays(folder, make_channels(3, (30, 30), 2))


def make_resnet(layers=16, **parameters):
    return ResNetFeatures(layers, weights=None, random_state=0, **parameters)


def small_cache(images):
    """Keep only the last two images."""
    images._reader._images = SharedImages(max_bytes=0)
    return images


def test_grey_images(paths):
    table = make_regions(paths)
    expected = ImageLoader(12, mode="L").fit_transform(crop(table, load_whole(table, mode="L")))
    np.testing.assert_array_equal(ImageLoader(12, mode="L").fit_transform(table), expected)


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
def test_channels_in_their_depth(channel_paths, resize):
    table = make_regions(channel_paths)
    loader = ImageLoader((9, 12), mode="channels", resize=resize)
    crops = crop(table, load_whole(table, mode="channels"))
    np.testing.assert_array_equal(loader.fit_transform(table), loader.fit_transform(crops))


def test_percentiles_are_those_of_the_images(channel_paths):
    table = make_regions(channel_paths, size=7)
    for options in ({"mode": "channels"}, {"channels": [1]}):
        loader = ImageLoader(rescale="percentile", **options).fit(table)
        expected = ImageLoader(rescale="percentile", **options).fit(channel_paths)
        np.testing.assert_array_equal(loader.rescale_range_, expected.rescale_range_)
        crops = crop(
            table, dict(zip(channel_paths, expected.transform(channel_paths), strict=True))
        )
        np.testing.assert_array_equal(loader.transform(table), crops)


def test_percentiles_of_each_image(channel_paths):
    table = make_regions(channel_paths, size=7)
    options = {"mode": "channels", "rescale": "percentile", "rescale_by": "image"}
    crops = crop(table, load_whole(table, **options))
    np.testing.assert_array_equal(ImageLoader(**options).fit_transform(table), crops)


def test_the_value_range_is_that_of_the_images(tmp_path):
    whole = np.full((30, 30, 1), 0.5, np.float32)
    whole[-1, -1] = 200  # in no region
    paths = save_arrays(tmp_path, [whole, whole])
    images = ImageLoader(mode="channels", lazy=True).fit_transform(make_regions(paths, size=5))
    assert make_resnet().fit(images).value_range_ == (0, 255)


def test_black_regions_are_no_doubt_about_learned_percentiles(tmp_path):
    whole = np.zeros((40, 40), np.uint16)
    whole[20:] = np.random.default_rng(0).integers(0, 60000, (20, 40))
    paths = save_arrays(tmp_path, [whole])
    table = pd.DataFrame({"path": paths * 2, "top": [0, 21], "left": 0, "right": 9})
    table["bottom"] = table["top"] + 9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ImageLoader(rescale="percentile").fit_transform(table)


@pytest.mark.cache
@pytest.mark.parametrize("cache", [None, "memory"])
def test_separate_channels(channel_paths, cache):
    clear_cache()
    table = make_regions(channel_paths, n=90, size=12)
    images = ImageLoader(mode="channels", lazy=True, n_jobs=3).fit_transform(table)
    crops = np.stack(crop(table, load_whole(table, mode="channels")))
    resnet = make_resnet(channels="separate", value_range=(0, 4095), batch_size=5, cache=cache)
    expected = resnet.fit_transform(crops)
    reads = []
    watch(small_cache(images), reads.append)
    np.testing.assert_array_equal(resnet.fit(images).transform(images), expected)
    np.testing.assert_array_equal(resnet.transform(images[::-1]), expected[::-1])
    assert [reads.count(path) for path in channel_paths] == [1 if cache else 2] * 3


def test_pages(tmp_path):
    pages = np.random.default_rng(0).integers(0, 256, (3, 30, 30), dtype=np.uint8)
    path = str(tmp_path / "stack.tif")
    tifffile.imwrite(path, pages, photometric="minisblack")
    table = pd.DataFrame({"path": path, "top": 1, "left": 2, "bottom": 20, "right": [20, 21, 22]})
    table["page"] = pd.array([2, 0, None], dtype="Int64")
    for lazy in (False, True):
        found = np.asarray(ImageLoader(10, mode="L", page=1, lazy=lazy).fit_transform(table))
        crops = [pages[2, 1:20, 2:20], pages[0, 1:20, 2:21], pages[1, 1:20, 2:22]]
        np.testing.assert_array_equal(found, ImageLoader(10, mode="L").fit_transform(crops))
    whole = ImageLoader(mode="L", page=1).fit_transform(table[["path", "page"]])
    np.testing.assert_array_equal(whole, pages[[2, 0, 1]])


def test_unreadable_images_make_their_regions_nan(paths, tmp_path):
    damaged = str(tmp_path / "damaged.png")
    with open(paths[0], "rb") as file, open(damaged, "wb") as copy:
        copy.write(file.read()[:1000])
    table = make_regions([*paths, damaged], n=50)
    table.loc[7, ["path", "right"]] = [paths[1], 99]
    with pytest.raises(ImageReadError, match="counted from 0") as caught:
        ImageLoader(10).fit_transform(table)
    assert table["path"][caught.value.position] == damaged or caught.value.position == 7
    images = ImageLoader(10, lazy=True, on_error="nan", n_jobs=2).fit_transform(table)
    reads = []
    watch(images, reads.append)
    is_bad = (table["path"] == damaged) | (table.index == 7)
    with pytest.warns(UserWarning, match=f"^{is_bad.sum()} of 50 images could not be read"):
        features = make_resnet().fit_transform(images)
    np.testing.assert_array_equal(np.isnan(features).any(axis=1), is_bad)
    assert sorted(reads) == sorted([*paths, damaged])
    assert sorted(images.failures) == np.flatnonzero(is_bad).tolist()
    assert "right 99" in images.failures[7].cause
    crops = crop(table[~is_bad], load_whole(table[~is_bad]))
    expected = make_resnet().fit_transform(ImageLoader(10).fit_transform(crops))
    np.testing.assert_array_equal(features[~is_bad], expected)


def test_skipped_regions_are_left_out_of_batches(paths):
    table = make_regions([*paths, "missing.png"], n=30)
    images = ImageLoader(10, lazy=True, on_error="skip").fit_transform(table)
    resnet = make_resnet(batch_size=8).fit(images)
    with pytest.warns(UserWarning, match="left out"):
        batches = list(resnet.transform_batches(images))
    rows = np.concatenate([rows for rows, _ in batches])
    np.testing.assert_array_equal(rows, np.flatnonzero(table["path"] != "missing.png"))


def test_dataframes_out(paths):
    table = make_regions(paths).set_index(np.arange(100, 124))
    expected = ImageLoader(10).fit_transform(table)
    found = ImageLoader(10).set_output(transform="pandas").fit_transform(table)
    assert found.index.tolist() == table.index.tolist()
    np.testing.assert_array_equal(np.stack(found["image"]), expected)
    found = ImageLoader(10).set_output(transform="polars").fit_transform(pl.from_pandas(table))
    np.testing.assert_array_equal(np.stack(found["image"].to_list()), expected)


def test_a_search_over_rows(paths):
    table = make_regions(paths, n=30)
    pipe = make_pipeline(
        ImageLoader(10, lazy=True), make_resnet(cache="memory"), LogisticRegression()
    )
    search = GridSearchCV(pipe, {"logisticregression__C": [0.1, 1]}, cv=2, error_score="raise")
    search.fit(table, np.arange(30) % 2)
    assert search.predict(table).shape == (30,)


def test_digests_hold_all_that_changes_a_region(paths):
    mask = np.ones((10, 12), bool)
    other_mask = mask.copy()
    other_mask[0, 0] = False
    rows = [
        (paths[0], 1, 1, 11, 13, None),
        (paths[0], 1, 1, 11, 13, mask),
        (paths[0], 1, 1, 11, 13, other_mask),
        (paths[0], 2, 1, 12, 13, None),
        (paths[1], 1, 1, 11, 13, None),
    ]
    table = pd.DataFrame(rows, columns=["path", *BOX, "mask"])
    loaders = [{}, {"margin": 1}, {"margin": 1.0}, {"margin": 1, "pad": "black"}, {"page": 0}]
    digests = [
        digest
        for options in loaders
        for digest in ImageLoader(9, lazy=True, **options).fit_transform(table).digests()
    ]
    whole = ImageLoader(9, lazy=True).fit_transform(paths[:2]).digests()
    assert len({*digests, *whole}) == len(loaders) * len(rows) + 2
    again = ImageLoader(9, lazy=True).fit_transform(pd.concat([table, table])).digests()
    assert again == 2 * digests[: len(rows)]


def test_an_image_is_hashed_once_for_all_its_regions(paths, monkeypatch):
    images = ImageLoader(9, lazy=True).fit_transform(make_regions(paths, n=60))
    digests = images.digests()
    opened = []
    monkeypatch.setattr("builtins.open", lambda path, *_, **__: opened.append(path))
    assert images.digests() == digests
    assert images[::-1].digests() == digests[::-1]
    assert opened == []
    assert pickle.loads(pickle.dumps(images))._reader._digests == {}


def test_a_new_file_has_new_digests_and_pixels(tmp_path):
    path = str(tmp_path / "a.png")
    table = pd.DataFrame({"path": [path], "top": 0, "left": 0, "bottom": 9, "right": 9})
    Image.new("L", (20, 20), 9).save(path)
    images = ImageLoader(lazy=True).fit_transform(table)
    before, version = images.digests(), images.file_versions()
    assert images[0].max() == 9
    Image.new("L", (30, 30), 99).save(path)
    assert images[0].max() == 99
    assert images.digests() != before
    assert images.file_versions() != version


def test_an_array_that_changes_is_read_again():
    whole = np.zeros((20, 20), np.uint8)
    table = pd.DataFrame({"path": [whole], "top": 0, "left": 0, "bottom": 9, "right": 9})
    images = ImageLoader(9, lazy=True).fit_transform(table)
    before = images.digests()
    assert images[0].max() == 0
    whole[:] = 7
    assert images[0].max() == 7
    assert images.digests() != before
    assert images.file_versions() == [None]


def test_a_store_that_changes_after_fit_is_read_again(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 60000, (30, 30, 2), dtype=np.uint16)
    path = str(tmp_path / "image.zarr")
    array = zarr.open(path, mode="w", shape=pixels.shape, chunks=(30, 30, 2), dtype=pixels.dtype)
    array[...] = pixels
    table = make_regions([path], 3)
    images = ImageLoader(9, mode="channels", lazy=True).fit_transform(table)
    images.infer_value_range()
    array[...] = pixels[::-1]
    expected = ImageLoader(9, mode="channels").fit_transform(table)
    np.testing.assert_array_equal(np.asarray(images), expected)


def test_versions_of_rows(paths):
    table = make_regions(paths, n=10)
    table["page"] = [None, 0] * 5
    height, width = (table["bottom"] - table["top"])[9], (table["right"] - table["left"])[9]
    table["mask"] = [*[None] * 9, np.ones((height, width), bool)]
    images = ImageLoader(9, lazy=True).fit_transform(table)
    versions = images.file_versions()
    assert len(set(versions)) == 10
    whole = ImageLoader(lazy=True).fit_transform(table["path"].tolist()).file_versions()
    for version, of_file, box in zip(versions, whole, table[BOX].to_numpy(), strict=True):
        assert version.startswith(f"{of_file}#{','.join(map(str, box))}")


def test_a_dask_dataframe(paths):
    table = make_regions(paths, n=20)
    expected = make_resnet().fit_transform(ImageLoader(10).fit_transform(table))
    pipe = make_pipeline(ImageLoader(10, lazy=True), make_resnet())
    features = pipe.fit(table).transform(dd.from_pandas(table, npartitions=3))
    np.testing.assert_array_equal(features.compute(scheduler="synchronous"), expected)


def test_a_dask_dataframe_of_channels(channel_paths):
    table = make_regions(channel_paths, n=20)
    loader = ImageLoader(10, mode="channels", rescale="percentile").fit(table)
    expected = loader.transform(table)
    parts = dd.from_pandas(table, npartitions=3)
    np.testing.assert_array_equal(loader.transform(parts).compute(), expected)
    assert loader.fit(parts).rescale_range_.shape == (2, 2)


def test_with_paths_keeps_the_boxes(paths):
    images = ImageLoader(9, lazy=True).fit_transform(make_regions(paths))
    moved = images.with_paths(lambda path: path.replace("0.png", "1.png"))
    np.testing.assert_array_equal(moved.boxes, images.boxes)
    assert paths[0] not in moved.paths


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A tiled file that is read by windows, and its values: 72 MiB of 12 bits in two channels."""
    path = tmp_path_factory.mktemp("large") / "large.ome.tif"
    values = np.zeros((2, 4200, 4500), np.uint16)
    values[:, ::7, ::5] = np.random.default_rng(0).integers(0, 4096, (2, 600, 900))
    tifffile.imwrite(path, values, tile=(256, 256), compression="zlib", metadata={"axes": "CYX"})
    return str(path), np.moveaxis(values, 0, -1)


@pytest.mark.parametrize("pad", ["reflect", "black"])
def test_large_files_are_read_by_windows(large, pad):
    path, values = large
    table = make_regions([path], n=20)
    table[["top", "left"]] *= 299  # to the border and beyond
    table[["bottom", "right"]] = np.add(table[["top", "left"]], [70, 50])
    reads = []
    loader = ImageLoader(16, mode="channels", lazy=True, margin=0.5, pad=pad, n_jobs=2)
    images = loader.fit_transform(table)
    watch(images, reads.append)
    loader = loader.set_params(lazy=False)
    expected = loader.fit_transform(table.assign(path=[values] * 20))
    np.testing.assert_array_equal(np.asarray(images), expected)
    assert reads == []


def test_ranges_of_large_files_are_learned_by_windows(large, monkeypatch):
    path, values = large
    table = make_regions([path], n=5, size=9)
    monkeypatch.setattr("sklearn_resnet._images.item_reader.read_samples", None)
    loader = ImageLoader(mode="channels", rescale="percentile").fit(table)
    whole = ImageLoader(mode="channels", rescale="percentile").fit([values])
    np.testing.assert_allclose(loader.rescale_range_, whole.rescale_range_, atol=5)
    images = ImageLoader(mode="channels", lazy=True).fit_transform(table)
    assert images.channel_names == ["0", "1"]
    with pytest.warns(UserWarning, match="X holds values from 0 to 4095"):
        make_resnet(channels="separate").fit(images)


def test_the_level_of_a_pyramid_follows_the_region(tmp_path):
    path, full = str(tmp_path / "a.tif"), np.random.default_rng(0).integers(0, 256, (512, 512, 3))
    full = full.astype(np.uint8)
    with tifffile.TiffWriter(path) as file:
        options = {"tile": (64, 64), "photometric": "rgb"}
        file.write(full, subifds=2, **options)
        file.write(full[::2, ::2], subfiletype=1, **options)
        file.write(full[::4, ::4], subfiletype=1, **options)
    boxes = [(0, 0, 256, 256), (128, 100, 228, 200), (0, 0, 63, 63)]
    table = pd.DataFrame([(path, *box) for box in boxes], columns=["path", *BOX])
    crops = [full[::4, ::4][:64, :64], full[::2, ::2][64:114, 50:100], full[:63, :63]]
    expected = ImageLoader(25).fit_transform(crops)
    np.testing.assert_array_equal(ImageLoader(25).fit_transform(table), expected)
    found = ImageLoader(level=1).fit_transform(table[:1])
    np.testing.assert_array_equal(found[0], full[::2, ::2][:128, :128])
    mask = np.zeros((256, 256), bool)
    mask[:128] = True
    (masked,) = ImageLoader(level=2).fit_transform(table[:1].assign(mask=[mask]))
    np.testing.assert_array_equal(masked[:32], full[::4, ::4][:32, :64])
    assert masked[32:].max() == 0


def test_few_files_are_open_at_the_same_time(tmp_path):
    paths = [str(tmp_path / f"{i}.tif") for i in range(5)]
    for path in paths:
        with tifffile.TiffWriter(path) as file:
            for size in (64, 32):
                options = {"subifds": 1} if size == 64 else {"subfiletype": 1}
                file.write(np.zeros((size, size), np.uint8), tile=(16, 16), **options)
    table = pd.DataFrame({"path": paths, "top": 0, "left": 0, "bottom": 20, "right": 20})
    images = ImageLoader(10, lazy=True, n_jobs=1).fit_transform(table)
    for i in range(5):
        assert images[i].shape == (10, 10, 3)
    assert len(images._reader._images) == 2


def test_an_image_that_is_over_is_not_opened_ahead(paths):
    table = make_regions(paths, n=4)
    images = small_cache(ImageLoader(9, lazy=True).fit_transform(table))
    reads = []
    watch(images, reads.append)
    for i in range(3):
        images[i]
    images._reader.open_ahead(images._items[0])
    assert reads == paths[:3]
    images._reader.open_ahead(images._items[3])
    assert reads == paths
