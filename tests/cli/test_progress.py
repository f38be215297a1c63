"""Lines about steps, warnings and progress bars."""

import numpy as np
import pytest

from sklearn_resnet.cli.progress import Progress


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
