"""A command that has others beside it, and options in sections."""

import difflib

import click

from sklearn_resnet._io.paths import as_path


class CommandGroup(click.Group):
    """A command whose first argument may also be the name of another command.

    So ``embedding INPUT OUTPUT`` and ``embedding layers`` both work. Who has a folder of such a name
    writes ``./layers``.

    Parameters
    ----------
    sections : dict of str to str
        The name of an option to the title that stands above it in the help.
    inputs : sequence of str
        What the first argument may be that is neither a file nor a folder.
    **kwargs : dict
        Of `click.Group`.
    """

    allow_extra_args = False
    allow_interspersed_args = True

    def __init__(self, *args, sections, inputs, **kwargs):
        super().__init__(*args, invoke_without_command=True, subcommand_metavar="", **kwargs)
        self.no_args_is_help = True
        self.sections = sections
        self.inputs = inputs

    def make_context(self, info_name, args, parent=None, **extra):
        """Parse arguments as those of this command, or of the one that they name."""
        if args and args[0] in self.commands:
            command = self.commands[args[0]]
            settings = self.context_settings | extra
            return command.make_context(f"{info_name} {args[0]}", args[1:], parent, **settings)
        return super().make_context(info_name, args, parent, **extra)

    def parse_args(self, ctx, args):
        """Parse arguments of this command; say so if they seem to be meant for another."""
        if args and args[0] not in self.inputs:
            near = difflib.get_close_matches(args[0].lower(), self.commands, n=1)
            if near and not as_path(args[0]).exists():
                ctx.fail(
                    f"INPUT is {args[0]!r}, and there is no such file or folder. Did you mean "
                    f"the command '{ctx.info_name} {near[0]}'?"
                )
        return click.Command.parse_args(self, ctx, args)

    def invoke(self, ctx):
        """Run the command that the arguments were parsed for."""
        return click.Command.invoke(ctx.command, ctx)

    def collect_usage_pieces(self, ctx):
        """What stands behind the name of the command in its help."""
        return click.Command.collect_usage_pieces(self, ctx)

    def format_options(self, ctx, formatter):
        """Write the commands, and options under their titles."""
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
