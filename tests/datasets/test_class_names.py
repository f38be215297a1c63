"""The names of classes in YAML, read as PyYAML reads them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_resnet.datasets._class_names import _read_yaml, find_classes

NAMES = [
    *("cat", "traffic light", "it's", 'say "hi"', "a, b", "x: y", "# no", "a #b", "C#", "3", "0: a", "[b]", "{c}"),
    *("- d", "null", "true", "\u00dcn\u00ef", "", "  pad ", "1.5", "~", "*x", "&y", "!z", "%p", "@q", "|", "> f"),
    *("a'b\"c", "back\\slash", "tab\tx", "2020-01-01"),
]  # fmt: skip


@settings(deadline=None, derandomize=True, database=None)
@given(
    names=st.lists(st.sampled_from(NAMES) | st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1), min_size=1),
    as_mapping=st.booleans(),
    style=st.fixed_dictionaries(
        {
            "default_flow_style": st.sampled_from([None, False]),
            "width": st.sampled_from([20, 80, 1000]),
            "allow_unicode": st.booleans(),
            "indent": st.sampled_from([2, 4]),
        }
    ),
)  # fmt: skip
def test_names_are_those_of_pyyaml(tmp_path_factory, names, as_mapping, style):
    yaml = pytest.importorskip("yaml")
    content = {"path": "../data", "names": dict(enumerate(names)) if as_mapping else names, "nc": 3}
    path = tmp_path_factory.getbasetemp() / "names" / "a.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False, **style), encoding="utf-8")
    assert _read_yaml(str(path)) == (dict(enumerate(names)), 0)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_comments_and_other_keys(tmp_path, end):
    lines = ["# of a data set", "names:  # two", "  0: cat  # a pet", "  # none", "  1: 'no # one'", "kpt_shape: [17, 3]  # COCO"]  # fmt: skip
    (tmp_path / "a.yaml").write_bytes(end.join(lines).encode())
    assert _read_yaml(str(tmp_path / "a.yaml")) == ({0: "cat", 1: "no # one"}, 51)
    (tmp_path / "a.yaml").write_bytes(b"train: images/names: x" + end.encode())
    assert _read_yaml(str(tmp_path / "a.yaml")) is None


def test_the_nearest_file_is_read(tmp_path):
    (tmp_path / "labels" / "train").mkdir(parents=True)
    (tmp_path / "data.yaml").write_text("names: [a]")
    folder = str(tmp_path / "labels" / "train")
    assert find_classes(folder) == ({0: "a"}, 0)
    (tmp_path / "labels" / "classes.txt").write_text("b\n\nc\n")
    assert find_classes(folder) == ({0: "b", 2: "c"}, 0)
    assert find_classes(str(tmp_path / "none")) == ({0: "a"}, 0)
