"""The choice of an engine for this machine, and the reason for it."""

import sys
import warnings
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version

from sklearn_resnet._network.engines.hardware import find_gpus
from sklearn_resnet._network.engines.store import load_engine
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._runtime.threads import count_threads

ENGINES = ("auto", "openvino", "keras")
PRECISIONS = ("float32", "bfloat16", "float16", "int8")
_SUPPORTED = {
    "openvino": ("float32", "bfloat16", "int8"),
    "keras": ("float32", "bfloat16", "float16"),
}
_CALLED_THROUGH = ("sklearn_resnet", "sklearn", "joblib")


@dataclass(frozen=True)
class Choice:
    """An engine, and the reason for it as a clause."""

    engine: str
    reason: str


def choose_engine(engine="auto", precision="float32"):
    """Choose the engine that runs a network.

    Parameters
    ----------
    engine : {"auto", "openvino", "keras"}
    precision : {"float32", "bfloat16", "float16", "int8"}

    Returns
    -------
    Choice

    Raises
    ------
    ParameterError
        If the engine or precision does not exist, or the engine does not support the precision.

    Warns
    -----
    UserWarning
        Once, if Keras cannot use a GPU that is present.
    """
    for name, value, known in (("engine", engine, ENGINES), ("precision", precision, PRECISIONS)):
        if value not in known:
            raise ParameterError(name, f"must be one of {', '.join(map(repr, known))}", repr(value))
    if engine != "auto":
        if precision not in _SUPPORTED[engine]:
            other = next(name for name in _SUPPORTED if precision in _SUPPORTED[name])
            raise ParameterError(
                "precision",
                f"must be one of {', '.join(map(repr, _SUPPORTED[engine]))} with engine {engine!r}",
                repr(precision),
                hint=f"The engine {other!r} supports it.",
            )
        return Choice(engine, f"engine={engine!r} was requested")
    candidates = [name for name in _SUPPORTED if precision in _SUPPORTED[name]]
    if len(candidates) == 1:
        return Choice(candidates[0], f"only {candidates[0]} supports {precision}")
    return _choose_by_device()


@lru_cache
def _choose_by_device():
    gpus = find_gpus()
    if not gpus:
        return Choice("openvino", "no NVIDIA GPU was found, and OpenVINO is the fastest on CPUs")
    if load_engine("keras").list_gpus():
        return Choice("keras", f"Keras can use the GPU ({gpus[0]})")
    warnings.warn(
        f"Keras cannot use the GPU of this machine ({gpus[0]}), so the CPU computes the features. To "
        "use the GPU, run: pip install 'tensorflow[and-cuda]'. To use the CPU without this warning, "
        "pass engine='openvino'.",
        stacklevel=_count_frames_to_caller(),
    )
    return Choice("openvino", f"Keras cannot use the GPU ({gpus[0]})")


def _count_frames_to_caller():
    """Return the stacklevel of the first caller outside this package and scikit-learn."""
    # TODO: skip_file_prefixes=, once Python 3.12 is the oldest supported version
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in _CALLED_THROUGH:
        frame, level = frame.f_back, level + 1
    return level


def show_engine(engine: str = "auto", precision: str = "float32") -> None:
    """Print the engine, device, threads and precision that `ResNetFeatures` uses here, and why.

    Parameters
    ----------
    engine : {"auto", "openvino", "keras"}, default="auto"
        As for `ResNetFeatures`.
    precision : {"float32", "bfloat16", "float16", "int8"}, default="float32"
        As for `ResNetFeatures`.

    Raises
    ------
    ValueError
        If the engine does not support the precision.

    See Also
    --------
    ResNetFeatures : The estimator with these two parameters.

    Examples
    --------
    >>> from sklearn_resnet import show_engine
    >>> show_engine("openvino")  # doctest: +ELLIPSIS
    engine     openvino ...
    device     ...
    threads    ...
    precision  float32
    why        engine='openvino' was requested
    """
    choice = choose_engine(engine, precision)
    module = load_engine(choice.engine)
    device = module.describe_device()
    name = " on ".join(f"{package} {version(package)}" for package in module.list_packages())
    print(f"engine     {name}")
    print(f"device     {device}")
    print(f"threads    {count_threads()}")
    print(f"precision  {precision}")
    print(f"why        {choice.reason}")
