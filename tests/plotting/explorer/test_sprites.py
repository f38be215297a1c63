"""Sheets of thumbnails: equal pixels, whatever holds the images."""

import io

import h5py
import numpy as np
import pytest
from PIL import Image

from sklearn_resnet import ImageLoader
from sklearn_resnet.plotting.explorer import sprites
from sklearn_resnet.plotting.explorer.sprites import (
    Sheets,
    make_sheets,
    order_by_levels,
    thumbnail_side,
)

N = 300  # more than one batch
IMAGES = np.random.default_rng(0).integers(0, 256, (N, 6, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["list", "h5py", "lazy"])
def test_sheets_are_those_of_an_array(kind):
    makes = {
        "list": lambda: list(IMAGES),
        "h5py": lambda: h5py.File(io.BytesIO(), "w").create_dataset("x", data=IMAGES),
        "lazy": lambda: ImageLoader(lazy=True).fit_transform(IMAGES),
    }
    images = makes[kind]()
    assert thumbnail_side(IMAGES) == 8
    assert thumbnail_side(images) == (160 if kind == "list" else 8)
    assert make_sheets(images, 8) == make_sheets(IMAGES, 8)


def test_a_dark_image_of_an_array_stays_dark():
    images = np.full((N, 4, 4), 0.1, np.float32)
    images[0] = 0.05
    images[-1] = 1
    (sheet,), n_columns = make_sheets(images, 4)
    pixels = np.asarray(Image.open(io.BytesIO(sheet)).convert("L"))
    assert n_columns == 18
    assert pixels[:40].max() < 60


def open_sheet(sheet):
    return np.asarray(Image.open(io.BytesIO(sheet)).convert("RGBA"))


@pytest.mark.parametrize("shape", [(16, 48), (48, 16)])
def test_images_stand_row_by_row_in_the_middle_of_their_squares(shape):
    images = np.empty((5, *shape), np.uint8)
    images[:] = np.array([0, 60, 120, 180, 240])[:, None, None]
    (sheet,), n_columns = make_sheets(images, 48)
    pixels = open_sheet(sheet)
    assert n_columns == 3
    assert pixels.shape == (96, 144, 4)
    for i in range(6):
        square = pixels[i // 3 * 48 :, i % 3 * 48 :][:48, :48]
        expected = np.zeros((48, 48), bool)
        if i < 5:
            low = (48 - np.array(shape)) // 2
            expected[low[0] : low[0] + shape[0], low[1] : low[1] + shape[1]] = True
            middle = square[20:28, 20:28, :3]
            np.testing.assert_allclose(middle, images[i, 0, 0], atol=12)
        np.testing.assert_array_equal(square[..., 3] > 0, expected)


def test_images_that_do_not_fit_in_a_sheet_stand_in_the_next():
    sheets, n_columns = make_sheets(np.full((5, 4, 4), 99, np.uint8), 1024)
    assert n_columns == 2
    assert [open_sheet(sheet).shape for sheet in sheets] == [(2048, 2048, 4), (1024, 2048, 4)]
    assert [int((open_sheet(sheet)[..., 3] > 0).sum()) for sheet in sheets] == [4 * 16, 16]


def test_an_image_that_cannot_be_read_leaves_its_square_empty(tmp_path):
    paths = [str(tmp_path / name) for name in ("good.png", "bad.png")]
    Image.new("RGB", (8, 8), "white").save(paths[0])
    (tmp_path / "bad.png").write_bytes(b"none")
    with pytest.warns(UserWarning, match=r"1 of 2 images could not be read"):
        (sheet,), _ = make_sheets(paths, 8)
    alpha = open_sheet(sheet)[..., 3]
    assert alpha[:, :8].min() == 255
    assert alpha[:, 8:].max() == 0


@pytest.mark.parametrize(
    ("n", "side"),
    [(1_500, 160), (1_501, 96), (5_000, 96), (5_001, 64), (20_000, 64), (20_001, 32)],
)
def test_more_images_are_smaller(n, side):
    assert thumbnail_side(["a.png"] * n) == side


def test_images_of_pillow_are_drawn_in_their_colours():
    image = Image.new("RGB", (8, 8), (200, 100, 50)).quantize(4)
    (sheet,), _ = make_sheets([image, np.zeros((8, 8, 3), np.uint8)], 8)
    drawn = np.asarray(Image.open(io.BytesIO(sheet)))
    np.testing.assert_allclose(drawn[4, 4, :3], (200, 100, 50), atol=8)
    np.testing.assert_allclose(drawn[4, 12, :3], 0, atol=8)


@pytest.mark.parametrize("kind", ["array", "h5py"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_channels_are_shown_as_composites_with_one_range(kind, dtype):
    images = np.full((N, 32, 32, 4), 10, dtype)
    images[:, :16, :, 0] = 200
    images[:256, 16:, :16, 1] = 100  # half as bright as those of the next block
    images[256:, 16:, :16, 1] = 200
    if kind == "h5py":
        images = h5py.File(io.BytesIO(), "w").create_dataset("x", data=images)
    (sheet,), n_columns = make_sheets(images, 32)
    pixels = open_sheet(sheet)[..., :3].astype(int)
    assert n_columns == 18
    first, last = pixels[:32, :32], pixels[16 * 32 :, 11 * 32 :][:32, :32]
    for square, magenta in ((first, 121), (last, 255)):
        np.testing.assert_allclose(square[7, 7], (0, 255, 255), atol=16)
        np.testing.assert_allclose(square[24, 7], (magenta, 0, magenta), atol=16)
        assert square[24, 24].max() < 16


def test_the_first_level_is_spread_and_each_level_is_compact():
    rng = np.random.default_rng(0)
    xy = np.concatenate([rng.normal(0, 0.05, (9_000, 2)), rng.uniform(-5, 5, (1_000, 2))])
    order = order_by_levels(xy, 100)
    assert sorted(order) == list(range(10_000))
    first, second = xy[order[:100]], xy[order[100:500]]
    cells = {tuple(cell) for cell in np.floor(first).astype(int).tolist()}
    assert len(cells) > 45  # of 100; rows taken at random would find about 10
    for level in (first, second):
        steps = np.linalg.norm(np.diff(level, axis=0), axis=1)
        others = np.linalg.norm(np.diff(rng.permutation(level), axis=0), axis=1)
        assert steps.mean() < 0.5 * others.mean()


def test_exemplars_are_in_the_first_sheet(monkeypatch):
    monkeypatch.setattr(sprites, "_SHEET_SIDE", 40)
    xy = np.random.default_rng(1).random((N, 2))
    exemplars = list(range(0, N, 13))
    sheets = Sheets(IMAGES, xy, side=8, exemplars=exemplars)
    n_first = 25 // 2  # half of a sheet
    assert len(exemplars) > n_first
    assert sheets.place[exemplars[:n_first]].tolist() == list(range(n_first))
    assert sheets.place[exemplars[n_first:]].max() >= 25
    assert sorted(sheets.place) == list(range(N))
    order = order_by_levels(xy, 25, exemplars[:n_first])
    steps = np.linalg.norm(np.diff(xy[order], axis=0), axis=1)
    assert steps[24] == pytest.approx(
        max(steps[24:30])
    )  # the second level begins in the second sheet


@pytest.mark.parametrize("n", [1, 2, 5])
def test_equal_points_have_an_order(n):
    assert sorted(order_by_levels(np.zeros((n, 2)), 2)) == list(range(n))


@pytest.mark.parametrize("kind", ["array", "floats", "list", "h5py", "lazy", "channels"])
def test_single_sheets_are_those_of_all(kind, monkeypatch):
    monkeypatch.setattr(sprites, "_SHEET_SIDE", 80)
    images = {
        "array": lambda: IMAGES,
        "floats": lambda: IMAGES / 255 - 0.2,
        "list": lambda: list(IMAGES),
        "h5py": lambda: h5py.File(io.BytesIO(), "w").create_dataset("x", data=IMAGES),
        "lazy": lambda: ImageLoader(lazy=True).fit_transform(IMAGES),
        "channels": lambda: np.concatenate([IMAGES, IMAGES[..., :2]], -1),
    }[kind]()
    xy = np.random.default_rng(1).random((N, 2))
    sheets = Sheets(images, xy, side=8)
    assert (sheets.n_columns, sheets.n_sheets) == (10, 3)
    assert sorted(sheets.place) == list(range(N))
    assert not np.array_equal(sheets.place, np.arange(N))
    assert [sheets.make(k) for k in range(3)] == list(sheets.make_all())


def test_a_square_holds_the_image_of_its_place(monkeypatch):
    monkeypatch.setattr(sprites, "_SHEET_SIDE", 80)
    images = np.empty((N, 8, 8), np.uint8)
    images[:] = np.linspace(0, 255, N).astype(np.uint8)[:, None, None]
    sheets = Sheets(images, np.random.default_rng(1).random((N, 2)), side=8)
    pixels = [open_sheet(sheet) for sheet in sheets.make_all()]
    for i in (0, 77, 150, N - 1):
        k, position = divmod(int(sheets.place[i]), 100)
        row, column = divmod(position, 10)
        assert int(pixels[k][8 * row + 4, 8 * column + 4, 0]) == pytest.approx(
            int(images[i, 0, 0]), abs=16
        )


def test_many_thumbnails_are_held_in_a_file(monkeypatch):
    expected = make_sheets(IMAGES, 8)
    monkeypatch.setattr(sprites, "_MAX_IN_MEMORY", 1000)
    assert make_sheets(IMAGES, 8) == expected
