"""The memory allocator of the processes of the command."""

import ctypes
import os

_OPTIONS = {  # of glibc's malloc.h, by the environment variable that sets the same
    "MALLOC_ARENA_MAX": (-8, 1),
    "MALLOC_MMAP_THRESHOLD_": (-3, 4 * 2**20),  # batches are larger, most single images smaller
    "MALLOC_TRIM_THRESHOLD_": (-1, 16 * 2**20),
}


def reduce_memory():
    """Let threads allocate from the present arenas, and return the memory of large arrays to the system.

    By default, glibc has arenas for each thread, which keep the memory that decoding gave back. Nothing
    changes with another C library, or if an environment variable sets options of glibc's allocator.
    Only for processes of the command: the allocator of a user's process is the user's.
    """
    is_set = "glibc.malloc." in os.environ.get("GLIBC_TUNABLES", "")
    if os.name != "posix" or is_set or not os.environ.keys().isdisjoint(_OPTIONS):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in _OPTIONS.values():
            mallopt(option, value)
