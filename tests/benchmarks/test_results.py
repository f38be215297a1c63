"""Measured numbers have one source, the results of the benchmarks, and pages quote them by key."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "benchmarks" / "results").is_dir():
    pytest.skip("the benchmarks are not beside these tests", allow_module_level=True)
sys.path.append(str(ROOT))

from benchmarks.lookup import (  # noqa: E402
    FILLED_PAGES,
    fill_markers,
    format_result,
    list_references,
    load_results,
    write_results,
)
from benchmarks.tables import render_results  # noqa: E402

PAGES = [
    *FILLED_PAGES,
    *(ROOT / name for name in ("CHANGES.md", "CONTRIBUTING.md")),
]
SMALL = {
    "speed": {"rounds": {"median": 2.94, "min": 2.7, "max": 5.9}, "peak": 2564, "error": 1e-06},
    "other": {"size": {"value": 3.8, "note": "measured by hand"}},
    "versions": {"numpy": "2.4.6"},
}

# Not figures to read: code, roles, markers, targets of links
NO_PROSE = [
    re.compile(r"^ *(`{3,}|~{3,}).*?^ *\1 *$", re.DOTALL | re.MULTILINE),
    re.compile(r"<!--tables .*?<!--/tables-->", re.DOTALL),
    re.compile(r"<!--r .*?<!--/r-->", re.DOTALL),
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"(?:\{[\w:-]+\})?(`+)(?!`)(?:(?!\n\n).)+?(?<!`)\1(?!`)", re.DOTALL),
    re.compile(r"(?<=\])\([^)\s]*\)|https?://\S+"),
]
UNIT = (
    r"images/s|(?:images|frames|photos) (?:a|per) second|[kKMGT]i?B|bytes|us|ms|s|seconds?|minutes?"
    r"|hours?|days?|GFLOP\S*"
)
COUNT = r"(?:\d[\d.,]*|two|three|four|five|six|seven|eight|nine|ten)"
MEASURED = re.compile(
    rf"(?<![\w.^-])\d[\d.,]*[ -]?(?:{UNIT})\b"  # 68 MiB, 3 hours
    rf"|(?<![\w.]){COUNT} times (?:as|faster|slower|less|more)\b|\btwice as (?:fast|slow|much)\b"
    r"|(?<![\w.])\d+(?:\.\d+)? ?%"
    r"|(?<![\w./])\d+\.\d+(?!\w|\.\d)"  # 0.44, 12.9
    r"|\d+e-\d+"
)
# Facts that no benchmark measures: sizes of files and types, defaults, versions
ALLOWED = (
    *("95 MB", "171 MB", "235 MB", "11 MB", "170 MB", "9 MB", "8.9 MB", "4 bytes"),
    *("200 MB", "64 MiB", "256 MiB", "4,096 MiB", "4 GiB", "8.6 million", "8.9 million"),
    *("Python 3.11", "to 3.14", "Python 3.14", "scikit-learn 1.8", "click 8.2"),
)


def read_prose(text):
    for pattern in NO_PROSE:
        text = pattern.sub(" ", text)
    return text


def find_figures(text):
    prose = read_prose(text)
    for phrase in ALLOWED:
        prose = re.sub(rf"(?<![\w.]){re.escape(phrase)}(?![\w.]\d)", " ", prose)
    return [found[0] for found in MEASURED.finditer(prose)]


@pytest.fixture(scope="module")
def results():
    return load_results()


def test_the_results_page_is_what_the_results_give(results):
    page = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    assert page == render_results(results), "run: python -m benchmarks --render"


@pytest.mark.parametrize("path", FILLED_PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_markers_hold_the_values_of_their_keys(path, results):
    page = path.read_text(encoding="utf-8")
    assert page == fill_markers(page, results), "run: python -m benchmarks --render"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_reference_of_a_page_is_a_result(path, results):
    for reference in list_references(path.read_text(encoding="utf-8")):
        assert format_result(results, reference)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_line_begins_with_a_marker(path):
    """In Markdown, it would begin a block of HTML."""
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^ *(?:[-*>] |\d+\. )?<!--r.*", text, re.MULTILINE) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_states_a_measured_figure_by_itself(path):
    figures = find_figures(path.read_text(encoding="utf-8"))
    assert not figures, "quote them by key (see benchmarks/README.md), or leave them out"


def test_each_allowed_fact_is_on_a_page():
    prose = "\n".join(read_prose(path.read_text(encoding="utf-8")) for path in PAGES)
    assert [phrase for phrase in ALLOWED if phrase not in prose] == []


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("It takes 68 MiB, or 2.94 times as fast.", ["68 MiB", "2.94 times as"]),
        ("features come two to four times as fast", ["four times as"]),
        ("int8 is twice as fast", ["twice as fast"]),
        ("gets 0.70 of them right, or 70 %", ["0.70", "70 %"]),
        ("| digits | 0.944 (0.937-0.950) |", ["0.944", "0.937", "0.950"]),
        ("135 images/s, 35 frames a second, in 2 to 3 hours", None),
        ("60,000 digits of 28 x 28 at layer 82, in ten folds, 10^9 operations", []),
        ("`0.44` and\n```\n0.988 in 3 s\n```\n", []),
        (
            "about <!--r speed.rounds .2f-->2.94<!--/r--> and <!--r speed.rounds .1f-->2.9<!--/r--> times",
            [],
        ),
        ("{doc}`speed`, 2.9 and {doc}`scale`", ["2.9"]),
        ("On Python 3.11, a download of 95 MB", []),
    ],
)
def test_figures_are_found_in_prose_and_only_there(text, figures):
    if figures is None:
        assert len(find_figures(text)) == 3
    else:
        assert find_figures(text) == figures


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("speed.rounds", "2.94"),
        ("speed.rounds .1f", "2.9"),
        ("speed.rounds spread .2f", "2.94 (2.70 to 5.90)"),
        ("speed.rounds.max", "5.9"),
        ("speed.peak", "2,564"),
        ("speed.error", "1e-6"),
        ("other.size", "3.8"),
        ("versions.numpy", "2.4.6"),
    ],
)
def test_a_reference_is_a_key_and_a_format(reference, expected):
    assert format_result(SMALL, reference) == expected


@pytest.mark.parametrize(
    ("reference", "error"),
    [
        ("speed.none", KeyError),
        ("none", KeyError),
        ("speed", KeyError),
        ("speed.peak.max", KeyError),
        ("speed.peak spread", KeyError),
        ("speed.rounds range .2f", ValueError),
        ("speed.rounds zz", ValueError),
    ],
)
def test_other_references_are_errors(reference, error):
    with pytest.raises(error):
        format_result(SMALL, reference)


def test_markers_are_filled_and_nothing_else_changes():
    page = "| <!--r speed.rounds .1f-->7<!--/r--> | <!--r other.size--><!--/r--> | 7 |\n"
    filled = "| <!--r speed.rounds .1f-->2.9<!--/r--> | <!--r other.size-->3.8<!--/r--> | 7 |\n"
    assert fill_markers(page, SMALL) == filled


def test_references_are_listed_but_for_those_in_code():
    page = (
        "<!--r speed.peak-->1<!--/r--> {doc}`speed`, <!--r other.size-->3.8<!--/r--> and\n`a`\n"
        "``a `b` `` `<!--r in.code-->1<!--/r-->`\n"
        "```\n<!--r in.code-->1<!--/r-->\n```\n"
    )
    assert list_references(page) == ["speed.peak", "other.size"]
    assert fill_markers(page, SMALL) == page.replace("-->1<", "-->2,564<", 1)


def test_results_are_written_rounded_and_legible(tmp_path):
    results = SMALL | {"layers": [16, 51], "rate": 1 / 3, "n_images": 100_000}
    write_results(tmp_path / "a.json", results)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert '"rounds": {"median": 2.94, "min": 2.7, "max": 5.9}' in text
    assert json.loads(text) == results | {"rate": 0.3333}
