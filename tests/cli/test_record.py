"""The record beside OUTPUT: its entries are read as they were written."""

import json

import numpy as np
import pytest

from sklearn_resnet import ResNetFeatures
from sklearn_resnet.cli.inputs import InputOptions
from sklearn_resnet.cli.progress import Progress
from sklearn_resnet.cli.record import (
    Result,
    describe_resnet,
    image_shape,
    input_parameters,
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
