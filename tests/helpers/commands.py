"""Runs of the command in this process."""

from click.testing import CliRunner

from sklearn_resnet.cli.main import main


def run(*args, code=0):
    """Run `embedding` with arguments, check its exit status, and return what it prints."""
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    assert result.exit_code == code, result.output
    return result.output
