"""The memory allocator of the processes of the command."""

import os
import platform
import subprocess
import sys

import pytest

# counts glibc's arenas after four threads have allocated at the same time
_COUNT = """
import ctypes, threading

def count_arenas():
    libc = ctypes.CDLL(None)
    barrier = threading.Barrier(4)

    def allocate():
        libc.malloc(100_000)
        barrier.wait()

    threads = [threading.Thread(target=allocate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    libc.open_memstream.restype = ctypes.c_void_p
    text, size = ctypes.c_char_p(), ctypes.c_size_t()
    stream = ctypes.c_void_p(libc.open_memstream(ctypes.byref(text), ctypes.byref(size)))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    return text.value.count(b"<heap nr=")

"""
_IMPORT = "from sklearn_resnet.cli.memory import reduce_memory\n"
_CALL = f"{_IMPORT}reduce_memory()\n"

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")


def count_arenas(code, **environment):
    environment = {k: v for k, v in os.environ.items() if k != "MALLOC_ARENA_MAX"} | environment
    environment["OPENBLAS_NUM_THREADS"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", f"{_COUNT}{code}print(count_arenas())"],
        env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return int(done.stdout.split()[-1])


def test_threads_share_the_arenas_that_are_there():
    n_arenas = count_arenas(_IMPORT)
    assert n_arenas > 4  # importing changes nothing
    assert count_arenas(_CALL) <= n_arenas - 4 + 1


def test_the_environment_comes_first():
    assert count_arenas(_CALL, MALLOC_ARENA_MAX="4") == 4
    assert count_arenas(_CALL, GLIBC_TUNABLES="glibc.malloc.arena_max=4") == 4


@pytest.mark.parametrize(
    ("imports", "start"),
    [
        ("import sklearn_resnet.cli.main as cli", "cli.main(['--version'], standalone_mode=False)"),
        (
            "import os, sklearn_resnet.cli.resumable.workers as workers",
            "workers._start_worker(1, os.getppid())",
        ),
    ],
    ids=["command", "worker"],
)
def test_processes_of_the_command_have_fewer_arenas(imports, start):
    assert count_arenas(f"{imports}\n{start}\n") < count_arenas(f"{imports}\n")
