"""Memory of streaming large collections, gain of a second worker, and cost of coordination."""

import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measuring import divide, summarize_rounds, time_call
from benchmarks.stream_photos import read_memory

_SIDE = 224
_N_PHOTOS = (1_000, 10_000, 100_000)
_N_DISTINCT = 2_000  # photos; the others are links to them
_LAYER = 82
_SHALLOW = 5  # the memory for decoding is that of any layer
_N_TASKS = 5_000
_ROUNDS = 5
_STREAM = Path(__file__).with_name("stream_photos.py")
_CLUSTER = {"threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}


def make_photo(path, seed):
    """Write a JPEG of soft blobs and noise, different for each seed."""
    rng = np.random.default_rng(seed)
    soft = Image.fromarray(rng.integers(0, 256, (7, 7, 3), dtype=np.uint8))
    soft = np.asarray(soft.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), np.int16)
    grain = rng.integers(-8, 9, (_SIDE, _SIDE, 1), dtype=np.int16)
    Image.fromarray((soft + grain).clip(0, 255).astype(np.uint8)).save(path, quality=85)


def _make_thousand(folder, first):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + 1000):
        path, source = folder / f"{i:06}.jpg", i % _N_DISTINCT
        if path.exists():
            continue
        if source == i:
            make_photo(path, i)
        else:
            os.link(folder.with_name(f"{source // 1000 * 1000:06}") / f"{source:06}.jpg", path)


def make_photos(folder, n_photos):
    """Write the photos that are missing, a thousand to a folder; return their paths."""
    firsts = range(0, n_photos, 1000)
    folders = [Path(folder) / f"{first:06}" for first in firsts]
    n = _N_DISTINCT // 1000
    with ProcessPoolExecutor() as pool:
        list(pool.map(_make_thousand, folders[:n], firsts[:n]))
        list(pool.map(_make_thousand, folders[n:], firsts[n:]))
    return [f"{folder}/{i // 1000 * 1000:06}/{i:06}.jpg" for i in range(n_photos)]


def stream_photos(folder, n_photos, layer, process):
    """Stream photos in a new process; return its memory."""
    command = [sys.executable, _STREAM, folder, n_photos, _SIDE, layer, process]
    done = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    return {f"{name}_mib": round(value, 1) for name, value in found.items()}


def measure_memory(folder, process="python"):
    """Measure the memory of streaming by number of photos."""
    results = {}
    for n_photos in _N_PHOTOS:
        make_photos(folder, n_photos)
        results[f"photos_{n_photos}"] = stream_photos(folder, n_photos, _SHALLOW, process)
    return results


def measure_worker(folder):
    """Measure the memory of streaming 1,000 photos to layer 82."""
    make_photos(folder, 1000)
    return stream_photos(folder, 1000, _LAYER, "command")


def _keep_to_core(core):
    """Keep all threads of a worker to one core: a worker of one thread decodes in another."""
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), [core])


def measure_workers(folder):
    """Measure two Dask workers of one thread against one, each on a core of its own."""
    import dask.array as da
    from distributed import Client, LocalCluster

    from sklearn_resnet import ImageLoader, ResNetFeatures

    paths = np.array(make_photos(folder, 1000))
    resnet = ResNetFeatures(_LAYER, weights="procedural", cache=None)
    images = ImageLoader(_SIDE, lazy=True).fit_transform(da.from_array(paths, chunks=50))
    features = resnet.fit(images).transform(images)
    seconds, results, clients = {1: [], 2: []}, {}, {}
    with ExitStack() as stack:
        for n in seconds:
            cluster = stack.enter_context(LocalCluster(n_workers=n, **_CLUSTER))
            assert len(cluster.workers) == n
            clients[n] = stack.enter_context(Client(cluster, set_as_default=False))
            for core, worker in enumerate(clients[n].scheduler_info()["workers"]):
                clients[n].run(_keep_to_core, core, workers=[worker])
            clients[n].compute(features[: 50 * 4]).result()  # imports and compiles
        for _ in range(_ROUNDS):
            for n, client in clients.items():
                taken, results[n] = time_call(lambda c=client: c.compute(features).result())
                seconds[n].append(taken)
    np.testing.assert_array_equal(results[1], results[2])
    np.testing.assert_array_equal(results[1], resnet.transform(images.compute()))
    return {"times_one": summarize_rounds(divide(seconds[1], seconds[2]))}


def plan_run(folder):
    """Plan a run of the command over a folder; return the plan, the seconds to list and to plan."""
    from sklearn_resnet import ImageLoader, ResNetFeatures
    from sklearn_resnet._io.paths import as_path
    from sklearn_resnet.cli.resumable.plan import RunOptions, plan_table
    from sklearn_resnet.datasets import load_image_folder

    began = time.perf_counter()
    paths, _ = load_image_folder(folder, return_X_y=True)
    listed = time.perf_counter()
    images = ImageLoader(_SIDE, lazy=True).fit_transform(paths)
    resnet = ResNetFeatures(_LAYER, weights="procedural", cache=None).fit(images)
    output, options = as_path(f"{folder}-out.parquet"), RunOptions(part_size=10_000)
    plan = plan_table(output, images, None, resnet, options)
    return plan, listed - began, time.perf_counter() - listed


def _do_nothing(task):
    return None


def measure_tasks():
    """Measure the time and memory of client and scheduler for each Dask task."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        client.gather(client.map(_do_nothing, range(100), pure=False))
        before = read_memory("VmRSS")
        began = time.perf_counter()
        futures = client.map(_do_nothing, range(_N_TASKS), pure=False)
        client.gather(futures)
        seconds = time.perf_counter() - began
        grown = read_memory("VmRSS") - before
    return {"task_ms": 1000 * seconds / _N_TASKS, "task_kb": 1024 * grown / _N_TASKS}


def measure_costs(folder):
    """Measure the cost of each file and each task for the coordinating process."""
    make_photos(folder, 10_000)
    plan, listing, planning = plan_run(folder)
    tracemalloc.start()
    plan, *_ = plan_run(folder)  # again, since tracing takes time
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    part, n_files = plan.parts[0], len(plan.images)
    return {
        "n_files": n_files,
        "listing_us_per_file": round(1e6 * listing / n_files),
        "planning_us_per_file": round(1e6 * planning / n_files),
        "coordinator_bytes_per_file": round(memory / n_files),
        "sent_bytes_per_file": round(len(pickle.dumps((part, plan.resnet))) / len(part.images)),
        **measure_tasks(),
    }


def _in_folder(measure_part):
    """Measure a part with the photos in the folder SCALE, or in a temporary one."""

    def measure_part_of(data):
        with tempfile.TemporaryDirectory() as temporary:
            return measure_part(os.environ.get("SCALE", f"{temporary}/photos"))

    return measure_part_of


PARTS = {
    "costs": _in_folder(measure_costs),
    "two_workers": _in_folder(measure_workers),
    "memory": _in_folder(measure_memory),
    "memory_of_command": _in_folder(partial(measure_memory, process="command")),
    "worker": _in_folder(measure_worker),
}


def measure(data):
    """Return all results; see `PARTS`."""
    return {name: measure_part(data) for name, measure_part in PARTS.items()}
