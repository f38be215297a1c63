"""Markdown tables, and numbers in their cells."""

import textwrap

WEIGHTS = {"procedural": "procedural", "imagenet": "ImageNet", "random": "random"}


def wrap(text):
    """Break a paragraph into lines."""
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def table(header, rows):
    """Make a table; the titles in the header are separated by semicolons."""
    lines = [
        "|" + "|".join(f" {cell} " if cell else " " for cell in row) + "|"
        for row in (header.split("; "), *rows)
    ]
    ruler = "|---" * (header.count("; ") + 1) + "|"
    return "\n".join([lines[0], ruler, *lines[1:]])


def spread(result, spec, sign=" to "):
    """Write the median, or else the mean, with the minimum and maximum."""
    centre = result["median"] if "median" in result else result["mean"]
    return f"{centre:{spec}} ({result['min']:{spec}}{sign}{result['max']:{spec}})"


def slashed(values, spec=".3f"):
    """Write numbers with slashes between them."""
    return " / ".join(f"{value:{spec}}" for value in values)


def number(name):
    """Return the number at the end of a name such as ``layer_82`` or ``photos_1000``."""
    return int(name.rpartition("_")[2])
