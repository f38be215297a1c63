"""The calls from Python: each a function that notes what it gives."""

import contextlib
import io
import pickle
import warnings
from pathlib import Path

import numpy as np
from digests import Record, describe_figure, describe_signature
from inputs import CLASSES

import sklearn_resnet
from sklearn_resnet import (
    EmbeddingDisplay,
    EmbeddingPlot,
    ImageLoader,
    LayerSearchDisplay,
    ResNetFeatures,
    cache_info,
    clear_cache,
    compare_embeddings,
    datasets,
    list_layers,
    show_engine,
)

SMALL = {"layers": 4, "weights": None, "random_state": 0}
SHIPPED = {"layers": 82, "weights": "procedural"}


def record_calls():
    """Make all calls."""
    import matplotlib.pyplot as plt

    records = {}
    for name, call in list(globals().items()):
        if not name.startswith("call_"):
            continue
        clear_cache()
        record = records[name.removeprefix("call_").replace("_", " ")] = Record()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                call(record)
            except Exception as exc:  # a result to compare
                record.add_error(exc)
        record.add_warnings(caught)
        plt.close("all")
    return records


class _Part:
    """Notes errors of one of several things that a call does."""

    def __init__(self, record, name):
        self.record = record
        self.name = name

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if error is None:
            self.record.add(f"{self.name}: error", None)
        elif isinstance(error, Exception):
            part = Record()
            part.add_error(error)
            self.record.results[f"{self.name}: error"] = part.results["error"]
            self.record.words[f"{self.name}: error"] = part.words["error"]
        return isinstance(error, Exception)


def _digits():
    file = np.load("digits.npz")
    return file["x"], file["y"]


def _photos():
    return sorted(str(path) for path in Path("photos").rglob("*.*") if path.suffix != ".txt")[1:]


def _flat():
    return [f"flat/{i}.png" for i in range(14)]


def _points():
    rng = np.random.default_rng(0)
    y = np.repeat(CLASSES, 30)
    return rng.normal(size=(90, 2)) + 8 * np.arange(3).repeat(30)[:, None] * [1, 0.3], y


# parameters and names


def call_signatures(record):
    functions = {
        "ImageLoader": ImageLoader,
        "ResNetFeatures": ResNetFeatures,
        "EmbeddingPlot": EmbeddingPlot,
        "EmbeddingDisplay": EmbeddingDisplay,
        "EmbeddingDisplay.from_embedding": EmbeddingDisplay.from_embedding,
        "EmbeddingDisplay.from_estimator": EmbeddingDisplay.from_estimator,
        "EmbeddingDisplay.plot": EmbeddingDisplay.plot,
        "EmbeddingDisplay.to_html": EmbeddingDisplay.to_html,
        "LayerSearchDisplay": LayerSearchDisplay,
        "LayerSearchDisplay.from_search": LayerSearchDisplay.from_search,
        "LayerSearchDisplay.from_estimator": LayerSearchDisplay.from_estimator,
        "LayerSearchDisplay.plot": LayerSearchDisplay.plot,
        "compare_embeddings": compare_embeddings,
        "list_layers": list_layers,
        "show_engine": show_engine,
        "cache_info": cache_info,
        "clear_cache": clear_cache,
        "ResNetFeatures.precompute": ResNetFeatures.precompute,
        "ResNetFeatures.transform_batches": ResNetFeatures.transform_batches,
    }
    for name in datasets.__all__:
        functions[f"datasets.{name}"] = getattr(datasets, name)
    for name, function in functions.items():
        record.add(name, describe_signature(function))
    record.say("public names", "\n".join(sorted(sklearn_resnet.__all__)))


def call_parameters(record):
    for estimator in (ImageLoader(), ResNetFeatures(), EmbeddingPlot()):
        name = type(estimator).__name__
        record.add(name, estimator.get_params())
        record.add(f"{name} repr", repr(estimator))
    record.add("repr", repr(ResNetFeatures(82, weights=None, pooling=["avg", "max"])))


def call_learned_attributes(record):
    X, _ = _digits()
    estimators = {
        "images": ResNetFeatures(**SMALL).fit(X),
        "rows": ResNetFeatures(**SMALL).fit(X.reshape(len(X), -1)),
        "procedural": ResNetFeatures(tap_layers=[4, 16], **SHIPPED).fit(X),
        "default layer": ResNetFeatures(weights="procedural").fit(X),
        "loader of paths": ImageLoader(8).fit(_flat()),
        "loader of arrays": ImageLoader(8).fit(X / 255),
        "loader of rows": ImageLoader(8).fit(X.reshape(len(X), -1)),
    }
    for name, estimator in estimators.items():
        record.add(name, {key: v for key, v in vars(estimator).items() if key.endswith("_")})


# images


def call_loader_modes(record):
    for mode in ("RGB", "L"):
        for resize in ("crop", "pad", "stretch"):
            for size in (9, (12, 7)):
                loader = ImageLoader(size, mode=mode, resize=resize)
                record.add(f"{mode} {resize} {size}", loader.fit_transform(_photos()))


def call_loader_formats(record):
    paths = sorted(map(str, Path("formats").iterdir()))
    for mode in ("RGB", "L"):
        images = ImageLoader(mode=mode).fit_transform(paths)
        for path, image in zip(paths, images, strict=True):
            record.add(f"{path} {mode}", image)
    for path in ("photos.tar/dog/2.png", "zip://dog/2.png::photos.zip", Path("photo.png")):
        record.add(str(path), ImageLoader().fit_transform([path]))


def call_loader_of_arrays(record):
    images = np.load("color.npy")
    forms = {
        "uint8": images,
        "floats": images / 255,
        "floats to 255": images.astype(float),
        "uint16": images.astype(np.uint16) * 257,
        "int64": images.astype(int),
        "booleans": images > 100,
        "grey": images[..., 0],
        "one channel": images[..., :1],
        "alpha": np.concatenate([images, images[..., :1]], axis=3),
        "rows": images[:, :12, :12, 0].reshape(14, -1),
        "list": [images[0], images[1, :9], images[2, ..., 0]],
        "paths and arrays": [images[0], "flat/1.png"],
    }
    for name, X in forms.items():
        with _Part(record, name):
            record.add(name, ImageLoader(10).fit_transform(X))


def call_loader_output_of_dataframes(record):
    import pandas as pd

    frame = pd.DataFrame({"path": _flat()[:3]}, index=[5, 6, 7])
    for library in ("pandas", "polars"):
        loader = ImageLoader(4).set_output(transform=library)
        record.add(library, loader.fit_transform(frame["path"]))
    record.add("names", loader.get_feature_names_out())


def call_lazy_images(record):
    images = ImageLoader(8, lazy=True).fit_transform(_photos())
    record.add("type", type(images).__name__)
    record.add("shape", images.shape)
    record.add("dtype", str(images.dtype))
    record.add("ndim", images.ndim)
    record.add("len", len(images))
    record.add("one", images[3])
    record.add("slice", np.asarray(images[2:9:3]))
    record.add("mask", np.asarray(images[np.arange(len(images)) % 2 == 0]))
    record.add("rows", np.asarray(images[[4, 1]]))
    record.add("all", np.asarray(images))
    record.add("iterated", np.stack(list(images)))
    record.add("batches", [batch.copy() for batch in images.batches(7)])
    record.add("floats", np.asarray(images, dtype=np.float32))
    record.add("failures", len(images.failures))
    record.say("repr", repr(images))
    unsized = ImageLoader(lazy=True, mode="L").fit_transform(_flat())
    record.say("repr without a size", repr(unsized))
    record.add("shape without a size", unsized.shape)
    with _Part(record, "other axes"):
        images[0, 1]
    with _Part(record, "other sizes"):
        np.asarray(ImageLoader(lazy=True).fit_transform(_photos()))


def call_images_that_cannot_be_read(record):
    paths = sorted(str(path) for path in Path("damaged").rglob("*.png"))
    with _Part(record, "raise"):
        ImageLoader(8).fit_transform(paths)
    with _Part(record, "raise, lazy"):
        np.asarray(ImageLoader(8, lazy=True).fit_transform(paths))
    with _Part(record, "not lazy"):
        ImageLoader(8, on_error="nan").fit_transform(paths)
    with _Part(record, "no such file"):
        ImageLoader(8).fit_transform([*paths[:2], "nowhere.png"])
    with _Part(record, "folder"):
        ImageLoader(8).fit_transform(["photos"])
    with _Part(record, "text"):
        ImageLoader(8).fit_transform(["photos/notes.txt"])
    with _Part(record, "too large"):
        ImageLoader(8, max_pixels=100).fit_transform(_flat())
    for policy in ("nan", "skip"):
        images = ImageLoader(8, lazy=True, on_error=policy).fit_transform(paths)
        resnet = ResNetFeatures(**SMALL).fit(images)
        with _Part(record, policy):
            record.add(policy, resnet.transform(images))
        rows, features = zip(*resnet.transform_batches(images), strict=True)
        record.add(f"{policy} rows", rows)
        record.add(f"{policy} features", features)
        failures = [(i, f.position, f.path) for i, f in sorted(images.failures.items())]
        record.add(f"{policy} failures", failures)
        causes = [str(failure.cause) for failure in images.failures.values()]
        record.say(f"{policy} causes", "\n".join(causes))


def call_wrong_images(record):
    wrong = {
        "paths": _flat(),
        "one path": "flat/1.png",
        "empty list": [],
        "empty array": np.zeros((0, 8, 8)),
        "NaN": np.full((2, 8, 8), np.nan),
        "text": np.array([["a", "b"]]),
        "five axes": np.zeros((1, 2, 3, 4, 5)),
        "seven channels": np.zeros((2, 8, 8, 7)),
        "other sizes": [np.zeros((8, 8)), np.zeros((9, 8))],
        "None": None,
        "odd rows": np.zeros((3, 7)),
    }
    for name, X in wrong.items():
        for estimator in (ResNetFeatures(**SMALL), ImageLoader(4)):
            full = f"{name}, {type(estimator).__name__}"
            with _Part(record, full):
                record.add(full, estimator.fit(X).transform(X))


def call_wrong_parameters(record):
    X, _ = _digits()
    wrong = [
        {"layers": 999},
        {"layers": "conv3_blok4_out"},
        {"layers": []},
        {"layers": [4, 4]},
        {"layers": 2.5},
        {"architecture": "ResNet51"},
        {"pooling": "mean"},
        {"pooling": []},
        {"image_size": (3,)},
        {"image_shape": (8, 9)},
        {"value_range": (1, 1)},
        {"value_range": (3,)},
        {"engine": "torch"},
        {"precision": "float64"},
        {"precision": "float16", "engine": "openvino"},
        {"cache": "memroy"},
        {"batch_size": 0},
        {"tap_layers": "conv9"},
        {"weights": "procedural", "layers": 160},
        {"weights": "procedural", "architecture": "ResNet50"},
        {"weights": "nowhere.h5"},
        {"weights": "photo.png"},
        {"weights": "imagenet"},
    ]
    for parameters in wrong:
        with _Part(record, repr(parameters)):
            ResNetFeatures(**(SMALL | parameters)).fit(X)
    for parameters in ({"size": 0}, {"size": (1, 2, 3)}, {"mode": "BGR"}, {"on_error": "ignore"}):
        with _Part(record, repr(parameters)):
            ImageLoader(**parameters).fit(X)
    with _Part(record, "not fitted"):
        ResNetFeatures(**SMALL).transform(X)
    with _Part(record, "other rows"):
        ResNetFeatures(**SMALL).fit(X.reshape(len(X), -1)).transform(np.zeros((2, 49)))
    with _Part(record, "precompute without a cache"):
        ResNetFeatures(cache=None, **SMALL).precompute(X)


# features


def call_features_of_every_form(record):
    images = np.load("color.npy")
    forms = {
        "uint8": images,
        "floats": images / 255,
        "floats to 255": images.astype(np.float32),
        "uint16": images.astype(np.uint16) * 257,
        "int32": images.astype(np.int32) * 100,
        "booleans": images > 100,
        "float16": (images / 255).astype(np.float16),
        "grey": images[..., 0],
        "one channel": images[..., :1],
        "rows": images[:, :12, :12, 0].reshape(14, -1),
        "rows of RGB": images[:, :12, :12].reshape(14, -1),
        "list": list(images),
        "not contiguous": images[:, ::2, ::-1],
        "memory map": np.load("color.npy", mmap_mode="r"),
        "lazy": ImageLoader(lazy=True).fit_transform(_flat()),
        "lazy grey": ImageLoader((10, 8), mode="L", lazy=True).fit_transform(_flat()),
    }
    for name, X in forms.items():
        with _Part(record, name):
            resnet = ResNetFeatures(**SMALL).fit(X)
            record.add(name, resnet.transform(X))
            record.add(f"{name}: range", resnet.value_range_)


def call_features_by_every_parameter(record):
    X, _ = _digits()
    X = X[:12]
    variants = {
        "layers": {"layers": [16, "conv1_conv", 4]},
        "stage": {"layers": "conv2"},
        "negative": {"layers": -180},
        "poolings": {"pooling": ["max", "avg"]},
        "max": {"pooling": "max"},
        "image size": {"image_size": (20, 12)},
        "value range": {"value_range": (10, 100)},
        "batches": {"batch_size": 5},
        "no cache": {"cache": None},
        "taps": {"tap_layers": [7, 16]},
        "seed": {"random_state": 7},
        "generator": {"random_state": np.random.RandomState(3)},
        "bfloat16": {"precision": "bfloat16"},
        "first version": {"architecture": "ResNet50"},
        "deep": {"architecture": "ResNet152V2", "layers": 6},
        "procedural": SHIPPED,
        "procedural, last layer": {"weights": "procedural", "layers": None},
    }
    for name, parameters in variants.items():
        resnet = ResNetFeatures(**(SMALL | parameters)).fit(X)
        record.add(name, resnet.transform(X))
        record.add(f"{name}: layers", resnet.layers_)
        record.add(f"{name}: weights", resnet.weights_fingerprint_)
        record.add(f"{name}: names", resnet.get_feature_names_out())
    rows = X.reshape(4, -1)
    resnet = ResNetFeatures(image_shape=(24, 8), **SMALL).fit(rows)
    record.add("image shape", resnet.transform(rows))


def call_a_list_of_sizes(record):
    images = [np.asarray(image) for image in np.load("color.npy")]
    images[1], images[2] = images[1][:11], images[2][:, :9]
    resnet = ResNetFeatures(image_size=14, **SMALL)
    record.add("features", resnet.fit_transform(images))
    with _Part(record, "grey among them"):
        record.add("grey", resnet.fit_transform([images[0], images[1][..., 0]]))


def call_outputs_of_dataframes(record):
    X, _ = _digits()
    for library in ("pandas", "polars"):
        resnet = ResNetFeatures(**SMALL).set_output(transform=library)
        record.add(library, resnet.fit_transform(X[:5]))


def call_columns_with_names(record):
    import pandas as pd

    X, _ = _digits()
    frame = pd.DataFrame(X[:5].reshape(5, -1), columns=[f"pixel_{i}" for i in range(64)])
    resnet = ResNetFeatures(**SMALL).fit(frame)
    record.add("features", resnet.transform(frame))
    record.add("seen", resnet.feature_names_in_)
    with _Part(record, "other names"):
        resnet.transform(frame.rename(columns=str.upper))
    with _Part(record, "other names asked for"):
        resnet.get_feature_names_out(["a"])


def call_int8(record):
    X, _ = _digits()
    resnet = ResNetFeatures(precision="int8", **SMALL)
    record.add("features", resnet.fit_transform(X[:20]))
    record.add("ranges", resnet.activation_ranges_)
    record.add("again", resnet.transform(X[:5]))
    record.add("calibration", sorted(p.suffix for p in Path("user_cache").rglob("*int8*/*")))


def call_engine_of_keras(record):
    X, _ = _digits()
    resnet = ResNetFeatures(engine="keras", pooling=["avg", "max"], **SMALL)
    record.add("features", resnet.fit_transform(X[:20]))


def call_weights_of_a_file(record):
    from keras.applications import ResNet50V2
    from keras.models import Model
    from keras.utils import set_random_seed

    set_random_seed(0)
    network = ResNet50V2(include_top=False, weights=None)
    network = Model(network.inputs, network.get_layer("conv2_block1_out").output)
    network.save_weights("my.weights.h5")
    X, _ = _digits()
    resnet = ResNetFeatures([4, 16], weights="my.weights.h5")
    record.add("features", resnet.fit_transform(X[:6]))
    with _Part(record, "too deep"):
        ResNetFeatures(82, weights="my.weights.h5").fit(X)
    with _Part(record, "last layer"):
        record.add("last", ResNetFeatures(weights="my.weights.h5").fit_transform(X[:6]))


def call_pickles(record):
    X, _ = _digits()
    for name, parameters in {"small": SMALL, "shipped": SHIPPED}.items():
        resnet = pickle.loads(pickle.dumps(ResNetFeatures(**parameters).fit(X)))
        record.add(name, resnet.transform(X[:6]))
    loader = pickle.loads(pickle.dumps(ImageLoader(6, lazy=True).fit(_flat())))
    record.add("loader", np.asarray(pickle.loads(pickle.dumps(loader.transform(_flat())))))


def call_batches(record):
    images = np.load("color.npy")
    forms = {
        "array": images,
        "rows": images[:, :12, :12, 0].reshape(14, -1),
        "lazy": ImageLoader(8, lazy=True).fit_transform(_photos()),
        "memory map": np.load("color.npy", mmap_mode="r"),
        "generator": (images[start : start + 4] for start in range(0, 14, 4)),
    }
    resnet = ResNetFeatures(batch_size=5, **SMALL)
    for name, X in forms.items():
        resnet.fit(images if name == "generator" else X)
        rows, features = zip(*resnet.transform_batches(X), strict=True)
        record.add(f"{name}: rows", rows)
        record.add(f"{name}: features", features)


def call_chunked_arrays(record):
    import h5py
    import zarr

    images = np.load("color.npy")
    with h5py.File("images.h5", "w") as file:
        file.create_dataset("x", data=images, chunks=(4, 20, 16, 3))
    array = zarr.create_array("images.zarr", shape=images.shape, chunks=(4, 20, 16, 3), dtype="u1")
    array[:] = images
    floats = zarr.create_array("floats.zarr", shape=images.shape, chunks=(3, 9, 9, 3), dtype="f4")
    floats[:] = images / 255
    resnet = ResNetFeatures(batch_size=5, **SMALL)
    with h5py.File("images.h5") as file:
        for name, X in {"h5py": file["x"], "zarr": array, "zarr of floats": floats}.items():
            record.add(name, resnet.fit(X).transform(X))
            record.add(f"{name}: range", resnet.value_range_)
            rows, features = zip(*resnet.transform_batches(X), strict=True)
            record.add(f"{name}: batches", [rows, features])


def call_dask(record):
    import dask
    import dask.array as da
    import dask.bag as db

    images = np.load("color.npy")
    resnet = ResNetFeatures(batch_size=5, **SMALL)
    loader = ImageLoader(8, lazy=True)
    paths = _flat()
    forms = {
        "array": da.from_array(images, chunks=(6, 20, 8, 3)),
        "rows": da.from_array(images[:, :12, :12, 0].reshape(14, -1), chunks=(5, 70)),
        "paths": loader.fit_transform(da.from_array(np.array(paths), chunks=6)),
        "bag": loader.fit_transform(db.from_sequence(paths, npartitions=3)),
        "delayed": loader.fit_transform([dask.delayed(paths[:5]), dask.delayed(paths[5:])]),
    }
    for name, X in forms.items():
        features = resnet.fit(X).transform(X)
        record.add(f"{name}: lazy", features)
        record.add(name, features.compute(scheduler="synchronous"))
        rows, batches = zip(*resnet.transform_batches(X), strict=True)
        record.add(f"{name}: batches", [rows, batches])
    eager = ImageLoader(8).fit_transform(da.from_array(np.array(paths), chunks=6))
    record.add("images", eager.compute(scheduler="synchronous"))
    with _Part(record, "no size"):
        ImageLoader().fit_transform(da.from_array(np.array(paths), chunks=6))


# the cache


def call_cache(record):
    X, _ = _digits()

    def note(name, cache):
        info = cache_info(cache)
        fields = ("where", "hits", "misses", "n_features", "n_bytes")
        record.add(name, {field: getattr(info, field) for field in fields})

    for cache in ("memory", "features"):
        resnet = ResNetFeatures(cache=cache, **SMALL).fit(X)
        record.add(f"{cache}: first", resnet.transform(X[:9]))
        note(f"{cache}: after the first", cache)
        record.add(f"{cache}: second", resnet.transform(X[4:20]))
        note(f"{cache}: after the second", cache)
        record.add(f"{cache}: duplicates", resnet.transform(X[[0, 0, 30, 30]]))
        note(f"{cache}: after duplicates", cache)
        clear_cache(cache)
        note(f"{cache}: after clearing", cache)
    with _Part(record, "no such folder"):
        cache_info("nowhere")
    with _Part(record, "misspelt"):
        clear_cache("memroy")
    record.add("files", sorted(path.name for path in Path("features").iterdir()))


def call_taps_and_precompute(record):
    X, _ = _digits()
    resnet = ResNetFeatures(cache="taps", tap_layers=[4, 7, 16], **SMALL)
    record.add("returned", resnet.precompute(X) is resnet)
    info = cache_info("taps")
    record.add("kept", [info.n_features, info.misses])
    for layer in (4, 7, 16):
        record.add(str(layer), resnet.set_params(layers=layer).fit_transform(X))
    info = cache_info("taps")
    record.add("found", [info.hits, info.misses])
    small = ResNetFeatures(cache="memory", cache_size=0.01, **SMALL)
    record.add("too small", small.precompute(X) is small)
    record.add("rows that fit", cache_info().n_features)


def call_search(record):
    from sklearn.linear_model import RidgeClassifier
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    X, y = _digits()
    pipe = make_pipeline(ResNetFeatures(tap_layers=[4, 7, 16], **SMALL), RidgeClassifier())
    grid = {"resnetfeatures__layers": [4, 7, 16], "ridgeclassifier__alpha": [1, 10]}
    search = GridSearchCV(pipe, grid, cv=3).fit(X, y)
    record.add("scores", search.cv_results_["mean_test_score"])
    record.add("best", search.best_params_)
    record.add("misses", cache_info().misses)
    _note_search(record, "search", LayerSearchDisplay.from_search(search, title="digits"))
    display = LayerSearchDisplay.from_estimator(pipe, X, y, layers=[4, "conv2"], cv=2)
    _note_search(record, "estimator", display)
    plain = GridSearchCV(pipe, {"ridgeclassifier__alpha": [1, 10]}, cv=2).fit(X, y)
    with _Part(record, "no layers"):
        LayerSearchDisplay.from_search(plain)
    with _Part(record, "not fitted"):
        LayerSearchDisplay.from_search(GridSearchCV(pipe, grid))
    with _Part(record, "no ResNetFeatures"):
        LayerSearchDisplay.from_estimator(RidgeClassifier(), X, y)


def call_layer_search_display(record):
    scores = np.random.default_rng(0).random((9, 5)) / 10 + np.linspace(0.5, 0.9, 9)[:, None]
    layers = [153, 16, 39, 51, 73, 82, 85, 108, 130]
    display = LayerSearchDisplay(layers, scores, architecture="ResNet101V2", score_name="accuracy")
    _note_search(record, "display", display.plot(title="depths"))


def _note_search(record, name, display):
    record.add(f"{name}: layers", display.layers)
    record.add(f"{name}: scores", display.scores)
    record.add(f"{name}: best", [display.best_layer_, display.cheapest_layer_])
    record.add(f"{name}: names", [display.architecture, display.score_name])
    record.add(f"{name}: picture", describe_figure(display.figure_))
    record.say(f"{name}: legend", "\n".join(display.ax_.get_legend_handles_labels()[1]))


# layers, engines, data sets


def call_list_layers(record):
    for name in ("ResNet50V2", "ResNet50", "ResNet101", "ResNet101V2", "ResNet152", "ResNet152V2"):
        record.add(name, list_layers(name))
    for name in ("resnet50", "ResNet51"):
        with _Part(record, name):
            list_layers(name)


def call_show_engine(record):
    for arguments in ((), ("openvino",), ("keras",), ("auto", "int8"), ("keras", "bfloat16")):
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            show_engine(*arguments)
        lines = dict(line.split(None, 1) for line in shown.getvalue().splitlines())
        record.say(f"{arguments} why", lines.pop("why"))
        record.add(f"{arguments}", lines)
    with _Part(record, "impossible"):
        show_engine("openvino", "float16")


def call_load_image_folder(record):
    sources = {
        "classes": "photos",
        "flat": "flat",
        "path": Path("flat"),
        "mixed": "mixed",
        "tar": "photos.tar",
        "shards": "shards",
        "zip": "zip://::photos.zip",
        "folder in zip": "zip://cat::photos.zip",
        "empty": "empty",
        "nowhere": "nowhere",
        "file": "photo.png",
        "nowhere.tar": "nowhere.tar",
    }
    for name, source in sources.items():
        with _Part(record, name):
            found = datasets.load_image_folder(source)
            record.add(f"{name}: paths", list(found.data))
            record.add(f"{name}: labels", None if found.target is None else list(found.target))
            record.add(f"{name}: names", found.target_names)
            paths, y = datasets.load_image_folder(source, return_X_y=True)
            record.add(f"{name}: types", [paths, y])
            record.say(f"{name}: description", found.DESCR)


def call_other_data_sets(record):
    digits = datasets.load_digits()
    record.add("digits", [digits.data, digits.target, digits.target_names])
    record.add("digits, two", datasets.load_digits(return_X_y=True))
    for size in (8, (5, 11)):
        record.add(f"{size}", datasets.sample_patches("photo.png", 7, size, random_state=3))
    grey = np.load("grey16.npy")[0]
    record.add("of an array", datasets.sample_patches(grey, 4, 5, random_state=0))
    with _Part(record, "too large"):
        datasets.sample_patches("photo.png", 2, 500)
    for fetch in (datasets.fetch_mnist, datasets.fetch_cifar10):
        with _Part(record, f"{fetch.__name__}: subset"):
            fetch(subset="most")
        with _Part(record, f"{fetch.__name__}: no network"):
            fetch()


# pictures


def call_embedding_display(record):
    xy, y = _points()
    images = np.load("color.npy")[np.arange(90) % 14]
    many = np.random.default_rng(1).normal(size=(3000, 2))
    pictures = {
        "labels": ((xy, y), {"title": "A long title, " * 12}),
        "no labels": ((xy,), {}),
        "legend": ((xy, y), {"legend": True}),
        "on data": ((xy, y), {"legend": "on data"}),
        "no legend": ((xy, y), {"legend": False}),
        "scale": ((xy, np.linspace(0, 1, 90)), {"axis_names": ["a", "b"]}),
        "missing": ((xy, np.where(np.arange(90) % 4, y, None)), {}),
        "many labels": ((xy, np.arange(90) % 25), {}),
        "palette": ((xy, y), {"palette": {"cat": "red", "dog": "#00ff00", "fox": "blue"}}),
        "seaborn palette": ((xy, y), {"palette": "husl", "point_size": 30, "alpha": 0.5}),
        "one column": ((xy[:, :1], y), {}),
        "thumbnails": ((xy, y), {"images": images, "thumbnails": True}),
        "thumbnails of files": ((xy[:14],), {"images": _flat(), "thumbnails": True}),
        "density": ((many, np.arange(3000) % 3), {"density": True}),
        "density of a scale": ((many, many[:, 0]), {"density": True}),
    }
    for name, (arguments, options) in pictures.items():
        display = EmbeddingDisplay.from_embedding(*arguments, **options)
        record.add(name, describe_figure(display.figure_))
        record.add(f"{name}: size", display.figure_.get_size_inches())
        record.add(
            f"{name}: names",
            [text.get_text() for text in display.names_],
        )
        record.add(f"{name}: legend", display.legend_ is not None)
        record.add(f"{name}: colour bar", display.colorbar_ is not None)
        record.add(f"{name}: thumbnails", len(display.thumbnails_))


def call_embedding_display_of_estimators(record):
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline

    X, y = _digits()
    pipe = make_pipeline(ResNetFeatures(**SMALL), PCA(2, random_state=0))
    display = EmbeddingDisplay.from_estimator(pipe, X, y, thumbnails=True)
    record.add("not fitted", describe_figure(display.figure_))
    record.add("embedding", display.embedding)
    display = EmbeddingDisplay.from_estimator(pipe.fit(X), X, y)
    record.add("fitted", describe_figure(display.figure_))
    record.add("axis names", list(display.axis_names))


def call_wrong_points(record):
    xy, y = _points()
    with _Part(record, "legend"):
        EmbeddingDisplay.from_embedding(xy, y, legend="somewhere")
    with _Part(record, "no images"):
        EmbeddingDisplay.from_embedding(xy, y, thumbnails=True)
    with _Part(record, "few images"):
        EmbeddingDisplay.from_embedding(xy, y, images=_flat(), thumbnails=True)
    with _Part(record, "few labels"):
        EmbeddingDisplay.from_embedding(xy, y[:5])
    with _Part(record, "NaN"):
        EmbeddingDisplay.from_embedding(xy * np.nan)
    with _Part(record, "palette"):
        EmbeddingDisplay.from_embedding(xy, y, palette={"cat": "red"})
    with _Part(record, "page of few labels"):
        EmbeddingDisplay(xy).to_html("wrong.html", labels=y[:5])
    with _Part(record, "no maps"):
        compare_embeddings({}, y)
    with _Part(record, "maps without labels"):
        compare_embeddings({"a": xy}, None)
    with _Part(record, "no folder"):
        EmbeddingPlot("photo.png/a.png").fit(xy)


def call_embedding_plot(record):
    xy, y = _points()
    for suffix in ("png", "pdf", "svg"):
        plot = EmbeddingPlot(f"plots/a.{suffix}", title="points", legend="on data")
        record.add(suffix, plot.fit_transform(xy, y))
    record.add_files("plots")
    record.add("picture", describe_figure(EmbeddingPlot().fit(xy, y).display_.figure_))
    record.add("pickle", sorted(vars(pickle.loads(pickle.dumps(plot)))))


def call_compare_embeddings(record):
    xy, y = _points()
    maps = {"one": xy, "two": xy[:, ::-1] ** 2, "three": np.abs(xy), "four": xy * [1, 0]}
    for name, labels, options in (
        ("labels", y, {}),
        ("legend", y, {"legend": True, "n_neighbors": 3}),
        ("on data", y, {"legend": "on data"}),
        ("scale", xy[:, 0], {"palette": "magma"}),
        ("missing", np.where(np.arange(90) % 4, y, None), {"density": True}),
    ):
        found = compare_embeddings(maps, labels, **options)
        record.add(f"{name}: scores", found.scores)
        record.add(name, describe_figure(found.figure))
        record.add(f"{name}: axes", len(found.axes))
        record.add(f"{name}: keys", sorted(found))


def call_pages(record):
    import pandas as pd

    xy, y = _points()
    images = np.load("color.npy")[np.arange(90) % 14]
    frame = pd.DataFrame({"kind": y, "x": xy[:, 0], "code": np.arange(90) % 4})
    display = EmbeddingDisplay(xy, y, images=images)
    record.add("returned", display.to_html("pages/a.html", title="<b>& points</b>") is display)
    EmbeddingDisplay(xy).to_html("pages/plain.html", labels=frame, features=xy[:, :1] ** 2)
    few = EmbeddingDisplay(xy[:14], images=_flat())
    few.to_html("pages/files.html", paths=[f"of/<{i}>" for i in range(14)])
    EmbeddingDisplay(xy[:5]).to_html("pages/five.html")
    many = np.where(np.arange(90) % 7, np.arange(90) % 25, None)
    EmbeddingDisplay(xy).to_html("pages/many.html", labels={"many": many, "kind": y})
    record.add_files("pages")
