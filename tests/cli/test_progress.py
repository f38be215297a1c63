"""Lines about steps, warnings and progress bars."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

from sklearn_resnet._images.intensity import ValueRangeWarning
from sklearn_resnet.cli.progress import Progress, warnings_in_one_line


@pytest.mark.parametrize("quiet", [False, True])
def test_quiet_leaves_warnings_alone(quiet, capsys):
    progress = Progress(quiet)
    progress.show("plan", "3 images")
    progress.show_array("embedding", np.zeros((3, 2), np.float32))
    progress.warn("One is broken.")
    output = capsys.readouterr()
    assert output.out == ("" if quiet else "plan       3 images\nembedding  (3, 2)  float32\n")
    assert output.err == "warning    One is broken.\n"


def test_steps_are_timed():
    progress = Progress()
    with progress.timed("input"):
        pass
    assert list(progress.seconds) == ["input"]
    assert progress.seconds["input"] >= 0


def test_quiet_hides_the_bar():
    with Progress(quiet=True).count_images(total=3) as bar:
        assert bar.disable


def test_without_a_terminal_there_is_no_bar(capsys):
    with Progress().count_images(total=3) as bar:
        bar.update(3)
    assert capsys.readouterr().err == ""


def test_a_warning_of_python_is_one_line(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        before = warnings.showwarning
        with warnings_in_one_line():
            warnings.warn("It is\nlarge.", stacklevel=1)
            warnings.warn("It is old.", RuntimeWarning, stacklevel=1)
            warnings.warn(ValueRangeWarning("It is dark."), stacklevel=1)
            warnings.warn(ValueRangeWarning("It is black.", is_dark=True), stacklevel=1)
        assert warnings.showwarning is before
    assert capsys.readouterr().err == (
        "warning    It is large.\nwarning    It is old.\n"
        "warning    It is dark. --value-range BLACK WHITE changes this.\n"
        "warning    It is black. --value-range BLACK WHITE changes this. So does --rescale percentile, for "
        "image files.\n"
    )


def test_warnings_of_the_library_reach_the_shell_as_one_line(tmp_path):
    program = "from sklearn_resnet.cli.main import main\nmain()"
    options = ["--weights", "random", "-s", "0", "-l", "83", "--no-cache", "-q"]
    command = [sys.executable, "-c", program, "digits", tmp_path / "out.npz", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("warning    Layer 83 ('max_pooling2d_1') of ResNet50V2")
    assert "82 ('conv3_block4_2_relu') and 85 (" in line
