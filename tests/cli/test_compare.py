"""`embedding --compare`: one pass, a map for each name, its table, picture and scores."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import run
from PIL import Image

from sklearn_resnet import ResNetFeatures
from sklearn_resnet.cli.compare import _split_layers
from sklearn_resnet.cli.features import Features
from sklearn_resnet.cli.pictures import compute_umap
from sklearn_resnet.cli.record import hash_table
from sklearn_resnet.datasets import load_table

RESNET = ["--weights", "random", "-s", "0", "--no-cache"]


@pytest.fixture(autouse=True)
def digits(tmp_path, monkeypatch):
    from sklearn_resnet.datasets import load_digits

    monkeypatch.chdir(tmp_path)
    X, y = load_digits(return_X_y=True)
    X, y = X[y < 3][:40], y[y < 3][:40]
    np.savez("digits.npz", x=X, y=y)
    return X


def test_each_map_is_that_of_its_layer(digits, monkeypatch):
    calls, compute = [], ResNetFeatures._compute
    monkeypatch.setattr(ResNetFeatures, "_compute", lambda *a: calls.append(a) or compute(*a))
    maps = "resnet:conv2_block1_out,pca,resnet:4,resnet:16"
    pooling = ["--pooling", "max,avg", "--grid", "1x2"]
    output = run("digits.npz", "out/c.csv", "--compare", maps, *RESNET, *pooling)
    assert len(calls) == 1
    names = maps.split(",")
    frame = pd.read_csv("out/c.csv")
    assert frame.columns.tolist() == ["label", *(f"{name}_{i}" for name in names for i in (1, 2))]

    options = {"weights": None, "random_state": 0, "pooling": ["max", "avg"], "cache": None}
    options["grid"] = 1, 2
    for layer in (16, 4):
        features = ResNetFeatures(layer, tap_layers=[16, 4], **options).fit_transform(digits)
        found = frame[[f"resnet:{layer}_1", f"resnet:{layer}_2"]]
        np.testing.assert_allclose(found, compute_umap(features, 0), atol=1e-4)
    np.testing.assert_array_equal(frame["resnet:16_1"], frame["resnet:conv2_block1_out_1"])

    record = json.loads(Path("out/c.json").read_text())
    assert record["model"] == "compare"
    assert record["layers"] == [16, 4]
    assert record["maps"] == dict(zip(names, [16, None, 4, 16], strict=True))
    assert list(record["scores"]) == names
    for name in names:
        assert 0.3 < record["scores"][name]["accuracy"] <= 1
        assert f"{name:10} accuracy {record['scores'][name]['accuracy']:.3f}, " in output
    assert record["outputs"] == ["c.csv", "c_compare.png"]
    with Image.open("out/c_compare.png") as image:
        assert image.width > image.height


def test_layers_have_the_features_of_all_channels():
    """Each channel of the image has those of both layers, of 256 and of 64 channels."""
    values = np.repeat([[16, 4, 116, 104]], [256, 64, 256, 64], axis=1)
    metadata = {"architecture": "ResNet50V2", "layers": [16, 4], "channel_names": ["a", "b"]}
    parts = _split_layers(Features(values, [], metadata))
    assert {layer: np.unique(part).tolist() for layer, part in parts.items()} == {
        16: [16, 116],
        4: [4, 104],
    }


@pytest.mark.parametrize(("weights", "layer"), [("procedural", 153), ("random", 189)])
def test_resnet_alone_is_the_last_layer(weights, layer, digits):
    np.savez("digits.npz", x=digits[:6], y=[0, 0, 0, 1, 1, 1])
    run("digits.npz", "c.npz", "--compare", "resnet", "--weights", weights, "-s", "0", "-q")
    assert json.loads(Path("c.json").read_text())["layers"] == [layer]


def test_pca_alone_needs_no_network(digits):
    run("digits.npz", "c.npy", "--compare", "pca", "--weights", "nowhere.h5", "-q")
    run("digits.npz", "d.npy", "-m", "pca", "-d", "2", "-q")
    np.testing.assert_array_equal(np.load("c.npy"), np.load("d.npy"))
    labels = np.load("digits.npz")["y"]
    record = json.loads(Path("c.json").read_text())
    assert record["table"] == hash_table(np.load("c.npy"), labels, None)


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["pca,renset"], 2, "Got 'renset' instead. Did you mean resnet?"),
        (["pca:4"], 2, "must be pca, resnet or resnet:LAYER. Got 'pca:4'"),
        (["resnet:"], 2, "Got 'resnet:'"),
        (["pca,pca"], 2, "Each must be named once"),
        (["pca,resnet:conv3_blok4_out"], 1, "Did you mean 'conv3_block4_out'"),
        (["resnet:999"], 1, "--compare must be an index from -190 to 189"),
        *(
            (["pca", *option], 2, f"{option[0]} cannot be used with --compare")
            for option in (
                ["--model", "pca"], ["--dimensions", "3"], ["--layers", "4"], ["--plot"], ["--html"],
                ["--thumbnails"], ["--on-error", "nan"], ["--workers", "2"], ["--dask", "tcp://x"],
                ["--part-size", "9"], ["--restart"],
            )
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_images_are_read(args, code, message):
    Path("unreadable.npy").touch()
    assert message in run("unreadable.npy", "c.npz", *RESNET, "--compare", *args, code=code)


def test_layers_that_the_weights_lack_are_attributed_to_compare():
    args = ["digits.npz", "c.npz", "--compare", "pca,resnet:160", "--weights", "procedural"]
    message = run(*args, code=1)
    assert "Error: --compare must be at most 153" in message
    assert "`embedding layers ResNet50V2` lists all layers." in message


def test_labels_are_needed(digits):
    np.save("digits.npy", digits)
    message = run("digits.npy", "c.npz", *RESNET, "--compare", "pca", code=1)
    assert "Got 'digits.npy' without labels instead. Name a file of labels with --labels" in message
    Path("labels.txt").write_text("\n".join("ab" * 20))
    run("digits.npy", "c.npz", "--compare", "pca", "--labels", "labels.txt", "-q")
    assert np.load("c.npz")["labels"].tolist() == list("ab" * 20)


def test_three_images_are_too_few(digits):
    np.savez("digits.npz", x=digits[:3], y=[0, 0, 1])
    message = run("digits.npz", "c.npz", *RESNET, "--compare", "resnet:4", code=1)
    assert "INPUT must hold at least 4 images with --compare. Got 3 instead." in message
    np.savez("digits.npz", x=digits[:4], y=[0, 0, 1, 1])
    run("digits.npz", "c.npz", "--compare", "pca", "--picture", "pdf")
    assert Path("c_compare.pdf").read_bytes().startswith(b"%PDF")


def test_a_table_of_maps_is_no_table_of_features(digits):
    Image.fromarray(digits[0]).save("query.png")
    run("digits.npz", "c.npz", "--compare", "pca", "-q")
    assert "Got those of 'compare'" in run("similar", "query.png", "c.npz", code=1)


def test_regions_are_compared_with_their_columns(digits):
    Image.fromarray(np.hstack(list(digits))).save("sheet.png")
    left = 8 * np.arange(len(digits))
    frame = pd.DataFrame({"path": "sheet.png", "top": 0, "left": left, "bottom": 8})
    labels = np.load("digits.npz")["y"]
    frame.assign(right=left + 8, label=labels, n=left).to_csv("t.csv", index=False)
    for source, *mode in (["digits.npz"], ["t.csv", "--mode", "L"]):
        run(source, f"{source[0]}_out.npz", "--compare", "pca", *RESNET[2:4], *mode)
    arrays, regions = (load_table(f"{name}_out.npz") for name in "dt")
    np.testing.assert_allclose(abs(regions.features), abs(arrays.features), atol=2e-2)
    np.testing.assert_array_equal(regions.columns["n"], left)
