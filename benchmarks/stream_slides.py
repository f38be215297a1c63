"""Stream TIFFs of 16 bits to layer 82 in a process of its own, and print its memory as JSON.

stream_slides.py FOLDER N_FILES SIDE, with the files that `scientific` makes.
"""

import json
import sys

import numpy as np
from stream_photos import stream

from sklearn_resnet import ImageLoader, ResNetFeatures


def main(folder, n_files, side):
    """Stream the files."""
    batch = np.zeros((64, int(side), int(side), 1), np.uint16)
    loader = ImageLoader(int(side), mode="channels", rescale="percentile", lazy=True)
    resnet = ResNetFeatures(82, channels="separate", weights="procedural", cache=None)
    return stream(
        lambda n: [f"{folder}/{i:04}.tif" for i in range(n)], int(n_files), loader, resnet, batch
    )


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
