"""One pass over images: thumbnails, sizes, sharpness, failures."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from sklearn_resnet import ImageLoader
from sklearn_resnet.checks._thumbnails import load_originals, survey_images


@pytest.fixture
def photo():
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    return Image.fromarray(noise).resize((320, 240), Image.Resampling.NEAREST)


def test_a_broken_file_does_not_end_the_pass(tmp_path, photo):
    good, broken = tmp_path / "good.png", tmp_path / "broken.png"
    photo.save(good)
    broken.write_bytes(good.read_bytes()[:400])
    survey = survey_images([good, broken, tmp_path / "missing.png"])
    assert survey.is_readable.tolist() == [True, False, False]
    assert survey.sizes[0].tolist() == [240, 320]
    assert np.isnan(survey.sizes[1:]).all()
    assert np.isnan(survey.quantiles[1:]).all()
    assert np.isfinite(survey.quantiles[0]).all()


@pytest.mark.parametrize("form", ["path", "pillow", "array"])
def test_all_forms_of_an_image_give_the_same(tmp_path, photo, form):
    photo.save(tmp_path / "a.png")
    image = {"path": tmp_path / "a.png", "pillow": photo, "array": np.asarray(photo)}[form]
    survey = survey_images([image])
    expected = np.asarray(photo.convert("L").resize((32, 32), Image.Resampling.BOX)) / 255
    np.testing.assert_allclose(survey.thumbnails[0], expected, atol=0.06)
    assert survey.sizes.tolist() == [[240, 320]]


def test_a_blur_lowers_the_sharpness_and_enlargement_does_not(photo):
    blurred = photo.filter(ImageFilter.GaussianBlur(12))
    small = photo.resize((32, 24))
    sharpness = survey_images([photo, blurred, small]).sharpness
    assert sharpness[1] < 0.4 * sharpness[0]
    assert sharpness[2] > 0.6 * sharpness[0]


def test_originals_keep_their_aspect_ratio_and_are_not_large(photo):
    images = [photo, photo.resize((2048, 1024))]
    originals = list(load_originals(survey_images(images), [0, 1]))
    assert [image.shape for image in originals] == [(240, 320, 3), (256, 512, 3)]


def test_lazy_images_are_read_as_they_are():
    images = np.random.default_rng(0).integers(0, 4000, (3, 40, 50, 2), np.uint16)
    lazy = ImageLoader(mode="channels", lazy=True).fit_transform(images)
    survey = survey_images(lazy)
    assert survey.thumbnails.shape == (3, 32, 32)
    assert survey.is_readable.all()
    assert next(load_originals(survey, [1])).shape == (40, 50, 2)
