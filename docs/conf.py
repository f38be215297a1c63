"""Configuration of Sphinx."""

import sys
from importlib.metadata import version as _version
from pathlib import Path

_DOCS = Path(__file__).parent
_EXAMPLES = _DOCS.parent / "examples"
_HAS_EXAMPLES = any(_EXAMPLES.glob("**/plot_*.py"))
sys.path.insert(0, str(_DOCS / "_extensions"))

project = "sklearn-resnet"
author = copyright = "the sklearn-resnet developers"
release = version = _version("sklearn-resnet")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "made_from_code",
    "checked_at_build",
]
exclude_patterns = ["_build", "_templates", "generated/backreferences"]
templates_path = ["_templates"]
# single backticks link to an object of that name, if it exists
default_role = "py:obj"
# a block without a language is a command or its output
highlight_language = "none"
suppress_warnings = ["config.cache"]  # the sort function of the gallery cannot be pickled

autosummary_generate = True
autosummary_context = {"has_examples": _HAS_EXAMPLES}
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3

# the copy button skips prompts and output
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

if _HAS_EXAMPLES:
    extensions.append("sphinx_gallery.gen_gallery")
    sphinx_gallery_conf = {
        "examples_dirs": str(_EXAMPLES),
        "gallery_dirs": "gallery",
        "filename_pattern": r"plot_.*\.py",
        "within_subsection_order": "gallery.find_place",
        "image_scrapers": ("matplotlib", "gallery.scrape_page", "gallery.scrape_widget"),
        # show figures and printed text, but not the values of expressions
        "capture_repr": (),
        "doc_module": ("sklearn_resnet",),
        "backreferences_dir": "generated/backreferences",
        "reference_url": {"sklearn_resnet": None},
        "remove_config_comments": True,
        "download_all_examples": False,
        "show_signature": False,
        "show_memory": False,
        "write_computation_times": False,
    }
else:  # other pages link to this one
    (_DOCS / "gallery").mkdir(exist_ok=True)
    (_DOCS / "gallery" / "index.rst").write_text("Examples\n========\n\nThis build has none.\n")

html_theme = "pydata_sphinx_theme"
html_title = "sklearn-resnet"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"**": ["site-toc.html"]}
html_theme_options = {
    "icon_links": [],
    "navbar_center": [],
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}
autodoc_typehints = "none"  # the parameter sections of docstrings have more detail
