"""The tables of ``surface_cost``."""

from benchmarks.tables.formatting import spread, table


def render(result):
    """Cost of a search over layers and image sizes."""
    rows = [
        (title, *(spread(result[key][name], ".2f") for name in ("times_passes", "times_searches")))
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
        table(
            "classifier; time, relative to one pass for each size; to one search for each size",
            rows,
        ),
    ]
