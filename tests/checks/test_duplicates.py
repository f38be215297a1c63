"""Pairs of near copies, and groups."""

import numpy as np
import pytest
from PIL import Image

from sklearn_resnet.checks._duplicates import (
    Pairs,
    compare_candidates,
    find_exact,
    group_copies,
    match_resolutions,
)
from sklearn_resnet.checks._thumbnails import survey_images


def draw_scenes(n):
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (6, 6), np.uint8)).resize((96, 96)) for _ in range(n)
    ]


def nearest_pair(images, **options):
    survey = survey_images(images)
    pairs, scales = compare_candidates(survey.thumbnails, survey.sizes, survey.colors, **options)
    assert scales.shape == (len(images),)
    assert (pairs.first < len(images)).all()
    best = pairs.distances.argmin()
    return {int(pairs.first[best]), int(pairs.second[best])}, pairs.distances[best]


def test_a_crop_is_the_nearest_pair():
    scenes = draw_scenes(12)
    pair, distance = nearest_pair([*scenes, scenes[4].crop((6, 0, 94, 88))])
    assert pair == {4, 12}
    assert distance < 0.1


def test_a_mirrored_copy_is_found_on_request():
    scenes = draw_scenes(12)
    images = [*scenes, scenes[4].transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    assert nearest_pair(images)[1] > 0.3
    pair, distance = nearest_pair(images, mirrored=True)
    assert pair == {4, 12}
    assert distance < 0.1


def test_images_that_differ_in_colour_alone_are_no_copies():
    """The colours keep the grey values, so only the colours differ."""
    grey = np.stack([np.asarray(image, float) for image in draw_scenes(12)])
    grey = 60 + grey / 255 * 120
    luma, red = np.array([0.299, 0.587, 0.114]), np.array([60.0, 0, 0])
    scenes = [Image.fromarray(image.astype(np.uint8)).convert("RGB") for image in grey]
    tint = red - luma @ red
    images = [Image.fromarray((grey[4, :, :, None] + c * tint).astype(np.uint8)) for c in (1, -1)]
    pair, distance = nearest_pair([*scenes, *images])
    assert distance > 0.1
    pair, distance = nearest_pair([*scenes, *images, images[0].crop((4, 0, 94, 90))])
    assert pair == {12, 14}
    assert distance < 0.05


def test_features_propose_candidates_that_pixels_do_not():
    """All scenes are equal but one, so pixels have too many candidates."""
    scenes = draw_scenes(40)
    survey = survey_images(scenes)
    features = np.eye(40, dtype=np.float32)
    features[7] = features[31] = np.ones(40)
    by_pixels, _ = compare_candidates(survey.thumbnails, survey.sizes, survey.colors)
    by_both, _ = compare_candidates(survey.thumbnails, survey.sizes, survey.colors, features)
    listed = [(pairs.first.tolist(), pairs.second.tolist()) for pairs in (by_pixels, by_both)]
    assert (7, 31) not in zip(*listed[0], strict=True)
    assert (7, 31) in zip(*listed[1], strict=True)


def test_the_larger_image_of_a_pair_is_reduced_to_the_smaller_one():
    image = draw_scenes(1)[0].resize((28, 28))
    survey = survey_images([image, image.resize((14, 14)), image])
    thumbnails, moving, fixed = match_resolutions(
        survey.thumbnails, survey.sizes, np.array([0, 0, 1]), np.array([1, 2, 2])
    )
    assert (moving.tolist(), fixed.tolist()) == ([3, 0, 1], [1, 2, 4])
    before, after = (
        np.abs(thumbnails[i].astype(float) - survey.thumbnails[1]).mean() for i in (0, 3)
    )
    assert after < 0.5 * before


def test_reduced_images_do_not_count_for_the_scale():
    sizes, scales = np.array([[28, 28], [14, 14], [28, 28]], float), np.array([4.0, 1.0, 9.0])
    pairs = Pairs(np.array([0, 0, 1]), np.array([1, 2, 2]), np.ones(3))
    assert pairs.divide_by(scales, sizes).distances.tolist() == [1, 1 / 6, 1]


def test_equal_readable_files_are_pairs_with_the_first():
    digests = [b"a", b"b", b"a", b"b", b"a", b"c", b"c"]
    first, second = find_exact(digests, np.array([True] * 6 + [False]))
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 2), (1, 3), (0, 4)]
    assert find_exact([], np.array([], bool)).shape == (2, 0)


@pytest.mark.parametrize(
    ("pairs", "groups"),
    [
        ([], [0, 1, 2, 3, 4]),
        ([(3, 1)], [0, 1, 2, 1, 3]),
        ([(4, 2), (2, 0)], [0, 1, 0, 2, 0]),
    ],
)
def test_groups_are_connected_components_in_order(pairs, groups):
    first, second = np.array(pairs, int).reshape(-1, 2).T
    assert group_copies(first, second, 5).tolist() == groups
