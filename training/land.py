"""Pictures of land made by programs: sky, ridges in haze, ground in perspective, trees."""

import numpy as np
from PIL import Image, ImageDraw
from programs import PICTURE_SIZE, as_bytes, draw_palette, fbm, relief, voronoi

# colours of the sky above and at the horizon: day, haze, dusk, dawn, overcast, night
_SKIES = (
    ((0.2, 0.42, 0.78), (0.72, 0.84, 0.95)),
    ((0.5, 0.65, 0.8), (0.88, 0.88, 0.86)),
    ((0.25, 0.22, 0.45), (0.98, 0.6, 0.35)),
    ((0.45, 0.55, 0.8), (0.98, 0.82, 0.75)),
    ((0.55, 0.57, 0.6), (0.8, 0.81, 0.82)),
    ((0.03, 0.04, 0.12), (0.16, 0.2, 0.34)),
)
# colours of the ground: meadow, forest, sand, rock, snow, earth, straw
_GROUNDS = (
    (0.35, 0.5, 0.18),
    (0.16, 0.3, 0.14),
    (0.78, 0.68, 0.48),
    (0.45, 0.42, 0.4),
    (0.9, 0.92, 0.96),
    (0.42, 0.3, 0.2),
    (0.72, 0.62, 0.3),
)


def make_land(draws):
    """Make a picture, (224, 224, 3) uint8, that resembles a landscape."""
    ramp = np.linspace(-1, 1, PICTURE_SIZE, dtype=np.float32)
    y, x = np.meshgrid(ramp, ramp, indexing="ij")
    x = x * np.float32(draws.number(0.7, 1.4)) + np.float32(draws.own.normal(0, 1))
    horizon = draws.number(-0.5, 0.5, 0.12)
    haze, picture = _sky(draws, x, y, horizon)
    n = draws.integer(0, 5)
    rock = _ground_colour(draws)
    for k in range(n):
        near = (k + 1) / (n + 1)
        colour = rock * near + haze * (1 - near)
        picture = _ridge(draws, picture, x, y, horizon + 0.1 * near, colour, 1 - 0.5 * near)
    ground = _ground(draws, x, y - horizon, picture, haze)
    picture = np.where((y > horizon)[..., None], ground, picture)
    picture = _trees(draws, picture, horizon, haze)
    return as_bytes(picture * draws.number(0.75, 1.2))


def _ground_colour(draws):
    colour = draws.pick(_GROUNDS) if draws.flag(0.75) else draw_palette(draws, 1)[0]
    return np.clip(colour + draws.array(3, freedom=0.3) * 0.06, 0, 1).astype(np.float32)


def _sky(draws, x, y, horizon):
    """Return the colour of the haze, and a sky with clouds and perhaps the sun."""
    sky = draws.pick(_SKIES) if draws.flag(0.8) else draw_palette(draws, 2)
    above, haze = np.clip(np.array(sky) + 0.04 * draws.array(2, 3, freedom=0.3), 0, 1)
    height = np.maximum(horizon - y, 0)
    part = np.clip(height / draws.number(0.6, 1.5), 0, 1)[..., None] ** draws.number(0.5, 1.2)
    picture = haze * (1 - part) + above * part
    if draws.flag(0.7):
        depth, f = 1 / (height + 0.25), draws.log_number(0.6, 3)
        u, v = f * x * depth + draws.own.uniform(0, 60), f * draws.number(1, 4) * depth
        clouds = fbm(u, v, 5, 0.55) - draws.number(-0.3, 0.3)
        clouds = np.clip(draws.log_number(1, 6) * clouds, 0, 1)[..., None]
        white = np.clip(haze + draws.number(-0.1, 0.4), 0, 1)
        picture = picture + clouds * draws.number(0.3, 1) * (white - picture)
    if draws.flag(0.3):
        at = draws.own.uniform(-1, 1), horizon - draws.own.uniform(0, 1)
        away = np.hypot(x - x.mean() - at[0], y - at[1])
        glow = np.exp(-away / draws.log_number(0.05, 0.5))[..., None]
        picture = picture + glow * np.array([1, 0.9, 0.7]) * draws.number(0.2, 0.8)
    return haze, picture


def _ridge(draws, picture, x, y, base, colour, tall):
    """Draw a row of mountains, hills or blocks before a picture."""
    f, shift = draws.log_number(0.5, 4), draws.own.uniform(0, 200)
    row, kind = f * x[0] + shift, draws.integer(0, 3)
    height = fbm(row, np.zeros_like(row), 5, draws.number(0.3, 0.6), 1, kind == 1)
    if kind == 2 and draws.flag(0.5):  # blocks, as of a town
        height = fbm(np.floor(6 * row) * 0.37, np.zeros_like(row), 2)
    top = base - tall * draws.number(0.1, 0.5) * (0.4 + np.abs(height))
    inside = np.clip((y - top) * PICTURE_SIZE / 3, 0, 1)[..., None]
    rough = fbm(4 * x + shift, 4 * y + 3 * top, 4, 0.6, 2, is_ridged=True)
    shade = 1 + draws.number(0, 0.5) * rough + draws.number(0, 0.4) * (y - top)
    return picture + inside * (colour * shade[..., None] - picture)


def _ground(draws, x, below, picture, haze):
    """Draw the ground in perspective: grass, stones, furrows, tiles or water."""
    depth = np.minimum(1 / np.maximum(below, 1e-3), 40)
    middle, f = x.mean() + draws.own.normal(0, 0.3), draws.log_number(0.7, 4)
    u, v = f * (x - middle) * depth, 2 * f * depth + draws.own.uniform(0, 60)
    kind, colour = draws.integer(0, 6), _ground_colour(draws)
    if kind <= 1:
        value = fbm(u, v, 5, draws.number(0.5, 0.8), 1)
    elif kind == 2:
        first, second, cell = voronoi(u, v)
        value = np.minimum(3 * (second - first), 1) * (0.3 + cell) - 0.3
    elif kind == 3:
        value = np.sin(4 * u + draws.number(0, 2) * fbm(0.5 * u, 0.5 * v, 2))
    elif kind == 4:
        value = np.sign(np.sin(2 * u)) * np.sign(np.sin(2 * v))
    else:  # water mirrors what is above it
        waves, at = fbm(0.5 * u, 2 * v, 3, 0.6), np.arange(PICTURE_SIZE)
        shore = int((below[:, 0] <= 0).sum())
        rows = 2 * shore - at[:, None] + (6 * waves).astype(int)
        mirror = picture[rows.clip(0, PICTURE_SIZE - 1), at]
        return mirror * (0.75 + 0.2 * waves[..., None]) + 0.1 * colour
    fade = np.clip(1.5 / depth, 0, 1)  # fine patterns blur far away
    light = relief(value, draws.phase(0.2), draws.number(0, 3)) * fade
    ground = colour * (1 + draws.number(0.1, 0.5) * value * fade + 0.5 * light)[..., None]
    if draws.flag(0.4):  # a road
        bend = draws.number(-0.5, 0.5, 0.3) * np.sin(depth + draws.phase())
        edge = draws.number(0.15, 0.7) - np.abs((x - middle) * depth - bend)
        road = np.clip(edge * 30 / depth, 0, 1)[..., None]
        ground = ground + road * (_ground_colour(draws) - ground)
    part = np.exp(-draws.number(0.02, 0.3) * depth)[..., None]
    return ground * part + haze * (1 - part)


def _trees(draws, picture, horizon, haze):
    """Draw trees of one sort, the far ones first."""
    sort, wide, tall = draws.integer(0, 3), draws.number(0.25, 0.6), draws.log_number(0.25, 1.1)
    leaf, bark = _ground_colour(draws), draws.number(0.1, 0.35)
    blobs = draws.array(16, 2, freedom=0.3) * 0.4
    many = draws.integer(1, 14) if draws.flag(0.65) else 0
    distances = np.sort(1 / draws.own.uniform(0.08, 1, many))[::-1]
    image = Image.fromarray(as_bytes(picture))
    draw = ImageDraw.Draw(image)
    for distance in distances:
        part = np.exp(-0.08 * distance)
        colours = [
            tuple(np.round(255 * np.clip(c * part + haze * (1 - part), 0, 1)).astype(int).tolist())
            for c in (np.full(3, bark), leaf * draws.own.uniform(0.7, 1.1), leaf * 1.3)
        ]
        scale = tall * PICTURE_SIZE / distance
        foot = np.array([draws.own.uniform(0, 1), (horizon + 1) / 2 + 0.5 / distance])
        _tree(draw, foot * PICTURE_SIZE, scale, sort, wide, blobs, colours)
    return np.asarray(image, np.float32) / 255


def _tree(draw, foot, scale, sort, wide, blobs, colours):
    """Draw a conifer, a tree with a round crown, or a bare one."""
    x, y = foot.tolist()
    bark, leaf, lit = colours
    draw.line([(x, y), (x, y - 0.6 * scale)], bark, max(int(0.08 * scale), 1))
    if sort == 0:
        for k in range(4):
            top, half = y - scale * (1 - 0.18 * k), scale * wide * (0.15 + 0.12 * k)
            low = top + 0.35 * scale
            draw.polygon([(x, top), (x - half, low), (x + half, low)], leaf)
            draw.line([(x, top), (x - half, low)], lit)
    elif sort == 1:
        for k, (across, up) in enumerate((blobs * scale * wide).tolist()):
            r = scale * wide * (0.5 - 0.02 * k)
            cx, cy = x + across, y - 0.7 * scale + up
            draw.ellipse([cx - r, cy - r, cx + r, cy + r], lit if k % 3 == 2 else leaf)
    else:
        _branch(draw, x, y - 0.4 * scale, np.pi / 2, 0.3 * scale, wide, blobs, bark)


def _branch(draw, x, y, angle, length, wide, blobs, bark, depth=0):
    end = x + length * np.cos(angle), y - length * np.sin(angle)
    draw.line([(x, y), end], bark, max(int(0.12 * length), 1))
    if depth < 4 and length > 1.5:
        for side, bend in ((-1, blobs[depth, 0]), (1, blobs[depth, 1])):
            turn = angle + side * wide * 1.2 + 0.5 * bend
            _branch(draw, *end, turn, 0.72 * length, wide, blobs, bark, depth + 1)
