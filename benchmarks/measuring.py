"""Shared by the benchmarks: timing, summaries of rounds, and a description of the machine."""

import platform
import re
import statistics
import time
from importlib.metadata import version
from pathlib import Path

import joblib

_PACKAGES = ("sklearn-resnet", "scikit-learn", "numpy", "openvino", "nncf", "keras", "tensorflow")
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8")


def time_call(function, *args):
    """Return the seconds that a call took, and its result."""
    start = time.perf_counter()
    result = function(*args)
    return time.perf_counter() - start, result


def summarize_rounds(values):
    """Return the median, minimum and maximum."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summarize_seeds(scores):
    """Return the mean, minimum and maximum."""
    return {"mean": float(statistics.mean(scores)), "min": min(scores), "max": max(scores)}


def divide(numerators, denominators):
    """Return the ratios within rounds."""
    return [a / b for a, b in zip(numerators, denominators, strict=True)]


def describe_machine():
    """Return the processor and the relevant versions."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else ""
    model = re.search(r"model name\s*: (.*)", text)
    flags = set(re.search(r"flags\s*: (.*)", text)[1].split()) if text else set()
    processor = model[1] if model else platform.processor()
    instructions = ", ".join(name for name in _INSTRUCTIONS if name in flags)
    return {
        "machine": f"{processor} ({instructions}), {joblib.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}",
        "versions": {package: version(package) for package in _PACKAGES},
    }
