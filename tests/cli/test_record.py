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
    finish,
    image_shape,
    input_parameters,
    read_former_record,
    read_record,
    resnet_parameters,
    write_record,
)

IMAGES = np.zeros((2, 8, 6, 3), np.uint8)


@pytest.fixture
def output(tmp_path):
    resnet = ResNetFeatures(4, weights=None, random_state=0, cache=None).fit(IMAGES)
    result = Result((), {"input": IMAGES.shape}, describe_resnet(resnet, "random"))
    output = tmp_path / "out.npz"
    write_record(output, InputOptions("photo.png", patches=2, seed=3), result, Progress(quiet=True))
    return output


def test_a_record_is_read_as_it_was_written(output):
    record = read_record(output)
    assert image_shape(record) == [8, 6, 3]
    parameters = resnet_parameters(record)
    assert ResNetFeatures(**parameters).layers == [4]
    assert input_parameters(record) == {
        "source": "photo.png",
        "seed": 3,
        "image_size": None,
        "patches": 2,
        "patch_size": 64,
    }


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


def run(output, *names, n_dimensions=2, n_images=9, **options):
    """Finish a command that writes OUTPUT and other files beside it; return the record."""
    former = read_former_record(output)
    written = (output, *(output.with_name(name) for name in names))
    for path in written:
        path.touch()
    shapes = {"input": (n_images, 8, 8), "embedding": (n_images, n_dimensions)}
    result = Result(written, shapes, describe_pca(n_dimensions, 0.5))
    options = InputOptions(**{"source": "digits", "seed": 0} | options)
    finish(output, options, result, Progress(quiet=True), former)
    return json.loads(output.with_suffix(".json").read_text())


@pytest.mark.parametrize(
    "change",
    [
        {"n_dimensions": 3},
        {"n_images": 8},
        {"source": "photos"},
        {"patches": 9},
    ],
    ids=lambda change: next(iter(change)),
)
def test_files_of_an_earlier_command_that_no_longer_match_are_named(tmp_path, capsys, change):
    output = tmp_path / "out.npz"
    run(output, "out_pca.png", "out_pca.html", "gone.png")
    (tmp_path / "gone.png").unlink()
    record = run(output, "out_pca.png", **change)
    assert record["outputs"] == ["out.npz", "out_pca.png"]
    warning = capsys.readouterr().err
    assert warning.startswith(
        "warning    Files of an earlier command, with other settings or images,"
    )
    assert "do not match out.npz: out_pca.html. Make them again" in warning
    assert (tmp_path / "out_pca.html").exists()
    run(output)  # as at first
    assert "do not match out.npz: out_pca.png. Make" in capsys.readouterr().err


@pytest.mark.parametrize("change", [{}, {"source": "./digits/"}, {"seed": 1}], ids=str)
def test_files_that_still_match_stay_in_the_record(tmp_path, capsys, change):
    output = tmp_path / "out.npz"
    run(output, "out_pca.png")
    assert run(output, **change)["outputs"] == ["out.npz", "out_pca.png"]
    assert run(output, n_dimensions=3)["outputs"] == ["out.npz"]
    assert capsys.readouterr().err.count("warning") == 1


@pytest.mark.parametrize("seed", [0, 1, None])
def test_the_seed_matters_where_it_draws_patches(tmp_path, capsys, seed):
    output = tmp_path / "out.npz"
    run(output, "out_pca.png", patches=9, seed=seed and 0)
    run(output, patches=9, seed=seed)
    assert ("an earlier command," in capsys.readouterr().err) is (seed != 0)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"outputs": 3}', '{"command": ["make"]}'])
def test_a_json_of_another_program_is_no_record(tmp_path, content):
    output = tmp_path / "out.npz"
    assert read_former_record(output) == {}
    output.with_suffix(".json").write_text(content)
    assert read_former_record(output) == {}
    run(output)
    assert read_former_record(output)["outputs"] == ["out.npz"]
