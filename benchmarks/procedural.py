"""How far the weights that ship with the package carry, beside ImageNet's, random ones and pixels.

Classifiers are those of `layer_accuracy`. Of MNIST, only the first 20,000 training images are
drawn from: later ones were looked at when the training was designed.
"""

import numpy as np
import skimage.data
from layer_accuracy import WEIGHTS, embed, score_logistic, score_neighbours
from skimage.color import rgb2gray, rgba2rgb
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split
from sklearn.neighbors import KNeighborsClassifier

from sklearn_resnet import ImageLoader
from sklearn_resnet.datasets import load_image_folder

SEEDS = (0, 1, 2)
LAYERS = (51, 73, 82, 85)
SIZES = (16, 20, 24, 28, 32, 40)
PATCH_SIZE, N_PATCHES = 32, 100  # pixels; of each half of each picture
PICTURES = (
    *("astronaut", "brick", "camera", "cat", "clock", "coffee", "coins", "grass", "gravel"),
    *("hubble_deep_field", "immunohistochemistry", "microaneurysms", "moon", "page", "rocket"),
    "text",
)


def contenders(folder):
    """Weights by the names that the tables give them."""
    return {"procedural": "procedural", "ImageNet": folder / WEIGHTS, "random": None}


def spread(scores):
    """Mean of scores, and the least and greatest."""
    return f"{np.mean(scores):.3f} ({min(scores):.3f}-{max(scores):.3f})"


def draw_mnist(folder, seed, n_train=6_000, n_test=2_000):
    """Draw digits to learn and digits to test: (X_train, y_train, X_test, y_test)."""
    rng = np.random.default_rng(seed)
    with np.load(folder / "mnist.npz") as file:
        train = rng.choice(20_000, n_train, replace=False)
        test = rng.choice(len(file["x_test"]), n_test, replace=False)
        return (
            *(file["x_train"][train], file["y_train"][train]),
            *(file["x_test"][test], file["y_test"][test]),
        )


def digits_rows(folder):
    """Rows of MNIST, by layer."""
    scores = {}
    for seed in SEEDS:
        X_train, y_train, X_test, y_test = draw_mnist(folder, seed)
        parts = {"pixels": (X_train.reshape(len(X_train), -1), X_test.reshape(len(X_test), -1))}
        for name, weights in contenders(folder).items():
            for layer, both in zip(LAYERS, embed(weights, LAYERS, X_train, X_test), strict=True):
                parts[f"{name}, layer {layer}"] = both
        for name, (train, test) in parts.items():
            each = scores.setdefault(name, ([], []))
            each[0].append(score_neighbours(train, y_train, test, y_test))
            each[1].append(score_logistic(train, y_train, test, y_test))
    for name, (neighbours, logistic) in scores.items():
        yield f"| {name} | {spread(neighbours)} | {spread(logistic)} |"


def map_rows(folder):
    """Rows of maps of MNIST: accuracy of ten neighbours in five folds, and silhouette."""
    from umap import UMAP

    scores = {}
    for seed in SEEDS:
        X, y, *_ = draw_mnist(folder, seed)
        maps = {"two principal components": PCA(2).fit_transform(X.reshape(len(X), -1))}
        for name, weights in contenders(folder).items():
            for layer, (features,) in zip((82, 85), embed(weights, (82, 85), X), strict=True):
                umap = UMAP(random_state=seed, n_jobs=1)
                maps[f"{name}, layer {layer}, UMAP"] = umap.fit_transform(features)
        for name, points in maps.items():
            each = scores.setdefault(name, ([], []))
            each[0].append(cross_val_score(KNeighborsClassifier(10), points, y, cv=5).mean())
            each[1].append(silhouette_score(points, y))
    for name, (neighbours, silhouette) in scores.items():
        yield f"| {name} | {spread(neighbours)} | {spread(silhouette)} |"


def small_digits_rows(folder):
    """Rows of scikit-learn's digits, at the size that serves each of the weights best."""
    X, y = load_digits(return_X_y=True)

    def score(features):
        neighbours = KNeighborsClassifier(5)
        folds = [StratifiedKFold(5, shuffle=True, random_state=seed) for seed in SEEDS]
        shuffled = [cross_val_score(neighbours, features, y, cv=cv).mean() for cv in folds]
        return shuffled, cross_val_score(neighbours, features, y, cv=5).mean()

    shuffled, in_order = score(X)
    yield f"| pixels | | {spread(shuffled)} | {in_order:.3f} |"
    images = X.reshape(-1, 8, 8) / 16
    for name, weights in contenders(folder).items():
        found = {}
        for size in SIZES:
            ((features,),) = embed(weights, [85], images, image_size=size)
            found[size] = score(features)
        best = max(found, key=lambda size: np.mean(found[size][0]))
        shuffled, in_order = found[best]
        yield f"| {name}, layer 85 | {best} | {spread(shuffled)} | {in_order:.3f} |"


def photo_rows(folder):
    """Rows of photos of clothing: as they are divided, and divided anew."""
    parts = [
        load_image_folder(folder / "clothing" / part, return_X_y=True)
        for part in ("train", "validation")
    ]
    y = np.concatenate([labels for _, labels in parts])
    images = ImageLoader(size=112).fit_transform([path for paths, _ in parts for path in paths])
    n_train = len(parts[0][1])
    rows = np.arange(len(y))
    splits = [(rows[:n_train], rows[n_train:])]
    for seed in SEEDS:
        splits.append(train_test_split(rows, train_size=n_train, stratify=y, random_state=seed))
    features = {"pixels": images[:, ::4, ::4].reshape(len(images), -1)}
    for name, weights in contenders(folder).items():
        for layer, (both,) in zip((51, 85), embed(weights, (51, 85), images), strict=True):
            features[f"{name}, layer {layer}"] = both
    for name, F in features.items():
        scores = [score_logistic(F[a], y[a], F[b], y[b], max_iter=500) for a, b in splits]
        yield f"| {name} | {scores[0]:.3f} | {spread(scores[1:])} |"


def cut_patches(seed):
    """Cut grey patches: the left halves of pictures to learn from, the right to test."""
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


def patch_rows(folder):
    """Rows of patches, told apart by the picture that each comes from."""
    scores = {}
    for seed in SEEDS:
        train, test, y = cut_patches(seed)
        parts = {"pixels": (train.reshape(len(train), -1), test.reshape(len(test), -1))}
        for name, weights in contenders(folder).items():
            for layer, both in zip((51, 85), embed(weights, (51, 85), train, test), strict=True):
                parts[f"{name}, layer {layer}"] = both
        for name, (F_train, F_test) in parts.items():
            scores.setdefault(name, []).append(score_neighbours(F_train, y, F_test, y))
    for name, each in scores.items():
        yield f"| {name} | {spread(each)} |"


def report(folder):
    """Measure, and yield the lines of the report."""
    yield from [
        "## Weights that ship, beside ImageNet's, random ones and pixels",
        "",
        "Means of three seeds of the split, with the least and the greatest. No image below was",
        "trained on.",
        "",
        "### MNIST: 6,000 digits to learn, 2,000 to test, 28 x 28",
        "",
        "| features | 5-NN | logistic |",
        "|---|---|---|",
        *digits_rows(folder),
        "",
        "### MNIST: maps of 6,000 digits",
        "",
        "| map | 10-NN in five folds | silhouette |",
        "|---|---|---|",
        *map_rows(folder),
        "",
        "### scikit-learn's digits, 8 x 8, 5-NN in five folds",
        "",
        '"In order": folds as `cv=5` makes them, of other writers each.',
        "",
        "| features | image_size | shuffled | in order |",
        "|---|---|---|---|",
        *small_digits_rows(folder),
        "",
        "### Photos of clothing, 300 to learn, 341 to test, 112 x 112, logistic",
        "",
        "| features | as divided | divided anew |",
        "|---|---|---|",
        *photo_rows(folder),
        "",
        f"### Grey patches of {PATCH_SIZE} x {PATCH_SIZE}: of which of {len(PICTURES)} pictures? 5-NN",
        "",
        "Left halves of scikit-image's pictures to learn, right halves to test.",
        "",
        "| features | accuracy |",
        "|---|---|",
        *patch_rows(folder),
        "",
    ]
