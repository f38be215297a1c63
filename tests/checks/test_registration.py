"""Registration finds crops, and tells them from strangers."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, zoom

from sklearn_resnet.checks._registration import align_coarsely, align_finely


@pytest.fixture(scope="module")
def scenes():
    """Smooth random images of 64 pixels."""
    noise = np.random.default_rng(0).normal(size=(6, 64, 64))
    images = gaussian_filter(noise, (0, 4, 4))
    return (images - images.min()) / np.ptp(images)


def shrink(images, side):
    return np.stack(
        [
            zoom(image, side / len(image), order=1, grid_mode=True, mode="nearest")
            for image in images
        ]
    )


def both_distances(first, second):
    pair = np.array([0]), np.array([1])
    transforms, coarse = align_coarsely(shrink([first, second], 16).astype(np.float32), *pair)
    transforms = transforms * np.array([1, 2, 2], np.float32)
    found, fine = align_finely(shrink([first, second], 32).astype(np.float32), *pair, transforms)
    return found[0], coarse[0], fine[0]


def test_equal_images_have_no_distance(scenes):
    transform, coarse, fine = both_distances(scenes[0], scenes[0])
    assert coarse == pytest.approx(0, abs=5e-3)
    assert fine == pytest.approx(0, abs=5e-3)
    np.testing.assert_allclose(transform, 0, atol=0.02)


def test_brightness_and_contrast_do_not_count(scenes):
    _, _, fine = both_distances(scenes[0], 0.3 + 0.5 * scenes[0])
    assert fine == pytest.approx(0, abs=5e-3)


@pytest.mark.parametrize("i", range(6))
@pytest.mark.parametrize("is_first", [True, False])
def test_a_crop_is_near_whichever_image_it_is(scenes, i, is_first):
    pair = [scenes[i], scenes[i][5:62, 2:59]]
    transform, _, fine = both_distances(*(pair if is_first else pair[::-1]))
    assert fine < 0.01
    assert abs(transform[0]) == pytest.approx(np.log(64 / 57), abs=0.02)


def test_strangers_are_far(scenes):
    assert both_distances(scenes[0], scenes[1])[2] > 0.3


def test_pairs_do_not_depend_on_their_company(scenes):
    images = shrink(scenes, 16).astype(np.float32)
    first, second = np.triu_indices(6, 1)
    _, together = align_coarsely(images, first, second)
    _, alone = align_coarsely(images, first[3:4], second[3:4])
    assert together[3] == pytest.approx(alone[0], abs=1e-5)
