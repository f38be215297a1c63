"""Colour profiles: conversion to sRGB."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from sklearn_resnet._images.file_log import Remark

_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "Lab"}
_MAX_ROUNDING = 1  # of a profile that is sRGB in all but name


def convert_to_srgb(image, profile, report):
    """Convert an image by its ICC profile, relative colorimetrically.

    Parameters
    ----------
    image : PIL.Image.Image
        Without alpha.
    profile : bytes
    report : callable
        Called with a `Remark` on a profile that cannot be used; the image is then left as it is.

    Returns
    -------
    PIL.Image.Image
    """
    image = image.convert("L") if image.mode == "1" else image
    transform, problem = _make_transform(profile, image.mode)
    if problem:
        report(Remark("the colour profile cannot be used and was ignored", problem))
    return image if transform is None else ImageCms.applyTransform(image, transform)


def convert_lab_to_srgb(image):
    """Convert an image of mode LAB, which has the white point D50."""
    return ImageCms.applyTransform(image, _make_lab_transform())


@lru_cache(maxsize=1)
def _make_lab_transform():
    # without the flag, lcms interpolates in a table that is wrong by up to a tenth of white
    return ImageCms.buildTransform(
        ImageCms.createProfile("LAB"),
        ImageCms.createProfile("sRGB"),
        "LAB",
        "RGB",
        flags=ImageCms.Flags.NOOPTIMIZE,
    )


@lru_cache(maxsize=32)
def _make_transform(profile, mode):
    """Make the transform to sRGB, None if nothing would change, and the problem if there is one."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space != _SPACES.get(mode):
            return None, f"a profile for {space} in an image of mode {mode}"
        target = ImageCms.createProfile("sRGB")
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        transform = ImageCms.buildTransform(source, target, mode, "RGB", renderingIntent=intent)
        if mode in ("L", "RGB") and _changes_little(transform, mode):
            return None, None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as exc:
        return None, str(exc)
    return transform, None


def _changes_little(transform, mode):
    """Whether a transform changes no colour of a grid by more than rounding, as that of sRGB."""
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(len(levels), -1, 3)
    colours = Image.fromarray(grid) if mode == "RGB" else Image.fromarray(grid[..., 0])
    changed = np.asarray(ImageCms.applyTransform(colours, transform)).astype(int)
    return np.abs(changed - np.asarray(colours.convert("RGB"))).max() <= _MAX_ROUNDING
