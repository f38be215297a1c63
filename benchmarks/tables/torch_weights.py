"""The tables of ``torch_weights``."""

from benchmarks.tables.formatting import table

_VARIANTS = {
    "float16": "a file of float16",
    "bfloat16": "a file of bfloat16",
    "channels_1": "1 channel",
    "channels_2": "2 channels",
    "channels_13": "13 channels",
}


def render(result):
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
        table("network; layers; worst layer; error", rows),
    ]
