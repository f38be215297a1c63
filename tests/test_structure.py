"""The structure of the package: rules that hold for all modules."""

import ast
from pathlib import Path

import pytest

import sklearn_resnet

ROOT = Path(sklearn_resnet.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
MAX_LINES = 50  # of a function, without its docstring

# scikit-learn's convention: what `fit` or `plot` adds ends in an underscore
ESTIMATORS_AND_DISPLAYS = {
    "EmbeddingDisplay",
    "EmbeddingPlot",
    "ImageLoader",
    "LayerSearchDisplay",
    "RegionDisplay",
    "ResNetFeatures",
}


def name_of(path):
    return str(path.relative_to(ROOT))


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def assigned_attributes(function):
    """The attributes of the first parameter that a method assigns, deletes aside."""
    if not function.args.args:
        return set()
    me = function.args.args[0].arg
    return {
        node.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == me
    }


def late_attributes(class_):
    """Attributes that a class gains outside of __init__, as a list of (method, attributes)."""
    methods = [node for node in class_.body if isinstance(node, ast.FunctionDef)]
    known = {
        node.target.id
        for node in class_.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    known |= {
        target.id
        for node in class_.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for method in methods:
        if method.name == "__init__":
            known |= assigned_attributes(method)
    late = ((method.name, assigned_attributes(method) - known) for method in methods)
    return [(name, attributes) for name, attributes in late if attributes]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_class_has_all_its_attributes_from_the_start(path):
    classes = [node for node in ast.walk(parse(path)) if isinstance(node, ast.ClassDef)]
    found = {
        class_.name: late_attributes(class_)
        for class_ in classes
        if class_.name not in ESTIMATORS_AND_DISPLAYS
    }
    assert {name: late for name, late in found.items() if late} == {}


def test_a_late_attribute_is_noticed():
    class_ = ast.parse(
        "class A:\n"
        "    def __init__(self):\n"
        "        self.a = 1\n"
        "    def run(self):\n"
        "        self.a = self.b = 2\n"
    ).body[0]
    assert late_attributes(class_) == [("run", {"b"})]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_functions_are_short(path):
    long = {}
    for node in ast.walk(parse(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            n_lines = node.end_lineno - node.lineno + 1
            if ast.get_docstring(node) is not None:
                n_lines -= node.body[0].end_lineno - node.body[0].lineno + 1
            if n_lines > MAX_LINES:
                long[node.name] = n_lines
    assert long == {}


def test_private_modules_at_the_root_are_those_of_the_public_classes():
    modules = {path.name for path in ROOT.glob("_*.py")} - {"__init__.py", "__main__.py"}
    assert modules == {"_image_loader.py", "_resnet_features.py", "_sklearn_private.py"}


def test_each_folder_says_what_it_holds_and_imports():
    for path in ROOT.glob("**/__init__.py"):
        assert ast.get_docstring(parse(path)), path
