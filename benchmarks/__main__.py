"""Measure, and fill RESULTS.md and the pages that quote results: ``python -m benchmarks DATA``."""

import argparse
import json
import os
from importlib import import_module
from pathlib import Path

from benchmarks.lookup import FILLED_PAGES, RESULTS, fill_markers, load_results, write_results
from benchmarks.measuring import describe_machine
from benchmarks.tables import SECTIONS, render_results

_NEED_PEERS = ("peers", "torch_speed", "torch_weights")


def measure(name, data):
    """Run one benchmark, or one part of it such as ``speed.photos_82``, and write its results."""
    name, _, part = name.partition(".")
    module = import_module(f"benchmarks.{name.removesuffix('_amx')}")
    path = RESULTS / f"{name}.json"
    machine = describe_machine()
    if part:
        results = json.loads(path.read_text(encoding="utf-8")) | machine
        results[part] = module.PARTS[part](data)
    else:
        found = module.measure(data)
        machine["versions"] |= found.pop("versions", {})
        results = machine | found
    write_results(path, results)


def render():
    """Write RESULTS.md, and fill the markers of the pages that GitHub shows."""
    results = load_results()
    RESULTS.with_name("RESULTS.md").write_text(render_results(results), encoding="utf-8")
    for path in FILLED_PAGES:
        text = path.read_text(encoding="utf-8")
        path.write_text(fill_markers(text, results), encoding="utf-8")


def main():
    """Run the named benchmarks, or all of them."""
    names = ", ".join(SECTIONS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "data", type=Path, nargs="?", help="folder described in benchmarks/README.md"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{names}; all by default")
    parser.add_argument(
        "--render", action="store_true", help="only fill the pages; measure nothing"
    )
    arguments = parser.parse_args()
    if arguments.render:
        return render()
    if arguments.data is None:
        parser.error("DATA is required, or --render.")
    names = arguments.names or list(SECTIONS)
    if not arguments.names and "PEERS" not in os.environ:
        print(f"{', '.join(_NEED_PEERS)} are skipped: the environment variable PEERS is not set.")
        names = [name for name in names if name not in _NEED_PEERS]
    for name in names:
        print(f"{name} ...", flush=True)
        measure(name, arguments.data)
        render()


if __name__ == "__main__":
    main()
