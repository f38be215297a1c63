"""The record beside OUTPUT: its entries are read as they were written."""

import json

import numpy as np
import pytest

from sklearn_resnet import ResNetFeatures
from sklearn_resnet.cli.inputs import InputOptions
from sklearn_resnet.cli.progress import Progress
from sklearn_resnet.cli.record import (
    Result,
    describe_pca,
    describe_resnet,
    file_parameters,
    finish,
    hash_table,
    image_mode,
    image_shape,
    input_parameters,
    read_former_record,
    read_record,
    resnet_parameters,
    write_record,
)

IMAGES = np.zeros((2, 8, 6, 3), np.uint8)
RESULT = Result((), {"input": IMAGES.shape}, {"table": "a1"})


@pytest.fixture
def output(tmp_path):
    resnet = ResNetFeatures(4, weights=None, random_state=0, cache=None)
    resnet.set_params(normalization=(0.25, 0.5, "BGR")).fit(IMAGES)
    metadata = describe_resnet(resnet, "random") | {"table": "a1"}
    result = Result((), {"input": IMAGES.shape}, metadata)
    output = tmp_path / "out.npz"
    write_record(output, InputOptions("photo.png", patches=2, seed=3), result, Progress(quiet=True))
    return output


def test_a_record_is_read_as_it_was_written(output):
    record = read_record(output)
    assert image_shape(record) == [8, 6, 3]
    assert record["engine"] == "openvino"  # not "auto"
    parameters = resnet_parameters(record)
    resnet = ResNetFeatures(**parameters, weights=None, random_state=0).fit(IMAGES)
    assert resnet.layers == [4]
    assert resnet.normalization_ == ((0.25,), (0.5,), "BGR")
    assert input_parameters(record) == {
        "source": "photo.png",
        "seed": 3,
        "image_size": None,
        "patches": 2,
        "patch_size": 64,
        "mode": "RGB",
        "value_range": None,
    }


@pytest.mark.parametrize(
    ("shape", "mode"),
    [((9, 8, 8), "L"), ((9, 8, 8, 1), "L"), ((9, 8, 8, 3), "RGB"), ((9, 8, 8, 5), "channels")],
)
def test_the_mode_of_image_files_is_that_of_the_images(shape, mode):
    assert image_mode({"shapes": {"input": shape}}) == mode


def test_a_record_of_an_earlier_version_leaves_the_normalization_to_the_architecture(output):
    record = read_record(output)
    del record["normalization"], record["reading"], record["channels"]
    parameters = resnet_parameters(record)
    assert (parameters["normalization"], parameters["channels"]) == (None, None)
    record["shapes"]["input"] = [9, 8, 8]
    assert file_parameters(record) == {"mode": "L", "value_range": None}


def test_the_options_of_reading_are_read_as_they_were_given(tmp_path):
    given = {"mode": "channels", "channels": [2, "GFP"], "rescale": ("percentile", 1.0, 99.0)}
    given |= {"rescale_range": ((0.0, 1.5), (2.0, 3.0)), "page": "max", "level": 1}
    options = InputOptions(str(tmp_path), value_range=(0.5, 2.0), **given)
    write_record(tmp_path / "out.npz", options, RESULT, Progress(quiet=True))
    record = json.loads((tmp_path / "out.json").read_text())
    assert InputOptions(record["input"], **file_parameters(record)) == options
    options = InputOptions("digits")
    write_record(tmp_path / "digits.npz", options, RESULT, Progress(quiet=True))
    assert json.loads((tmp_path / "digits.json").read_text())["reading"] is None


@pytest.mark.parametrize(
    "entry", ["shapes", "model", "layers", "weights", "weights_fingerprint", "seed", "input"]
)
def test_an_entry_that_is_missing_is_named(output, entry):
    path = output.with_suffix(".json")
    record = json.loads(path.read_text())
    del record[entry]
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=f"cannot be read: KeyError\\('{entry}'\\)"):
        read_record(output)


def run(output, *names, table="a1"):
    """Finish a command that writes OUTPUT and other files beside it; return the record."""
    written = (output, *(output.with_name(name) for name in names))
    for path in written:
        path.touch()
    shapes = {"input": (9, 8, 8), "embedding": (9, 2)}
    result = Result(written, shapes, describe_pca(2, 0.5) | {"table": table})
    finish(output, InputOptions("digits", seed=0), result, Progress(quiet=True))
    return json.loads(output.with_suffix(".json").read_text())


def test_files_of_an_earlier_command_that_no_longer_match_are_named_until_they_do(tmp_path, capsys):
    output = tmp_path / "out.npz"
    run(output, "out_pca.png", "out_pca.html", "gone.png")
    (tmp_path / "gone.png").unlink()
    record = run(output, "out_pca.png", table="b2")
    assert record["outputs"] == ["out.npz", "out_pca.png"]
    assert record["outdated"] == ["out_pca.html"]
    warning = capsys.readouterr().err
    assert warning.startswith(
        "warning    Files of an earlier command, with other settings or images,"
    )
    assert "do not match out.npz: out_pca.html. Make them again" in warning
    assert (tmp_path / "out_pca.html").exists()
    assert run(output, table="b2")["outputs"] == ["out.npz", "out_pca.png"]
    assert "out_pca.html" in capsys.readouterr().err
    assert run(output)["outdated"] == ["out_pca.html", "out_pca.png"]
    assert "outdated" not in run(output, "out_pca.html", "out_pca.png")


def test_files_that_still_match_stay_in_the_record(tmp_path, capsys):
    output = tmp_path / "out.npz"
    run(output, "out_pca.png")
    assert run(output)["outputs"] == ["out.npz", "out_pca.png"]
    assert run(output, table="b2")["outputs"] == ["out.npz"]
    assert capsys.readouterr().err.count("warning") == 1


def test_the_hash_of_a_table_goes_by_features_labels_and_paths():
    features = np.arange(6, dtype=np.float32).reshape(2, 3)
    columns = np.array(["a", "b"])
    tables = [
        (features, None, None),
        (features + 1, None, None),
        (features, columns, None),
        (features, None, columns),
        (features, columns[::-1], None),
    ]
    assert len({hash_table(*table) for table in tables}) == len(tables)
    assert hash_table(features.copy(), columns, None) == hash_table(*tables[2])


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{}", '{"outputs": 3}', '{"command": ["make"]}'),
        '{"command": ["embedding"]}',
        '{"command": ["embedding"], "outputs": ["../a.png"]}',
    ],
)
def test_a_json_of_another_program_is_no_record(tmp_path, content):
    output = tmp_path / "out.npz"
    assert read_former_record(output) == {}
    output.with_suffix(".json").write_text(content)
    assert read_former_record(output) == {}
    run(output)
    assert read_former_record(output)["outputs"] == ["out.npz"]
