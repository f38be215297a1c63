"""Images of every source, batch by batch, with the features of all at once."""

import contextlib
import io

import numpy as np
import pytest
import zarr
from PIL import Image

from sklearn_resnet import ImageLoader, ImageReadError, ResNetFeatures, cache_info
from sklearn_resnet._images.batches import make_batches, resize_image
from sklearn_resnet._images.sources import as_block_source, as_source

N = 23
X = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 3), dtype=np.uint8)


def make_resnet(**parameters):
    return ResNetFeatures(4, weights=None, random_state=0, batch_size=5, **parameters)


EXPECTED = make_resnet().fit_transform(X)


def as_zarr(chunk=7, X=X):
    return zarr.array(X, chunks=(chunk, *X.shape[1:]))


def as_h5py(chunks=None, X=X):
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
    "generator, empty batches": lambda path: iter(
        ([], X[:9], X[:0], list(X[9:]), as_zarr(X=X[:0]))
    ),
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


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint32])
def test_the_range_of_wide_and_signed_integers_follows_their_values(dtype):
    """The brightest image is in the middle chunk, and the images of the others fit 8 bits."""
    values = np.full((N, 8, 8), 200, dtype)
    values[9] = 300
    white = np.iinfo(np.int16).max if dtype == np.int16 else 65_535
    for images in (values, as_zarr(4, values)):
        with pytest.warns(UserWarning, match=rf"to {white}: the images are nearly black\. Pass"):
            assert make_resnet().fit(images).value_range_ == (0, white)
    assert make_resnet().fit(as_zarr(4, values[10:])).value_range_ == (0, 255)


def test_a_mask_of_signed_bytes_in_chunks_is_read():
    mask = (X > 127).astype(np.int8)
    assert make_resnet().fit(as_zarr(4, mask)).value_range_ == (0, 1)


def test_rows_in_chunks_that_seem_planar_are_warned_about():
    smooth = np.broadcast_to(np.arange(16, dtype=np.uint8)[:, None] * 9, (8, 3, 16, 16))
    rows = as_zarr(4, smooth.reshape(8, -1))
    with pytest.warns(UserWarning, match=r"image_shape=\(3, 16, 16\)"):
        make_resnet().fit(rows).transform(rows)


def test_resized_images_are_scaled_from_black_to_white():
    """Against Pillow's `thumbnail` filter, band by band, in double precision."""
    black, white = 40.0, 240.0
    image = np.random.default_rng(1).uniform(black, white, (9, 12, 3))
    bands = [
        Image.fromarray(image[..., i].astype(np.float32)).resize((5, 4), Image.Resampling.BILINEAR)
        for i in range(3)
    ]
    expected = (np.stack(bands, axis=-1).astype(float) - black) / (white - black) * 255
    resized = resize_image(image, (4, 5, 3), (black, white))
    assert resized.dtype == np.float32
    np.testing.assert_allclose(resized, expected, atol=1e-3)
    for level, value in ((black, 0), (white, 255)):
        found = resize_image(np.full((6, 6), level), (4, 5, 3), (black, white))
        assert found.shape == (4, 5, 3)
        np.testing.assert_allclose(found, value, atol=1e-3)


def test_resizing_averages_all_pixels():
    checkerboard = np.indices((64, 64)).sum(0) % 2 * 255.0
    assert abs(resize_image(checkerboard, (4, 4, 3), (0.0, 255.0)) - 127.5).max() <= 2


def test_batches_have_the_dtype_of_the_computation():
    (batch,) = make_batches(as_source(X[:2]), 5, "float32")
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch, X[:2])


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


@pytest.mark.parametrize("wrap", [np.asarray, list])
def test_a_generator_may_refill_the_array_that_it_yielded(wrap):
    def refill():
        batch = np.empty_like(X[:5])
        for start in range(0, 20, 5):
            batch[:] = X[start : start + 5]
            yield wrap(batch)

    resnet = make_resnet(cache=None).fit(X)
    found = [features for _, features in resnet.transform_batches(refill())]
    np.testing.assert_array_equal(np.concatenate(found), EXPECTED[:20])


def test_a_damaged_image_of_pillow_in_a_generator_is_named():
    file = io.BytesIO()
    Image.fromarray(X[0]).save(file, "PNG")
    damaged = Image.open(io.BytesIO(file.getvalue()[:-30]))
    batches = make_resnet().fit(X).transform_batches(iter([[Image.fromarray(X[1]), damaged]]))
    with pytest.raises(ImageReadError, match="truncated"):
        list(batches)


def test_blocks_of_dask_end_where_its_chunks_do():
    import dask.array as da

    blocks = list(as_block_source(da.from_array(X, chunks=(4, 8, 8, 3))).blocks(8))
    assert [len(block) for block in blocks] == [8, 8, 7]
    assert all(isinstance(block, np.ndarray) for block in blocks)


@pytest.mark.parametrize("kind", ["Zarr", "h5py", "h5py, chunks", "Dask"])
def test_batches_of_an_iterable_can_be_chunked_arrays(kind):
    import dask.array as da

    makes = {
        "Zarr": lambda batch: as_zarr(4, batch),
        "h5py": lambda batch: as_h5py(None, batch),
        "h5py, chunks": lambda batch: as_h5py(2, batch),
        "Dask": lambda batch: da.from_array(batch, chunks=(2, 8, 8, 3)),
    }
    found = list(make_resnet().fit(X).transform_batches(map(makes[kind], generate())))
    assert [rows.tolist() for rows, _ in found] == [
        list(range(N))[i : i + 6] for i in range(0, N, 6)
    ]
    np.testing.assert_array_equal(np.concatenate([features for _, features in found]), EXPECTED)


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


class _Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.cache
@pytest.mark.parametrize("source", ["array", "Zarr", "Dask", "Dask, lengths unknown"])
def test_precompute_shows_its_progress(source):
    import dask.array as da

    chunks = da.from_array(X, chunks=(7, 8, 8, 3))
    sources = {
        "array": X,
        "Zarr": as_zarr(),
        "Dask": chunks,
        "Dask, lengths unknown": chunks[da.ones(N, chunks=7, dtype=bool)],
    }
    with contextlib.redirect_stderr(_Terminal()) as stderr:
        make_resnet().precompute(sources[source])
    count = f"{N} images" if "unknown" in source else f"| {N}/{N} ["
    assert count in stderr.getvalue().split("\r")[-1]


@pytest.mark.cache
def test_precompute_counts_images_that_are_skipped(tmp_path):
    import dask.array as da

    paths = [str(tmp_path / f"{i}.png") for i in range(6)]
    for path in paths[:4]:
        Image.fromarray(X[0]).save(path)
    loader = ImageLoader(8, lazy=True, on_error="skip")
    images = loader.fit_transform(da.from_array(np.array(paths), chunks=2))
    with contextlib.redirect_stderr(_Terminal()) as stderr:
        make_resnet().precompute(images)
    assert "| 6/6 [" in stderr.getvalue().split("\r")[-1]
