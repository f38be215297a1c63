"""Measured results by key, for pages to quote, so that each number has one source.

A key is a path through the files in ``results/``: ``speed.digits_82.float32_times_predict`` is in
``speed.json``. If it ends at several rounds or seeds, its value is their median or mean. A reference is
a key, optionally followed by a format: ``speed.digits_82.float32_times_predict .1f``.

On a page, a number is between the comments ``<!--r REFERENCE-->`` and ``<!--/r-->``, and a group of
tables between ``<!--tables NAME-->`` and ``<!--/tables-->``. `fill_markers` replaces the text between
them, so that pages are readable without a build. A line must not begin with a marker: in Markdown, it
would begin a block of HTML.
"""

import json
import re
from numbers import Integral, Real
from pathlib import Path

from benchmarks.derived import derive_results
from benchmarks.tables import render_section

RESULTS = Path(__file__).with_name("results")
_ROOT = Path(__file__).parents[1]
FILLED_PAGES = (
    _ROOT / "README.md",
    _ROOT / "benchmarks" / "README.md",
    _ROOT / "training" / "README.md",
    _ROOT / "sklearn_resnet" / "weights" / "MODEL_CARD.md",
    *sorted((_ROOT / "docs").glob("*.md")),
)
_CENTRES = ("value", "median", "mean")  # of rounds and of seeds
# Code is left unchanged.
_REFERENCE = re.compile(
    r"""
    <!--r[ ](?P<marker>[^>]+?)-->.*?<!--/r-->
    | <!--tables[ ](?P<tables>\w+)-->.*?<!--/tables-->
    | ^[ ]*```.*?^[ ]*```
    | (?:\{[\w:-]+\})?(?P<ticks>`+)(?!`)(?:(?!\n\n).)+?(?<!`)(?P=ticks)(?!`)
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)


def load_results(folder=RESULTS):
    """Read all results, and add derived ones under ``derived``.

    Parameters
    ----------
    folder : path-like
        Holds a JSON file for each benchmark.

    Returns
    -------
    dict
        Results by the name of the benchmark.
    """
    paths = sorted(Path(folder).glob("*.json"))
    results = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    return results | {"derived": derive_results(results)}


def look_up(results, key):
    """Return the result under a key: a number, a text, or several rounds or seeds as a dict.

    Raises
    ------
    KeyError
        If the key does not exist, or ends at a group of results.
    """
    found = results
    for name in key.split("."):
        if not isinstance(found, dict) or name not in found:
            raise KeyError(f"{key} is not a result: {name!r} does not exist.")
        found = found[name]
    if isinstance(found, dict) and not found.keys() & _CENTRES:
        raise KeyError(f"{key} is a group of results: {', '.join(found)}.")
    return found


def format_result(results, reference):
    """Look up a reference, a key and an optional format, and return it as text.

    The format is one of Python's for numbers, such as ``.1f`` or ``.0%``; without one, numbers have
    all their digits. ``spread`` before it adds the minimum and maximum: ``2.94 (2.73 to 5.90)``.
    """
    key, *options = reference.split()
    is_spread = options[:1] == ["spread"]
    spec = " ".join(options[is_spread:])
    found = look_up(results, key)
    if not isinstance(found, dict):
        found = {"value": found}
    centre = next(_format(found[name], spec) for name in _CENTRES if name in found)
    if is_spread:
        return f"{centre} ({_format(found['min'], spec)} to {_format(found['max'], spec)})"
    return centre


def _format(value, spec):
    if isinstance(value, str | list):
        return str(value)
    return re.sub(r"e-0?", "e-", format(value, spec or ","))


def fill_markers(text, results):
    """Return a page with the results between its markers replaced by current ones."""

    def fill(found):
        if marker := found["marker"]:
            return f"<!--r {marker}-->{format_result(results, marker)}<!--/r-->"
        if name := found["tables"]:
            return f"<!--tables {name}-->\n\n{render_section(results, name)}\n\n<!--/tables-->"
        return found[0]

    return _REFERENCE.sub(fill, text)


def list_references(text):
    """Return the references of all markers in a page."""
    found = (found["marker"] for found in _REFERENCE.finditer(text))
    return [reference for reference in found if reference]


def write_results(path, results):
    """Write the results of a benchmark as JSON, rounded to four digits, small groups on one line."""
    text = json.dumps(_round(results), indent=2, ensure_ascii=False)
    text = re.sub(r"[{\[][^{}\[\]]*[}\]]", _join_lines, text)
    Path(path).write_text(f"{text}\n", encoding="utf-8")


def _round(value):
    if isinstance(value, dict):
        return {name: _round(each) for name, each in value.items()}
    if isinstance(value, Integral):
        return int(value)
    return float(f"{value:.4g}") if isinstance(value, Real) else value


def _join_lines(group):
    line = re.sub(r"\s*\n\s*", " ", group[0])
    line = re.sub(r"^([{\[]) | ([}\]])$", r"\1\2", line)
    return line if len(line) <= 100 else group[0]
