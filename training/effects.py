"""What happens to whole images: grounds, shadows, light, colour, blur, noise and mixing."""

import torch
import torch.nn.functional as F

_LUMA = (0.299, 0.587, 0.114)


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

    def sign(self, chance):
        """Draw numbers (n,): -1 with a probability, else 1."""
        return torch.where(self.column(0, 1) < chance, -1.0, 1.0)

    def flag(self, chance):
        """Draw bools (n, 1, 1, 1), True with a probability."""
        return self.uniform(0, 1) < chance

    def some(self, chance):
        """Draw the indices of some images, each with a probability."""
        return (self.column(0, 1) < chance).nonzero()[:, 0]

    def slope(self, size):
        """Draw planes (n, 1, size, size) that rise in any direction, from -2 to 2."""
        ramp = torch.linspace(-1, 1, size, device=self.device)
        return self.uniform(-1, 1) * ramp[:, None] + self.uniform(-1, 1) * ramp


def luma(images):
    """Return the grey of images, (n, 1, height, width)."""
    weights = torch.tensor(_LUMA, device=images.device)[:, None, None]
    return (images * weights).sum(1, keepdim=True)


def slopes(maps):
    """Return the differences between neighbours to the right and below, stacked by channel."""
    right = F.pad(maps[..., 1:] - maps[..., :-1], (0, 1))
    below = F.pad(maps[..., 1:, :] - maps[..., :-1, :], (0, 0, 0, 1))
    return torch.cat([right, below], 1)


def plain_grounds(n, size, generator):
    """Draw grounds of one colour, some with a gradient."""
    draw = Random(n, generator)
    colour = draw.uniform(0, 1, 3, 1, 1)
    colour = torch.where(draw.flag(0.3), 0.8 + 0.2 * colour, colour)
    return colour + draw.flag(0.3) * draw.uniform(0, 0.4) * draw.slope(size)


def contrast_maps(colour, ground, is_map, generator):
    """Draw some maps white on black or black on white; keep other ink off the ground's grey.

    Returns
    -------
    colour, ground : Tensor of shape (n, 3, size, size)
    is_simple : Tensor of shape (n,)
        Which images are black and white.
    """
    draw = Random(len(colour), generator)
    is_map = is_map[:, None, None, None]
    ground_luma = luma(ground).mean((2, 3), keepdim=True)
    away = luma(colour).mean((2, 3), keepdim=True) - ground_luma
    is_close = (away.abs() < 0.25) & (is_map | draw.flag(0.5))
    push = torch.where(ground_luma < 0.5, 0.5, -0.5)
    colour = torch.where(is_close, (colour + push).clamp(0, 1), colour)
    style = draw.uniform(0, 1)
    is_simple, is_black = is_map & (style < 0.35), style < 0.27
    ground = torch.where(is_simple, (~is_black).float(), ground)
    colour = torch.where(is_simple, is_black.float(), colour)
    return colour, ground, is_simple.flatten()


def paste(images, colour, alpha, generator, can_shade=None):
    """Paste objects onto images, about half of them with a shadow."""
    draw = Random(len(images), generator)
    near = max(images.shape[-1] // 24, 1)
    down = torch.randint(2 * near + 1, (1,), generator=generator, device=draw.device)
    right = torch.randint(-2 * near, 2 * near + 1, (1,), generator=generator, device=draw.device)
    shadow = F.avg_pool2d(alpha, 2 * near + 1, 1, near).roll((int(down), int(right)), (2, 3))
    strength = draw.uniform(0, 0.7) * draw.flag(0.5)
    if can_shade is not None:
        strength = strength * can_shade[:, None, None, None]
    images = images * (1 - strength * shadow)
    return images + alpha * (colour - images)


def photograph(images, generator):
    """Light, colour, blur, erase parts and add noise; return values from -1 to 1."""
    draw = Random(len(images), generator)
    size = images.shape[-1]
    gain = 1 + draw.flag(0.4) * draw.uniform(0, 0.35) * draw.slope(size)
    is_changed = draw.flag(0.5)
    contrast = torch.where(is_changed, draw.uniform(0.5, 1.3), 1.0)
    shift = torch.where(is_changed, draw.uniform(-0.15, 0.15), 0.0)
    tint = torch.where(draw.flag(0.4), draw.uniform(0.7, 1.3, 3, 1, 1), 1.0)
    images = (images.clamp(0, 1) * gain - 0.5) * (contrast * tint) + (0.5 * tint + shift)
    grey = draw.some(0.3)
    images[grey] = luma(images[grey]).expand(-1, 3, -1, -1)
    blurred = draw.some(0.35)
    images[blurred] = _blur(images[blurred], draw.column(0.3, 1.3)[blurred] * (1 + size / 128))
    erased = draw.some(0.15)
    images[erased] = _erase(images[erased], generator)
    noisy = draw.some(0.3)
    noise = torch.randn(images[noisy].shape, generator=generator, device=draw.device)
    images[noisy] += draw.uniform(0, 0.09)[noisy] * noise
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
        For the first m images. The following m images are mixed all over, the rest is not mixed.
    generator : torch.Generator

    Returns
    -------
    images : Tensor of shape (n, 3, size, size)
    labels, weights : Tensor of shape (n, 2 * k)
    """
    n, m = len(images), len(masks)
    opacity = torch.ones(n, 1, *images.shape[2:], device=images.device)
    opacity[:m] = masks
    opacity[m : 2 * m] = Random(n, generator).uniform(0.5, 1)[m : 2 * m]
    other = torch.randperm(n, generator=generator, device=images.device)
    part = opacity.mean((1, 2, 3))[:, None]
    images = images[other] + opacity * (images - images[other])
    labels = torch.cat([labels, labels[other]], 1)
    return images, labels, torch.cat([weights * part, weights[other] * (1 - part)], 1)
