"""Channels that go through the network separately."""

import warnings
from pathlib import Path

import dask.array as da
import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from channel_files import save_arrays, save_ome
from safetensors.numpy import save_file
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from state_dicts import make_state_dict

from sklearn_resnet import ImageLoader, ResNetFeatures, cache_info, clear_cache
from sklearn_resnet._features import forward_pass as _forward_pass
from sklearn_resnet._features.memory_store import ENTRY_BYTES
from sklearn_resnet._images.channels import SeparateChannels, as_prefix, name_channels
from sklearn_resnet._images.failures import Failure
from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._images.sources import ArraySource, ImageSource, as_source
from sklearn_resnet._runtime.progress import tqdm
from sklearn_resnet.plotting.layer_search.running import _compute_table

pytestmark = pytest.mark.cache
RNG = np.random.default_rng(0)
N, C = 7, 5
X = RNG.integers(0, 256, (N, 20, 17, C), dtype=np.uint8)


def small(layers=16, **parameters):
    return ResNetFeatures(layers, weights=None, random_state=0, **parameters)


def separate(layers=16, **parameters):
    return small(layers, channels="separate", **parameters)


def compute_alone(X, value_range, layers=16, **parameters):
    """Features of each channel on its own, side by side."""
    alone = small(layers, value_range=value_range, **parameters)
    return np.hstack([alone.fit_transform(X[..., i]) for i in range(X.shape[-1])])


@pytest.fixture
def computed(monkeypatch):
    """Numbers of grey images that went through a network, pass by pass."""
    passes = []
    compile_computation = _forward_pass.compile_computation

    def count(computation):
        passes.append(0)
        run = compile_computation(computation)

        def counted(batches, batch_size):
            for part in run(batches, batch_size):
                passes[-1] += len(part)
                yield part

        return counted

    monkeypatch.setattr(_forward_pass, "compile_computation", count)
    return passes


@pytest.mark.parametrize(
    "images",
    [X, X.astype(np.uint16) * 200, X / np.float32(255), X * 1.0, X > 100],
    ids=["uint8", "uint16", "float32", "float64", "bool"],
)
@pytest.mark.parametrize(
    "parameters",
    [{}, {"image_size": 24}, {"image_size": (9, 30), "batch_size": 3}, {"cache": None}],
    ids=str,
)
def test_features_are_those_of_each_channel_alone_to_the_last_bit(images, parameters):
    resnet = separate(**parameters)
    features = resnet.fit_transform(images)
    clear_cache()
    expected = compute_alone(images, resnet.value_range_, **parameters)
    np.testing.assert_array_equal(features, expected)


@pytest.mark.parametrize(
    "parameters",
    [
        {"engine": "keras"},
        {"pooling": ["avg", "max"], "layers": [16, 4]},
        {"tap_layers": [4, 16]},
        {"precision": "bfloat16"},
    ],
    ids=str,
)
def test_every_engine_and_cut_computes_channels_alone(parameters):
    resnet = separate(**parameters, batch_size=4)
    features = resnet.fit_transform(X)
    clear_cache()
    expected = compute_alone(X, resnet.value_range_, **parameters)
    np.testing.assert_array_equal(features, expected)


@pytest.mark.parametrize("batch_size", [1, 3, 5, 64])
def test_the_batch_size_changes_no_bit(batch_size):
    expected = separate(cache=None).fit_transform(X)
    features = separate(cache=None, batch_size=batch_size).fit_transform(X)
    np.testing.assert_array_equal(features, expected)


def test_grey_and_rgb_images_are_separated_too():
    grey = separate().fit(X[..., 0])
    assert grey.channel_names_ == ["0"]
    expected = small().fit_transform(X[..., 0])
    np.testing.assert_array_equal(grey.transform(X[..., 0]), expected)
    np.testing.assert_array_equal(grey.transform(X[..., :1]), expected)
    rgb = separate().fit(X[..., :3])
    assert rgb.channel_names_ == ["0", "1", "2"]
    np.testing.assert_array_equal(rgb.transform(X[..., :3])[:, :256], expected)


def test_a_network_for_grey_images_takes_each_channel(tmp_path):
    path = tmp_path / "grey.safetensors"
    save_file(make_state_dict("ResNet18", n_channels=1), path)
    parameters = {"weights": path, "architecture": "ResNet18", "normalization": (0.5, 0.5)}
    resnet = ResNetFeatures("layer1", channels="separate", **parameters).fit(X)
    expected = ResNetFeatures("layer1", **parameters).fit_transform(X[..., 2])
    width = expected.shape[1]
    np.testing.assert_array_equal(resnet.transform(X)[:, 2 * width : 3 * width], expected)


def test_weights_for_images_of_more_channels_are_refused(tmp_path):
    path = tmp_path / "four.safetensors"
    save_file(make_state_dict("ResNet18", n_channels=4), path)
    resnet = ResNetFeatures(
        "layer1",
        weights=path,
        architecture="ResNet18",
        normalization=(0.5, 0.5),
        channels="separate",
    )
    with pytest.raises(ValueError, match=r"'channels' parameter must be None for .* 4 channels"):
        resnet.fit(X)


def test_features_are_named_after_channel_layer_and_pooling():
    resnet = separate([16, 4], pooling=["avg", "max"]).fit(X)
    names = resnet.get_feature_names_out()
    one = small([16, 4], pooling=["avg", "max"]).fit(X[..., 0]).get_feature_names_out()
    assert names.tolist() == [f"channel{i}_{name}" for i in range(C) for name in one]
    assert len(set(names)) == len(names) == resnet.transform(X).shape[1]
    table = resnet.set_output(transform="pandas").transform(X)
    assert table.columns.tolist() == names.tolist()


class Named(ArraySource):
    """Images in memory whose channels have names, as those of files have."""

    channel_names = ("DAPI", "GFP", "DAPI", "0", "channel0")


def test_names_of_channels_are_unique():
    assert name_channels(Named(X)) == ["DAPI_1", "GFP", "DAPI_2", "0_1", "channel0_2"]
    resnet = separate(4).fit(Named(X))
    assert resnet.channel_names_ == name_channels(Named(X))
    names = resnet.get_feature_names_out()
    assert len(set(names)) == len(names)
    assert names[64] == "GFP_pool1_pool_0"
    assert names[3 * 64] == "channel0_1_pool1_pool_0"


def test_a_number_for_equal_names_is_no_name_that_is_taken(monkeypatch):
    monkeypatch.setattr(Named, "channel_names", ("a", "a", "a_1", "b", "405"))
    assert name_channels(Named(X)) == ["a_2", "a_3", "a_1", "b", "405"]
    assert as_prefix("405") == "channel405"


def test_other_channels_than_in_fit_are_an_error(monkeypatch):
    resnet = separate(4).fit(X)
    with pytest.raises(ValueError, match=r"channels that fit saw .* 5 channels\. Got 4 channels"):
        resnet.transform(X[..., :4])
    with pytest.raises(ValueError, match="Got 1 channel instead"):
        resnet.transform(X[..., 0])
    monkeypatch.setattr(Named, "channel_names", ("a", "b", "c", "d", "e"))
    resnet.transform(Named(X))
    resnet.fit(Named(X)).transform(X)
    monkeypatch.setattr(Named, "channel_names", ("a", "b", "c", "e", "d"))
    with pytest.raises(ValueError, match="'c', 'd', 'e'. Got 'a', 'b', 'c', 'e', 'd' instead"):
        resnet.transform(Named(X))
    for names in ("abcd9", "01234", "02134"):  # files without names are not known to differ
        monkeypatch.setattr(Named, "channel_names", tuple(names))
        resnet.transform(Named(X))
    resnet.fit(Named(X)).transform(X)
    monkeypatch.setattr(Named, "channel_names", tuple("02143"))
    with pytest.raises(ValueError, match="'3', '4'. Got '0', '2', '1', '4', '3' instead"):
        resnet.transform(Named(X))


def test_another_fit_forgets_the_channels():
    resnet = separate(4).fit(X)
    resnet.set_params(channels=None).fit(X[..., 0])
    assert not hasattr(resnet, "channel_names_")
    assert resnet.transform(X[..., 0]).shape == (N, 64)
    resnet.set_params(channels="separate")
    assert resnet.transform(X[..., 0]).shape == (N, 64)  # as fit has found
    assert len(resnet.get_feature_names_out()) == 64


def test_without_the_parameter_an_error_names_both_ways_on():
    with pytest.raises(ValueError, match=r"must have 1 or 3 channels") as error:
        small().fit(X)
    assert "ResNetFeatures(channels='separate')" in str(error.value)
    assert "ImageLoader(channels=[2, 1, 0])" in str(error.value)
    assert "X[..., [2, 1, 0]]" in str(error.value)
    with pytest.raises(ValueError, match=r"X\[\.\.\., \[0\]\] .* one as grey"):
        small().fit(X[..., :2])
    with pytest.raises(ValueError, match="'channels' parameter of ResNetFeatures must be"):
        small(channels="all").fit(X)


@pytest.mark.parametrize("image_size", [None, 12])
def test_other_channels_are_found_in_the_cache(computed, image_size):
    first = separate(image_size=image_size).fit(X[..., [0, 1]])
    first.transform(X[..., [0, 1]])
    assert computed == [2 * N]
    features = separate(image_size=image_size).fit_transform(X[..., [3, 1, 0]])
    assert computed == [2 * N, N]
    small(image_size=image_size).fit_transform(X[..., 3])
    assert len(computed) == 2
    expected = separate(image_size=image_size, cache=None).fit_transform(X[..., [3, 1, 0]])
    np.testing.assert_array_equal(features, expected)


def test_equal_channels_are_computed_once(computed):
    images = X.copy()
    images[..., 1] = images[..., 0]
    images[..., 4] = 0
    features = separate(batch_size=2).fit_transform(images)
    assert computed == [3 * N + 1]
    np.testing.assert_array_equal(features[:, :256], features[:, 256:512])
    expected = separate(cache=None).fit_transform(images)
    np.testing.assert_array_equal(features, expected)


def test_a_folder_keeps_channels_for_a_search(tmp_path, computed):
    expected = separate(cache=tmp_path).fit_transform(X)
    pipe = make_pipeline(separate(cache=tmp_path), LogisticRegression())
    search = GridSearchCV(pipe, {"logisticregression__C": [0.1, 1]}, cv=2)
    search.fit(X, np.arange(N) % 2)
    assert cache_info(tmp_path).n_features == N * C
    features = separate(cache=tmp_path).fit_transform(X)
    np.testing.assert_array_equal(features, expected)
    assert computed == [N * C]


def test_precompute_and_tap_layers_fill_the_cache_by_channel(computed):
    separate(tap_layers=[4, 16]).precompute(X)
    assert computed == [N * C]
    assert cache_info().n_features == 2 * N * C
    for layers in (4, 16, [16, 4]):
        features = separate(layers, tap_layers=[4, 16]).fit_transform(X)
        assert computed == [N * C]
        expected = separate(layers, tap_layers=[4, 16], cache=None).fit_transform(X)
        del computed[1:]
        np.testing.assert_array_equal(features, expected)
    separate().precompute(zarr.array(X, chunks=(2, *X.shape[1:])))
    assert sum(computed) == 2 * N * C


@pytest.mark.parametrize("in_blocks", [False, True])
def test_a_cache_too_small_for_all_channels_is_warned_of(in_blocks):
    images = zarr.array(X, chunks=X.shape) if in_blocks else X
    n_bytes = N * C * (256 * 4 + ENTRY_BYTES)
    with pytest.warns(UserWarning, match=r"The features take .*cache_size=1\.$"):
        separate(cache_size=(n_bytes - 1) / 2**20).precompute(images)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        separate(cache_size=n_bytes / 2**20).precompute(images)


@pytest.fixture(params=["Zarr", "h5py", "Dask", "memory-mapped", "generator", "list"])
def images(request, tmp_path):
    if request.param == "Zarr":
        return zarr.array(X, chunks=(2, 20, 17, 2))
    if request.param == "h5py":
        return h5py.File(tmp_path / "images.h5", "w").create_dataset("X", data=X, chunks=True)
    if request.param == "Dask":
        return da.from_array(X, chunks=(3, 20, 17, 1))
    if request.param == "memory-mapped":
        np.save(tmp_path / "X.npy", X)
        return np.load(tmp_path / "X.npy", mmap_mode="r")
    return list(X) if request.param == "list" else (X[i : i + 3] for i in range(0, N, 3))


@pytest.mark.parametrize("batch_size", [2, 64])
def test_any_container_gives_the_same_features(images, batch_size):
    resnet = separate(batch_size=batch_size)
    expected = resnet.fit_transform(X)
    clear_cache()
    parts = list(resnet.transform_batches(images))
    np.testing.assert_array_equal(np.vstack([features for _, features in parts]), expected)
    assert np.concatenate([rows for rows, _ in parts]).tolist() == list(range(N))
    if hasattr(images, "__len__"):
        fitted = separate(batch_size=batch_size).fit(images)
        assert fitted.channel_names_ == resnet.channel_names_
        np.testing.assert_array_equal(np.asarray(fitted.transform(images)), expected)


def test_blocks_hold_few_images_of_many_channels():
    resnet = separate(4, batch_size=8).fit(np.zeros((1, 4, 4, 40), np.uint8))
    many = np.zeros((5, 4, 4, 40), np.uint8)
    assert [len(rows) for rows, _ in resnet.transform_batches(many)] == [1] * 5
    resnet = separate(4, batch_size=8).fit(np.zeros((1, 4, 4, 10), np.uint8))
    assert [len(rows) for rows, _ in resnet.transform_batches(many[..., :10])] == [3, 2]
    resnet = separate(4, batch_size=4).fit(X)
    assert [len(rows) for rows, _ in resnet.transform_batches(X)] == [3, 3, 1]


def test_images_of_different_sizes(computed):
    images = [X[0], X[1][:12], X[2][:, :9]]
    resnet = separate(image_size=16)
    features = resnet.fit_transform(images)
    assert computed == [3 * C]
    for i in range(C):
        alone = small(image_size=16).fit_transform([image[..., i] for image in images])
        np.testing.assert_array_equal(features[:, 256 * i : 256 * (i + 1)], alone)
    assert computed == [3 * C]
    with pytest.raises(ValueError, match=r"same number of channels.* 5 in X\[0\] and 4 in X\[2\]"):
        separate(image_size=16).fit([X[0], X[1], X[2][:12, :, :4]])


@pytest.mark.parametrize(
    ("image_shape", "rows"),
    [((20, 17, C), X.reshape(N, -1)), ((C, 20, 17), np.moveaxis(X, -1, 1).reshape(N, -1))],
    ids=["last", "first"],
)
def test_rows_hold_any_number_of_channels(image_shape, rows):
    resnet = separate(image_shape=image_shape)
    features = resnet.fit_transform(pd.DataFrame(rows))
    assert len(resnet.channel_names_) == C
    np.testing.assert_array_equal(features, separate().fit_transform(X))


@pytest.mark.parametrize(
    ("image_shape", "channels"),
    [((8, 5), 1), ((2, 4, 5), 2), ((5, 4, 2), 2), ((4, 2, 5), 5), ((1, 5, 8), 1), ((5, 1, 8), 8)],
)
def test_channels_of_rows_come_first_if_they_are_fewer_than_both_sides(image_shape, channels):
    resnet = separate(4, image_shape=image_shape).fit(np.arange(80).reshape(2, 40))
    assert len(resnet.channel_names_) == channels


def test_rows_without_a_shape_are_grey_or_rgb():
    assert separate(4).fit(X[:, :8, :8, 0].reshape(N, -1)).channel_names_ == ["0"]
    assert len(separate(4).fit(X[:, :8, :8, :3].reshape(N, -1)).channel_names_) == 3
    with pytest.raises(ValueError, match=r"\(channels, height, width\) or \(height, width, ch"):
        separate(4, image_shape=(4, 4, 2, 2)).fit(X.reshape(N, -1))


def test_channels_that_seem_to_come_first_are_warned_of():
    first = np.moveaxis(X, -1, 1)
    with pytest.warns(UserWarning, match=r"5 x 20 pixels with 17 channels.*np\.moveaxis\(X, 1, "):
        separate(4).fit(first)
    with pytest.warns(UserWarning, match=r"5 x 20 pixels with 17 channels"):
        separate(4).fit(zarr.array(first))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        separate(4).fit(X)


def test_the_value_range_is_that_of_all_channels():
    images = X / np.float32(255)
    images[..., 3] *= 200
    resnet = separate().fit(images)
    assert resnet.value_range_ == (0, 255)
    np.testing.assert_array_equal(resnet.transform(images), compute_alone(images, (0, 255)))


@pytest.mark.parametrize("images", [X, zarr.array(X, chunks=(2, 20, 17, C))], ids=["array", "Zarr"])
def test_int8_is_calibrated_on_channels(images):
    resnet = separate(precision="int8").fit(images)
    grey = small(precision="int8").fit(np.moveaxis(X, -1, 1).reshape(-1, 20, 17))
    assert resnet.activation_ranges_ == grey.activation_ranges_
    features = resnet.transform(images)
    np.testing.assert_array_equal(features[:, 256:512], grey.transform(X[..., 1]))


@pytest.mark.parametrize("cache", ["memory", None])
def test_the_progress_bar_counts_images(cache):
    resnet, bar = separate(cache=cache, batch_size=4).fit(X), tqdm(disable=True)
    counted, totals = [], []
    bar.update, bar.reset = counted.append, totals.append
    resnet._compute(X, bar)
    assert totals == [sum(counted)] == [N]


def test_features_that_overflow_are_counted_by_image():
    images = X * 1e-30
    images[2, ..., [1, 4]] = 1e8
    with pytest.warns(UserWarning, match=f"features of 1 of {N} images are not finite"):
        separate(value_range=(0, 1e-30)).fit_transform(images.astype(np.float32))


@pytest.mark.parametrize("pooling", ["avg", ["avg", "max"]])
def test_a_search_of_layers_splits_the_features_of_each_channel(pooling):
    resnet = separate([4, 16], pooling=pooling)
    table = _compute_table(clone(resnet), X, [4, 16], [None, 12])
    for size in (None, 12):
        for layer in (4, 16):
            alone = separate(layer, pooling=pooling, image_size=size, tap_layers=[4, 16]).fit(X)
            np.testing.assert_array_equal(table.features[layer, size], alone.transform(X))
            assert table.names[layer].tolist() == alone.get_feature_names_out().tolist()


class Files(ImageSource):
    """Images that are decoded when they are needed, some of which cannot be."""

    is_lazy = True
    lookup_size = 2

    def __init__(self, images, unreadable=(), rows=None):
        self.images = images
        self.unreadable = unreadable
        self.rows = range(len(images)) if rows is None else rows
        self.options = {"mode": "channels" if images.ndim == 4 else "L"}
        self.failures = {}
        self.file_log = as_source(images).file_log
        self.decoded = []
        self.hashed = []

    shape = property(lambda self: (len(self.rows), *self.images.shape[1:]))
    dtype = property(lambda self: self.images.dtype)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, rows):
        part = Files(self.images, self.unreadable, np.asarray(self.rows)[rows])
        part.hashed = self.hashed
        return part

    def batches(self, batch_size, positions=None):
        for i in range(len(self)) if positions is None else positions:
            self.decoded.append(i)
            if i in self.unreadable:
                self.add_failure(i, "damaged")
            yield self.images[[self.rows[i]]] * (i not in self.unreadable)

    def digests(self):
        return ArraySource(self.images[list(self.rows)]).digests()

    def channel_digests(self):
        self.hashed += list(self.rows)
        return ArraySource(self.images[list(self.rows)]).channel_digests()

    def file_versions(self):
        return [f"version {i}" for i in self.rows]

    def infer_value_range(self):
        return as_source(self.images).infer_value_range()

    def add_failure(self, i, cause):
        self.failures[i] = Failure(i, "", cause)

    def record_failures(self, failures):
        self.failures = failures


@pytest.mark.parametrize("cache", ["memory", None])
def test_an_image_is_hashed_and_decoded_once_for_all_its_channels(cache):
    files = Files(X)
    features = separate(cache=cache, batch_size=3).fit(X)._compute(files)
    assert files.decoded == list(range(N))
    assert files.hashed == ([] if cache is None else list(range(N)))
    np.testing.assert_array_equal(features, separate(cache=None).fit_transform(X))


def test_an_image_is_decoded_for_a_channel_that_is_not_cached(computed):
    small().fit(X[..., 1])._compute(Files(X[..., 1]))
    resnet = separate().fit(X)
    resnet._compute(Files(X[:2]))
    del computed[:]
    files = Files(X)
    features = resnet._compute(files)
    assert files.decoded == list(range(2, N))
    assert computed == [(N - 2) * (C - 1)]
    np.testing.assert_array_equal(features, separate(cache=None).fit_transform(X))


@pytest.mark.parametrize("cache", ["memory", None])
def test_an_unreadable_image_is_missing_in_all_its_channels(cache):
    files = Files(X, unreadable=(1, 6))
    resnet = separate(cache=cache, batch_size=4).fit(X)
    expected = separate(cache=None).fit_transform(X)
    expected[[1, 6]] = np.nan
    for _ in range(2):
        np.testing.assert_array_equal(resnet._compute(files), expected)
        assert {i: failure.cause for i, failure in files.failures.items()} == {
            1: "damaged",
            6: "damaged",
        }
    if cache is not None:
        assert cache_info().n_features == (N - 2) * C
    files.unreadable = ()
    np.testing.assert_array_equal(resnet._compute(files), resnet.transform(X))
    assert files.failures == {}


def test_a_copy_of_an_unreadable_image_is_missing_too():
    images = X[[0, 1, 0, 2]]
    features = separate().fit(X)._compute(files := Files(images, unreadable=(0,)))
    assert np.isnan(features[[0, 2]]).all()
    assert np.isfinite(features[[1, 3]]).all()
    assert sorted(files.failures) == [0, 2]


@pytest.mark.parametrize(
    "source", [as_source(X), as_source([*X]), Files(X)], ids=["array", "list", "files"]
)
def test_a_slice_of_channels_is_a_source(source):
    channels = SeparateChannels(source)
    planes = np.moveaxis(X, -1, 1).reshape(-1, 20, 17)
    assert channels.shape == planes.shape[: len(channels.shape)]
    np.testing.assert_array_equal(np.concatenate(list(channels.batches(4))), planes)
    chosen = [33, 3, 4, 5, 5, 0]
    np.testing.assert_array_equal(np.concatenate(list(channels.batches(4, chosen))), planes[chosen])
    part = channels[3:17]
    assert len(part) == 14
    np.testing.assert_array_equal(np.concatenate(list(part.batches(20))), planes[3:17])
    assert part.digests() == channels.digests()[3:17]
    assert len(set(channels.digests())) == N * C
    assert part.file_versions() == channels.file_versions()[3:17]


@pytest.fixture
def paths(tmp_path):
    return save_arrays(tmp_path, X.astype(np.uint16) * 16)


@pytest.fixture
def counted(monkeypatch):
    """The number of files that were decoded."""
    load, decoded = LazyImages._load, []

    def count(self, i, *args, **kwargs):
        decoded.append(i)
        return load(self, i, *args, **kwargs)

    monkeypatch.setattr(LazyImages, "_load", count)
    return decoded


@pytest.mark.parametrize("rescale", [(0, 4095), "percentile", ("percentile", 1, 99)], ids=str)
@pytest.mark.parametrize("size", [None, (16, 24)])
def test_lazy_files_give_the_features_of_their_arrays(paths, rescale, size, computed):
    load = ImageLoader(size, mode="channels", rescale=rescale).fit(paths)
    eager = load.transform(paths)
    lazy = clone(load).set_params(lazy=True).fit_transform(paths)
    expected = separate(cache=None).fit_transform(eager)
    np.testing.assert_array_equal(expected, compute_alone(eager, (0, 65535), cache=None))
    del computed[:]
    np.testing.assert_array_equal(separate().fit_transform(lazy), expected)
    assert computed == [N * C]
    other = clone(load).set_params(lazy=True, channels=[3, 1]).fit_transform(paths)
    width = expected.shape[1] // C
    features = separate().fit_transform(other)
    np.testing.assert_array_equal(features[:, :width], expected[:, 3 * width : 4 * width])
    assert computed == [N * C]


def test_a_file_is_decoded_once_for_all_its_channels(paths, counted):
    lazy = ImageLoader(16, mode="channels", rescale=(0, 4095), lazy=True).fit_transform(paths)
    resnet = separate(batch_size=3).fit(lazy)
    del counted[:]
    resnet.transform(lazy)
    assert sorted(counted) == list(range(N))
    resnet.transform(lazy)
    assert len(counted) == N


def test_channels_of_files_have_their_names(tmp_path):
    paths = save_ome(tmp_path, X)
    load = ImageLoader(mode="channels", channels=["GFP", "DAPI"], lazy=True)
    resnet = separate(4).fit(load.fit_transform(paths))
    assert resnet.channel_names_ == ["GFP", "DAPI"]
    names = resnet.get_feature_names_out()
    assert (names[0], names[-1]) == ("GFP_pool1_pool_0", "DAPI_pool1_pool_63")
    other = load.set_params(channels=["DAPI", "GFP"]).fit_transform(paths)
    with pytest.raises(ValueError, match="fit saw .* 'GFP', 'DAPI'. Got 'DAPI', 'GFP' instead"):
        resnet.transform(other)


@pytest.mark.parametrize("cache", ["memory", None])
def test_files_that_cannot_be_read_are_missing_or_left_out(paths, cache):
    load = ImageLoader(16, mode="channels", rescale=(0, 4095), lazy=True, on_error="nan")
    resnet = separate(cache=cache, batch_size=2)
    expected = resnet.fit_transform(load.fit_transform(paths))
    for path in (paths[1], paths[4]):
        Path(path).write_bytes(b"damaged")
    expected[[1, 4]] = np.nan
    with pytest.warns(UserWarning, match=f"2 of {N} images could not be read.* features are NaN"):
        np.testing.assert_array_equal(resnet.transform(load.transform(paths)), expected)
    images = load.set_params(on_error="skip").transform(paths)
    with pytest.warns(UserWarning, match=f"2 of {N} images could not be read.* are left out"):
        parts = list(resnet.transform_batches(images))
    kept = [0, 2, 3, 5, 6]
    assert np.concatenate([rows for rows, _ in parts]).tolist() == kept
    np.testing.assert_array_equal(np.vstack([part for _, part in parts]), expected[kept])


def test_a_dask_array_of_paths(paths):
    load = ImageLoader(16, mode="channels", rescale=(0, 4095), lazy=True)
    pipe = make_pipeline(load, separate())
    expected = pipe.fit_transform(paths)
    delayed = da.from_array(np.array(paths), chunks=3)
    np.testing.assert_array_equal(pipe.fit_transform(delayed).compute(), expected)


def test_a_search_of_layers_reads_channels_lazily(paths):
    images = ImageLoader(16, mode="channels", rescale=(0, 4095), lazy=True).fit_transform(paths)
    table = _compute_table(separate([4, 16]), images, [4, 16], [None])
    expected = separate(16, tap_layers=[4, 16]).fit_transform(images)
    np.testing.assert_array_equal(table.features[16, None], expected)


def write_tiff(path, image, kind):
    """Write an image of several channels as OME-TIFF or with the channels as samples."""
    planes, options = np.moveaxis(image, -1, 0), {"photometric": "minisblack"}
    if kind == "interleaved":
        tifffile.imwrite(path, image, planarconfig="contig", **options)
    elif kind == "pyramid":
        with tifffile.TiffWriter(path, ome=True) as file:
            options["metadata"] = {"axes": "CYX"}
            file.write(planes, subifds=1, **options)
            file.write(planes[:, ::2, ::2], subfiletype=1, photometric="minisblack")
    else:
        tifffile.imwrite(path, planes, ome=True, metadata={"axes": "CYX"}, **options)


@pytest.mark.parametrize(
    ("kind", "n_channels"),
    [("planar", 5), ("interleaved", 5), ("pyramid", 5), ("planar", 40)],
    ids=["planar", "interleaved", "pyramid", "40 channels"],
)
def test_features_of_instruments_files_are_those_of_each_channel_alone(tmp_path, kind, n_channels):
    images = RNG.integers(0, 4096, (3, 24, 20, n_channels), dtype=np.uint16)
    paths = [str(tmp_path / f"{i}.tif") for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        write_tiff(path, image, kind)
    lazy = ImageLoader(mode="channels", lazy=True).fit_transform(paths)
    features = separate(value_range=(0, 4095)).fit_transform(lazy)
    clear_cache()
    np.testing.assert_array_equal(features, compute_alone(images, (0, 4095)))
