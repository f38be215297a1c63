"""Colour profiles: Pillow's own conversion is the reference."""

import io

import numpy as np
import pytest
from icc_profiles import make_grey_profile, make_rgb_profile
from PIL import Image, ImageCms

from sklearn_resnet._images.decoding import read_image

DISPLAY_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
SRGB = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
COLOURS = [(200, 100, 50), (60, 180, 75), (30, 60, 200), (128, 128, 128)]
PIXELS = np.repeat(np.repeat(np.array([COLOURS], np.uint8), 16, 0), 16, 1)


def convert(image, profile):
    source, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    return np.asarray(ImageCms.profileToProfile(image, source, srgb, intent, outputMode="RGB"))


@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "tif"])
def test_colours_are_converted_to_srgb(tmp_path, extension):
    profile, image = make_rgb_profile(DISPLAY_P3), Image.fromarray(PIXELS)
    options = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}
    image.save(tmp_path / f"a.{extension}", icc_profile=profile, **options.get(extension, {}))
    expected = convert(image, profile).astype(int)
    assert abs(expected - PIXELS).max() > 20
    found = read_image(tmp_path / f"a.{extension}")
    assert abs(found - expected).max() <= (3 if extension == "jpg" else 0)


def test_a_deep_image_is_converted_too(tmp_path):
    import tifffile

    profile = make_rgb_profile(DISPLAY_P3)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS.astype(np.uint16) * 257, photometric="rgb", iccprofile=profile)
    np.testing.assert_array_equal(read_image(path), convert(Image.fromarray(PIXELS), profile))


def test_a_profile_that_is_srgb_changes_no_bit(tmp_path):
    image = Image.effect_noise((64, 64), 90).convert("RGB")
    for profile in (
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        make_rgb_profile(SRGB, gamma="sRGB"),
    ):
        image.save(tmp_path / "a.png", icc_profile=profile)
        np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.asarray(image))


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_alpha_is_laid_on_white_after_the_conversion(tmp_path, mode):
    profile = make_rgb_profile(DISPLAY_P3)
    image = Image.fromarray(PIXELS)
    converted = convert(image, profile).astype(float)
    image.putalpha(Image.fromarray(np.full(PIXELS.shape[:2], 102, np.uint8)))
    alpha = 0.4
    if mode == "P":
        image, alpha = image.convert("RGB").quantize(4), 1
    image.save(tmp_path / "a.png", icc_profile=profile)
    expected = converted * alpha + 255 * (1 - alpha)
    assert abs(read_image(tmp_path / "a.png") - expected).max() <= 1


def test_a_grey_profile_is_applied(tmp_path):
    image = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    profile = make_grey_profile(gamma=1.0)
    image.save(tmp_path / "a.png", icc_profile=profile)
    found = read_image(tmp_path / "a.png", mode="L").astype(int)
    assert abs(found - convert(image, profile)[..., 0]).max() <= 1
    assert found[8, 0] > 180  # half of the light


@pytest.mark.parametrize(
    ("mode", "profile", "problem"),
    [
        ("RGB", b"no profile", "cannot open profile"),
        ("RGB", make_rgb_profile(SRGB)[:200], "cannot open profile"),
        ("L", make_rgb_profile(DISPLAY_P3), "a profile for RGB in an image of mode L"),
    ],
)
def test_a_profile_that_cannot_be_used_is_reported_and_ignored(tmp_path, mode, profile, problem):
    image = Image.fromarray(PIXELS).convert(mode)
    image.save(tmp_path / "a.png", icc_profile=profile)
    reports = []
    found = read_image(tmp_path / "a.png", mode=mode, report=reports.append)
    np.testing.assert_array_equal(found, np.asarray(image))
    (remark,) = [report for report in reports if hasattr(report, "problem")]
    assert "colour profile cannot be used" in remark.problem
    assert problem in remark.detail
