"""The threshold keeps false pairs below a rate, and is no larger than copies need."""

import numpy as np
import pytest
from PIL import Image

from sklearn_resnet import ImageLoader
from sklearn_resnet.checks._thresholds import (
    ALTERATIONS,
    fit_strangers,
    learn_threshold,
    measure_copies,
)
from sklearn_resnet.checks._thumbnails import survey_images


def draw_strangers(n, exponent, seed=0):
    """Distances up to 0.6 whose number grows with a power of the distance."""
    return 0.6 * np.random.default_rng(seed).random(n) ** (1 / exponent)


@pytest.mark.parametrize("exponent", [2, 6])
def test_the_law_of_strangers_is_found_although_copies_are_among_them(exponent):
    distances = np.r_[draw_strangers(5000, exponent), np.full(2000, 0.01)]
    n_near, found = fit_strangers(distances)
    assert found == pytest.approx(exponent, rel=0.1)
    assert n_near == pytest.approx(5000, rel=0.1)


def test_false_pairs_stay_below_the_rate():
    strangers = draw_strangers(20_000, 3)
    learned = learn_threshold(strangers, {"crop": np.full(9, 0.5)}, 10_000, 0.01)
    assert (strangers <= learned["threshold"]).sum() == pytest.approx(100, rel=0.3)
    assert learned["false_pairs"] == pytest.approx(100)
    assert learned["recall"] == {"crop": 0.0}


def test_the_threshold_is_no_larger_than_copies_need():
    copies = {"jpeg": np.full(100, 0.02), "crop": np.linspace(0.03, 0.1, 100)}
    learned = learn_threshold(draw_strangers(200, 3), copies, 1000, 1.0)
    assert learned["threshold"] == pytest.approx(0.1, abs=0.003)
    assert learned["recall"]["jpeg"] == 1
    assert learned["recall"]["crop"] >= 0.97
    assert learned["false_pairs"] < 2


def test_without_false_pairs_nothing_near_is_found():
    assert learn_threshold(draw_strangers(200, 3), {}, 1000, 0)["threshold"] == 0


def test_without_strangers_copies_alone_decide():
    learned = learn_threshold(np.array([]), {"crop": np.full(9, 0.1)}, 9, 0.001)
    assert (learned["threshold"], learned["false_pairs"]) == (pytest.approx(0.1), 0)


@pytest.mark.parametrize("name", ALTERATIONS)
def test_altered_copies_are_near_their_originals(name):
    rng = np.random.default_rng(0)
    images = [
        np.asarray(Image.fromarray(rng.integers(0, 200, (8, 8), np.uint8)).resize((64, 48)))
        for _ in range(4)
    ]
    survey = survey_images(images)
    found = measure_copies(survey, np.ones(4))[name]
    assert found.shape == (4,)
    assert found.max() < 0.05


def test_lazy_images_of_another_size_have_the_same_colours_as_their_copies():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8))
    lazy = ImageLoader(96, lazy=True).fit_transform([image.resize((96, 96))] * 2)
    found = measure_copies(survey_images(lazy), np.ones(2))
    assert max(found["jpeg_50"].max(), found["half_size"].max()) < 0.05


def test_mirrored_copies_are_made_on_request():
    image = np.tile(np.arange(64, dtype=np.uint8) * 3, (64, 1))
    survey = survey_images([image] * 2)
    assert "mirrored" not in measure_copies(survey, np.ones(2))
    found = measure_copies(survey, np.ones(2), mirrored=True)
    assert found["mirrored"].max() < 0.01
