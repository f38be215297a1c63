"""What happens to whole images: grounds, shadows, light, colour, blur, noise and mixing."""

import math

import numpy as np
import torch
import torch.nn.functional as F


class Source:
    """A source of random choices and numbers.

    Choices are made on the CPU: a GPU would have to be waited for. Numbers are drawn on the device.

    Parameters
    ----------
    seed : int
    device : torch.device
    """

    def __init__(self, seed, device):
        self.device = device
        self.choices = np.random.default_rng(seed)
        self.numbers = torch.Generator(device).manual_seed(seed)

    def state(self):
        """Return the state, for a checkpoint."""
        return {"choices": self.choices.bit_generator.state, "numbers": self.numbers.get_state()}

    def restore(self, state):
        """Set the state."""
        self.choices.bit_generator.state = state["choices"]
        self.numbers.set_state(state["numbers"].cpu())

    def to_device(self, array):
        """Copy an array to the device, without waiting for it."""
        return torch.from_numpy(array).to(self.device, non_blocking=True)


class Random:
    """Random numbers for each of n images.

    Parameters
    ----------
    n : int
    source : Source
    """

    def __init__(self, n, source):
        self.n, self.source, self.device = n, source, source.device

    def uniform(self, low, high, *shape):
        """Draw numbers (n, *shape) from low to high; without a shape, (n, 1, 1, 1)."""
        shape = shape or (1, 1, 1)
        numbers = torch.empty(self.n, *shape, device=self.device)
        return numbers.uniform_(low, high, generator=self.source.numbers)

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
        """Choose some images, each with a probability; return their indices, an ndarray."""
        return np.flatnonzero(self.source.choices.random(self.n) < chance)

    def slope(self, size):
        """Draw planes (n, 1, size, size) that rise in any direction, from -2 to 2."""
        ramp = torch.linspace(-1, 1, size, device=self.device)
        return self.uniform(-1, 1) * ramp[:, None] + self.uniform(-1, 1) * ramp


def luma(images):
    """Return the grey of images, (n, 1, height, width)."""
    red, green, blue = images.split(1, 1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def slopes(maps):
    """Return the differences between neighbours to the right and below, stacked by channel."""
    right = F.pad(maps[..., 1:] - maps[..., :-1], (0, 1))
    below = F.pad(maps[..., 1:, :] - maps[..., :-1, :], (0, 0, 0, 1))
    return torch.cat([right, below], 1)


def plain_grounds(n, size, source):
    """Draw grounds of one colour, some with a gradient."""
    draw = Random(n, source)
    colour = draw.uniform(0, 1, 3, 1, 1)
    colour = torch.where(draw.flag(0.3), 0.8 + 0.2 * colour, colour)
    return colour + draw.flag(0.3) * draw.uniform(0, 0.4) * draw.slope(size)


def contrast_maps(colour, ground, is_map, source):
    """Draw some maps white on black or black on white; keep other ink off the ground's grey.

    Returns
    -------
    colour, ground : Tensor of shape (n, 3, size, size)
    is_simple : ndarray of shape (n,)
        Which images are black and white.
    """
    draw = Random(len(colour), source)
    style = source.choices.random(len(colour))
    is_simple = is_map & (style < 0.35)
    flags = source.to_device(np.stack([is_map, is_simple, style < 0.27]))
    is_map, is_plain, is_black = flags[:, :, None, None, None]
    ground_luma = luma(ground).mean((2, 3), keepdim=True)
    away = luma(colour).mean((2, 3), keepdim=True) - ground_luma
    is_close = (away.abs() < 0.25) & (is_map | draw.flag(0.5))
    push = torch.where(ground_luma < 0.5, 0.5, -0.5)
    colour = torch.where(is_close, (colour + push).clamp(0, 1), colour)
    ground = torch.where(is_plain, (~is_black).float(), ground)
    colour = torch.where(is_plain, is_black.float(), colour)
    return colour, ground, is_simple


def paste(images, colour, alpha, source, can_shade=None):
    """Paste objects onto images, about half of them with a shadow."""
    draw = Random(len(images), source)
    near = max(images.shape[-1] // 24, 1)
    down = int(source.choices.integers(2 * near + 1))
    right = int(source.choices.integers(-2 * near, 2 * near + 1))
    shadow = F.avg_pool2d(alpha, 2 * near + 1, 1, near).roll((down, right), (2, 3))
    strength = draw.uniform(0, 0.7) * draw.flag(0.5)
    if can_shade is not None:
        strength = strength * source.to_device(can_shade)[:, None, None, None]
    images = images * (1 - strength * shadow)
    return images + alpha * (colour - images)


def photograph(images, source):
    """Light, colour, blur, erase parts and add noise; return values from -1 to 1."""
    draw = Random(len(images), source)
    size = images.shape[-1]
    gain = 1 + draw.flag(0.4) * draw.uniform(0, 0.35) * draw.slope(size)
    is_changed = draw.flag(0.5)
    contrast = torch.where(is_changed, draw.uniform(0.5, 1.3), 1.0)
    shift = torch.where(is_changed, draw.uniform(-0.15, 0.15), 0.0)
    tint = torch.where(draw.flag(0.4), draw.uniform(0.7, 1.3, 3, 1, 1), 1.0)
    images = (images.clamp(0, 1) * gain - 0.5) * (contrast * tint) + (0.5 * tint + shift)
    grey = source.to_device(draw.some(0.3))
    images[grey] = luma(images[grey]).expand(-1, 3, -1, -1)
    blurred = source.to_device(draw.some(0.35))
    images[blurred] = _blur(images[blurred], draw.column(0.3, 1.3)[blurred] * (1 + size / 128))
    erased = source.to_device(draw.some(0.15))
    images[erased] = _erase(images[erased], source)
    noisy = source.to_device(draw.some(0.3))
    noise = torch.randn(images[noisy].shape, generator=source.numbers, device=draw.device)
    images[noisy] += draw.uniform(0, 0.09)[noisy] * noise
    return images.clamp(0, 1) * 2 - 1


def _erase(images, source):
    """Cover a rectangle with a colour."""
    draw = Random(len(images), source)
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


def crop(images, size, source):
    """Resample random parts of images to a size, half of them mirrored."""
    draw = Random(len(images), source)
    area, aspect = draw.column(0.25, 1), torch.exp(draw.column(math.log(3 / 4), math.log(4 / 3)))
    width = (area * aspect).sqrt().clamp(max=1)
    height = (area / aspect).sqrt().clamp(max=1)
    zero = torch.zeros_like(width)
    rows = [
        torch.stack([width * draw.sign(0.5), zero, (1 - width) * draw.column(-1, 1)], 1),
        torch.stack([zero, height, (1 - height) * draw.column(-1, 1)], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), (len(images), 3, size, size), False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def mix(images, labels, weights, masks, source):
    """Mix images with others of the batch: all over (MixUp), or where a mask says.

    Parameters
    ----------
    images : Tensor of shape (n, 3, size, size)
    labels, weights : Tensor of shape (n, k)
    masks : Tensor of shape (m, 1, size, size)
        For the first m images. The following m images are mixed all over, the rest is not mixed.
    source : Source

    Returns
    -------
    images : Tensor of shape (n, 3, size, size)
    labels, weights : Tensor of shape (n, 2 * k)
    """
    n, m = len(images), len(masks)
    opacity = torch.ones(n, 1, *images.shape[2:], device=images.device)
    opacity[:m] = masks
    opacity[m : 2 * m] = Random(n, source).uniform(0.5, 1)[m : 2 * m]
    other = torch.randperm(n, generator=source.numbers, device=images.device)
    part = opacity.mean((1, 2, 3))[:, None]
    images = images[other] + opacity * (images - images[other])
    labels = torch.cat([labels, labels[other]], 1)
    return images, labels, torch.cat([weights * part, weights[other] * (1 - part)], 1)
