"""Altered views of images for `depth_without_labels`, and the features of all views by layer."""

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.transform import AffineTransform, warp

from benchmarks.accuracy import WEIGHTS
from sklearn_resnet import ResNetFeatures, list_layers

SIZES = (32, 64, 96)
LAYERS = {
    "imagenet": (16, 39, 51, 62, 73, 85, 108, 130, 153),
    "procedural": (16, 27, 39, 51, 62, 73, 85, 119, 153),
    "random": (16, 27, 39, 51, 62, 73, 85),
}
N_VIEWED = 300  # images that also have altered views


def resize(images, size):
    """Resize to a square of floats from 0 to 1, in three channels."""
    resized = [
        np.asarray(Image.fromarray(image).convert("RGB").resize((size, size))) for image in images
    ]
    return np.stack(resized).astype(np.float32) / 255


def move(image, rng, turn, shift, scale):
    """Turn, shift and scale an image about its centre; the border is repeated."""
    side = image.shape[0]
    centre = (side - 1) / 2
    change = (
        AffineTransform(translation=(-centre, -centre))
        + AffineTransform(
            rotation=np.deg2rad(rng.uniform(-turn, turn)),
            scale=1 + rng.uniform(-scale, scale),
            translation=rng.uniform(-shift, shift, 2) * side,
        )
        + AffineTransform(translation=(centre, centre))
    )
    return warp(image, change.inverse, order=1, mode="edge").astype(np.float32)


def change_contrast(image, rng, amount):
    """Change the contrast about the mean."""
    mean = image.mean()
    return mean + (image - mean) * (1 + rng.uniform(-amount, amount))


def change_light(image, rng):
    """Change brightness and colour a little, blur, and add noise."""
    image = image * rng.uniform(0.75, 1.25, 3).astype(np.float32) + rng.uniform(-0.1, 0.1)
    image = gaussian_filter(image, (*[rng.uniform(0, image.shape[0] / 64)] * 2, 0))
    return image + rng.normal(0, 0.03, image.shape).astype(np.float32)


def change_colour(image, rng):
    """Change brightness and colour."""
    return image * rng.uniform(0.6, 1.4, 3).astype(np.float32) + rng.uniform(-0.1, 0.1)


def alter_mildly(image, rng):
    """Turn by up to 10 degrees, shift by 6 %, scale by 10 %, change the contrast by 20 %."""
    return change_contrast(move(image, rng, 10, 0.06, 0.1), rng, 0.2)


def alter_strongly(image, rng):
    """Turn by up to 30 degrees, shift by 10 %, scale by 30 %, change contrast, colour and noise."""
    return change_light(change_contrast(move(image, rng, 30, 0.1, 0.3), rng, 0.4), rng)


ALTERATIONS = {
    "mild": alter_mildly,
    "mild_again": alter_mildly,
    "colour": change_colour,
    "light": change_light,
    "strong": alter_strongly,
}


def alter(images, name, seed=0):
    """Return a view of each image."""
    rng = np.random.default_rng([seed, *name.encode()])
    return np.stack([ALTERATIONS[name](image, rng) for image in images]).clip(0, 1)


def make_views(images, size):
    """Return the images at a size, and the views of the first of them, as uint8."""
    resized = resize(images, size)
    views = {name: alter(resized[:N_VIEWED], name) for name in ALTERATIONS}
    return {
        name: np.uint8(np.rint(255 * view)) for name, view in ({"image": resized} | views).items()
    }


def extract(views, weights, folder):
    """Return the features as a dict of layers of dicts of views."""
    given = {"imagenet": folder / WEIGHTS, "procedural": "procedural", "random": None}[weights]
    resnet = ResNetFeatures(list(LAYERS[weights]), weights=given, random_state=0, cache=None)
    features = resnet.fit(views["image"]).transform(np.concatenate(list(views.values())))
    ends = np.cumsum(list_layers().loc[resnet.layers_, "width"])[:-1]
    starts = np.cumsum([len(view) for view in views.values()])[:-1]
    return {
        layer: dict(zip(views, np.split(of_layer, starts), strict=True))
        for layer, of_layer in zip(LAYERS[weights], np.split(features, ends, axis=1), strict=True)
    }
