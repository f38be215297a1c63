"""Pictures and objects sampled from the raw material: moved, bent, coloured and lit."""

import torch
import torch.nn.functional as F
from effects import Random, slopes
from pictures import DISTANCE_SCALE, DISTANCE_ZERO, MAP_SIZE, OUTLINE, SKELETON
from shapes import SHAPE_SCALE, SHAPE_SIZE, SHAPE_ZERO

_DRAWN_SHARE = 0.7  # of the frame that a drawing fills in the raw material
_N_PARTS = 6  # that a solid can have, at most


def shrink_twice(pictures):
    """Return pictures (n, height, width, 3) at a quarter, at half and at their full size."""
    levels = [pictures]
    for _ in range(2):
        height, width = levels[0].shape[1:3]
        smaller = torch.empty_like(levels[0][:, : height // 2, : width // 2])
        for part, whole in zip(smaller.split(256), levels[0].split(256), strict=True):
            mean = F.avg_pool2d(whole.permute(0, 3, 1, 2).float(), 2).round()
            part.copy_(mean.permute(0, 2, 3, 1))
        levels.insert(0, smaller)
    return levels


def draw_pictures(levels, indices, size, source, bend=None):
    """Sample pictures: zoomed, turned, mirrored, some in perspective.

    Parameters
    ----------
    levels : list of Tensor
        The pictures at several sizes, as `shrink_twice` returns them.
    indices : Tensor of shape (n,)
    size : int
    source : Source
    bend : Tensor of shape (n, 2, size, size), default=None
        Shifts of the pixels, as on the surface of an object.

    Returns
    -------
    Tensor of shape (n, 3, size, size)
        With values from 0 to 1.
    """
    n, draw = len(indices), Random(len(indices), source)
    level = ([level for level in levels if level.shape[1] >= 1.5 * size] or levels[-1:])[0]
    scale = torch.exp(draw.column(-1.1, 0.0))
    angle, stretch = draw.column(-0.5, 0.5), torch.exp(draw.column(-0.2, 0.2))
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    mirror, room = draw.sign(0.5), 1 - scale
    rows = [
        torch.stack([mirror * cos * stretch, -sin, room * draw.column(-1, 1)], 1),
        torch.stack([mirror * sin, cos / stretch, room * draw.column(-1, 1)], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), (n, 1, size, size), False)
    if bend is None:
        ramp = torch.linspace(-1, 1, size, device=draw.device)[:, None, None]
        grid = grid / (1 + draw.uniform(-0.6, 0.6) * draw.flag(0.3) * ramp)
    else:
        grid = grid + bend.permute(0, 2, 3, 1)
    pictures = level[indices].permute(0, 3, 1, 2).float() / 255
    return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def _place(n, size, source, turn, fills, can_mirror, close_ups=0.0):
    """Return a grid to sample drawings, and which part of a drawing the frame shows.

    `fills` are the logarithms of the smallest and largest share of the frame that a drawing fills.
    A share of them, `close_ups`, is up to twice as large: the frame shows a part of the drawing.
    """
    draw = Random(n, source)
    closer = draw.column(0, 0.7) * (draw.column(0, 1) < close_ups)
    fill = torch.exp(draw.column(*fills) + closer)
    scale = _DRAWN_SHARE / fill
    angle = (draw.column(-1, 1) + draw.column(-1, 1)) * turn
    shear, aspect = draw.column(-0.4, 0.4), torch.exp(draw.column(-0.3, 0.3))
    cos, sin = torch.cos(angle), torch.sin(angle)
    mirror = draw.sign(0.5 * can_mirror)
    linear = torch.stack(
        [
            torch.stack([mirror * cos * aspect, mirror * (cos * shear - sin) / aspect], 1),
            torch.stack([sin * aspect, (sin * shear + cos) / aspect], 1),
        ],
        1,
    )
    linear = linear * scale[:, None, None]
    room = (1 - fill).abs() + 0.08
    shift = torch.stack([room * draw.column(-0.9, 0.9) for _ in range(2)], 1)[:, :, None]
    grid = F.affine_grid(torch.cat([linear, -linear @ shift], 2), (n, 1, size, size), False)
    bend = draw.uniform(-1, 1, 2, 4, 4) * draw.uniform(0, 0.16)
    bend = F.interpolate(bend, (size, size), mode="bicubic", align_corners=True)
    return grid + bend.permute(0, 2, 3, 1), scale[:, None, None, None]


# Each of the following returns the opacity (n, 1, size, size), the colour (n, 3, ...), how the
# surface shifts the pixels of a picture on it (n, 2, size, size) or None, and a function that
# lights a coloured surface.


def draw_maps(maps, kinds, size, source):
    """Draw glyphs, doodles and fractals."""
    draw = Random(len(maps), source)
    kinds = kinds[:, None, None, None]
    grid, scale = _place(len(maps), size, source, 0.2, (-0.8, 0.0), False)
    level = F.grid_sample(maps[:, None].float(), grid, padding_mode="border", align_corners=False)
    distance = (level - DISTANCE_ZERO) / DISTANCE_SCALE
    reach = torch.where(kinds == SKELETON, draw.uniform(0.9, 4.5), draw.uniform(-0.8, 1.5))
    pixel = MAP_SIZE * scale / size * draw.uniform(1, 1.6)
    stroke = ((reach - distance) / pixel + 0.5).clamp(0, 1)
    density = (level / 255) ** draw.uniform(0.5, 1.5)
    alpha = torch.where(kinds <= OUTLINE, stroke, density)
    return alpha, draw.uniform(0, 1, 3, 1, 1), None, lambda ink: ink


def draw_shapes(shapes, is_wire, size, source):
    """Draw silhouettes, filled or as a contour, with lines on them; and wireframes."""
    draw = Random(len(shapes), source)
    grid, scale = _place(len(shapes), size, source, 0.2, (-0.7, 0.35), True, 0.3)
    level = F.grid_sample(shapes.float(), grid, padding_mode="border", align_corners=False)
    distance, seams = ((level - SHAPE_ZERO) / SHAPE_SCALE).split(1, 1)
    pixel = SHAPE_SIZE * scale / size * draw.uniform(1, 1.5)
    is_stroke = is_wire[:, None, None, None] | draw.flag(0.12)
    away = torch.where(is_stroke, distance.abs() - draw.uniform(0.6, 3), distance)
    alpha = (0.5 - away / pixel).clamp(0, 1)
    seams = (0.5 - (seams - draw.uniform(0.3, 1.8)) / pixel).clamp(0, 1)
    seams = seams * draw.flag(0.6) * draw.uniform(0.2, 1) * ~is_stroke
    thread = torch.where(draw.flag(0.7), draw.uniform(0, 0.3), draw.uniform(0.7, 1))
    light, slope = _light_inflated(distance, size, draw)

    def shade(ink):
        return (ink + seams * (thread - ink)) * light

    bend = -0.15 * slope.clamp(-1, 1) * draw.flag(0.5)
    return alpha, draw.uniform(0, 1, 3, 1, 1), bend, shade


def _light_inflated(distance, size, draw):
    """Light silhouettes from one side as if they were cushions; return also their slopes."""
    height = 1 - torch.exp(distance.clamp(max=0) / draw.uniform(3, 14))
    slope = slopes(height) * size / 12
    angle = draw.uniform(0, 2 * torch.pi)
    light = torch.cos(angle) * slope[:, :1] + torch.sin(angle) * slope[:, 1:]
    light = 1 + light.clamp(-1, 1) * draw.uniform(0, 0.5) * draw.flag(0.6)
    return light * (1 - draw.uniform(0, 0.5) * draw.flag(0.4) * (1 - height)), slope


def draw_solids(solids, size, source):
    """Draw solids, lit from one side, with a gloss or not; some as line drawings."""
    draw = Random(len(solids), source)
    grid, _ = _place(len(solids), size, source, 0.15, (-0.7, 0.35), True, 0.3)
    step = 2 if size <= 48 else 1
    solids = solids[:, :, ::step, ::step].float()
    solids = torch.cat([(solids[:, :3] - 128) / 127, solids[:, 3:], solids[:, 3:] > 0], 1)
    sampled = F.grid_sample(solids, grid, padding_mode="zeros", align_corners=False)
    normals, alpha = sampled[:, :3], sampled[:, 4:]
    normals = normals / (normals.square().sum(1, keepdim=True) + 1e-4).sqrt()
    parts = (sampled[:, 3:4] / alpha.clamp(min=0.1)).round().clamp(0, _N_PARTS - 1).long()
    colour = _colour_parts(parts, draw)
    lambert, gloss = _light_normals(normals, draw)
    edges = (slopes(normals).square().sum(1, keepdim=True) * (size / 16) + 1e-6).sqrt()
    edges = (edges * draw.uniform(0.6, 1.5) - 0.35).clamp(0, 1) * (alpha > 0.05)
    is_drawing = draw.flag(0.15)

    def shade(ink):
        return torch.where(is_drawing, colour.mean((2, 3), keepdim=True), ink * lambert + gloss)

    return torch.where(is_drawing, edges, alpha), colour, 0.3 * normals[:, :2], shade


def _colour_parts(parts, draw):
    """Colour the parts of solids alike or differently."""
    palette = draw.uniform(-0.5, 0.5, 3, _N_PARTS) * draw.uniform(0, 1, 1, 1)
    palette = (draw.uniform(0, 1, 3, 1) + palette).clamp(0, 1)
    colour = palette.gather(2, parts.flatten(2).expand(-1, 3, -1))
    return colour.view(-1, 3, *parts.shape[2:])


def _light_normals(normals, draw):
    """Light surfaces from a direction; return the factor of their colour, and a gloss."""
    light = F.normalize(draw.uniform(-1, 1, 3, 1, 1), dim=1)
    light = torch.cat([light[:, :2], -light[:, 2:].abs()], 1)  # from the viewer's side
    facing = (normals * light).sum(1, keepdim=True).clamp(min=0)
    ambient = draw.uniform(0.15, 0.7)
    lambert = ambient + (1 - ambient) * facing * draw.uniform(0.8, 1.4)
    half = F.normalize(torch.cat([light[:, :2], light[:, 2:] - 1], 1), dim=1)
    gloss = (normals * half).sum(1, keepdim=True).clamp(min=0) ** draw.uniform(5, 50)
    return lambert, gloss * draw.uniform(0, 0.8) * draw.flag(0.4)
