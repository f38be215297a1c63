"""Pairs of near copies, and groups of all copies.

The nearest images by features and by pixels are the candidates. Each pair of candidates is aligned, as
one may be cropped, and compared pixel by pixel. How much remains different is measured in units of the
same value of other candidates of both images, because simple images resemble each other more than
others do.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.preprocessing import normalize

from sklearn_resnet.checks._neighbors import describe_pixels, find_neighbors
from sklearn_resnet.checks._registration import align_coarsely, align_finely
from sklearn_resnet.checks._thumbnails import halve

N_CANDIDATES = 5  # by features, and as many by pixels
MAX_DISTANCE = 0.6  # relative; pairs that the coarse alignment leaves farther apart are not refined
_MIN_SIDE = 24  # pixels; smaller images are too coarse for the fine alignment
_MIN_SCALE = 0.3  # of the median, so that an image with many copies still has strangers to compare


class Pairs(NamedTuple):
    """Pairs of images.

    Attributes
    ----------
    first, second : ndarray of shape (n_pairs,), dtype int
    distances : ndarray of shape (n_pairs,)
        Relative to those of other candidates: copies are near 0, strangers near 1.
    """

    first: np.ndarray
    second: np.ndarray
    distances: np.ndarray


def compare_candidates(thumbnails, is_small, features=None, *, mirrored=False):
    """Compare each image with those that resemble it most.

    Parameters
    ----------
    thumbnails : ndarray of shape (n, side, side)
    is_small : ndarray of shape (n,), dtype bool
        Whether the images themselves are smaller than their thumbnails.
    features : ndarray of shape (n, n_features), default=None
    mirrored : bool, default=False
        Whether mirrored copies are sought too.

    Returns
    -------
    pairs : Pairs
    scales : ndarray of shape (n,)
        The distance of a typical candidate of each image.
    """
    n_images = len(thumbnails)
    first, second = _find_candidates(thumbnails, features, mirrored)
    if mirrored:  # a row beyond the images is the mirrored image
        thumbnails = np.concatenate([thumbnails, thumbnails[:, :, ::-1]])
        is_small = np.r_[is_small, is_small]
    transforms, distances = align_coarsely(halve(thumbnails), first, second)
    scales = _measure_scales(first % n_images, second, distances, n_images)
    pairs = refine(thumbnails, is_small, first, second, transforms, distances, scales)
    return pairs._replace(first=first % n_images), scales


def refine(thumbnails, is_small, first, second, transforms, distances, scales):
    """Align fine where coarse alignment leaves a pair near; scale the distances.

    Parameters
    ----------
    thumbnails, is_small
        As for `compare_candidates`.
    first, second : ndarray of shape (n_pairs,), dtype int
    transforms, distances
        Those of `align_coarsely`.
    scales : ndarray of shape (n_scales,)
        Repeated for mirrored thumbnails.

    Returns
    -------
    Pairs
    """
    n_images = len(scales)
    scale = np.sqrt(scales[first % n_images] * scales[second % n_images])
    is_near = (distances < MAX_DISTANCE * scale) & ~is_small[first] & ~is_small[second]
    near = np.flatnonzero(is_near)
    initial = transforms[near] * np.array([1, 2, 2], np.float32)  # twice as many pixels
    distances = distances.copy()
    _, distances[near] = align_finely(thumbnails, first[near], second[near], initial)
    return Pairs(first, second, np.maximum(distances, 0) / scale)


def is_too_small(sizes):
    """Whether images are too small for the fine alignment; False where the size is unknown."""
    return np.nan_to_num(sizes.min(1), nan=np.inf) < _MIN_SIDE


def _find_candidates(thumbnails, features, mirrored):
    """List the pairs of nearest images, each once; sorted."""
    n_images = len(thumbnails)
    n_neighbors = min(N_CANDIDATES + 1, n_images)
    pixels = describe_pixels(thumbnails)
    neighbors = [find_neighbors(pixels, n_neighbors)[1]]
    if features is not None:
        neighbors.append(find_neighbors(normalize(features), n_neighbors)[1])
    rows = np.repeat(np.arange(n_images), n_neighbors)
    pairs = np.concatenate([np.stack([rows, found.ravel()], axis=1) for found in neighbors])
    pairs = np.sort(pairs[pairs.min(1) >= 0], axis=1)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    if mirrored:
        flipped = describe_pixels(thumbnails[:, :, ::-1])
        found = find_neighbors(pixels, n_neighbors, flipped)[1]
        others = np.stack([rows, found.ravel()], axis=1)
        others = np.sort(others[(others.min(1) >= 0)], axis=1)
        others = np.concatenate([others[others[:, 0] < others[:, 1]], pairs])
        pairs = np.concatenate([pairs, others + [n_images, 0]])
    return np.unique(pairs, axis=0).reshape(-1, 2).T


def _measure_scales(first, second, distances, n_images):
    """Return the median distance of the candidates of each image, but not too small a one."""
    rows, distances = np.r_[first, second], np.r_[distances, distances]
    order = np.lexsort((distances, rows))
    ends = np.searchsorted(rows[order], np.arange(n_images + 1))
    middle = (ends[:-1] + ends[1:]) // 2
    has_any = ends[1:] > ends[:-1]
    scales = np.ones(n_images)
    scales[has_any] = distances[order][middle[has_any]]
    return np.maximum(scales, _MIN_SCALE * np.median(scales))


def find_exact(digests, is_readable):
    """Pair each image with the first one of the same content.

    Returns
    -------
    first, second : ndarray of shape (n_pairs,), dtype int
    """
    seen: dict = {}
    pairs = [(seen.setdefault(digests[i], i), i) for i in np.flatnonzero(is_readable)]
    pairs = [(i, j) for i, j in pairs if i != j]
    return np.array(pairs, int).reshape(-1, 2).T


def group_copies(first, second, n_images):
    """Number the groups of images that pairs connect, in the order of their first image.

    Returns
    -------
    ndarray of shape (n_images,), dtype int
    """
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(n_images, n_images))
    _, labels = connected_components(graph, directed=False)
    _, first_rows, groups = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first_rows))[groups]
