"""Two checks during the build, reported as Sphinx warnings.

The ``pycon`` examples of each page run as one doctest session and must give the output shown.
Relative links in files outside this folder must point to existing files.
"""

import doctest
import re
from pathlib import Path

from docutils import nodes
from sphinx.util import logging

_ROOT = Path(__file__).parents[2]
_FILES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGES.md",
    "benchmarks/README.md",
    "training/README.md",
)
_LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")
_OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_logger = logging.getLogger(__name__)


def run_examples(app, doctree):
    """Run the examples of a page."""
    blocks = [
        block.astext()
        for block in doctree.findall(nodes.literal_block)
        if block.get("language") == "pycon"
    ]
    page = app.env.docname
    examples = doctest.DocTestParser().get_doctest("\n\n".join(blocks), {}, page, None, 0)
    report = []
    doctest.DocTestRunner(verbose=False, optionflags=_OPTIONS).run(examples, out=report.append)
    if report:
        _logger.warning("the output of an example differs:\n%s", "".join(report), location=page)


def check_links(app):
    """Check the relative links of files outside this folder."""
    for name in _FILES:
        path = _ROOT / name
        for target in _LINK.findall(path.read_text(encoding="utf-8")):
            if not (path.parent / target).exists():
                _logger.warning("%s links to %r, which does not exist", name, target)


def setup(app):
    """Register the checks."""
    app.connect("doctree-read", run_examples)
    app.connect("builder-inited", check_links)
    return {"parallel_read_safe": True}
