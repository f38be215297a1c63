"""Findings: which rows a person has to look at, and in which order."""

import numpy as np
import pandas as pd
import pytest

from sklearn_resnet.checks._quality import FLAGS
from sklearn_resnet.cli.check.findings import Findings


def make_table(**columns):
    """A table of eight images without findings, but for the given columns."""
    table = pd.DataFrame({"path": [f"{i}.png" for i in range(8)]})
    table["duplicate_group"], table["n_copies"] = range(8), 0
    table["outlier_score"] = [0.9, 1.0, 1.0, 1.1, 0.95, 0.9, 1.1, 1.05]
    for name in FLAGS:
        table[name] = pd.array([False] * 8, "boolean")
    table["unreadable"], table["error"] = False, ""
    return table.assign(**columns)


def make_findings(features=None, **columns):
    return Findings(make_table(**columns), np.zeros((8, 2)) if features is None else features)


COPIES = {
    "duplicate_group": [0, 0, 0, 1, 1, 2, 2, 3],
    "n_copies": [2, 2, 2, 1, 1, 1, 1, 0],
    "split": ["a", "a", "a", "a", "a", "a", "b", "a"],
    "label": ["x", "x", "x", "x", "y", "x", "y", "x"],
}


def test_groups_across_splits_come_first_then_those_across_labels():
    findings = make_findings(**COPIES)
    assert findings.groups == [[5, 6], [3, 4], [0, 1, 2]]
    assert findings.list_spanning("split") == [[5, 6]]
    assert findings.list_spanning("label") == [[5, 6], [3, 4]]
    assert make_findings().groups == []
    assert make_findings().list_spanning("split") == []


def test_suspects_are_ordered_by_the_probability_of_their_label():
    suspect = pd.array([True, False, True, None, True, False, False, False], "boolean")
    scores = [0.2, 0.0, 0.1, np.nan, 0.3, 1, 1, 1]
    findings = make_findings(label="x", suspect_label=suspect, label_score=scores)
    assert findings.suspects == [2, 0, 4]
    assert make_findings().suspects == []


def test_examples_are_the_nearest_of_the_suggested_class_whose_label_is_right():
    findings = make_findings(
        features=np.array([0, 1, 2, 3, 4, 5, 6, np.nan])[:, None],
        label=["x", "y", "y", "x", "y", "y", "y", "y"],
        suggested_label=["y", *["x"] * 7],
        suspect_label=[True, False, True, False, False, False, False, False],
        label_score=0.5,
        unreadable=[False] * 7 + [True],
    )
    assert findings.find_examples(0) == [1, 4, 5, 6]


def test_outliers_are_far_above_the_other_scores():
    table = pd.concat([make_table()] * 2, ignore_index=True)
    table.loc[[3, 6, 7], "outlier_score"] = [3.0, 5.0, np.nan]
    assert Findings(table, np.zeros((16, 2))).outliers == [6, 3]
    assert make_findings().outliers == []
    assert make_findings(outlier_score=np.nan).outliers == []


def test_the_name_of_a_finding_is_the_most_urgent():
    dark = pd.array([True, *[False] * 6, None], "boolean")
    findings = make_findings(**COPIES, dark=dark, outlier_score=[1, 1, 1, 1, 1, 1, 1, 9.0])
    assert findings.flagged["dark"] == [0]
    assert findings.name_findings().tolist() == [
        *["copy"] * 3,
        *["copy in another label"] * 2,
        *["copy in another split"] * 2,
        "outlier",
    ]
    assert make_findings(dark=dark).name_findings().tolist() == ["dark", *[None] * 7]


@pytest.mark.parametrize("column", ["dark", "low_contrast"])
def test_findings_are_counted(column):
    flags = pd.array([True, True, None, *[False] * 5], "boolean")
    counts = make_findings(**COPIES, **{column: flags}).count()
    assert counts[column] == 2
    assert counts["copies"] == 7
    assert counts["groups"] == 3
    assert counts["groups_across_splits"] == 1
    assert counts["groups_across_labels"] == 2
    assert counts["outliers"] == counts["unreadable"] == 0
