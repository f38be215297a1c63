"""The tables of ``scientific``."""

from benchmarks.tables.formatting import number, slashed, spread, table

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
_COMPRESSIONS = {"none": "none", "deflate": "deflate"}


def render(result):
    """Scientific images: accuracy by channels and by depth, rate and memory."""
    cells, depth, folder = result["cells"], result["depth"], result["folder"]
    layers = list(depth["8_bits"])

    cell_rows = [
        (title, *(spread(cells[key][layer], ".3f", "-") for layer in layers))
        for key, title in _CELLS.items()
    ]
    depth_rows = [
        (
            title,
            *(slashed(each["mean"] for each in depth[key][layer].values()) for layer in layers),
        )
        for key, title in _DEPTHS.items()
    ]
    header = "; ".join(f"layer {number(layer)}" for layer in layers)
    rates = [
        (
            title,
            f"{folder[key]['n_files']:,}",
            spread(folder[key]["relative_rate"], ".2f", "-"),
            spread(folder[key]["relative_decoding_time"], ".2f", "-"),
        )
        for key, title in _COMPRESSIONS.items()
    ]
    memory = [
        (f"{number(key):,}", f"{each['streaming_mib']:.1f}")
        for key, each in folder["memory"].items()
    ]
    size = f"{folder['side']} x {folder['side']}"
    target = f"{folder['target']} x {folder['target']}"
    return [
        f"### Cells in five channels, whose class is in the fourth: {cells['n_images']} of four classes",
        "OME-TIFFs of 12 bits in 16. Accuracy of five nearest neighbours in five folds, with "
        '`channels="separate"` and `rescale="percentile"`; 3 seeds: mean (minimum-maximum).',
        table(f"channels; {header}", cell_rows),
        "### Bit depth: patches of pictures",
        "Accuracy of five nearest neighbours / of logistic regression; mean of 3 seeds.",
        table(f"files; {header}", depth_rows),
        f"### Grey TIFFs of 16 bits, {size}, reduced to {target}",
        "The rate with reading, relative to that of the network alone at layer 82, and the time of "
        "reading without the network, relative to the network's; 5 rounds: median (minimum-maximum).",
        table("compression; files; rate; reading", rates),
        "Memory of streaming files without compression to layer 82 in batches of 64: the peak, less the process "
        "with its network and the paths.",
        table("files; MiB", memory),
    ]
