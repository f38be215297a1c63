"""A command that has others beside it."""

import click
import pytest
from click.testing import CliRunner

from sklearn_resnet.cli.group import CommandGroup


@click.group(
    cls=CommandGroup,
    sections={"first": "Some", "third": "More"},
    inputs=["lists"],
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("source")
@click.option("--first")
@click.option("--second", is_flag=True)
@click.option("--third")
@click.option("--lists")
def main(source, **options):
    """Main."""
    click.echo(f"main {source} {options['first']}")


@main.command("list")
@click.argument("name")
def list_names(name):
    """List names."""
    click.echo(f"list {name}")


def run(*args, code=0):
    result = CliRunner().invoke(main, args, prog_name="tool")
    assert result.exit_code == code, result.output
    return result.output


def test_the_first_argument_chooses_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("list", "x") == "list x\n"
    assert run("x") == "main x None\n"
    assert run("--first", "list", "x") == "main x list\n"
    assert run("x", "--first", "1") == "main x 1\n"
    (tmp_path / "list").mkdir()
    assert run("./list") == "main ./list None\n"


def test_what_is_nearly_the_name_of_a_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("lisst", "LISST"):
        assert "Did you mean the command 'tool list'?" in run(name, "x", "--more", code=2)
    assert run("lists") == "main lists None\n"  # what the command knows
    (tmp_path / "lisst").mkdir()
    assert run("lisst") == "main lisst None\n"


def test_an_option_may_come_first():
    assert run("--lists", "1", "x") == "main x None\n"  # near the name of a command


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["x", "--frist", "1"], "Did you mean"),
        (["x", "y"], "unexpected extra argument"),
        (["--first", "1"], "Missing argument 'SOURCE'"),
        (["list"], "Missing argument 'NAME'"),
        (["list", "x", "y"], "Usage: tool list"),
    ],
)
def test_what_is_wrong_is_said(args, message):
    assert message in run(*args, code=2)


def test_help_has_commands_and_titles_in_order():
    text = run("-h")
    assert text == run(code=2)  # without arguments
    parts = ["Usage: tool [OPTIONS] SOURCE", "Commands:", "list  List names.", "Some:", "--first", "--second", "More:", "--third", "--help"]  # fmt: skip
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "Usage: tool list [OPTIONS] NAME" in run("list", "-h")
