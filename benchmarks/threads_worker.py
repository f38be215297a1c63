"""Features of some rows of a file, each time a line comes in; called by `threads`.

    python threads_worker.py IMAGES.npy START STOP LAYER CORE

CORE is the only core of the process, or None.
"""

import hashlib
import json
import os
import sys
import time
import warnings

import numpy as np


def main(path, start, stop, layer, core):
    """Answer each line with the processor seconds of the process and of its main thread."""
    if core != "None":
        os.sched_setaffinity(0, [int(core)])
    from sklearn_resnet import ResNetFeatures

    warnings.simplefilter("ignore")  # photos of 224 are large for the bundled weights
    images = np.load(path)[int(start) : int(stop)]
    resnet = ResNetFeatures(int(layer), weights="procedural", cache=None).fit(images)
    resnet.transform(images[: len(images) // 4])
    print("ready", flush=True)
    for _ in sys.stdin:
        busy, serial = time.process_time(), time.thread_time()
        features = resnet.transform(images)
        answer = {
            "busy": time.process_time() - busy,
            "serial": time.thread_time() - serial,
            "rows": [hashlib.sha256(row).hexdigest()[:16] for row in features],
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
