"""Stream photos to layer 82 in a process of its own, and print its memory as JSON.

stream_photos.py FOLDER N_PHOTOS SIDE, with the photos that `scale` makes.
"""

import json
import sys
from pathlib import Path

import numpy as np

from sklearn_resnet import ImageLoader, ResNetFeatures


def read_memory(name):
    """Return an entry of /proc/self/status in MiB: VmRSS is the current memory, VmHWM its peak."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(text.split(f"{name}:")[1].split()[0]) / 1024


def stream(folder, n_photos, side):
    """Return the MiB of the process with its network, of the paths, and of streaming at its peak."""
    loader = ImageLoader(side, lazy=True)
    resnet = ResNetFeatures(82, weights="procedural", cache=None)
    resnet.fit(loader.fit_transform([f"{folder}/000000/000000.jpg"]))
    resnet.transform(np.zeros((64, side, side, 3), np.uint8))
    network = read_memory("VmRSS")
    paths = [f"{folder}/{i // 1000 * 1000:06}/{i:06}.jpg" for i in range(n_photos)]
    images = loader.transform(paths)
    with_paths = read_memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets the peak
    total = np.zeros(128)
    for _, features in resnet.transform_batches(images):
        total += features.sum(0)
    assert np.isfinite(total).all()
    peak = read_memory("VmHWM")
    return {"network": network, "paths": with_paths - network, "streaming": peak - with_paths}


if __name__ == "__main__":
    print(json.dumps(stream(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
