"""What a build checks besides Sphinx's own warnings, which this adds to.

Examples on pages (``pycon`` blocks) must give what stands below them, one page after the other as one
session. Relative links in files outside this folder must lead somewhere.
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
    told = []
    doctest.DocTestRunner(verbose=False, optionflags=_OPTIONS).run(examples, out=told.append)
    if told:
        _logger.warning("an example gives another result:\n%s", "".join(told), location=page)


def check_links(app):
    """Look for what the links of files outside this folder lead to."""
    for name in _FILES:
        path = _ROOT / name
        for target in _LINK.findall(path.read_text(encoding="utf-8")):
            if not (path.parent / target).exists():
                _logger.warning("%s links to %r, which is not there", name, target)


def setup(app):
    """Tell Sphinx when to call these."""
    app.connect("doctree-read", run_examples)
    app.connect("builder-inited", check_links)
    return {"parallel_read_safe": True}
