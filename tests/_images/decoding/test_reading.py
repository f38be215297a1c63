"""Files of every mode and depth, upright, resized; and files that are no image."""

import pickle
import re
import tracemalloc

import numpy as np
import PIL
import pytest
import tifffile
from PIL import Image, ImageOps

from sklearn_resnet._images.decoding import convert_image, read_image
from sklearn_resnet._images.errors import ImageReadError

RED, BLUE, WHITE, BLACK = (255, 0, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
EXIF_ORIENTATION = 274

# How an upright image is stored, by EXIF orientation.
AS_STORED = {
    1: lambda image: image,
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, 1),
    7: lambda image: np.rot90(image, 2).swapaxes(0, 1),
    8: lambda image: np.rot90(image, -1),
}


def colour(*pixels):
    return np.array([pixels], dtype=np.uint8)


def with_mode(mode, *pixels):
    image = Image.new(mode, (len(pixels), 1))
    image.putdata(pixels)
    return image


def with_palette(*indices):
    image = with_mode("P", *indices)
    image.putpalette([*RED, *BLUE, *BLACK])
    return image


def blocks(*colours):
    """Of 16 x 16 pixels each, side by side, which JPEG keeps apart."""
    return np.repeat(np.repeat(np.array([colours], np.uint8), 16, axis=0), 16, axis=1)


# PNG and others without loss: the image, options to save it, the pixels that must come out.
LOSSLESS = {
    "grey 8": (with_mode("L", 0, 51, 255), {}, colour(BLACK, (51,) * 3, WHITE)),
    "grey 16": (
        Image.fromarray(np.array([[0, 257, 30_000, 65_535]], np.uint16)),
        {},
        colour(BLACK, (1,) * 3, (117,) * 3, WHITE),
    ),
    "grey 16, dark": (
        Image.fromarray(np.array([[0, 100, 255]], np.uint16)),
        {},
        colour(BLACK, BLACK, (1,) * 3),
    ),
    "RGB": (with_mode("RGB", RED, (1, 2, 3)), {}, colour(RED, (1, 2, 3))),
    "palette": (with_palette(0, 1, 2, 1), {}, colour(RED, BLUE, BLACK, BLUE)),
    "palette with a transparent entry": (
        with_palette(0, 1, 2),
        {"transparency": 1},
        colour(RED, WHITE, BLACK),
    ),
    "palette with alpha": (
        with_palette(0, 1, 2),
        {"transparency": bytes([255, 51, 0])},
        colour(RED, (204, 204, 255), WHITE),
    ),
    "LA": (
        with_mode("LA", (100, 255), (100, 0), (0, 51)),
        {},
        colour((100,) * 3, WHITE, (204,) * 3),
    ),
    "RGBA": (
        with_mode("RGBA", (*RED, 255), (*RED, 0), (*RED, 51), (0, 100, 200, 102)),
        {},
        colour(RED, WHITE, (255, 204, 204), (153, 193, 233)),
    ),
    "1 bit": (with_mode("1", 0, 255, 0), {}, colour(BLACK, WHITE, BLACK)),
    "grey with a transparent key": (
        with_mode("L", 7, 8),
        {"transparency": 7},
        colour(WHITE, (8,) * 3),
    ),
    "grey 16 with a transparent key": (
        Image.fromarray(np.array([[0, 257, 65_535]], np.uint16)),
        {"transparency": 257},
        colour(BLACK, WHITE, WHITE),
    ),
    "RGB with a transparent key": (
        with_mode("RGB", RED, (1, 2, 3)),
        {"transparency": (1, 2, 3)},
        colour(RED, WHITE),
    ),
}


@pytest.mark.parametrize("case", LOSSLESS)
def test_png_of_each_mode(tmp_path, case):
    image, options, expected = LOSSLESS[case]
    image.save(tmp_path / "image.png", **options)
    pixels = read_image(tmp_path / "image.png")
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize(
    ("mode", "colours", "expected"),
    [
        ("L", [0, 100, 255], [BLACK, (100,) * 3, WHITE]),
        ("RGB", [RED, BLUE, (20, 120, 220)], [RED, BLUE, (20, 120, 220)]),
        ("CMYK", [(0, 255, 255, 0), (0, 0, 0, 255), (0, 0, 0, 0)], [RED, BLACK, WHITE]),
    ],
)
def test_jpeg_of_each_mode(tmp_path, mode, colours, expected):
    Image.fromarray(blocks(*colours), mode).save(tmp_path / "image.jpg", quality=100, subsampling=0)
    with Image.open(tmp_path / "image.jpg") as saved:
        assert saved.mode == mode
    pixels = read_image(tmp_path / "image.jpg").astype(int)
    assert pixels.shape == (16, 48, 3)
    assert abs(pixels - blocks(*expected)).max() <= 3


TIFF = {
    "uint8": (np.array([[0, 51, 255]], np.uint8), [0, 51, 255]),
    "uint16": (np.array([[0, 25_700, 65_535]], np.uint16), [0, 100, 255]),
    "uint16, dark": (np.array([[0, 100, 255]], np.uint16), [0, 0, 1]),
    "big-endian uint16, dark": (np.array([[0, 100, 255]], ">u2"), [0, 0, 1]),
    "int32 of 8 bits": (np.array([[0, 100, 255]], np.int32), [0, 100, 255]),
    "int32 of 16 bits": (np.array([[0, 25_700, 65_535]], np.int32), [0, 100, 255]),
    "int32": (np.array([[0, 2**30, 2**31 - 1]], np.int32), [0, 128, 255]),
    "uint32 of 16 bits": (np.array([[0, 25_700, 65_535]], np.uint32), [0, 100, 255]),
    "uint32": (np.array([[0, 2**30, 2**31, 2**32 - 1]], np.uint32), [0, 64, 128, 255]),
    "float to 1": (np.array([[0, 0.2, 1]], np.float32), [0, 51, 255]),
    "float to 255": (np.array([[0, 51, 200]], np.float32), [0, 51, 200]),
    "float beyond 255": (np.array([[0, 200, 1000]], np.float32), [0, 51, 255]),
    "negative float": (np.array([[-1, -0.6, 1]], np.float32), [0, 51, 255]),
    "one negative float": (np.array([[-3, -3]], np.float32), [0, 0]),
    "int16": (np.array([[0, 16_384, 32_767]], np.int16), [0, 128, 255]),
    "float with overshoot": (np.array([[-0.1, 0, 0.2, 1, 1.2]], np.float32), [0, 0, 51, 255, 255]),
    "float16": (np.array([[0, 0.2, 1]], np.float16), [0, 51, 255]),
    "float64": (np.array([[0, 0.2, 1]]), [0, 51, 255]),
    "float64 beyond 255": (np.array([[-500, -300, 500]], float), [0, 51, 255]),
}


@pytest.mark.parametrize("case", TIFF)
def test_tiff_of_each_depth(tmp_path, case):
    array, expected = TIFF[case]
    tifffile.imwrite(tmp_path / "image.tif", array, byteorder=array.dtype.str[0].strip("|") or None)
    np.testing.assert_array_equal(read_image(tmp_path / "image.tif", mode="L"), [expected])
    np.testing.assert_array_equal(read_image(tmp_path / "image.tif")[0, :, 1], expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_colour_tiff_of_each_depth(tmp_path, dtype, planes, compression, byteorder):
    """Pillow cuts the lower byte of 16-bit colours off, which is up to one less than rounding."""
    white = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    array = (np.arange(2 * 5 * 3).reshape(2, 5, 3) / 29 * white).astype(dtype)
    tifffile.imwrite(
        tmp_path / "image.tif",
        array if planes == "contig" else np.moveaxis(array, 2, 0),
        photometric="rgb",
        planarconfig=planes,
        compression=compression,
        byteorder=byteorder,
    )
    pixels = read_image(tmp_path / "image.tif").astype(int)
    assert abs(pixels - np.rint(array / white * 255)).max() <= (dtype == np.uint16)


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65_535)])
def test_tiff_with_alpha_is_laid_on_white(tmp_path, dtype, white):
    array = (np.array([[[1, 0, 0, 1], [1, 0, 0, 0], [1, 0, 0, 0.2]]]) * white).astype(dtype)
    tifffile.imwrite(tmp_path / "image.tif", array, photometric="rgb", extrasamples=["unassalpha"])
    expected = colour(RED, WHITE, (255, 204, 204))
    np.testing.assert_array_equal(read_image(tmp_path / "image.tif"), expected)


@pytest.mark.parametrize("photometric", ["minisblack", "rgb"])
def test_tiff_with_premultiplied_alpha_is_laid_on_white(tmp_path, photometric):
    if photometric == "minisblack" and int(PIL.__version__.split(".")[0]) < 13:
        pytest.skip("Pillow reads grey with premultiplied alpha from 13 on")
    pixels = [[51, 102], [0, 0], [200, 255]]
    array = np.array([[[grey] * (3 if photometric == "rgb" else 1) + [a] for grey, a in pixels]])
    tifffile.imwrite(
        tmp_path / "image.tif",
        array.astype(np.uint8),
        photometric=photometric,
        extrasamples=["assocalpha"],
        planarconfig="contig",
    )
    pixels = read_image(tmp_path / "image.tif", mode="L").astype(int)
    assert abs(pixels - [[51 + 153, 255, 200]]).max() <= 1


def test_the_content_of_a_file_decides_its_format(tmp_path):
    tifffile.imwrite(tmp_path / "tiff.jpg", np.array([[0, 0.2, 1]]))
    with_mode("L", 0, 51, 255).save(tmp_path / "png.tif", format="PNG")
    for name in ("tiff.jpg", "png.tif"):
        np.testing.assert_array_equal(read_image(tmp_path / name, mode="L"), [[0, 51, 255]])


@pytest.mark.parametrize("extension", ["bmp", "webp", "gif", "ppm", "jp2", "tif"])
def test_other_formats_without_loss(tmp_path, extension):
    expected = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    options = {"lossless": True} if extension == "webp" else {}
    Image.fromarray(expected).save(tmp_path / f"image.{extension}", **options)
    np.testing.assert_array_equal(read_image(str(tmp_path / f"image.{extension}")), expected)


def test_animated_gif_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (3, 2), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "image.gif", save_all=True, append_images=frames[1:])
    with Image.open(tmp_path / "image.gif") as saved:
        assert saved.n_frames == 2
    assert (read_image(tmp_path / "image.gif") == RED).all()


def test_mpo_gives_its_first_picture(tmp_path):
    pictures = [Image.fromarray(blocks(colour)) for colour in (RED, BLUE)]
    pictures[0].save(tmp_path / "image.mpo", save_all=True, append_images=pictures[1:])
    assert abs(read_image(tmp_path / "image.mpo").astype(int) - RED).max() <= 3


@pytest.mark.parametrize(
    ("maximum", "values", "expected"),
    [
        (65_535, [0, 257, 65_535], [0, 1, 255]),
        (65_535, [0, 100, 255], [0, 0, 1]),
        (1023, [0, 4, 1023], [0, 1, 255]),
    ],
)
def test_pgm_of_more_than_8_bits(tmp_path, maximum, values, expected):
    pixels = np.array(values, ">u2").tobytes()
    (tmp_path / "image.pgm").write_bytes(b"P5 3 1 %d\n" % maximum + pixels)
    np.testing.assert_array_equal(read_image(tmp_path / "image.pgm", mode="L"), [expected])


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[False, True]]), colour(BLACK, WHITE)),
        (np.array([[0, 51]], np.uint8), colour(BLACK, (51,) * 3)),
        (np.array([[[0], [51]]], np.uint8), colour(BLACK, (51,) * 3)),
        (np.array([[0, 64, 127]], np.int8), colour(BLACK, (129,) * 3, WHITE)),
        (np.array([[0, 257]], np.uint16), colour(BLACK, (1,) * 3)),
        (np.array([[0, 257]], ">u2"), colour(BLACK, (1,) * 3)),
        (np.array([[0, 16_384, 32_767]], np.int16), colour(BLACK, (128,) * 3, WHITE)),
        (np.array([[0, 51]], np.int64), colour(BLACK, (51,) * 3)),
        (np.array([[0, 0.2]], np.float16), colour(BLACK, (51,) * 3)),
        (np.array([[-1, 1]], np.float32), colour(BLACK, WHITE)),
        (np.array([[0, 1000]], float), colour(BLACK, WHITE)),
        (np.array([[RED, BLUE]], float), colour(RED, BLUE)),
        (np.array([[[1, 0, 0, 1], [1, 0, 0, 0.2]]]), colour(RED, (255, 204, 204))),
        (np.asfortranarray(blocks(RED, BLUE)), blocks(RED, BLUE)),
    ],
)
def test_npy_of_each_dtype_and_shape(tmp_path, array, expected):
    np.save(tmp_path / "image.npy", array)
    np.testing.assert_array_equal(read_image(tmp_path / "image.npy"), expected)


@pytest.mark.parametrize("extension", ["tif", "npy"])
@pytest.mark.parametrize(
    "array",
    [
        np.array([[0, 200, 1000]], np.float32),
        np.array([[0, 0.8, 4]]),
        np.array([[-1, -0.6, 1]], np.float32),
        np.array([[-500, -300, 500]], float),
        np.array([[-1024, -205, 3071]], np.int16),
        np.array([[-400, 1300, 8100]], np.int32),
    ],
    ids=lambda array: f"{array.dtype} to {array.max():g}",
)
def test_a_file_of_unusual_range_is_scaled_from_its_own_and_reported(tmp_path, array, extension):
    path, reports = tmp_path / f"image.{extension}", []
    np.save(path, array) if extension == "npy" else tifffile.imwrite(path, array)
    low, high = float(array.min()), float(array.max())
    for options in ({"report": reports.append}, {"value_range": (low, high)}):
        pixels = read_image(path, mode="L", **options)
        np.testing.assert_array_equal(pixels, [[0, 51, 255]])
    (inferred,) = reports
    assert inferred.is_guess
    assert inferred.extent[1:3] == (low, high)


@pytest.mark.parametrize("extension", ["tif", "npy", "png"])
def test_a_mask_of_0_and_1_is_black_and_white(tmp_path, extension):
    mask = np.array([[0, 1, 1]], np.uint8)
    path = tmp_path / f"image.{extension}"
    np.save(path, mask) if extension == "npy" else Image.fromarray(mask).save(path)
    np.testing.assert_array_equal(read_image(path, mode="L"), [[0, 255, 255]])
    np.testing.assert_array_equal(read_image(path, mode="L", value_range=(0, 255)), mask)


def test_a_value_range_that_is_given_scales_files_of_8_bits_too(tmp_path):
    with_mode("RGB", (0, 50, 100)).save(tmp_path / "image.png")
    pixels = read_image(tmp_path / "image.png", value_range=(0, 100))
    np.testing.assert_array_equal(pixels, colour((0, 128, 255)))


def test_the_inferred_range_is_reported_from_the_cache_too(tmp_path):
    np.save(tmp_path / "image.npy", np.array([[0, 300]], np.uint16))
    reports = []
    for value_range in (None, None, (0, 300)):
        read_image(
            tmp_path / "image.npy",
            value_range=value_range,
            use_cache=True,
            report=reports.append,
        )
    assert [inferred.extent.max for inferred in reports] == [300, 300]


def save_turned(path, orientation, image):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    stored = Image.fromarray(np.ascontiguousarray(AS_STORED[orientation](image)))
    stored.save(
        path, exif=exif, **({"quality": 100, "subsampling": 0} if path.suffix == ".jpg" else {})
    )


@pytest.mark.parametrize("orientation", AS_STORED)
@pytest.mark.parametrize("size", [None, (4, 6), (6, 4)])
def test_jpeg_of_each_orientation_is_upright(tmp_path, orientation, size):
    """Large enough that Pillow shrinks it while decoding, when its sides are still swapped."""
    upright = np.concatenate([blocks(RED, (0, 255, 0), BLUE), blocks(BLACK, WHITE, BLACK)])
    save_turned(tmp_path / "turned.jpg", orientation, upright)
    Image.fromarray(upright).save(tmp_path / "upright.png")
    pixels, expected = (
        read_image(tmp_path / name, size=size).astype(int) for name in ("turned.jpg", "upright.png")
    )
    assert pixels.shape == expected.shape == (*(size or (32, 48)), 3)
    assert abs(pixels - expected).max() <= 8


@pytest.mark.parametrize("orientation", AS_STORED)
@pytest.mark.parametrize("extension", ["png", "tif"])
@pytest.mark.parametrize(
    "upright",
    [
        np.arange(15, dtype=np.uint8).reshape(3, 5),
        np.arange(45, dtype=np.uint8).reshape(3, 5, 3),
        np.arange(15, dtype=np.uint16).reshape(3, 5) * 257,
    ],
    ids=["grey", "colour", "16 bits"],
)
def test_other_formats_of_each_orientation_are_upright(tmp_path, orientation, extension, upright):
    save_turned(tmp_path / f"turned.{extension}", orientation, upright)
    pixels = read_image(tmp_path / f"turned.{extension}", mode="L" if upright.ndim == 2 else "RGB")
    np.testing.assert_array_equal(pixels, upright // (257 if upright.dtype == np.uint16 else 1))


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (64, 64), (3, 200)])
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (5, 7, 3), (129, 130)])
def test_resize_gives_the_size(resize, size, shape):
    pixels = convert_image(np.full(shape, 90, np.uint8), (0, 255), size=size, resize=resize)
    assert pixels.shape == (*size, 3)
    assert set(np.unique(pixels)) <= ({0, 90} if resize == "pad" else {90})


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((20, 31, 3), (16, 16)),
        ((20, 31, 3), (12, 25)),
        ((20, 31, 3), (40, 30)),
        ((33, 17, 3), (16, 16)),
        ((33, 17, 3), (24, 26)),
    ],
)
@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
def test_resize_agrees_with_pillow(resize, shape, size):
    """With `ImageOps`, where nothing is reduced by more than twice, which has a faster way."""
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    image, turned, bilinear = Image.fromarray(pixels), size[::-1], Image.Resampling.BILINEAR
    expected = {
        "crop": lambda: ImageOps.fit(image, turned, bilinear),
        "pad": lambda: ImageOps.pad(image, turned, bilinear),
        "stretch": lambda: image.resize(turned, bilinear),
    }[resize]()
    found = convert_image(pixels, (0, 255), size=size, resize=resize)
    np.testing.assert_array_equal(found, np.asarray(expected))


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
def test_an_image_of_the_size_is_left_as_it_is(resize):
    image = np.random.default_rng(0).integers(0, 256, (9, 13, 3), np.uint8)
    pixels = convert_image(image, (0, 255), size=(9, 13), resize=resize)
    np.testing.assert_array_equal(pixels, image)


@pytest.mark.parametrize(("side", "size"), [(11, 49), (22, 49), (31, 299), (49, 147)])
def test_crop_survives_the_rounding_of_its_box(side, size):
    image = np.full((side, side + 5), 90, np.uint8)
    for turned in (image, image.T):
        assert (convert_image(turned, (0, 255), size=(size, size)) == 90).all()


@pytest.mark.parametrize("turn", [False, True], ids=["wide", "tall"])
@pytest.mark.parametrize("size", [5, 10, 40])
@pytest.mark.parametrize("width", [30, 50])
def test_crop_takes_the_middle(turn, size, width):
    """A white square in the middle fills the result, except for blended pixels at its edges."""
    image = np.zeros((10, width), np.uint8)
    image[:, width // 2 - 5 : width // 2 + 5] = 255
    image = image.T if turn else image
    pixels = convert_image(image, (0, 255), size=(size, size), mode="L")
    pixels = pixels.T if turn else pixels
    blended = 0 if size == 10 else max(1, size // 20)
    assert (pixels[:, blended : size - blended] == 255).all()
    assert (pixels[:, [0, -1]] >= 120).all()


@pytest.mark.parametrize(("shape", "size"), [((10, 31), 10), ((31, 10), 7), ((3, 8), 5)])
def test_crop_by_half_pixels_keeps_symmetry(shape, size):
    noise = np.random.default_rng(0).integers(0, 128, shape, np.uint8)
    image = noise + noise[::-1, ::-1]
    pixels = convert_image(image, (0, 255), size=(size, size), mode="L").astype(int)
    assert np.ptp(pixels) > 20
    assert abs(pixels - pixels[::-1, ::-1]).max() <= 1


@pytest.mark.parametrize("turn", [False, True], ids=["wide", "tall"])
@pytest.mark.parametrize(
    ("shape", "size", "above", "height"),
    [
        ((10, 20), (20, 20), 5, 10),
        ((10, 20), (21, 20), 5, 10),
        ((5, 10), (20, 20), 5, 10),
        ((20, 40), (10, 10), 2, 5),
        ((1, 300), (9, 9), 4, 1),
        ((1, 300), (64, 64), 31, 1),
    ],
)
def test_pad_adds_black_at_two_sides(turn, shape, size, above, height):
    expected = np.zeros(size, np.uint8)
    expected[above : above + height] = 255
    image = np.full(shape, 255, np.uint8)
    if turn:
        image, size, expected = image.T, size[::-1], expected.T
    pixels = convert_image(image, (0, 255), size=size, resize="pad", mode="L")
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("size", [(8, 4), (4, 8), (80, 33)])
def test_stretch_keeps_all_four_corners(size):
    corners = np.array([[10, 80], [160, 250]], np.uint8)
    image = np.repeat(np.repeat(corners, 20, axis=0), 10, axis=1)
    pixels = convert_image(image, (0, 255), size=size, resize="stretch", mode="L").astype(int)
    assert abs(pixels[[0, 0, -1, -1], [0, -1, 0, -1]] - corners.ravel()).max() <= 40 // min(size)


def test_downscaling_averages_all_pixels():
    checkerboard = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    pixels = convert_image(checkerboard, (0, 255), size=(4, 4), mode="L").astype(int)
    assert abs(pixels - 127.5).max() <= 2


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_file_and_its_array_give_the_same(tmp_path, resize, mode):
    image = np.random.default_rng(0).integers(0, 256, (30, 41, 4), np.uint8)
    Image.fromarray(image).save(tmp_path / "image.png")
    options = {"size": (11, 13), "resize": resize, "mode": mode}
    np.testing.assert_array_equal(
        read_image(tmp_path / "image.png", **options), convert_image(image, (0, 255), **options)
    )


@pytest.mark.parametrize("size", [(10, 200), (200, 10)])
@pytest.mark.parametrize("resize", ["crop", "stretch"])
def test_a_jpeg_is_not_shrunk_below_the_longer_side_of_the_size(tmp_path, size, resize):
    """Pillow's `draft` would blur it; without it, the file is decoded whole."""
    Image.effect_noise((400, 400), 99).save(tmp_path / "image.jpg")
    whole = np.asarray(Image.open(tmp_path / "image.jpg"))
    options = {"size": size, "resize": resize, "mode": "L"}
    np.testing.assert_array_equal(
        read_image(tmp_path / "image.jpg", **options), convert_image(whole, (0, 255), **options)
    )


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_npy_of_each_version(tmp_path, version):
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    with open(tmp_path / "image.npy", "wb") as file:
        np.lib.format.write_array(file, array, version)
    np.testing.assert_array_equal(read_image(tmp_path / "image.npy", mode="L"), array)


@pytest.mark.parametrize("shape", [(3, 5, 3), (4, 5, 3), (3, 5, 4), (5, 3, 3), (4, 4, 4)])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_a_deep_colour_tiff_of_few_rows_is_not_taken_for_planes(tmp_path, shape, bigtiff):
    array = np.arange(np.prod(shape)).reshape(shape) / 255
    array[..., 3:] = 1  # opaque
    options = {"extrasamples": ["unassalpha"]} if shape[2] == 4 else {}
    path = tmp_path / "image.tif"
    tifffile.imwrite(
        path, array, photometric="rgb", planarconfig="contig", bigtiff=bigtiff, **options
    )
    expected = np.rint(tifffile.imread(path)[..., :3] * 255)
    np.testing.assert_array_equal(read_image(path), expected)


def test_a_lab_tiff_is_converted_to_rgb(tmp_path):
    """Against scikit-image's conversion, adapted to D50, the white point of profiles."""
    from skimage.color import lab2xyz, rgb2xyz, xyz2lab, xyz2rgb

    bradford = [
        [1.04781, 0.02289, -0.05013],
        [0.02954, 0.99048, -0.01705],
        [-0.00923, 0.01504, 0.75213],
    ]
    colours = np.array([[(200, 40, 60), (20, 120, 220), (90, 90, 90)]], np.uint8)
    lab = xyz2lab(rgb2xyz(colours) @ np.transpose(bradford), illuminant="D50")
    stored = np.stack([lab[..., 0] * 2.55, lab[..., 1] + 128, lab[..., 2] + 128], axis=-1).round()
    bands = [Image.fromarray(stored[..., i].astype(np.uint8)) for i in range(3)]
    Image.merge("LAB", bands).save(tmp_path / "image.tif")
    with Image.open(tmp_path / "image.tif") as saved:
        assert saved.mode == "LAB"
    lab = np.stack([stored[..., 0] / 2.55, stored[..., 1] - 128, stored[..., 2] - 128], axis=-1)
    xyz = lab2xyz(lab, illuminant="D50") @ np.linalg.inv(np.transpose(bradford))
    expected = np.rint(255 * xyz2rgb(xyz))
    assert abs(read_image(tmp_path / "image.tif") - expected).max() <= 1


@pytest.mark.parametrize("size", [None, (4, 4)])
@pytest.mark.parametrize("extension", ["png", "jpg"])
def test_mode_l_is_the_luma(tmp_path, extension, size):
    Image.fromarray(blocks(RED)).save(tmp_path / f"image.{extension}")
    pixels = read_image(tmp_path / f"image.{extension}", size=size, mode="L")
    assert pixels.shape == (size or (16, 16))
    assert abs(pixels.astype(int) - 76).max() <= 1


def test_mode_l_lays_on_white_first():
    image = np.array([[[255, 0, 0, 255], [255, 0, 0, 0]]], np.uint8)
    np.testing.assert_array_equal(convert_image(image, (0, 255), mode="L"), [[76, 255]])


def half_of(image, path, **options):
    image.save(path, **options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def save_npz(path):
    with path.open("wb") as file:
        np.savez(file, np.ones((2, 2)))


def save_long_header(path):
    """NumPy's message advises to trust the file, on a line of its own."""
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1)}".ljust(19_999) + b"\n"
    path.write_bytes(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + b"\0")


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
BAD_FILES = {
    "a text": ("a.jpg", lambda path: path.write_text("no image"), "its content is of no known"),
    "EPS, which runs Ghostscript": ("a.eps", NOISE.save, "it is a PostScript file, which can run"),
    "empty": ("a.jpg", lambda path: path.touch(), "it is empty"),
    "truncated JPEG": ("a.jpg", lambda path: half_of(NOISE, path), "image file is truncated"),
    "truncated PNG": ("a.png", lambda path: half_of(NOISE, path), "truncated"),
    "TIFF header": ("a.tif", lambda path: path.write_bytes(b"II*\0"), "unpack requires"),
    "empty .npy": ("a.npy", lambda path: path.touch(), "EOF"),
    "text as .npy": ("a.npy", lambda path: path.write_text("no array"), "the magic string"),
    ".npz as .npy": ("a.npy", save_npz, "the magic string"),
    ".npy with a long header": ("a.npy", save_long_header, "Header info length"),
}
BAD_ARRAYS = {
    "no pixels": (np.zeros((0, 0, 3)), r"it has no pixels, its shape is \(0, 0, 3\)"),
    "objects": (np.array([{}]), "Object arrays cannot be loaded"),
    "NaN": (np.array([[0, np.nan]]), "it holds NaN or infinity.*rescale='percentile'"),
    "infinity": (np.array([[0, -np.inf]]), "it holds NaN or infinity"),
    "two channels": (np.zeros((4, 4, 2)), r"it must have the shape .*not \(4, 4, 2\)"),
    "one dimension": (np.zeros(4), r"it must have the shape .*not \(4,\)"),
    "five dimensions": (np.zeros((1,) * 5), r"it must have the shape .*not \(1, 1, 1, 1, 1\)"),
    "complex": (np.ones((2, 2), complex), "Images must be .*complex128 instead"),
    "text": (np.array([["a"]]), "Images must be .*<U1 instead"),
}
for _name, (_array, _message) in BAD_ARRAYS.items():
    BAD_FILES[f".npy: {_name}"] = ("a.npy", lambda path, a=_array: np.save(path, a), _message)


def test_the_range_of_ycbcr_that_pillow_does_not_decode_is_that_of_its_colours(tmp_path):
    photo = Image.fromarray(np.random.default_rng(0).integers(50, 100, (9, 8, 3)).astype(np.uint8))
    photo.convert("YCbCr").save(tmp_path / "a.tif")
    colours = read_image(tmp_path / "a.tif")
    expected = np.rint((colours - 50.0).clip(0, 50) * 5.1)
    image = read_image(tmp_path / "a.tif", value_range=(50, 100))
    assert abs(image - expected).max() <= 1


def test_the_remedy_for_nan_makes_them_black(tmp_path):
    np.save(tmp_path / "a.npy", [[1, np.nan, 3]])
    for mode in ("RGB", "L"):
        image = read_image(tmp_path / "a.npy", mode=mode, rescale=("percentile", 0, 100))
        assert image[0].reshape(3, -1)[:, 0].tolist() == [0, 0, 255]
    image = read_image(tmp_path / "a.npy", mode="channels")
    assert image[0, :, 0].tolist() == [1, 0, 3]


def test_channels_of_complex_numbers_are_an_error(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((4, 5, 2), complex))
    with pytest.raises(ImageReadError, match=r"a\.npy.*Images must be .*complex128 instead"):
        read_image(tmp_path / "a.npy", mode="channels")


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_named_with_cause_and_remedy(tmp_path, case):
    name, write, cause = BAD_FILES[case]
    path = tmp_path / name
    write(path)
    with pytest.raises(ValueError, match=cause) as raised:
        read_image(path)
    pattern = (
        r"The image file {} cannot be read: .+[^.]\. (Replace the file or leave it out|Pass .+)\."
    )
    assert re.fullmatch(pattern.format(re.escape(repr(str(path)))), str(raised.value), re.DOTALL)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"image file '.*none\.jpg' does not exist. Check the path"
    ):
        read_image(tmp_path / "none.jpg")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError, match=r"is a folder, .*load_image_folder\(\) lists"):
        read_image(tmp_path)


def test_a_file_without_permission_is_no_bad_image(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError("denied")

    (tmp_path / "image.png").touch()
    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(PermissionError, match="denied"):
        read_image(tmp_path / "image.png")


class CreatesFile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_is_never_run(tmp_path):
    created = tmp_path / "created"
    np.save(tmp_path / "array.npy", np.array([CreatesFile(created)]), allow_pickle=True)
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(CreatesFile(created)))
    for name in ("array.npy", "pickle.npy"):
        with pytest.raises(ValueError, match="cannot be read"):
            read_image(tmp_path / name)
    assert not created.exists()
    pickle.loads((tmp_path / "pickle.npy").read_bytes()).close()
    assert created.exists()  # so the test would have noticed


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch):
    NOISE.save(tmp_path / "image.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 64 // 2 - 1)
    with pytest.raises(ValueError, match=r"image\.png' cannot be read: .*decompression bomb"):
        read_image(tmp_path / "image.png")


def save_npy_header(path, shape, dtype="|u1"):
    """A .npy that claims more than it holds."""
    with path.open("wb") as file:
        header = {"descr": dtype, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((100, 100, 20_000), "|u1", r"it must have the shape .*not \(100, 100, 20000\)"),
        ((3,) * 12, "|u1", "it must have the shape"),
        ((101, 100), "|u1", "it has 101 x 100 pixels, more than the limit of 10000 that"),
        ((101, 100, 3), "|u1", "it has 101 x 100 pixels, more"),
        ((71, 71), "<f8", "it has 71 x 71 pixels of 8 bytes, more than .* 10000 pixels of 4"),
        ((51, 51, 4), "<f4", "it has 51 x 51 pixels of 16 bytes, more"),
        ((1, 1), "|V2000000000", "it has 1 x 1 pixels of 2000000000 bytes, more"),
    ],
)
def test_the_claimed_size_of_an_array_is_checked_before_it_is_read(
    tmp_path, monkeypatch, shape, dtype, message
):
    save_npy_header(tmp_path / "image.npy", shape, dtype)
    monkeypatch.setattr(np.lib.format, "read_array", lambda *args, **kwargs: pytest.fail("read"))
    with pytest.raises(ValueError, match=message):
        read_image(tmp_path / "image.npy", max_pixels=10_000)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((100, 100, 3), np.uint8), ((70, 70), float), ((50, 50, 4), np.float32)],
)
@pytest.mark.parametrize("extension", ["npy", "tif"])
def test_an_array_within_the_limit_is_read(tmp_path, shape, dtype, extension):
    path, array = tmp_path / f"image.{extension}", np.zeros(shape, dtype)
    if extension == "npy":
        np.save(path, array)
    else:
        options = {"photometric": "rgb"} if len(shape) == 3 else {}
        tifffile.imwrite(path, array, **options)
    assert read_image(path, max_pixels=10_000).shape == (*shape[:2], 3)


def test_of_a_tiff_of_many_pages_the_first_is_read(tmp_path, monkeypatch):
    with tifffile.TiffWriter(tmp_path / "image.tif") as file:
        for value in (0.2, 1, 0, 0):
            file.write(np.full((4, 5), value), contiguous=False, metadata=None)
    monkeypatch.setattr(tifffile.TiffFile, "asarray", lambda *args: pytest.fail("all are read"))
    assert (read_image(tmp_path / "image.tif", max_pixels=100) == 51).all()


def test_a_deep_tiff_within_max_pixels_may_take_too_many_bytes(tmp_path):
    tifffile.imwrite(tmp_path / "image.tif", np.zeros((71, 71)), compression="zlib")
    with pytest.raises(ValueError, match="71 x 71 pixels of 8 bytes, more"):
        read_image(tmp_path / "image.tif", max_pixels=10_000)


@pytest.mark.parametrize("compression", ["zlib", "lzma"])
def test_a_tiff_that_unpacks_to_more_than_it_claims_is_refused(tmp_path, compression):
    """What unpacks it, where imagecodecs is not installed, knows no bounds."""
    path, claimed, held = tmp_path / "image.tif", (1000).to_bytes(4, "little"), b"\x02\0\0\0"
    tifffile.imwrite(path, np.zeros((1000, 1000)), compression=compression, byteorder="<")
    with tifffile.TiffFile(path) as file:
        tag = file.pages[0].tags["ImageLength"]
    content = bytearray(path.read_bytes())
    assert content[tag.valueoffset : tag.valueoffset + 2] == claimed[:2]
    content[tag.valueoffset : tag.valueoffset + 2] = held[:2]
    path.write_bytes(content)
    with pytest.raises(ValueError, match="it unpacks to more than it claims"):
        read_image(path, max_pixels=10_000)


def test_deep_images_are_scaled_in_bands(tmp_path):
    """Scaling the whole image at once took four times its memory for copies."""
    array = np.random.default_rng(0).random((700, 900)) * 3 - 1
    np.save(tmp_path / "image.npy", array)
    low, high = array.min(), array.max()
    expected = np.rint((array - low) * (255 / (high - low))).astype(np.uint8)
    tracemalloc.start()
    pixels = read_image(tmp_path / "image.npy", mode="L")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(pixels, expected)
    assert peak < 2 * array.nbytes


SCAN, END = b"\xff\xda", b"\xff\xd9"


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_of_more_scans_than_any_is_refused(tmp_path, mode):
    path = tmp_path / "image.jpg"
    NOISE.convert(mode).save(path, progressive=True)
    content = path.read_bytes()
    last = content[content.rindex(SCAN) : -2]
    path.write_bytes(content[:-2] + 20 * last + END + 200 * SCAN)  # after the image: a film
    assert read_image(path).shape == (64, 64, 3)
    path.write_bytes(content[:-2] + 100 * last + END)
    with pytest.raises(ValueError, match="it has more than 100 scans"):
        read_image(path)


def test_a_baseline_jpeg_of_a_scan_for_each_channel_is_counted_too(tmp_path):
    """That of all channels in one scan, as cameras make it, is not looked through."""
    path = tmp_path / "image.jpg"
    NOISE.save(path, subsampling=0)
    content = path.read_bytes()
    start = content.rindex(SCAN)
    path.write_bytes(content + 200 * SCAN)
    assert read_image(path).shape == (64, 64, 3)
    one_channel = SCAN + b"\0\x08\1\1\0\0\x3f\0" + content[start + 14 : -2]
    path.write_bytes(content[:start] + 200 * one_channel + END)
    with pytest.raises(ValueError, match="it has more than 100 scans"):
        read_image(path)


@pytest.mark.parametrize("case", ["no pixels", "NaN", "two channels", "five dimensions"])
def test_a_bad_array_is_refused(case):
    array, message = BAD_ARRAYS[case]
    with pytest.raises(ValueError, match=message):
        convert_image(array, (0, 1))


def test_an_array_in_a_file_has_its_channels_last_and_pages_first(tmp_path):
    values = np.random.default_rng(0).integers(0, 4096, (3, 5, 7, 4)).astype(np.uint16)
    np.save(tmp_path / "a.npy", values)
    for page in (0, 2, -1):
        image = read_image(tmp_path / "a.npy", mode="channels", page=page, channels=(3, 0))
        np.testing.assert_array_equal(image, values[page][..., [3, 0]])
    image = read_image(tmp_path / "a.npy", mode="channels", page="max")
    np.testing.assert_array_equal(image, values.max(axis=0))
    with pytest.raises(ImageReadError, match="it has no page 3, only 0 to 2"):
        read_image(tmp_path / "a.npy", page=3)
    with pytest.raises(ImageReadError, match=r"\(page=\)"):
        read_image(tmp_path / "a.npy", mode="channels")
    np.save(tmp_path / "b.npy", values[..., 0])
    image = read_image(tmp_path / "b.npy", mode="channels", page="middle")
    np.testing.assert_array_equal(image, values[1, ..., :1])
    image = read_image(tmp_path / "b.npy", mode="channels")
    np.testing.assert_array_equal(image, values[..., 0])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<u2", ">u2", ">f4"])
def test_a_page_of_an_array_is_read_in_any_layout(tmp_path, order, dtype):
    values = np.random.default_rng(0).integers(0, 4096, (3, 5, 7, 4)).astype(dtype, order=order)
    np.save(tmp_path / "a.npy", values)
    np.savez_compressed(tmp_path / "a.npz", values)
    for path in ("a.npy", "a.npz"):
        for page, expected in ((1, values[1]), (-1, values[2]), ("max", values.max(axis=0))):
            image = read_image(tmp_path / path, mode="channels", page=page)
            np.testing.assert_array_equal(image, expected)
            assert image.dtype == values.dtype.newbyteorder("=")


def test_only_the_page_that_is_read_counts_for_the_limit(tmp_path):
    values = np.random.default_rng(0).integers(0, 4096, (100, 50, 70)).astype(np.uint16)
    path = tmp_path / "a.npy"
    np.save(path, values)
    for page in (0, 99, "max"):
        read_image(path, mode="L", page=page, max_pixels=50 * 70)
    with pytest.raises(ImageReadError, match="max_pixels"):
        read_image(path, mode="channels", max_pixels=50 * 70)
    path.write_bytes(path.read_bytes()[:-1])
    read_image(path, mode="L", page=98)
    with pytest.raises(ImageReadError, match="damaged: it is too short"):
        read_image(path, mode="L", page=99)


def test_each_option_is_part_of_the_key_of_a_cached_image(tmp_path):
    values = np.random.default_rng(0).integers(0, 4096, (4, 5, 7, 3)).astype(np.uint16)
    np.save(tmp_path / "a.npy", values)
    variants = [
        {"mode": "channels"},
        {"mode": "channels", "channels": (1,)},
        {"mode": "channels", "page": 1},
        {"mode": "channels", "page": "max"},
        {"mode": "channels", "rescale": ("percentile", 1, 99)},
        {"mode": "channels", "rescale": ("percentile", 2, 99)},
        {"mode": "channels", "rescale": ((0, 4095),) * 3},
        {"mode": "channels", "rescale": ((0, 4000),) * 3},
        {"channels": (0, 1, 2)},
        {"channels": (2, 1, 0)},
    ]
    variants = [{"page": 0} | options for options in variants]
    for _ in range(2):
        for options in variants:
            image = read_image(tmp_path / "a.npy", use_cache=True, **options)
            np.testing.assert_array_equal(image, read_image(tmp_path / "a.npy", **options))
