"""The tables of ``several_layers``."""

from itertools import product

from benchmarks.tables.formatting import WEIGHTS, table


def render(result):
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
            title = f"{data_set}, {each['image_size']} x {each['image_size']}, {WEIGHTS[weights]}"
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
        table("; ".join(["images", "the best layer", *ways.values()]), rows),
    ]


def _interval(found):
    if found is None:
        return ""
    each = found["difference"]
    return f"{each['mean']:+.3f} ({each['low']:+.3f} to {each['high']:+.3f})"
