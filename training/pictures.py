"""Procedural images: glyphs, doodles, fractals, textures and dead leaves.

No image is a photo or was drawn by a person; the fonts are those bundled with matplotlib. The raw
material is of two kinds. *Maps* hold for each pixel its distance from a stroke, so that strokes of
any width can be drawn after any warp, or the density of a fractal. *Pictures* are in colour and
fill the frame.
"""

import colorsys
import os
from functools import cache, partial
from itertools import islice
from pathlib import Path

import matplotlib
import numpy as np
from joblib import Parallel, delayed
from land import make_land
from matplotlib.ft2font import FT2Font
from numpy.lib.format import open_memmap
from PIL import Image, ImageDraw, ImageFont
from programs import PICTURE_SIZE, Draws, make_fabric, make_shader
from scipy.ndimage import distance_transform_edt, gaussian_filter
from shapes import SHAPE_SIZE, make_silhouette, make_solid, make_wireframe
from skimage.morphology import skeletonize

MAP_SIZE = 64  # height and width in pixels
_UNIT = PICTURE_SIZE / 96  # sizes in textures and dead leaves are in 96ths of the frame
DISTANCE_SCALE = 8  # levels per pixel of distance
DISTANCE_ZERO = 64  # level at distance zero
SKELETON, OUTLINE, DENSITY = range(3)  # kinds of maps

# Latin letters, digits and signs; Greek, Cyrillic, Armenian, Georgian; arrows, operators, shapes
_CODES = [
    *range(0x21, 0x7F),
    *range(0xA1, 0x100),
    *range(0x391, 0x3CA),
    *range(0x410, 0x450),
    *range(0x531, 0x557),
    *range(0x561, 0x587),
    *range(0x10D0, 0x10F1),
    *range(0x2190, 0x21A0),
    *range(0x2200, 0x2230),
    *range(0x25A0, 0x25D0),
]
_TEXT_FONTS = ("DejaVuSans", "DejaVuSerif", "STIXGeneral")
# their codes beyond ASCII are other characters
_LATIN_FONTS = ("cmb10", "cmr10", "cmss10", "cmti10", "cmtt10")


# number of classes
COUNTS = {
    "glyph": None,
    "doodle": 1500,
    "fractal": 600,
    "texture": 300,
    "leaves": 300,
    "shader": 3000,
    "fabric": 800,
    "land": 400,
    "silhouette": 2400,
    "wireframe": 300,
    "solid": 1200,
}
# number of images of a class; a glyph has as many as there are fonts with it
INSTANCES = {
    "doodle": 10,
    "fractal": 6,
    "texture": 8,
    "leaves": 8,
    "shader": 6,
    "fabric": 6,
    "land": 6,
    "silhouette": 6,
    "wireframe": 6,
    "solid": 6,
}
BANKS = {
    "maps": ("glyph", "doodle", "fractal"),
    "shapes": ("silhouette", "wireframe"),
    "solids": ("solid",),
    "pictures": ("texture", "leaves", "shader", "fabric", "land"),
}
_SHAPES = {
    "maps": (MAP_SIZE, MAP_SIZE),
    "shapes": (2, SHAPE_SIZE, SHAPE_SIZE),
    "solids": (4, SHAPE_SIZE, SHAPE_SIZE),
    "pictures": (PICTURE_SIZE, PICTURE_SIZE, 3),
}


def make_material(folder, seed, counts=COUNTS, n_jobs=-1):
    """Make all raw material.

    The folder gets the banks, all uint8: ``maps`` (n, 64, 64), ``shapes`` (n, 2, 128, 128),
    ``solids`` (n, 4, 128, 128) and ``pictures`` (n, 224, 224, 3). Each has ``<bank>_labels`` and
    ``<bank>_held`` (whether the image is held out from training). ``maps_kinds`` holds the kind of
    each map, ``class_kinds`` the kind of each label.

    Parameters
    ----------
    folder : Path
    seed : int
    counts : dict of str to int
        Number of classes of each kind. None, for glyphs, takes all characters that the fonts
        distinguish.
    n_jobs : int, default=-1
        Number of processes. They write to the files of the banks themselves.
    """
    folder.mkdir(parents=True, exist_ok=True)
    codes = list(islice(_distinct_codes(), counts["glyph"]))
    kinds = ["glyph"] * len(codes) + [k for k in INSTANCES for _ in range(counts[k])]
    items = codes + [INSTANCES[kind] for kind in kinds[len(codes) :]]
    sizes = np.array([2 * len(_fonts_of(code)) for code in codes] + items[len(codes) :])
    np.save(folder / "class_kinds.npy", np.array(kinds))
    jobs = []
    for bank, its_kinds in BANKS.items():
        labels = [label for label, kind in enumerate(kinds) if kind in its_kinds]
        ends = sizes[labels].cumsum()
        shape = (int(ends[-1]), *_SHAPES[bank])
        open_memmap(folder / f"{bank}.npy", "w+", np.uint8, shape).flush()
        np.save(folder / f"{bank}_labels.npy", np.repeat(labels, sizes[labels]))
        held = [_is_held(label, sizes[label]) for label in labels]
        np.save(folder / f"{bank}_held.npy", np.concatenate(held))
        starts = ends - sizes[labels]
        jobs += [
            (kinds[label], items[label], [seed, label], folder / f"{bank}.npy", start)
            for label, start in zip(labels, starts.tolist(), strict=True)
        ]
    with Parallel(n_jobs, batch_size=8) as parallel:
        made = parallel(delayed(_write_class)(*job) for job in jobs)
    map_kinds = [kind for kind, job in zip(made, jobs, strict=True) if job[0] in BANKS["maps"]]
    np.save(folder / "maps_kinds.npy", np.concatenate(map_kinds))


def _write_class(kind, item, seed, path, start):
    """Make the images of a class, and write them to a bank; return what kinds of maps they are."""
    make = {
        "glyph": _glyph_class,
        "doodle": _doodle_class,
        "fractal": _fractal_class,
        "texture": _texture_class,
        "leaves": _leaves_class,
        "shader": partial(_drawn_class, make_shader),
        "fabric": partial(_drawn_class, make_fabric),
        "land": partial(_drawn_class, make_land),
        "silhouette": partial(_drawn_class, make_silhouette),
        "wireframe": partial(_drawn_class, make_wireframe),
        "solid": partial(_drawn_class, make_solid),
    }[kind]
    kinds, images = make(item, np.random.default_rng(seed))
    np.load(path, mmap_mode="r+")[start : start + len(images)] = images
    return kinds.astype(np.uint8)


def _is_held(label, n):
    """Hold out the last image of some classes, for the probe."""
    return (np.arange(n) == n - 1) & (n >= 6) & (label % 8 == 0)


def _drawn_class(make, n_instances, rng):
    """Make the instances of a class of `programs` or `shapes`."""
    seed = rng.integers(2**32, size=4)
    images = [make(Draws(seed, child)) for child in rng.spawn(n_instances)]
    return np.zeros(n_instances), np.array(images)


def _distance_level(distance):
    level = np.round(DISTANCE_ZERO + DISTANCE_SCALE * distance)
    return np.clip(level, 0, 255).astype(np.uint8)


def _font_paths():
    folder = Path(matplotlib.get_data_path()) / "fonts/ttf"
    return [
        str(path)
        for path in sorted(folder.glob("*.ttf"))
        if path.stem.startswith((*_TEXT_FONTS, *_LATIN_FONTS)) and "Display" not in path.stem
    ]


@cache
def _codes_of(path):
    """Return the codes of the characters that a font has."""
    codes = FT2Font(path).get_charmap()
    is_latin_only = os.path.basename(path).startswith(_LATIN_FONTS)
    return {code for code in codes if code < 128 or not is_latin_only}


def _fonts_of(code):
    return [path for path in _font_paths() if code in _codes_of(path)]


def _draw_glyph(code, path):
    """Draw a character as large as fits with a margin; None if it is blank."""
    left, top, right, bottom = ImageFont.truetype(path, 100).getbbox(chr(code))
    longest = max(right - left, bottom - top)
    if longest <= 0:
        return None
    font = ImageFont.truetype(path, 100 * 44 / longest)
    image = Image.new("L", (MAP_SIZE, MAP_SIZE))
    middle = MAP_SIZE / 2
    left, top, right, bottom = font.getbbox(chr(code))
    at = (middle - (left + right) / 2, middle - (top + bottom) / 2)
    ImageDraw.Draw(image).text(at, chr(code), fill=255, font=font)
    return np.asarray(image) / 255


def _distinct_codes():
    """Yield the codes of characters that look different from all earlier ones."""
    path = next(p for p in _font_paths() if p.endswith("DejaVuSans.ttf"))
    seen = []
    for code in _CODES:
        glyph = _draw_glyph(code, path) if code in _codes_of(path) else None
        if glyph is None:
            continue
        glyph = gaussian_filter(glyph, 1.5).ravel()
        glyph /= np.linalg.norm(glyph)
        if not seen or max(np.dot(seen, glyph)) < 0.96:
            seen.append(glyph)
            yield code


def _glyph_class(code, rng):
    """Make a character in all fonts, once as its outline and once as its skeleton."""
    maps, kinds = [], []
    for path in rng.permutation(_fonts_of(code)):
        inside = _draw_glyph(code, path) > 0.5
        signed = distance_transform_edt(~inside) - distance_transform_edt(inside)
        maps += [
            _distance_level(distance_transform_edt(~skeletonize(inside))),
            _distance_level(signed),
        ]
        kinds += [SKELETON, OUTLINE]
    return np.array(kinds), np.array(maps)


def _spline(points, n=40):
    """Compute a smooth curve along control points, a cubic B-spline."""
    points = np.concatenate([points[:1], points[:1], points, points[-1:], points[-1:]])
    t = np.linspace(0, len(points) - 3 - 1e-6, n)
    i, u = t.astype(int), (t % 1)[:, None]
    weights = [(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3]
    return sum(w * points[i + k] for k, w in enumerate(weights)) / 6


def _doodle_class(n_instances, rng):
    """Make strokes varied like those of handwriting; every eighth class is a filled shape."""
    is_filled = rng.random() < 0.125
    n_strokes = 1 if is_filled else rng.choice([1, 2, 3, 4], p=[0.35, 0.35, 0.2, 0.1])
    strokes = []
    for _ in range(n_strokes):
        n_points = rng.integers(3, 8) if is_filled else rng.integers(2, 7)
        is_smooth = rng.random() < 0.65
        if is_filled or rng.random() < 0.2:  # closed, around a centre
            angles = np.sort(rng.uniform(0, 2 * np.pi, n_points + 1))
            radii = rng.uniform(0.3, 1, n_points + 1)
            points = np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None]
            points = np.concatenate([points, points[:1]])
        else:  # a random walk that mostly keeps turning the same way
            turns = rng.normal(rng.normal(0, 1), 0.8, n_points).cumsum() + rng.uniform(0, 2 * np.pi)
            steps = np.stack([np.cos(turns), np.sin(turns)], 1) * rng.uniform(0.3, 1, (n_points, 1))
            points = np.concatenate([np.zeros((1, 2)), steps.cumsum(0)])
        points = points - points.mean(0)
        strokes.append((points * rng.uniform(0.4, 1) + rng.normal(0, 0.4, 2), is_smooth))
    maps = []
    for _ in range(n_instances):
        curves = []
        for points, is_smooth in strokes:
            moved = points + rng.normal(0, 0.06, points.shape) + rng.normal(0, 0.06, 2)
            curves.append(_spline(moved) if is_smooth and len(moved) > 2 else moved)
        flat = np.concatenate(curves)
        low, high = flat.min(0), flat.max(0)
        scale = 4 * 44 / max(high - low)
        image = Image.new("L", (4 * MAP_SIZE, 4 * MAP_SIZE))
        draw = ImageDraw.Draw(image)
        for curve in curves:
            points = [tuple(p) for p in (curve - (low + high) / 2) * scale + 2 * MAP_SIZE]
            draw.polygon(points, fill=255) if is_filled else draw.line(points, fill=255, width=1)
        ink = np.asarray(image) > 0
        distance = distance_transform_edt(~ink)
        if is_filled:
            distance = distance - distance_transform_edt(ink)
        maps.append(_distance_level(distance[2::4, 2::4] / 4))
    return np.full(len(maps), OUTLINE if is_filled else SKELETON), np.array(maps)


def _fractal_class(n_instances, rng, n_chains=1500, n_steps=60):
    """Make an iterated function system (FractalDB: Kataoka et al. 2020) with varied parameters."""
    while True:
        n = rng.integers(2, 6)
        turns = rng.uniform(0, 2 * np.pi, (2, n))
        stretch = rng.uniform(0.15, 0.9, (n, 2)) * rng.choice([-1, 1], (n, 2))
        shifts = rng.uniform(-1, 1, (n, 2))

        def rotation(angles):
            cos, sin = np.cos(angles), np.sin(angles)
            return np.moveaxis(np.array([[cos, -sin], [sin, cos]]), -1, 0)

        maps = rotation(turns[0]) * stretch[:, None] @ rotation(turns[1])
        first = _draw_fractal(maps, shifts, rng, n_chains, n_steps)
        if first is not None and (first > 40).mean() > 0.12:
            break
    images = [first]
    while len(images) < n_instances:
        varied = maps * rng.normal(1, 0.06, maps.shape)
        image = _draw_fractal(
            varied, shifts * rng.normal(1, 0.06, shifts.shape), rng, n_chains, n_steps
        )
        if image is not None:
            images.append(image)
    return np.full(n_instances, DENSITY), np.array(images)


def _draw_fractal(maps, shifts, rng, n_chains, n_steps):
    chances = np.abs(np.linalg.det(maps)) + 0.02
    points, kept = np.zeros((n_chains, 2)), []
    for step in range(n_steps):
        k = rng.choice(len(maps), n_chains, p=chances / chances.sum())
        points = np.einsum("nij,nj->ni", maps[k], points) + shifts[k]
        if step >= 10:
            kept.append(points)
    points = np.concatenate(kept)
    low, high = np.percentile(points, [0.5, 99.5], axis=0)
    if not max(high - low) > 1e-3:
        return None
    scale = 56 / max(high - low)
    pixels = ((points - (low + high) / 2) * scale + MAP_SIZE / 2).T
    bins = [np.arange(MAP_SIZE + 1)] * 2
    density = np.log1p(np.histogram2d(*pixels, bins)[0])
    return np.round(255 * np.minimum(density / np.percentile(density[density > 0], 95), 1)).astype(
        np.uint8
    )


def _palette(rng, n):
    """Draw n colours, (n, 3) from 0 to 1, of similar or of any hues."""
    hue, spread = rng.random(), rng.choice([0.05, 0.15, 1])
    values = [
        colorsys.hsv_to_rgb(
            (hue + spread * rng.uniform(-0.5, 0.5)) % 1, rng.random() ** 0.7, rng.uniform(0.05, 1)
        )
        for _ in range(n)
    ]
    return np.array(values)


def _texture_class(n_instances, rng):
    """Make noise of one spectrum (Baradad et al. 2021), oriented or not, with distorted values."""
    y, x = np.meshgrid(*[np.fft.fftfreq(PICTURE_SIZE)] * 2, indexing="ij")
    radius, angle = _UNIT * np.hypot(x, y), np.arctan2(y, x)
    spectrum = np.zeros_like(radius)
    for _ in range(rng.integers(1, 4)):
        if rng.random() < 0.5:
            part = 1 / np.maximum(radius, 1 / 96) ** rng.uniform(0.5, 2.2)
        else:
            centre, width = np.exp(rng.uniform(np.log(0.02), np.log(0.3))), rng.uniform(0.1, 0.5)
            part = np.exp(-(np.log(np.maximum(radius, 1e-3) / centre) ** 2) / (2 * width**2))
        if rng.random() < 0.6:
            part = part * np.exp(
                rng.uniform(1, 12) * (np.cos(2 * (angle - rng.uniform(0, np.pi))) - 1)
            )
        part[0, 0] = 0
        spectrum += part / np.sqrt((part**2).sum()) * rng.uniform(0.3, 1)
    bend = rng.integers(4)
    mixing = rng.normal(0, 1, (3, 3)) * rng.choice([0.1, 0.5, 1]) + rng.normal(0, 1, 3)[:, None]
    mixing[:, 1:] *= rng.choice([0, 0.3, 1])
    base, contrast = rng.uniform(0.2, 0.8, 3), rng.uniform(0.08, 0.3)
    images = []
    for _ in range(n_instances):
        noise = np.fft.fft2(rng.normal(size=(3, PICTURE_SIZE, PICTURE_SIZE))) * spectrum
        noise = np.fft.ifft2(noise).real
        noise /= noise.std((1, 2), keepdims=True)
        noise = [noise, np.tanh(4 * noise), 2 - 3 * np.abs(noise), np.sin(4 * noise)][bend]
        image = base + contrast * np.einsum("cd,dhw->hwc", mixing, noise)
        images.append(np.round(255 * np.clip(image, 0, 1)).astype(np.uint8))
    return np.zeros(n_instances), np.array(images)


def _leaves_class(n_instances, rng):
    """Make dead leaves (Lee, Mumford and Huang 2001): overlapping shapes of many sizes."""
    corners = rng.choice([2, 3, 4, 5, 6, 24])
    is_star, has_edge = rng.random() < 0.25, rng.random() < 0.3
    aspect, jitter = rng.uniform(0.15, 1), rng.choice([0, 0.3])
    angle, freedom = rng.uniform(0, np.pi), rng.choice([0.05, np.pi])
    smallest = np.exp(rng.uniform(np.log(2), np.log(12)))
    largest = smallest * rng.uniform(1.5, 8)
    palette = _palette(rng, rng.integers(2, 8))
    images = []
    for _ in range(n_instances):
        ground = tuple(int(255 * v) for v in rng.choice(palette))
        image = Image.new("RGB", (PICTURE_SIZE, PICTURE_SIZE), ground)
        draw = ImageDraw.Draw(image)
        mean_area = smallest * largest * max(aspect, 0.3)
        for _ in range(int(np.clip(2.5 * 96**2 / mean_area, 20, 500))):
            # radii with the density r^-3, as in natural scenes
            low, high = smallest**-2, largest**-2
            radius = _UNIT * (low + rng.random() * (high - low)) ** -0.5
            turn = angle + freedom * rng.uniform(-0.5, 0.5)
            n = corners if corners > 2 else 4
            at = np.arange(n) * 2 * np.pi / n
            radii = radius * (1 + jitter * rng.uniform(-1, 1, n))
            if is_star:
                radii[::2] *= 0.45
            wide = np.stack(
                [np.cos(at) * radii, np.sin(at) * radii * (aspect if corners > 2 else 0.12)]
            )
            cos, sin = np.cos(turn), np.sin(turn)
            points = (np.array([[cos, -sin], [sin, cos]]) @ wide).T + rng.uniform(
                0, PICTURE_SIZE, 2
            )
            colour = np.clip(rng.choice(palette) + rng.normal(0, 0.05, 3), 0, 1)
            draw.polygon(
                [tuple(p) for p in points],
                fill=tuple(int(255 * v) for v in colour),
                outline=(0, 0, 0) if has_edge else None,
            )
        images.append(np.asarray(image))
    return np.zeros(n_instances), np.array(images)
