"""Batches of scenes: maps and pictures, warped, coloured, composed, lit and blurred."""

import math

import torch
import torch.nn.functional as F
from pictures import DISTANCE_SCALE, DISTANCE_ZERO, MAP_SIZE, OUTLINE, PICTURE_SIZE, SKELETON

_SHARES = {"glyph": 0.3, "doodle": 0.25, "fractal": 0.15, "texture": 0.12, "leaves": 0.18}
_LUMA = (0.299, 0.587, 0.114)


class Scenes:
    """Draws batches of labelled images from raw material.

    Parameters
    ----------
    material : dict of str to ndarray
        As `make_material` returns it.
    device : torch.device
    is_held : bool, default=False
        Whether to draw from the held-out images instead of the training images.
    """

    def __init__(self, material, device, is_held=False):
        self.device = device
        self.n_classes = len(material["class_kinds"])
        self._maps = torch.from_numpy(material["maps"]).to(device)
        self._pictures = torch.from_numpy(material["pictures"]).to(device)
        self._map_kinds = torch.from_numpy(material["map_kinds"]).to(device)
        labels = [torch.from_numpy(material[f"{part}_labels"]) for part in ("map", "picture")]
        held = [torch.from_numpy(material[f"{part}_held"]) for part in ("map", "picture")]
        self._labels = torch.cat(labels).to(device)
        usable = (torch.cat(held) == is_held).to(device)
        # within the share of a kind, all classes are equally frequent
        per_class = torch.bincount(self._labels[usable], minlength=self.n_classes).double()
        class_kinds = list(material["class_kinds"])
        shares = [_SHARES[kind] / class_kinds.count(kind) for kind in class_kinds]
        share = torch.tensor(shares, dtype=torch.double, device=device) / per_class.clamp(min=1)
        self._chances = share[self._labels] * usable

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
        labels : Tensor of shape (n_views * n,)
        """
        items = torch.multinomial(self._chances, n, replacement=True, generator=generator)
        items = items.repeat(n_views)
        return self._compose(items, size, generator), self._labels[items]

    def _compose(self, items, size, generator):
        n, n_maps = len(items), len(self._maps)

        def uniform(low, high, *shape):
            x = torch.rand(n, *(shape or (1, 1, 1)), generator=generator, device=self.device)
            return low + (high - low) * x

        def chance(p):
            return uniform(0, 1) < p

        is_map = (items < n_maps)[:, None, None, None]
        behind = torch.where(is_map.flatten(), self._any_picture(n, generator), items - n_maps)
        picture = self._warp_pictures(behind, size, uniform)
        flat = uniform(0, 1, 3, 1, 1)
        ramp = torch.linspace(-1, 1, size, device=self.device)
        slope = uniform(-1, 1) * ramp[:, None] + uniform(-1, 1) * ramp
        plain = flat + chance(0.3) * uniform(0, 0.4) * slope
        ground = torch.where(chance(0.35), picture * uniform(0.3, 1) + uniform(0, 0.3), plain)
        ink = uniform(0, 1, 3, 1, 1)
        luma = torch.tensor(_LUMA, device=self.device)[:, None, None]
        ground_luma = (ground * luma).sum(1).mean((1, 2))[:, None, None, None]
        is_close = ((ink * luma).sum(1, keepdim=True) - ground_luma).abs() < 0.3
        ink = torch.where(is_close, (ground_luma < 0.5).float(), ink)
        other = self._warp_pictures(self._any_picture(n, generator), size, uniform)
        ink = torch.where(chance(0.15), other, ink.expand(-1, -1, size, size))
        style = uniform(0, 1)  # white on black, black on white, or coloured
        ground = torch.where(style < 0.3, (style > 0.22).float(), ground)
        ink = torch.where(style < 0.3, (style < 0.22).float(), ink)
        alpha = self._draw_maps(items.clamp(max=n_maps - 1), size, uniform)
        images = torch.where(is_map, ground + alpha * (ink - ground), picture)

        images = images * (1 + chance(0.4) * uniform(0, 0.35) * slope)
        contrast, shift = uniform(0.5, 1.2), uniform(-0.15, 0.15)
        images = torch.where(chance(0.5), (images - 0.5) * contrast + 0.5 + shift, images)
        images = images * torch.where(chance(0.3), uniform(0.75, 1.25, 3, 1, 1), 1)
        grey = (images * luma).sum(1, keepdim=True)
        images = torch.where(chance(0.4), grey, images)
        images = _blur(images, (chance(0.4) * uniform(0.2, 1.2)).flatten())
        noise = torch.randn(images.shape, generator=generator, device=self.device)
        images = images + chance(0.3) * uniform(0, 0.12) * noise
        return images.clamp(0, 1) * 2 - 1

    def _any_picture(self, n, generator):
        n_pictures = len(self._pictures)
        return torch.randint(n_pictures, (n,), generator=generator, device=self.device)

    def _warp_pictures(self, indices, size, uniform):
        scale = (size / PICTURE_SIZE * uniform(0.7, 1.5)).clamp(max=1.2).flatten()
        angle = uniform(-0.3, 0.3).flatten()
        cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
        room = (1 - scale).clamp(min=0)
        x, y = room * uniform(-1, 1).flatten(), room * uniform(-1, 1).flatten()
        mirror = torch.where(uniform(0, 1).flatten() < 0.5, -1.0, 1.0)
        rows = [torch.stack([mirror * cos, -sin, x], 1), torch.stack([mirror * sin, cos, y], 1)]
        grid = F.affine_grid(torch.stack(rows, 1), (len(indices), 1, size, size), False)
        source = self._pictures[indices].permute(0, 3, 1, 2).float() / 255
        return F.grid_sample(source, grid, padding_mode="reflection", align_corners=False)

    def _draw_maps(self, indices, size, uniform):
        """Return the opacity of the ink, (n, 1, size, size) from 0 to 1."""
        kinds = self._map_kinds[indices][:, None, None, None]
        fill = uniform(0.45, 1).flatten()  # share of the frame that the drawing fills
        scale = 44 / MAP_SIZE / fill
        angle = (uniform(-1, 1) + uniform(-1, 1)).flatten() * 0.2
        shear, aspect = uniform(-0.4, 0.4).flatten(), torch.exp(uniform(-0.3, 0.3)).flatten()
        cos, sin = torch.cos(angle), torch.sin(angle)
        linear = torch.stack(
            [
                torch.stack([cos * aspect, (cos * shear - sin) / aspect], 1),
                torch.stack([sin * aspect, (sin * shear + cos) / aspect], 1),
            ],
            1,
        )
        linear = linear * scale[:, None, None]
        room = (1 - fill).clamp(min=0)
        shift = torch.stack([room * uniform(-0.9, 0.9).flatten() for _ in range(2)], 1)[:, :, None]
        rows = torch.cat([linear, -linear @ shift], 2)
        grid = F.affine_grid(rows, (len(indices), 1, size, size), False)
        bend = uniform(-1, 1, 2, 4, 4) * uniform(0, 0.16)
        bend = F.interpolate(bend, (size, size), mode="bicubic", align_corners=True)
        grid = grid + bend.permute(0, 2, 3, 1)
        source = self._maps[indices][:, None].float()
        level = F.grid_sample(source, grid, padding_mode="border", align_corners=False)
        distance = (level - DISTANCE_ZERO) / DISTANCE_SCALE
        reach = torch.where(kinds == SKELETON, uniform(0.9, 4.5), uniform(-0.8, 1.5))
        pixel = (MAP_SIZE * scale / size)[:, None, None, None] * uniform(1, 1.6)
        stroke = ((reach - distance) / pixel + 0.5).clamp(0, 1)
        density = (level / 255) ** uniform(0.5, 1.5)
        return torch.where(kinds <= OUTLINE, stroke, density)


def _blur(images, sigmas):
    """Blur each image with its own Gaussian; a sigma of 0 leaves it unchanged."""
    at = torch.arange(-2, 3, device=images.device)
    kernel = torch.exp(-(at**2) / (2 * sigmas[:, None].clamp(min=1e-3) ** 2))
    kernel = (kernel / kernel.sum(1, keepdim=True))[:, :, None, None, None]
    size = images.shape[-1]
    for axis in (2, 3):
        padded = F.pad(images, (2, 2, 0, 0) if axis == 3 else (0, 0, 2, 2), mode="replicate")
        images = sum(kernel[:, k] * padded.narrow(axis, k, size) for k in range(5))
    return images


def draw_size(generator):
    """Draw an image size, from digits to small photos; smaller sizes are more frequent."""
    sizes, chances = (28, 32, 48, 64, 96), torch.tensor([0.2, 0.45, 0.2, 0.12, 0.03])
    draw = torch.multinomial(chances.to(generator.device), 1, generator=generator)
    return sizes[int(draw)]


def learning_rate(step, n_steps, highest):
    """Linear warm-up for the first thirtieth of the steps, then cosine decay to zero."""
    warm = max(n_steps // 30, 1)
    if step < warm:
        return highest * (step + 1) / warm
    return highest * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(n_steps - warm, 1)))
