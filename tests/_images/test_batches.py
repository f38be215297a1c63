"""Images of every source, batch by batch, with the features of all at once."""

import numpy as np
import pytest
import zarr

from sklearn_resnet import ResNetFeatures, cache_info
from sklearn_resnet._images.batches import cut_blocks
from sklearn_resnet._images.sources import as_source

N = 23
X = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 3), dtype=np.uint8)


def make_resnet(**parameters):
    return ResNetFeatures(4, weights=None, random_state=0, batch_size=5, **parameters)


EXPECTED = make_resnet().fit_transform(X)


def as_zarr(chunk=7, X=X):
    return zarr.array(X, chunks=(chunk, *X.shape[1:]))


def as_h5py(chunks=None, X=X):
    import io

    import h5py

    file = h5py.File(io.BytesIO(), "w")
    return file.create_dataset("images", data=X, chunks=chunks and (chunks, *X.shape[1:]))


def as_map(path):
    np.save(path / "images.npy", X)
    return np.load(path / "images.npy", mmap_mode="r")


def generate(batch_size=6):
    for start in range(0, N, batch_size):
        yield X[start : start + batch_size]


SOURCES = {
    "array": lambda path: X,
    "list": lambda path: list(X),
    "Zarr": lambda path: as_zarr(),
    "Zarr, large chunks": lambda path: as_zarr(100),
    "h5py": lambda path: as_h5py(),
    "h5py, chunks": lambda path: as_h5py(3),
    "memory map": as_map,
    "generator": lambda path: generate(),
    "iterable": lambda path: map(np.asarray, generate(1)),
}


@pytest.mark.parametrize("source", SOURCES)
def test_batches_have_the_features_of_all(tmp_path, source):
    found = list(make_resnet().fit(X).transform_batches(SOURCES[source](tmp_path)))
    assert np.concatenate([rows for rows, _ in found]).tolist() == list(range(N))
    np.testing.assert_array_equal(np.concatenate([features for _, features in found]), EXPECTED)
    assert len(found) > 1 or source == "Zarr, large chunks"


@pytest.mark.parametrize("source", ["Zarr", "h5py", "h5py, chunks", "memory map"])
def test_chunked_and_mapped_arrays_are_images(tmp_path, source):
    np.testing.assert_array_equal(make_resnet().fit_transform(SOURCES[source](tmp_path)), EXPECTED)


class Counting:
    """A chunked array that records its reads."""

    def __init__(self, array, chunk):
        self.array, self.chunks, self.reads = array, (chunk, *array.shape[1:]), []
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, key):
        self.reads.append((key.start, min(key.stop, len(self.array))))
        return self.array[key]


@pytest.mark.parametrize(("chunk", "size"), [(1, 5), (2, 4), (4, 4), (7, 7), (50, 50)])
def test_no_chunk_is_read_twice(chunk, size):
    images = Counting(X, chunk)
    resnet = make_resnet().fit(images)
    assert images.reads == []
    np.testing.assert_array_equal(resnet.transform(images), EXPECTED)
    assert images.reads == [(i, min(i + size, N)) for i in range(0, N, size)]


def test_no_more_than_two_batches_are_read_ahead():
    images = Counting(X, 5)
    batches = make_resnet().fit(X).transform_batches(images)
    for n_given in range(1, 4):
        next(batches)
        assert len(images.reads) <= n_given + 2
    batches.close()


@pytest.mark.parametrize("white", [1.0, 255.0])
def test_the_range_of_floats_is_that_of_all_chunks(white):
    floats = (X / 255 * white).astype(np.float32)
    floats[:20] *= 0.001
    resnet = make_resnet().fit(as_zarr(4, floats))
    assert resnet.value_range_ == make_resnet().fit(floats).value_range_ == (0, white)


def test_rows_in_chunks():
    rows = X.reshape(N, -1)
    resnet = make_resnet().fit(as_zarr(4, rows))
    assert resnet.n_features_in_ == 192
    np.testing.assert_array_equal(resnet.transform(as_zarr(4, rows)), EXPECTED)


def test_nan_in_a_chunk_is_an_error():
    floats = X.astype(np.float32)
    floats[20] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        make_resnet(value_range=(0, 255)).fit(X).transform(as_zarr(4, floats))


def test_an_error_in_a_generator_arrives():
    def fail():
        yield X[:3]
        raise RuntimeError("no more")

    batches = make_resnet().fit(X).transform_batches(fail())
    with pytest.raises(RuntimeError, match="no more"):
        list(batches)


def test_blocks_of_dask_end_where_its_chunks_do():
    import dask.array as da

    blocks = list(cut_blocks(da.from_array(X, chunks=(4, 8, 8, 3)), 8))
    assert [len(block) for block in blocks] == [8, 8, 7]
    assert all(isinstance(block, np.ndarray) for block in blocks)


def test_incremental_models_learn_from_batches():
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(2, random_state=0, batch_size=5, n_init=1)
    for _, features in make_resnet().fit(X).transform_batches(as_zarr()):
        model.partial_fit(features)
    assert model.predict(EXPECTED).shape == (N,)


def test_a_sample_reads_the_chunks_of_its_images_alone():
    images = Counting(X, 4)
    assert as_source(images).sample(0).shape == (1, 8, 8, 3)
    assert images.reads == []
    assert len(as_source(images).sample(3)) == 3
    assert images.reads == [(0, 1), (11, 12), (22, 23)]


def test_a_sample_for_int8_has_images_of_all_chunks():
    np.testing.assert_array_equal(as_source(as_zarr(4)).sample(300), X)


@pytest.mark.cache
@pytest.mark.parametrize("source", ["array", "Zarr", "h5py, chunks"])
def test_precompute_fills_the_cache_from_any_source(tmp_path, source):
    make_resnet().precompute(SOURCES[source](tmp_path))
    assert cache_info().n_features == N
    np.testing.assert_array_equal(make_resnet().fit_transform(X), EXPECTED)
    assert cache_info().hits == N
