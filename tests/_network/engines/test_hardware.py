"""The GPUs that the driver shows, and the processor."""

import os
import platform
import re
import sys
from pathlib import Path

import pytest
from drivers import install_driver

from sklearn_resnet._network.engines.hardware import describe_processor, find_gpus

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


X86 = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
flags\t\t: fpu sse4_2 fma avx avx2 avx512f amx_bf16 amx_tile pae
bugs\t\t: spectre_v1

processor\t: 1
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
flags\t\t: fpu sse4_2 fma avx avx2 avx512f amx_bf16 amx_tile pae
"""
ARM = "processor\t: 0\nFeatures\t: fp asimd sve sve2 crc32\nCPU part\t: 0xd40\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (X86, "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz "
              "amx_bf16 amx_tile avx avx2 avx512f fma"),
        (ARM, f"{platform.machine()} sve sve2"),
        ("", platform.machine()),
        (None, f"{platform.processor()} {platform.machine()}"),
    ],
    ids=["x86", "ARM", "empty", "absent"],
)  # fmt: skip
def test_the_processor_is_named_with_the_sets_that_change_rounding(tmp_path, content, expected):
    path = tmp_path / "cpuinfo"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert describe_processor(path) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists its processor in a file")
def test_this_processor_is_described():
    flags = re.findall(r"\b(?:avx|amx|fma|sve)\w*", Path("/proc/cpuinfo").read_text())
    assert set(describe_processor().split()) >= set(flags)
