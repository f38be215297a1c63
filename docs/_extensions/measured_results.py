"""The role ``{result}`` for measured numbers: ``{result}`speed.digits_82.float32_times_predict .1f```.

It takes a key of `benchmarks/results/` and an optional format, as `benchmarks.lookup` describes.
"""

import sys
from pathlib import Path

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

sys.path.append(str(Path(__file__).parents[2]))

from benchmarks.lookup import RESULTS, format_result, load_results

_logger = logging.getLogger(__name__)


class Result(SphinxRole):
    """A number from the results of the benchmarks."""

    def run(self):
        """Look it up; a page is read again when a file of results changes."""
        for path in RESULTS.glob("*.json"):
            self.env.note_dependency(path)
        try:
            text = format_result(load_results(), self.text)
        except (KeyError, ValueError) as exc:
            _logger.warning(
                "{result}`%s`: %s", self.text, exc.args[0], location=self.get_location()
            )
            text = self.text
        return [nodes.Text(text)], []


def setup(app):
    """Register the role."""
    app.add_role("result", Result())
    return {"parallel_read_safe": True}
