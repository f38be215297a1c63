"""The findings as text."""

import numpy as np
import pandas as pd
import pytest

from sklearn_resnet.checks._quality import FLAGS
from sklearn_resnet.cli.check.findings import Findings
from sklearn_resnet.cli.check.summary import (
    count_nouns,
    describe_copies,
    describe_findings,
    describe_threshold,
)


@pytest.fixture
def findings():
    n = 14
    table = pd.DataFrame({"path": [f"a\x1b[31m/{i}.png" for i in range(n)]})
    table["split"] = ["train", "test"] * (n // 2)
    table["label"] = ["cat", "cat", "dog", *["cat"] * (n - 3)]
    table["duplicate_group"] = [0, 0, 0, 0, 0, 0, 1, *range(2, n - 5)]
    table["n_copies"] = [5] * 6 + [0] * (n - 6)
    table["outlier_score"] = [1.0] * (n - 1) + [4.26]
    table["label_score"], table["suggested_label"] = 0.01, "do\ng"
    table["suspect_label"] = [False] * 8 + [True] * 4 + [False] * 2
    for name in FLAGS:
        table[name] = False
    table.loc[0, ["dark", "low_contrast"]] = True
    table["unreadable"] = [False, True] + [False] * (n - 2)
    table["error"] = ["", "it is a damaged JPEG"] + [""] * (n - 2)
    return Findings(table, np.zeros((n, 2)))


def test_each_kind_has_a_heading_and_its_first_findings(findings):
    name = r"a\x1b[31m/{}.png"
    assert list(describe_findings(findings)) == [
        "1 group of copies, 1 across train and test, 1 with different labels",
        f"  {' = '.join(name.format(i) for i in range(4))} = 2 more",
        "4 labels to look at first",
        *[f"  {name.format(i)}: cat, maybe do\\ng" for i in (8, 9, 10)],
        "  ... and 1 more",
        "1 outlier",
        f"  {name.format(13)}: 4.3 times as far as usual",
        "1 image of poor or unusual quality: 1 dark, 1 low contrast",
        f"  {name.format(0)}: dark, low contrast",
        "1 image that cannot be read",
        f"  {name.format(1)}: it is a damaged JPEG",
    ]


def test_splits_are_named_if_they_are_few(findings):
    table = findings.table.assign(n_copies=0)
    assert describe_copies(Findings(table, findings.features)) == (
        "no groups of copies, none across train and test"
    )
    table = table.assign(split=[f"{i % 4}" for i in range(len(table))])
    assert describe_copies(Findings(table, findings.features)).endswith("none across splits")
    table = table.drop(columns="split")
    assert describe_copies(Findings(table, findings.features)) == "no groups of copies"


def test_the_threshold_is_described():
    copies = {
        "threshold": 0.1234,
        "false_pairs": 0.26,
        "recall": {"jpeg_50": 1.0, "crop_10": 0.96},
        "max_false_pairs": 0.002,
    }
    assert describe_threshold(copies) == (
        "distances up to 0.123, learned from altered copies of these images, of which this finds at "
        "least 96 % (crop 10); about 0.26 of the pairs may be false"
    )
    assert describe_threshold(copies | {"threshold": None}).startswith("equal files only")


def test_nouns_are_counted():
    assert count_nouns([], "group", "groups") == "no groups"
    assert count_nouns([3], "group", "groups") == "1 group"
    assert count_nouns(range(1234), "group", "groups") == "1,234 groups"
