"""Pairs of near copies, and groups of all copies.

The nearest images by features and by pixels are the candidates. Each pair of candidates is aligned, as
one may be cropped, and compared by its grey pixels and its colours. The distance is relative to that of other
candidates of both images, because simple images resemble each other more than others do.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sklearn_resnet._features.neighbors import find_neighbors
from sklearn_resnet.checks._pixels import describe_pixels
from sklearn_resnet.checks._registration import align_coarsely, align_finely, compare_colors
from sklearn_resnet.checks._thumbnails import halve

N_CANDIDATES = 5  # by features, and as many by pixels
_MAX_COARSE = 0.3  # distance; pairs that the coarse alignment leaves farther apart are not refined
_MIN_SIDE = 24  # pixels; smaller images are too coarse for the fine alignment
_MIN_SCALE = 0.3  # of the median, so that an image with many copies still has strangers to compare


class Pairs(NamedTuple):
    """Pairs of images.

    Attributes
    ----------
    first, second : ndarray of shape (n_pairs,), dtype int
    distances : ndarray of shape (n_pairs,)
        Relative ones are near 0 for copies, and near 1 for strangers.
    """

    first: np.ndarray
    second: np.ndarray
    distances: np.ndarray

    def divide_by(self, scales, sizes):
        """Return the pairs with relative distances, for the scale and the size of each image.

        Reduced images resemble each other more, so the scale of an image that was reduced for a pair
        does not count.
        """
        first = np.where(_is_reduced(sizes, self.first, self.second), self.second, self.first)
        second = np.where(_is_reduced(sizes, self.second, self.first), self.first, self.second)
        return self._replace(distances=self.distances / np.sqrt(scales[first] * scales[second]))


def compare_candidates(thumbnails, sizes, colors, features=None, *, mirrored=False):
    """Compare each image with those that resemble it most.

    Parameters
    ----------
    thumbnails : ndarray of shape (n, side, side)
    sizes : ndarray of shape (n, 2)
        Height and width of the images; NaN if unknown.
    colors : ndarray of shape (n, n_channels, n_rows, n_columns)
        As `describe_colors` returns them.
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
        sizes, colors = np.tile(sizes, (2, 1)), np.concatenate([colors, colors[..., ::-1]])
    pairs = compare_pairs(thumbnails, sizes, colors, first, second)
    pairs = pairs._replace(first=first % n_images)
    scales = _measure_scales(pairs, n_images)
    return pairs.divide_by(scales, sizes[:n_images]), scales


def compare_pairs(thumbnails, sizes, colors, first, second):
    """Align pairs and measure their distances; a pair that remains far apart is not refined.

    Parameters
    ----------
    thumbnails, sizes, colors
        As for `compare_candidates`.
    first, second : ndarray of shape (n_pairs,), dtype int

    Returns
    -------
    Pairs
    """
    sides = np.nan_to_num(sizes.min(1), nan=np.inf)
    is_fine = np.minimum(sides[first], sides[second]) >= _MIN_SIDE
    images, moving, fixed = match_resolutions(thumbnails, sizes, first, second)
    transforms, distances = align_coarsely(halve(images), moving, fixed)
    transforms *= np.array([1, 2, 2], np.float32)  # twice as many pixels
    near = np.flatnonzero(is_fine & (distances < _MAX_COARSE))
    transforms[near], distances[near] = align_finely(
        images, moving[near], fixed[near], transforms[near]
    )
    shrinkage = colors.shape[-1] / images.shape[-1]
    transforms *= np.array([1, shrinkage, shrinkage], np.float32)
    near = np.flatnonzero(distances < _MAX_COARSE)
    distances[near] += compare_colors(colors, first[near], second[near], transforms[near])
    return Pairs(first, second, np.maximum(distances, 0))


def match_resolutions(thumbnails, sizes, first, second):
    """Reduce the larger image of a pair to the pixels of the other, if those are few.

    Parameters
    ----------
    thumbnails, sizes
        As for `compare_candidates`.
    first, second : ndarray of shape (n_pairs,), dtype int

    Returns
    -------
    thumbnails : ndarray of shape (n + n_reduced, side, side)
    first, second : ndarray of shape (n_pairs,), dtype int
    """
    moving, fixed, reduced = first.copy(), second.copy(), []
    for changed, larger, smaller in ((moving, first, second), (fixed, second, first)):
        chosen = np.flatnonzero(_is_reduced(sizes, larger, smaller))
        keys = np.column_stack([larger[chosen], sizes[smaller[chosen]].astype(int)])
        unique, places = np.unique(keys, axis=0, return_inverse=True)
        changed[chosen] = len(thumbnails) + len(reduced) + places.ravel()
        reduced += [_reduce(thumbnails[i], height, width) for i, height, width in unique]
    return np.concatenate([thumbnails, reduced]) if reduced else thumbnails, moving, fixed


def _is_reduced(sizes, rows, others):
    """Whether each image has more pixels than the other of its pair, and that has few."""
    sides = np.nan_to_num(sizes.min(1), nan=np.inf)
    return (sides[others] < _MIN_SIDE) & (sides[rows] > 1.2 * sides[others])


def _reduce(thumbnail, height, width):
    """Make the thumbnail that an image reduced to a few pixels has."""
    rows, columns = (_reduction(len(thumbnail), n_pixels) for n_pixels in (height, width))
    return (rows @ thumbnail.astype(np.float32) @ columns.T).astype(thumbnail.dtype)


@lru_cache(maxsize=256)
def _reduction(side, n_pixels):
    """Make the matrix that reduces `side` pixels to fewer and enlarges them again."""
    image = Image.fromarray(np.eye(side, dtype=np.float32))
    image = image.resize((side, n_pixels), Image.Resampling.BICUBIC)
    enlarged = image.resize((side, 4 * side), Image.Resampling.BILINEAR)
    return np.asarray(enlarged).reshape(side, 4, side).mean(1)


def _find_candidates(thumbnails, features, mirrored):
    """List the pairs of nearest images, each once; sorted."""
    from sklearn.preprocessing import normalize  # slow to import

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
        others = np.sort(others[others.min(1) >= 0], axis=1)
        others = np.concatenate([others[others[:, 0] < others[:, 1]], pairs])
        pairs = np.concatenate([pairs, others + np.array([n_images, 0])])
    return np.unique(pairs, axis=0).reshape(-1, 2).T


def _measure_scales(pairs, n_images):
    """Return the median distance of the candidates of each image, but not too small a one."""
    rows = np.r_[pairs.first, pairs.second]
    distances = np.r_[pairs.distances, pairs.distances]
    order = np.lexsort((distances, rows))
    ends = np.searchsorted(rows[order], np.arange(n_images + 1))
    has_any = ends[1:] > ends[:-1]
    middle = (ends[:-1] + ends[1:])[has_any] // 2
    scales = np.ones(n_images)
    scales[has_any] = distances[order][middle]
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


def find_nearest(pairs, n_images):
    """Return the distance of each image to its nearest copy; NaN without a copy."""
    nearest = np.full(n_images, np.nan)
    for ends in (pairs.first, pairs.second):
        np.fmin.at(nearest, ends, pairs.distances)
    return nearest


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
