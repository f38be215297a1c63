"""The tables of ``checks``."""

from benchmarks.tables.formatting import spread, table

_MIN_PRECISION = 0.95


def render(result):
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
                spread(found["precision"], ".3f"),
                *(f"{found['recall'][kind]['mean']:.3f}" for kind in alterations),
            )
            for package, found in packages.items()
        ]
        sections += [
            f"### Copies among {name}",
            table(
                "package; precision; JPEG of quality 50; half size; crop of 5 %; crop of 10 %; "
                "20 % brighter",
                rows,
            ),
        ]
    leaks, labels, speed = result["leaks"], result["labels"], result["speed"]
    found_labels = [spread(labels["sklearn_resnet"], ".3f")]
    if "cleanlab_pixels" in labels:
        found_labels.append(f"cleanlab on pixels: {spread(labels['cleanlab_pixels'], '.3f')}")
    rows = [
        ("leaks found of 50, among 2,000 digits", spread(leaks["found"], ".1f")),
        ("false leaks", spread(leaks["false"], ".1f")),
        (
            "precision among the 5 % most suspect labels, 5 % of 2,000 digits flipped",
            "; ".join(found_labels),
        ),
        ("right suggestions for flipped labels", spread(labels["suggestions_right"], ".3f")),
        (
            "area under the ROC curve of outliers, 10 foreign images among 300 photos",
            spread(result["outliers"], ".3f"),
        ),
        (
            f"{speed['n_images']:,} photos with computed features",
            f"{speed['cpu_seconds']:.0f} s of processor time ({speed['seconds']:.0f} s beside other work), "
            f"{speed['mib']:.0f} MiB",
        ),
    ]
    return [*sections, "### Other faults, and speed", table("measure; result", rows)]
