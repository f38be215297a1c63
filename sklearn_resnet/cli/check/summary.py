"""The findings of `embedding check` as text."""

from sklearn_resnet.cli.streams import printable

_MAX_NAMED = 3  # of each kind
_MAX_COPIES = 4  # of one group


def describe_findings(findings):
    """Describe findings.

    Parameters
    ----------
    findings : Findings

    Yields
    ------
    str
        Lines: a heading for each kind of finding, and the first of them.
    """
    for heading, lines in (
        (describe_copies(findings), map(_Namer(findings).name_group, findings.groups)),
        (describe_suspects(findings), map(_Namer(findings).name_suspect, findings.suspects)),
        (describe_outliers(findings), map(_Namer(findings).name_outlier, findings.outliers)),
        (describe_quality(findings), _Namer(findings).name_flagged()),
        (describe_unreadable(findings), map(_Namer(findings).name_unreadable, findings.unreadable)),
    ):
        yield heading
        lines = list(lines)
        yield from (f"  {line}" for line in lines[:_MAX_NAMED])
        if len(lines) > _MAX_NAMED:
            yield f"  ... and {len(lines) - _MAX_NAMED:,} more"


def describe_copies(findings):
    """Describe the number of copies: ``"41 groups of copies, 7 across train and test"``."""
    text = count_nouns(findings.groups, "group of copies", "groups of copies")
    n_splits, n_labels = (len(findings.list_spanning(name)) for name in ("split", "label"))
    if "split" in findings.table:
        names = [printable(name) for name in findings.table["split"].unique()]
        text += f", {n_splits or 'none'} across {_join(names) if len(names) < 4 else 'splits'}"
    if n_labels:
        text += f", {n_labels} with different labels"
    return text


def describe_suspects(findings):
    """Describe the number of suspect labels."""
    if "label" not in findings.table:
        return "no labels to check: images have no class folders, and there is no --labels"
    return f"{count_nouns(findings.suspects, 'label', 'labels')} to look at first"


def describe_outliers(findings):
    """Describe the number of outliers."""
    return count_nouns(findings.outliers, "outlier", "outliers")


def describe_quality(findings):
    """Describe the number of images of poor quality, and the flags that they have."""
    rows = {row for flagged in findings.flagged.values() for row in flagged}
    text = f"{count_nouns(rows, 'image', 'images')} of poor or unusual quality"
    counts = [
        f"{len(flagged):,} {name.replace('_', ' ')}"
        for name, flagged in findings.flagged.items()
        if flagged
    ]
    return f"{text}: {', '.join(counts)}" if counts else text


def describe_unreadable(findings):
    """Describe the number of images that cannot be read."""
    return f"{count_nouns(findings.unreadable, 'image', 'images')} that cannot be read"


def describe_threshold(copies):
    """Describe how copies were told from others.

    Parameters
    ----------
    copies : dict
        ``attrs["copies"]`` of the table.

    Returns
    -------
    str
    """
    if copies["threshold"] is None:
        return "equal files only, because there are too few images to learn from"
    text = f"distances up to {copies['threshold']:.3f}, learned from altered copies of these images"
    if copies["recall"]:
        worst = min(copies["recall"], key=copies["recall"].get)
        share = f"{100 * copies['recall'][worst]:.0f} %"
        text += f", of which this finds at least {share} ({worst.replace('_', ' ')})"
    return f"{text}; about {copies['false_pairs']:.2g} of the pairs may be false"


def count_nouns(items, singular, plural):
    """Count items: ``"1 group"``, ``"2 groups"``, ``"no groups"``."""
    if not items:
        return f"no {plural}"
    return f"{len(items):,} {singular if len(items) == 1 else plural}"


class _Namer:
    """Names single findings."""

    def __init__(self, findings):
        self._findings, self._table = findings, findings.table

    def _path(self, row):
        return printable(self._table["path"].iloc[row])

    def name_group(self, rows):
        names = [self._path(row) for row in rows[:_MAX_COPIES]]
        n_more = len(rows) - len(names)
        return " = ".join(names) + (f" = {n_more} more" if n_more else "")

    def name_suspect(self, row):
        entry = self._table.iloc[row]
        label, suggested = printable(entry["label"]), printable(entry["suggested_label"])
        return f"{self._path(row)}: {label}, maybe {suggested}"

    def name_outlier(self, row):
        return (
            f"{self._path(row)}: {self._table['outlier_score'].iloc[row]:.1f} times as far as usual"
        )

    def name_flagged(self):
        names = {}
        for name, rows in self._findings.flagged.items():
            for row in rows:
                names.setdefault(row, []).append(name.replace("_", " "))
        return [f"{self._path(row)}: {', '.join(flags)}" for row, flags in names.items()]

    def name_unreadable(self, row):
        return f"{self._path(row)}: {printable(self._table['error'].iloc[row])}"


def _join(names):
    return f"{', '.join(names[:-1])} and {names[-1]}"
