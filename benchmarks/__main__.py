"""Run benchmarks and write RESULTS.md: python benchmarks DATA [NAME ...]."""

import argparse
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

import joblib
import layer_accuracy
import page
import peers
import procedural
import scale
import search
import speed

_BENCHMARKS = {
    "accuracy": layer_accuracy.report,
    "procedural": procedural.report,
    "speed": speed.report,
    "search": search.report,
    "scale": scale.report,
    "page": page.report,
    "peers": peers.report,
}
_RESULTS = Path(__file__).with_name("RESULTS.md")
_PACKAGES = ("sklearn-resnet", "scikit-learn", "numpy", "openvino", "nncf", "keras", "tensorflow")


def describe_machine():
    """Name the processor, and the versions that matter."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    model = re.search(r"model name\s*: (.*)", text)
    flags = set(re.search(r"flags\s*: (.*)", text)[1].split()) if text else set()
    features = [
        f for f in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8") if f in flags
    ]
    versions = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
    return (
        f"{model[1] if model else platform.processor()} ({', '.join(features)}), "
        f"{joblib.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {versions}."
    )


def main():
    """Run what is named, or all; replace the parts of RESULTS.md that it gives."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder described in benchmarks/README.md")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(_BENCHMARKS))
    arguments = parser.parse_args()
    text = _RESULTS.read_text(encoding="utf-8") if _RESULTS.exists() else ""
    parts = dict(re.findall(r"<!-- (\w+) -->\n(.*?)(?=<!-- |\Z)", text, re.DOTALL))
    names = arguments.names or list(_BENCHMARKS)
    if not arguments.names and "PEERS" not in os.environ:
        print("peers is left out: PEERS names no Python that has them.")
        names.remove("peers")
    for name in names:
        lines = []
        for line in _BENCHMARKS[name](arguments.data):
            print(line, flush=True)
            lines.append(line)
        parts[name] = "\n".join([f"{describe_machine()}", "", *lines])
        body = "".join(f"<!-- {name} -->\n{part.strip()}\n\n" for name, part in parts.items())
        _RESULTS.write_text(f"# Results\n\nWritten by `make bench`.\n\n{body.strip()}\n", "utf-8")


if __name__ == "__main__":
    main()
