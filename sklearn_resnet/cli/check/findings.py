"""The rows of a table of `check_images` that a person has to look at, the most urgent first."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from sklearn_resnet.checks._quality import FLAGS

_FENCE = 1.5  # times the interquartile range above the third quartile, as in a box plot
_N_NEIGHBORS = 5


@dataclass(frozen=True)
class Findings:
    """The findings in a collection of images.

    Attributes
    ----------
    table : DataFrame
        As `check_images` returns it, with a column `error`, and maybe `split` and `label`.
    features : ndarray of shape (n, n_features)
    """

    table: pd.DataFrame
    features: np.ndarray

    @cached_property
    def groups(self):
        """The groups of copies, as lists of rows: those across splits first, then across labels."""
        copies = self.table[self.table["n_copies"] > 0]
        rows = copies.groupby("duplicate_group").indices.values()
        groups = [copies.index[positions].tolist() for positions in rows]
        return sorted(
            groups,
            key=lambda rows: (
                -self.count_distinct("split", rows),
                -self.count_distinct("label", rows),
                -len(rows),
                rows,
            ),
        )

    def count_distinct(self, column, rows):
        """Count the values of a column in some rows; 0 without this column."""
        return self.table[column].iloc[rows].nunique() if column in self.table else 0

    def list_spanning(self, column):
        """List the groups of copies that have several splits or labels."""
        return [rows for rows in self.groups if self.count_distinct(column, rows) > 1]

    @cached_property
    def suspects(self):
        """The images whose label looks wrong, the least probable label first."""
        if "suspect_label" not in self.table:
            return []
        table = self.table[self.table["suspect_label"].fillna(False).astype(bool)]
        return table.sort_values("label_score", kind="stable").index.tolist()

    @cached_property
    def outliers(self):
        """The images with an outlier score that is far above the others, the highest first."""
        scores = self.table["outlier_score"].dropna()
        if scores.empty:
            return []
        low, high = scores.quantile([0.25, 0.75])
        outliers = scores[scores > high + _FENCE * (high - low)]
        return outliers.sort_values(ascending=False, kind="stable").index.tolist()

    @cached_property
    def flagged(self):
        """The images that have each flag of poor quality, as a dict of lists of rows."""
        rows = {name: self.table[name].fillna(False).astype(bool) for name in FLAGS}
        return {name: np.flatnonzero(is_flagged).tolist() for name, is_flagged in rows.items()}

    @cached_property
    def unreadable(self):
        """The images that cannot be read."""
        return np.flatnonzero(self.table["unreadable"]).tolist()

    def find_examples(self, row):
        """Find the images of the class that is suggested for an image which are nearest to it."""
        table = self.table
        is_example = (table["label"] == table["suggested_label"].iloc[row]) & ~table["unreadable"]
        is_example.iloc[self.suspects] = False
        rows = np.flatnonzero(is_example)
        distances = np.linalg.norm(self.features[rows] - self.features[row], axis=1)
        return rows[np.argsort(distances, kind="stable")[:_N_NEIGHBORS]].tolist()

    def name_findings(self):
        """Name the most urgent finding for each image; None without one.

        Returns
        -------
        ndarray of shape (n,), dtype object
        """
        names = np.full(len(self.table), None, object)
        found = {name.replace("_", " "): rows for name, rows in self.flagged.items()}
        found["copy"] = [row for rows in self.groups for row in rows]
        found["outlier"] = self.outliers
        found["suspect label"] = self.suspects
        for column in ("label", "split"):
            found[f"copy in another {column}"] = [
                row for rows in self.list_spanning(column) for row in rows
            ]
        for name, rows in found.items():  # the last is the most urgent
            names[rows] = name
        return names

    def count(self):
        """Count the findings, for the record."""
        return {
            "copies": sum(map(len, self.groups)),
            "groups": len(self.groups),
            "groups_across_splits": len(self.list_spanning("split")),
            "groups_across_labels": len(self.list_spanning("label")),
            "suspect_labels": len(self.suspects),
            "outliers": len(self.outliers),
            **{name: len(rows) for name, rows in self.flagged.items()},
            "unreadable": len(self.unreadable),
        }
