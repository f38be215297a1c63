"""The tables of ``accuracy``."""

from benchmarks.tables.formatting import number, slashed, table


def render(result):
    """Accuracy by depth, with ImageNet's weights and with random ones."""
    pixels = result["digits"]["pixels"]
    digits = [
        (
            f"{number(key)} `{layer['name']}`",
            str(layer["width"]),
            *(slashed(layer[name].values()) for name in ("imagenet", "expected", "random")),
        )
        for key, layer in result["digits"].items()
        if layer is not pixels
    ]
    photos = [
        (f"{number(key)} `{layer['name']}`", f"{layer['imagenet']:.3f}", f"{layer['random']:.3f}")
        for key, layer in result["photos"].items()
    ]
    scores = slashed((pixels["knn"], pixels["logistic"]))
    return [
        "### MNIST: 6,000 training digits, 2,000 test digits, 28 x 28",
        "Accuracy of 5 nearest neighbours / of logistic regression. The expected values were measured "
        "independently, with the same weights and digits in Keras alone.",
        table(
            "features; width; ImageNet weights; expected; random weights",
            [("pixels", str(pixels["width"]), scores, "", ""), *digits],
        ),
        "### Photos of clothing in ten classes: 300 for training, 341 for testing, 112 x 112",
        "Accuracy of logistic regression.",
        table("features; ImageNet weights; random weights", photos),
    ]
