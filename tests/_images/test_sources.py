"""Each source of images keeps the same protocol."""

import dask.array as da
import dask.bag as db
import numpy as np
import pytest
import zarr
from blake3 import blake3
from PIL import Image

from sklearn_resnet import ImageLoader, ResNetFeatures
from sklearn_resnet._images.batches import make_batches
from sklearn_resnet._images.sources import as_source

N = 7
X = np.random.default_rng(0).integers(0, 256, (N, 8, 9, 3), dtype=np.uint8)


@pytest.fixture
def paths(tmp_path):
    paths = [str(tmp_path / f"{i}.png") for i in range(N)]
    for path, image in zip(paths, X, strict=True):
        Image.fromarray(image).save(path)
    return paths


@pytest.fixture(params=["array", "list", "lazy"])
def source(request, paths):
    lazy = ImageLoader(lazy=True).fit_transform(paths)
    return as_source({"array": X, "list": list(X), "lazy": lazy}[request.param])


def test_batches_hold_the_images_in_order(source):
    batches = list(source.batches(3))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(batches), X)
    chosen = list(source.batches(3, iter([6, 0, 2, 2])))
    np.testing.assert_array_equal(np.concatenate(chosen), X[[6, 0, 2, 2]])


def test_a_slice_is_a_source_of_the_same_kind(source):
    part = source[2:5]
    assert type(part) is type(source)
    assert len(part) == 3
    assert part.shape == (3, *source.shape[1:])
    np.testing.assert_array_equal(np.concatenate(list(part.batches(2))), X[2:5])
    assert part.digests() == source.digests()[2:5]
    assert part.file_versions() == source.file_versions()[2:5]


def test_different_contents_have_different_digests(source):
    assert len(set(source.digests())) == N
    assert source.digests() == source.digests()


def test_keys_of_equal_bytes_of_another_form_differ():
    """`image_format` completes the digests of an array, which are those of its bytes."""
    array = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    forms = [array, array.reshape(2, 3, 4), array.view(np.int8), array[..., np.newaxis]]
    sources = [as_source(form) for form in forms]
    assert len({source.image_format for source in sources}) == len(forms)
    assert len({source.digests()[0] for source in sources}) == 1
    lists = [as_source(list(form)).digests()[0] for form in forms]
    assert len(set(lists)) == len(forms)


def test_digests_are_those_of_the_values_in_order():
    """Also of arrays in another order of memory, and of every byte."""
    changed = X.copy()
    changed[:, -1, -1, -1] += 1
    for container in (np.asarray, list):
        digests = as_source(container(X)).digests()
        assert as_source(container(np.asfortranarray(X))).digests() == digests
        assert not set(as_source(container(changed)).digests()) & set(digests)
    assert as_source(X).digests()[3] == blake3(X[3].tobytes()).digest(16)


def test_a_blank_sample_of_a_chunked_array_has_its_dtype():
    blank = as_source(zarr.array(X, chunks=(2, 8, 9, 3))).sample(0)
    assert (blank.shape, blank.dtype) == ((1, 8, 9, 3), np.uint8)


def test_a_sample_of_few_images_holds_none_twice():
    assert len(as_source(zarr.array(X, chunks=(2, 8, 9, 3))).sample(3 * N)) == N


def test_a_source_is_its_own_source(source):
    assert as_source(source) is source
    assert source.sample(3) is source
    assert source.infer_value_range().value_range == (0, 255)
    assert source.failures == {}
    assert sum(len(block) for block in source.blocks(3)) == N


def test_slices_of_arrays_are_views():
    assert np.shares_memory(as_source(X)[1:3].images, X)
    assert all(np.shares_memory(batch, X) for batch in as_source(X).batches(3))


def test_images_of_different_sizes_are_resized_batch_by_batch():
    images = as_source([X[0], X[1][:5], X[2][..., 0]])
    assert images.shape == (3,)
    batches = list(make_batches(images, 2, "float32", (4, 6, 3), (0.0, 255.0)))
    assert [batch.shape for batch in batches] == [(2, 4, 6, 3), (1, 4, 6, 3)]
    assert len(set(images.digests())) == 3


@pytest.mark.parametrize(
    ("X", "in_blocks", "delayed"),
    [
        (X, False, False),
        ([X], False, False),
        (["a.png"], False, False),
        ([], False, False),
        (zarr.array(X, chunks=(2, 8, 9, 3)), True, False),
        (da.from_array(X), True, True),
        (db.from_sequence(["a.png"]), True, True),
    ],
    ids=["array", "list", "paths", "nothing", "Zarr", "Dask array", "Dask bag"],
)
def test_which_sources_are_read_in_blocks_and_which_are_delayed(X, in_blocks, delayed):
    source = as_source(X)
    assert (source.reads_in_blocks, source.is_delayed) == (in_blocks, delayed)


def test_values_in_memory_are_checked_and_others_are_not(paths):
    checked = []

    def check(X):
        checked.append(X)
        return X

    assert as_source(X, check).images is X
    assert checked == [X]
    for images in (ImageLoader(8, lazy=True).fit_transform(paths), zarr.array(X), as_source(X)):
        as_source(images, check)
    assert len(checked) == 1


def test_a_bag_of_paths_holds_no_images():
    with pytest.raises(ValueError, match=r"a Dask array of images\. Got a Bag.*ImageLoader"):
        ResNetFeatures(4, weights=None).fit(db.from_sequence(["a.png"]))


@pytest.mark.parametrize("batch_size", [1, 3, 4, 100])
def test_blocks_are_whole_chunks_at_any_batch_size(batch_size):
    import zarr

    images = np.arange(25 * 2 * 2, dtype=np.uint8).reshape(25, 2, 2)
    blocks = list(as_source(zarr.array(images, chunks=(10, 2, 2))).blocks(batch_size))
    np.testing.assert_array_equal(np.concatenate(blocks), images)
    assert all(len(block) % 10 == 0 for block in blocks[:-1])
