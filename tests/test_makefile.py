"""The commands of the Makefile, which `make --dry-run` prints."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHELL = re.compile(r"[|&;<>`'*?(){}\[\]\\$]")  # special characters of shells

if not (ROOT / "Makefile").is_file() or shutil.which("make") is None:
    pytest.skip("needs make and the Makefile beside these tests", allow_module_level=True)


def list_commands(*arguments):
    outer = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHON", "VENV")  # of the make that runs tests
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("system", ["Linux", "Windows_NT"])
@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_first_commands_call_programs_and_no_shell(target, system):
    commands = list_commands(target, f"OS={system}", "PYTHON=python")
    assert any("Scripts" in command for command in commands) == (system == "Windows_NT")
    for command in commands:
        assert not SHELL.search(re.sub(r'"[^"]*"', "", command)), command


def test_the_demo_installs_no_test_dependencies():
    assert not [command for command in list_commands("demo") if "[test]" in command]
    assert [command for command in list_commands("test") if "[test]" in command]


def test_another_interpreter_has_an_environment_of_its_own():
    major, minor = sys.version_info[:2]
    commands = list_commands("test", f"PYTHON={sys.executable}", "OS=Linux")
    assert f"{sys.executable} -m venv .venv-{major}.{minor}" in commands
    assert "python3 -m venv .venv" in list_commands("test", "PYTHON=python3", "OS=Linux")
