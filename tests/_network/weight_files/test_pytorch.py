"""Files that torch.save wrote, by a stand-in for PyTorch, and by PyTorch where it is installed."""

import pickle
import sys
import tracemalloc
import types
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file
from state_dicts import add_prefix, make_state_dict

from sklearn_resnet._io.hashing import identify_file
from sklearn_resnet._network.weight_files import inspect_file, pytorch, read_arrays

LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


class Tensor:
    """As much of a tensor of PyTorch as is needed."""

    def __init__(self, array):
        self.array = array
        self.shape = list(array.shape)
        self.dtype = f"torch.{array.dtype}"

    def detach(self):
        return self

    def float(self):
        return Tensor(self.array.astype(np.float32, copy=False))

    def numpy(self):
        return self.array


@pytest.fixture
def stand_in(monkeypatch):
    """A module torch whose `load` returns or raises `result`, and notes its arguments."""
    torch = types.ModuleType("torch")
    torch.Tensor, torch.calls, torch.result = Tensor, [], {}

    def load(path, **options):
        torch.calls.append(options)
        if isinstance(torch.result, Exception):
            raise torch.result
        return torch.result

    torch.load = load
    monkeypatch.setitem(sys.modules, "torch", torch)
    return torch


@pytest.fixture
def no_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)


def write_file(path, *, legacy=False):
    if legacy:
        path.write_bytes(LEGACY)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("name/data.pkl", b"")
    return path


def to_tensors(state):
    return {name: Tensor(array) for name, array in state.items()}


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_is_loaded_without_code_and_mapped_if_possible(tmp_path, stand_in, legacy):
    stand_in.result = to_tensors(make_state_dict())
    path = write_file(tmp_path / "a.pth", legacy=legacy)
    assert inspect_file(identify_file(path), "ResNet18").n_layers == 19
    expected = {"weights_only": True, "map_location": "cpu"} | ({} if legacy else {"mmap": True})
    assert all(options == expected for options in stand_in.calls)
    assert stand_in.calls


WRAPPERS = {
    "nothing": (lambda state: state),
    "state_dict": (lambda state: {"epoch": 3, "arch": "resnet18", "state_dict": state}),
    "MoCo v3": (lambda state: {"state_dict": add_prefix(state, "module.base_encoder.")}),
    "VISSL": (
        lambda state: {
            "classy_state_dict": {
                "base_model": {
                    "model": {"trunk": add_prefix(state, "_feature_blocks."), "heads": {}}
                }
            },
            "type": "checkpoint",
        }
    ),
    "DINO": (
        lambda state: {
            "student": add_prefix({k: v + 1 for k, v in state.items()}, "module.backbone."),
            "teacher": add_prefix(state, "backbone."),
            "optimizer": {"state": {0: {"exp_avg": np.zeros(3)}}, "param_groups": [{"lr": 0.1}]},
        }
    ),
}


def tensors_within(item):
    if isinstance(item, np.ndarray):
        return Tensor(item)
    return {k: tensors_within(v) for k, v in item.items()} if isinstance(item, dict) else item


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_wrappers_change_neither_arrays_nor_fingerprint(tmp_path, stand_in, wrapper, dtype):
    state = make_state_dict()
    plain = tmp_path / "plain.safetensors"
    save_file(state, plain)
    typed = {k: v.astype(dtype) if v.dtype.kind == "f" else v for k, v in state.items()}
    stand_in.result = tensors_within(WRAPPERS[wrapper](typed))
    path = write_file(tmp_path / "a.pth")
    assert inspect_file(identify_file(path), "ResNet18") == inspect_file(
        identify_file(plain), "ResNet18"
    )
    names = {"conv1", "layer1.1.bn2"}
    found = read_arrays(str(path), "ResNet18", names)
    expected = read_arrays(str(plain), "ResNet18", names)
    for name in names:
        for a, b in zip(found[name], expected[name], strict=True):
            assert a.dtype == np.float32
            np.testing.assert_array_equal(a, b)


def test_arrays_do_not_depend_on_the_mapped_file(tmp_path, stand_in):
    state = make_state_dict()
    stand_in.result = to_tensors(state)
    [kernel] = read_arrays(str(write_file(tmp_path / "a.pth")), "ResNet18", {"conv1"})["conv1"]
    assert not np.shares_memory(kernel, state["conv1.weight"])


def test_objects_besides_tensors_are_an_error(tmp_path, stand_in):
    path = write_file(tmp_path / "a.pth")
    for message, name in {
        "Unsupported global: GLOBAL argparse.Namespace was not an": "argparse.Namespace",
        "Unsupported global: GLOBAL print was not an allowed": "print",
        "Unsupported operand 149": "other objects",
        "GLOBAL t.": "other objects",
    }.items():
        stand_in.result = pickle.UnpicklingError(message)
        with pytest.raises(ValueError, match=rf"a\.pth' .* holds {name} besides tensors") as error:
            inspect_file(identify_file(path), "ResNet18")
        error.match(
            "could run code. If you trust its source, save its state dict alone with torch.save"
        )


def test_a_damaged_file_is_an_error(tmp_path, stand_in):
    stand_in.result = RuntimeError("failed finding central directory")
    with pytest.raises(ValueError, match=r"is damaged, or is not a PyTorch file .* failed finding"):
        inspect_file(identify_file(write_file(tmp_path / "a.pth")), "ResNet18")


def test_a_dict_that_holds_itself_is_an_error(tmp_path, stand_in):
    stand_in.result = {"a": 1}
    stand_in.result["itself"] = stand_in.result
    stand_in.result |= to_tensors(make_state_dict())  # whose names grow with each round
    tracemalloc.start()
    with pytest.raises(ValueError, match="dicts nested 20 deep"):
        inspect_file(identify_file(write_file(tmp_path / "a.pth")), "ResNet18")
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_a_dict_of_too_many_items_is_an_error(tmp_path, stand_in):
    stand_in.result = {"a": dict.fromkeys(range(100_001))}
    with pytest.raises(ValueError, match="holds more than 100000 items"):
        inspect_file(identify_file(write_file(tmp_path / "a.pth")), "ResNet18")


@pytest.mark.parametrize("content", [3, [1, 2], {}, {"a": None}, Tensor(np.ones(3))])
def test_a_file_without_tensors_is_an_error(tmp_path, stand_in, content):
    stand_in.result = content
    with pytest.raises(ValueError, match="holds no ResNet: its tensors begin with nothing"):
        inspect_file(identify_file(write_file(tmp_path / "a.pth")), "ResNet18")


def test_quantised_tensors_are_refused_by_name(tmp_path, stand_in):
    stand_in.result = to_tensors(make_state_dict())
    stand_in.result["layer1.0.conv1.weight"].dtype = "torch.qint8"
    with pytest.raises(ValueError, match=r"'layer1.0.conv1.weight' must be of type .* not qint8"):
        inspect_file(identify_file(write_file(tmp_path / "a.pth")), "ResNet18")


@pytest.mark.parametrize("name", ["a.pth", "checkpoint.pth.tar", "it's.bin"])
def test_without_pytorch_the_error_shows_how_to_convert(tmp_path, no_torch, name):
    path = str(write_file(tmp_path / name))
    with pytest.raises(
        ImportError, match="PyTorch cannot be imported: .* Convert the file"
    ) as error:
        inspect_file(identify_file(path), "ResNet18")
    for part in (
        f"state = torch.load({path!r}, weights_only=True, map_location='cpu')\n",
        "safetensors.torch.save_file(",
        ".safetensors",
    ):
        assert part in str(error.value)


def test_the_lines_that_convert_do_so(tmp_path, no_torch):
    """They are run with a stand-in, for a wrapped state dict."""
    path = str(write_file(tmp_path / "a.pth"))
    with pytest.raises(ImportError) as error:
        inspect_file(identify_file(path), "ResNet18")
    lines = str(error.value).partition("\n\n")[2]
    state, saved = make_state_dict(), {}
    names = {
        "torch": types.SimpleNamespace(
            load=lambda path, **options: {"state_dict": state | {"n": 1}, "epoch": 3},
            is_tensor=lambda value: isinstance(value, np.ndarray),
        ),
        "safetensors": types.SimpleNamespace(
            torch=types.SimpleNamespace(
                save_file=lambda tensors, path: saved.update({path: tensors})
            )
        ),
    }
    lines = lines.replace("import torch, safetensors.torch\n", "")
    exec(lines.replace("v.clone().contiguous()", "v.copy()"), names)
    [(target, tensors)] = saved.items()
    assert target == str(tmp_path / "a.safetensors")
    assert tensors.keys() == state.keys()
    save_file(tensors, target)
    assert inspect_file(identify_file(target), "ResNet18").n_layers == 19


def test_pickles_with_code_are_errors_and_nothing_is_run(tmp_path):
    """PyTorch refuses them; without it, they are not opened."""

    class Hostile:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    for protocol in (2, 4):
        content = LEGACY + pickle.dumps(Hostile(), protocol)
        for data in (content, content[len(LEGACY) :]):
            path = tmp_path / "a.pth"
            path.write_bytes(data)
            with pytest.raises((ValueError, ImportError), match=r"a\.pth'"):
                inspect_file(identify_file(path), "ResNet18")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/data.pkl", pickle.dumps(Hostile(), protocol))
        with pytest.raises((ValueError, ImportError), match=r"a\.pth'"):
            inspect_file(identify_file(path), "ResNet18")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("legacy", [False, True])
def test_pytorch_itself(tmp_path, legacy):
    torch = pytest.importorskip("torch")
    state = make_state_dict()
    plain = tmp_path / "plain.safetensors"
    save_file(state, plain)
    tensors = {k: torch.nn.Parameter(torch.tensor(v), False) for k, v in state.items()}
    path = tmp_path / "a.pth"
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        typed = {k: v.to(dtype) if v.is_floating_point() else v for k, v in tensors.items()}
        torch.save({"state_dict": typed}, path, _use_new_zipfile_serialization=not legacy)
        found = inspect_file(identify_file(path), "ResNet18")
        assert found == inspect_file(identify_file(plain), "ResNet18")
        inspect_file.cache_clear()
    exec(pytorch._explain_conversion(str(path), "").partition("\n\n")[2], {})
    assert inspect_file(identify_file(tmp_path / "a.safetensors"), "ResNet18") == found
