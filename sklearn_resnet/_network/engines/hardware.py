"""The processor and the GPUs of this machine."""

import os
import platform
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path


@lru_cache
def find_gpus(timeout=10):
    """Name the NVIDIA GPUs that the driver shows to this process.

    This needs neither CUDA nor a library that uses CUDA.

    Parameters
    ----------
    timeout : float, default=10
        Seconds after which a driver that hangs counts as absent.

    Returns
    -------
    tuple of str
    """
    program = shutil.which("nvidia-smi")
    if program is None or os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return ()
    try:
        listed = subprocess.run(
            [program, "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):  # a driver without a working GPU
        return ()
    return tuple(line.strip() for line in listed.stdout.splitlines() if line.strip())


@lru_cache
def describe_processor(path="/proc/cpuinfo"):
    """Name the processor and its instruction sets that affect rounding.

    Parameters
    ----------
    path : path, default="/proc/cpuinfo"
        Linux lists the properties of the processor there; other systems lack the file.

    Returns
    -------
    str
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.processor()} {platform.machine()}"
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    flags = fields.get("flags", fields.get("Features", "")).split()
    used = sorted(flag for flag in flags if flag.startswith(("avx", "amx", "fma", "sve")))
    return " ".join([fields.get("model name", platform.machine()), *used])
