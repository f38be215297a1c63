"""Stream regions to layer 82 in a process of its own, and print its memory as JSON.

stream_regions.py TABLE SIDE table, or stream_regions.py IMAGE SIDE tiles, which cuts the image.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from stream_photos import read_memory

from sklearn_resnet import ImageLoader, ResNetFeatures
from sklearn_resnet.datasets import make_tiles

_TILE, _MIN_CONTENT = 256, 0.5


def reset_peak():
    """Reset the peak of the memory of this process."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def main(path, side, kind):
    """Stream the regions of a table, or the tiles of an image."""
    side = int(side)
    loader = ImageLoader(side, lazy=True)
    resnet = ResNetFeatures(82, weights="procedural", cache=None)
    batch = np.zeros((64, side, side, 3), np.uint8)
    resnet.fit(batch).transform(batch)
    before = read_memory("VmRSS")
    reset_peak()
    if kind == "tiles":
        table = make_tiles([path], _TILE, min_content=_MIN_CONTENT)
    else:
        table = pd.read_csv(path)
    making = read_memory("VmHWM") - before
    images = loader.fit_transform(table)
    before = read_memory("VmRSS")
    reset_peak()
    total = 0
    for _, features in resnet.transform_batches(images):
        total += features.sum(0)
    assert np.isfinite(total).all()
    streaming = read_memory("VmHWM") - before
    return {"n_regions": len(table), "making": making, "streaming": streaming}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
