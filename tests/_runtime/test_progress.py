"""Progress bars."""

import sys

import pytest

from sklearn_resnet._runtime.progress import count_images


@pytest.mark.parametrize("is_shown", [True, False])
def test_a_program_without_a_console_has_no_bar(monkeypatch, is_shown):
    monkeypatch.setattr(sys, "stderr", None)
    with count_images(is_shown, total=3) as bar:
        bar.update(3)
    assert bar.disable
