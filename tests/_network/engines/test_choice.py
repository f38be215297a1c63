"""Which engine runs a network, and what is said of it."""

import os
import warnings

import numpy as np
import pytest
from drivers import install_driver
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_resnet import ResNetFeatures, show_engine
from sklearn_resnet._images.sources import as_source
from sklearn_resnet._network.engines import choice, keras
from sklearn_resnet._network.engines.choice import ENGINES, PRECISIONS, choose_engine
from sklearn_resnet._network.engines.hardware import find_gpus
from sklearn_resnet._runtime.imports import hidden_module
from sklearn_resnet._runtime.threads import count_threads

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the driver is a shell script")

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
UNUSABLE = (
    r"^Keras cannot use the GPU of this machine \(NVIDIA T4\), so the CPU computes the features\."
)


def forget():
    find_gpus.cache_clear()
    choice._choose_by_device.cache_clear()


@pytest.fixture(autouse=True)
def first_time(monkeypatch):
    """As in a process that has not asked yet."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    forget()
    yield
    forget()


@pytest.fixture
def gpus(monkeypatch, tmp_path):
    """Set the GPUs that the driver shows and those that Keras can use; log the driver's calls."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def set_gpus(shown, usable=()):
        names = "".join(f"echo '{name}'\n" for name in shown)
        install_driver(tmp_path, f"echo called >> {tmp_path / 'log'}\n{names}")
        monkeypatch.setattr(keras, "list_gpus", lambda: list(usable))

    return set_gpus


def small(**parameters):
    return ResNetFeatures(4, weights=None, random_state=0, **parameters)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine_computes_in_its_precisions(gpus, engine, precision):
    gpus([])
    able = {
        "openvino": ["float32", "bfloat16", "int8"],
        "keras": ["float32", "bfloat16", "float16"],
    }
    if engine == "auto":
        expected = "keras" if precision == "float16" else "openvino"
        assert choose_engine(engine, precision).engine == expected
    elif precision in able[engine]:
        found = choose_engine(engine, precision)
        assert (found.engine, found.reason) == (engine, f"engine={engine!r} was requested")
    else:
        other = "keras" if engine == "openvino" else "openvino"
        message = (
            f"The 'precision' parameter must be one of {str(able[engine])[1:-1]} with "
            f"engine {engine!r}. Got {precision!r} instead. The engine {other!r} supports it."
        )
        with pytest.raises(ValueError) as error:
            choose_engine(engine, precision)
        assert str(error.value) == message
        with pytest.raises(ValueError) as error:
            small(engine=engine, precision=precision).fit(IMAGES)
        assert str(error.value) == message


@pytest.mark.parametrize(
    ("shown", "usable", "precision", "engine", "reason"),
    [
        ([], [], "float32", "openvino", "no NVIDIA GPU was found"),
        ([], ["GPU:0"], "bfloat16", "openvino", "no NVIDIA GPU was found"),
        (["NVIDIA T4"], ["GPU:0"], "float32", "keras", "Keras can use the GPU (NVIDIA T4)"),
        (["NVIDIA T4"], ["GPU:0"], "bfloat16", "keras", "Keras can use the GPU (NVIDIA T4)"),
        (["NVIDIA T4"], ["GPU:0"], "int8", "openvino", "only openvino supports int8"),
        ([], [], "float16", "keras", "only keras supports float16"),
        (["NVIDIA T4"], [], "int8", "openvino", "only openvino supports int8"),
    ],
)
def test_auto_goes_by_precision_and_then_by_device(gpus, shown, usable, precision, engine, reason):
    gpus(shown, usable)
    found = choose_engine("auto", precision)
    assert found.engine == engine
    assert found.reason.startswith(reason)


def test_keras_runs_the_network_where_it_can_use_a_gpu(gpus):
    def engine_of_the_network():
        return small().fit(IMAGES)._plan(as_source(IMAGES)).computation.engine

    gpus(["NVIDIA T4"], ["GPU:0"])
    assert engine_of_the_network() == "keras"
    gpus([])
    forget()
    assert engine_of_the_network() == "openvino"


def test_a_gpu_that_keras_cannot_use_is_warned_of_once(gpus):
    gpus(["NVIDIA T4"])
    with pytest.warns(UserWarning, match=UNUSABLE + r".*tensorflow\[and-cuda\].*engine='openvino'"):
        found = choose_engine()
    assert found == choice.Choice("openvino", "Keras cannot use the GPU (NVIDIA T4)")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        small().fit(IMAGES).transform(IMAGES)
        show_engine()
        choose_engine("auto", "bfloat16")
    assert not caught


def test_a_gpu_without_keras_gives_the_same_warning(gpus, monkeypatch):
    gpus(["NVIDIA T4"])
    monkeypatch.undo()  # the engine's own list_gpus
    gpus_of_driver = ("NVIDIA T4",)
    monkeypatch.setattr(choice, "find_gpus", lambda: gpus_of_driver)
    keras.import_keras.cache_clear()
    with hidden_module("keras"), pytest.warns(UserWarning, match=UNUSABLE) as caught:
        assert choose_engine().engine == "openvino"
    assert "pip install 'sklearn-resnet[keras]' 'tensorflow[and-cuda]'" in str(caught[0].message)


@pytest.mark.parametrize(
    ("parameters", "subject"),
    [({"engine": "keras"}, "engine='keras'"), ({"precision": "float16"}, "precision='float16'")],
)
def test_keras_that_is_not_installed_is_an_error_that_names_the_extra(parameters, subject):
    message = f"^{subject} needs keras.*pip install 'sklearn-resnet\\[keras\\]'$"
    with hidden_module("keras"), pytest.raises(ImportError, match=message):
        small(**parameters).fit(IMAGES)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: small().fit(IMAGES),
        lambda: small().fit_transform(IMAGES),
        lambda: make_pipeline(small(), StandardScaler()).fit_transform(IMAGES),
        lambda: show_engine(),
    ],
    ids=["fit", "fit_transform", "pipeline", "show_engine"],
)
def test_the_warning_points_to_the_line_that_asked(gpus, ask):
    gpus(["NVIDIA T4"])
    with pytest.warns(UserWarning, match=UNUSABLE) as caught:
        ask()
    assert [(w.filename, w.lineno) for w in caught] == [(__file__, ask.__code__.co_firstlineno)]


def test_a_fitted_estimator_that_comes_to_another_machine_warns_there(gpus):
    gpus([])
    resnet = small().fit(IMAGES)
    gpus(["NVIDIA T4"])
    forget()
    with pytest.warns(UserWarning, match=UNUSABLE) as caught:
        resnet.transform(IMAGES)
    assert [w.filename for w in caught] == [__file__]


def test_an_explicit_engine_does_not_query_the_driver(gpus, tmp_path):
    gpus(["NVIDIA T4"])
    assert choose_engine("openvino").engine == "openvino"
    assert not (tmp_path / "log").exists()
    choose_engine("auto", "int8")
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize(
    ("engine", "precision", "name", "why"),
    [
        ("openvino", "float32", "openvino 20", "engine='openvino' was requested"),
        ("auto", "int8", "openvino 20", "only openvino supports int8"),
        ("keras", "float32", "keras 3", "engine='keras' was requested"),
        ("auto", "float16", "keras 3", "only keras supports float16"),
    ],
)
def test_show_engine_prints_five_lines(gpus, capsys, monkeypatch, engine, precision, name, why):
    gpus([])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    show_engine(engine, precision)
    lines = capsys.readouterr().out.splitlines()
    shown = {line[:11].strip(): line[11:] for line in lines}
    assert [line[10] for line in lines] == [" "] * 5
    assert list(shown) == ["engine", "device", "threads", "precision", "why"]
    assert shown["engine"].startswith(name)
    assert (" on " in shown["engine"]) == name.startswith("keras")
    assert shown["device"] == "the processor" or not name.startswith("keras")
    assert len(shown["device"]) > 3
    assert shown["threads"] == "1"
    assert shown["precision"] == precision
    assert shown["why"] == why


def test_show_engine_names_the_gpus_of_keras_and_the_threads_there_are(gpus, capsys):
    gpus(["NVIDIA T4"], ["GPU:0", "GPU:1"])
    show_engine()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "device     GPU:0, GPU:1"
    assert lines[2] == f"threads    {count_threads()}"
    assert lines[4] == "why        Keras can use the GPU (NVIDIA T4)"


def test_show_engine_refuses_what_an_engine_cannot_compute(capsys):
    with pytest.raises(ValueError, match="Got 'int8' instead"):
        show_engine("keras", "int8")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("parameter", ["engine", "precision"])
def test_a_parameter_that_is_none_of_the_names_is_an_error(parameter):
    message = f"The '{parameter}' parameter of ResNetFeatures must be a str among .* Got 'nonsense'"
    with pytest.raises(ValueError, match=message):
        small(**{parameter: "nonsense"}).fit(IMAGES)


@pytest.mark.parametrize("function", [choose_engine, show_engine])
def test_what_is_no_engine_or_precision_is_refused(function):
    with pytest.raises(ValueError, match="'engine' parameter must be one of .* Got 'openvivo'"):
        function("openvivo")
    with pytest.raises(ValueError, match="'precision' parameter must be one of .* Got 'int4'"):
        function(precision="int4")
