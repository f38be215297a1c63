"""Directives that generate parts of pages from the package, so that they stay up to date.

``{layers}`` makes a table of the layers of a network, ``{command-help}`` shows the help of a command.
"""

import click
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from sklearn_resnet import list_layers
from sklearn_resnet.cli.main import main

_COLUMNS = ("index", "name", "width", "stride", "parameters", "gflop")


def _select(layers):
    """Select the ends of blocks, the layer before the first block, layer 82 and the last layer."""
    is_end = layers["name"].str.endswith("_out")
    return layers[is_end | layers["name"].isin(["pool1_pool", "conv3_block4_2_relu", "post_relu"])]


class LayerTable(SphinxDirective):
    """``{layers} ResNet50V2``: the usual cuts, with widths, strides and costs."""

    required_arguments = 1

    def run(self):
        """Return the table."""
        rows = [_COLUMNS]
        for layer in _select(list_layers(self.arguments[0])).itertuples():
            rows.append(
                (
                    str(layer.index),
                    layer.name,
                    f"{layer.width:,}",
                    str(layer.stride),
                    f"{layer.parameters:,}",
                    f"{layer.gflop:.2f}",
                )
            )
        return [_make_table(rows)]


def _make_table(rows):
    """Make a table node from rows, beginning with the header; align numbers to the right."""
    table = nodes.table(classes=["layers"])
    group = nodes.tgroup(cols=len(rows[0]))
    group += [nodes.colspec(colwidth=1) for _ in rows[0]]
    head, body = nodes.thead(), nodes.tbody()
    for i, row in enumerate(rows):
        line = nodes.row()
        for name, text in zip(_COLUMNS, row, strict=True):
            is_code = i > 0 and name == "name"
            content = nodes.literal("", text) if is_code else nodes.Text(text)
            classes = [] if name == "name" else ["text-end"]
            line += nodes.entry("", nodes.paragraph("", "", content), classes=classes)
        (body if i else head).append(line)
    group += [head, body]
    table += group
    return table


class CommandHelp(SphinxDirective):
    """``{command-help} similar``: the output of ``embedding similar -h``; the default is `embedding`."""

    optional_arguments = 1

    def run(self):
        """Return the help as a literal block."""
        name = "embedding"
        command = main
        if self.arguments:
            command = main.commands[self.arguments[0]]
            name = f"{name} {self.arguments[0]}"
        settings = main.context_settings | {"max_content_width": 80, "terminal_width": 80}
        context = click.Context(command, info_name=name, **settings)
        text = command.get_help(context)
        return [nodes.literal_block(text, text, language="none", classes=["help"])]


def setup(app):
    """Register the directives."""
    app.add_directive("layers", LayerTable)
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True}
