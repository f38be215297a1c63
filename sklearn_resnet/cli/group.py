"""A click group that is a command itself, with options in sections."""

import difflib

import click

from sklearn_resnet._io.paths import as_path
from sklearn_resnet.cli.memory import reduce_memory
from sklearn_resnet.cli.streams import safe_streams


class CommandGroup(click.Group):
    """A command whose first argument may also be the name of another command.

    Both ``embedding INPUT OUTPUT`` and ``embedding layers`` work. For a folder of that name, write
    ``./layers``.

    Parameters
    ----------
    sections : dict of str to str
        Titles of sections of the help, by the name of the first option in each.
    inputs : sequence of str
        Values of the first argument that are neither files nor folders.
    *args, **kwargs
        Passed to `click.Group`.
    """

    allow_extra_args = False
    allow_interspersed_args = True

    def __init__(self, *args, sections, inputs, **kwargs):
        super().__init__(*args, invoke_without_command=True, subcommand_metavar="", **kwargs)
        self.no_args_is_help = True
        self.sections = sections
        self.inputs = inputs

    def main(self, *args, **kwargs):
        """Run a command, whose prints cannot fail, with little memory."""
        reduce_memory()
        with safe_streams():
            return super().main(*args, **kwargs)

    def make_context(self, info_name, args, parent=None, **extra):
        """Parse the arguments of this command, or of the command that the first one names."""
        if args and args[0] in self.commands:
            command = self.commands[args[0]]
            settings = self.context_settings | extra
            return command.make_context(f"{info_name} {args[0]}", args[1:], parent, **settings)
        return super().make_context(info_name, args, parent, **extra)

    def parse_args(self, ctx, args):
        """Parse the arguments of this command; suggest another if its name seems misspelt."""
        if args and args[0] not in self.inputs and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0].lower(), self.commands, n=1)
            if near and not as_path(args[0]).exists():
                ctx.fail(
                    f"INPUT {args[0]!r} does not exist. Did you mean the command "
                    f"'{ctx.info_name} {near[0]}'?"
                )
        return click.Command.parse_args(self, ctx, args)

    def invoke(self, ctx):
        """Run the command whose arguments were parsed."""
        return click.Command.invoke(ctx.command, ctx)

    def collect_usage_pieces(self, ctx):
        """Show the usage of a plain command, without ``COMMAND [ARGS]``."""
        return click.Command.collect_usage_pieces(self, ctx)

    def format_options(self, ctx, formatter):
        """Write the commands, then the options by section."""
        self.format_commands(ctx, formatter)
        title, sections = "Options", {}
        for param in self.get_params(ctx):
            title = self.sections.get(param.name, title)
            record = param.get_help_record(ctx)
            if record is not None and not isinstance(param, click.Argument):
                sections.setdefault(title, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)
