"""Synthetic cells in five channels, of which only the fourth tells the class."""

import numpy as np
from scipy.ndimage import gaussian_filter

CHANNELS = ("DAPI", "actin", "tubulin", "mitochondria", "golgi")
CLASSES = ("spots", "network", "ring", "even")
WHITE = 4095  # of 12 bits


def make_cells(n_images, side=64, random_state=0):
    """Draw a cell in each image, with mitochondria of one of four kinds.

    Parameters
    ----------
    n_images : int
    side : int, default=64
    random_state : int, default=0

    Returns
    -------
    images : ndarray of shape (n_images, side, side, 5), dtype uint16
        Of 12 bits, with a background of about 200 and noise.
    y : ndarray of shape (n_images,)
        The kind of the mitochondria. All kinds are equally bright.
    """
    rng = np.random.default_rng(random_state)
    y = rng.permutation(np.arange(n_images) % len(CLASSES))
    images = np.stack([_draw_cell(rng, side, CLASSES[kind]) for kind in y])
    return images, np.array(CLASSES)[y]


def _draw_cell(rng, side, kind):
    rows, columns = np.indices((side, side)) / side - 0.5
    angle, tilt = rng.uniform(0, 2 * np.pi, 2)
    center = rng.uniform(-0.06, 0.06, 2)
    dy, dx = rows - center[0], columns - center[1]
    long, wide = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    lobes = 1 + 0.12 * np.sin(3 * np.arctan2(wide, long) + tilt)
    from_center = np.hypot(long / 0.40, wide / rng.uniform(0.28, 0.36)) / lobes
    from_nucleus = np.hypot(long / 0.15, wide / rng.uniform(0.10, 0.14))
    cell, nucleus = from_center < 1, from_nucleus < 1
    plasm = cell & ~nucleus
    channels = (
        nucleus * (0.7 + 0.5 * _smooth(rng, side, 0.03)),
        np.exp(-(((from_center - 0.95) / 0.06) ** 2)) + 0.15 * cell,
        plasm * np.clip(1.5 * np.sin(9 * np.arctan2(dy, dx) + 6 * _smooth(rng, side, 0.1)), 0.1, 1),
        _draw_mitochondria(rng, side, kind, plasm, from_nucleus),
        np.exp(-(((long - 0.2) / 0.06) ** 2 + (wide / 0.05) ** 2)) * plasm,
    )
    image = np.stack([_expose(rng, channel, side) for channel in channels], axis=-1)
    return rng.poisson(image.clip(0, WHITE)).clip(0, WHITE).astype(np.uint16)


def _draw_mitochondria(rng, side, kind, plasm, from_nucleus):
    if kind == "even":
        return plasm * 1.0
    if kind == "ring":
        return plasm * np.exp(-(((from_nucleus - 1.2) / 0.25) ** 2))
    texture = _smooth(rng, side, 0.022)
    return plasm * (np.abs(texture) < 0.25 if kind == "network" else texture > 1.3)


def _smooth(rng, side, scale):
    """Noise of variance 1 that varies over a distance of `scale` sides."""
    noise = gaussian_filter(rng.standard_normal((side, side)), scale * side, mode="wrap")
    return noise / noise.std()


def _expose(rng, channel, side):
    """Blur a channel, and give it a brightness that does not depend on what it shows."""
    channel = gaussian_filter(channel.astype(float), side / 100)
    return (
        200 + rng.uniform(0.04, 0.07) * side**2 * rng.uniform(1200, 1500) * channel / channel.sum()
    )
