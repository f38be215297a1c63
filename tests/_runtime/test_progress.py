"""Progress bars."""

import io
import sys
from types import SimpleNamespace

import pytest

from sklearn_resnet._runtime.progress import PartsBar, count_images


@pytest.mark.parametrize("is_shown", [True, False])
def test_a_program_without_a_console_has_no_bar(monkeypatch, is_shown):
    monkeypatch.setattr(sys, "stderr", None)
    with count_images(is_shown, total=3) as bar:
        bar.update(3)
    assert bar.disable


@pytest.mark.parametrize(
    ("shell", "is_notebook"),
    [(SimpleNamespace(kernel=object()), True), (SimpleNamespace(), False), (None, False)],
)
def test_a_notebook_has_a_bar_although_its_stderr_is_no_terminal(monkeypatch, shell, is_notebook):
    ipython = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    for is_shown in (True, False):
        monkeypatch.setattr(sys, "stderr", io.StringIO())
        with count_images(is_shown, total=3) as bar:
            bar.update(3)
        assert ("3/3" in sys.stderr.getvalue()) == (is_shown and is_notebook)
    monkeypatch.setattr(sys, "stderr", None)
    with count_images(total=3) as bar:
        assert bar.disable


def test_an_image_counts_when_all_its_parts_are_done():
    with count_images(False, total=4) as bar:
        counted = []
        bar.update = counted.append
        parts = PartsBar(bar, 3)
        for n in (2, 2, 1, 7):
            parts.update(n)
    assert counted == [0, 1, 0, 3]
