"""Batches of scenes: the material warped, coloured, lit, composed, mixed and blurred."""

import copy

import torch
import torch.nn.functional as F
from pictures import DISTANCE_SCALE, DISTANCE_ZERO, MAP_SIZE, OUTLINE, SKELETON
from shapes import SHAPE_SCALE, SHAPE_SIZE, SHAPE_ZERO

SHARES = {
    "glyph": 0.16,
    "doodle": 0.12,
    "fractal": 0.06,
    "texture": 0.06,
    "leaves": 0.08,
    "shader": 0.14,
    "fabric": 0.08,
    "silhouette": 0.16,
    "wireframe": 0.03,
    "solid": 0.11,
}
_LUMA = (0.299, 0.587, 0.114)
_MAPS, _SHAPES, _SOLIDS, _PICTURES = _BANKS = ("maps", "shapes", "solids", "pictures")
_DRAWN_SHARE = 0.7  # of the frame that a drawing fills in its map


class Random:
    """Random numbers for each of n images.

    Parameters
    ----------
    n : int
    generator : torch.Generator
    """

    def __init__(self, n, generator):
        self.n, self.generator, self.device = n, generator, generator.device

    def uniform(self, low, high, *shape):
        """Draw numbers (n, *shape) from low to high; without a shape, (n, 1, 1, 1)."""
        shape = shape or (1, 1, 1)
        x = torch.rand(self.n, *shape, generator=self.generator, device=self.device)
        return low + (high - low) * x

    def column(self, low, high):
        """Draw numbers (n,) from low to high."""
        return self.uniform(low, high, 1)[:, 0]

    def flag(self, chance):
        """Draw bools (n, 1, 1, 1) with a probability."""
        return self.uniform(0, 1) < chance

    def integers(self, high):
        """Draw integers (n,) below high."""
        return torch.randint(high, (self.n,), generator=self.generator, device=self.device)

    def some(self, chance):
        """Draw the indices of some images, each with a probability."""
        return (self.column(0, 1) < chance).nonzero()[:, 0]


class Scenes:
    """Draws batches of labelled images from raw material.

    Parameters
    ----------
    material : dict of str to ndarray
        As `make_material` returns it.
    device : torch.device
    shares : dict of str to float, default=SHARES
        How frequent each kind is as the main object.
    clutter : float, default=0.35
        Share of the images with further objects.
    """

    def __init__(self, material, device, shares=SHARES, clutter=0.35):
        self.device, self._clutter = device, clutter
        self.n_classes = len(material["class_kinds"])
        tensors = {name: torch.from_numpy(material[name]).to(device) for name in _BANKS}
        self._maps, self._shapes, self._solids = (tensors[name] for name in _BANKS[:3])
        self._pictures = _shrink_twice(tensors[_PICTURES].permute(0, 3, 1, 2).contiguous())
        sizes = torch.tensor([len(tensors[name]) for name in _BANKS], device=device)
        self._ends = sizes.cumsum(0)
        self._starts = [0, *self._ends.tolist()]
        labels = [torch.from_numpy(material[f"{name}_labels"]) for name in _BANKS]
        held = [torch.from_numpy(material[f"{name}_held"]) for name in _BANKS]
        self._labels = torch.cat(labels).to(device)
        self._map_kinds = torch.from_numpy(material["maps_kinds"]).to(device)
        class_kinds = list(material["class_kinds"])
        is_wire = torch.tensor([kind == "wireframe" for kind in class_kinds], device=device)
        self._is_wire = is_wire[self._labels[self._starts[1] : self._starts[2]]]
        self._held = torch.cat(held).to(device)
        per_kind = [shares.get(kind, 0) / class_kinds.count(kind) for kind in class_kinds]
        self._shares = torch.tensor(per_kind, dtype=torch.double, device=device)
        self._set_chances(~self._held)

    def _set_chances(self, usable):
        """Within the share of a kind, all classes are equally frequent."""
        per_class = torch.bincount(self._labels[usable], minlength=self.n_classes).double()
        chances = (self._shares / per_class.clamp(min=1))[self._labels] * usable
        is_object = torch.arange(len(chances), device=self.device) < self._starts[3]
        self._chances = chances
        self._object_chances, self._picture_chances = chances * is_object, chances * ~is_object

    def held_out(self):
        """Return scenes of the held-out images instead of the training images."""
        scenes = copy.copy(self)
        scenes._set_chances(self._held)
        return scenes

    def draw(self, n, size, generator, n_views=1):
        """Draw a batch.

        Parameters
        ----------
        n : int
            Number of instances.
        size : int
            Height and width in pixels.
        generator : torch.Generator
        n_views : int, default=1
            Number of images of each instance. The images are in blocks of n, one block per view.

        Returns
        -------
        images : Tensor of shape (n_views * n, 3, size, size)
            With values from -1 to 1.
        labels : Tensor of shape (n_views * n, 3)
            Of the main object, of its surface, and of the ground.
        weights : Tensor of shape (n_views * n, 3)
            The share of each label; they sum to 1.
        """
        items = self._pick(self._chances, n, generator).repeat(n_views)
        return self._compose(items, size, generator)

    def draw_masks(self, n, size, generator):
        """Draw opacities, (n, 1, size, size) from 0 to 1: of objects."""
        items = self._pick(self._object_chances, n, generator)
        return self._draw_objects(items, size, generator)[1]

    def _pick(self, chances, n, generator):
        return torch.multinomial(chances, n, replacement=True, generator=generator)

    def _compose(self, items, size, generator):
        n = len(items)
        draw = Random(n, generator)
        labels = torch.zeros(n, 3, dtype=torch.long, device=self.device)
        labels[:, 0] = self._labels[items]
        bank = torch.bucketize(items, self._ends, right=True)
        is_object = bank < 3
        images = _plain(draw, size)
        # pictures: as the image itself, or as the ground of an object
        textured = (~is_object | (draw.column(0, 1) < 0.45)).nonzero()[:, 0]
        has_ground = torch.zeros(n, dtype=torch.bool, device=self.device)
        if len(textured):
            below = self._pick(self._picture_chances, n, generator)
            below = torch.where(is_object, below, items)[textured]
            grounds = self._draw_pictures(below, size, generator)
            fade = torch.where(is_object, draw.column(0.4, 1), 1.0)[textured][:, None, None, None]
            shift = draw.uniform(0, 1)[textured] * (1 - fade)
            images[textured] = grounds * fade + shift
            has_ground[textured] = True
            labels[textured, 2] = self._labels[below]

        cluttered = (is_object & (draw.column(0, 1) < self._clutter)).nonzero()[:, 0]
        for share in (1, 0.4):
            some = cluttered[: int(len(cluttered) * share)]
            if len(some):
                others = self._pick(self._object_chances, len(some), generator)
                colour, alpha, _ = self._draw_objects(others, size, generator)
                images[some] = _paste(images[some], colour, alpha, size, generator)

        main = is_object.nonzero()[:, 0]
        has_surface = torch.zeros_like(has_ground)
        if len(main):
            colour, alpha, surface = self._draw_objects(items[main], size, generator)
            has_surface[main] = surface >= 0
            labels[main, 1] = surface.clamp(min=0)
            behind = images[main]
            is_map = bank[main] == 0
            colour, behind, is_simple = _style_maps(colour, behind, is_map, generator)
            images[main] = _paste(behind, colour, alpha, size, generator, ~is_simple)
            has_ground[main] &= ~is_simple
            has_surface[main] &= ~is_simple
        weights = torch.stack([is_object * 0.65, has_surface * 0.2, has_ground * 0.15], 1)
        weights = weights / weights.sum(1, keepdim=True)
        return _photograph(images, generator), labels, weights

    # pictures

    def _draw_pictures(self, items, size, generator, bend=None):
        """Sample pictures, (n, 3, size, size) from 0 to 1; `bend` (n, 2, size, size) shifts."""
        indices = items - self._starts[3]
        large = [p for p in self._pictures if p.shape[-1] >= 1.5 * size]
        source = (large or self._pictures[-1:])[0]
        draw = Random(len(items), generator)
        scale = torch.exp(draw.column(-1.1, 0.0))
        angle, stretch = draw.column(-0.5, 0.5), torch.exp(draw.column(-0.2, 0.2))
        cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
        room = 1 - scale
        x, y = room * draw.column(-1, 1), room * draw.column(-1, 1)
        mirror = torch.where(draw.column(0, 1) < 0.5, -1.0, 1.0)
        rows = [
            torch.stack([mirror * cos * stretch, -sin, x], 1),
            torch.stack([mirror * sin, cos / stretch, y], 1),
        ]
        grid = F.affine_grid(torch.stack(rows, 1), (len(items), 1, size, size), False)
        if bend is not None:
            grid = grid + bend.permute(0, 2, 3, 1)
        else:  # some as a plane in perspective
            ramp = torch.linspace(-1, 1, size, device=self.device)[:, None, None]
            tilt = draw.uniform(-0.6, 0.6) * draw.flag(0.3)
            grid = grid / (1 + tilt * ramp)
        source = source[indices].float() / 255
        return F.grid_sample(source, grid, padding_mode="reflection", align_corners=False)

    # objects

    def _draw_objects(self, items, size, generator):
        """Draw objects of the three banks.

        Returns
        -------
        colour : Tensor of shape (n, 3, size, size)
        alpha : Tensor of shape (n, 1, size, size)
        surface : Tensor of shape (n,)
            The label of the picture on the surface; -1 if there is none.
        """
        n = len(items)
        colour = torch.empty(n, 3, size, size, device=self.device)
        alpha = torch.empty(n, 1, size, size, device=self.device)
        surface = torch.full((n,), -1, device=self.device)
        bank = torch.bucketize(items, self._ends, right=True)
        drawers = (self._draw_maps, self._draw_shapes, self._draw_solids)
        for i, (draw, share) in enumerate(zip(drawers, (0.15, 0.6, 0.5), strict=True)):
            some = (bank == i).nonzero()[:, 0]
            if not len(some):
                continue
            opacity, shade, bend, base = draw(items[some] - self._starts[i], size, generator)
            rough = Random(len(some), generator).some(share)
            ink = base.expand(-1, -1, size, size).clone()
            if len(rough):
                pictures = self._pick(self._picture_chances, len(rough), generator)
                moved = bend[rough] if bend is not None else None
                ink[rough] = self._draw_pictures(pictures, size, generator, moved)
                surface[some[rough]] = self._labels[pictures]
            colour[some], alpha[some] = (shade(ink) if shade else ink), opacity
        return colour, alpha, surface

    def _place(self, n, size, generator, turn, low, high, can_flip):
        """Return a grid to sample drawings, and how much of a drawing a pixel covers."""
        draw = Random(n, generator)
        fill = torch.exp(draw.uniform(low, high, 1)[:, 0])
        scale = _DRAWN_SHARE / fill
        angle = (draw.column(-1, 1) + draw.column(-1, 1)) * turn
        shear, aspect = draw.column(-0.4, 0.4), torch.exp(draw.column(-0.3, 0.3))
        cos, sin = torch.cos(angle), torch.sin(angle)
        mirror = torch.where(draw.column(0, 1) < 0.5 * can_flip, -1.0, 1.0)
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
        rows = torch.cat([linear, -linear @ shift], 2)
        grid = F.affine_grid(rows, (n, 1, size, size), False)
        bend = draw.uniform(-1, 1, 2, 4, 4) * draw.uniform(0, 0.16)
        bend = F.interpolate(bend, (size, size), mode="bicubic", align_corners=True)
        return grid + bend.permute(0, 2, 3, 1), scale[:, None, None, None]

    def _draw_maps(self, indices, size, generator):
        draw = Random(len(indices), generator)
        kinds = self._map_kinds[indices][:, None, None, None]
        grid, scale = self._place(len(indices), size, generator, 0.2, -0.8, 0.0, False)
        source = self._maps[indices][:, None].float()
        level = F.grid_sample(source, grid, padding_mode="border", align_corners=False)
        distance = (level - DISTANCE_ZERO) / DISTANCE_SCALE
        reach = torch.where(kinds == SKELETON, draw.uniform(0.9, 4.5), draw.uniform(-0.8, 1.5))
        pixel = MAP_SIZE * scale / size * draw.uniform(1, 1.6)
        stroke = ((reach - distance) / pixel + 0.5).clamp(0, 1)
        density = (level / 255) ** draw.uniform(0.5, 1.5)
        alpha = torch.where(kinds <= OUTLINE, stroke, density)
        return alpha, None, None, draw.uniform(0, 1, 3, 1, 1)

    def _draw_shapes(self, indices, size, generator):
        draw = Random(len(indices), generator)
        is_wire = self._is_wire[indices][:, None, None, None]
        grid, scale = self._place(len(indices), size, generator, 0.2, -0.7, 0.35, True)
        source = self._shapes[indices].float()
        level = F.grid_sample(source, grid, padding_mode="border", align_corners=False)
        distance, lines = ((level - SHAPE_ZERO) / SHAPE_SCALE).split(1, 1)
        pixel = SHAPE_SIZE * scale / size * draw.uniform(1, 1.5)
        is_stroke = is_wire | draw.flag(0.12)
        width = draw.uniform(0.6, 3)
        away = torch.where(is_stroke, distance.abs() - width, distance)
        alpha = (0.5 - away / pixel).clamp(0, 1)
        # lines on the shape
        lines = (0.5 - (lines - draw.uniform(0.3, 1.8)) / pixel).clamp(0, 1)
        lines = lines * draw.flag(0.6) * draw.uniform(0.2, 1) * ~is_stroke
        line_ink = torch.where(draw.flag(0.7), draw.uniform(0, 0.3), draw.uniform(0.7, 1))
        # the shape inflated and lit from one side
        height = 1 - torch.exp(distance.clamp(max=0) / draw.uniform(3, 14))
        slope = _slopes(height) * size / 12
        angle = draw.uniform(0, 6.2832)
        light = torch.cos(angle) * slope[:, :1] + torch.sin(angle) * slope[:, 1:]
        light = light.clamp(-1, 1) * draw.uniform(0, 0.5) * draw.flag(0.6)
        ambient = 1 - draw.uniform(0, 0.5) * draw.flag(0.4) * (1 - height)
        bend = -0.15 * slope.clamp(-1, 1) * draw.flag(0.5)

        def shade(ink):
            ink = ink * (1 - lines) + line_ink * lines
            return ink * (1 + light) * ambient

        return alpha, shade, bend, draw.uniform(0, 1, 3, 1, 1)

    def _draw_solids(self, indices, size, generator):
        draw = Random(len(indices), generator)
        grid, _ = self._place(len(indices), size, generator, 0.15, -0.7, 0.35, True)
        step = 2 if size <= 48 else 1
        source = self._solids[indices][:, :, ::step, ::step].float()
        source = torch.cat([(source[:, :3] - 128) / 127, source[:, 3:], source[:, 3:] > 0], 1)
        sampled = F.grid_sample(source, grid, padding_mode="zeros", align_corners=False)
        normals, alpha = sampled[:, :3], sampled[:, 4:]
        normals = normals / (normals.square().sum(1, keepdim=True) + 1e-4).sqrt()
        parts = (sampled[:, 3:4] / alpha.clamp(min=0.1)).round().clamp(0, 5).long()
        palette = draw.uniform(0, 1, 3, 1) + draw.uniform(-0.5, 0.5, 3, 6) * draw.uniform(
            0, 1, 1, 1
        )
        base = palette.clamp(0, 1).gather(2, parts.flatten(2).expand(-1, 3, -1))
        base = base.view(-1, 3, size, size)
        light = F.normalize(draw.uniform(-1, 1, 3, 1, 1) - 0.01, dim=1)
        light[:, 2] = -light[:, 2].abs()
        facing = (normals * light).sum(1, keepdim=True)
        ambient = draw.uniform(0.15, 0.7)
        lambert = ambient + (1 - ambient) * facing.clamp(min=0) * draw.uniform(0.8, 1.4)
        half = light.clone()
        half[:, 2] = half[:, 2] - 1
        gloss = (normals * F.normalize(half, dim=1)).sum(1, keepdim=True).clamp(min=0)
        gloss = gloss ** draw.uniform(5, 50) * draw.uniform(0, 0.8) * draw.flag(0.4)
        # some as line drawings: edges of parts and of faces
        edges = (_slopes(normals).square().sum(1, keepdim=True) * (size / 16) + 1e-6).sqrt()
        edges = (edges * draw.uniform(0.6, 1.5) - 0.35).clamp(0, 1)
        is_drawing = draw.flag(0.15)
        alpha = torch.where(is_drawing, (edges * (alpha > 0.05)).clamp(0, 1), alpha)

        def shade(ink):
            return torch.where(is_drawing, base.mean((2, 3), keepdim=True), ink * lambert + gloss)

        return alpha, shade, 0.3 * normals[:, :2], base


def _shrink_twice(pictures):
    """Return pictures at a quarter, at half and at their full size."""
    levels = [pictures]
    for _ in range(2):
        parts = [F.avg_pool2d(p.float(), 2).round().byte() for p in levels[0].split(512)]
        levels.insert(0, torch.cat(parts))
    return levels


def _slopes(maps):
    """Return the differences between neighbours to the right and below, stacked by channel."""
    right = F.pad(maps[..., 1:] - maps[..., :-1], (0, 1))
    below = F.pad(maps[..., 1:, :] - maps[..., :-1, :], (0, 0, 0, 1))
    return torch.cat([right, below], 1)


def _plain(draw, size):
    """Draw grounds of one colour, some with a gradient."""
    ramp = torch.linspace(-1, 1, size, device=draw.device)
    slope = draw.uniform(-1, 1) * ramp[:, None] + draw.uniform(-1, 1) * ramp
    flat = draw.uniform(0, 1, 3, 1, 1)
    pale = 0.8 + 0.2 * flat
    flat = torch.where(draw.flag(0.3), pale, flat)
    return flat + draw.flag(0.3) * draw.uniform(0, 0.4) * slope


def _luma(images):
    weights = torch.tensor(_LUMA, device=images.device)[:, None, None]
    return (images * weights).sum(1, keepdim=True)


def _style_maps(colour, ground, is_map, generator):
    """Draw maps white on black or black on white, some; keep the ink off the ground's grey."""
    draw = Random(len(colour), generator)
    is_map = is_map[:, None, None, None]
    style = draw.uniform(0, 1)
    is_simple = is_map & (style < 0.35)
    ground_luma = _luma(ground).mean((2, 3), keepdim=True)
    away = _luma(colour).mean((2, 3), keepdim=True) - ground_luma
    is_close = (away.abs() < 0.25) & (is_map | draw.flag(0.5))
    push = torch.where(ground_luma < 0.5, 0.5, -0.5)
    colour = torch.where(is_close, (colour + push).clamp(0, 1), colour)
    ground = torch.where(is_simple, (style > 0.27).float(), ground)
    colour = torch.where(is_simple, (style < 0.27).float(), colour)
    return colour, ground, is_simple.flatten()


def _paste(images, colour, alpha, size, generator, can_shade=None):
    """Paste objects onto images, some with a shadow."""
    draw = Random(len(images), generator)
    near = max(size // 24, 1)
    reach = torch.randint(-2 * near, 2 * near + 1, (2,), generator=generator, device=draw.device)
    down, right = reach.tolist()
    soft = F.avg_pool2d(alpha, 2 * near + 1, 1, near)
    soft = soft.roll((abs(down), right), (2, 3))
    strength = draw.uniform(0, 0.7) * draw.flag(0.5)
    if can_shade is not None:
        strength = strength * can_shade[:, None, None, None]
    images = images * (1 - strength * soft)
    return images + alpha * (colour - images)


def _photograph(images, generator):
    """Light, colour, blur, erase parts and add noise; return values from -1 to 1."""
    n, size = len(images), images.shape[-1]
    draw = Random(n, generator)
    ramp = torch.linspace(-1, 1, size, device=draw.device)
    slope = draw.uniform(-1, 1) * ramp[:, None] + draw.uniform(-1, 1) * ramp
    gain = 1 + draw.flag(0.4) * draw.uniform(0, 0.35) * slope
    is_changed = draw.flag(0.5)
    contrast = torch.where(is_changed, draw.uniform(0.5, 1.3), 1.0)
    shift = torch.where(is_changed, draw.uniform(-0.15, 0.15), 0.0)
    tint = torch.where(draw.flag(0.4), draw.uniform(0.7, 1.3, 3, 1, 1), 1.0)
    images = (images.clamp(0, 1) * gain - 0.5) * (contrast * tint) + (0.5 * tint + shift)
    grey = (draw.column(0, 1) < 0.3).nonzero()[:, 0]
    images[grey] = _luma(images[grey]).expand(-1, 3, -1, -1)
    blurred = draw.some(0.35)
    sigmas = draw.column(0.3, 1.3)[blurred] * (1 + size / 128)
    images[blurred] = _blur(images[blurred], sigmas)
    erased = draw.some(0.15)
    images[erased] = _erase(images[erased], generator)
    noisy = draw.some(0.3)
    noise = torch.randn(images[noisy].shape, generator=generator, device=draw.device)
    images[noisy] += draw.uniform(0, 0.12)[noisy] * noise
    return images.clamp(0, 1) * 2 - 1


def _erase(images, generator):
    """Cover a rectangle with a colour."""
    draw = Random(len(images), generator)
    ramp = torch.linspace(-1, 1, images.shape[-1], device=draw.device)
    inside_x = (ramp - draw.uniform(-1, 1)).abs() < draw.uniform(0.1, 0.5)
    inside_y = (ramp[:, None] - draw.uniform(-1, 1)).abs() < draw.uniform(0.1, 0.5)
    return torch.where(inside_x & inside_y, draw.uniform(0, 1, 3, 1, 1), images)


def _blur(images, sigmas):
    """Blur each image with its own Gaussian."""
    at = torch.arange(-3, 4, device=images.device)
    kernel = torch.exp(-(at**2) / (2 * sigmas[:, None].clamp(min=1e-3) ** 2))
    kernel = (kernel / kernel.sum(1, keepdim=True))[:, :, None, None, None]
    size = images.shape[-1]
    for axis in (2, 3):
        padded = F.pad(images, (3, 3, 0, 0) if axis == 3 else (0, 0, 3, 3), mode="replicate")
        images = sum(kernel[:, k] * padded.narrow(axis, k, size) for k in range(7))
    return images


def mix(images, labels, weights, masks, generator):
    """Mix images with others of the batch: all over (MixUp), or where a mask says.

    Parameters
    ----------
    images : Tensor of shape (n, 3, size, size)
    labels, weights : Tensor of shape (n, k)
    masks : Tensor of shape (m, 1, size, size)
        For the first m images; the following m images are mixed all over, the rest is not mixed.
    generator : torch.Generator

    Returns
    -------
    images : Tensor of shape (n, 3, size, size)
    labels, weights : Tensor of shape (n, 2 * k)
    """
    n, m = len(images), len(masks)
    draw = Random(n, generator)
    opacity = torch.ones(n, 1, *images.shape[2:], device=images.device)
    opacity[:m] = masks
    opacity[m : 2 * m] = draw.uniform(0.5, 1)[m : 2 * m]
    other = torch.randperm(n, generator=generator, device=images.device)
    part = opacity.mean((1, 2, 3))[:, None]
    images = images[other] + opacity * (images - images[other])
    labels = torch.cat([labels, labels[other]], 1)
    return images, labels, torch.cat([weights * part, weights[other] * (1 - part)], 1)


def draw_size(generator, chances):
    """Draw an image size by its chances, a dict of size to number."""
    numbers = torch.tensor(list(chances.values()), dtype=torch.float, device=generator.device)
    return list(chances)[int(torch.multinomial(numbers, 1, generator=generator))]
