"""Speed of ResNetFeatures, timm on PyTorch, embetter and ONNX Runtime on a CPU.

Each contender has a process of its own, warms up in it, and then waits. They compute the features of
the same images one after the other, round after round. Run this on an idle machine: PyTorch's threads
wait for each other, and lose most of their speed where a core is busy.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.measuring import divide, summarize_rounds
from benchmarks.peer_worker import CONTENDERS, WORKS

_ROUNDS = 5
_CONTENDERS = [name for name in CONTENDERS if name != "timm_compile_channels_last"]
OURS = "sklearn_resnet"
_WORKER = Path(__file__).with_name("peer_worker.py")


class Worker:
    """A contender in its own process; `error` says why it could not be made."""

    def __init__(self, name, python, key, folder):
        command = [python, _WORKER, name, key, folder / f"{key}.npy"]
        log = folder / f"{key} {name}.txt"
        with log.open("w") as file:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True
            )
        description = self.process.stdout.readline()
        last_line = log.read_text().strip().split("\n")[-1]
        self.error = None if description else last_line or "the process ended without a message"
        self.gflop, self.batch_size, self.versions = (
            json.loads(description) if description else (0, 0, {})
        )
        print(f"{name}: {self.error or 'ready'}", file=sys.stderr)

    def run(self):
        """Return the seconds of a pass, and the number of cores that other processes kept busy."""
        busy = count_busy_seconds()
        print(file=self.process.stdin, flush=True)
        seconds, own = json.loads(self.process.stdout.readline())
        return seconds, max(0.0, count_busy_seconds() - busy - own) / seconds

    def close(self):
        """End the process."""
        self.process.communicate()


def count_busy_seconds():
    """Return the seconds that all cores have worked, or were taken away, since the machine started."""
    import psutil

    times = psutil.cpu_times()._asdict()
    return sum(times.get(kind, 0) for kind in ("user", "nice", "system", "irq", "softirq", "steal"))


def make_images(work, data):
    """Load photos or digits from the data folder."""
    if work.is_grey:
        with np.load(data / "mnist.npz") as file:
            return file["x_train"][: work.n_images]
    from sklearn_resnet import ImageLoader
    from sklearn_resnet.datasets import load_image_folder

    paths = load_image_folder(data / "clothing" / "train").data[: work.n_images]
    images = ImageLoader(work.size).fit_transform(paths)
    return np.resize(images, (work.n_images, work.size, work.size, 3))


def run_rounds(workers, after_pass=lambda name, seconds: None):
    """Run all contenders in turn; return the seconds of each, and how busy others were.

    ``after_pass(name, seconds)`` is called after each pass.
    """
    names = list(workers)
    seconds, others = {name: [] for name in names}, []
    for i in range(_ROUNDS):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            time.sleep(0.3)  # threads that wait for more work soon sleep
            taken, busy = workers[name].run()
            seconds[name].append(taken)
            others.append(busy)
            after_pass(name, taken)
    return seconds, others


def compare(key, python, folder):
    """Compare all contenders on one kind of work; return the results, and versions of packages."""
    names = [name for name in _CONTENDERS if key == "photos_all" or name != "embetter"]
    pythons = dict.fromkeys(names, python) | {OURS: sys.executable}
    workers = {name: Worker(name, pythons[name], key, folder) for name in names}
    if workers[OURS].error:
        raise RuntimeError(workers[OURS].error)
    able = {name: worker for name, worker in workers.items() if not worker.error}
    seconds, others = run_rounds(able)
    n_images, versions = WORKS[key].n_images, {}
    results = {
        "n_images": n_images,
        "busy_cores": {"median": median(others), "max": max(others)},
    }
    for name, worker in workers.items():
        worker.close()
        versions |= worker.versions
        if worker.error:
            results[name] = {"error": worker.error}
            continue
        rate = n_images / median(seconds[name])
        results[name] = {
            "batch_size": worker.batch_size,
            "gflop_per_image": worker.gflop,
            "images_per_second": rate,
            "gflop_per_second": worker.gflop * rate,
            "ours_times": summarize_rounds(divide(seconds[name], seconds[OURS])),
        }
    return results, versions


def measure(data):
    """Return the speed of all contenders; PEERS names the Python that has their packages."""
    if "PEERS" not in os.environ:
        raise SystemExit("PEERS must name the Python of an environment: see benchmarks/README.md.")
    results, versions = {"n_cores": os.cpu_count(), "n_rounds": _ROUNDS}, {}
    with tempfile.TemporaryDirectory() as folder:
        for key, work in WORKS.items():
            np.save(Path(folder, key), make_images(work, data))
            results[key], found = compare(key, os.environ["PEERS"], Path(folder))
            versions |= found
    return {"versions": dict(sorted(versions.items())), **results}
