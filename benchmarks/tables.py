"""Results as Markdown: the sections of RESULTS.md, made only from the files in ``results/``."""

import textwrap
from itertools import product

_WEIGHTS = {"procedural": "procedural", "imagenet": "ImageNet", "random": "random"}
_WORKS = {
    "digits_82": "MNIST 28 x 28, layer 82",
    "digits_all": "MNIST 28 x 28, all layers",
    "photos_82": "photos 224 x 224, layer 82",
    "photos_all": "photos 224 x 224, all layers",
}
_PEERS = {
    "sklearn_resnet": "sklearn-resnet",
    "timm": "timm",
    "timm_channels_last": "timm, channels_last",
    "timm_channels_last_best_batch": "timm, channels_last, best batch",
    "timm_compile": "timm, torch.compile",
    "timm_compile_freezing": "timm, torch.compile, freezing",
    "timm_compile_channels_last": "timm, torch.compile, channels_last",
    "embetter": "embetter",
    "onnxruntime": "ONNX Runtime",
    "onnxruntime_best_batch": "ONNX Runtime, best batch",
}
_DEPTH_SCOPES = {
    "main": "both trained weights",
    "imagenet": "ImageNet",
    "imagenet_32": "ImageNet, 32 x 32",
    "imagenet_64": "ImageNet, 64 x 64",
    "imagenet_96": "ImageNet, 96 x 96",
    "procedural": "procedural",
    "random": "random, 32 x 32",
    "all_labels": "both trained weights, labels of colour too",
    "without_counts": "both trained weights, without counts",
}
_PEER_WORKS = {
    "photos_all": "Photos, 224 x 224, all layers",
    "photos_conv3": "Photos, 224 x 224, up to the end of conv3",
    "digits_all": "Digits, 28 x 28, all layers",
}

_VARIANTS = {
    "float16": "a file of float16",
    "bfloat16": "a file of bfloat16",
    "channels_1": "1 channel",
    "channels_2": "2 channels",
    "channels_13": "13 channels",
}
_CELLS = {
    "without_class": "first three",
    "class_alone": "fourth alone",
    "to_class": "first four",
    "all": "all five",
}
_DEPTHS = {
    "8_bits": "8 bits",
    "12_bits_by_depth": "12 bits in 16, by depth",
    "12_bits_by_percentile": '12 bits in 16, `rescale="percentile"`',
}
_MIN_PRECISION = 0.95
_ANOMALY_CUTS = {"layers_51_85": "layers 51 and 85", "last_layer": "the last layer alone"}
_ANOMALY_WORKS = {
    "photos_85": "photos 224 x 224, layer 85",
    "small_85": "photos 64 x 64, layer 85",
}
_POOLED = {
    "max": "maximum",
    "gem": "generalised mean",
    "avg_4x4": "mean in 4 x 4 cells",
    "gem_4x4": "generalised mean in 4 x 4 cells",
    "avg_14x14": "mean in 14 x 14 cells",
}
_COMPRESSIONS = {"none": "none", "deflate": "deflate"}


def render_results(results):
    """Return the text of RESULTS.md."""
    blocks = ["# Results", "Written by `python -m benchmarks` from the files in `results/`."]
    for name, (title, _) in SECTIONS.items():
        blocks += [f"## {title}"]
        if "machine" in results[name]:
            blocks += [_describe(results[name])]
        blocks += [render_section(results, name)]
    return "\n\n".join(blocks) + "\n"


def render_section(results, name):
    """Return the section of RESULTS.md on one benchmark, below its title and machine."""
    _, render = SECTIONS[name]
    return "\n\n".join(
        block if block.startswith(("#", "|")) else _wrap(block) for block in render(results[name])
    )


def _describe(result):
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return _wrap(f"{result['machine']}; {versions}.")


def _wrap(text):
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def _table(header, rows):
    lines = [
        "|" + "|".join(f" {cell} " if cell else " " for cell in row) + "|"
        for row in (header.split("; "), *rows)
    ]
    ruler = "|---" * (header.count("; ") + 1) + "|"
    return "\n".join([lines[0], ruler, *lines[1:]])


def _spread(result, spec, sign=" to "):
    centre = result["median"] if "median" in result else result["mean"]
    return f"{centre:{spec}} ({result['min']:{spec}}{sign}{result['max']:{spec}})"


def _slashed(values, spec=".3f"):
    return " / ".join(f"{value:{spec}}" for value in values)


def _number(name):
    """The number at the end of a name such as ``layer_82`` or ``photos_1000``."""
    return int(name.rpartition("_")[2])


def render_accuracy(result):
    """Accuracy by depth, with ImageNet's weights and with random ones."""
    pixels = result["digits"]["pixels"]
    digits = [
        (
            f"{_number(key)} `{layer['name']}`",
            str(layer["width"]),
            *(_slashed(layer[name].values()) for name in ("imagenet", "expected", "random")),
        )
        for key, layer in result["digits"].items()
        if layer is not pixels
    ]
    photos = [
        (f"{_number(key)} `{layer['name']}`", f"{layer['imagenet']:.3f}", f"{layer['random']:.3f}")
        for key, layer in result["photos"].items()
    ]
    scores = _slashed((pixels["knn"], pixels["logistic"]))
    return [
        "### MNIST: 6,000 training digits, 2,000 test digits, 28 x 28",
        "Accuracy of 5 nearest neighbours / of logistic regression. The expected values were measured "
        "independently, with the same weights and digits in Keras alone.",
        _table(
            "features; width; ImageNet weights; expected; random weights",
            [("pixels", str(pixels["width"]), scores, "", ""), *digits],
        ),
        "### Photos of clothing in ten classes: 300 for training, 341 for testing, 112 x 112",
        "Accuracy of logistic regression.",
        _table("features; ImageNet weights; random weights", photos),
    ]


def _flatten(group):
    """Yield pixels, if they are in a group, then each layer of each kind of weights."""
    if "pixels" in group:
        yield "pixels", group["pixels"]
    for weights, title in _WEIGHTS.items():
        for key, layer in group[weights].items():
            yield f"{title}, layer {_number(key)}", layer


def _score(result):
    return _spread(result, ".3f", "-")


def render_procedural(result):
    """Bundled weights against those of ImageNet, random ones and pixels."""
    pca = result["maps"]["pca"]
    digits = [
        (name, _score(each["knn"]), _score(each["logistic"]))
        for name, each in _flatten(result["digits"])
    ]
    maps = [
        (f"{name}, UMAP", _score(each["knn"]), _score(each["silhouette"]))
        for name, each in _flatten(result["maps"])
    ]
    photos = [
        (name, f"{each['given_split']:.3f}", _score(each["random_splits"]))
        for name, each in _flatten(result["photos"])
    ]
    patches = [(name, _score(each)) for name, each in _flatten(result["patches"])]
    return [
        "Means over three seeds, with the minimum and maximum. The weights were trained on none of "
        "these images.",
        "### MNIST: 6,000 training digits, 2,000 test digits, 28 x 28",
        _table("features; 5-NN; logistic", digits),
        "### MNIST: maps of 6,000 digits",
        _table(
            "map; 10-NN in five folds; silhouette",
            [("two principal components", _score(pca["knn"]), _score(pca["silhouette"])), *maps],
        ),
        *_render_small_digits(result["small_digits"]),
        "### Photos of clothing: 300 for training, 341 for testing, 112 x 112, logistic",
        _table("features; given split; random splits", photos),
        *_render_photo_sizes(result["photo_sizes"]),
        "### Grey patches of 32 x 32 from 16 pictures: which picture? 5-NN",
        "Training patches come from the left halves of scikit-image's pictures, test patches from the "
        "right halves.",
        _table("features; accuracy", patches),
    ]


def _render_photo_sizes(result):
    best = [
        (
            _WEIGHTS[name],
            f"{each['best']['layer']}",
            f"{each['best']['image_size']}",
            f"{each['best']['validation']:.3f}",
            f"{each['best']['accuracy']:.3f}",
        )
        for name, each in result.items()
    ]
    sizes = [key for key in result["procedural"] if key != "best"]
    rows = [
        (
            f"{_WEIGHTS[name]}, layer {_number(layer)}",
            *(f"{each[size][layer]['accuracy']:.3f}" for size in sizes),
        )
        for name, each in result.items()
        for layer in each[sizes[0]]
    ]
    return [
        "### The same photos, the given split, by size",
        "Cross-validation on the 300 training photos (five folds, three times) chooses the layer and the "
        "size; the accuracy is that on the 341 others.",
        _table("weights; layer; size; cross-validation; accuracy", best),
        _table("; ".join(["accuracy", *(str(_number(size)) for size in sizes)]), rows),
    ]


def _render_small_digits(result):
    rows = [
        (
            f"{_WEIGHTS[name]}, layer 85" if name in _WEIGHTS else name,
            str(each.get("image_size", "")),
            _score(each["shuffled"]),
            f"{each['in_order']:.3f}",
        )
        for name, each in result.items()
    ]
    return [
        "### scikit-learn's digits, 8 x 8, 5-NN in five folds",
        '"In order" are the folds of `cv=5`, which are not shuffled: the test digits are by other '
        "writers than the training digits.",
        _table("features; image_size; shuffled; in order", rows),
    ]


def render_surface(result):
    """Accuracy by depth and size; a table for each data set and kind of weights."""
    titles = {
        "digits": "MNIST, {n} digits",
        "photos": "Photos of clothing in ten classes, {n} photos",
        "textures": "Textures, {n} grey patches of 64 x 64 from 16 pictures",
    }
    blocks = [
        "Accuracy of logistic regression / of 5 nearest neighbours, means over five folds. Photos are "
        "cropped to squares. The class of a texture is its picture, and each fold has all patches from one "
        "vertical strip of each picture.",
    ]
    for data_set, title in titles.items():
        title = title.format(n=f"{result[data_set]['n_images']:,}")
        for weights in ("imagenet", "procedural"):
            logistic, knn = (result[data_set][weights][name] for name in ("logistic", "knn"))
            rows = [
                (
                    str(_number(size)),
                    *(_slashed((row[key]["mean"], knn[size][key]["mean"])) for key in row),
                )
                for size, row in logistic.items()
            ]
            layers = [f"layer {_number(key)}" for key in logistic["size_64"]]
            blocks += [
                f"### {title}: {_WEIGHTS[weights]} weights",
                _table("; ".join(["size", *layers]), rows),
            ]
    return blocks


def render_several_layers(result):
    """Accuracy of one layer, and differences of several layers to it."""
    ways = {
        "deepest": "the deepest",
        "up_to": "up to the best",
        "stages": "ends of stages",
        "all": "all",
        "selected": "selected",
    }
    classifiers = {"ridge": "ridge", "knn": "5-NN"}
    rows = []
    for data_set in ("digits", "photos", "textures"):
        each = result[data_set]
        for weights, (key, classifier) in product(("imagenet", "procedural"), classifiers.items()):
            found = each[weights][key]
            title = f"{data_set}, {each['image_size']} x {each['image_size']}, {_WEIGHTS[weights]}"
            rows.append(
                (
                    f"{title}, {classifier}",
                    f"{found['single']['accuracy']['mean']:.3f}",
                    *(_interval(found.get(way)) for way in ways),
                )
            )
    return [
        f"The images of the section before, in {result['n_seeds']} random halves: accuracy on the test half, "
        "with the layer, or layers, and the penalty of the ridge classifier chosen by cross-validation on "
        "the training half. All features are standardised. First, the accuracy of the best of all "
        "layers; then the mean paired differences to it, with intervals of 95 % (corrected resampled "
        "t-test). Up to the best: the best layer and all shallower ones, at the same cost. Selected: the "
        "features of all layers with the largest weights (Head2Toe).",
        _table("; ".join(["images", "the best layer", *ways.values()]), rows),
    ]


def _interval(found):
    if found is None:
        return ""
    each = found["difference"]
    return f"{each['mean']:+.3f} ({each['low']:+.3f} to {each['high']:+.3f})"


def render_surface_cost(result):
    """Cost of a search over layers and image sizes."""
    rows = [
        (title, *(_spread(result[key][name], ".2f") for name in ("times_passes", "times_searches")))
        for key, title in (
            ("none", "none"),
            ("ridge", "ridge"),
            ("logistic", "logistic regression"),
        )
    ]
    return [
        f"`LayerSearchDisplay.from_estimator` with 8 layers, 6 sizes and five folds, on "
        f"{result['n_images']} photos. A pass decodes the photos at its size, and computes the "
        "features of all 8 layers.",
        _table(
            "classifier; time, relative to one pass for each size; to one search for each size",
            rows,
        ),
    ]


def render_depth_without_labels(result):
    """Layers chosen without labels: what each criterion loses on the sets that did not choose it."""
    chosen, halves = result["chosen"], result["n_sets"]
    by_scope = [
        (title, name.replace("_", " "), *_loss_cells(result["reporting"][scope][name]))
        for scope, title in _DEPTH_SCOPES.items()
        for name in ("deepest", "fixed_depth", "chosen")
    ]
    criteria = [
        (
            f"`{name}`",
            _loss(result["choosing"]["main"][name], "knn"),
            *_loss_cells(row),
        )
        for name, row in result["reporting"]["main"].items()
        if name != "chosen"
    ]
    splits = result["splits"]
    return [
        f"{halves['choosing']} sets of images chose among {result['n_criteria']} criteria, "
        f"{halves['reporting']} others report, at 32, 64 and 96 pixels. Lost: the accuracy of the best "
        "layer less that of the chosen layer, mean / most. Labels of colour count only where it says so: "
        "the altered views change the colour. The bundled weights are those of an earlier version, which "
        "ended at layer 85.",
        "The name of a criterion begins with the features that it takes: as they are (raw), or scaled to "
        "length one (cosine). It ends with the view that is compared with the image (mild: two views). "
        "Views find each other: top1, mrr, percentile, margin. They keep the same nearest neighbours: "
        "neighbors5, neighbors10, neighbors20. And depth: leaning to deep layers. `fixed_depth` looks at "
        "no image: it is the layer that lost least on the choosing sets of the same size and weights.",
        "### Criteria, both trained weights",
        f"`{chosen}` lost least on the choosing sets. Differs: the cases in which its layer is another "
        "than the deepest, and in how many of them 5-NN is better / worse there.",
        _table(
            "criterion; 5-NN lost, choosing sets; 5-NN lost; logistic lost; rank correlation; "
            "differs: better / worse",
            criteria,
        ),
        "### By weights and size, on the reporting sets",
        _table(
            "cases; rule; 5-NN lost; logistic lost; rank correlation; differs: better / worse",
            by_scope,
        ),
        "Without counts was set apart after the results were seen.",
        f"### {splits['n_splits']} random halves of the sets",
        _describe_halves(splits, result["goal"]),
        "### Sets",
        "The best layer, and what 5-NN loses at the deepest / at the chosen one.",
        *(_render_depth_cases(result, weights) for weights in ("imagenet", "procedural")),
    ]


def _describe_halves(splits, goal):
    return (
        "Mean loss of 5-NN on the half that did not choose (minimum to maximum): the criterion chosen "
        f"{_spread(splits['knn_mean'], '.3f')}, the fixed depth "
        f"{_spread(splits['fixed_depth_knn_mean'], '.3f')}, the deepest "
        f"{_spread(splits['deepest_knn_mean'], '.3f')}. The chosen is better than the deepest in "
        f"{splits['better_share']:.0%} of the halves, and than the fixed depth in "
        f"{splits['better_than_fixed_share']:.0%}. It reached the goal (a mean of at most "
        f"{goal['knn_mean']}, at most {goal['knn_max']} in each case, and better in two thirds of the "
        "cases in which it differs) in "
        f"{splits['reached_share']:.0%}."
    )


def _loss(row, model):
    return f"{row[f'{model}_mean']:.3f} / {row[f'{model}_max']:.3f}"


def _loss_cells(row):
    differs = f"{row['n_different']} of {row['n_cases']}"
    if row["n_different"]:
        differs += f": {row['n_better']} / {row['n_worse']}"
    return _loss(row, "knn"), _loss(row, "logistic"), f"{row['correlation']:.2f}", differs


def _render_depth_cases(result, weights):
    rows = []
    for name, labels in result["cases"].items():
        for label, sizes in labels.items():
            cells = [
                f"{each['best_layer']} ({each['best_knn']:.3f}): {each['deepest']:.3f} / "
                f"{each['chosen']:.3f}"
                for each in (by_weights[weights] for by_weights in sizes.values())
            ]
            half = "choosing" if name in result["choosing_sets"] else "reporting"
            rows.append((name, label, half, *cells))
    return _table(f"{_WEIGHTS[weights]}: set; label; half; 32 x 32; 64 x 64; 96 x 96", rows)


def render_speed(result):
    """Speed of the engine, of a folder of photos, of many images and of whole processes."""
    folder = result["folder"]
    return [
        *_render_engine(result),
        f"### A folder of {folder['n_photos']} JPEGs (mostly 400 x 533) to layer 82 at 224 x 224",
        "Rate with decoding, relative to the network alone: "
        f"{_spread(folder['relative_rate'], '.2f')}. Time to decode alone, relative to the network "
        f"alone: {_spread(folder['relative_decoding_time'], '.2f')}.",
        *_render_memory(result["memory"]),
        *_render_processes(result["processes"]),
    ]


def _render_engine(result):
    rows = []
    for work, title in _WORKS.items():
        each = result[work]
        cosine = each["int8_cosine"]
        rows.append(
            (
                title,
                _spread(each["float32_times_predict"], ".2f"),
                *(_spread(share, ".2f") for share in each["float32_share_of_product"].values()),
                f"{each['largest_difference']:.0e}",
                _spread(each["int8_times_predict"], ".2f"),
                f"{cosine['mean']:.4f}, {cosine['percentile_1']:.4f}, {cosine['min']:.4f}",
                _slashed(each["knn"].values(), ".4f") if "knn" in each else "",
            )
        )
    shares = "; ".join(
        f"share of the product ({kernels} kernels)"
        for kernels in result["digits_82"]["float32_share_of_product"]
    )
    return [
        "### The engine",
        "OpenVINO against Keras at its defaults, `Model(base.input, base.layers[n].output)"
        ".predict(preprocess_input(x), verbose=0).mean((1, 2))`. The share of the product compares its "
        "GFLOP/s with those of NumPy's float32 product of two matrices of 1536 x 1536. conv5 has "
        "random weights. Cosines: the mean, 1st percentile and minimum over images.",
        _table(
            f"work; float32, times as fast; {shares}; largest difference; int8, times as fast; "
            "int8, cosine to float32; 5-NN float32 / int8",
            rows,
        ),
    ]


def _render_memory(result):
    rows = [
        (
            f"{_number(key):,}",
            _spread(each["relative_rate"], ".2f"),
            f"{each['peak_mib']:.0f} MiB",
            f"{each['without_images_mib']:.0f} MiB",
        )
        for key, each in result.items()
    ]
    return [
        "### Rate and memory by number of images: MNIST, layer 82",
        _table(
            "images; images/s, relative to 10,000; peak memory; without images and features", rows
        ),
    ]


def _render_processes(result):
    titles = {"digits_60000": "the 60,000 digits of MNIST", "photo": "one photo at 224 x 224"}
    rows = [
        (
            titles[key],
            _spread(each["times_script"], ".2f"),
            _spread(each["times_lean_script"], ".2f"),
            f"{_slashed(each['peak_mib'].values(), '.0f')} MiB",
            f"{each['seconds']:.1f} s",
            f"{each['largest_difference']:.0e}",
        )
        for key, each in result.items()
    ]
    return [
        "### Whole processes",
        "`embedding INPUT out.npy -l 82 --no-cache`, started for the second time, against "
        "`plain_script.py`, with the imports of a script that also draws a map, and with only the imports "
        "that it needs (lean). Peak memory: the command / the script / the lean script.",
        _table(
            "work; times as fast as the script; as the lean script; peak memory; "
            "time of the command; largest difference",
            rows,
        ),
    ]


def render_search(result):
    """A grid search over layers, and a transform of cached images."""
    columns = ("passes", "passes_without_tap_layers", "times_features", "times_search")
    rows = [
        (title, *(_spread(result[key][name], ".3g") for name in (*columns, "classifier_share")))
        for key, title in (("blas_default", "default"), ("blas_1", "1"))
    ]
    warm, keys, neighbors = result["warm"], result["keys_percent"], result["neighbors"]
    warm_rows = [
        (
            name,
            _spread(warm[name]["times_uncached"], ".3g"),
            _spread(warm[name]["shuffled_times_uncached"], ".3g"),
            f"{warm[name]['relative_filling_time']:.2f}",
        )
        for name in ("memory", "folder")
    ]
    return [
        f"`GridSearchCV` over layers {result['layers']} and 5 values of `RidgeClassifier`'s alpha, "
        f"cv=5, {result['n_images']:,} digits of MNIST. One pass is the network's time for one pass "
        "through the deepest of these layers, or, without `tap_layers`, the mean over passes through "
        "each of the four. Scores are equal with and without a cache.",
        _table(
            "BLAS threads; passes; passes without `tap_layers`; features, times as fast as without "
            "a cache; whole search, times as fast; share of the classifiers",
            rows,
        ),
        "With `KNeighborsClassifier` and 5 numbers of neighbours instead, in passes of `transform` "
        f"without a cache: {_spread(neighbors['network'], '.3g')} for the network, "
        f"{_spread(neighbors['added'], '.3g')} for all that is added to the searches of the classifier "
        "alone, over the features of each layer, computed beforehand.",
        f"A transform of {warm['n_images']:,} digits at layer 82:",
        _table(
            "cache; once cached, times as fast as computing; in an order not seen before; computing "
            "and caching, relative to computing",
            warm_rows,
        ),
        f"Computing the cache keys takes {_spread(keys['digits'], '.3g')} % of the network's time for "
        f"grey images of 28 x 28, and {_spread(keys['photos'], '.3g')} % for colour images of "
        "224 x 224.",
    ]


def render_neighbors(result):
    """Maps by UMAP, and searches of a large table."""
    maps, similar = result["maps"], result["similar"]
    map_rows = [
        (
            title,
            _spread(maps[key]["times_umap"], ".2f"),
            _spread(maps[key]["neighbors_share"], ".0%"),
            _slashed((each["median"] for each in maps[key]["trustworthiness"].values()), ".4f"),
        )
        for key, title in (("seed", "`--seed 0`"), ("no_seed", "no seed"))
    ]
    seconds, many = similar["seconds"], similar["many"]
    rows = [
        ("cosine distance", _spread(seconds["cosine"], ".2f")),
        ("Euclidean distance", _spread(seconds["euclidean"], ".2f")),
        ("cosine distance, file not in memory", _spread(similar["cold_seconds"], ".2f")),
        ("the same file, only read", _spread(similar["cold_read_seconds"], ".2f")),
        (f"cosine distance, {many['n_queries']:,} queries at once", f"{many['seconds']:.1f}"),
    ]
    n_images, n_features = maps["shape"]
    n_rows, n_columns = similar["shape"]
    return [
        f"Maps of {n_images:,} digits of MNIST, {n_features} features: the command's, with exact "
        "neighbors found once on all cores, against UMAP with its own search, each in a process of "
        "its own. The trustworthiness is that of a sample.",
        _table(
            "map; times as fast as UMAP; share of the neighbors; trustworthiness, UMAP / command",
            map_rows,
        ),
        f"The 10 nearest of {n_rows:,} rows of {n_columns} features, in a file mapped into memory, each "
        "search in a process of its own:",
        _table("search; seconds", rows),
        f"The search takes {_spread(similar['mib'], '.1f')} MiB of memory, and with "
        f"{many['n_queries']:,} queries {many['mib']:.0f} MiB. It is "
        f"{_spread(similar['times_sklearn'], '.1f')} times as fast as scikit-learn's search of one "
        "block after another in double precision.",
    ]


def render_scale(result):
    """Cost of coordinating a run, gain of a second worker, and memory of streaming."""
    costs = result["costs"]
    cost_rows = [
        (
            f"listing a folder of {costs['n_files']:,} files, per file",
            f"{costs['listing_us_per_file']:.0f} us",
        ),
        ("planning (stat, key), per file", f"{costs['planning_us_per_file']:.0f} us"),
        ("memory of the coordinator, per file", f"{costs['coordinator_bytes_per_file']:.0f} bytes"),
        ("data sent to a worker, per file", f"{costs['sent_bytes_per_file']:.0f} bytes"),
        ("a Dask task: time of client and scheduler", f"{costs['task_ms']:.2f} ms"),
        ("a Dask task: memory of client and scheduler", f"{costs['task_kb']:.1f} kB"),
    ]
    memory = [
        (
            f"{_number(key):,}",
            f"{each['network_mib']:.0f}",
            f"{each['paths_mib']:.1f}",
            f"{each['streaming_mib']:.1f}",
            f"{each['streaming_one_arena_mib']:.1f}",
        )
        for key, each in result["memory"].items()
    ]
    return [
        "### Cost of coordination",
        _table("; measured", cost_rows),
        "### Two workers of one thread, a core each, against one",
        "Dask's `LocalCluster`, 1,000 photos, layer 82, 5 interleaved rounds: "
        f"{_spread(result['two_workers']['times_one'], '.2f')} times as fast. Features are equal to "
        "the last bit, also to those of one process without Dask.",
        "### Memory: photos of 224 x 224 streamed to layer 82 in batches of 64, in MiB",
        "Streaming: the peak, less the process with its network and the paths.",
        _table(
            "photos; process with its network; paths; streaming; "
            "streaming, with MALLOC_ARENA_MAX=1",
            memory,
        ),
    ]


def render_page(result):
    """Size of the page of an embedding, and how fast it shows and moves."""
    width, height = result["window"]
    rows = [
        (
            title,
            f"{result[key]['mb']:.1f}",
            _spread(result[key]["seconds_to_first_view"], ".2f", "-"),
            _spread(result[key]["frames_per_second"], ".1f", "-"),
        )
        for key, title in (("digits_60000", "60,000 digits"), ("photos_1000", "1,000 photos"))
    ]
    return [
        f"Headless Chromium with software rendering, a window of {width} x {height}, "
        f"{result['n_rounds']} rounds: median (minimum to maximum).",
        _table(
            "page; MB; seconds to the first view; frames a second while the map is dragged", rows
        ),
    ]


def render_peers(result):
    """Speed of other packages."""
    blocks = [
        f"float32 on {result['n_cores']} cores, {result['n_rounds']} rounds: the median rate, and the "
        "median (minimum to maximum) of the ratios within rounds. From uint8 images to float32 "
        "features, preprocessing included. All weights are random; the images are real.",
        "The peers run timm's resnetv2_50, which halves the image at the start of a stage. Keras' "
        "ResNet50V2 halves it at the end of the stage before and so costs less. GFLOP counts the "
        "convolutions, with a multiplication and an addition as two operations. Best batch: the power "
        "of two that was fastest in a trial. Freezing: `torch._inductor.config.freezing`. embetter "
        "takes PIL images (prepared beforehand), resizes them to 235, crops them to 224 pixels and "
        "runs them one by one, in training mode and with gradients, as its `TimmEncoder` does; only "
        "`pretrained=True` was replaced.",
    ]
    for key, title in _PEER_WORKS.items():
        work, busy = result[key], result[key]["busy_cores"]
        blocks += [
            f"### {title}: {work['n_images']:,} images",
            _table(
                "; batch; GFLOP per image; images/s; GFLOP/s; sklearn-resnet is as fast, times",
                [_peer_row(title, work[name]) for name, title in _PEERS.items() if name in work],
            ),
            f"Meanwhile, other processes kept {busy['median']:.2f} cores busy (at most "
            f"{busy['max']:.2f}).",
        ]
    return blocks


def _peer_row(title, result):
    if "error" in result:
        return title, "", "", f"failed: {result['error']}", "", ""
    return (
        title,
        str(result["batch_size"]),
        f"{result['gflop_per_image']:.3g}",
        f"{result['images_per_second']:.4g}",
        f"{result['gflop_per_second']:.0f}",
        _spread(result["ours_times"], ".2f"),
    )


def render_torch_speed(result):
    """Speed of torchvision's ResNet-50."""
    rows = []
    for key, found in result["contenders"].items():
        title = _PEERS[key].replace("timm", "timm's resnet50")
        if "error" in found:
            rows.append((title, "", f"failed: {found['error']}", "", ""))
            continue
        rows.append(
            (
                title,
                str(found["batch_size"]),
                f"{found['images_per_second']:.4g}",
                _spread(found["ours_times"], ".2f"),
                f"{found['largest_difference']:.0e}",
            )
        )
    busy = result["busy_cores"]
    return [
        f"ResNet50V1.5, all layers, {result['n_images']} images of 224 x 224, float32 on "
        f"{result['n_cores']} cores, {result['n_rounds']} rounds: the median rate, and the median "
        "(minimum to maximum) of the ratios within rounds. From uint8 images to float32 features, "
        "preprocessing included. All contenders have the same random weights. The difference is the "
        "largest, relative to the largest feature.",
        _table("; batch; images/s; sklearn-resnet is as fast, times; difference", rows),
        f"The convolutions take {result['gflop_per_image']:.3g} GFLOP per image, which sklearn-resnet "
        f"computes at {_spread(result['share_of_product'], '.0%')} of the speed of NumPy's matrix "
        f"product, measured after each of its passes. Meanwhile, other processes kept "
        f"{busy['median']:.2f} cores busy (at most {busy['max']:.2f}).",
    ]


def render_torch_weights(result):
    """Largest errors of PyTorch's networks."""

    def row(title, found):
        return title, str(found["n_layers"]), f"`{found['worst_layer']}`", f"{found['error']:.1e}"

    rows = []
    for name, found in result["architectures"].items():
        rows += [row(name, found), row(f"{name}, a pass for each stage", found["cuts"])]
        rows += [row(f"{name}, Keras engine", found["keras"])] if "keras" in found else []
    rows += [
        row(f"ResNet18, {_VARIANTS.get(n, f'`{n}*`')}", f) for n, f in result["variants"].items()
    ]
    return [
        "The largest difference from the features of torchvision (timm for ResNetV2-50), relative to "
        "the largest feature of the layer, and the layer where it is. All layers, average and maximum. "
        f"Random weights, images of uint8 with {' and '.join(result['sizes'])} pixels, normalisation "
        "included. The libraries compute in float64. The second line of each architecture has cuts at "
        "one stage, for which OpenVINO fuses layers. The last lines are for files in other number "
        "formats, images with other numbers of channels, and names with prefixes.",
        _table("network; layers; worst layer; error", rows),
    ]


def render_scientific(result):
    """Scientific images: accuracy by channels and by depth, rate and memory."""
    cells, depth, folder = result["cells"], result["depth"], result["folder"]
    layers = list(depth["8_bits"])

    cell_rows = [
        (title, *(_spread(cells[key][layer], ".3f", "-") for layer in layers))
        for key, title in _CELLS.items()
    ]
    depth_rows = [
        (
            title,
            *(_slashed(each["mean"] for each in depth[key][layer].values()) for layer in layers),
        )
        for key, title in _DEPTHS.items()
    ]
    header = "; ".join(f"layer {_number(layer)}" for layer in layers)
    rates = [
        (
            title,
            f"{folder[key]['n_files']:,}",
            _spread(folder[key]["relative_rate"], ".2f", "-"),
            _spread(folder[key]["relative_decoding_time"], ".2f", "-"),
        )
        for key, title in _COMPRESSIONS.items()
    ]
    memory = [
        (f"{_number(key):,}", f"{each['streaming_mib']:.1f}")
        for key, each in folder["memory"].items()
    ]
    size = f"{folder['side']} x {folder['side']}"
    target = f"{folder['target']} x {folder['target']}"
    return [
        f"### Cells in five channels, whose class is in the fourth: {cells['n_images']} of four classes",
        "OME-TIFFs of 12 bits in 16. Accuracy of five nearest neighbours in five folds, with "
        '`channels="separate"` and `rescale="percentile"`; 3 seeds: mean (minimum-maximum).',
        _table(f"channels; {header}", cell_rows),
        "### Bit depth: patches of pictures",
        "Accuracy of five nearest neighbours / of logistic regression; mean of 3 seeds.",
        _table(f"files; {header}", depth_rows),
        f"### Grey TIFFs of 16 bits, {size}, reduced to {target}",
        "The rate with reading, relative to that of the network alone at layer 82, and the time of "
        "reading without the network, relative to the network's; 5 rounds: median (minimum-maximum).",
        _table("compression; files; rate; reading", rates),
        "Memory of streaming files without compression to layer 82 in batches of 64: the peak, less the process "
        "with its network and the paths.",
        _table("files; MiB", memory),
    ]


def render_anomalies(result):
    """Local anomalies: areas under the ROC curve, memory, and the cost of pooling in cells."""
    accuracy = [
        (
            title,
            texture,
            *(_spread(scores[of], ".3f", "-") for of in ("images", "pixels")),
        )
        for key, title in _ANOMALY_CUTS.items()
        for texture, scores in result["accuracy"][key].items()
    ]
    memory = [
        (_number(key), f"{each['peak_mib']:.0f}", f"{each['features_mib']:.0f}")
        for key, each in result["memory"].items()
    ]
    cost = [
        (title, *(_spread(result["cost"][work][key], ".2f", "-") for work in _ANOMALY_WORKS))
        for key, title in _POOLED.items()
    ]
    return [
        "### Scratches and stains on three textures",
        "Area under the ROC curve of images and of pixels, as in the example `plot_anomalies.py`; 5 "
        "seeds: mean (minimum-maximum). The grid has 8 x 8 cells, and 4 x 4 for the last layer.",
        _table("cut; texture; images; pixels", accuracy),
        "Memory that Python and NumPy take at most while the normal places are learned, and that all "
        "features would take.",
        _table("images; peak, MiB; features, MiB", memory),
        "### Pooling",
        'CPU time relative to `pooling="avg"` without a grid; 9 rounds: median (minimum-maximum).',
        _table("pooling; " + "; ".join(_ANOMALY_WORKS.values()), cost),
    ]


def render_regions(result):
    """Regions: rate and memory of regions of photos, and of the tiles of a large TIFF."""
    photos, slide = result["photos"], result["slide"]
    height, width = photos["size"]
    rows = [
        ("in the order of the photos", _spread(photos["relative_rate"], ".2f", "-")),
        ("shuffled", _spread(photos["relative_rate_shuffled"], ".2f", "-")),
    ]
    side, tile = slide["side"], slide["tile"]
    return [
        "### Regions of photos",
        f"{photos['n_regions']:,} regions of {photos['n_photos']} JPEGs of {width:,} x {height:,} pixels, "
        f"resized to {photos['target']} x {photos['target']}, to layer 82 with the bundled weights: rate "
        "relative to that of the same crops in memory, in the same round, with equal features; 5 rounds: "
        "median (minimum-maximum).",
        _table("rows; relative rate", rows),
        f"Streaming them by `transform_batches` takes {photos['streaming_mib']:.0f} MiB over the network's "
        f"memory, and {photos['streaming_small_mib']:.0f} MiB if the photos are small. The difference is "
        f"{photos['photos_in_memory']:.1f} decoded photos.",
        "### Tiles of a large TIFF",
        f"A tiled TIFF of {side:,} x {side:,} pixels in colour (deflate), {slide['share_of_tissue']:.0%} of "
        f"them tissue. `make_tiles(size={tile}, min_content=0.5)` keeps {slide['n_tiles']:,} tiles, "
        f"{slide['share_of_tiles']:.0%} of the grid, and takes {slide['making_mib']:.0f} MiB. Streaming the "
        f"tiles takes {slide['streaming_mib']:.0f} MiB over the network's memory.",
    ]


def render_checks(result):
    """Planted faults that `check_images` finds, beside other packages."""
    sections = [
        "Planted faults, three seeds. Copies: recall for each alteration; the threshold of "
        "`check_images` is learned from the same images, and the hashes of imagededup have the "
        f"largest Hamming distance at a precision of {_MIN_PRECISION}, chosen by the answers. "
        "cleanvision runs with its defaults."
    ]
    alterations = ("jpeg_50", "half_size", "crop_5", "crop_10", "brighter_20")
    for name, packages in result["copies"].items():
        rows = [
            (
                package,
                _spread(found["precision"], ".3f"),
                *(f"{found['recall'][kind]['mean']:.3f}" for kind in alterations),
            )
            for package, found in packages.items()
        ]
        sections += [
            f"### Copies among {name}",
            _table(
                "package; precision; JPEG of quality 50; half size; crop of 5 %; crop of 10 %; "
                "20 % brighter",
                rows,
            ),
        ]
    leaks, labels, speed = result["leaks"], result["labels"], result["speed"]
    found_labels = [_spread(labels["sklearn_resnet"], ".3f")]
    if "cleanlab_pixels" in labels:
        found_labels.append(f"cleanlab on pixels: {_spread(labels['cleanlab_pixels'], '.3f')}")
    rows = [
        ("leaks found of 50, among 2,000 digits", _spread(leaks["found"], ".1f")),
        ("false leaks", _spread(leaks["false"], ".1f")),
        (
            "precision among the 5 % most suspect labels, 5 % of 2,000 digits flipped",
            "; ".join(found_labels),
        ),
        ("right suggestions for flipped labels", _spread(labels["suggestions_right"], ".3f")),
        (
            "area under the ROC curve of outliers, 10 foreign images among 300 photos",
            _spread(result["outliers"], ".3f"),
        ),
        (
            f"{speed['n_images']:,} photos with computed features",
            f"{speed['cpu_seconds']:.0f} s of processor time ({speed['seconds']:.0f} s beside other work), "
            f"{speed['mib']:.0f} MiB",
        ),
    ]
    return [*sections, "### Other faults, and speed", _table("measure; result", rows)]


SECTIONS = {
    "accuracy": ("Accuracy by depth", render_accuracy),
    "procedural": ("The bundled weights", render_procedural),
    "surface": ("Depth and size", render_surface),
    "several_layers": ("Several layers side by side", render_several_layers),
    "depth_without_labels": ("Depth without labels", render_depth_without_labels),
    "speed": ("Speed and memory", render_speed),
    "peers": ("Speed of timm, embetter and ONNX Runtime", render_peers),
    "torch_weights": ("PyTorch's networks", render_torch_weights),
    "torch_speed": ("Speed of torchvision's ResNet-50", render_torch_speed),
    "search": ("A search over layers", render_search),
    "surface_cost": ("A search over layers and sizes", render_surface_cost),
    "neighbors": ("Nearest neighbours", render_neighbors),
    "scale": ("Scale", render_scale),
    "page": ("The page of an embedding", render_page),
    "scientific": ("Scientific images", render_scientific),
    "anomalies": ("Local anomalies, and pooling in cells", render_anomalies),
    "regions": ("Regions", render_regions),
    "checks": ("Planted faults", render_checks),
}
