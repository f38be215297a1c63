"""Sphinx's settings."""

from importlib.metadata import version as _version

project = "sklearn-resnet"
author = "the sklearn-resnet developers"
release = _version("sklearn-resnet")
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "myst_parser"]
exclude_patterns = ["_build"]
autosummary_generate = False
numpydoc_show_class_members = False
html_theme = "alabaster"
html_theme_options = {"page_width": "1000px"}
