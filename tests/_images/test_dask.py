"""Dask in, Dask out: nothing is computed too early, and what is computed is the same to the bit."""

import os
import signal
import threading
import time
from pathlib import Path

import dask
import dask.array as da
import dask.bag as db
import numpy as np
import pytest
from PIL import Image

from sklearn_resnet import ImageLoader, ResNetFeatures
from sklearn_resnet._images import dask as _dask
from sklearn_resnet._images.dask import is_dask
from sklearn_resnet._network.engines import store
from sklearn_resnet.cli.resumable.run import make_absolute
from sklearn_resnet.cli.resumable.workers import run_in_workers

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


@pytest.fixture
def computed(monkeypatch):
    """The sizes of blocks, as they are computed."""
    sizes, transform = [], _dask._transform_block

    def count(block, resnet):
        features = transform(block, resnet)
        sizes.append(len(features))
        return features

    monkeypatch.setattr(_dask, "_transform_block", count)
    return sizes


FORMS = {
    "colour": X,
    "grey": X[..., 0],
    "rows": X.reshape(N, -1),
    "floats": X.astype(np.float32),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_arrays(computed, form, scheduler):
    images = FORMS[form]
    chunked = da.from_array(images, chunks=(7, *(3 for _ in images.shape[1:])))
    resnet = make_resnet().fit(chunked)
    features = resnet.transform(chunked)
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


def test_one_part_of_the_result_computes_one_chunk(computed):
    features = make_resnet().fit(X).transform(da.from_array(X, chunks=(5, 8, 8, 3)))
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


def test_lazy_images_stay_lazy(paths, monkeypatch):
    from sklearn_resnet._images.lazy import LazyImages

    monkeypatch.setattr(LazyImages, "__array__", None)
    images = ImageLoader(8, lazy=True).fit_transform(collections(paths)["array"])
    features = make_resnet().fit(images).transform(images)
    np.testing.assert_array_equal(features.compute(scheduler="synchronous"), EXPECTED)


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


def test_tasks_of_a_process_take_turns(monkeypatch):
    """Each takes all its threads: two at once would be twice as many, with twice the images."""
    running, most, lock = [0], [0], threading.Lock()

    def transform(resnet, block):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1
        return EXPECTED[: len(block)]

    resnet = make_resnet().fit(X)
    features = resnet.transform(da.from_array(X, chunks=(2, 8, 8, 3)))
    monkeypatch.setattr(ResNetFeatures, "transform", transform)
    features.compute(scheduler="threads", num_workers=4)
    assert most == [1]


def test_paths_are_made_absolute(paths, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = ["a.png", Path("b/./c.png"), "/d.png", "memory://e.png"]
    images = ImageLoader(8, lazy=True).fit_transform(given)
    resnet = make_resnet().set_params(weights="my.h5", cache="cache")
    absolute, there = make_absolute(images, resnet)
    assert absolute.paths == [f"{tmp_path}/a.png", f"{tmp_path}/b/c.png", *given[2:]]
    assert (there.weights, there.cache) == (f"{tmp_path}/my.h5", f"{tmp_path}/cache")
    assert images.paths[0] == "a.png"
    assert resnet.weights == "my.h5"
    named = make_resnet().set_params(weights="procedural")
    assert make_absolute(images, named)[1].weights == "procedural"


def test_paths_need_a_size(paths):
    with pytest.raises(ValueError, match="'size' parameter must be given for Dask"):
        ImageLoader().fit_transform(da.from_array(np.array(paths), chunks=6))


@pytest.mark.parametrize(("X", "expected"), [(X, False), (["a"], False), ([], False)])
def test_what_is_dask(X, expected):
    assert is_dask(X) is expected


def test_one_network_for_all_tasks_of_a_process(monkeypatch):
    from sklearn_resnet._network.engines import openvino

    store._compile.cache_clear()
    calls, original = [], openvino.compile_network
    monkeypatch.setattr(openvino, "compile_network", lambda c: calls.append(1) or original(c))
    make_resnet(16).fit(X).transform(da.from_array(X, chunks=(2, 8, 8, 3))).compute(
        scheduler="threads"
    )
    assert len(calls) == 1


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

    with dask_task():
        return count_threads()


def fail_once_more(folder):
    (folder / f"{time.time_ns()}").touch()
    raise ValueError("fails")


def die(folder):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.long
def test_workers_keep_to_their_threads(cluster):
    assert set(cluster.run(count_threads_of_worker).values()) == {1}


@pytest.mark.long
def test_what_fails_is_not_tried_again(cluster, tmp_path):
    with pytest.raises(ValueError, match="fails"):
        list(run_in_workers(fail_once_more, [(tmp_path,)], 1, cluster.scheduler.address))
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.long
def test_a_task_that_kills_its_workers_is_an_error_that_helps(cluster, tmp_path):
    with pytest.raises(RuntimeError, match="Workers died 4 times in a row.*memory"):
        list(run_in_workers(die, [(tmp_path,)], 1, cluster.scheduler.address))


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


def test_batches_of_a_lazy_dask_array_leave_out_what_is_skipped(tmp_path):
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
