"""The memory allocator of the processes of the command."""

import ctypes
import os

_ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h


def use_one_arena():
    """Let all threads allocate from one arena, so that memory that one frees serves the others.

    glibc has arenas for each thread, which keep the memory that decoding gave back. Nothing changes
    with another C library, or if the environment variable MALLOC_ARENA_MAX is set. Only for processes
    of the command: the allocator of a user's process is the user's.
    """
    if os.name != "posix" or "MALLOC_ARENA_MAX" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)
