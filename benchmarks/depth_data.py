"""Image sets with labels for `depth_without_labels`: real ones, and generated ones with known factors.

Each set is a function of DATA and a random generator that returns up to `N_IMAGES` images as uint8, and
their labels. A set can have several labels (the same images, other questions), and groups, such as the
side of a picture that a patch comes from, which must not be on both sides of a split.
"""

from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter, zoom
from skimage.color import hsv2rgb, rgb2gray
from sklearn.datasets import load_digits

from sklearn_resnet import ImageLoader
from sklearn_resnet.datasets import load_image_folder

N_IMAGES = 600
SIZE = 96  # pixels of a generated image
FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSerif"),
    *("DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerifDisplay", "STIXGeneral"),
    *("STIXGeneralBol", "STIXGeneralItalic", "cmr10", "cmss10", "cmtt10", "cmti10", "cmb10"),
)
GREY_PICTURES = (
    *("brick", "camera", "cell", "clock", "coins", "grass", "gravel", "microaneurysms"),
    *("moon", "page", "text"),
)
COLOUR_PICTURES = (
    *("astronaut", "cat", "coffee", "hubble_deep_field", "immunohistochemistry", "retina"),
    *("rocket", "stereo_motorcycle"),
)


@dataclass
class ImageSet:
    """Images, one or several labels by name, and groups for splits."""

    images: np.ndarray
    labels: dict[str, np.ndarray]
    groups: np.ndarray | None = field(default=None)


def load_mnist(folder, rng):
    """Digits of MNIST's training images that no other benchmark uses."""
    with np.load(folder / "mnist.npz") as file:
        rows = 30_000 + rng.choice(30_000, N_IMAGES, replace=False)
        return ImageSet(file["x_train"][rows], {"digit": file["y_train"][rows]})


def load_noisy_mnist(folder, rng):
    """Other digits of MNIST with noise."""
    found = load_mnist(folder, rng)
    return ImageSet(add_noise(found.images, 0.3, rng), found.labels)


def load_small_digits(folder, rng):
    """Digits of 8 x 8 pixels."""
    X, y = load_digits(return_X_y=True)
    rows = rng.choice(len(y), N_IMAGES, replace=False)
    return ImageSet(np.uint8(X[rows].reshape(-1, 8, 8) * 255 / 16), {"digit": y[rows]})


def load_clothing(folder, rng):
    """Photos of clothing in ten classes."""
    parts = [
        load_image_folder(folder / "clothing" / part, return_X_y=True)
        for part in ("train", "validation")
    ]
    images = ImageLoader(size=SIZE).fit_transform([path for paths, _ in parts for path in paths])
    return ImageSet(images, {"class": np.concatenate([y for _, y in parts])})


def load_faces(folder, rng):
    """Small grey photos of faces and of other things."""
    images = skimage.data.lfw_subset()
    return ImageSet(np.uint8(images * 255), {"face": np.arange(len(images)) < len(images) // 2})


def cut_patches(pictures, size, rng):
    """Cut patches; those of the left and the right half of a picture are different groups."""
    images, labels, groups = [], [], []
    per_half = N_IMAGES // len(pictures) // 2
    for label, picture in enumerate(pictures):
        middle = picture.shape[1] // 2
        for group, half in enumerate((picture[:, :middle], picture[:, middle:])):
            for _ in range(per_half):
                top, left = (rng.integers(side - size + 1) for side in half.shape[:2])
                images.append(half[top : top + size, left : left + size])
            labels += [label] * per_half
            groups += [group] * per_half
    return ImageSet(np.stack(images), {"picture": np.array(labels)}, np.array(groups))


def load_patches(folder, rng):
    """Grey patches: which picture."""
    pictures = [getattr(skimage.data, name)() for name in GREY_PICTURES]
    grey = [np.uint8(rgb2gray(each) * 255) if each.ndim == 3 else each for each in pictures]
    return cut_patches(grey, 40, rng)


def load_colour_patches(folder, rng):
    """Colour patches of other pictures: which picture."""
    pictures = [getattr(skimage.data, name)() for name in COLOUR_PICTURES]
    pictures = [each[0] if isinstance(each, tuple) else each for each in pictures]
    return cut_patches(pictures, 40, rng)


def add_noise(images, sigma, rng):
    """Add Gaussian noise; sigma is a share of the range."""
    return np.uint8(np.clip(images + rng.normal(0, 255 * sigma, images.shape), 0, 255))


def draw_colour(rng, hue=None, saturation=(0.4, 1), value=(0.5, 1)):
    """Draw a colour as RGB from 0 to 1."""
    hue = rng.uniform() if hue is None else hue
    return hsv2rgb(np.array([hue % 1, rng.uniform(*saturation), rng.uniform(*value)]))


def paint(mask, foreground, background):
    """Paint a mask from 0 to 1 with colours or images from 0 to 1."""
    mask = mask[..., None]
    return np.uint8(np.clip(255 * (mask * foreground + (1 - mask) * background), 0, 255))


def rasterize(polygons, size=SIZE):
    """Draw polygons in units of the image, antialiased: a mask from 0 to 1."""
    large = Image.new("L", (3 * size, 3 * size))
    draw = ImageDraw.Draw(large)
    for points, fill in polygons:
        draw.polygon([tuple(point) for point in np.asarray(points) * 3 * size], fill=fill)
    return np.asarray(large.resize((size, size), Image.Resampling.BOX)) / 255


def make_outline(kind, n_points=120):
    """Return the outline of one of eight shapes, of radius 1, as points of a polygon."""
    angle = np.linspace(0, 2 * np.pi, n_points, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    if kind == 0:
        return circle
    if kind == 1:
        return circle * (1, 0.55)
    if kind in (2, 3, 4):
        corners = {2: 3, 3: 4, 4: 6}[kind]
        return circle[:: n_points // corners]
    if kind == 5:
        return circle[::12] * np.where(np.arange(10) % 2, 0.45, 1)[:, None]
    if kind == 6:
        arm = 0.3
        x = np.array([arm, arm, 1, 1, arm, arm, -arm, -arm, -1, -1, -arm, -arm])
        y = np.array([-1, -arm, -arm, arm, arm, 1, 1, arm, arm, -arm, -arm, -1])
        return np.stack([x, y], 1)
    return circle * (0.75 + 0.25 * np.cos(4 * angle))[:, None]


def place(outline, rng, radius=(0.2, 0.4), turn=np.pi):
    """Turn, scale and shift an outline into the image."""
    angle, radius = rng.uniform(-turn, turn), rng.uniform(*radius)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return radius * outline @ rotation + rng.uniform(radius, 1 - radius, 2)


def draw_shape(kind, rng):
    """Draw one shape in a random colour on a random background."""
    mask = rasterize([(place(make_outline(kind), rng), 255)])
    return paint(mask, draw_colour(rng), draw_colour(rng, value=(0, 0.5)))


def make_shapes(folder, rng):
    """Eight shapes: circle, ellipse, polygons, star, cross and flower."""
    labels = rng.integers(8, size=N_IMAGES)
    return ImageSet(np.stack([draw_shape(kind, rng) for kind in labels]), {"shape": labels})


def make_noisy_shapes(folder, rng):
    """Shapes with noise."""
    found = make_shapes(folder, rng)
    return ImageSet(add_noise(found.images, 0.2, rng), found.labels)


def make_grid(angle=0.0):
    """Return coordinates from -0.5 to 0.5, turned by an angle."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    return np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x


def make_texture(kind, rng, angle=None):
    """Draw one of ten textures from 0 to 1."""
    x, y = make_grid(rng.uniform(0, 2 * np.pi) if angle is None else angle)
    frequency, phase = rng.uniform(6, 10), rng.uniform(0, 2 * np.pi, 2)
    wave_x, wave_y = (
        np.sin(2 * np.pi * frequency * z + p) for z, p in zip((x, y), phase, strict=True)
    )
    noise = rng.normal(size=(SIZE, SIZE))
    if kind == 0:
        texture = wave_x  # stripes
    elif kind == 1:
        texture = wave_x * wave_y  # checks
    elif kind == 2:
        texture = np.maximum(wave_x, wave_y)  # lattice
    elif kind == 3:
        texture = (wave_x + wave_y > 0.9).astype(float)  # dots
    elif kind == 4:
        texture = np.sin(2 * np.pi * frequency * (x + 0.03 * np.sin(4 * np.pi * y)) + phase[0])
    elif kind == 5:
        texture = noise  # white noise
    elif kind == 6:
        texture = gaussian_filter(noise, 2.5)  # blobs
    elif kind == 7:
        texture = sum(gaussian_filter(noise, s) * s for s in (1, 2, 4, 8))  # clouds
    elif kind == 8:
        texture = np.abs(gaussian_filter(noise, 3))  # veins
    else:
        texture = gaussian_filter(noise, (0.5, 5))  # fibres
    low, high = np.percentile(texture, (2, 98))
    return np.clip((texture - low) / (high - low + 1e-9), 0, 1)


def make_textures(folder, rng):
    """Ten textures in random colours, with noise."""
    labels = rng.integers(10, size=N_IMAGES)
    images = np.stack([paint(make_texture(kind, rng), *_pair(rng)) for kind in labels])
    return ImageSet(add_noise(images, 0.1, rng), {"texture": labels})


def _pair(rng):
    return draw_colour(rng, value=(0.7, 1)), draw_colour(rng, value=(0, 0.45))


def make_orientations(folder, rng):
    """Stripes of random width and contrast under noise: which of eight orientations."""
    labels = rng.integers(8, size=N_IMAGES)
    images = []
    for label in labels:
        x, _ = make_grid(np.pi / 8 * (label + rng.uniform(-0.25, 0.25)))
        wave = np.sin(2 * np.pi * (rng.uniform(3, 12) * x + rng.uniform()))
        images.append(128 + 127 * rng.uniform(0.2, 0.8) * wave)
    return ImageSet(add_noise(np.stack(images), 0.1, rng), {"orientation": labels})


def make_colours(folder, rng):
    """Several shapes of one hue on grey: which of ten hues."""
    labels = rng.integers(10, size=N_IMAGES)
    images = []
    for label in labels:
        outlines = [make_outline(rng.integers(8)) for _ in range(rng.integers(1, 5))]
        mask = rasterize([(place(outline, rng, (0.08, 0.25)), 255) for outline in outlines])
        hue = (label + rng.uniform(-0.3, 0.3)) / 10
        images.append(paint(mask, draw_colour(rng, hue), np.full(3, rng.uniform(0.1, 0.9))))
    return ImageSet(np.stack(images), {"hue": labels})


def make_factors(folder, rng):
    """One textured shape on another texture: three labels for the same images."""
    shapes, textures, hues = (rng.integers(6, size=N_IMAGES) for _ in range(3))
    images = []
    for shape, texture, hue in zip(shapes, textures, hues, strict=True):
        mask = rasterize([(place(make_outline(shape + 2), rng, (0.3, 0.45)), 255)])
        light = draw_colour(rng, (hue + rng.uniform(-0.25, 0.25)) / 6)
        inside = paint(make_texture(texture, rng), light, 0.4 * light) / 255
        outside = np.full(3, rng.uniform(0, 1)) * make_texture(7, rng)[..., None]
        images.append(paint(mask, inside, outside))
    return ImageSet(np.stack(images), {"shape": shapes, "texture": textures, "hue": hues})


def draw_text(text, font, rng, turn=15):
    """Draw a text in a grey or coloured ink on a plain background."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"
    typeface = ImageFont.truetype(str(path), int(rng.uniform(1.2, 1.9) * SIZE / len(text) ** 0.8))
    large = Image.new("L", (2 * SIZE, 2 * SIZE))
    centre = tuple(SIZE + rng.uniform(-0.15, 0.15, 2) * SIZE)
    ImageDraw.Draw(large).text(centre, text, 255, typeface, anchor="mm")
    large = large.rotate(rng.uniform(-turn, turn), Image.Resampling.BICUBIC)
    mask = np.asarray(large.resize((SIZE, SIZE), Image.Resampling.BOX)) / 255
    inks = _pair(rng)
    return paint(mask, *(inks if rng.uniform() < 0.5 else inks[::-1]))


def make_characters(folder, rng):
    """Letters in 16 fonts: which of 20 letters."""
    labels = rng.integers(20, size=N_IMAGES)
    images = [draw_text("ABDEFGHKMNQRSTabdegr"[label], rng.choice(FONTS), rng) for label in labels]
    return ImageSet(np.stack(images), {"character": labels})


def make_fonts(folder, rng):
    """Three random letters: which of 16 fonts."""
    labels = rng.integers(len(FONTS), size=N_IMAGES)
    letters = list("abcdefghijklmnopqrstuvwxyz")
    images = [draw_text("".join(rng.choice(letters, 3)), FONTS[label], rng) for label in labels]
    return ImageSet(np.stack(images), {"font": labels})


def make_counts(folder, rng):
    """Spots of random sizes and brightness under noise: are there 1, 2, ... or 8."""
    labels = rng.integers(1, 9, size=N_IMAGES)
    images = []
    for label in labels:
        image = np.zeros((SIZE, SIZE))
        for _ in range(label):
            centre, width = rng.uniform(-0.42, 0.42, 2), rng.uniform(0.02, 0.05)
            x, y = make_grid()
            square = (x - centre[0]) ** 2 + (y - centre[1]) ** 2
            image += rng.uniform(0.5, 1) * np.exp(-square / (2 * width**2))
        images.append(255 * image.clip(0, 1))
    return ImageSet(add_noise(np.stack(images), 0.08, rng), {"count": labels})


def draw_cell(kind, rng):
    """Draw the stained cytoplasm and nucleus of a cell, as two channels of fluorescence."""
    elongation = 2.2 if kind == 1 else rng.uniform(1, 1.3)
    x, y = make_grid(rng.uniform(0, 2 * np.pi))
    scale = rng.uniform(0.24, 0.32)
    x, y = x - rng.uniform(-0.06, 0.06), y - rng.uniform(-0.06, 0.06)
    rough = zoom(rng.normal(size=(6, 6)), SIZE / 6, order=3) * 0.08
    radius = np.hypot(x / scale / np.sqrt(elongation), y / scale * np.sqrt(elongation)) + rough
    body = 1 / (1 + np.exp(25 * (radius - 1)))
    nucleus = 1 / (1 + np.exp(40 * (radius - 0.45)))
    grain = gaussian_filter(rng.normal(size=(SIZE, SIZE)), 1.5 if kind == 2 else 4)
    grain /= grain.std()
    if kind == 2:  # granules
        body = body * (0.3 + 1.2 * (grain > 1.2))
    elif kind == 3:  # membrane
        body = 1.2 * np.exp(-((radius - 0.9) ** 2) / 0.012)
    elif kind == 4:  # dividing: two nuclei
        shifted = np.hypot(np.abs(x) - 0.11, y) / 0.09 + rough
        nucleus = 1 / (1 + np.exp(15 * (shifted - 1)))
    elif kind == 5:  # in the nucleus
        body = 0.2 * body + nucleus
    elif kind == 6:  # fragmented nucleus
        nucleus = body * (gaussian_filter(rng.normal(size=(SIZE, SIZE)), 3) > 0.12)
    elif kind == 7:  # fibres
        fibre = gaussian_filter(rng.normal(size=(SIZE, SIZE)), (0.8, 7))
        body = body * np.clip(fibre / fibre.std() + 0.5, 0, 2)
    return body * (1 + 0.15 * grain), nucleus


def make_cells(folder, rng):
    """Fluorescent cells of eight phenotypes, with noise."""
    labels = rng.integers(8, size=N_IMAGES)
    images = np.zeros((N_IMAGES, SIZE, SIZE, 3))
    for image, label in zip(images, labels, strict=True):
        body, nucleus = draw_cell(label, rng)
        image[..., 1] = 255 * rng.uniform(0.3, 0.8) * body
        image[..., 2] = 255 * rng.uniform(0.4, 0.9) * nucleus
    return ImageSet(add_noise(images, 0.06, rng), {"phenotype": labels})


def make_leaves(folder, rng):
    """Leaves of twelve made species: proportion, lobes, teeth and veins differ."""
    species = np.random.default_rng(12)
    lobes, teeth = species.integers(1, 6, 12), species.integers(6, 30, 12)
    depth, bite = species.uniform(0, 0.35, 12), species.uniform(0, 0.1, 12)
    narrow, veins = species.uniform(0.35, 0.9, 12), species.integers(4, 14, 12)
    labels = rng.integers(12, size=N_IMAGES)
    angle = np.linspace(0, 2 * np.pi, 720)
    images = []
    for k in labels:
        jitter = rng.normal(1, 0.1, 3)
        radius = 1 + depth[k] * jitter[0] * np.cos(lobes[k] * angle)
        radius += bite[k] * jitter[1] * np.abs(np.sin(teeth[k] * angle / 2))
        outline = np.stack([np.cos(angle), narrow[k] * jitter[2] * np.sin(angle)], 1)
        outline = place(outline * radius[:, None] / 1.4, rng, (0.36, 0.46))
        mask = rasterize([(outline, 255)])
        stripes = make_texture(0, rng) if veins[k] > 9 else make_texture(7, rng)
        green = draw_colour(rng, rng.normal(0.29, 0.04), value=(0.4, 0.9))
        images.append(
            paint(mask, green * (0.8 + 0.2 * stripes[..., None]), draw_colour(rng, value=(0.6, 1)))
        )
    return ImageSet(np.stack(images), {"species": labels})


def make_spectrograms(folder, rng):
    """Spectrograms of ten kinds of calls: sweeps, harmonics, trills, clicks and noise."""
    labels = rng.integers(10, size=N_IMAGES)
    time = np.linspace(0, 1, SIZE)
    pitch = np.linspace(0, 1, SIZE)[:, None]
    images = []
    for k in labels:
        start, length, base = rng.uniform(0, 0.4), rng.uniform(0.4, 0.6), rng.uniform(0.15, 0.35)
        t = (time - start) / length
        on = ((t > 0) & (t < 1)).astype(float)
        curves = {
            0: base + 0.4 * t,
            1: base + 0.4 * (1 - t),
            2: base + 0.4 * np.sin(np.pi * t),
            3: base + 0.4 * (1 - np.sin(np.pi * t)),
            4: base + 0.08 * np.sin(2 * np.pi * 6 * t),
        }
        curve = curves.get(k, base + 0.1 * t)
        multiples = (1, 2, 3, 4) if k == 5 else (1,)
        call = sum(np.exp(-((pitch - m * curve) ** 2) / 0.0006) / m for m in multiples) * on
        if k == 6:
            call = call * (np.sin(2 * np.pi * 7 * t) > 0)
        elif k == 7:
            call = (np.sin(2 * np.pi * rng.uniform(5, 7) * t) > 0.9) * on * np.ones((SIZE, 1)) * 0.7
        elif k == 8:
            call = (
                np.exp(-((pitch - base - 0.2) ** 2) / 0.03) * on * rng.uniform(0.3, 1, (SIZE, SIZE))
            )
        elif k == 9:
            call = call + np.exp(-((pitch - base - 0.45 + 0.2 * t) ** 2) / 0.0006) * on
        noise = gaussian_filter(rng.exponential(0.25, (SIZE, SIZE)), 0.6)
        images.append(255 * np.clip(rng.uniform(0.4, 0.9) * call + noise, 0, 1)[::-1])
    return ImageSet(np.uint8(np.stack(images)), {"call": labels})


# Sets that share images or a generator are one family, and never in different halves.
CHOOSING = {
    "digits": load_small_digits,
    "faces": load_faces,
    "patches": load_patches,
    "shapes": make_shapes,
    "shapes_noisy": make_noisy_shapes,
    "orientations": make_orientations,
    "cells": make_cells,
    "spectrograms": make_spectrograms,
    "factors": make_factors,
}
REPORTING = {
    "mnist": load_mnist,
    "mnist_noisy": load_noisy_mnist,
    "clothing": load_clothing,
    "colour_patches": load_colour_patches,
    "textures": make_textures,
    "colours": make_colours,
    "characters": make_characters,
    "fonts": make_fonts,
    "counts": make_counts,
    "leaves": make_leaves,
}
FAMILIES = {"shapes_noisy": "shapes", "mnist_noisy": "mnist", "fonts": "characters"}


def load_set(name, folder):
    """Return a set by its name; the same images each time, in random order."""
    rng = np.random.default_rng(list(name.encode()))
    found = (CHOOSING | REPORTING)[name](folder, rng)
    rows = rng.permutation(len(found.images))
    groups = None if found.groups is None else found.groups[rows]
    return ImageSet(
        found.images[rows], {key: np.asarray(y)[rows] for key, y in found.labels.items()}, groups
    )
