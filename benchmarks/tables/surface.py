"""The tables of ``surface``."""

from benchmarks.tables.formatting import WEIGHTS, number, slashed, table


def render(result):
    """Accuracy by depth and size; a table for each data set and kind of weights."""
    titles = {
        "digits": "MNIST, {n} digits",
        "photos": "Photos of clothing in ten classes, {n} photos",
        "textures": "Textures, {n} grey patches of 64 x 64 from 16 pictures",
    }
    blocks = [
        "Accuracy of logistic regression / of 5 nearest neighbours, means over five folds. Photos are "
        "cropped to squares. The class of a texture is its picture, and each fold has all patches from one "
        "vertical strip of each picture.",
    ]
    for data_set, title in titles.items():
        title = title.format(n=f"{result[data_set]['n_images']:,}")
        for weights in ("imagenet", "procedural"):
            logistic, knn = (result[data_set][weights][name] for name in ("logistic", "knn"))
            rows = [
                (
                    str(number(size)),
                    *(slashed((row[key]["mean"], knn[size][key]["mean"])) for key in row),
                )
                for size, row in logistic.items()
            ]
            layers = [f"layer {number(key)}" for key in logistic["size_64"]]
            blocks += [
                f"### {title}: {WEIGHTS[weights]} weights",
                table("; ".join(["size", *layers]), rows),
            ]
    return blocks
