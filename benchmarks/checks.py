"""check_images on planted faults, beside imagededup, cleanvision and cleanlab on the same files.

The environment variable CHECKS names the Python of an environment with
``pip install imagededup cleanvision cleanlab``; without it, they are left out.
"""

import io
import json
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image, ImageEnhance
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from benchmarks.measuring import summarize_seeds
from sklearn_resnet import ImageLoader, ResNetFeatures
from sklearn_resnet.checks import check_images
from sklearn_resnet.datasets import load_image_folder

SEEDS = (0, 1, 2)
_PATCH = 96
_MIN_CONTRAST = 15  # of a patch; patches of bare sky are near copies of each other
_PICTURES = [
    "astronaut",
    "brick",
    "camera",
    "cat",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "retina",
    "rocket",
]
_FOREIGN = [
    "astronaut",
    "brick",
    "camera",
    "cell",
    "clock",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "moon",
    "page",
    "retina",
    "rocket",
    "text",
]
_WORKER = Path(__file__).with_name("checks_worker.py")
_PRECISION = 0.95


def recompress(image, rng):
    """JPEG of quality 50."""
    return encode(image, quality=50)


def halve(image, rng):
    """Half of both sides."""
    return encode(image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS))


def crop_by(share):
    """Cut a share of both sides off, anywhere."""

    def crop(image, rng):
        width, height = (round(side * (1 - share)) for side in image.size)
        left, top = rng.integers(image.width - width + 1), rng.integers(image.height - height + 1)
        return encode(image.crop((left, top, left + width, top + height)))

    return crop


def brighten(image, rng):
    """20 % brighter."""
    return encode(ImageEnhance.Brightness(image).enhance(1.2))


ALTERATIONS = {
    "jpeg_50": recompress,
    "half_size": halve,
    "crop_5": crop_by(0.05),
    "crop_10": crop_by(0.10),
    "brighter_20": brighten,
}


def encode(image, quality=None):
    """Return the bytes of a PNG, or of a JPEG if it has a quality, and the suffix."""
    file = io.BytesIO()
    if quality is None:
        image.save(file, "PNG", compress_level=1)
        return file.getvalue(), ".png"
    image.save(file, "JPEG", quality=quality)
    return file.getvalue(), ".jpg"


def load_digits(data, n_images, seed):
    """Draw digits of MNIST."""
    with np.load(data / "mnist.npz") as file:
        X, y = file["x_train"], file["y_train"]
    rows = np.random.default_rng(seed).choice(len(X), n_images, replace=False)
    return [Image.fromarray(image) for image in X[rows]], y[rows]


def load_photos(data, n_images, seed):
    """Draw photos of clothing."""
    paths = load_image_folder(data / "clothing").data
    rows = np.random.default_rng(seed).choice(len(paths), n_images, replace=False)
    return [Image.open(paths[i]).convert("RGB") for i in rows]


def load_textures(n_images, seed):
    """Draw patches of scikit-image's pictures that do not overlap."""
    patches = []
    for name in _PICTURES:
        picture = np.asarray(Image.fromarray(getattr(skimage.data, name)()).convert("RGB"))
        for i, j in np.ndindex(picture.shape[0] // _PATCH, picture.shape[1] // _PATCH):
            patch = picture[_PATCH * i :, _PATCH * j :][:_PATCH, :_PATCH]
            if patch.mean(2).std() > _MIN_CONTRAST:
                patches.append(Image.fromarray(patch))
    rows = np.random.default_rng(seed).permutation(len(patches))[:n_images]
    return [patches[i] for i in rows]


def plant_copies(images, n_copies, seed, folder):
    """Write images and altered copies of some of them, each of another one, as files.

    Returns
    -------
    paths : list of Path
    sources : ndarray of int
        The image that each file shows.
    kinds : ndarray of str
        Empty for originals.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(images))
    files = [(encode(image), i, "") for i, image in enumerate(images)]
    for turn, (kind, alter) in enumerate(ALTERATIONS.items()):
        for i in np.take(order, range(turn * n_copies, (turn + 1) * n_copies), mode="wrap"):
            files.append((alter(images[i], rng), i, kind))
    paths = []
    for number, ((content, suffix), _, _) in enumerate(files):
        paths.append(folder / f"{number:05}{suffix}")
        paths[-1].write_bytes(content)
    return paths, np.array([i for _, i, _ in files]), np.array([kind for _, _, kind in files])


def judge_pairs(is_found, sources, kinds):
    """Return the precision of pairs, and the recall of copies by alteration.

    Parameters
    ----------
    is_found : ndarray of shape (n, n), dtype bool
    """
    is_copy = sources[:, None] == sources
    upper = np.triu(is_found, 1)
    recall = {
        kind: float(is_found[rows, sources[rows]].mean())
        for kind in ALTERATIONS
        for rows in [np.flatnonzero(kinds == kind)]
    }
    return {"precision": float(is_copy[upper].mean()) if upper.any() else 1.0, "recall": recall}


def judge_hashes(bits, sources, kinds):
    """Judge hashes at the largest Hamming distance of the wanted precision: the best hand-set one."""
    bits = np.array(bits, np.float32)
    distances = bits @ (1 - bits).T + (1 - bits) @ bits.T
    best = judge_pairs(np.zeros(distances.shape, bool), sources, kinds) | {"max_distance": -1}
    for distance in range(33):
        judged = judge_pairs(distances <= distance, sources, kinds)
        if judged["precision"] >= _PRECISION:
            best = judged | {"max_distance": distance}
    return best


def ask_worker(*arguments):
    """Run the other packages; None without their environment."""
    if "CHECKS" not in os.environ:
        return None
    command = [os.environ["CHECKS"], _WORKER, *arguments]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.strip().split("\n")[-1])


def make_estimator(size):
    """Make the estimator with the bundled weights."""
    return make_pipeline(ImageLoader(size), ResNetFeatures(85, weights="procedural"))


def measure_copies(images, n_copies, size, seed):
    """Judge all packages on copies of images; return scores by package, and versions."""
    with tempfile.TemporaryDirectory() as folder:
        paths, sources, kinds = plant_copies(images, n_copies, seed, Path(folder))
        found = check_images(paths, estimator=make_estimator(size))
        groups = found.duplicate_group.to_numpy()
        scores = {"sklearn_resnet": judge_pairs(groups[:, None] == groups, sources, kinds)}
        scores["sklearn_resnet"]["expected"] = found.attrs["copies"]
        others = ask_worker("copies", folder)
    if others is None:
        return scores, {}
    for name, bits in others["hashes"].items():
        scores[name] = judge_hashes(bits, sources, kinds)
    is_found = np.eye(len(sources), dtype=bool)
    for rows in others["cleanvision"]:
        is_found[np.ix_(rows, rows)] = True
    scores["cleanvision"] = judge_pairs(is_found, sources, kinds)
    return scores, others["versions"]


def measure_leaks(data, seed):
    """Count the leaks found among 2,000 digits, of which 50 are copies in the other split."""
    images, _ = load_digits(data, 1950, seed)
    with tempfile.TemporaryDirectory() as folder:
        paths, sources, kinds = plant_copies(images, 10, seed, Path(folder))
        is_test = np.arange(len(paths)) % 2 == 1
        copies = np.flatnonzero(kinds != "")
        is_test[copies], is_test[sources[copies]] = True, False
        found = check_images(
            paths, split=np.where(is_test, "test", "train"), estimator=make_estimator(32)
        )
    leak = found.leak.to_numpy(bool)
    groups = found.duplicate_group.to_numpy()
    is_right = leak[copies] & (groups[copies] == groups[sources[copies]])
    return {"found": int(is_right.sum()), "false": int(leak.sum() - 2 * is_right.sum())}


def measure_labels(data, seed, n_images=2000):
    """Return the precision among the 5 % most suspect labels of digits with 5 % flipped."""
    images, y = load_digits(data, n_images, seed)
    X, rng = np.stack([np.asarray(image) for image in images]), np.random.default_rng(seed)
    n_flipped = n_images // 20
    flipped, given = rng.choice(n_images, n_flipped, replace=False), y.astype(int)
    given[flipped] = (given[flipped] + rng.integers(1, 10, n_flipped)) % 10
    found = check_images(X, given, estimator=make_estimator(32))

    def precision(scores):
        return float(np.isin(np.argsort(scores)[:n_flipped], flipped).mean())

    right = found.suggested_label.to_numpy()[flipped] == y[flipped]
    scores = {
        "sklearn_resnet": precision(found.label_score.to_numpy()),
        "suggestions_right": float(right.mean()),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.npz"
        np.savez(path, X=X.reshape(n_images, -1) / 255, y=given)
        others = ask_worker("labels", path)
    if others is not None:
        scores["cleanlab_pixels"] = precision(others["scores"])
    return scores, {} if others is None else others["versions"]


def measure_outliers(data, seed):
    """Return the area under the curve of 10 other pictures among 300 photos of clothing."""
    names = np.random.default_rng(seed).choice(_FOREIGN, 10, replace=False)
    foreign = [Image.fromarray(getattr(skimage.data, name)()).convert("RGB") for name in names]
    found = check_images([*load_photos(data, 300, seed), *foreign], estimator=make_estimator(64))
    return float(roc_auc_score(np.arange(310) >= 300, found.outlier_score))


def measure_speed(data, n_images=10_000):
    """Time photos whose features are there: the 641 photos, each written with several crops."""
    rng = np.random.default_rng(0)
    photos = load_photos(data, 641, 0)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i:05}.jpg" for i in range(n_images)]
        for i, path in enumerate(paths):
            photo = photos[i % len(photos)]
            left, top = rng.integers(photo.width // 4), rng.integers(photo.height // 4)
            size = photo.width * 3 // 4, photo.height * 3 // 4
            photo.crop((left, top, left + size[0], top + size[1])).save(path, quality=85)
        features = make_estimator(32).fit_transform(paths)
        del photos
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start, busy = time.perf_counter(), time.process_time()
        check_images(paths, features=features)
        seconds, cpu = time.perf_counter() - start, time.process_time() - busy
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "n_images": n_images,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "mib": (after - before) / 1024,
    }


def summarize(runs):
    """Summarize nested scores over seeds."""
    if isinstance(runs[0], dict):
        return {key: summarize([run[key] for run in runs]) for key in runs[0] if key in runs[-1]}
    return summarize_seeds(runs) if isinstance(runs[0], (int, float)) else runs


def measure(data):
    """Measure all."""
    versions, results = {}, {"copies": {}}
    works = {
        "digits": (lambda seed: load_digits(data, 1000, seed)[0], 60, 32),
        "photos": (lambda seed: load_photos(data, 500, seed), 60, 64),
        "textures": (lambda seed: load_textures(400, seed), 60, 64),
    }
    for name, (load, n_copies, size) in works.items():
        runs = []
        for seed in SEEDS:
            scores, found = measure_copies(load(seed), n_copies, size, seed)
            versions |= found
            runs.append(scores)
            print(name, seed, json.dumps(scores), flush=True)
        results["copies"][name] = summarize(runs)
    results["leaks"] = summarize([measure_leaks(data, seed) for seed in SEEDS])
    print(results["leaks"], flush=True)
    labels = [measure_labels(data, seed) for seed in SEEDS]
    results["labels"] = summarize([scores for scores, _ in labels])
    print(results["labels"], flush=True)
    results["outliers"] = summarize([measure_outliers(data, seed) for seed in SEEDS])
    print(results["outliers"], flush=True)
    results["speed"] = measure_speed(data)
    for _, found in labels:
        versions |= found
    return results | {"versions": versions}
