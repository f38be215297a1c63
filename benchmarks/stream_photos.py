"""Stream photos to a layer in a process of its own, and print its memory as JSON.

stream_photos.py FOLDER N_PHOTOS SIDE LAYER [command], with the photos that `scale` makes; with the
memory allocator set as by the command, or as it is in Python.
"""

import json
import sys
from pathlib import Path

import numpy as np

from sklearn_resnet import ImageLoader, ResNetFeatures
from sklearn_resnet.cli.memory import reduce_memory


def read_memory(name):
    """Return an entry of /proc/self/status in MiB: VmRSS is the current memory, VmHWM its peak."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(text.split(f"{name}:")[1].split()[0]) / 1024


def stream(list_paths, n_images, loader, resnet, batch):
    """Stream the listed images.

    Parameters
    ----------
    list_paths : callable
        Lists the first n paths.
    n_images : int
    loader : ImageLoader
    resnet : ResNetFeatures
    batch : ndarray
        As `loader` makes them; the memory of the network is that after it.

    Returns
    -------
    dict
        The MiB of the process with its network, of the paths, and of streaming at its peak.
    """
    resnet.fit(loader.fit_transform(list_paths(1)))
    resnet.transform(batch)
    network = read_memory("VmRSS")
    images = loader.transform(list_paths(n_images))
    with_paths = read_memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets the peak
    total = 0
    for _, features in resnet.transform_batches(images):
        total += features.sum(0)
    assert np.isfinite(total).all()
    peak = read_memory("VmHWM")
    return {"network": network, "paths": with_paths - network, "streaming": peak - with_paths}


def main(folder, n_photos, side, layer, process="python"):
    """Stream photos."""
    if process == "command":
        reduce_memory()
    batch = np.zeros((64, int(side), int(side), 3), np.uint8)
    resnet = ResNetFeatures(int(layer), weights="procedural", cache=None)

    def list_paths(n):
        return [f"{folder}/{i // 1000 * 1000:06}/{i:06}.jpg" for i in range(n)]

    loader = ImageLoader(int(side), lazy=True)
    return stream(list_paths, int(n_photos), loader, resnet, batch)


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
