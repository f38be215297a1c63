"""The examples of the gallery: `make docs` runs them, these look at their form."""

import ast
import re
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("plot_*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_compiles_and_has_a_title_and_cells(path):
    source = path.read_text(encoding="utf-8")
    title, line, *_ = ast.get_docstring(ast.parse(source)).splitlines()
    assert re.fullmatch("=+", line)
    assert len(line) == len(title)
    assert source.count("\n# %%\n") >= 2
    assert 'weights="imagenet"' not in source


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_resnet_has_the_bundled_weights_or_those_that_the_example_made(path):
    calls = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ResNetFeatures"
    ]
    assert calls
    for call in calls:
        weights = {keyword.arg: keyword.value for keyword in call.keywords}["weights"]
        if path.stem == "plot_own_checkpoint":
            assert weights.id == "weights"
        else:
            assert weights.value == "procedural"
