"""Each source of images keeps the same protocol."""

import dask.array as da
import dask.bag as db
import numpy as np
import pytest
import zarr
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


def test_a_source_is_its_own_source(source):
    assert as_source(source) is source
    assert source.sample(3) is source
    assert source.find_value_range() == (0, 255)
    assert source.failures == {}
    assert sum(len(block) for block in source.blocks(3)) == N


def test_slices_of_arrays_are_views():
    assert np.shares_memory(as_source(X)[1:3].images, X)
    assert all(np.shares_memory(batch, X) for batch in as_source(X).batches(3))


def test_images_of_different_sizes_are_resized_batch_by_batch():
    images = as_source([X[0], X[1][:5], X[2][..., 0]])
    assert images.shape == (3,)
    batches = list(make_batches(images, 2, "float32", (4, 6), (0.0, 255.0)))
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
