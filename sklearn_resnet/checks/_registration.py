"""Align pairs of thumbnails that differ by a crop, and measure how much of them remains different.

The transform of a pair has three parameters: the logarithm of the scale, and the shift along both axes, in
pixels of the thumbnails. Gauss-Newton steps on blurred thumbnails find it, for many pairs at once.
"""

import numpy as np
from scipy.ndimage import gaussian_filter
from threadpoolctl import threadpool_limits

from sklearn_resnet._runtime.threads import count_threads, prefetch_map

MAX_LOG_SCALE = 0.2
_MAX_SHIFT = 0.13  # of the side
_STARTS = (-0.08, 0.08)  # logarithms of the scale: the first image is a crop, or the second
_COARSE = (0.7, 10)  # standard deviation of the blur in pixels, number of steps
_FINE = (0.7, 4)
_DAMPING = 1e-3
_BLOCK = 1024  # pairs, so that all arrays of a step fit in the processor's cache


def align_coarsely(thumbnails, first, second):
    """Align pairs from two starts, and keep the better result.

    Parameters
    ----------
    thumbnails : ndarray of shape (n, side, side)
    first, second : ndarray of shape (n_pairs,), dtype int
        The rows of the thumbnails of each pair.

    Returns
    -------
    transforms : ndarray of shape (n_pairs, 3)
    distances : ndarray of shape (n_pairs,)
        1 minus the correlation of the overlapping pixels: 0 for equal images, 1 for unrelated ones.
    """
    transforms = np.zeros((len(first), 3), np.float32)
    distances = np.full(len(first), np.inf, np.float32)
    for start in _STARTS:
        initial = np.zeros_like(transforms)
        initial[:, 0] = start
        found, reached = _align_in_blocks(thumbnails, first, second, initial, _COARSE)
        is_better = reached < distances
        transforms[is_better], distances[is_better] = found[is_better], reached[is_better]
    return transforms, distances


def align_finely(thumbnails, first, second, transforms):
    """Improve transforms, which are in pixels of these thumbnails.

    Parameters
    ----------
    thumbnails, first, second
        As for `align_coarsely`.
    transforms : ndarray of shape (n_pairs, 3)

    Returns
    -------
    transforms, distances
        As for `align_coarsely`.
    """
    return _align_in_blocks(thumbnails, first, second, transforms, _FINE)


def compare_colors(colors, first, second, transforms):
    """Measure how much the colours of aligned pairs differ.

    Parameters
    ----------
    colors : ndarray of shape (n, n_channels, side, side)
    first, second, transforms
        As for `align_finely`.

    Returns
    -------
    ndarray of shape (n_pairs,)
        Half the mean squared difference of the overlapping pixels, in units of 1 plus half the mean
        square, so that a small change of strong colours does not count much.
    """
    differences, squares = np.zeros((2, len(first)), np.float32)
    side = colors.shape[-1]
    x = np.arange(side, dtype=np.float32) - (side - 1) / 2
    for channel in colors.astype(np.float32).swapaxes(0, 1):
        warped, is_inside = _warp(channel, first, transforms, x)
        n_inside, fixed = is_inside.sum((1, 2)), channel[second]
        differences += ((warped - fixed) ** 2 * is_inside).sum((1, 2)) / n_inside
        squares += ((warped**2 + fixed**2) * is_inside).sum((1, 2)) / n_inside
    return differences / (2 + squares)


@threadpool_limits.wrap(limits=1, user_api="blas")  # threads lose time on small matrices
def _align_in_blocks(thumbnails, first, second, transforms, blur_and_steps):
    sigma, n_steps = blur_and_steps
    found, distances = np.array(transforms, np.float32), np.empty(len(first), np.float32)

    def align_block(block):
        rows, places = np.unique(np.r_[first[block], second[block]], return_inverse=True)
        moving, fixed = np.split(places, 2)
        images = np.asarray(thumbnails[rows], np.float32)
        images = gaussian_filter(images, (0, sigma, sigma), mode="nearest")
        return block, *_align(images, moving, fixed, transforms[block], n_steps)

    blocks = [slice(start, start + _BLOCK) for start in range(0, len(first), _BLOCK)]
    n_threads = count_threads()
    for block, *aligned in prefetch_map(align_block, blocks, n_threads, n_threads):
        found[block], distances[block] = aligned
    return found, distances


def _align(images, moving, fixed, transforms, n_steps):
    """Warp `moving` onto `fixed`; the gradient is that of `fixed`, so it is computed once."""
    side = images.shape[1]
    x = np.arange(side, dtype=np.float32) - (side - 1) / 2
    target = images[fixed]
    dy, dx = np.gradient(target, axis=(1, 2))
    gradient = np.stack([dx * x + dy * x[:, None], dx, dy], axis=1).reshape(len(fixed), 3, -1)
    for step in range(n_steps + 1):
        warped, is_inside = _warp(images, moving, transforms, x)
        warped, _ = _standardize(warped, is_inside)
        wanted, scale = _standardize(target, is_inside)
        if step == n_steps:
            break
        jacobian = gradient * (is_inside.reshape(len(fixed), 1, -1) / scale[:, :, 0, None])
        transforms = transforms + _solve(jacobian, (wanted - warped).reshape(len(fixed), -1, 1))
        limits = np.array([MAX_LOG_SCALE, *[_MAX_SHIFT * side] * 2], np.float32)
        transforms = np.clip(transforms, -limits, limits)
    correlations = (warped * wanted).sum((1, 2)) / is_inside.sum((1, 2))
    return transforms, 1 - correlations


def _solve(jacobian, residuals):
    squared = jacobian @ jacobian.transpose(0, 2, 1)
    damping = _DAMPING * np.trace(squared, axis1=1, axis2=2) / 3 + 1e-6
    squared = squared + damping[:, None, None] * np.eye(3, dtype=np.float32)
    return np.linalg.solve(squared, jacobian @ residuals)[:, :, 0]


def _standardize(images, is_inside):
    """Bring the pixels inside to mean 0 and standard deviation 1; those outside to 0."""
    n_inside = is_inside.sum((1, 2), keepdims=True)
    mean = (images * is_inside).sum((1, 2), keepdims=True) / n_inside
    centred = (images - mean) * is_inside
    scale = np.sqrt((centred**2).sum((1, 2), keepdims=True) / n_inside) + np.float32(1e-4)
    return centred / scale, scale


def _warp(images, moving, transforms, x):
    """Sample images at transformed positions, bilinearly."""
    side = len(x)
    scales = np.exp(transforms[:, :1])
    columns, rows = (
        x * scales + transforms[:, axis : axis + 1] + (side - 1) / 2 for axis in (1, 2)
    )
    is_inside = _is_within(rows, side)[:, :, None] & _is_within(columns, side)[:, None, :]
    left, top = (np.clip(p.astype(np.int32), 0, side - 2) for p in (columns, rows))
    right_share, lower_share = (columns - left)[:, None, :], (rows - top)[:, :, None]
    corner = (moving * side**2)[:, None, None] + top[:, :, None] * side + left[:, None, :]
    pixels = images.ravel()
    upper, lower = (
        pixels[at] + right_share * (pixels[at + 1] - pixels[at]) for at in (corner, corner + side)
    )
    return upper + lower_share * (lower - upper), is_inside.astype(np.float32)


def _is_within(positions, side):
    return (positions >= -0.51) & (positions <= side - 0.49)
