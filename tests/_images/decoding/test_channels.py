"""All channels of an image in the depth of its file, rescaled and resized; false colours."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage.exposure import rescale_intensity

from sklearn_resnet._images.decoding import (
    convert_image,
    convert_pillow_image,
    measure_array,
    read_channel_names,
    read_image,
    read_samples,
)
from sklearn_resnet._images.decoding.channels import find_percentiles, to_channels
from sklearn_resnet._images.decoding.pixels import PREMULTIPLIED, Pixels
from sklearn_resnet._images.decoding.selection import Selection
from sklearn_resnet._images.errors import ImageReadError

RNG = np.random.default_rng(0)
SPECTRUM = RNG.integers(0, 4096, (12, 10, 5)).astype(np.uint16)
COLOURS = RNG.integers(0, 256, (12, 10, 3)).astype(np.uint8)
NO_DATA_TAG = 42113


def convert(array, value_range=None, mode="channels", **options):
    return convert_image(array, value_range, mode=mode, **options)


def scaled(values, low, high, white):
    """Values from low to high, as the documentation says."""
    return np.clip((values.astype(np.float64) - low) / (high - low), 0, 1) * white


def assert_rounded(image, expected):
    """Integers may differ by 1 where the exact value is halfway."""
    assert abs(image.astype(np.float64) - expected).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("n_channels", [1, 2, 3, 4, 40])
@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        *((dtype, dtype) for dtype in ("uint8", "uint16", "float32")),
        *((dtype, "float32") for dtype in ("int8", "int16", "int32", "uint32", "int64")),
        *((dtype, "float32") for dtype in ("float16", "float64")),
    ],
)
def test_channels_have_the_values_and_the_depth_of_the_file(tmp_path, dtype, expected, n_channels):
    values = (RNG.normal(0, 50, (5, 6, n_channels)) * 2).astype(dtype)
    np.save(tmp_path / "a.npy", values)
    for image in (read_image(tmp_path / "a.npy", mode="channels"), convert(values)):
        assert image.dtype == expected
        np.testing.assert_array_equal(image, values.astype(expected))


def test_bool_is_black_and_white(tmp_path):
    values = RNG.random((5, 6, 2)) > 0.5
    image = convert(values)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, values * 255)
    Image.fromarray(values[..., 0]).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png", mode="channels")
    np.testing.assert_array_equal(image[..., 0], values[..., 0] * 255)


def test_grey_is_one_channel():
    assert convert(SPECTRUM[..., 0]).shape == (12, 10, 1)


@pytest.mark.parametrize(
    ("mode", "names"),
    [
        ("L", ("0",)),
        ("LA", ("0", "A")),
        ("RGB", ("R", "G", "B")),
        ("RGBA", ("R", "G", "B", "A")),
        ("P", ("R", "G", "B")),
        ("CMYK", ("C", "M", "Y", "K")),
    ],
)
def test_the_bands_of_an_image_of_pillow_are_channels(tmp_path, mode, names):
    image = Image.fromarray(COLOURS).convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(COLOURS[..., 1]))
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.save(path)
    expected = np.atleast_3d(np.asarray(image.convert("RGB") if mode == "P" else image))
    np.testing.assert_array_equal(read_image(path, mode="channels"), expected)
    np.testing.assert_array_equal(convert_pillow_image(image, mode="channels"), expected)
    assert read_channel_names(path, {"mode": "channels"}) == names


def test_palettes_and_lab_become_red_green_and_blue(tmp_path):
    palette = np.zeros((3, 256), np.uint16)
    palette[:, :2] = [[65535, 0], [0, 257], [0, 65535]]
    indices = np.array([[0, 1]], np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=palette)
    image = read_image(tmp_path / "a.tif", mode="channels")
    np.testing.assert_array_equal(image, [[(255, 0, 0), (0, 1, 255)]])
    assert read_channel_names(tmp_path / "a.tif", {"mode": "channels"}) == ("R", "G", "B")


def test_alpha_is_a_channel_and_composed_with_nothing(tmp_path):
    values = np.dstack([COLOURS, COLOURS[..., 0]])
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", mode="channels"), values)


def test_a_profile_changes_no_channel(tmp_path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    Image.fromarray(COLOURS).save(tmp_path / "a.png", icc_profile=profile)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", mode="channels"), COLOURS)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_inverted_samples_are_inverted_within_their_dtype(dtype):
    values = np.array([[[0], [1]], [[7], [100]]]).astype(dtype)
    pixels = Pixels(samples=values, white_is_zero=True)
    white = {"uint8": 255, "uint16": 65535, "int16": -1, "float32": 1}[dtype]
    image = to_channels(pixels, Selection("channels"))
    np.testing.assert_array_equal(image, white - values.astype(np.float64))
    bits = Pixels(samples=values, white_is_zero=True, bits=7) if dtype == "uint8" else None
    if bits:
        np.testing.assert_array_equal(to_channels(bits, Selection("channels")), 127 - values)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_the_range_of_inverted_samples_is_in_the_units_of_the_file(dtype):
    values = RNG.integers(0, 120, (5, 6, 1)).astype(dtype)
    pixels = Pixels(samples=values, white_is_zero=True)
    image = to_channels(pixels, Selection("channels"), value_range=(20, 100))
    white = {"uint8": 255, "uint16": 65535}.get(dtype, 1.0)
    expected = white - scaled(values, 20, 100, white)
    if white > 1:
        assert_rounded(image, expected)
    else:
        np.testing.assert_allclose(image, expected, atol=1e-6)


def test_the_orientation_is_applied(tmp_path):
    for orientation in range(1, 9):
        tag = (274, "H", 1, orientation, True)
        tifffile.imwrite(tmp_path / "a.tif", COLOURS, photometric="rgb", extratags=[tag])
        np.testing.assert_array_equal(
            read_image(tmp_path / "a.tif", mode="channels"), read_image(tmp_path / "a.tif")
        )


# ---- no data


@pytest.mark.parametrize("rescale", [None, ("percentile", 5, 95), ((0, 200),)])
@pytest.mark.parametrize("mode", ["channels", "L"])
def test_nan_and_infinity_are_black_and_left_out_of_the_percentiles(mode, rescale):
    if mode == "L" and rescale is None:
        return  # an error, as ever
    values = RNG.normal(100, 20, (20, 20)).astype(np.float32)
    holes = values.copy()
    holes[0, :6] = np.nan, np.inf, -np.inf, np.nan, np.inf, -np.inf
    image = convert(holes, mode=mode, rescale=rescale)
    assert (image[0, :6] == 0).all()
    rest = values.ravel()[6:]
    if rescale is None:
        expected = rest
    else:
        low, high = rescale[0] if len(rescale) == 1 else np.percentile(rest.astype(float), [5, 95])
        expected = scaled(rest, low, high, 255 if mode == "L" else 1)
    assert abs(image.ravel()[6:].astype(float) - expected).max() <= (0.51 if mode == "L" else 1e-5)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_the_no_data_value_of_a_file_is_black_in_each_channel(tmp_path, dtype):
    values = SPECTRUM.astype(dtype)
    values[0, 0] = 7, 1, 7, 1, 1
    tag = (NO_DATA_TAG, "s", 2, "7", True)
    options = {"planarconfig": "contig", "photometric": "minisblack", "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", values, extratags=[tag], **options)
    image = read_image(tmp_path / "a.tif", mode="channels")
    np.testing.assert_array_equal(image, np.where(values == 7, 0, values))
    taken = read_samples(tmp_path / "a.tif", {"mode": "channels"}, 10_000)
    assert [len(channel) for channel in taken] == [(values[..., i] != 7).sum() for i in range(5)]


def test_a_transparent_colour_is_no_data(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "a.png", transparency=tuple(map(int, COLOURS[3, 4])))
    image = read_image(tmp_path / "a.png", mode="channels")
    assert (image[3, 4] == 0).all()
    assert (image != COLOURS).any(axis=-1).sum() == 1


def test_an_image_of_no_data_is_black():
    image = convert(np.full((4, 5, 2), np.nan), rescale=("percentile", 1, 99))
    assert (image == 0).all()


# ---- rescaling


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("side", [20, 300])
def test_percentiles_rescale_each_channel_as_scikit_image_does(dtype, side):
    """More pixels than levels go through a table."""
    shape = (side, side, 2)
    values = (RNG.gamma(2, 10, shape) * [1, 3]).astype(dtype)
    image = convert(values, rescale=("percentile", 2, 98))
    white = {"uint8": 255, "uint16": 65535}.get(dtype, 1.0)
    assert image.dtype == (dtype if white > 1 else "float32")
    for i in range(2):
        limits = tuple(np.percentile(values[..., i], (2, 98)))
        expected = rescale_intensity(values[..., i].astype(float), limits, (0, white))
        assert abs(image[..., i] - expected).max() <= (0.5 + 1e-6 if white > 1 else 1e-6)


def test_the_range_of_each_channel_can_be_given():
    ranges = tuple((100 * i, 3000 + 100 * i) for i in range(5))
    image = convert(SPECTRUM, rescale=ranges)
    for i, (low, high) in enumerate(ranges):
        assert_rounded(image[..., i], scaled(SPECTRUM[..., i], low, high, 65535))
    np.testing.assert_array_equal(
        convert(SPECTRUM, (100, 3000)), convert(SPECTRUM, rescale=((100, 3000),) * 5)
    )
    with pytest.raises(ImageReadError, match="it has 5 channels, but fit learned the ranges of 4"):
        convert(SPECTRUM, rescale=ranges[:4])


def test_learned_ranges_of_channels_are_not_those_of_other_channels():
    with pytest.raises(ImageReadError, match="it has 1 channel, but fit learned the ranges of 3"):
        convert(SPECTRUM[..., :1], rescale=((0, 1), (0, 2), (0, 3)))
    with pytest.raises(ImageReadError, match="it has 3 channels, but fit learned the ranges of 1"):
        convert(SPECTRUM[..., :3], rescale=((0, 1),))


def test_a_sample_of_values_is_of_all_columns():
    """A power of 2 is the usual width of images."""
    columns = np.tile(np.arange(256, dtype=np.uint16), (256, 1))
    options = {"mode": "channels", "size": None, "resize": "crop", "value_range": None}
    (values,) = measure_array(columns, options, 2**12)
    assert 2**11 < len(values) <= 2**12
    assert len(np.unique(values)) == 256


def test_a_constant_channel_is_black():
    image = convert(np.full((4, 5), 1000, np.uint16), rescale=("percentile", 0.1, 99.9))
    assert (image == 0).all()
    assert find_percentiles(np.full(9, 3.0), 1, 99) == (3.0, 4.0)
    assert find_percentiles(np.zeros(0), 1, 99) == (0.0, 1.0)


@pytest.mark.parametrize(("dtype", "n_values"), [(np.uint8, 500), (np.uint16, 70_000)])
def test_percentiles_of_many_integers_are_those_of_numpy(dtype, n_values):
    for high in (2, 200, np.iinfo(dtype).max):
        values = RNG.integers(0, high, n_values).astype(dtype)
        for percentiles in ((0, 100), (0.1, 99.9), (25, 75)):
            found = find_percentiles(values, *percentiles)
            np.testing.assert_allclose(found, np.percentile(values, percentiles), rtol=1e-12)


def test_only_dicom_has_a_window(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    with pytest.raises(ImageReadError, match="it has no window"):
        read_image(tmp_path / "a.png", rescale=("window",))
    pixels = Pixels(samples=SPECTRUM[..., :1], window_range=(100, 300))
    image = to_channels(pixels, Selection("channels"), rescale=("window",))
    assert_rounded(image, scaled(SPECTRUM[..., :1], 100, 300, 65535))


def test_12_bits_of_16_lose_nothing_before_the_result_of_8_bits(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", SPECTRUM[..., 0])
    image = read_image(tmp_path / "a.tif", mode="L", rescale=((0, 4095),))
    assert_rounded(image, scaled(SPECTRUM[..., 0], 0, 4095, 255))
    by_depth = read_image(tmp_path / "a.tif", mode="L")
    assert by_depth.max() <= 16


# ---- colour and grey


def test_three_channels_are_the_colours_of_an_image():
    image = convert(SPECTRUM, mode="RGB", channels=(4, 0, 2), rescale=("percentile", 0, 100))
    chosen = SPECTRUM[..., [4, 0, 2]]
    assert_rounded(image, scaled(chosen, chosen.min((0, 1)), chosen.max((0, 1)), 255))
    grey = convert(SPECTRUM, mode="L", channels=(4, 0, 2), rescale=("percentile", 0, 100))
    np.testing.assert_array_equal(grey, np.asarray(Image.fromarray(image).convert("L")))


def test_one_channel_is_grey():
    image = convert(SPECTRUM, mode="RGB", channels=(3,), rescale=((0, 4095),))
    assert_rounded(image, scaled(SPECTRUM[..., [3, 3, 3]], 0, 4095, 255))


@pytest.mark.parametrize("n_channels", [2, 4])
def test_other_numbers_make_no_colours(n_channels):
    with pytest.raises(ImageReadError, match=f"{n_channels} channels make no colour image"):
        convert(SPECTRUM, mode="RGB", channels=tuple(range(n_channels)))


def test_without_a_range_false_colours_are_scaled_by_depth():
    image = convert(SPECTRUM, mode="RGB", channels=(4, 0, 2))
    assert_rounded(image, scaled(SPECTRUM[..., [4, 0, 2]], 0, 65535, 255))


def test_percentiles_rescale_the_colours_of_a_photo_and_alpha_is_laid_on_white(tmp_path):
    alpha = np.where(np.arange(10) < 5, 255, 0) + np.zeros((12, 1), int)
    values = np.dstack([COLOURS, alpha]).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png", rescale=("percentile", 0, 100))
    assert (image[:, 5:] == 255).all()
    limits = COLOURS.min((0, 1)), COLOURS.max((0, 1))
    assert_rounded(image[:, :5], scaled(COLOURS[:, :5], *limits, 255))
    np.testing.assert_array_equal(
        convert(values, mode="RGB", rescale=("percentile", 0, 100)), image
    )


def test_colours_multiplied_by_alpha_are_not_rescaled(tmp_path):
    values = np.dstack([COLOURS // 2, COLOURS[..., 0] | 128])
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extrasamples=["assocalpha"])
    with pytest.raises(ImageReadError, match="multiplied by alpha"):
        read_image(tmp_path / "a.tif", rescale=("percentile", 1, 99))
    assert PREMULTIPLIED == "premultiplied alpha"
    assert read_image(tmp_path / "a.tif", mode="channels").shape == (12, 10, 4)


# ---- sizes


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(6, 6), (5, 9), (30, 20)])
def test_channels_of_8_bits_are_resized_as_images_are(tmp_path, size, resize):
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    options = {"size": size, "resize": resize}
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.png", mode="channels", **options),
        read_image(tmp_path / "a.png", **options),
    )


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deep_channels_are_resized_in_their_depth(dtype, resize):
    """As 8 bits are, but with the rounding of their own depth."""
    values = COLOURS.astype(dtype)
    image = convert(values * 16 if dtype == np.uint16 else values, size=(6, 6), resize=resize)
    assert image.dtype == dtype
    expected = convert(COLOURS, size=(6, 6), resize=resize)
    scale = 16 if dtype == np.uint16 else 1
    assert abs(image / scale - expected).max() <= 1.1
    assert (image % 16 != 0).any() or dtype != np.uint16


def test_channels_of_16_bits_are_rounded_to_the_nearest():
    options = {"size": (6, 6), "resize": "stretch"}
    exact = convert(SPECTRUM.astype(np.float32), **options)
    np.testing.assert_array_equal(convert(SPECTRUM, **options), np.rint(exact))


# ---- samples for fit


def test_a_sample_is_spread_over_the_image_and_bounded(tmp_path):
    np.save(tmp_path / "a.npy", SPECTRUM)
    options = {"mode": "channels", "channels": (4, 1)}
    for taken in (
        read_samples(tmp_path / "a.npy", options, 50),
        measure_array(SPECTRUM, options, 50),
    ):
        for i, values in zip((4, 1), taken, strict=True):
            np.testing.assert_array_equal(values, SPECTRUM[..., i].ravel()[::3])
    (whole, _) = read_samples(tmp_path / "a.npy", options, 120)
    assert len(whole) == 120


def test_a_sample_for_colours_leaves_out_alpha(tmp_path):
    Image.fromarray(np.dstack([COLOURS, COLOURS[..., 0]])).save(tmp_path / "a.png")
    assert len(read_samples(tmp_path / "a.png", {"mode": "RGB"}, 100)) == 3
    assert len(read_samples(tmp_path / "a.png", {"mode": "channels"}, 100)) == 4


def test_errors_of_samples_and_names_name_the_file(tmp_path):
    (tmp_path / "a.png").write_bytes(b"nothing")
    for read in (lambda *args: read_samples(*args, 9), read_channel_names):
        with pytest.raises(ImageReadError, match=r"a\.png"):
            read(tmp_path / "a.png", {"mode": "channels"})
