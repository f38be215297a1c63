"""Maps by UMAP, whose neighbors are found once, and searches of a large table."""

import os
import re
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.manifold import trustworthiness

from benchmarks.accuracy import WEIGHTS, load_mnist
from benchmarks.measuring import divide, summarize_rounds, time_call
from sklearn_resnet import ResNetFeatures

_N_IMAGES = 60_000
_SEEDS = {"seed": 0, "no_seed": None}
_SAMPLE_SIZE = 5_000  # of the trustworthiness, whose cost is quadratic
_TABLE_SHAPE = (1_000_000, 512)
_N_MANY = 1_000  # queries
_ROUNDS = 3


def run_again(task, *args):
    """Run a task of this module in a process of its own; return the numbers that it prints."""
    command = [sys.executable, "-m", "benchmarks.neighbors", task, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name: float(value) for name, value in re.findall(r"^(\w+)=(.+)$", done.stdout, re.M)}


def map_features(features_path, map_path, seed, engine):
    """Map features in a fresh process, by the command's function or by UMAP alone."""
    from sklearn_resnet.cli import pictures

    features, seed = np.load(features_path), None if seed == "None" else int(seed)
    seconds = {"import": time_call(pictures.import_umap)[0]}
    if engine == "umap":
        umap = pictures.import_umap()(random_state=seed, n_jobs=-1 if seed is None else 1)
        seconds["map"], xy = time_call(umap.fit_transform, features)
    else:
        seconds["neighbors"], neighbors = time_call(pictures.find_map_neighbors, features)
        seconds["rest"], xy = time_call(pictures.compute_umap, features, seed, neighbors)
        seconds["map"] = seconds["neighbors"] + seconds["rest"]
    np.save(map_path, xy)
    return seconds


def search_table(path, n_queries, metric):
    """Search a table in a fresh process; return the seconds, and how much memory grew."""
    from sklearn_resnet.cli.similar.neighbors import find_similar

    features = np.load(path, mmap_mode="r")
    rows = np.linspace(0, len(features) - 1, int(n_queries)).astype(int)
    query = features[rows] + np.float32(0.01)
    find_similar(features[:1000], query[:1], 10, metric)  # imports
    with sampling_memory() as samples:
        seconds, (_, found) = time_call(find_similar, features, query, 10, metric)
    assert (found[:, 0] == rows).all()
    return {"seconds": seconds, "mib": max(samples) - samples[0]}


def search_by_sklearn(path, metric):
    """Search block by block with scikit-learn's search, in double precision."""
    from sklearn.neighbors import NearestNeighbors

    features = np.load(path, mmap_mode="r")
    query = features[:1] + np.float32(0.01)
    search = NearestNeighbors(n_neighbors=10, metric=metric, algorithm="brute")

    def search_blocks():
        for start in range(0, len(features), 16_384):
            search.fit(np.asarray(features[start : start + 16_384], np.float64)).kneighbors(query)

    return {"seconds": time_call(search_blocks)[0]}


@contextmanager
def sampling_memory():
    """Yield a list of samples of the memory of this process in MiB, while the block runs.

    Pages of mapped files do not count: the system drops them when it needs memory.
    """
    samples, is_done = [_read_memory()], threading.Event()

    def sample():
        while not is_done.wait(0.002):
            samples.append(_read_memory())

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield samples
    finally:
        is_done.set()
        sampler.join()


def _read_memory():
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) / 1024


def measure_maps(data, folder):
    """Measure the command's maps against UMAP alone, each in a process of its own."""
    X = load_mnist(data, _N_IMAGES)[0]
    resnet = ResNetFeatures(layers=82, weights=Path(data) / WEIGHTS, cache=None)
    features = resnet.fit(X[:100]).transform(X)
    np.save(folder / "features.npy", features)
    maps = {
        name: summarize_maps([measure_map(folder, seed) for _ in range(_ROUNDS)])
        for name, seed in _SEEDS.items()
    }
    return {"shape": list(features.shape), **maps}


def measure_map(folder, seed):
    """Measure a map by UMAP alone, and then by the command; return seconds and trustworthiness."""
    path = folder / "features.npy"
    features = np.load(path)
    sample = np.random.default_rng(0).choice(len(features), _SAMPLE_SIZE, replace=False)
    found = {}
    for engine in ("umap", "command"):
        map_path = folder / f"{engine}.npy"
        seconds = run_again("map", path, map_path, seed, engine)
        xy = np.load(map_path)
        score = trustworthiness(features[sample], xy[sample], n_neighbors=15)
        found[engine] = seconds | {"trustworthiness": float(score)}
    return found


def summarize_maps(rounds):
    """Return ratios and scores over rounds."""
    seconds = {name: [each[name]["map"] for each in rounds] for name in ("umap", "command")}
    neighbors = [each["command"]["neighbors"] for each in rounds]
    return {
        "times_umap": summarize_rounds(divide(seconds["umap"], seconds["command"])),
        "neighbors_share": summarize_rounds(divide(neighbors, seconds["command"])),
        "seconds": {name: summarize_rounds(found) for name, found in seconds.items()},
        "trustworthiness": {
            name: summarize_rounds([each[name]["trustworthiness"] for each in rounds])
            for name in seconds
        },
    }


def write_table(path):
    """Write a table of random features, as a network's are: half of them zero."""
    rng = np.random.default_rng(0)
    table = np.lib.format.open_memmap(path, "w+", np.float32, _TABLE_SHAPE)
    for start in range(0, len(table), 20_000):
        block = rng.standard_normal((20_000, table.shape[1]), np.float32)
        table[start : start + 20_000] = np.maximum(block, 0)
    table.flush()


def forget_pages(path):
    """Drop the pages of a file from the system's cache."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_file(path):
    """Read a file in the order of its bytes."""
    buffer = bytearray(2**22)
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def measure_similar(folder):
    """Measure searches of a table, in the system's cache of files and on disk."""
    path = folder / "table.npy"
    write_table(path)
    read_file(path)
    rounds = {metric: [] for metric in ("cosine", "euclidean")}
    sklearn_seconds, cold, read = [], [], []
    for _ in range(_ROUNDS):
        for metric, found in rounds.items():
            found.append(run_again("similar", path, 1, metric))
        sklearn_seconds.append(run_again("sklearn", path, "cosine")["seconds"])
        forget_pages(path)
        read.append(time_call(read_file, path)[0])
        forget_pages(path)
        cold.append(run_again("similar", path, 1, "cosine")["seconds"])
    many = run_again("similar", path, _N_MANY, "cosine")
    seconds = {name: [each["seconds"] for each in found] for name, found in rounds.items()}
    memory = [each["mib"] for found in rounds.values() for each in found]
    return {
        "shape": list(_TABLE_SHAPE),
        "seconds": {name: summarize_rounds(found) for name, found in seconds.items()},
        "times_sklearn": summarize_rounds(divide(sklearn_seconds, seconds["cosine"])),
        "cold_seconds": summarize_rounds(cold),
        "cold_read_seconds": summarize_rounds(read),
        "mib": summarize_rounds(memory),
        "many": {
            "n_queries": _N_MANY,
            "seconds": many["seconds"],
            "mib": many["mib"],
        },
    }


def measure(data):
    """Return the cost of maps and of searches."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = {"maps": measure_maps(data, folder), "similar": measure_similar(folder)}
    versions = {name: version(name) for name in ("umap-learn", "pynndescent")}
    return results | {"versions": versions}


_TASKS = {"map": map_features, "similar": search_table, "sklearn": search_by_sklearn}

if __name__ == "__main__":
    for name, value in _TASKS[sys.argv[1]](*sys.argv[2:]).items():
        print(f"{name}={value}")
