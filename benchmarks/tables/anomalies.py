"""The tables of ``anomalies``."""

from benchmarks.tables.formatting import number, spread, table

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


def render(result):
    """Local anomalies: areas under the ROC curve, memory, and the cost of pooling in cells."""
    accuracy = [
        (
            title,
            texture,
            *(spread(scores[of], ".3f", "-") for of in ("images", "pixels")),
        )
        for key, title in _ANOMALY_CUTS.items()
        for texture, scores in result["accuracy"][key].items()
    ]
    memory = [
        (number(key), f"{each['peak_mib']:.0f}", f"{each['features_mib']:.0f}")
        for key, each in result["memory"].items()
    ]
    cost = [
        (title, *(spread(result["cost"][work][key], ".2f", "-") for work in _ANOMALY_WORKS))
        for key, title in _POOLED.items()
    ]
    return [
        "### Scratches and stains on three textures",
        "Area under the ROC curve of images and of pixels, as in the example `plot_anomalies.py`; 5 "
        "seeds: mean (minimum-maximum). The grid has 8 x 8 cells, and 4 x 4 for the last layer.",
        table("cut; texture; images; pixels", accuracy),
        "Memory that Python and NumPy take at most while the normal places are learned, and that all "
        "features would take.",
        table("images; peak, MiB; features, MiB", memory),
        "### Pooling",
        'CPU time relative to `pooling="avg"` without a grid; 9 rounds: median (minimum-maximum).',
        table("pooling; " + "; ".join(_ANOMALY_WORKS.values()), cost),
    ]
