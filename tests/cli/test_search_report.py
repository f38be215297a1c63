"""The result of `embedding search` as text."""

import os
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from sklearn_resnet import LayerSearchDisplay
from sklearn_resnet.cli.features import FeatureOptions
from sklearn_resnet.cli.inputs import InputOptions
from sklearn_resnet.cli.options import default_cache
from sklearn_resnet.cli.region_inputs import RegionOptions
from sklearn_resnet.cli.search import SearchOptions
from sklearn_resnet.cli.search_report import describe_search, name_stem, spell_command

BEST = {"layer": 85, "image_size": 48}
# of two folds each; 85 costs more than 16, and 32 more than 16
SCORES = {
    (16, 16): (0.5, 0.6),
    (16, 32): (0.4, 0.5),
    (85, 16): (0.82, 0.88),
    (85, 32): (0.80, 0.98),
}


def make_options(source="photos/", *, labels=None, value_range=None, **features):
    defaults = {
        "model": "resnet",
        "dimensions": None,
        "layers": None,
        "architecture": "ResNet50V2",
        "weights": "imagenet",
        "pooling": "avg",
        "image_size": None,
        "batch_size": 64,
        "engine": "auto",
        "precision": "float32",
        "cache": default_cache(),
        "seed": 0,
    }
    return SearchOptions(
        output=None,
        image_sizes=None,
        groups=None,
        n_folds=5,
        nested=False,
        input=InputOptions(source, labels, value_range=value_range),
        features=FeatureOptions(**defaults | features),
        picture="png",
        quiet=False,
    )


def describe(scores, **parameters):
    layers, sizes = zip(*scores, strict=True)
    display = LayerSearchDisplay(layers, list(scores.values()), image_sizes=sizes, **parameters)
    return list(describe_search(display, "accuracy", make_options(), Path("out/s.csv")))


def test_all_lines():
    assert describe(SCORES) == [
        "",
        "accuracy, mean over 2 folds, by layer and image size",
        "layer  name                 16       32",
        "   16  conv2_block1_out  0.550+   0.450",
        "   85  conv3_block4_out  0.850o+  0.890*+",
        "* best; o cheapest within one standard error of the best; + better than everything cheaper",
        "",
        "better than everything cheaper",
        "layer  name              size    gflop  accuracy    std",
        "   16  conv2_block1_out    16  0.00356     0.550  0.050",
        "   85  conv3_block4_out    16   0.0152     0.850  0.030  o",
        "   85  conv3_block4_out    32   0.0607     0.890  0.090  *",
        "",
        "best       accuracy 0.890 (std 0.090): layer 85 (conv3_block4_out) at 32 x 32",
        "cheapest   accuracy 0.850 (std 0.030): layer 85 (conv3_block4_out) at 16 x 16; 25 % of the "
        "GFLOP of the best",
        "certainty  3 of the 3 other candidates cannot be told from the best: the 95 % confidence "
        "interval of their difference includes 0",
        "           the accuracy of the best is too high on average, because the same folds chose it; "
        "--nested corrects this",
        "",
        "To use the cheapest, run",
        "  embedding photos/ out/photos_85_16.npz -l 85 --image-size 16 --weights imagenet",
        "or, to use the best,",
        "  embedding photos/ out/photos_85_32.npz -l 85 --image-size 32 --weights imagenet",
    ]


def test_candidates_that_are_worse_are_not_counted():
    scores = {(16, 32): [0.1, 0.11] * 5, (51, 32): [0.88, 0.9] * 5, (85, 32): [0.9, 0.89] * 5}
    assert any(line.startswith("certainty  1 of the 2 other") for line in describe(scores))


def test_one_candidate_that_is_best_and_cheapest():
    lines = describe({(85, 32): (0.8, 0.9)})
    assert lines[2:5] == [
        "layer  name                 32",
        "   85  conv3_block4_out  0.850*o+",
        "* best; o cheapest within one standard error of the best; + better than everything cheaper",
    ]
    assert lines[-4:] == [
        "best       accuracy 0.850 (std 0.050): layer 85 (conv3_block4_out) at 32 x 32",
        "",
        "To use the best, run",
        "  embedding photos/ out/photos_85_32.npz -l 85 --image-size 32 --weights imagenet",
    ]


def test_nested_scores():
    lines = describe(SCORES, nested_scores=[0.7, 0.8], nested_candidates=[(85, 16), (85, 32)])
    assert lines[-6] == (
        "nested     accuracy 0.750 (std 0.050) of the best, on images that did not choose it: the "
        "one to report"
    )
    assert not any("--nested" in line for line in lines)


@pytest.mark.skipif(os.name == "nt", reason="a path on Windows, and its quoting")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ""),
        ({"weights": "random", "seed": 3}, " --seed 3"),
        ({"labels": "the labels.csv"}, " --labels 'the labels.csv'"),
        ({"value_range": (-1024.0, 0.5)}, " --value-range -1024 0.5"),
        (
            {"architecture": "ResNet50", "pooling": ["avg", "max"], "weights": "a b.h5"},
            " --architecture ResNet50 --pooling avg,max",
        ),
        (
            {"architecture": "ResNet18", "normalization": ((0.5,), (0.25, 1.0, 2.0), "BGR")},
            " --normalization 0.5/0.25,1,2/BGR --architecture ResNet18",
        ),
        ({"normalization": "caffe"}, " --normalization caffe"),
        ({"engine": "keras", "precision": "bfloat16"}, " --engine keras --precision bfloat16"),
        ({"pooling": "gem", "grid": (4, 2)}, " --pooling gem --grid 4x2"),
        ({"cache": None}, " --no-cache"),
        ({"cache": Path("my cache")}, " --cache 'my cache'"),
    ],
)
def test_all_options_that_matter_are_in_the_command(options, expected):
    command = spell_command(BEST, make_options("my $HOME/", **options), Path("s.csv"))
    weights = shlex.quote(options.get("weights", "imagenet"))
    assert command == (
        "embedding 'my $HOME/' 'my $HOME_85_48.npz' -l 85 --image-size 48 "
        f"--weights {weights}{expected}"
    )


def test_options_of_regions_are_in_the_command():
    options = make_options("slides/")
    regions = RegionOptions(tiles=256, min_content=0.2, pad="reflect", mask_others=True)
    options = replace(options, input=replace(options.input, regions=regions))
    command = spell_command(BEST, options, Path("s.csv"))
    assert " --tiles 256 --min-content 0.2 --mask-others --pad reflect" in command


@pytest.mark.parametrize(
    ("source", "stem"),
    [
        ("digits", "digits"),
        ("a/photos.v2", "photos.v2"),
        ("a/photos.v2/", "photos.v2"),
        ("a/photos.tar.gz", "photos"),
        ("a/photos.npz", "photos"),
        (".", "here"),
        ("memory://", "images"),
        ("memory://b/photos.zip", "photos"),
    ],
)
def test_files_are_named_after_input(source, stem, tmp_path, monkeypatch):
    (tmp_path / "here/a/photos.v2").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert name_stem(source) == stem
