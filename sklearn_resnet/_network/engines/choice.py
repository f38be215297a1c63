"""The choice of an engine for this machine, and the reason for it."""

from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version

from sklearn_resnet._network.engines.hardware import find_gpus
from sklearn_resnet._network.engines.store import load_engine
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._runtime.imports import check_optional
from sklearn_resnet._runtime.threads import count_threads
from sklearn_resnet._runtime.warnings import warn_caller

ENGINES = ("auto", "openvino", "keras")
PRECISIONS = ("float32", "bfloat16", "float16", "int8")
_SUPPORTED = {
    "openvino": ("float32", "bfloat16", "int8"),
    "keras": ("float32", "bfloat16", "float16"),
}


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
    ImportError
        If the engine is not installed.

    Warns
    -----
    UserWarning
        Once, if Keras cannot use a GPU that is present, or if the processor cannot compute in
        bfloat16.
    """
    choice = _choose(engine, precision)
    if precision == "bfloat16" and choice.engine == "openvino":
        _check_bfloat16()
    return choice


def _choose(engine, precision):
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
        return _check_installed(Choice(engine, f"engine={engine!r} was requested"))
    candidates = [name for name in _SUPPORTED if precision in _SUPPORTED[name]]
    if len(candidates) == 1:
        choice = Choice(candidates[0], f"only {candidates[0]} supports {precision}")
        return _check_installed(choice, f"precision={precision!r}")
    return _choose_by_device()


def _check_installed(choice, purpose="engine='keras'"):
    """Raise ImportError, naming the extra, if Keras is chosen and not installed."""
    if choice.engine == "keras":
        check_optional("keras", extra="keras", purpose=purpose)
    return choice


@lru_cache
def _check_bfloat16():
    """Warn, once, if the processor has no instructions for bfloat16."""
    if not load_engine("openvino").has_bfloat16():
        warn_caller(
            "This processor has no instructions for bfloat16, so precision='bfloat16' computes in "
            "float32, at its speed. To use it without this warning, pass precision='float32'."
        )


@lru_cache
def _choose_by_device():
    gpus = find_gpus()
    if not gpus:
        return Choice("openvino", "no NVIDIA GPU was found, and OpenVINO is the fastest on CPUs")
    if _list_gpus_of_keras():
        return Choice("keras", f"Keras can use the GPU ({gpus[0]})")
    warn_caller(
        f"Keras cannot use the GPU of this machine ({gpus[0]}), so the CPU computes the features. To "
        "use the GPU, run: pip install 'sklearn-resnet[keras]' 'tensorflow[and-cuda]'. To use the CPU "
        "without this warning, pass engine='openvino'."
    )
    return Choice("openvino", f"Keras cannot use the GPU ({gpus[0]})")


def _list_gpus_of_keras():
    try:
        return load_engine("keras").list_gpus()
    except ImportError:  # Keras, or the package of its backend, is not installed
        return []


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
