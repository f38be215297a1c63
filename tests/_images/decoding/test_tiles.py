"""Boxes from tiles and from rows."""

import io

import numpy as np
import pytest

from sklearn_resnet._images.decoding.tiles import assemble, cut_blocks, list_tiles, read_rows

IMAGE = np.arange(20 * 31 * 2).reshape(20, 31, 2)
BOXES = [(0, 0, 20, 31), (3, 5, 9, 30), (19, 30, 20, 31), (8, 8, 9, 9)]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("tile_shape", [(8, 8), (20, 31), (64, 64), (1, 31), (7, 3)])
def test_a_box_is_assembled_from_its_tiles_alone(box, tile_shape):
    height, width = tile_shape
    read = []

    def read_tile(row, column):
        read.append((row, column))
        padded = np.full((*tile_shape, 2), -1)
        tile = IMAGE[row * height : (row + 1) * height, column * width : (column + 1) * width]
        padded[: tile.shape[0], : tile.shape[1]] = tile
        return padded

    top, left, bottom, right = box
    np.testing.assert_array_equal(
        assemble(box, tile_shape, read_tile), IMAGE[top:bottom, left:right]
    )
    assert read == list_tiles(box, tile_shape)
    holds = {(y // height, x // width) for y in range(top, bottom) for x in range(left, right)}
    assert set(read) == holds


@pytest.mark.parametrize("tile_shape", [(8, 8), (1, 50), (300, 300), (7, 30)])
def test_blocks_are_all_tiles_once(tile_shape, monkeypatch):
    monkeypatch.setattr("sklearn_resnet._images.decoding.tiles._BLOCK_VALUES", 1000)
    counts = np.zeros((60, 50), int)
    for top, left, bottom, right in cut_blocks(counts.shape, tile_shape, 2):
        counts[top:bottom, left:right] += 1
        n_tile = min(tile_shape[0], 60) * min(tile_shape[1], 50)
        assert (bottom - top) * (right - left) <= max(500, n_tile)
        assert top % tile_shape[0] == 0
        assert left % tile_shape[1] == 0
    assert (counts == 1).all()


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("dtype", ["<u2", ">f4", "u1"])
def test_rows_of_a_box_are_read(box, dtype):
    image = IMAGE.astype(dtype)
    file = io.BytesIO(b"head" + image.tobytes())
    found = read_rows(file, 4, image.shape, image.dtype, box)
    np.testing.assert_array_equal(found, image[box[0] : box[2], box[1] : box[3]])
    assert found.dtype.isnative
