"""The tables of ``speed``."""

from benchmarks.tables.formatting import number, slashed, spread, table

_WORKS = {
    "digits_82": "MNIST 28 x 28, layer 82",
    "digits_all": "MNIST 28 x 28, all layers",
    "photos_82": "photos 224 x 224, layer 82",
    "photos_all": "photos 224 x 224, all layers",
}


def render(result):
    """Speed of the engine, of a folder of photos, of many images and of whole processes."""
    folder = result["folder"]
    return [
        *_render_engine(result),
        f"### A folder of {folder['n_photos']} JPEGs (mostly 400 x 533) to layer 82 at 224 x 224",
        "Rate with decoding, relative to the network alone: "
        f"{spread(folder['relative_rate'], '.2f')}. Time to decode alone, relative to the network "
        f"alone: {spread(folder['relative_decoding_time'], '.2f')}.",
        *(_render_memory(result["memory"]) if "memory" in result else ()),
        *_render_processes(result["processes"]),
    ]


def _render_engine(result):
    rows = []
    for work, title in _WORKS.items():
        each = result[work]
        rows.append(
            (
                title,
                *(spread(share, ".2f") for share in each["float32_share_of_product"].values()),
                spread(each["float32_times_predict"], ".2f"),
                f"{each['largest_difference']:.0e}",
                spread(each["bfloat16_times_float32"], ".2f"),
                slashed(each["bfloat16_cosine"].values(), ".4f"),
                spread(each["int8_times_float32"], ".2f"),
                slashed(each["int8_cosine"].values(), ".4f"),
                slashed(each["knn"].values(), ".4f") if "knn" in each else "",
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
        table(
            f"work; {shares}; float32, times as fast as Keras; largest difference; bfloat16, times "
            "as fast as float32; its cosine to float32; int8, times as fast as float32; its cosine to "
            "float32; 5-NN float32 / bfloat16 / int8",
            rows,
        ),
    ]


def _render_memory(result):
    rows = [
        (
            f"{number(key):,}",
            spread(each["relative_rate"], ".2f"),
            f"{each['peak_mib']:.0f} MiB",
            f"{each['without_images_mib']:.0f} MiB",
        )
        for key, each in result.items()
    ]
    return [
        "### Rate and memory by number of images: MNIST, layer 82",
        table(
            "images; images/s, relative to 10,000; peak memory; without images and features", rows
        ),
    ]


def _render_processes(result):
    titles = {"digits_60000": "the 60,000 digits of MNIST", "photo": "one photo at 224 x 224"}
    rows = [
        (
            titles[key],
            spread(each["times_script"], ".2f"),
            spread(each["times_lean_script"], ".2f"),
            f"{slashed(each['peak_mib'].values(), '.0f')} MiB",
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
        table(
            "work; times as fast as the script; as the lean script; peak memory; "
            "time of the command; largest difference",
            rows,
        ),
    ]
