"""Sheets of thumbnails: equal pixels, whatever holds the images."""

import base64
import io

import h5py
import numpy as np
import pytest
from PIL import Image

from sklearn_resnet import ImageLoader
from sklearn_resnet.plotting.explorer.sprites import make_sheets, thumbnail_side

N = 300  # more than one batch
IMAGES = np.random.default_rng(0).integers(0, 256, (N, 6, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["list", "h5py", "lazy"])
def test_sheets_are_those_of_an_array(kind):
    makes = {
        "list": lambda: list(IMAGES),
        "h5py": lambda: h5py.File(io.BytesIO(), "w").create_dataset("x", data=IMAGES),
        "lazy": lambda: ImageLoader(lazy=True).fit_transform(IMAGES),
    }
    images = makes[kind]()
    assert thumbnail_side(IMAGES) == 8
    assert thumbnail_side(images) == (160 if kind == "list" else 8)
    assert make_sheets(images, 8) == make_sheets(IMAGES, 8)


def test_a_dark_image_of_an_array_stays_dark():
    images = np.full((N, 4, 4), 0.1, np.float32)
    images[-1] = 1
    (sheet,), n_columns = make_sheets(images, 4)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet))).convert("L"))
    assert n_columns == 18
    assert pixels[:40].max() < 60
