"""What does not grow with a collection: memory; and what many workers gain, and cost."""

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

_SIDE = 224
_N_PHOTOS = (1_000, 10_000, 100_000)


def make_photo(path, seed):
    """Write a JPEG of soft blobs and noise, unlike all others."""
    rng = np.random.default_rng(seed)
    soft = Image.fromarray(rng.integers(0, 256, (7, 7, 3), dtype=np.uint8))
    soft = np.asarray(soft.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), np.int16)
    grain = rng.integers(-8, 9, (_SIDE, _SIDE, 1), dtype=np.int16)
    Image.fromarray((soft + grain).clip(0, 255).astype(np.uint8)).save(path, quality=85)


def _make_thousand(folder, first):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + 1000):
        path = folder / f"{i:06}.jpg"
        if not path.exists():
            make_photo(path, i)


def make_photos(folder, n_photos):
    """Write photos that are not there yet, a thousand to a folder; return their paths."""
    firsts = range(0, n_photos, 1000)
    with ProcessPoolExecutor() as pool:
        list(pool.map(_make_thousand, [Path(folder) / f"{i:06}" for i in firsts], firsts))
    return [f"{folder}/{i // 1000 * 1000:06}/{i:06}.jpg" for i in range(n_photos)]


def _status(name):
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{name}:")[1].split()[0]) / 1024  # MiB


def stream(folder, n_photos):
    """Stream photos to layer 82; return MiB before the first batch, and at most after it."""
    from sklearn_resnet import ImageLoader, ResNetFeatures

    paths = [f"{folder}/{i // 1000 * 1000:06}/{i:06}.jpg" for i in range(n_photos)]
    loader = ImageLoader(_SIDE, lazy=True)
    resnet = ResNetFeatures(82, weights="procedural", cache=None)
    resnet.fit(loader.fit_transform(paths[:64]))
    resnet.transform(np.zeros((64, _SIDE, _SIDE, 3), np.uint8))  # the network's own
    images = loader.transform(paths)
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of what came before
    total = np.zeros(128)
    for _, features in resnet.transform_batches(images):
        total += features.sum(0)
    assert np.isfinite(total).all()
    return {"before": before, "peak": _status("VmHWM")}


def _in_new_process(*args):
    command = [sys.executable, __file__, *map(str, args)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def report_memory(folder):
    """Yield lines on the memory that streaming takes."""
    yield "| photos | before, MiB | peak, MiB | above, MiB |"
    yield "|---|---|---|---|"
    for n_photos in _N_PHOTOS:
        made = make_photos(folder, n_photos)
        found = _in_new_process("stream", folder, len(made))
        above = found["peak"] - found["before"]
        yield f"| {n_photos:,} | {found['before']:.0f} | {found['peak']:.0f} | {above:.0f} |"


def report(data):
    """Yield the lines of the report; photos are made in the folder SCALE, or one that is removed."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = os.environ.get("SCALE", temporary)
        yield "## Scale"
        yield ""
        yield from report_memory(folder)


if __name__ == "__main__":
    print(json.dumps(stream(sys.argv[2], int(sys.argv[3]))))
