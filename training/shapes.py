"""Silhouettes, wireframes and solids.

Silhouettes are maps of the distance from an outline and from lines inside it. Solids are surfaces
in space, ray-marched to maps of their normals, from several viewpoints.
"""

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt

SHAPE_SIZE = 128  # height and width in pixels
_DRAWN_SIZE = 256
SHAPE_SCALE, SHAPE_ZERO = 4, 96  # levels per pixel of distance, and the level at distance zero


def _level(distance):
    level = np.round(SHAPE_ZERO + SHAPE_SCALE * distance * SHAPE_SIZE / _DRAWN_SIZE)
    return np.clip(level, 0, 255).astype(np.uint8)


def _smooth(points, is_closed):
    """Refine a polygon by corner cutting (Chaikin), three times."""
    for _ in range(3):
        after = np.roll(points, -1, 0) if is_closed else points[1:]
        before = points if is_closed else points[:-1]
        cut = np.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], 1)
        cut = cut.reshape(-1, 2)
        points = cut if is_closed else np.concatenate([points[:1], cut, points[-1:]])
    return points


def _mirror(points):
    return points * [-1, 1]


def _profile(draws):
    """An outline that is symmetric about the vertical axis."""
    n = draws.integer(3, 9)
    y = np.linspace(-1, 1, n) + draws.array(n, freedom=0.15) * 0.3 / n
    width = draws.log_number(0.4, 1.4)
    x = np.abs(draws.array(n, freedom=0.12) * 0.45 + 0.6) * width
    half = np.stack([x, y], 1)
    if draws.flag(0.5):
        half[0, 0] *= draws.number(0, 0.6)
    outline = np.concatenate([half, _mirror(half[::-1])])
    return [(_smooth(outline, True) if draws.flag(0.5) else outline, True)]


def _limb(draws, root, angle, length, width):
    """A tapered, bent limb as a polygon."""
    n = draws.integer(2, 5)
    turn = draws.number(-0.5, 0.5, 0.2)
    angles = angle + turn * np.linspace(0, 1, n)
    steps = np.stack([np.cos(angles), np.sin(angles)], 1) * length / (n - 1)
    spine = np.concatenate([root[None], root + steps[1:].cumsum(0)])
    widths = width * np.linspace(1, draws.number(0.3, 1.3), n)[:, None]
    across = np.stack([-np.sin(angles), np.cos(angles)], 1) * widths
    outline = np.concatenate([spine + across, (spine - across)[::-1]])
    return _smooth(outline, True) if draws.flag(0.4) else outline


def _body(draws):
    """A trunk with pairs of limbs, or limbs alone."""
    polygons = _profile(draws) if draws.flag(0.8) else []
    if polygons:
        outline, _ = polygons[0]
        polygons = [(outline * [draws.number(0.5, 1.2), draws.number(0.6, 1)], True)]
    for _ in range(draws.integer(1, 4)):
        root = np.array([draws.number(0, 0.4), draws.number(-0.9, 0.9)])
        length, width = draws.log_number(0.3, 1.4), draws.log_number(0.08, 0.36)
        angle = draws.number(-np.pi / 2, np.pi / 2, 0.06)
        limb = _limb(draws, root, angle, length, width)
        polygons += [(limb, True), (_mirror(limb), True)]
    if draws.flag(0.35):
        at = np.linspace(0, 2 * np.pi, 24)
        r = draws.log_number(0.15, 0.4)
        head = np.stack([r * np.cos(at), draws.number(-1.3, -0.8) + r * np.sin(at)], 1)
        polygons.append((head, True))
    return polygons


def _flower(draws):
    """An outline around a centre, with a symmetry or without."""
    at = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    fold = draws.pick([1, 1, 2, 3, 4, 5, 6, 8, 12])
    radius = np.ones_like(at)
    for k in range(1, draws.integer(2, 6)):
        radius += draws.array(freedom=0.08) * 0.45 / k * np.cos(k * fold * at + draws.phase(0.05))
    radius = np.maximum(radius, 0.12)
    points = np.stack([np.cos(at), np.sin(at) * draws.log_number(0.5, 1.6)], 1)
    polygons = [(points * radius[:, None], True)]
    if draws.flag(0.2):
        polygons.append((points * draws.number(0.1, 0.5), False))
    return polygons


def _primitives(draws):
    """Primitives joined, some cut out."""
    polygons = []
    for i in range(draws.integer(2, 6)):
        corners = draws.pick([3, 4, 4, 5, 6, 32, 32])
        at = np.arange(corners) * 2 * np.pi / corners + draws.phase(0.05)
        size = np.array([draws.log_number(0.15, 0.9), draws.log_number(0.15, 0.9)])
        points = np.stack([np.cos(at), np.sin(at)], 1) * size
        turn = draws.pick([0, np.pi / 4, np.pi / 2]) + draws.own.normal(0, 0.05)
        cos, sin = np.cos(turn), np.sin(turn)
        points = points @ np.array([[cos, sin], [-sin, cos]])
        points = points + draws.array(2, freedom=0.1) * 0.5
        is_solid = i == 0 or not draws.flag(0.25)
        polygons.append((points, is_solid))
        if draws.flag(0.4):
            polygons.append((_mirror(points), is_solid))
    return polygons


def _blob(draws):
    """A closed curve without symmetry, or a band with an opening."""
    n = draws.integer(4, 10)
    at = np.sort(draws.number(0, 0.5) + np.arange(n) * 2 * np.pi / n + draws.array(n) * 0.2)
    radii = np.exp(draws.array(n, freedom=0.1) * 0.45)
    points = np.stack([np.cos(at), np.sin(at)], 1) * radii[:, None]
    polygons = [(_smooth(points, True) if draws.flag(0.7) else points, True)]
    if draws.flag(0.25):
        polygons.append((polygons[0][0] * draws.number(0.3, 0.8), False))
    return polygons


def _branches(draws):
    """A tree of limbs."""
    polygons, roots = [], [(np.zeros(2), -np.pi / 2, 1.0)]
    shrink, spread = draws.number(0.5, 0.8), draws.number(0.3, 1.2)
    n, width = draws.integer(2, 4), draws.log_number(0.05, 0.2)
    for depth in range(draws.integer(2, 4)):
        tips = []
        for root, angle, length in roots:
            angle = angle + draws.own.normal(0, 0.12)
            tip = root + length * np.array([np.cos(angle), np.sin(angle)])
            across = np.array([-np.sin(angle), np.cos(angle)]) * width * shrink**depth
            polygons.append(
                (np.array([root + across, tip + across, tip - across, root - across]), True)
            )
            turns = np.linspace(-spread, spread, n)
            tips += [(tip, angle + turn, length * shrink) for turn in turns]
        roots = tips
    return polygons


def _inner_lines(draws, points):
    """Lines on a shape: seams, hems, stripes, spots."""
    lines = []
    low, high = points.min(0), points.max(0)
    centre, half = (low + high) / 2, (high - low) / 2
    for _ in range(draws.integer(0, 4)):
        kind = draws.integer(0, 4)
        if kind == 0:  # across or along
            at = draws.number(-0.9, 0.9)
            ends = np.array([[-1.2, at], [1.2, at + draws.number(-0.2, 0.2)]])
            lines.append(ends if draws.flag(0.5) else ends[:, ::-1])
        elif kind == 1:  # a mirrored pair of curves
            curve = _smooth(draws.array(draws.integer(3, 5), 2, freedom=0.08) * 0.5, False)
            lines += [curve, _mirror(curve)]
        elif kind == 2:  # a closed figure
            corners = draws.pick([3, 4, 4, 16])
            at = np.arange(corners + 1) * 2 * np.pi / corners + np.pi / 4
            size = np.array([draws.log_number(0.06, 0.5), draws.log_number(0.06, 0.5)])
            figure = np.stack([np.cos(at), np.sin(at)], 1) * size
            figure = figure + np.array([draws.number(-0.5, 0.5), draws.number(-0.6, 0.6)])
            lines += [figure, _mirror(figure)] if draws.flag(0.5) else [figure]
        else:  # a row of small marks
            n, at = draws.integer(2, 8), draws.number(-0.6, 0.6)
            for t in np.linspace(-0.8, 0.8, n):
                mark = np.array([[at - 0.03, t], [at + 0.03, t]])
                lines.append(mark)
    return [line * half + centre for line in lines]


_SILHOUETTES = (_profile, _body, _body, _flower, _primitives, _blob, _branches)


def _fit(polygons, lines):
    """Scale and centre the points so that the solid polygons fill the frame with a margin."""
    points = np.concatenate([points for points, is_solid in polygons if is_solid])
    low, high = points.min(0), points.max(0)
    scale = _DRAWN_SIZE * 0.7 / max(high - low)

    def move(points):
        return [tuple(p) for p in (points - (low + high) / 2) * scale + _DRAWN_SIZE / 2]

    return [(move(p), is_solid) for p, is_solid in polygons], [move(line) for line in lines]


def make_silhouette(draws):
    """Make the levels of distance from an outline and from lines on it, (2, 128, 128) uint8."""
    polygons = draws.pick(_SILHOUETTES)(draws)
    lines = _inner_lines(draws, np.concatenate([points for points, _ in polygons]))
    polygons, lines = _fit(polygons, lines)
    image = Image.new("L", (_DRAWN_SIZE, _DRAWN_SIZE))
    pen = ImageDraw.Draw(image)
    for points, is_solid in polygons:
        pen.polygon(points, fill=255 if is_solid else 0)
    inside = np.asarray(image) > 0
    signed = distance_transform_edt(~inside) - distance_transform_edt(inside)
    return np.stack([_level(signed[::2, ::2]), _draw_lines(lines)])


def _draw_lines(lines):
    if not lines:
        return np.full((SHAPE_SIZE, SHAPE_SIZE), 255, np.uint8)
    image = Image.new("L", (_DRAWN_SIZE, _DRAWN_SIZE), 255)
    pen = ImageDraw.Draw(image)
    for line in lines:
        pen.line(line, fill=0, width=1)
    return _level(distance_transform_edt(np.asarray(image))[::2, ::2])


def make_wireframe(draws):
    """Make the distance from the edges of a polyhedron in perspective, (2, 128, 128) uint8.

    The second map holds another, smaller part of the edges.
    """
    n = draws.integer(3, 8)
    at = np.arange(n) * 2 * np.pi / n
    rings = []
    heights = np.linspace(-1, 1, draws.integer(2, 5)) * draws.log_number(0.4, 1.6)
    for height in heights:
        radius, turn = abs(draws.number(0, 1.2)) + 0.02, draws.pick([0, 0, np.pi / n])
        rings.append(
            np.stack([radius * np.cos(at + turn), np.full(n, height), radius * np.sin(at + turn)])
        )
    rings = np.array(rings)  # (rings, 3, corners)
    if draws.flag(0.3):  # stretched
        rings[:, 0] *= draws.number(1, 2.5)
    turn = _pose(draws)
    rings = np.einsum("ij,rjn->rin", turn, rings)
    flat = rings[:, :2] / (3.5 + rings[:, 2:] * draws.number(0.3, 1))
    lines = [np.concatenate([ring, ring[:, :1]], 1).T for ring in flat]
    lines += list(np.moveaxis(flat, 2, 0))
    points = np.concatenate(lines)
    _, lines = _fit([(points, True)], lines)
    return np.stack([_draw_lines(lines), _draw_lines(lines[: len(rings)])])


def _pose(draws):
    """A rotation near the class's own: mostly about the vertical axis."""
    yaw = draws.phase(0) + draws.own.uniform(-0.9, 0.9)
    pitch = draws.number(-0.6, 0.6, 0) + draws.own.uniform(-0.45, 0.45)
    roll = draws.own.normal(0, 0.15)
    c, s = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    about_y = np.array([[c[0], 0, s[0]], [0, 1, 0], [-s[0], 0, c[0]]])
    about_x = np.array([[1, 0, 0], [0, c[1], -s[1]], [0, s[1], c[1]]])
    about_z = np.array([[c[2], -s[2], 0], [s[2], c[2], 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def _box(beyond):
    """Return the distance from a box, given how far beyond its sides points are."""
    return np.linalg.norm(np.maximum(beyond, 0), axis=0) + np.minimum(beyond.max(0), 0)


def _part(draws):
    """Draw a primitive: a function of points (3, n) that returns their distances from it."""
    kind = draws.integer(0, 7)
    a = np.exp(draws.array(3, freedom=0.06) * 0.45) * draws.log_number(0.2, 0.6)
    turn = np.eye(3)
    if draws.flag(0.5):
        turn, _ = np.linalg.qr(draws.array(3, 3, freedom=0.02))
    centre = draws.array(3, freedom=0.08) * draws.number(0.1, 0.6)
    edge = draws.number(0.02, 0.2)

    def distance(p):
        q = turn.astype(np.float32) @ (p - centre[:, None].astype(np.float32))
        if kind <= 1:  # ellipsoid, approximately
            scaled = np.linalg.norm(q / a[:, None], axis=0)
            return scaled * (scaled - 1) / (np.linalg.norm(q / a[:, None] ** 2, axis=0) + 1e-6)
        if kind == 2:
            return _box(np.abs(q) - a[:, None]) - edge / 2
        if kind == 3:  # torus
            ring = np.hypot(q[0], q[2]) - 1.5 * a[0]
            return np.hypot(ring, q[1]) - 0.6 * min(a[1], a[0])
        if kind == 4:  # tapered capsule
            t = np.clip(q[1] / (3 * a[1]) + 0.5, 0, 1)
            axis = np.hypot(np.hypot(q[0], q[2]), q[1] - (t - 0.5) * 3 * a[1])
            return axis - (a[0] * (1 - t) + a[2] * t) * 0.5
        if kind == 5:  # cylinder
            d = np.stack([np.hypot(q[0], q[2]) - a[0], np.abs(q[1]) - 1.3 * a[1]])
            return _box(d) - edge / 3
        return (np.abs(q).sum(0) - 1.5 * a[0]) * 0.577  # octahedron

    return distance


def _solid(draws):
    """Draw a solid: a function of points (3, n) that returns distances and the nearest part."""
    parts = [_part(draws) for _ in range(draws.pick([1, 1, 2, 2, 3, 3, 4, 5]))]
    is_mirrored = draws.flag(0.5)
    blend = draws.pick([0.0, 0.0, 0.08, 0.2])
    twist = draws.number(-1.5, 1.5) if draws.flag(0.25) else 0
    bumps, amplitude = draws.log_number(4, 18), draws.number(0.01, 0.05)
    is_bumpy, is_hollow = draws.flag(0.25), draws.flag(0.15)

    def distance(p):
        if twist:
            cos, sin = np.cos(twist * p[1]), np.sin(twist * p[1])
            p = np.stack([cos * p[0] - sin * p[2], p[1], sin * p[0] + cos * p[2]])
        if is_mirrored:
            p = np.stack([np.abs(p[0]), p[1], p[2]])
        each = np.stack([part(p) for part in parts])
        nearest = each.argmin(0)
        d = each.min(0)
        if blend:
            d = -blend * np.log(np.exp(-each / blend).sum(0) + 1e-12)
        if is_bumpy:
            d = d + amplitude * np.sin(bumps * p).prod(0)
        if is_hollow:
            d = np.maximum(d, p[1] * 0.7 - 0.1)
            d = np.maximum(d, 0.1 - np.abs(d + 0.1) - 0.04) if blend else d
        return d, nearest

    return distance


_VIEW = 1.9  # half the side of what is seen of space at first


def make_solid(draws):
    """Make a solid's normals and parts, (4, 128, 128) uint8.

    The channels are x, y and z of the normal (128 is zero), and 0 outside of the solid or 1 plus
    the number of the part.
    """
    distance = _solid(draws)
    turn = _pose(draws).T.astype(np.float32)
    n = SHAPE_SIZE
    ramp = (np.arange(n, dtype=np.float32) + 0.5) / n * 2 - 1
    # a coarse look, to see where the solid is
    _, hit = _march(distance, turn, 1.0, np.zeros(2, np.float32), is_coarse=True)
    found = ramp[np.stack(np.nonzero(hit.reshape(n, n)))]
    if not found.size:
        return np.zeros((4, n, n), np.uint8)
    low, high = found.min(1), found.max(1)
    zoom = max(max(high - low) / 2 + 0.05, 0.05) / 0.75
    points, hit = _march(distance, turn, zoom, _VIEW * (low + high) / 2)
    maps = np.zeros((4, n * n), np.uint8)
    p = points[:, hit]
    offsets = np.eye(3, dtype=np.float32) * 0.01
    slopes = [distance(p + o[:, None])[0] - distance(p - o[:, None])[0] for o in offsets]
    normals = np.stack(slopes)
    normals = turn.T @ (normals / (np.linalg.norm(normals, axis=0) + 1e-9))
    maps[:3, hit] = np.clip(np.round(128 + 127 * normals), 0, 255)
    maps[3, hit] = 1 + distance(p)[1]
    return maps.reshape(4, n, n)


def _march(distance, turn, zoom, centre, is_coarse=False, n_steps=36):
    """March a ray for each pixel until it is at the surface, or beyond the solid.

    Returns
    -------
    points : ndarray of shape (3, n)
        Where the rays end.
    hit : ndarray of shape (n,)
        Which are at the surface.
    """
    n = SHAPE_SIZE
    ramp = (np.arange(n, dtype=np.float32) + 0.5) / n * 2 - 1
    y, x = np.meshgrid(ramp * _VIEW * zoom, ramp * _VIEW * zoom, indexing="ij")
    x, y = x + centre[1], y + centre[0]
    points = turn @ np.stack([x.ravel(), y.ravel(), np.full(n * n, -2.5, np.float32)])
    ahead = turn @ np.array([0, 0, 1], np.float32)
    hit = np.zeros(n * n, bool)
    travelled = np.zeros(n * n, np.float32)
    active = np.arange(n * n)
    if is_coarse:
        active = active.reshape(n, n)[::2, ::2].ravel()
    near = 0.04 if is_coarse else 0.01
    for _ in range(n_steps):
        d, _ = distance(points[:, active])
        step = np.clip(0.8 * d, 0.004, 0.6).astype(np.float32)
        points[:, active] += ahead[:, None] * step
        travelled[active] += step
        hit[active[d < near]] = True
        active = active[(d >= near) & (travelled[active] < 5)]
        if not len(active):
            break
    return points, hit
