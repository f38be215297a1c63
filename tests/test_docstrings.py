"""The docstrings of all public names, by numpydoc's checks."""

import inspect
from importlib.util import find_spec

import pytest
from numpydoc.validate import validate

import sklearn_resnet
from sklearn_resnet import datasets

LEFT_OUT = {
    "ES01": "a summary may say all there is to say",
    "RT02": "what is returned has a name, as in scikit-learn",
}
LEFT_OUT_OF_METHODS = {
    "SA01": "the class says what else to see",
    "EX01": "the class has the example",
}


def _list_public():
    """Names of functions, classes and methods, each with whether it is a method."""
    for name in sklearn_resnet.__all__:
        public = getattr(sklearn_resnet, name)
        if inspect.ismodule(public):
            continue
        yield f"sklearn_resnet.{name}", False
        if inspect.isclass(public):
            for method in vars(public):
                if not method.startswith("_"):
                    yield f"sklearn_resnet.{name}.{method}", True
    for name in datasets.__all__:
        yield f"sklearn_resnet.datasets.{name}", False
    if find_spec("anywidget"):
        widget = "sklearn_resnet.plotting.explorer.widget.EmbeddingExplorer"
        yield from [(widget, False), (f"{widget}.selected", True)]


# numpydoc looks at all attributes, and some that ipywidgets gives a widget are deprecated
pytestmark = pytest.mark.filterwarnings("ignore:Widget:DeprecationWarning")
PUBLIC = list(_list_public())


@pytest.mark.parametrize(("name", "is_method"), PUBLIC)
def test_a_docstring_is_complete(name, is_method):
    left_out = LEFT_OUT | LEFT_OUT_OF_METHODS if is_method else LEFT_OUT
    errors = [error for error in validate(name)["errors"] if error[0] not in left_out]
    assert not errors


@pytest.mark.parametrize("name", [name for name, is_method in PUBLIC if not is_method])
def test_an_example_runs_unless_it_needs_the_network(name):
    lines = validate(name)["docstring"].splitlines()
    runs = [">>>" in line and "import" not in line and "+SKIP" not in line for line in lines]
    assert any(runs) or ".fetch_" in name
