"""The GPUs that the driver shows, and the processor."""

import os

import pytest
from drivers import install_driver

from sklearn_resnet._network.engines.hardware import find_gpus

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the driver is a shell script")

LISTS_TWO = (
    '[ "$1 $2" = "--query-gpu=name --format=csv,noheader" ] || exit 1\n'
    "echo 'NVIDIA H100 80GB'\necho ' NVIDIA T4 '\n"
)


@pytest.fixture(autouse=True)
def first_time(monkeypatch):
    """As in a process that has not asked yet."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    find_gpus.cache_clear()
    yield
    find_gpus.cache_clear()


@pytest.fixture
def driver(monkeypatch, tmp_path):
    """Install a driver with a script, and nothing else on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return lambda script: install_driver(tmp_path, script)


def test_the_driver_names_its_gpus(driver):
    driver(LISTS_TWO)
    assert find_gpus() == ("NVIDIA H100 80GB", "NVIDIA T4")


def test_the_driver_is_asked_once(driver, tmp_path):
    driver(f"echo asked >> {tmp_path / 'log'}")
    assert find_gpus() == find_gpus() == ()
    assert (tmp_path / "log").read_text() == "asked\n"


def test_without_a_driver_there_are_no_gpus(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_gpus() == ()


@pytest.mark.parametrize(
    "script",
    [LISTS_TWO + "exit 9", "", "echo", "echo 'No devices were found' >&2; exit 6", "kill -9 $$"],
    ids=["fails", "prints nothing", "prints a blank line", "finds none", "is killed"],
)
def test_a_driver_without_a_gpu_that_works(driver, script):
    driver(script)
    assert find_gpus() == ()


def test_a_driver_that_cannot_be_started(driver):
    driver("").write_bytes(b"\x00")
    assert find_gpus() == ()


def test_a_driver_that_hangs_is_given_up(driver):
    driver(f"{LISTS_TWO}exec /bin/sleep 60")
    assert find_gpus(timeout=0.2) == ()


@pytest.mark.parametrize(("visible", "n_gpus"), [("", 0), ("-1", 0), (" -1 ", 0), ("0", 2)])
def test_the_variable_of_cuda_hides_gpus(driver, monkeypatch, visible, n_gpus):
    driver(LISTS_TWO)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert len(find_gpus()) == n_gpus
