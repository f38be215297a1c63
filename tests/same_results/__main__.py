"""Shows that another tree of this package gives the same results, to the last bit.

For a change that must change no result: record what the tree before it gives, record the tree after it, and
compare. PYTHONPATH says which tree is run; commands, calls and inputs are those of this folder.

    PYTHONPATH=/path/to/before python tests/same_results record before.json
    PYTHONPATH=/path/to/after python tests/same_results record after.json
    python tests/same_results compare before.json after.json

Both records must be made on one machine, in one environment. What must be equal are features, tables, pictures, the
data of pages, records and exit codes; messages may be rewritten, and are shown. It exits with 1 if a result differs.
"""

import difflib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_GROUPS = ("commands", "processes", "calls")
_ABSENT = "(absent)"


def main():
    """Record, or compare."""
    match sys.argv[1:]:
        case ["record", output]:
            record(Path(output).absolute())
        case ["record-group", group, output]:
            record_group(group, Path(output))
        case ["compare", before, after]:
            sys.exit(compare(before, after))
        case _:
            sys.exit(__doc__)


def record(output):
    """Record all groups, each in a process and a folder of its own, and write what they gave."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for group in _GROUPS:
            here = Path(folder, group)
            here.mkdir()
            part = Path(folder, f"{group}.json")
            command = [
                sys.executable,
                str(Path(__file__).resolve().parent),
                "record-group",
                group,
                str(part),
            ]
            subprocess.run(command, cwd=here, env=_make_environment(here), check=True)
            found |= json.loads(part.read_text(encoding="utf-8"))
            shutil.rmtree(here)
    output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{len(found)} commands and calls are in {output}", file=sys.stderr)


def _make_environment(folder):
    """Variables that keep away from the user's caches, the network, and the present time."""
    settings = Path(folder).parent / "matplotlibrc"
    settings.write_text("backend: agg\nsvg.hashsalt: same\n", encoding="utf-8")
    nowhere = "http://127.0.0.1:9"
    searched = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(map(os.path.abspath, searched)),
        "PYTHONHASHSEED": "0",  # sets in messages
        "XDG_CACHE_HOME": str(folder / "user_cache"),
        "KERAS_HOME": str(folder / "keras"),
        "MATPLOTLIBRC": str(settings),
        "MPLBACKEND": "agg",
        "SOURCE_DATE_EPOCH": "1700000000",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "COLUMNS": "100",
        "http_proxy": nowhere,
        "https_proxy": nowhere,
        "no_proxy": "localhost",
    }


def record_group(group, output):
    """Record one group, of the inputs in the working directory."""
    import inputs

    import sklearn_resnet

    print(f"{group}: {Path(sklearn_resnet.__file__).parent}", file=sys.stderr)
    inputs.make_inputs()
    if group == "calls":
        from calls import record_calls as record_all
    elif group == "processes":
        from commands import record_processes as record_all
    else:
        from commands import record_commands as record_all
    records = {
        f"{group}: {name}": {"results": record.results, "words": record.words}
        for name, record in record_all().items()
    }
    output.write_text(json.dumps(records), encoding="utf-8")


def compare(before, after):
    """Show what differs; return 1 if results do, else 0."""
    before, after = (json.loads(Path(path).read_text(encoding="utf-8")) for path in (before, after))
    n_words = _show("words", before, after, _show_words)
    n_results = _show("results", before, after, _show_values)
    print(f"{len(before)} commands and calls before, {len(after)} after")
    print(f"{n_words} messages differ, which may be")
    print(f"{n_results} RESULTS DIFFER" if n_results else "all results are equal")
    return int(n_results > 0)


def _show(layer, before, after, show):
    n_different = 0
    for name in before | after:
        old, new = (flatten(records.get(name, {}).get(layer)) for records in (before, after))
        for key in old | new:
            found = old.get(key, _ABSENT), new.get(key, _ABSENT)
            if found[0] != found[1]:
                n_different += 1
                print(f"{layer}: {name}: {key}")
                show(*found)
    return n_different


def flatten(value, name=""):
    """Nested dictionaries as one, by paths of keys; lists stay whole."""
    if not isinstance(value, dict):
        return {} if value is None and not name else {name: value}
    found = {}
    for key, item in value.items():
        found |= flatten(item, f"{name}/{key}" if name else key)
    return found


def _show_words(old, new):
    old, new = ([] if lines == _ABSENT else lines for lines in (old, new))
    if not (isinstance(old, list) and isinstance(new, list)):
        _show_values(old, new)
        return
    old, new = (list(map(str, lines)) for lines in (old, new))
    for line in difflib.unified_diff(old, new, n=0, lineterm=""):
        if not line.startswith(("---", "+++", "@@")):
            print(f"    {line}")


def _show_values(old, new):
    print(f"    before  {json.dumps(old)}")
    print(f"    after   {json.dumps(new)}")


if __name__ == "__main__":
    main()
