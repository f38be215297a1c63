"""Boxes with a margin, padded and masked."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sklearn_resnet import ImageLoader, ImageReadError

BOX = ["top", "left", "bottom", "right"]


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for i in range(2):
        pixels = rng.integers(0, 256, (40 + i, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return [str(folder / f"{i}.png") for i in range(2)]


def test_a_margin_adds_context(paths):
    table = pd.DataFrame([[paths[0], 10, 10, 20, 30]], columns=["path", *BOX])
    whole = ImageLoader().fit_transform(paths[:1])[0]
    (image,) = ImageLoader(margin=3).fit_transform(table)
    np.testing.assert_array_equal(image, whole[7:23, 7:33])
    (image,) = ImageLoader(margin=0.25).fit_transform(table)
    np.testing.assert_array_equal(image, whole[8:22, 5:35])


def test_regions_beyond_the_border_are_padded(paths):
    table = pd.DataFrame([[paths[0], -45, 30, 30, 110]], columns=["path", *BOX])
    whole = ImageLoader().fit_transform(paths[:1])[0]
    (reflected,) = ImageLoader(pad="reflect").fit_transform(table)
    padded = np.pad(whole, ((45, 0), (0, 60), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(reflected, padded[:75, 30:110])
    (black,) = ImageLoader(pad="black").fit_transform(table)
    padded = np.pad(whole, ((45, 0), (0, 60), (0, 0)))
    np.testing.assert_array_equal(black, padded[:75, 30:110])


def test_without_padding_the_border_is_an_error(paths):
    table = pd.DataFrame([[paths[0], 0, 0, 9, 9], [paths[1], 0, 0, 9, 51]], columns=["path", *BOX])
    with pytest.raises(ImageReadError, match=r"41 x 50 pixels\. Pass pad='reflect'") as caught:
        ImageLoader(8).fit_transform(table)
    assert (caught.value.position, caught.value.path) == (1, paths[1])


def test_pixels_outside_a_mask_are_black(paths):
    mask = np.random.default_rng(1).random((10, 20)) < 0.5
    table = pd.DataFrame(
        [[paths[0], 10, 10, 20, 30], [paths[1], 1, 1, 9, 9]], columns=["path", *BOX]
    )
    table["mask"] = pd.Series([mask, None], dtype=object)
    whole = ImageLoader().fit_transform(paths[:1])[0]
    image = ImageLoader(margin=2, lazy=True).fit_transform(table)[0]
    np.testing.assert_array_equal(image[2:-2, 2:-2], whole[10:20, 10:30] * mask[..., np.newaxis])
    assert image.sum() == image[2:-2, 2:-2].sum()


def test_a_huge_region_is_refused(paths):
    table = pd.DataFrame([[paths[0], -(10**6), 0, 10**6, 9]], columns=["path", *BOX])
    with pytest.raises(
        ImageReadError, match="its region has 2000000 x 9 pixels, more than"
    ) as caught:
        ImageLoader(8, pad="black", max_pixels=10**7).fit_transform(table)
    assert (caught.value.position, caught.value.path) == (0, paths[0])
