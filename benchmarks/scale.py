"""What does not grow with a collection: memory; and what many workers gain, and cost."""

import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
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
    """Stream photos to layer 82; return the MiB of the network, of the paths, and at most."""
    from sklearn_resnet import ImageLoader, ResNetFeatures

    loader = ImageLoader(_SIDE, lazy=True)
    resnet = ResNetFeatures(82, weights="procedural", cache=None)
    resnet.fit(loader.fit_transform([f"{folder}/000000/000000.jpg"]))
    resnet.transform(np.zeros((64, _SIDE, _SIDE, 3), np.uint8))
    network = _status("VmRSS")
    paths = [f"{folder}/{i // 1000 * 1000:06}/{i:06}.jpg" for i in range(n_photos)]
    images = loader.transform(paths)
    with_paths = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of what came before
    total = np.zeros(128)
    for _, features in resnet.transform_batches(images):
        total += features.sum(0)
    assert np.isfinite(total).all()
    return {"network": network, "paths": with_paths - network, "peak": _status("VmHWM")}


def _in_new_process(*args, **environment):
    command = [sys.executable, __file__, *map(str, args)]
    environment = os.environ | environment
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout)


def report_memory(folder):
    """Yield lines on the memory that streaming takes."""
    yield "### Memory: photos of 224 x 224 streamed to layer 82, batches of 64, in MiB"
    yield ""
    yield "Streaming: at most, above the process with its network and the paths."
    yield ""
    yield "| photos | process with its network | paths | streaming | streaming, with MALLOC_ARENA_MAX=1 |"
    yield "|---|---|---|---|---|"
    for n_photos in _N_PHOTOS:
        n_made = len(make_photos(folder, n_photos))
        found = _in_new_process("stream", folder, n_made)
        in_one_arena = _in_new_process("stream", folder, n_made, MALLOC_ARENA_MAX="1")
        above, above_in_one = (
            f"{of['peak'] - of['network'] - of['paths']:.1f}" for of in (found, in_one_arena)
        )
        yield (
            f"| {n_photos:,} | {found['network']:.0f} | {found['paths']:.1f} | {above} | "
            f"{above_in_one} |"
        )


def report_workers(folder):
    """Yield lines on what a second worker of one thread gains."""
    import dask.array as da
    from distributed import Client, LocalCluster

    from sklearn_resnet import ImageLoader, ResNetFeatures

    paths = np.array(make_photos(folder, 1000))
    resnet = ResNetFeatures(82, weights="procedural", cache=None)
    images = ImageLoader(_SIDE, lazy=True).fit_transform(da.from_array(paths, chunks=50))
    features = resnet.fit(images).transform(images)
    seconds, results = {1: [], 2: []}, {}
    options = {"threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    clusters = {n: LocalCluster(n_workers=n, **options) for n in seconds}
    n_workers = {n: len(cluster.workers) for n, cluster in clusters.items()}
    assert n_workers == {1: 1, 2: 2}
    clients = {n: Client(cluster, set_as_default=False) for n, cluster in clusters.items()}
    for client in clients.values():
        for core, worker in enumerate(client.scheduler_info()["workers"]):
            client.run(_keep_to_core, core, workers=[worker])
        client.compute(features[: 50 * 4]).result()  # imports, compiles
    for _ in range(5):
        for n, client in clients.items():
            began = time.perf_counter()
            results[n] = client.compute(features).result()
            seconds[n].append(time.perf_counter() - began)
    for n in seconds:
        clients[n].close()
        clusters[n].close()
    np.testing.assert_array_equal(results[1], results[2])
    np.testing.assert_array_equal(results[1], resnet.transform(images.compute()))
    ratios = sorted(a / b for a, b in zip(seconds[1], seconds[2], strict=True))
    yield "### Two workers of one thread, on a core each, against one (Dask's LocalCluster, 1,000 photos, layer 82)"
    yield ""
    yield (
        f"{statistics.median(ratios):.2f} times as fast ({ratios[0]:.2f}-{ratios[-1]:.2f}, 5 rounds "
        "taken in turn); features equal to the last bit, and to those of one process."
    )


def _keep_to_core(core):
    """A worker of one thread decodes in another: let both have one core, and not two."""
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), [core])


def _no_work(task):
    return None


def report_costs(folder):
    """Yield lines on what a part, and a file, cost who coordinates."""
    from distributed import Client, LocalCluster

    from sklearn_resnet import ImageLoader, ResNetFeatures
    from sklearn_resnet._io.paths import as_path
    from sklearn_resnet.cli.resumable.run import LongRun
    from sklearn_resnet.datasets import load_image_folder

    def plan():
        began = time.perf_counter()
        paths, _ = load_image_folder(folder, return_X_y=True)
        listed = time.perf_counter()
        images = ImageLoader(_SIDE, lazy=True).fit_transform(paths)
        resnet = ResNetFeatures(82, weights="procedural", cache=None).fit(images)
        run = LongRun(as_path(f"{folder}-out.parquet"), images, None, resnet, part_size=10_000)
        run.parts = run._plan()
        return run, listed - began, time.perf_counter() - listed

    make_photos(folder, 10_000)
    run, listed, planned = plan()
    tracemalloc.start()
    run = plan()[0]  # again, as tracing takes time
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    part, resnet, n_listed = run.parts[0], run.resnet, len(run.images)
    n_task = len(pickle.dumps((part, resnet))) / len(part.images)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        client.gather(client.map(_no_work, range(100), pure=False))
        before = _status("VmRSS")
        began = time.perf_counter()
        futures = client.map(_no_work, range(5000), pure=False)
        client.gather(futures)
        per_task = (time.perf_counter() - began) / 5000
        grown = (_status("VmRSS") - before) / 5000 * 1024
    yield "### What coordinating costs"
    yield ""
    yield "| | measured |"
    yield "|---|---|"
    yield f"| listing a folder of {n_listed:,} files, for each | {listed / n_listed * 1e6:.0f} us |"
    yield f"| planning (stat, key), for each file | {planned / n_listed * 1e6:.0f} us |"
    yield f"| memory of the coordinator, for each file | {memory / n_listed:.0f} bytes |"
    yield f"| what is sent to a worker, for each file | {n_task:.0f} bytes |"
    yield f"| a task of Dask: time of client and scheduler | {per_task * 1000:.2f} ms |"
    yield f"| a task of Dask: memory of client and scheduler | {grown:.1f} kB |"


def report(data):
    """Yield the lines of the report; photos are made in the folder SCALE, or one that is removed."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = os.environ.get("SCALE", f"{temporary}/photos")
        yield "## Scale"
        for part in (report_costs, report_workers, report_memory):
            yield ""
            yield from part(folder)


if __name__ == "__main__":
    print(json.dumps(stream(sys.argv[2], int(sys.argv[3]))))
