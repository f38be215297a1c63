"""The tables of ``depth_without_labels``."""

from benchmarks.tables.formatting import WEIGHTS, spread, table

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


def render(result):
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
        table(
            "criterion; 5-NN lost, choosing sets; 5-NN lost; logistic lost; rank correlation; "
            "differs: better / worse",
            criteria,
        ),
        "### By weights and size, on the reporting sets",
        table(
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
        f"{spread(splits['knn_mean'], '.3f')}, the fixed depth "
        f"{spread(splits['fixed_depth_knn_mean'], '.3f')}, the deepest "
        f"{spread(splits['deepest_knn_mean'], '.3f')}. The chosen is better than the deepest in "
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
    return table(f"{WEIGHTS[weights]}: set; label; half; 32 x 32; 64 x 64; 96 x 96", rows)
