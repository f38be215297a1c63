"""Pictures made by programs: random shaders and fabrics.

A class is a program: its structure and parameters are drawn from the class's seed. An instance
varies the parameters a little and moves the frame.
"""

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

PICTURE_SIZE = 224  # height and width in pixels
_TABLE_SIZE, _TABLE_CELL = 512, 8


class Draws:
    """Random choices of a class, with the freedom of one instance.

    Parameters
    ----------
    seed : sequence of int
        Of the class. All instances draw the same structure.
    rng : numpy.random.Generator
        Of the instance.
    """

    def __init__(self, seed, rng):
        self._shared = np.random.default_rng(seed)
        self.own = rng

    def number(self, low, high, freedom=0.06):
        """Draw a number from low to high; `freedom` is how far instances differ."""
        base = self._shared.uniform(low, high)
        return base + freedom * (high - low) * self.own.standard_normal()

    def log_number(self, low, high, freedom=0.06):
        """Draw a number whose logarithm is uniform."""
        return np.exp(self.number(np.log(low), np.log(high), freedom))

    def integer(self, low, high):
        """Draw an integer from low to high - 1, the same for all instances."""
        return int(self._shared.integers(low, high))

    def flag(self, chance):
        """Draw True with a probability, the same for all instances."""
        return self._shared.random() < chance

    def pick(self, options):
        """Pick one of the options, the same for all instances."""
        return options[self._shared.integers(len(options))]

    def array(self, *shape, freedom=0.05):
        """Draw normal numbers."""
        base = self._shared.standard_normal(shape)
        return base + freedom * self.own.standard_normal(shape)

    def phase(self, freedom=0.3):
        """Draw an angle."""
        return self.number(0, 2 * np.pi, freedom)


def _noise_tables(n=4):
    rng = np.random.default_rng(0)
    cells = _TABLE_SIZE // _TABLE_CELL
    tables = []
    for _ in range(n):
        table = rng.uniform(-1, 1, (cells, cells)).repeat(_TABLE_CELL, 0).repeat(_TABLE_CELL, 1)
        table = gaussian_filter(table, _TABLE_CELL / 2.5, mode="wrap")
        tables.append((table / np.abs(table).max()).astype(np.float32))
    return tables


_TABLES = _noise_tables()
_JITTER = np.random.default_rng(1).random((3, 256, 256)).astype(np.float32)


def _noise(x, y, table=0):
    """Smooth noise with values from -1 to 1 and one bump a unit."""
    at = np.stack([y * _TABLE_CELL, x * _TABLE_CELL])
    return map_coordinates(_TABLES[table % len(_TABLES)], at, order=1, mode="grid-wrap")


def fbm(x, y, n_octaves=4, gain=0.5, table=0, is_ridged=False):
    """Sum octaves of noise (fractional Brownian motion)."""
    total, weight, value = 0, 0, np.float32(1)
    for octave in range(n_octaves):
        noise = _noise(x * 2**octave + 17 * octave, y * 2**octave + 31 * octave, table + octave)
        total = total + value * (1 - 3 * np.abs(noise) if is_ridged else 1.6 * noise)
        weight += value
        value = value * gain
    return total / weight


def voronoi(x, y, jitter=1.0):
    """Return the distances to the nearest and second point, and a value of the nearest cell."""
    column, row = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
    first = np.full(x.shape, 9, np.float32)
    second, value = first.copy(), np.zeros_like(first)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            i, j = (row + down) & 255, (column + right) & 255
            px = column + right + 0.5 + jitter * (_JITTER[0, i, j] - 0.5)
            py = row + down + 0.5 + jitter * (_JITTER[1, i, j] - 0.5)
            distance = np.hypot(x - px, y - py).astype(np.float32)
            is_nearer = distance < first
            second = np.where(is_nearer, first, np.minimum(second, distance))
            value = np.where(is_nearer, _JITTER[2, i, j], value)
            first = np.where(is_nearer, distance, first)
    return first, second, value


def rotate(x, y, angle):
    """Turn coordinates."""
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cos * x - sin * y, sin * x + cos * y


# changes of coordinates


def _warp_sines(draws, x, y):
    f, a = draws.log_number(1, 8), draws.log_number(0.05, 0.35)
    return x + a * np.sin(f * y + draws.phase()), y + a * np.sin(f * x + draws.phase())


def _warp_noise(draws, x, y):
    f, a = draws.log_number(0.7, 5), draws.log_number(0.1, 0.7)
    n, shift = draws.integer(1, 4), draws.own.uniform(0, 50, 2)
    return (
        x + a * fbm(f * x + shift[0], f * y, n, table=0),
        y + a * fbm(f * x, f * y + shift[1], n, table=2),
    )


def _warp_mirrors(draws, x, y):
    x, y = rotate(x, y, draws.phase(0.05))
    return np.abs(x) - draws.number(0, 0.5), (np.abs(y) if draws.flag(0.4) else y)


def _warp_kaleidoscope(draws, x, y):
    radius, angle = np.hypot(x, y), np.arctan2(y, x) + draws.phase(0.03)
    wedge = np.pi / draws.integer(2, 10)
    angle = np.abs((angle % (2 * wedge)) - wedge)
    return radius * np.cos(angle) - draws.number(0, 0.6), radius * np.sin(angle)


def _warp_polar(draws, x, y):
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    turns = draws.integer(1, 9)
    return angle * turns / np.pi + draws.number(-1, 1) * radius, 2 * np.log(radius + 0.08)


def _warp_tiles(draws, x, y):
    scale = draws.log_number(1.2, 5)
    x, y = x * scale, y * scale
    if draws.flag(0.5):
        x = x + 0.5 * (np.floor(y) % 2)  # as bricks
    u, v = x % 1, y % 1
    if draws.flag(0.4):
        u = np.where(np.floor(x) % 2 == 0, u, 1 - u)
        v = np.where(np.floor(y) % 2 == 0, v, 1 - v)
    return 2 * u - 1, 2 * v - 1


def _warp_twist(draws, x, y):
    return rotate(x, y, draws.number(-3, 3) * np.exp(-draws.number(0.5, 2) * (x * x + y * y)))


def _warp_perspective(draws, x, y):
    depth = np.maximum(1.4 + draws.number(0.4, 1.1) * y, 0.12)
    return x / depth * 1.5, 2 / depth


def _warp_inversion(draws, x, y):
    scale = draws.number(0.5, 1.2) / (x * x + y * y + 0.08)
    return x * scale, y * scale


_WARPS = (
    _warp_sines,
    _warp_noise,
    _warp_noise,
    _warp_mirrors,
    _warp_kaleidoscope,
    _warp_polar,
    _warp_tiles,
    _warp_twist,
    _warp_perspective,
    _warp_inversion,
)


# values from -1 to 1


def _field_waves(draws, x, y):
    total = 0
    n = draws.integer(1, 5)
    for _ in range(n):
        u, _ = rotate(x, y, draws.phase(0.02))
        total = total + np.sin(draws.log_number(2, 25, 0.03) * u + draws.phase())
    return total / np.sqrt(n)


def _field_rings(draws, x, y):
    radius = np.hypot(x - draws.number(-0.7, 0.7), y - draws.number(-0.7, 0.7))
    return np.sin(draws.log_number(4, 30, 0.03) * radius ** draws.number(0.6, 1.3) + draws.phase())


def _field_fbm(draws, x, y):
    f, stretch = draws.log_number(1, 10), draws.log_number(1, 6) if draws.flag(0.4) else 1
    x, y = rotate(x, y, draws.phase(0.03))
    shift = draws.own.uniform(0, 60, 2)
    gain, is_ridged = draws.number(0.35, 0.75), draws.flag(0.35)
    return fbm(f * x + shift[0], f / stretch * y + shift[1], 4, gain, 1, is_ridged)


def _field_marble(draws, x, y):
    u, v = rotate(x, y, draws.phase(0.03))
    noise = fbm(2 * u + draws.own.uniform(0, 60), 2 * v, 4, 0.55, 3)
    return np.sin(draws.log_number(3, 15) * u + draws.number(1, 6) * noise + draws.phase())


def _field_cells(draws, x, y):
    f, shift = draws.log_number(1.5, 9), draws.own.uniform(0, 200, 2)
    first, second, value = voronoi(f * x + shift[0], f * y + shift[1], draws.number(0.2, 1))
    kind = draws.integer(0, 5)
    if kind == 0:
        return 2 * value - 1
    if kind == 1:
        return 1 - 2.2 * first
    if kind == 2:
        return 3 * (second - first) - 1
    if kind == 3:
        return np.tanh(20 * (second - first - draws.number(0.05, 0.25)))
    return np.tanh(15 * (draws.number(0.2, 0.45) - first)) * (0.5 + value / 2)


def _field_lattice(draws, x, y):
    f = draws.log_number(3, 14, 0.03)
    x, y = rotate(x, y, draws.phase(0.02))
    a, b = np.sin(f * x), np.sin(f * draws.log_number(0.5, 2, 0.03) * y)
    kind, sharp = draws.integer(0, 4), draws.log_number(1, 12)
    value = [a * b, np.maximum(a, b) - 0.3, np.abs(a) + np.abs(b) - 1.1, a + b][kind]
    return np.tanh(sharp * value)


def _field_network(draws, x, y):
    """A compositional pattern-producing network (Stanley 2007)."""
    width = draws.integer(6, 14)
    radius = np.hypot(x, y)
    values = np.stack([x, y, radius, np.sin(4 * x), np.sin(4 * y), np.ones_like(x)])
    for depth in range(draws.integer(2, 5)):
        weights = draws.array(width, len(values), freedom=0.04).astype(np.float32)
        values = np.tensordot(weights * (1.6 if depth == 0 else 0.9), values, 1)
        kind = draws.integer(0, 4)
        values = [np.sin, np.tanh, lambda v: np.exp(-v * v) * 2 - 1, np.sin][kind](values)
    weights = draws.array(width, freedom=0.03).astype(np.float32)
    return np.tanh(np.tensordot(weights, values, 1) / np.sqrt(width) * 2)


_FIELDS = (
    _field_waves,
    _field_rings,
    _field_fbm,
    _field_fbm,
    _field_marble,
    _field_cells,
    _field_cells,
    _field_lattice,
    _field_network,
    _field_network,
)


# colours, (height, width, 3) from 0 to 1


def draw_palette(draws, n):
    """Draw n colours, (n, 3) from 0 to 1, of similar or of any hues."""
    hue, spread = draws.number(0, 1, 0.03), draws.pick([0.05, 0.15, 1.0])
    colours = []
    for _ in range(n):
        h = hue + spread * draws.number(-0.5, 0.5, 0.03)
        wheel = np.clip(np.abs((h + np.array([0, 2 / 3, 1 / 3])) % 1 * 6 - 3) - 1, 0, 1)
        saturation, value = abs(draws.number(0, 1)) ** 1.8, draws.number(0.05, 1)
        colours.append(np.clip(value, 0, 1) * (1 - np.clip(saturation, 0, 1) * (1 - wheel)))
    return np.array(colours, np.float32)


def _colour_cosines(draws, value):
    rate = draws.array(3, freedom=0.02) * 0.5 + draws.number(0.2, 1.2)
    phase = draws.array(3, freedom=0.03) * draws.pick([0.1, 0.4, 1.5])
    centre, amplitude = draws.number(0.3, 0.7), draws.number(0.2, 0.5)
    return centre + amplitude * np.cos(np.pi * (value[..., None] * rate + phase))


def _colour_ramp(draws, value):
    palette = draw_palette(draws, draws.integer(2, 6))
    at = np.clip(value * 0.5 + 0.5, 0, 1) * (len(palette) - 1)
    if draws.flag(0.4):  # flat areas
        return palette[np.round(at).astype(int)]
    low = np.minimum(at.astype(int), len(palette) - 2)
    part = (at - low)[..., None]
    return palette[low] * (1 - part) + palette[low + 1] * part


def relief(value, angle, strength):
    """Light a height map from one side."""
    down, right = np.gradient(gaussian_filter(value, 0.7))
    slope = (np.cos(angle) * right + np.sin(angle) * down) * strength
    return slope / np.sqrt(1 + slope**2)


def _frame(draws, turn=0.15):
    """Make the coordinates of the pixels."""
    ramp = np.linspace(-1, 1, PICTURE_SIZE, dtype=np.float32)
    y, x = np.meshgrid(ramp, ramp, indexing="ij")
    zoom = draws.log_number(0.6, 2.2, 0.12)
    x, y = rotate(x * zoom, y * zoom, draws.own.normal(0, turn))
    shift = draws.own.normal(0, 0.25, 2)
    return x + np.float32(shift[0]), y + np.float32(shift[1])


def _value(draws, x, y):
    """Combine one to three fields, each in warped coordinates."""
    for _ in range(draws.integer(0, 3)):
        x, y = draws.pick(_WARPS)(draws, x, y)
    value = draws.pick(_FIELDS)(draws, x, y)
    for _ in range(draws.integer(0, 3)):
        if draws.flag(0.5):
            x, y = draws.pick(_WARPS)(draws, x, y)
        other = draws.pick(_FIELDS)(draws, x, y)
        kind = draws.integer(0, 4)
        if kind == 0:
            value = 0.6 * (value + other)
        elif kind == 1:
            value = value * other
        elif kind == 2:
            value = np.maximum(value, other)
        else:
            value = np.where(other > draws.number(-0.4, 0.4), value, 0.4 - value)
    return value.astype(np.float32)


def make_shader(draws):
    """Make a picture, (224, 224, 3) uint8, by a random program."""
    x, y = _frame(draws)
    value = _value(draws, x, y)
    if draws.flag(0.3):  # feed the value back into the coordinates
        push = draws.number(0.1, 0.6)
        value = _value(draws, x + push * value, y - push * value)
    picture = draws.pick([_colour_cosines, _colour_ramp, _colour_ramp])(draws, value)
    if draws.flag(0.25):
        other = _colour_ramp(draws, _value(draws, x, y))
        picture = np.where((value > draws.number(-0.3, 0.3))[..., None], picture, other)
    if draws.flag(0.45):
        light = relief(value, draws.phase(0.2), draws.log_number(2, 12))
        picture = picture * (1 + 0.6 * light[..., None]) + 0.25 * np.maximum(light, 0)[..., None]
    return as_bytes(picture)


def as_bytes(picture):
    """Round values from 0 to 1 to bytes."""
    return np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)


def _cloth_pattern(draws, x, y):
    """Return which dye, from 0 to 1, a piece of cloth has at each pixel."""
    kind = draws.integer(0, 9)
    if kind <= 1:  # of one colour, perhaps melange
        return draws.number(0, 0.3) * fbm(12 * x, 12 * y + draws.own.uniform(0, 60), 3, 0.8)
    if kind <= 4:  # stripes, checks, plaid: sums of bands
        f, shifts = draws.log_number(1.5, 9, 0.03), draws.own.uniform(0, 1, 2)
        table = np.repeat(draws.array(8, freedom=0), draws.integer(1, 3))
        table = table if draws.flag(0.5) else np.sign(table)
        across = table[(np.floor((f * x + shifts[0]) * 8) % len(table)).astype(int)]
        along = table[(np.floor((f * y + shifts[1]) * 8) % len(table)).astype(int)]
        return across if kind == 2 else (along if kind == 3 else across + along) / 1.5
    if kind == 5:  # dots
        f = draws.log_number(4, 14, 0.03)
        u, v = f * x, f * y
        u = u + 0.5 * (np.floor(v) % 2)
        distance = np.hypot(u % 1 - 0.5, v % 1 - 0.5)
        return np.tanh(25 * (draws.number(0.12, 0.38) - distance))
    if kind == 6:  # scattered motifs
        f, shift = draws.log_number(2, 6), draws.own.uniform(0, 200, 2)
        first, _, value = voronoi(f * x + shift[0], f * y + shift[1], 0.8)
        petals = 0.08 * np.sin(draws.integer(3, 8) * np.arctan2(y, x))
        return np.tanh(20 * (draws.number(0.2, 0.4) + petals - first)) * (0.4 + value)
    return np.tanh(draws.log_number(1, 8) * _value(draws, x * 1.5, y * 1.5))  # a print


def _cloth_threads(draws, x, y):
    """Return the relief of threads, from -1 to 1."""
    kind, f = draws.integer(0, 6), draws.log_number(25, 110, 0.04)
    if kind == 0:  # plain weave
        return np.sin(f * x) * np.sin(f * y)
    if kind == 1:  # twill
        return np.sin(f * (x + draws.number(0.4, 1.5) * y))
    if kind == 2:  # knit
        return np.sin(f * y + 1.6 * np.abs(np.sin(f / 2 * x))) * np.abs(np.cos(f / 2 * x))
    if kind == 3:  # cord
        return 1 - 2 * np.abs(np.sin(f / 4 * x))
    if kind == 4:  # felt, fur, leather
        stretch = draws.log_number(1, 6)
        return fbm(f / 3 * x, f / 3 / stretch * y + draws.own.uniform(0, 60), 3, 0.7)
    first, second, _ = voronoi(f / 4 * x, f / 4 * y, draws.number(0.1, 1))
    return 2 * np.minimum(3 * (second - first), 1) - 1


def _folds(draws, x, y):
    """Return the height of folded cloth."""
    u, v = rotate(x, y, draws.phase(0.15))
    u = u + 0.3 * fbm(v + draws.own.uniform(0, 60), u, 2)
    f, long = draws.log_number(1, 5), draws.number(0.1, 0.5)
    height = fbm(f * u + draws.own.uniform(0, 60), f * long * v, 3, 0.4, 2, draws.flag(0.5))
    return gaussian_filter(height, 1.5)


def make_fabric(draws):
    """Make a picture, (224, 224, 3) uint8, of cloth or another woven, knitted or folded surface."""
    x, y = _frame(draws)
    height = _folds(draws, x, y)
    bend = draws.number(0, 0.12)
    u, v = x + bend * height, y + bend * _folds(draws, y, x)
    u, v = rotate(u, v, draws.pick([0, 0, np.pi / 4, np.pi / 2]))
    dye = _cloth_pattern(draws, u, v)
    palette = draw_palette(draws, 3)
    at = np.clip(dye * 0.5 + 0.5, 0, 1)[..., None] * 2
    picture = palette[0] * np.maximum(1 - at, 0) + palette[2] * np.maximum(at - 1, 0)
    picture = picture + palette[1] * (1 - np.abs(at - 1))
    thread = draws.number(0, 0.22)
    picture = picture * (1 + thread * _cloth_threads(draws, u, v)[..., None])
    light = relief(height, draws.phase(0.25), draws.log_number(4, 40))[..., None]
    depth = draws.number(0.1, 0.6)
    picture = picture * (1 + depth * light) + 0.2 * draws.number(0, 1) * np.maximum(light, 0) ** 3
    return as_bytes(picture)
