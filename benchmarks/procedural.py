"""Accuracy with the bundled weights, with ImageNet's, with random ones and on pixels.

The classifiers are those of `accuracy`. Only the first 20,000 training images of MNIST are used:
later ones were used while the training was designed.
"""

import numpy as np
import skimage.data
from skimage.color import rgb2gray, rgba2rgb
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_score
from sklearn.model_selection import (
    RepeatedStratifiedKFold,
    StratifiedKFold,
    cross_val_score,
    train_test_split,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.accuracy import WEIGHTS, embed, score_logistic, score_neighbors
from benchmarks.measuring import summarize_seeds
from sklearn_resnet import ImageLoader
from sklearn_resnet.datasets import load_image_folder

SEEDS = (0, 1, 2)
LAYERS = (51, 73, 82, 85, 153)
PATCH_LAYERS = (51, 85, 119, 153)
PHOTO_SIZES = (48, 64, 80, 112, 160, 224)
PHOTO_LAYERS = (51, 85, 153)
SIZES = (16, 20, 24, 28, 32, 40)
PATCH_SIZE, N_PATCHES = 32, 100  # pixels; patches from each half of each picture
PICTURES = (
    *("astronaut", "brick", "camera", "cat", "clock", "coffee", "coins", "grass", "gravel"),
    *("hubble_deep_field", "immunohistochemistry", "microaneurysms", "moon", "page", "rocket"),
    "text",
)


def list_weights(folder):
    """Return the kinds of weights by their keys in the results."""
    return {"procedural": "procedural", "imagenet": folder / WEIGHTS, "random": None}


def embed_each(folder, layers, *parts):
    """Yield (weights, layer) and the features of each, for all kinds of weights."""
    for name, weights in list_weights(folder).items():
        for layer, features in zip(layers, embed(weights, layers, *parts), strict=True):
            yield (name, f"layer_{layer}"), features


def nest(scores):
    """Turn a dict by (weights, layer), or by one name, into nested dicts."""
    nested = {}
    for (name, *layer), score in scores.items():
        if layer:
            nested.setdefault(name, {})[layer[0]] = score
        else:
            nested[name] = score
    return nested


def summarize(rounds):
    """Summarize the scores of rounds over the seeds; a score is a number or a dict of numbers."""
    if isinstance(rounds[0], dict):
        return {key: summarize([scores[key] for scores in rounds]) for key in rounds[0]}
    return summarize_seeds(rounds)


def draw_mnist(folder, seed, n_train=6_000, n_test=2_000):
    """Draw training and test digits: (X_train, y_train, X_test, y_test)."""
    rng = np.random.default_rng(seed)
    with np.load(folder / "mnist.npz") as file:
        train = rng.choice(20_000, n_train, replace=False)
        test = rng.choice(len(file["x_test"]), n_test, replace=False)
        return (
            *(file["x_train"][train], file["y_train"][train]),
            *(file["x_test"][test], file["y_test"][test]),
        )


def measure_digits(folder):
    """Score MNIST by layer."""
    rounds = []
    for seed in SEEDS:
        X_train, y_train, X_test, y_test = draw_mnist(folder, seed)
        parts = {("pixels",): (X_train.reshape(len(X_train), -1), X_test.reshape(len(X_test), -1))}
        parts |= embed_each(folder, LAYERS, X_train, X_test)
        rounds.append(
            {
                key: {
                    "knn": score_neighbors(train, y_train, test, y_test),
                    "logistic": score_logistic(train, y_train, test, y_test),
                }
                for key, (train, test) in parts.items()
            }
        )
    return nest(summarize(rounds))


def measure_maps(folder):
    """Score maps of MNIST: accuracy of ten neighbours in five folds, and silhouette."""
    from umap import UMAP

    rounds = []
    for seed in SEEDS:
        X, y, *_ = draw_mnist(folder, seed)
        maps = {("pca",): PCA(2).fit_transform(X.reshape(len(X), -1))}
        for key, (features,) in embed_each(folder, (82, 85), X):
            maps[key] = UMAP(random_state=seed, n_jobs=1).fit_transform(features)
        rounds.append(
            {
                key: {
                    "knn": cross_val_score(KNeighborsClassifier(10), points, y, cv=5).mean(),
                    "silhouette": silhouette_score(points, y),
                }
                for key, points in maps.items()
            }
        )
    return nest(summarize(rounds))


def measure_small_digits(folder):
    """Score scikit-learn's digits, at the image size that suits each kind of weights best."""
    X, y = load_digits(return_X_y=True)

    def score(features):
        neighbors = KNeighborsClassifier(5)
        folds = [StratifiedKFold(5, shuffle=True, random_state=seed) for seed in SEEDS]
        shuffled = [cross_val_score(neighbors, features, y, cv=cv).mean() for cv in folds]
        return {
            "shuffled": summarize_seeds(shuffled),
            "in_order": cross_val_score(neighbors, features, y, cv=5).mean(),
        }

    found = {"pixels": score(X)}
    images = X.reshape(-1, 8, 8) / 16
    for name, weights in list_weights(folder).items():
        scores = []
        for size in SIZES:
            ((features,),) = embed(weights, [85], images, image_size=size)
            scores.append({"image_size": size, **score(features)})
        found[name] = max(scores, key=lambda each: each["shuffled"]["mean"])
    return found


def list_photos(folder):
    """List the photos of clothing: their paths and labels, and how many of them are for training."""
    parts = [
        load_image_folder(folder / "clothing" / part, return_X_y=True)
        for part in ("train", "validation")
    ]
    paths = [path for part, _ in parts for path in part]
    return paths, np.concatenate([labels for _, labels in parts]), len(parts[0][1])


def measure_photos(folder):
    """Score photos of clothing: in the split of their folders, and in random splits."""
    paths, y, n_train = list_photos(folder)
    images = ImageLoader(size=112).fit_transform(paths)
    rows = np.arange(len(y))
    splits = [(rows[:n_train], rows[n_train:])]
    for seed in SEEDS:
        splits.append(train_test_split(rows, train_size=n_train, stratify=y, random_state=seed))
    features = {("pixels",): images[:, ::4, ::4].reshape(len(images), -1)}
    features |= {key: both for key, (both,) in embed_each(folder, PHOTO_LAYERS, images)}
    found = {}
    for key, F in features.items():
        given, *random = (score_logistic(F[a], y[a], F[b], y[b], max_iter=500) for a, b in splits)
        found[key] = {"given_split": given, "random_splits": summarize_seeds(random)}
    return nest(found)


def measure_photo_sizes(folder):
    """Score photos by layer and size; cross-validation on the training photos chooses the best."""
    paths, y, n_train = list_photos(folder)
    cells = {}
    for size in PHOTO_SIZES:
        images = ImageLoader(size=size).fit_transform(paths)
        for (name, layer), (features,) in embed_each(folder, PHOTO_LAYERS[1:], images):
            labelled = features[:n_train], y[:n_train], features[n_train:], y[n_train:]
            scores = score_photos(*labelled)
            cells.setdefault(name, {}).setdefault(f"size_{size}", {})[layer] = scores
    best = {}
    for name, sizes in cells.items():
        every = [
            {"image_size": int(size[5:]), "layer": int(layer[6:]), **scores}
            for size, layers in sizes.items()
            for layer, scores in layers.items()
        ]
        best[name] = max(every, key=lambda each: each["validation"])
    return {name: {"best": best[name], **cells[name]} for name in cells}


def score_photos(train, y_train, test, y_test):
    """Return the accuracy in folds of the training photos, and that on the test photos."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=3, random_state=0)
    with threadpool_limits(1, "blas"):
        validation = cross_val_score(model, train, y_train, cv=folds).mean()
        return {
            "validation": validation,
            "accuracy": model.fit(train, y_train).score(test, y_test),
        }


def cut_patches(seed):
    """Cut grey patches: from the left halves of pictures to train, from the right ones to test."""
    rng = np.random.default_rng(seed)
    halves, labels = ([], []), []
    for label, name in enumerate(PICTURES):
        picture = getattr(skimage.data, name)()
        if picture.ndim == 3:
            picture = rgb2gray(rgba2rgb(picture) if picture.shape[2] == 4 else picture) * 255
        picture = picture.astype(np.uint8)
        middle = picture.shape[1] // 2
        for half, patches in zip((picture[:, :middle], picture[:, middle:]), halves, strict=True):
            tops = rng.integers(half.shape[0] - PATCH_SIZE, size=N_PATCHES)
            lefts = rng.integers(half.shape[1] - PATCH_SIZE, size=N_PATCHES)
            patches += [
                half[top : top + PATCH_SIZE, left : left + PATCH_SIZE]
                for top, left in zip(tops, lefts, strict=True)
            ]
        labels += [label] * N_PATCHES
    return *(np.stack(patches) for patches in halves), np.array(labels)


def measure_patches(folder):
    """Score patches by the picture that each comes from."""
    rounds = []
    for seed in SEEDS:
        train, test, y = cut_patches(seed)
        parts = {("pixels",): (train.reshape(len(train), -1), test.reshape(len(test), -1))}
        parts |= embed_each(folder, PATCH_LAYERS, train, test)
        rounds.append({key: score_neighbors(a, y, b, y) for key, (a, b) in parts.items()})
    return nest(summarize(rounds))


def measure(folder):
    """Return the scores of digits, maps, photos and patches."""
    return {
        "digits": measure_digits(folder),
        "maps": measure_maps(folder),
        "small_digits": measure_small_digits(folder),
        "photos": measure_photos(folder),
        "photo_sizes": measure_photo_sizes(folder),
        "patches": measure_patches(folder),
    }
