"""Which engine runs a network on this machine, and why."""

import os
import platform
import shutil
import subprocess
import sys
import warnings
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from sklearn_resnet._runtime.threads import count_threads

ENGINES = ("auto", "openvino", "keras")
PRECISIONS = ("float32", "bfloat16", "float16", "int8")
_RUNS = {
    "openvino": ("float32", "bfloat16", "int8"),
    "keras": ("float32", "bfloat16", "float16"),
}
_BETWEEN = ("sklearn_resnet", "sklearn", "joblib")


@dataclass(frozen=True)
class Choice:
    """An engine, and the reason for it in a sentence."""

    engine: str
    reason: str


@lru_cache
def find_gpus():
    """Names of the NVIDIA GPUs that the driver shows to this process.

    Neither CUDA nor a library that uses it is needed.

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
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):  # there is a driver, but no GPU that works
        return ()
    return tuple(line.strip() for line in listed.stdout.splitlines() if line.strip())


@lru_cache
def describe_processor():
    """The name of the processor, with those of its instructions that change rounding."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.processor()} {platform.machine()}"
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    flags = facts.get("flags", facts.get("Features", "")).split()
    used = sorted(flag for flag in flags if flag.startswith(("avx", "amx", "fma", "sve")))
    return " ".join([facts.get("model name", platform.machine()), *used])


def choose_engine(engine="auto", precision="float32"):
    """Choose what runs a network.

    Parameters
    ----------
    engine : {"auto", "openvino", "keras"}
    precision : {"float32", "bfloat16", "float16", "int8"}

    Returns
    -------
    Choice

    Raises
    ------
    ValueError
        If there is no such engine or precision, or the engine cannot compute in it.

    Warns
    -----
    UserWarning
        Once, if there is a GPU that Keras cannot use.
    """
    for name, value, known in (("engine", engine, ENGINES), ("precision", precision, PRECISIONS)):
        if value not in known:
            raise ValueError(
                f"The {name!r} parameter must be one of {', '.join(map(repr, known))}. "
                f"Got {value!r} instead."
            )
    if engine != "auto":
        if precision not in _RUNS[engine]:
            able = next(name for name in _RUNS if precision in _RUNS[name])
            raise ValueError(
                f"The 'precision' parameter must be one of {', '.join(map(repr, _RUNS[engine]))} "
                f"with engine={engine!r}. Got {precision!r} instead, which engine={able!r} "
                "computes in."
            )
        return Choice(engine, f"engine={engine!r} was asked for")
    able = [name for name in _RUNS if precision in _RUNS[name]]
    if len(able) == 1:
        return Choice(able[0], f"only {able[0]} computes in {precision}")
    return _choose_by_device()


@lru_cache
def _choose_by_device():
    gpus = find_gpus()
    if not gpus:
        return Choice("openvino", "no NVIDIA GPU is there, and OpenVINO is fastest on processors")
    from sklearn_resnet._network.engines.keras import list_gpus

    if list_gpus():
        return Choice("keras", f"Keras can use the GPU ({gpus[0]})")
    reason = f"there is a GPU ({gpus[0]}), but Keras cannot use it"
    warnings.warn(
        f"T{reason[1:]}: the processor computes. pip install 'tensorflow[and-cuda]' brings what "
        "tensorflow needs for it; engine='openvino' means the processor, and stops this warning.",
        stacklevel=_count_frames_to_caller(),
    )
    return Choice("openvino", reason)


def _count_frames_to_caller():
    """Stacklevel of a warning for who called this package, through scikit-learn or not."""
    # TODO: skip_file_prefixes=, once Python 3.12 is the oldest
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in _BETWEEN:
        frame, level = frame.f_back, level + 1
    return level


def show_engine(engine: str = "auto", precision: str = "float32") -> None:
    """Print which engine, device, threads and precision `ResNetFeatures` uses here, and why.

    Parameters
    ----------
    engine : {"auto", "openvino", "keras"}, default="auto"
        As for `ResNetFeatures`.
    precision : {"float32", "bfloat16", "float16", "int8"}, default="float32"
        As for `ResNetFeatures`.

    Raises
    ------
    ValueError
        If the engine cannot compute in the precision.

    See Also
    --------
    ResNetFeatures : Has these two parameters.

    Examples
    --------
    >>> from sklearn_resnet import show_engine
    >>> show_engine("openvino")  # doctest: +ELLIPSIS
    engine     openvino ...
    device     ...
    threads    ...
    precision  float32
    why        engine='openvino' was asked for
    """
    choice = choose_engine(engine, precision)
    if choice.engine == "openvino":
        from sklearn_resnet._network.engines.openvino import get_core

        device = get_core().get_property("CPU", "FULL_DEVICE_NAME")
        name = f"openvino {version('openvino')}"
    else:
        from sklearn_resnet._network.engines.keras import list_gpus
        from sklearn_resnet._network.weights import import_keras

        backend = import_keras().backend.backend()
        device = ", ".join(list_gpus()) or "the processor"
        name = f"keras {version('keras')} on {backend} {version(backend)}"
    print(f"engine     {name}")
    print(f"device     {device}")
    print(f"threads    {count_threads()}")
    print(f"precision  {precision}")
    print(f"why        {choice.reason}")
