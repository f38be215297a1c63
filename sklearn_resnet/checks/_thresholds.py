"""Learn the largest distance of copies, from altered copies of images and from strangers."""

import io

import numpy as np
from PIL import Image, ImageEnhance, ImageOps
from scipy.optimize import brentq
from sklearn.utils import check_random_state

from sklearn_resnet.checks._duplicates import compare_pairs
from sklearn_resnet.checks._thumbnails import load_originals, make_thumbnails

MAX_SAMPLED = 100  # images, of which altered copies are made
_MIN_EXPONENT = 2.0  # of the power law, which few strangers would fit poorly
_FOUND = 0.99  # share of the altered copies that the threshold finds if strangers allow it
_NEAREST_STRANGER = 0.2  # relative distance; nearer candidates may be copies
_FARTHEST_STRANGER = 0.6  # farther ones do not follow the law


def recompress(image, random_state):
    """Save as a JPEG of quality 50."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=50)
    return file.getvalue()


def halve_size(image, random_state):
    """Resize to half of both sides."""
    return image.resize([max(1, side // 2) for side in image.size])


def crop_by(share):
    """Make an alteration that cuts a share of both sides off, anywhere."""

    def crop(image, random_state):
        kept = [max(1, round(side * (1 - share))) for side in image.size]
        left, top = (
            random_state.randint(side - k + 1) for side, k in zip(image.size, kept, strict=True)
        )
        return image.crop((left, top, left + kept[0], top + kept[1]))

    return crop


def brighten(image, random_state):
    """Multiply the values by 1.2, and clip them."""
    return ImageEnhance.Brightness(image).enhance(1.2)


def mirror(image, random_state):
    """Flip left and right."""
    return ImageOps.mirror(image)


ALTERATIONS = {
    "jpeg_50": recompress,
    "half_size": halve_size,
    "crop_5": crop_by(0.05),
    "crop_10": crop_by(0.10),
    "brighter_20": brighten,
}


def measure_copies(survey, scales, *, mirrored=False, random_state=0):
    """Measure the distances of altered copies from their originals.

    Parameters
    ----------
    survey : Survey
    scales : ndarray of shape (n,)
        As `compare_candidates` returns them.
    mirrored : bool, default=False
        Whether mirrored copies are made too.
    random_state : int, RandomState instance or None

    Returns
    -------
    dict of str to ndarray of shape (n_sampled,)
        The relative distances, by the name of the alteration.
    """
    rng = check_random_state(random_state)
    usable = np.flatnonzero(survey.is_readable & (survey.sharpness > 0))
    rows = np.sort(rng.permutation(usable)[:MAX_SAMPLED])
    originals = [_to_pillow(image) for image in load_originals(survey, rows)]
    distances = {}
    for name, alter in (ALTERATIONS | ({"mirrored": mirror} if mirrored else {})).items():
        copies = [alter(image, rng) for image in originals]
        thumbnails, colors = make_thumbnails(copies)
        thumbnails = thumbnails[:, :, ::-1] if name == "mirrored" else thumbnails
        sizes = survey.sizes[rows] / (2 if name == "half_size" else 1)
        pairs = compare_pairs(
            np.concatenate([survey.thumbnails[rows], thumbnails]),
            np.concatenate([survey.sizes[rows], sizes]),
            np.concatenate([survey.colors[rows], colors]),
            np.arange(len(rows)),
            np.arange(len(rows), 2 * len(rows)),
        )
        distances[name] = pairs.distances / scales[rows]
    return distances


def _to_pillow(image):
    """Convert a decoded image to 8 bits."""
    image = np.asarray(image)
    if np.issubdtype(image.dtype, np.integer) and image.dtype != np.uint8:
        image = image / np.iinfo(image.dtype).max
    if image.dtype != np.uint8:
        image = np.clip(image * 255, 0, 255).astype(np.uint8)
    if image.ndim == 3 and image.shape[2] != 3:
        image = image.mean(2).astype(np.uint8)
    return Image.fromarray(image)


def fit_strangers(distances, low=_NEAREST_STRANGER, high=_FARTHEST_STRANGER):
    """Fit a power law to the distances of the nearest strangers.

    The number of points within a radius grows with a power of it, the intrinsic dimension. The fit
    is the one of maximum likelihood between two radii. It extrapolates to smaller ones, where copies
    hide the strangers.

    Parameters
    ----------
    distances : ndarray of shape (n_pairs,)
    low, high : float

    Returns
    -------
    n_near : float
        The number of strangers nearer than `high`, as the law has it.
    exponent : float
    """
    inside = distances[(distances > low) & (distances < high)]
    if len(inside) == 0:
        return 0.0, 1.0
    width, mean = np.log(high / low), np.log(high / inside).mean()

    def excess(exponent):  # of the mean of an exponential law that ends at `width`
        return 1 / exponent - width / np.expm1(exponent * width) - mean

    exponent = _MIN_EXPONENT
    if excess(exponent) > 0:
        exponent = brentq(excess, exponent, 500 / width) if excess(500 / width) < 0 else 500 / width
    return len(inside) / -np.expm1(-exponent * width), exponent


def learn_threshold(distances, copies, n_images, max_false_pairs):
    """Choose the distance below which a pair is one of copies.

    Parameters
    ----------
    distances : ndarray of shape (n_pairs,)
        Of the candidates.
    copies : dict of str to ndarray
        As `measure_copies` returns it.
    n_images : int
    max_false_pairs : float
        The expected number of false pairs for each image.

    Returns
    -------
    dict
        ``"threshold"``, ``"false_pairs"`` (the expected number, for all images) and ``"recall"`` by
        alteration.
    """
    n_near, exponent = fit_strangers(distances)
    allowed = max_false_pairs * n_images
    threshold = _FARTHEST_STRANGER
    if n_near > allowed:
        threshold = _FARTHEST_STRANGER * (allowed / n_near) ** (1 / exponent)
    altered = np.concatenate([*copies.values(), np.empty(0)])
    if len(altered):  # farther than copies are, a pair is more likely false
        threshold = min(threshold, float(np.quantile(altered, _FOUND)))
    return {
        "threshold": float(threshold),
        "false_pairs": float(n_near * (threshold / _FARTHEST_STRANGER) ** exponent),
        "recall": {
            name: float(np.mean(found <= threshold)) if len(found) else None
            for name, found in copies.items()
        },
    }
