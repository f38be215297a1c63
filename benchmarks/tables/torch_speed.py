"""The tables of ``torch_speed``."""

from benchmarks.tables.formatting import spread, table
from benchmarks.tables.peers import PEERS


def render(result):
    """Speed of torchvision's ResNet-50."""
    rows = []
    for key, found in result["contenders"].items():
        title = PEERS[key].replace("timm", "timm's resnet50")
        if "error" in found:
            rows.append((title, "", f"failed: {found['error']}", "", ""))
            continue
        rows.append(
            (
                title,
                str(found["batch_size"]),
                f"{found['images_per_second']:.4g}",
                spread(found["ours_times"], ".2f"),
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
        table("; batch; images/s; sklearn-resnet is as fast, times; difference", rows),
        f"The convolutions take {result['gflop_per_image']:.3g} GFLOP per image, which sklearn-resnet "
        f"computes at {spread(result['share_of_product'], '.0%')} of the speed of NumPy's matrix "
        f"product, measured after each of its passes. Meanwhile, other processes kept "
        f"{busy['median']:.2f} cores busy (at most {busy['max']:.2f}).",
    ]
