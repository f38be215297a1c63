"""`embedding weights`: each of the published weights, as options that the command takes."""

import shlex

from commands import run

from sklearn_resnet import list_weights
from sklearn_resnet._network.normalization import parse_normalization
from sklearn_resnet.cli.main import main


def test_all_weights_are_options_that_the_command_parses():
    lines = run("weights").splitlines()
    options = [shlex.split(line, comments=True) for line in lines if line.startswith("  --")]
    table = list_weights().set_index(["weights", "architecture", "family", "name"])
    assert len(options) == len(table)
    rows = {(r.Index[0], r.Index[1]): r for r in table.itertuples()}
    for words in options:
        params = main.make_context("embedding", ["digits", "out.npz", *words]).params
        row = rows[params["weights"], params["architecture"]]
        assert params["value_range"] == row.value_range
        if not params["weights"].startswith("hf://") and row.normalization is not None:
            given, known = map(parse_normalization, (params["normalization"], row.normalization))
            assert (given.order, len(given.mean)) == (known.order, len(known.mean))
            assert max(abs(a - b) for a, b in zip(given.mean, known.mean, strict=True)) < 1e-6


def test_headings_name_licence_and_channels_and_files_their_source():
    text = run("weights")
    assert "Lunit's own: non-commercial research (no commercial use)" in text
    assert "RadImageNet: radiology: 1.35 million CT, MR and ultrasound images; no licence" in text
    assert "CC-BY-4.0; 13 channels\n" in text
    pytorch = [line for line in text.splitlines() if line.endswith("  # needs PyTorch")]
    assert len(pytorch) == list_weights()["needs_pytorch"].sum()
    assert "\n      from https://dl.fbaipublicfiles.com/dino/" in text
