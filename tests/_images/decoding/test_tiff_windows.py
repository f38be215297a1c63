"""Boxes of TIFF files, of all kinds: they are those of the image that is decoded as a whole."""

import io
import itertools
import random
import zlib

import numpy as np
import pytest
import tifffile
from image_writers import EXTRA_SAMPLES, PHOTOMETRICS, TiffVariant, write_tiff
from PIL import Image
from windows import OPTIONS, check_boxes

from sklearn_resnet._images.decoding import read_image
from sklearn_resnet._images.decoding.windows import open_windows
from sklearn_resnet._images.errors import ImageReadError

SHAPE = (37, 53)  # of tiles of 16, those at the border are cut
SAMPLES = [
    "u1",
    "u2",
    "u4",
    "u8",
    "u10",
    "u12",
    "u16",
    "u32",
    "i8",
    "i16",
    "i32",
    "f16",
    "f32",
    "f64",
]
CHOICES = {
    "photometric": list(PHOTOMETRICS),
    "sample": [*SAMPLES, *["u8"] * 6, *["u16"] * 4],
    "extra": [*EXTRA_SAMPLES, *["none"] * 4],
    "is_planar": [False, True],
    "order": "<>",
    "orientation": range(1, 9),
    "compression": ["none", "deflate", "old deflate", "PackBits", "LZW"],
    "predictor": [1, 1, 2],
    "layout": ["one strip", "strips", "tiles", "tiles"],
    "is_big": [False, True],
    "nodata": [None, None, None, "7"],
}


def make_samples(variant, rng, draw):
    shape = (*SHAPE, variant.n_samples)
    if variant.kind == "f":
        return (rng.random(shape) * draw.choice([1, 3, 200])).astype(variant.dtype)
    high = draw.choice([variant.white, variant.white, 1, 3])
    low = -3 if variant.kind == "i" else 0
    return rng.integers(low, min(high, variant.white) + 1, shape).astype(variant.dtype)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(4))
def test_a_box_is_that_of_the_whole_image(tmp_path, seed):
    draw, rng, n_read = random.Random(seed), np.random.default_rng(seed), 0
    for i in range(60):
        drawn = {axis: draw.choice(list(values)) for axis, values in CHOICES.items()}
        variant = TiffVariant(**drawn)
        bits = min(variant.bits, 16)
        colours = rng.integers(0, 2**16, (2**bits, 3)).astype(np.uint16)
        is_palette = variant.photometric == "palette"
        samples = make_samples(variant, rng, draw)
        path = tmp_path / f"{i}.tif"
        path.write_bytes(write_tiff(variant, samples, colours if is_palette else None))
        options = {"mode": draw.choice(["RGB", "L", "channels"])}
        chosen = draw.choice(["", "", "value_range", "rescale"])
        if chosen == "value_range":
            options["value_range"] = (0.0, 9.0)
        elif chosen and not (variant.photometric == "CMYK" and options["mode"] != "channels"):
            options["rescale"] = ("percentile", 2.0, 98.0)
        if draw.random() < 0.2:
            options["channels"] = (0,)
        n_read += check_boxes(path, options)
    assert n_read > 15  # the others are refused as a whole, too


RGB = np.asarray(
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 11, 3), np.uint8)).resize(
        (150, 90)
    )
)
COMPRESSIONS = ["jpeg", "tiff_lzw", "tiff_adobe_deflate", "packbits"]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1", "CMYK", "YCbCr", "LAB", "I;16", "RGBA"])
def test_a_box_of_a_file_of_pillow_is_that_of_the_whole_image(tmp_path, mode, compression):
    image = Image.fromarray(RGB)
    if mode == "LAB":
        image = Image.merge("LAB", image.split())
    elif mode == "I;16":
        image = Image.fromarray(RGB[..., 0].astype(np.uint16) * 200)
    else:
        image = image.convert(mode)
    try:
        image.save(tmp_path / "a.tif", compression=compression, tiffinfo={278: 16})
    except (OSError, ValueError, RuntimeError):
        pytest.skip("Pillow does not write it")
    for options in ({}, {"mode": "L"}, {"mode": "channels"}):
        check_boxes(tmp_path / "a.tif", options, [(5, 7, 60, 140), (80, 100, 90, 150)])
    assert check_boxes(tmp_path / "a.tif", {}) or compression != "tiff_adobe_deflate"


def encode_jpeg_tiles(image, tile, **options):
    """Yield the tiles of an image as JPEG."""
    height, width = tile
    missing = [(0, -image.shape[0] % height), (0, -image.shape[1] % width), (0, 0)]
    padded = np.pad(image, missing[: image.ndim])
    corners = itertools.product(
        range(0, padded.shape[0], height), range(0, padded.shape[1], width)
    )  # fmt: skip
    for top, left in corners:
        part = Image.fromarray(padded[top : top + height, left : left + width])
        part.save(buffer := io.BytesIO(), "JPEG", quality=85, **options)
        yield buffer.getvalue()


def mark_as_jpeg(path, *pages):
    """Change the compression of pages from deflate to JPEG, and of colours from RGB to YCbCr."""
    with tifffile.TiffFile(path, mode="r+") as file:
        for i in pages:
            tags = file.pages[i].tags
            tags[259].overwrite(7)
            tags[262].overwrite(6 if tags[262].value == 2 else 1)


@pytest.mark.parametrize(
    ("image", "subsampling"), [(RGB, 0), (RGB, 2), (RGB[..., 0], 0)], ids=["4:4:4", "4:2:0", "grey"]
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_tiles_of_jpeg_are_decoded_with_and_without_imagecodecs(
    tmp_path, image, subsampling, orientation
):
    tiles = encode_jpeg_tiles(image, (48, 32), subsampling=subsampling)
    form = {"shape": image.shape, "dtype": np.uint8, "tile": (48, 32), "metadata": None}
    tags = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", tiles, compression="deflate", extratags=tags, **form)
    mark_as_jpeg(tmp_path / "a.tif", 0)
    for mode in ("RGB", "L", "channels"):
        assert check_boxes(
            tmp_path / "a.tif", {"mode": mode}, [(5, 7, 60, 140), (80, 100, 90, 150)]
        )
    found = read_image(tmp_path / "a.tif").astype(int)[..., 0]
    found = found if orientation == 1 else np.rot90(found)
    assert np.abs(found - RGB[..., 0]).mean() < 8


GREY16 = np.random.default_rng(1).integers(0, 4096, (2, 3, 70, 90)).astype(np.uint16)


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "channels"},
        {"mode": "channels", "page": 1},
        {"mode": "channels", "page": "max"},
        {"mode": "channels", "page": "mean", "channels": (2, "b")},
        {"channels": ("a", "b", 2), "page": 0},
        {"channels": (1,), "rescale": ("percentile", 1.0, 99.0)},
        {"channels": (0, 1, 2), "value_range": (0.0, 4095.0), "page": "middle"},
    ],
)
@pytest.mark.parametrize("layout", [{"tile": (16, 32)}, {"rowsperstrip": 9}, {}])
def test_a_box_of_ome_tiff_is_that_of_the_whole_image(tmp_path, options, layout):
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        GREY16,
        metadata={"axes": "ZCYX", "Channel": {"Name": ["a", "b", "c"]}},
        **layout,
        compression="deflate" if layout else None,
    )
    assert check_boxes(tmp_path / "a.ome.tif", options)
    windows = open_windows(tmp_path / "a.ome.tif", OPTIONS | options, min_bytes=0)
    reports = []
    read_image(tmp_path / "a.ome.tif", **OPTIONS | options, report=reports.append)
    assert {type(one) for one in windows.reports} == {type(one) for one in reports}
    assert [r for r in windows.reports if hasattr(r, "problem")] == [
        r for r in reports if hasattr(r, "problem")
    ]
    windows.close()


@pytest.mark.parametrize("page", [0, 1, -1, "max", "channels", "middle"])
def test_a_box_of_plain_pages_is_that_of_the_whole_image(tmp_path, page):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for plane in GREY16[0]:
            file.write(plane, tile=(16, 16), compression="deflate", metadata=None)
    assert check_boxes(tmp_path / "a.tif", {"page": page, "mode": "channels"})


def write_pyramid(path, *, by_pages=False, ome=False):
    image = np.asarray(Image.fromarray(RGB).resize((400, 300)))
    levels = [np.asarray(Image.fromarray(image).reduce(2**i)) for i in range(3)]
    tile = {"tile": (64, 64), "compression": "deflate", "photometric": "rgb"}
    with tifffile.TiffWriter(path, ome=ome) as file:
        metadata = {"axes": "YXS"} if ome else None
        file.write(levels[0], subifds=0 if by_pages else 2, metadata=metadata, **tile)
        for level in levels[1:]:
            file.write(level, subfiletype=1, metadata=None, **tile)
    return [level.shape[:2] for level in levels]


@pytest.mark.parametrize("kind", [{}, {"by_pages": True}, {"ome": True}])
def test_levels_of_a_pyramid_are_read(tmp_path, kind):
    path = tmp_path / ("a.ome.tif" if kind.get("ome") else "a.tif")
    shapes = write_pyramid(path, **kind)
    assert check_boxes(path, {}, [(10, 20, 200, 290), (290, 390, 300, 400)])
    for level in range(3):
        boxes = [(10, 20, 200, 290), (299, 399, 300, 400), (0, 0, 300, 400)]
        assert check_boxes(path, {"level": level}, boxes, level)
    windows = open_windows(path, OPTIONS | {"size": (32, 32)})  # whatever the number of bytes
    assert windows.level_shapes == shapes
    assert windows.choose_level((0, 0, 130, 130), (32, 32)) == 1
    assert windows.choose_level((0, 0, 256, 256), (32, 32)) == 2
    assert windows.choose_level((0, 0, 100, 300), (32, 32)) == 0
    assert windows.read((0, 0, 256, 256), 2).shape == (64, 64, 3)
    windows.close()
    assert open_windows(path, OPTIONS) is None  # a small one in full resolution


def test_levels_of_a_slide_are_read(tmp_path):
    image = np.asarray(Image.fromarray(RGB).resize((600, 400)))
    small = np.asarray(Image.fromarray(image).resize((150, 100)))
    described = "Aperio Image Library v11.2.1 \n600x400 [0,0 600x400] (64x64) JPEG/RGB Q=30"
    with tifffile.TiffWriter(tmp_path / "a.svs") as file:
        for level in (image, small):
            file.write(
                encode_jpeg_tiles(level, (64, 64)),
                shape=level.shape,
                dtype=np.uint8,
                tile=(64, 64),
                compression="deflate",
                description=described,
                metadata=None,
            )
            if level is image:
                file.write(small, description=f"{described} thumbnail", metadata=None)
    mark_as_jpeg(tmp_path / "a.svs", 0, 2)
    for level in (0, 1):
        boxes = [(5, 7, 100, 90), (300, 500, 400, 600)]
        assert check_boxes(tmp_path / "a.svs", {"level": level}, boxes, level)
    windows = open_windows(tmp_path / "a.svs", OPTIONS | {"size": (16, 16)})
    assert windows.level_shapes == [(400, 600), (100, 150)]
    assert windows.choose_level((0, 0, 200, 200), (16, 16)) == 1
    windows.close()


def test_a_level_that_does_not_exist_is_an_error(tmp_path):
    write_pyramid(tmp_path / "a.tif")
    with pytest.raises(ImageReadError, match="it has no level 5"):
        open_windows(tmp_path / "a.tif", OPTIONS | {"level": 5})


def test_blank_tiles_are_blank(tmp_path):
    bright, black = (zlib.compress(bytes([value]) * 256) for value in (200, 0))
    tiles = [bright, b"", b"", black, b"", b""]
    form = {"shape": (30, 40), "dtype": np.uint8, "tile": (16, 16), "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", iter(tiles), compression="deflate", **form)
    assert check_boxes(tmp_path / "a.tif", {})
    assert check_boxes(tmp_path / "a.tif", {}, [(17, 17, 30, 40)])


def test_masks_keep_their_white_in_a_box_of_one_value(tmp_path):
    mask = np.zeros((40, 40), np.uint8)
    mask[20:, 20:] = 1
    dark = mask.copy()
    dark[39, 39] = 9
    for name, image, white in (("mask", mask, 255), ("dark", dark, 1)):
        tifffile.imwrite(tmp_path / f"{name}.tif", image, tile=(16, 16), metadata=None)
        assert check_boxes(tmp_path / f"{name}.tif", {}, [(0, 0, 10, 10), (22, 22, 30, 30)])
        windows = open_windows(tmp_path / f"{name}.tif", OPTIONS, min_bytes=0)
        assert windows.read((22, 22, 30, 30)).max() == white


def test_floats_are_scaled_by_the_whole_image(tmp_path):
    image = np.linspace(-3, 900, 40 * 50, dtype=np.float32).reshape(40, 50)
    tifffile.imwrite(tmp_path / "a.tif", image, tile=(16, 16))
    assert check_boxes(tmp_path / "a.tif", {})
    image[0, 0] = np.nan
    tifffile.imwrite(tmp_path / "nan.tif", image, tile=(16, 16), metadata=None)
    assert check_boxes(tmp_path / "nan.tif", {"mode": "channels"})
    windows = open_windows(tmp_path / "a.tif", OPTIONS, min_bytes=0)
    with pytest.raises(ImageReadError, match="NaN"):
        open_windows(tmp_path / "nan.tif", OPTIONS, min_bytes=0)
    windows.close()


def test_a_strip_that_is_too_large_to_be_a_tile_has_no_windows(tmp_path):
    image = np.zeros((6000, 6000), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, rowsperstrip=6000, compression="deflate")
    assert open_windows(tmp_path / "a.tif", OPTIONS, min_bytes=0) is None


def test_a_tile_that_unpacks_to_too_much_is_refused(tmp_path):
    bomb = zlib.compress(bytes(2**26), 9)
    form = {"shape": (600, 600), "dtype": np.uint8, "tile": (512, 512), "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", iter([bomb] * 4), compression="deflate", **form)
    with pytest.raises(ImageReadError, match="unpacks to more than it claims"):
        open_windows(tmp_path / "a.tif", OPTIONS, min_bytes=0, max_pixels=10_000)


def test_a_damaged_tile_is_an_error_of_its_boxes_alone(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", RGB, tile=(32, 32), compression="deflate", metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        offset = file.pages[0].dataoffsets[-1]
    content = bytearray((tmp_path / "a.tif").read_bytes())
    content[offset : offset + 40] = bytes(40)
    (tmp_path / "a.tif").write_bytes(content)
    options = OPTIONS | {"value_range": (0.0, 255.0)}  # which is not inferred from all tiles
    windows = open_windows(tmp_path / "a.tif", options, min_bytes=0)
    np.testing.assert_array_equal(windows.read((0, 0, 50, 50)), RGB[:50, :50])
    with pytest.raises(ImageReadError, match="a.tif"):
        windows.read((60, 120, 90, 150))
    np.testing.assert_array_equal(windows.read((0, 0, 50, 50)), RGB[:50, :50])
    windows.close()
