"""Dask in, Dask out: nothing is computed too early, and features are bit-equal."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import ClassVar

import dask
import dask.array as da
import dask.bag as db
import numpy as np
import pytest
from channel_files import make_channels, save_arrays, save_ome
from PIL import Image

from sklearn_resnet import ImageLoader, LazyImages, ResNetFeatures
from sklearn_resnet._images.dask import sample_dask, transform_dask
from sklearn_resnet._images.sources import as_block_source
from sklearn_resnet._network.engines import store

N = 20
X = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 3), dtype=np.uint8)


def make_resnet(layers=4, **parameters):
    return ResNetFeatures(layers, weights=None, random_state=0, cache=None, **parameters)


EXPECTED = make_resnet().fit_transform(X)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for i, image in enumerate(X):
        Image.fromarray(image).save(folder / f"{i}.png")
    return [str(folder / f"{i}.png") for i in range(N)]


def with_lengths(array, lengths):
    """The same array, which records the length of each chunk when it is computed."""

    def note(block):
        lengths.append(len(block))
        return block

    return array.map_blocks(note, dtype=array.dtype, meta=np.empty((0,) * array.ndim, array.dtype))


FORMS = {
    "colour": X,
    "grey": X[..., 0],
    "rows": X.reshape(N, -1),
    "floats": X.astype(np.float32),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_arrays(form, scheduler):
    images, computed = FORMS[form], []
    chunked = da.from_array(images, chunks=(7, *(3 for _ in images.shape[1:])))
    resnet = make_resnet().fit(chunked)
    features = with_lengths(resnet.transform(chunked), computed)
    assert computed == []
    assert isinstance(features, da.Array)
    assert features.chunks == ((7, 7, 6), (64,))
    assert (features.shape, features.dtype) == ((N, 64), np.float32)
    np.testing.assert_array_equal(
        features.compute(scheduler=scheduler), make_resnet().fit_transform(images)
    )
    assert sorted(computed) == [6, 7, 7]


def test_fit_reads_nothing_of_bytes():
    def fail(block):
        raise AssertionError("computed")

    images = da.from_array(X, chunks=(7, 8, 8, 3)).map_blocks(fail, dtype=np.uint8, meta=X[:0])
    assert make_resnet().fit(images).value_range_ == (0, 255)


def test_one_part_of_the_result_computes_one_chunk():
    computed = []
    chunked = with_lengths(da.from_array(X, chunks=(5, 8, 8, 3)), computed)
    features = make_resnet().fit(X).transform(chunked)
    np.testing.assert_array_equal(features[6:9].compute(), EXPECTED[6:9])
    assert computed == [5]


def collections(paths):
    return {
        "array": da.from_array(np.array(paths), chunks=6),
        "bag": db.from_sequence(paths, npartitions=3),
        "delayed": [dask.delayed(paths[:5]), dask.delayed(paths[5:])],
        "one delayed": dask.delayed(paths),
    }


@pytest.mark.parametrize("kind", ["array", "bag", "delayed", "one delayed"])
@pytest.mark.parametrize("lazy", [False, True])
def test_collections_of_paths(paths, kind, lazy):
    loader = ImageLoader(8, lazy=lazy)
    images = loader.fit_transform(collections(paths)[kind])
    assert (images.shape[1:], images.dtype) == ((8, 8, 3), np.uint8)
    features = make_resnet().fit(images).transform(images)
    assert features.shape[1] == 64
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features.compute(scheduler="synchronous"), EXPECTED)
    np.testing.assert_array_equal(np.asarray(images.compute(scheduler="synchronous")), X)


class WatchedResNet(ResNetFeatures):
    """Records the type of each block; at module level, as Dask copies objects of local classes."""

    kinds: ClassVar[list] = []

    def transform(self, X):
        self.kinds.append(type(X))
        return super().transform(X)


class WatchedLoader(ImageLoader):
    """Records the number of lists of paths that are being loaded."""

    running: ClassVar[list] = []

    def transform(self, X):
        if not isinstance(X, list):
            return super().transform(X)
        started = self.running.count(1)
        self.running.append(1)
        time.sleep(0.02)
        images = super().transform(X)
        self.running.append(0)
        assert self.running.count(0) == started + 1
        return images


def test_lazy_images_stay_lazy(paths):
    images = ImageLoader(8, lazy=True).fit_transform(collections(paths)["array"])
    resnet = WatchedResNet(4, weights=None, random_state=0, cache=None).fit(images)
    features = transform_dask(resnet, images)
    np.testing.assert_array_equal(features.compute(scheduler="synchronous"), EXPECTED)
    assert WatchedResNet.kinds == [LazyImages] * 4


def test_files_that_cannot_be_read_are_rows_of_nan(paths):
    loader = ImageLoader(8, lazy=True, on_error="nan")
    broken = da.from_array(np.array([*paths[:5], "none.png", *paths[6:]]), chunks=6)
    images = loader.fit_transform(broken)
    with pytest.warns(UserWarning, match="1 of 6 images could not be read"):
        features = make_resnet().fit(images).transform(images).compute(scheduler="synchronous")
    assert np.isnan(features[5]).all()
    np.testing.assert_array_equal(np.delete(features, 5, 0), np.delete(EXPECTED, 5, 0))


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("rows", [slice(2), slice(4, 15, 3), [1, 9]], ids=str)
def test_images_are_sliced(paths, lazy, rows):
    images = ImageLoader(8, lazy=lazy).fit_transform(collections(paths)["array"])
    np.testing.assert_array_equal(
        np.asarray(images[rows].compute(scheduler="synchronous")), X[rows]
    )
    features = make_resnet().fit(images).transform(images[rows])
    np.testing.assert_array_equal(features.compute(scheduler="synchronous"), EXPECTED[rows])


@pytest.mark.parametrize("lazy", [False, True])
def test_partitions_may_be_empty(paths, lazy):
    bag = db.from_sequence(paths, npartitions=4).filter(lambda path: path in paths[:7])
    images = ImageLoader(8, lazy=lazy).fit_transform(bag)
    features = make_resnet().fit(images).transform(images)
    np.testing.assert_array_equal(features.compute(scheduler="synchronous"), EXPECTED[:7])


def test_chunks_may_be_empty():
    images = da.from_array(X, chunks=(4, 8, 8, 3))
    images = images[da.from_array(np.arange(N) < 3, chunks=4)]
    features = make_resnet().fit(X).transform(images)
    np.testing.assert_array_equal(features.compute(scheduler="synchronous"), EXPECTED[:3])


def test_batches_of_chunks_that_cut_images_or_are_empty():
    """Such as after a mask; and of an array of which no image is left."""
    cut = da.from_array(X, chunks=(4, 3, 8, 2))
    kept = np.isin(np.arange(N), [1, 2, 9])
    masked = cut[da.from_array(kept, chunks=4)]
    resnet = make_resnet(batch_size=4).fit(X)
    for images, expected in ((cut, EXPECTED), (masked, EXPECTED[kept])):
        found = list(resnet.transform_batches(images))
        assert np.concatenate([rows for rows, _ in found]).tolist() == list(range(len(expected)))
        np.testing.assert_array_equal(np.concatenate([rows for _, rows in found]), expected)
    empty = da.concatenate([cut[:0], cut[:0]]).rechunk(((0, 0), 8, 8, 3))
    for nothing in (empty, cut[da.zeros(N, chunks=4, dtype=bool)]):
        assert list(as_block_source(nothing).blocks(4)) == []


@pytest.mark.parametrize("lazy", [False, True])
def test_grey_images_of_a_collection(paths, lazy):
    expected = ImageLoader(8, mode="L").fit_transform(paths)
    for kind, X in collections(paths).items():
        images = ImageLoader(8, mode="L", lazy=lazy).fit_transform(X)
        assert images.shape[1:] == (8, 8), kind
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(np.asarray(images.compute(scheduler="threads")), expected)


@pytest.mark.parametrize("kind", ["array", "bag"])
def test_batches_of_lazy_images(paths, kind):
    paths = [*paths[:5], "none.png", *paths[6:]]
    images = ImageLoader(8, lazy=True, on_error="nan").fit_transform(collections(paths)[kind])
    with pytest.warns(UserWarning, match="1 of 20 images could not be read"):
        found = list(make_resnet().fit(X).transform_batches(images))
    assert np.concatenate([rows for rows, _ in found]).tolist() == list(range(N))
    features = np.concatenate([features for _, features in found])
    assert np.isnan(features[5]).all()
    np.testing.assert_array_equal(np.delete(features, 5, 0), np.delete(EXPECTED, 5, 0))


def test_tasks_of_a_process_take_turns():
    """Each takes all its threads: two at once would be twice as many, with twice the images."""
    counts, lock = [], threading.Lock()

    class Watched(ResNetFeatures):
        def transform(self, X):
            with lock:
                counts.append(1)
            time.sleep(0.01)
            n_running = sum(counts)
            with lock:
                counts.append(-1)
            assert n_running == 1
            return super().transform(X)

    resnet = Watched(4, weights=None, random_state=0, cache=None).fit(X)
    features = transform_dask(resnet, da.from_array(X, chunks=(2, 8, 8, 3)))
    computed = features.compute(scheduler="threads", num_workers=4)
    assert len(counts) == 20
    np.testing.assert_array_equal(computed, EXPECTED)


@pytest.mark.parametrize("kind", ["array", "bag"])
def test_tasks_that_decode_take_turns(paths, kind):
    images = WatchedLoader(8).fit(paths).transform(collections(paths)[kind])
    WatchedLoader.running.clear()
    images.compute(scheduler="threads", num_workers=4)
    assert set(WatchedLoader.running) == {0, 1}


def test_paths_need_a_size(paths):
    with pytest.raises(ValueError, match="'size' parameter must be given for Dask"):
        ImageLoader().fit_transform(da.from_array(np.array(paths), chunks=6))


def test_one_network_for_all_tasks_of_a_process():
    store._compile.cache_clear()
    make_resnet(16).fit(X).transform(da.from_array(X, chunks=(2, 8, 8, 3))).compute(
        scheduler="threads"
    )
    assert store._compile.cache_info().misses == 1


@pytest.fixture(scope="module")
def cluster():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def count_threads_of_worker():
    from sklearn_resnet._runtime.threads import count_threads, dask_task

    os.environ.pop("OMP_NUM_THREADS", None)  # its nanny sets it to the same number
    with dask_task():
        return count_threads()


@pytest.mark.long
def test_workers_keep_to_their_threads(cluster):
    counts = [
        cluster.submit(count_threads_of_worker, workers=[worker], pure=False).result(timeout=60)
        for worker in cluster.scheduler_info()["workers"]
    ]
    assert counts == [1, 1]


@pytest.mark.long
def test_a_worker_that_is_killed_costs_nothing_but_time(cluster, tmp_path):
    images = np.random.default_rng(1).integers(0, 256, (600, 32, 32, 3), dtype=np.uint8)
    resnet = make_resnet(82).fit(images)
    chunked = da.from_array(images, chunks=(20, 32, 32, 3))

    def mark(block):
        (tmp_path / f"{time.time_ns()}").touch()
        return block

    future = cluster.compute(resnet.transform(chunked).map_blocks(mark, dtype=np.float32))
    deadline = time.monotonic() + 120
    while len(list(tmp_path.iterdir())) < 8:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not future.done()
    os.kill(next(iter(cluster.run(os.getpid).values())), signal.SIGKILL)
    np.testing.assert_array_equal(future.result(timeout=300), resnet.transform(images))


def test_batches_of_a_lazy_dask_array_leave_out_skipped_images(tmp_path):
    paths = []
    for i in range(6):
        paths.append(str(tmp_path / f"{i}.png"))
        Image.fromarray(np.full((8, 8), 40 * i, np.uint8)).save(paths[-1])
    Path(paths[2]).write_bytes(b"none")
    chunks = da.from_array(np.array(paths), chunks=2)
    images = ImageLoader(size=8, lazy=True, on_error="skip").fit_transform(chunks)
    resnet = ResNetFeatures(16, weights="procedural", batch_size=2).fit(images[:2])
    with pytest.warns(UserWarning, match="1 of 6 images could not be read, and they are left out"):
        rows = [row for rows, _ in resnet.transform_batches(images) for row in rows]
    assert rows == [0, 1, 3, 4, 5]


def save_channels(folder):
    return save_arrays(folder, make_channels(N))


@pytest.mark.parametrize("kind", ["array", "bag", "delayed"])
@pytest.mark.parametrize("lazy", [False, True])
def test_channels_are_loaded_in_their_depth(tmp_path, kind, lazy):
    paths = save_channels(tmp_path)
    loader = ImageLoader(8, mode="channels", channels=[3, 0], rescale="percentile", lazy=lazy)
    expected = np.asarray(loader.fit_transform(paths))
    learned = loader.rescale_range_
    images = loader.fit(collections(paths)[kind]).transform(collections(paths)[kind])
    np.testing.assert_array_equal(loader.rescale_range_, learned)  # all are in the sample
    assert (images.shape[1:], images.dtype) == ((8, 8, 2), np.uint16)
    np.testing.assert_array_equal(np.asarray(images.compute()), expected)


@pytest.mark.parametrize("lazy", [False, True])
def test_a_chunk_of_other_channels_is_an_error_that_names_both_files(tmp_path, lazy):
    paths = save_channels(tmp_path)
    np.save(paths[-1], np.zeros((12, 10, 4), np.uint16))
    loader = ImageLoader(8, mode="channels", lazy=lazy).fit(paths[:1])
    images = loader.transform(collections(paths)["array"])
    with pytest.raises(ValueError, match=r"0\.npy' has 5 channels of uint16 and .*has 4 channels"):
        np.asarray(images.compute(scheduler="sync"))


def test_the_first_image_that_can_be_read_tells_the_channels(tmp_path):
    paths = save_channels(tmp_path)
    (tmp_path / "0.npy").write_bytes(b"no array")
    loader = ImageLoader(8, mode="channels", lazy=True, on_error="nan").fit(paths)
    assert loader.transform(collections(paths)["bag"]).shape[1:] == (8, 8, 5)


@pytest.mark.parametrize("n_items", [1, 3, 5, 100])
def test_a_sample_is_spread_over_the_parts(n_items):
    names = np.array([f"{i}.png" for i in range(20)])
    sample = sample_dask(da.from_array(names, chunks=5), n_items)
    assert len(sample) == min(n_items, 20)
    assert len({int(name[:-4]) // 5 for name in sample}) == min(n_items, 4)
    assert sample == sorted(set(sample), key=list(names).index)


def test_an_empty_collection_has_no_sample():
    with pytest.raises(ValueError, match="at least one path"):
        ImageLoader(8, rescale="percentile").fit(db.from_sequence([[]], 1).flatten())


def test_channels_by_position_must_have_the_same_names_in_all_chunks(tmp_path):
    paths = []
    for order in (1, -1):
        folder = tmp_path / str(order)
        folder.mkdir()
        paths += save_ome(folder, make_channels(1, n_channels=2), ["DAPI", "GFP"][::order])
    chunks = da.from_array(np.array(paths), chunks=1)
    images = ImageLoader(8, mode="channels").fit_transform(chunks)
    with pytest.raises(ValueError, match="must name the channels of files that name them differ"):
        images.compute()
    images = ImageLoader(8, mode="channels", channels=["GFP"]).fit_transform(chunks)
    assert images.compute().shape == (2, 8, 8, 1)
