"""Tiles: the grid, and the share of foreground in them."""

import numpy as np
import pandas as pd
import pytest
import skimage
import tifffile
from PIL import Image

from sklearn_resnet import ImageLoader
from sklearn_resnet.datasets import make_tiles
from sklearn_resnet.datasets._tiles import find_foreground

BOX = ["top", "left", "bottom", "right"]


def list_tiles(height, width, size, step):
    """All tiles that fit, from the top left, row by row."""
    return [
        [top, left, top + size[0], left + size[1]]
        for top in range(0, height, step[0])
        for left in range(0, width, step[1])
        if top + size[0] <= height and left + size[1] <= width
    ]


@pytest.mark.parametrize(
    ("size", "step", "pairs"),
    [
        (8, None, ((8, 8), (8, 8))),
        (8, 3, ((8, 8), (3, 3))),
        ((5, 9), None, ((5, 9), (5, 9))),
        ((5, 9), (7, 4), ((5, 9), (7, 4))),
        ((20, 31), 1, ((20, 31), (1, 1))),
        (np.int64(4), 11, ((4, 4), (11, 11))),
    ],
)
def test_tiles_are_complete(size, step, pairs):
    tiles = make_tiles([np.zeros((20, 31)), np.zeros((32, 32, 3))], size, step)
    expected = [box for shape in ((20, 31), (32, 32)) for box in list_tiles(*shape, *pairs)]
    assert tiles[BOX].to_numpy().tolist() == expected
    assert list(tiles) == ["path", *BOX, "tile_row", "tile_column"]
    assert (tiles["tile_row"] * pairs[1][0] == tiles["top"]).all()
    assert (tiles["tile_column"] * pairs[1][1] == tiles["left"]).all()
    assert len(ImageLoader(4).fit_transform(tiles)) == len(tiles)


def test_tiles_of_files(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 31, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
        tiles = make_tiles([path], 8)
        assert tiles["path"].tolist() == [str(tmp_path / "a.png")] * 6
    pieces = [pixels[t:b, left:r] for t, left, b, r in tiles[BOX].to_numpy()]
    np.testing.assert_array_equal(ImageLoader().fit_transform(tiles), pieces)


@pytest.mark.parametrize("wrap", [np.array, pd.Series, tuple])
def test_paths_of_any_sequence(tmp_path, wrap):
    Image.new("L", (9, 9)).save(tmp_path / "a.png")
    assert len(make_tiles(wrap([str(tmp_path / "a.png")]), 3)) == 9


def test_a_turned_photo_is_cut_upright(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.new("L", (31, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert len(make_tiles([tmp_path / "a.jpg"], (31, 20))) == 1


GLASS, TISSUE = (243, 242, 245), (180, 110, 170)


def make_slide(height=300, width=400, seed=0):
    slide = np.full((height, width, 3), GLASS, float)
    slide[100:200, 150:260] = TISSUE
    noise = np.random.default_rng(seed).normal(0, 2, slide.shape)
    return (slide + noise).clip(0, 255).astype(np.uint8)


def test_content_is_the_share_of_tissue():
    tiles = make_tiles([make_slide()], 50, min_content=1e-9)
    is_tissue = np.zeros((300, 400))
    is_tissue[100:200, 150:260] = 1
    share = [is_tissue[t:b, left:r].mean() for t, left, b, r in tiles[BOX].to_numpy()]
    np.testing.assert_allclose(tiles["content"], share, atol=0.002)
    assert len(tiles) == 6


@pytest.mark.parametrize(("min_content", "n_tiles"), [(0, 48), (0.1, 6), (0.3, 4), (1, 4)])
def test_tiles_of_background_are_left_out(min_content, n_tiles):
    tiles = make_tiles([make_slide()], 50, min_content=min_content)
    assert len(tiles) == n_tiles
    assert ("content" in tiles) == (min_content > 0)
    assert n_tiles == 48 or (tiles["content"] >= min_content).all()


def test_content_of_a_large_image_is_that_of_its_overview():
    slide = np.kron(make_slide(), np.ones((10, 10, 1), np.uint8))  # 3,000 x 4,000
    tiles = make_tiles([slide], 500, min_content=0.01)
    expected = make_tiles([make_slide()], 50, min_content=0.01)
    assert tiles["tile_row"].tolist() == expected["tile_row"].tolist()
    np.testing.assert_allclose(tiles["content"], expected["content"], atol=0.01)


def test_full_tiles_have_a_content_of_1():
    image = np.full((204, 3000), 255, np.uint8)  # one pixel of the overview is 1.46 of the image
    image[34:170, 510:2550] = 0
    tiles = make_tiles([image], 17, min_content=1)
    inner = tiles.query("51 <= top < 153 and 527 <= left < 2533")
    assert len(inner) == 6 * 118


def test_tiles_smaller_than_a_pixel_of_the_overview():
    image = np.full((2, 8192), 255, np.uint8)
    image[:, 6144:] = 0
    tiles = make_tiles([image], (2, 1), 1, min_content=0.5)
    assert tiles["left"].min() == pytest.approx(6144, abs=4)
    assert tiles["left"].max() == 8191


def test_an_empty_image_has_no_tissue():
    glass = make_slide()[:, :100]
    images = [glass, np.zeros((300, 100), np.uint8), np.full((300, 100, 3), 255, np.uint8)]
    tiles = make_tiles(images, 50, min_content=0.05)
    assert len(tiles) == 0
    assert list(tiles) == ["path", *BOX, "tile_row", "tile_column", "content"]
    mixed = make_tiles([*images, make_slide()], 50, min_content=0.05)
    assert len(mixed) == 6


def test_pale_tissue_is_foreground_beside_dark_tissue():
    slide = make_slide().astype(int)
    slide[20:280, 20:380] -= (15, 45, 20)
    foreground = find_foreground(slide.clip(0, 255).astype(np.uint8))
    assert foreground[20:280, 20:380].mean() > 0.99
    foreground[20:280, 20:380] = False
    assert foreground.mean() < 0.01


def test_cells_in_the_dark_are_foreground():
    coins = skimage.data.coins()
    markers = np.where(coins > 150, 2, np.where(coins < 30, 1, 0))
    coin = skimage.segmentation.watershed(skimage.filters.sobel(coins), markers) == 2
    foreground = find_foreground(np.stack([coins] * 3, axis=2))
    assert foreground[coin].mean() > 0.85
    assert foreground[~coin].mean() < 0.15


@pytest.mark.parametrize("wrap", [np.asarray, "save"])
def test_cells_of_12_bits_in_16_are_foreground(tmp_path, wrap):
    image = np.full((80, 80), 110, np.uint16)
    image[20:40, 40:60] = 2500
    if wrap == "save":
        tifffile.imwrite(tmp_path / "cells.tif", image)
        image = tmp_path / "cells.tif"
    tiles = make_tiles([image], 20, min_content=0.5)
    assert tiles[["top", "left"]].to_numpy().tolist() == [[20, 40]]


def test_a_frame_without_data_is_background():
    retina = skimage.data.retina()
    foreground = find_foreground(retina)
    rows, columns = np.indices(foreground.shape) - 705
    radius = np.hypot(rows, columns)
    assert foreground[radius < 650].mean() > 0.99
    assert foreground[radius > 720].mean() < 0.02


def test_the_background_may_be_seen_along_a_part_of_the_border_only():
    slide = make_slide()
    slide[:, :110] = slide[
        :, 150:260
    ]  # tissue at the left, and at a part of the top and the bottom
    slide[100:200, :110] = TISSUE
    foreground = find_foreground(slide)
    assert foreground[100:200, 150:260].all()
    assert foreground[:80, 150:].mean() < 0.01


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2), (3, 200)])
def test_small_images_have_a_foreground(shape):
    image = np.zeros((*shape, 3), np.uint8)
    image[..., -1:, :] = 200
    assert find_foreground(image).shape == shape


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"size": 21}, r"at most the size of each image. Got tiles of 21 x 21 pixels for images\[0\] of 20 x 31"),
        ({"size": (3, 32)}, "Got tiles of 3 x 32 pixels"),
        ({"size": None}, "The 'size' parameter must be an int"),
        ({"size": 0}, "The 'size' parameter must be"),
        ({"size": 4, "step": 0}, "The 'step' parameter must be"),
        ({"size": 4, "min_content": 1.5}, "The 'min_content' parameter must be from 0 to 1. Got 1.5"),
        ({"size": 4, "min_content": float("nan")}, "Got nan"),
        ({"images": "a.png", "size": 4}, r"images must be a list of paths. Got the single path 'a.png' instead; pass \[path\]"),
        ({"images": np.zeros((9, 9)), "size": 4}, r"Pass \[image\] for one image"),
        ({"images": pd.DataFrame({"path": ["a"], "top": 0, "left": 0, "bottom": 1, "right": 1}), "size": 4}, "must be whole images"),
    ],
)  # fmt: skip
def test_wrong_parameters_are_errors(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make_tiles(**{"images": [np.zeros((20, 31))], **kwargs})


def test_a_file_smaller_than_a_tile_is_named(tmp_path):
    Image.new("L", (4, 3)).save(tmp_path / "small.png")
    with pytest.raises(ValueError, match="for '.*small.png' of 3 x 4 pixels.*leave the image out"):
        make_tiles([tmp_path / "small.png"], 5)


def test_tiles_of_a_page(tmp_path):
    pages = [Image.new("L", (20, 16), 250) for _ in range(2)]
    pages[1].paste(40, (10, 0, 20, 8))
    pages[0].save(tmp_path / "p.tif", save_all=True, append_images=pages[1:])
    tiles = make_tiles([tmp_path / "p.tif"], (8, 10), min_content=0.5, page=1)
    assert tiles["left"].tolist() == [10]
    assert tiles["page"].tolist() == [1]
    np.testing.assert_array_equal(ImageLoader().fit_transform(tiles)[0], np.full((8, 10, 3), 40))
    assert "page" not in make_tiles([tmp_path / "p.tif"], 8, page="max")
