"""Weights of a hub: the form of the string, downloads, the cache without the server, and errors."""

import contextlib
import errno
import functools
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
from hub_server import serve_hub
from huggingface_hub import file_download
from safetensors.numpy import save_file
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from sklearn_resnet import ResNetFeatures
from sklearn_resnet._network import hub as _hub
from sklearn_resnet._network import weights as weights_module
from sklearn_resnet._network.architectures import layer_table
from sklearn_resnet._network.hub import HubFile, fetch_hub, find_beside, is_hub, parse_hub
from sklearn_resnet._runtime.errors import DownloadError, ParameterError

WEIGHTS = b"weights " * 1000
CONFIG = b'{"mean": [0.5], "std": [0.5]}'


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ("hf://timm/resnet50.a1_in1k", HubFile("timm/resnet50.a1_in1k", None, None)),
        ("hf://org/name/", HubFile("org/name", None, None)),
        ("hf://org/name@v1.0", HubFile("org/name", "v1.0", None)),
        ("hf://org/name@main/a.pth", HubFile("org/name", "main", "a.pth")),
        ("hf://org/name/folder/a b.pth", HubFile("org/name", None, "folder/a b.pth")),
        ("hf://org/name@refs/pr/2", HubFile("org/name", "refs/pr/2", None)),
        ("hf://org/name@refs/pr/2/a.pth", HubFile("org/name", "refs/pr/2", "a.pth")),
        ("hf://org/name@a%2Fb/c.pth", HubFile("org/name", "a/b", "c.pth")),
    ],
)
def test_the_string_names_repository_revision_and_file(weights, expected):
    assert is_hub(weights)
    assert parse_hub(weights) == expected


@pytest.mark.parametrize(
    ("weights", "suggestion"),
    [
        ("hf:/org/name", "hf://org/name"),
        ("hf:org/name@v1", "hf://org/name@v1"),
        (r"hf:\\org\name", "hf://org/name"),
        (r"hf:\org\name\a.pth", "hf://org/name/a.pth"),
        ("HF://org/name", "hf://org/name"),
        (" hf://org/name ", "hf://org/name"),
        ("hf:///org/name", "hf://org/name"),
        ("hf-hub:org/name", "hf://org/name"),
        ("hf_hub:org/name", "hf://org/name"),
        (Path("hf://org/name"), "hf://org/name"),
        ("https://huggingface.co/org/name", "hf://org/name"),
        ("http://www.huggingface.co/org/name/", "hf://org/name"),
        ("https:/hf.co/org/name", "hf://org/name"),
        ("https://huggingface.co/org/name/tree/main", "hf://org/name"),
        ("https://huggingface.co/org/name/tree/v1", "hf://org/name@v1"),
        (
            "https://huggingface.co/org/name/resolve/main/x/a.pth?download=true",
            "hf://org/name/x/a.pth",
        ),
        ("https://huggingface.co/org/name/blob/refs%2Fpr%2F2/a", "hf://org/name@refs%2Fpr%2F2/a"),
        ("hf://gpt2", None),
        ("hf://", None),
        ("hf://org/name@", None),
        ("hf://org/name@@v1", None),
        ("hf://datasets/org/name@a@b", None),
        ("https://huggingface.co", None),
    ],
)
def test_what_means_the_hub_in_another_form_is_an_error_with_the_right_one(weights, suggestion):
    assert is_hub(weights)
    with pytest.raises(ParameterError, match="The 'weights' parameter must name .*'hf://") as error:
        fetch_hub(weights)
    assert error.value.hint == ("" if suggestion is None else f"Did you mean {suggestion!r}?")
    if suggestion is not None:
        parse_hub(suggestion)


@pytest.mark.parametrize(
    "weights",
    [
        *(None, 3, "imagenet", "a.safetensors", Path("a.pth"), "https://a.org/b", "hf/a.pth"),
        *("./huggingface.co/org/name/model.safetensors", "https://huggingface.com.evil/a/b"),
    ],
)
def test_other_weights_do_not_mean_the_hub(weights):
    assert not is_hub(weights)


@pytest.fixture(autouse=True)
def _new_process(monkeypatch):
    """As in a process that has fetched nothing, without a proxy."""
    monkeypatch.setenv("no_proxy", "*")
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    forget()


def forget():
    for memory in (_hub._found, _hub._failed, _hub._complete):
        memory.clear()


@pytest.fixture
def server():
    files = {"model.safetensors": WEIGHTS, "config.json": CONFIG, "README.md": b"text"}
    with serve_hub({"org/net": {"main": files}}) as hub:
        yield hub


@pytest.fixture
def fetch(server, tmp_path):
    """Fetch from the server, into an empty cache."""

    def function(weights="hf://org/net"):
        return fetch_hub(weights, endpoint=server.url, cache_dir=str(tmp_path))

    return function


def test_weights_come_with_their_config(fetch, server):
    path = fetch()
    assert os.path.basename(path) == "model.safetensors"
    assert Path(path).read_bytes() == WEIGHTS
    assert Path(find_beside(path, "config.json")).read_bytes() == CONFIG
    assert find_beside(path, "preprocessor_config.json") is None
    assert not any("README" in request for request in server.requests)


def test_the_server_is_asked_once_per_process(fetch, server):
    path = fetch()
    server.requests.clear()
    server.repos["org/net"]["main"]["model.safetensors"] = b"newer"
    assert fetch() == path
    assert server.requests == []
    forget()
    newer = fetch()
    assert Path(newer).read_bytes() == b"newer"
    os.remove(newer)
    assert Path(fetch()).read_bytes() == b"newer"


def test_what_is_in_the_cache_is_not_downloaded_again(fetch, server):
    path = fetch()
    forget()
    server.requests.clear()
    assert fetch() == path
    assert not any(request.startswith("GET /org") for request in server.requests)


def test_a_revision_has_its_own_weights_and_config(fetch, server):
    server.repos["org/net"]["v2"] = {"model.safetensors": b"two", "config.json": b"{}"}
    commit = server.commit("org/net", "v2")
    for weights in ("hf://org/net@v2", f"hf://org/net@{commit}"):
        path = fetch(weights)
        assert Path(path).read_bytes() == b"two"
        assert Path(find_beside(path, "config.json")).read_bytes() == b"{}"
    assert Path(fetch()).read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["model.safetensors", "other.safetensors", "pytorch_model.bin"], "model.safetensors"),
        (["other.safetensors", "pytorch_model.bin"], "other.safetensors"),
        (["folder/other.safetensors"], "folder/other.safetensors"),
        (["a.safetensors", "b.safetensors", "pytorch_model.bin"], "pytorch_model.bin"),
        (["pytorch_model.bin", "a.pth"], "pytorch_model.bin"),
        (["a.safetensors", "b.safetensors"], None),
        (["a.pth"], None),
        ([], None),
    ],
)
def test_the_weights_of_a_repository_are_found(fetch, server, names, chosen):
    server.repos["org/net"]["main"] = {name: name.encode() for name in names}
    if chosen is None:
        with pytest.raises(DownloadError, match="no single file of weights") as error:
            fetch()
        assert ", ".join(names) in str(error.value)
        assert "'hf://org/net/FILE'" in str(error.value)
    else:
        assert Path(fetch()).read_bytes() == chosen.encode()


def test_a_file_may_be_named_and_its_config_is_beside_it(fetch, server):
    files = {"x/a.pth": b"a", "b.safetensors": b"b", "x/config.json": b"{}"}
    server.repos["org/net"]["main"] |= files
    path = fetch("hf://org/net@main/x/a.pth")
    assert Path(path).read_bytes() == b"a"
    assert Path(find_beside(path, "config.json")).read_bytes() == b"{}"
    assert Path(fetch("hf://org/net/b.safetensors")).read_bytes() == b"b"


def test_many_files_are_not_all_listed(fetch, server):
    server.repos["org/net"]["main"] = {f"{i:03}.pth": b"" for i in range(50)}
    with pytest.raises(DownloadError, match=r"019\.pth and 30 more\."):
        fetch()


def no_answer(server):
    server.silent.set()


def refused(server):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    server.url = f"http://127.0.0.1:{port}"


def no_repository(server):
    del server.repos["org/net"]


def overloaded(server):
    server.failures = {"org/net": 503}


def gated(server):
    server.gated.add("org/net")


def forbidden(server):
    server.failures = {"org/net": 401}


def offline(server):
    huggingface_hub.constants.HF_HUB_OFFLINE = True


def no_weights(server):
    server.failures = {"model.safetensors": 503}


def no_config(server):
    server.failures = {"config.json": 500}


def no_hub(server):
    server.failures = {"org/net": 200}


FAILURES = [
    (no_answer, "no answer within|timed out", "Check the network"),
    (refused, "refused", "HTTPS_PROXY"),
    (no_repository, "no repository 'org/net', or it is private", "huggingface_hub.login"),
    (forbidden, "no repository 'org/net', or it is private", "HF_TOKEN"),
    (overloaded, "503", "try again after a minute"),
    (gated, "access to org/net is gated", "Accept its terms at http"),
    (offline, "offline mode", "Unset the variable HF_HUB_OFFLINE"),
    (no_weights, "503", "try again"),
    (no_config, "500", "try again"),
    (no_hub, "Expecting value", "Check the network"),
]


@pytest.fixture
def limits(monkeypatch):
    """Short time limits, and no offline mode afterwards."""
    monkeypatch.setattr(_hub, "_ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize(("fail", "cause", "remedy"), FAILURES)
def test_a_failure_is_named_with_its_remedy_in_time(fetch, server, fail, cause, remedy):
    fail(server)
    start = time.monotonic()
    with pytest.raises(DownloadError, match=cause) as error:
        fetch()
    assert time.monotonic() - start < 3
    assert str(error.value).startswith("The weights 'hf://org/net' cannot be downloaded")
    assert remedy in error.value.remedy
    assert error.value.url == f"{server.url}/org/net"
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


def test_the_time_limits_are_below_ten_seconds():
    assert _hub._ANSWER_SECONDS < 10


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize("fail", [fail for fail, *_ in FAILURES])
def test_the_copy_in_the_cache_is_taken_where_the_server_fails(fetch, server, fail):
    path = fetch()
    assert fetch("hf://org/net@main/model.safetensors") == path
    forget()
    url = server.url
    fail(server)
    server.url, unreachable = url, server.url
    with contextlib.ExitStack() as stack:
        if unreachable != url:
            stack.callback(setattr, server, "url", url)
            server.url = unreachable
        for weights in ("hf://org/net", "hf://org/net@main/model.safetensors"):
            assert fetch(weights) == path
    assert find_beside(path, "config.json") is not None
    assert find_beside(path, "preprocessor_config.json") is None


@pytest.mark.usefixtures("limits")
def test_offline_another_file_or_revision_is_an_error(fetch, server):
    fetch()
    server.repos["org/net"]["main"]["b.pth"] = b"b"
    offline(server)
    for weights in ("hf://org/net/b.pth", "hf://org/net@v1", "hf://org/other"):
        with pytest.raises(DownloadError, match=f"{weights}.*offline mode"):
            fetch(weights)


@pytest.mark.usefixtures("limits")
def test_offline_a_commit_is_found(fetch, server):
    path = fetch()
    offline(server)
    assert fetch(f"hf://org/net@{server.commit('org/net')}") == path


@pytest.mark.usefixtures("limits")
def test_a_config_that_was_never_looked_for_is_an_error(fetch, server, tmp_path):
    """As other programs download the weights alone."""
    huggingface_hub.hf_hub_download(
        "org/net", "model.safetensors", endpoint=server.url, cache_dir=tmp_path
    )
    offline(server)
    path = fetch()
    with pytest.raises(DownloadError, match=r"'config.json', .* cannot be reached") as error:
        find_beside(path, "config.json")
    assert "choose the normalization" in str(error.value)


@pytest.mark.parametrize(
    ("weights", "cause"),
    [
        ("hf://org/net@v3", "org/net has no revision 'v3'"),
        ("hf://org/net@v3/model.safetensors", "org/net has no revision 'v3'"),
        ("hf://org/net/nothing.pth", r"no file 'nothing.pth'. Its files are: README.md, config"),
        ("hf://org/net/../net/a", "no file"),
    ],
)
def test_a_revision_or_file_that_is_absent_is_an_error(fetch, weights, cause):
    fetch()  # whose copy is not taken instead
    with pytest.raises(DownloadError, match=cause) as error:
        fetch(weights)
    assert repr(weights) in str(error.value)


def test_a_revision_or_file_that_was_removed_is_an_error(fetch, server):
    """Its copy is out of date, as the server says."""
    server.repos["org/net"]["v2"] = {"a.safetensors": b"a", "b.safetensors": b"b"}
    fetch("hf://org/net@v2/b.safetensors")
    forget()
    del server.repos["org/net"]["v2"]["b.safetensors"]
    with pytest.raises(DownloadError, match="no file 'b.safetensors'"):
        fetch("hf://org/net@v2/b.safetensors")
    forget()
    del server.repos["org/net"]["v2"]
    with pytest.raises(DownloadError, match="no revision 'v2'"):
        fetch("hf://org/net@v2/b.safetensors")


def test_what_the_server_said_is_known_where_the_cache_cannot_be_written(fetch, tmp_path):
    path = fetch()
    shutil.rmtree(tmp_path / "models--org--net" / ".no_exist")
    assert find_beside(path, "preprocessor_config.json") is None


@pytest.mark.usefixtures("limits")
def test_a_failure_is_remembered_for_a_minute(fetch, server, monkeypatch):
    overloaded(server)
    with pytest.raises(DownloadError) as first:
        fetch()
    server.failures, server.requests = {}, []
    with pytest.raises(DownloadError) as second:
        fetch()
    assert second.value is first.value
    assert server.requests == []
    fetch("hf://org/net@main")  # another string is another question
    assert _hub._REMEMBERED_SECONDS == 60
    monkeypatch.setattr(_hub, "_REMEMBERED_SECONDS", 0)
    fetch()


@pytest.mark.usefixtures("limits")
def test_a_name_that_is_looked_up_for_ever_is_given_up_in_time(monkeypatch, tmp_path):
    done = threading.Event()

    def getaddrinfo(*args, **kwargs):
        done.wait(20)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    start = time.monotonic()
    with pytest.raises(DownloadError, match="no answer within 0.5 seconds"):
        fetch_hub("hf://org/net", endpoint="http://hub.invalid", cache_dir=str(tmp_path))
    assert time.monotonic() - start < 3
    done.set()


def test_a_download_that_breaks_off_is_an_error_and_leaves_no_half_file(
    fetch, server, monkeypatch, tmp_path
):
    monkeypatch.setattr(file_download, "time", SimpleNamespace(sleep=lambda seconds: None))
    server.cuts["model.safetensors"] = [100] * 10
    with pytest.raises(DownloadError, match="peer closed|incomplete|without sending"):
        fetch()
    assert not list(tmp_path.rglob("model.safetensors"))
    server.cuts = {}
    forget()
    assert Path(fetch()).read_bytes() == WEIGHTS


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_full_disk_is_an_error_with_the_folder(fetch, monkeypatch, tmp_path, code):
    def full(*args, **kwargs):
        raise OSError(code, os.strerror(code), "somewhere")

    monkeypatch.setattr(file_download, "http_get", full)
    with pytest.raises(DownloadError, match=os.strerror(code)) as error:
        fetch()
    assert repr(str(tmp_path)) in error.value.remedy
    assert "HF_HOME" in error.value.remedy


def test_a_download_shows_no_bar_where_nobody_looks(fetch, capfd):
    fetch()
    assert capfd.readouterr().err == ""


def run(code, **variables):
    """Run a program in a new process; its standard output."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | variables
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.long
def test_the_variables_of_huggingface_hub_choose_server_cache_and_offline_mode(server, tmp_path):
    code = "from sklearn_resnet._network.hub import fetch_hub; print(fetch_hub('hf://org/net'))"
    variables = {"HF_ENDPOINT": server.url, "HF_HUB_CACHE": str(tmp_path / "cache")}
    path = run(code, **variables)
    assert path.startswith(str(tmp_path / "cache"))
    assert Path(path).read_bytes() == WEIGHTS
    server.requests.clear()
    assert run(code, HF_HUB_OFFLINE="1", **variables) == path
    assert server.requests == []


def test_without_the_package_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"weights='hf://org/net' needs huggingface_hub.*\[hub\]"):
        fetch_hub("hf://org/net")


def test_it_is_imported_only_when_needed():
    code = "import sys, sklearn_resnet; print('huggingface_hub' in sys.modules)"
    assert run(code) == "False"


def test_the_form_of_the_server_is_that_of_the_hub(server):
    """The fields that `huggingface_hub` reads."""
    info = huggingface_hub.HfApi(endpoint=server.url).model_info("org/net")
    assert info.sha == server.commit("org/net")
    assert json.loads(CONFIG)["mean"] == [0.5]


def make_resnet18(folder):
    """Return a .safetensors file of random weights of two stages, in the form of torchvision."""
    rng = np.random.default_rng(0)
    tensors = {}
    for layer in (x for x in layer_table("ResNet18") if x.stage not in ("layer3", "layer4")):
        name = layer.name.removesuffix(".bn")
        if layer.kind == "conv":
            height, width, n_in, n_out = layer.weight_shapes[0]
            kernel = rng.normal(
                0, np.sqrt(2 / (height * width * n_in)), (n_out, n_in, height, width)
            )
            tensors[f"{name}.weight"] = kernel.astype(np.float32)
        elif layer.kind == "bn":
            for end, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
                tensors[f"{name}.{end}"] = np.full(layer.width, value, np.float32)
    save_file(tensors, folder / "resnet18.safetensors")
    return folder / "resnet18.safetensors"


@pytest.fixture
def resnet18(server, tmp_path, monkeypatch):
    """A repository of weights and config; the path of the same weights."""
    path = make_resnet18(tmp_path)
    server.repos["org/net"]["main"]["model.safetensors"] = path.read_bytes()
    options = {"endpoint": server.url, "cache_dir": str(tmp_path / "cache")}
    monkeypatch.setattr(weights_module, "fetch_hub", functools.partial(fetch_hub, **options))
    return path


def test_features_are_those_of_the_file_and_its_config(resnet18, server):
    X = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), np.uint8)
    resnet = ResNetFeatures("layer2", architecture="ResNet18", weights="hf://org/net").fit(X)
    assert resnet.weights_ == "hf://org/net"
    assert resnet.normalization_ == ((0.5,), (0.5,), "RGB")  # of CONFIG
    local = ResNetFeatures(
        "layer2", architecture="ResNet18", weights=resnet18, normalization=(0.5, 0.5)
    ).fit(X)
    np.testing.assert_array_equal(resnet.transform(X), local.transform(X))
    assert resnet.weights_fingerprint_ == local.weights_fingerprint_
    given = ResNetFeatures(
        "layer2", architecture="ResNet18", weights="hf://org/net", normalization="torch"
    )
    assert np.abs(given.fit_transform(X) - local.transform(X)).max() > 0.01
    moved = pickle.loads(pickle.dumps(resnet))
    np.testing.assert_array_equal(moved.transform(X), local.transform(X))


def test_a_search_asks_the_server_once(resnet18, server):
    X = np.random.default_rng(1).integers(0, 256, (8, 32, 32, 3), np.uint8)
    resnet = ResNetFeatures(architecture="ResNet18", weights="hf://org/net")
    pipeline = make_pipeline(resnet, KNeighborsClassifier(1))
    search = GridSearchCV(pipeline, {"resnetfeatures__layers": ["layer1", "layer2"]}, cv=2)
    search.fit(X, [0, 1] * 4).predict(X)
    assert sum(request.startswith("GET /api") for request in server.requests) == 1


def test_a_config_for_other_channels_is_an_error(resnet18, server):
    server.repos["org/net"]["main"]["config.json"] = b'{"mean": [0.5, 0.5], "std": [1, 1]}'
    resnet = ResNetFeatures("layer1", architecture="ResNet18", weights="hf://org/net")
    with pytest.raises(ParameterError, match="'normalization' .* Got 2 values"):
        resnet.fit(np.zeros((1, 32, 32, 3), np.uint8))
