"""Regions: their rate and memory, of photos and of a large tiled TIFF.

Photos and the TIFF are generated. The rate is that of the network on the same crops in memory, in
the same round. Memory is that of a process of its own, over the network's.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from PIL import Image
from scipy.ndimage import zoom

from benchmarks.measuring import summarize_rounds, time_call
from sklearn_resnet import ImageLoader, ResNetFeatures

_N_PHOTOS, _N_REGIONS = 10, 10_000
_HEIGHT, _WIDTH = 3_000, 4_000
_SMALL = 400
_TARGET = 96
_ROUNDS = 5
_SIDE, _TILE = 20_000, 256
_STREAM = Path(__file__).with_name("stream_regions.py")


def make_photo(path, seed):
    """Write a JPEG of soft blobs and grain."""
    rng = np.random.default_rng(seed)
    soft = zoom(rng.integers(0, 256, (30, 40, 3)).astype(np.float32), (100, 100, 1), order=1)
    grain = rng.normal(0, 12, (_HEIGHT, _WIDTH, 1))
    Image.fromarray((soft + grain).clip(0, 255).astype(np.uint8)).save(path, quality=90)


def draw_boxes(paths, n_regions, seed):
    """Draw boxes of 48 to 200 pixels; those of an image follow each other."""
    rng = np.random.default_rng(seed)
    sides = rng.integers(48, 201, (n_regions, 2))
    tops = rng.integers(0, _HEIGHT - sides[:, 0])
    lefts = rng.integers(0, _WIDTH - sides[:, 1])
    return pd.DataFrame(
        {
            "path": np.sort(np.resize(paths, n_regions)),
            "top": tops,
            "left": lefts,
            "bottom": tops + sides[:, 0],
            "right": lefts + sides[:, 1],
        }
    )


def cut_by_hand(table):
    """Cut the regions out of the decoded photos."""
    crops = []
    for path, rows in table.groupby("path", sort=False):
        photo = np.asarray(Image.open(path))
        crops += [photo[row.top : row.bottom, row.left : row.right] for row in rows.itertuples()]
    return crops


def measure_rate(table):
    """Compare features of regions with those of the same crops in memory."""
    loader = ImageLoader(_TARGET, lazy=True)
    resnet = ResNetFeatures(82, weights="procedural", cache=None)
    crops = cut_by_hand(table)
    resnet.fit(loader.fit_transform(crops[:2]))
    shuffled = table.sample(frac=1, random_state=0)
    rates, of_shuffled = [], []
    for _ in range(_ROUNDS):
        alone, expected = time_call(lambda: resnet.transform(loader.transform(crops)))
        both, features = time_call(lambda: resnet.transform(loader.fit_transform(table)))
        np.testing.assert_array_equal(features, expected)
        rates.append(alone / both)
        both, features = time_call(lambda: resnet.transform(loader.fit_transform(shuffled)))
        np.testing.assert_array_equal(features, expected[shuffled.index])
        of_shuffled.append(alone / both)
    return {
        "relative_rate": summarize_rounds(rates),
        "relative_rate_shuffled": summarize_rounds(of_shuffled),
    }


def reduce_photos(table, folder):
    """Write small copies of the photos with a table of as many regions; return its path."""
    for path in table["path"].unique():
        Image.open(path).resize((_SMALL, _SMALL)).save(f"{path}.small.png")
    top, left = (table[name] % (_SMALL - 200) for name in ("top", "left"))
    height, width = table["bottom"] - table["top"], table["right"] - table["left"]
    boxes = {"top": top, "left": left, "bottom": top + height, "right": left + width}
    small = table.assign(path=table["path"] + ".small.png", **boxes)
    small.to_csv(f"{folder}/small.csv", index=False)
    return f"{folder}/small.csv"


def measure_photos(folder):
    """Measure regions of photos: rate, and memory over the network's in decoded photos."""
    paths = [f"{folder}/{i}.jpg" for i in range(_N_PHOTOS)]
    for i, path in enumerate(paths):
        make_photo(path, i)
    table = draw_boxes(paths, _N_REGIONS, 0)
    table.to_csv(f"{folder}/regions.csv", index=False)
    memory = stream(f"{folder}/regions.csv", _TARGET)["streaming"]
    of_small = stream(reduce_photos(table, folder), _TARGET)["streaming"]
    photo = _HEIGHT * _WIDTH * 3 / 2**20
    return {
        "n_photos": _N_PHOTOS,
        "n_regions": _N_REGIONS,
        "size": [_HEIGHT, _WIDTH],
        "target": _TARGET,
        **measure_rate(table),
        "streaming_mib": round(memory, 1),
        "streaming_small_mib": round(of_small, 1),
        "photos_in_memory": round((memory - of_small) / photo, 2),
    }


def write_slide(path):
    """Write a tiled TIFF of tissue on a bright background, tile by tile."""
    rng = np.random.default_rng(0)
    n_tiles = -(-_SIDE // _TILE)
    is_tissue = zoom(rng.random((10, 10)), n_tiles / 10, order=1)[:n_tiles, :n_tiles] > 0.45
    grain = rng.integers(-40, 41, (_TILE, _TILE, 3))

    def draw_tiles():
        for tissue in is_tissue.ravel():
            color = (170, 90, 150) if tissue else (244, 243, 245)
            tile = color + grain * (1 if tissue else 0.05)
            yield tile.clip(0, 255).astype(np.uint8)

    tifffile.imwrite(
        path,
        draw_tiles(),
        shape=(_SIDE, _SIDE, 3),
        dtype=np.uint8,
        tile=(_TILE, _TILE),
        photometric="rgb",
        compression="zlib",
        compressionargs={"level": 1},
        bigtiff=True,
    )
    return float(is_tissue.mean())


def measure_slide(folder):
    """Measure tiles of a large TIFF: making them, and memory over the network's."""
    path = f"{folder}/slide.tif"
    share = write_slide(path)
    found = stream(path, _TARGET, "tiles")
    return {
        "side": _SIDE,
        "tile": _TILE,
        "n_tiles": found["n_regions"],
        "share_of_tissue": round(share, 3),
        "share_of_tiles": round(found["n_regions"] / (_SIDE // _TILE) ** 2, 3),
        "making_mib": round(found["making"], 1),
        "streaming_mib": round(found["streaming"], 1),
    }


def stream(path, target, kind="table"):
    """Stream regions in a process of its own."""
    command = [sys.executable, _STREAM, path, str(target), kind]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def measure(folder):
    """Return the rates and the memory; no file of `folder` is used."""
    with tempfile.TemporaryDirectory() as temporary:
        return {"photos": measure_photos(temporary), "slide": measure_slide(temporary)}
