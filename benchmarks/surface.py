"""Accuracy over depth and size of image: digits, photos and textures, with both kinds of weights.

Digits are from MNIST, photos from ten classes of clothing. Textures are grey patches of scikit-image's
pictures; the class is the picture. Photos are decoded once, to the largest size. `ResNetFeatures` resizes
all images.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from skimage.color import rgb2gray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.accuracy import WEIGHTS, embed, load_mnist
from benchmarks.measuring import summarize_seeds
from sklearn_resnet import ImageLoader, LayerSearchDisplay, ResNetFeatures
from sklearn_resnet.datasets import load_image_folder, sample_patches

SIZES = (32, 48, 64, 96, 128, 224)
LAYERS = {
    "imagenet": (16, 39, 51, 73, 85, 108, 130, 153),
    "procedural": (16, 27, 39, 51, 62, 73, 82, 85, 119, 153),
}
N_FOLDS = 5
FOLDS = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)
N_DIGITS = 1_500
PICTURES = (
    *("astronaut", "brick", "camera", "cat", "clock", "coffee", "coins", "grass", "gravel"),
    *("hubble_deep_field", "immunohistochemistry", "moon", "page", "retina", "rocket", "text"),
)
PATCH_SIZE, N_PATCHES = 64, 20  # pixels; patches from each strip of each picture
CLASSIFIERS = {
    "logistic": make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500)),
    "knn": KNeighborsClassifier(5),
}


def load_digits(folder):
    """Read digits: images, labels and groups."""
    X, y, *_ = load_mnist(folder, N_DIGITS)
    return X, y, None


def list_photos(folder):
    """List the files of the photos, and their labels."""
    parts = [
        load_image_folder(folder / "clothing" / part, return_X_y=True)
        for part in ("train", "validation")
    ]
    paths = [path for part, _ in parts for path in part]
    return paths, np.concatenate([labels for _, labels in parts])


def load_photos(folder):
    """Decode photos, cropped to squares of the largest size: images, labels and groups."""
    paths, y = list_photos(folder)
    return ImageLoader(size=SIZES[-1]).fit_transform(paths), y, None


def cut_textures():
    """Cut patches of vertical strips of pictures: images, labels and groups, which are the strips."""
    patches, labels, strips = [], [], []
    for name in PICTURES:
        picture = getattr(skimage.data, name)()
        if picture.ndim == 3:
            picture = (rgb2gray(picture) * 255).astype(np.uint8)
        for i, strip in enumerate(np.array_split(picture, N_FOLDS, axis=1)):
            patches.append(sample_patches(strip, N_PATCHES, PATCH_SIZE, random_state=i))
            labels += [name] * N_PATCHES
            strips += [i] * N_PATCHES
    return np.concatenate(patches), np.array(labels), np.array(strips)


def load_images(folder):
    """Return images, labels and groups of each data set by its name."""
    return {
        "digits": load_digits(folder),
        "photos": load_photos(folder),
        "textures": cut_textures(),
    }


def list_weights(folder):
    """Return the kinds of weights by their keys in the results."""
    return {"imagenet": folder / WEIGHTS, "procedural": "procedural"}


def split_folds(y, groups=None):
    """Return the folds: stratified, or each with all images of one group."""
    if groups is not None:
        return list(GroupKFold(N_FOLDS).split(y, y, groups))
    return list(FOLDS.split(y, y))


def score_folds(classifier, features, y, folds):
    """Return the accuracy of a classifier: its mean, and that of each fold."""
    scores = cross_val_score(classifier, features, y, cv=folds)
    return {"mean": scores.mean(), "folds": [float(f"{score:.4g}") for score in scores]}


def measure_surface(weights, layers, sizes, X, y, folds):
    """Score each layer at each size, by classifier, size and layer."""
    found = {name: {} for name in CLASSIFIERS}
    for size in sizes:
        embedded = [features for (features,) in embed(weights, layers, X, image_size=size)]
        for name, classifier in CLASSIFIERS.items():
            found[name][f"size_{size}"] = {
                f"layer_{layer}": score_folds(classifier, features, y, folds)
                for layer, features in zip(layers, embedded, strict=True)
            }
    return found


def measure_nested(weights, layers, X, y):
    """Return the accuracy of the search itself, on folds that its choice has not seen."""
    model = make_pipeline(ResNetFeatures(weights=weights, cache=None), *CLASSIFIERS["logistic"])
    display = LayerSearchDisplay.from_estimator(
        model, X, y, layers=list(layers), image_sizes=list(SIZES), cv=FOLDS, nested=True
    )
    plt.close(display.figure_)
    return summarize_seeds(display.nested_scores) | {
        "chosen": [f"{layer} at {size}" for layer, size in display.nested_candidates],
    }


def measure(folder):
    """Return the surface of each data set, by weights, classifier, size and layer."""
    found = {}
    for name, (X, y, groups) in load_images(folder).items():
        folds = split_folds(y, groups)
        with threadpool_limits(1, "blas"):  # for products as small as these, several are slower
            found[name] = {"n_images": len(y)} | {
                key: measure_surface(weights, LAYERS[key], SIZES, X, y, folds)
                for key, weights in list_weights(folder).items()
            }
    X, y, _ = load_photos(folder)
    with threadpool_limits(1, "blas"):
        found["nested"] = {
            key: measure_nested(weights, LAYERS[key], X, y)
            for key, weights in list_weights(folder).items()
        }
    return found
