"""The tables of ``procedural``."""

from benchmarks.tables.formatting import WEIGHTS, number, spread, table


def _flatten(group):
    """Yield pixels, if they are in a group, then each layer of each kind of weights."""
    if "pixels" in group:
        yield "pixels", group["pixels"]
    for weights, title in WEIGHTS.items():
        for key, layer in group[weights].items():
            yield f"{title}, layer {number(key)}", layer


def _score(result):
    return spread(result, ".3f", "-")


def render(result):
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
        table("features; 5-NN; logistic", digits),
        "### MNIST: maps of 6,000 digits",
        table(
            "map; 10-NN in five folds; silhouette",
            [("two principal components", _score(pca["knn"]), _score(pca["silhouette"])), *maps],
        ),
        *_render_small_digits(result["small_digits"]),
        "### Photos of clothing: 300 for training, 341 for testing, 112 x 112, logistic",
        table("features; given split; random splits", photos),
        *_render_photo_sizes(result["photo_sizes"]),
        "### Grey patches of 32 x 32 from 16 pictures: which picture? 5-NN",
        "Training patches come from the left halves of scikit-image's pictures, test patches from the "
        "right halves.",
        table("features; accuracy", patches),
    ]


def _render_photo_sizes(result):
    best = [
        (
            WEIGHTS[name],
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
            f"{WEIGHTS[name]}, layer {number(layer)}",
            *(f"{each[size][layer]['accuracy']:.3f}" for size in sizes),
        )
        for name, each in result.items()
        for layer in each[sizes[0]]
    ]
    return [
        "### The same photos, the given split, by size",
        "Cross-validation on the 300 training photos (five folds, three times) chooses the layer and the "
        "size; the accuracy is that on the 341 others.",
        table("weights; layer; size; cross-validation; accuracy", best),
        table("; ".join(["accuracy", *(str(number(size)) for size in sizes)]), rows),
    ]


def _render_small_digits(result):
    rows = [
        (
            f"{WEIGHTS[name]}, layer 85" if name in WEIGHTS else name,
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
        table("features; image_size; shuffled; in order", rows),
    ]
