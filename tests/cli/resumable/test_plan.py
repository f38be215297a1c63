"""Plans: paths that hold in any working folder, and keys that depend on what a part holds."""

from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sklearn_resnet import ImageLoader, ResNetFeatures
from sklearn_resnet.cli.resumable.plan import RunOptions, is_up_to_date, make_absolute, plan_table

OPTIONS = RunOptions(part_size=2)


def make_resnet(layers=4, **parameters):
    return ResNetFeatures(layers, weights=None, random_state=0, cache=None, **parameters)


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i in range(5):
        Image.fromarray(np.full((8, 8, 3), i, np.uint8)).save(f"{i}.png")
    return [f"{i}.png" for i in range(5)]


def plan(paths, options=OPTIONS, output="out.parquet", **parameters):
    images = ImageLoader(8, lazy=True).fit_transform(paths)
    return plan_table(Path(output), images, None, make_resnet(**parameters).fit(images), options)


def test_paths_are_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = ["a.png", Path("b/./c.png"), "/d.png", "memory://e.png"]
    images = ImageLoader(8, lazy=True).fit_transform(given)
    resnet = make_resnet().set_params(weights="my.h5", cache="cache")
    absolute, there = make_absolute(images, resnet)
    assert absolute.paths == [f"{tmp_path}/a.png", f"{tmp_path}/b/c.png", *given[2:]]
    assert (there.weights, there.cache) == (f"{tmp_path}/my.h5", f"{tmp_path}/cache")
    assert images.paths[0] == "a.png"
    assert resnet.weights == "my.h5"
    for weights in ("procedural", "imagenet", "hf://org/name@v1/a.safetensors", None):
        named = make_resnet().set_params(weights=weights, cache="memory")
        _, there = make_absolute(images, named)
        assert (there.weights, there.cache) == (weights, "memory")


def test_a_plan_writes_nothing_and_is_frozen(paths, tmp_path):
    made = plan(paths)
    assert [len(part.images) for part in made.parts] == [2, 2, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == paths
    with pytest.raises(FrozenInstanceError):
        made.parts = ()


def test_workers_in_other_folders_get_absolute_paths_and_tables_those_given(paths, tmp_path):
    made = plan(paths, replace(OPTIONS, scheduler="tcp://127.0.0.1:1"))
    assert made.output == tmp_path / "out.parquet"
    assert made.parts[0].path.parent == tmp_path / "out.parquet.partial"
    assert made.parts[0].images.paths == [f"{tmp_path}/0.png", f"{tmp_path}/1.png"]
    assert made.parts[0].columns["path"] == ["0.png", "1.png"]
    assert [part.key for part in made.parts] == [part.key for part in plan(paths).parts]


def test_restart_writes_to_a_folder_of_its_own(paths):
    made = plan(paths, replace(OPTIONS, restart=True))
    assert made.folder.name == "out.parquet.restarted"
    assert made.other_folder.name == plan(paths).folder.name == "out.parquet.partial"


def test_keys_change_with_the_images_of_a_part_alone(paths):
    before = plan(paths)
    Image.new("RGB", (8, 8), "red").save("4.png")
    after = plan(paths)
    assert [a.key == b.key for a, b in zip(before.parts, after.parts, strict=True)] == [1, 1, 0]
    assert before.table_key != after.table_key
    assert before.computation == after.computation != plan(paths, pooling="max").computation


def test_how_images_are_read_is_part_of_the_computation(paths):
    computations = set()
    for options in ({"size": 8}, {"size": 9}, {"size": 8, "resize": "stretch"}):
        images = ImageLoader(lazy=True, **options).fit_transform(paths)
        made = plan_table(Path("out.npy"), images, None, make_resnet().fit(images), OPTIONS)
        computations.add(made.computation)
    assert len(computations) == 3


def test_the_order_of_layers_is_part_of_the_computation(paths):
    first, second = (plan(paths, layers=layers) for layers in ([4, 9], [9, 4]))
    assert first.computation != second.computation


def test_a_missing_table_is_not_up_to_date(paths):
    assert not is_up_to_date(plan(paths), {})
