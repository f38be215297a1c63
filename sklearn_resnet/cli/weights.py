"""`embedding weights`: published weights as options of the command."""

import shlex

from sklearn_resnet._network.families import list_weights
from sklearn_resnet._network.hub import is_hub
from sklearn_resnet.cli.param_types import spell_normalization


def describe_weights():
    """List published weights, in groups of the same source, training and licence.

    Yields
    ------
    str
        Lines: a heading for each group, and the options that take each of its weights.
    """
    table = list_weights()
    groups = ["family", "trained_on", "license", "is_commercial_use_allowed", "n_channels"]
    for _, group in table.groupby(groups, sort=False, dropna=False):
        yield from _describe_group(group)
        yield ""
    yield "Licences are those of the weights; terms of the images may apply as well. Other weights of"
    yield "these kinds work too. sklearn_resnet.list_weights() is this table in Python."


def _describe_group(group):
    first = group.iloc[0]
    facts = [f"{first.family}: {first.trained_on}", _describe_license(first)]
    if first.n_channels != 3:
        facts.append(f"{first.n_channels} channel{'s' if first.n_channels > 1 else ''}")
    yield "; ".join(facts)
    for row in group.itertuples():
        note = "  # needs PyTorch" if row.needs_pytorch else ""
        yield f"  {shlex.join(_spell_options(row))}{note}"
        if not is_hub(row.weights):
            yield f"      from {row.url}"


def _describe_license(row):
    if not isinstance(row.license, str):
        return "no licence is stated"
    note = "" if row.is_commercial_use_allowed else " (no commercial use)"
    return f"{row.license}{note}"


def _spell_options(row):
    options = ["--weights", row.weights, "--architecture", row.architecture]
    if row.normalization is not None and not is_hub(row.weights):
        options += ["--normalization", spell_normalization(row.normalization)]
    if row.value_range is not None:
        options += ["--value-range", *map(str, row.value_range)]
    return options
