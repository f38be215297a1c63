"""Files of images with named channels."""

import numpy as np
import tifffile

NAMES = ("DAPI", "GFP", "actin", "golgi", "lamin")


def make_channels(n_images=4, shape=(12, 10), n_channels=5, dtype=np.uint16, seed=0):
    """Images of 12 bits, each channel with a brightness of its own: (n, height, width, channels)."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 400, (n_images, *shape, n_channels))
    return (noise + 500 * np.arange(n_channels)).astype(dtype)


def save_ome(folder, images, names=NAMES):
    """Save images as OME-TIFF, channel by channel; return their paths."""
    paths = [str(folder / f"{i}.ome.tif") for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        metadata = {"axes": "CYX"}
        if names is not None:
            metadata["Channel"] = {"Name": list(names[: image.shape[2]])}
        planes = np.ascontiguousarray(np.moveaxis(image, -1, 0))
        tifffile.imwrite(path, planes, metadata=metadata, photometric="minisblack")
    return paths


def save_arrays(folder, images):
    """Save images as .npy, whose channels have no names; return their paths."""
    paths = [str(folder / f"{i}.npy") for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        np.save(path, image)
    return paths
