"""Training of the weights that ship. What needs PyTorch is left out where it is absent."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

from sklearn_resnet import ResNetFeatures
from sklearn_resnet._network.layers import layer_table
from sklearn_resnet._network.weight_files import read_arrays as read_arrays_of_layers

TRAINING = Path(__file__).resolve().parents[1] / "training"
BUNDLED = Path(sys.modules[ResNetFeatures.__module__].__file__).parent / "weights"
BANKS = ("maps", "shapes", "solids", "pictures")
FEW = {
    "glyph": 2,
    "doodle": 2,
    "fractal": 1,
    "texture": 2,
    "leaves": 1,
    "shader": 2,
    "fabric": 1,
    "land": 2,
    "silhouette": 2,
    "wireframe": 1,
    "solid": 2,
}
pytestmark = pytest.mark.skipif(
    not TRAINING.is_dir(), reason="the training code is not beside these tests"
)


@pytest.fixture(autouse=True)
def _training_on_path(monkeypatch):
    monkeypatch.syspath_prepend(TRAINING)
    yield
    for name in {path.stem for path in TRAINING.glob("*.py")} - {"__main__"}:
        sys.modules.pop(name, None)


def test_keras_computes_what_was_trained(tmp_path):
    torch = pytest.importorskip("torch")
    from export import read_arrays, write_arrays
    from network import Network

    torch.manual_seed(0)
    network = Network()
    for module in network.modules():  # running statistics that matter
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)
    weights = tmp_path / "weights.npz"
    write_arrays(weights, network.keras_arrays())
    network.load_keras_arrays(read_arrays(weights))  # kernels of 8 bits, as they are kept
    X = np.random.default_rng(0).integers(0, 256, (2, 30, 33, 3), np.uint8)
    with torch.no_grad():
        images = torch.from_numpy(X).permute(0, 3, 1, 2).float() / 127.5 - 1
        expected = network.eval().forward_depths(images)
    for depth in (51, 73, 85, 119, 153):
        features = ResNetFeatures(depth, weights=weights, engine="openvino").fit_transform(X)
        pooled = expected[depth].mean((2, 3)).numpy()
        np.testing.assert_allclose(features, pooled, rtol=1e-3, atol=1e-3 * np.abs(pooled).max())


def write_first_stages(folder):
    """Write the bundled weights of conv1 to conv3 alone, to begin from."""
    from export import read_arrays, write_arrays

    arrays = read_arrays(BUNDLED / "resnet50v2_procedural.npz")
    write_arrays(folder / "start.npz", {key: a for key, a in arrays.items() if key < "conv4"})
    return folder / "start.npz"


def test_training_begins_from_weights_as_they_are_kept():
    torch = pytest.importorskip("torch")
    from export import read_arrays
    from network import Network

    arrays = read_arrays(BUNDLED / "resnet50v2_procedural.npz")
    part = {key: array for key, array in arrays.items() if key < "conv4"}
    network = Network()
    before = network.conv4_block1.conv_1.weight.clone()
    loaded = network.load_keras_arrays(part)
    assert loaded == [name for name, _ in network.named_children() if name < "conv4"]
    assert torch.equal(network.conv4_block1.conv_1.weight, before)
    assert len(network.load_keras_arrays(arrays)) == len(list(network.children()))
    for deepest, expected in ((85, part), (153, arrays)):
        found = network.keras_arrays(deepest)
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_the_package_reads_weights_as_the_training_does():
    from export import read_arrays

    path = str(BUNDLED / "resnet50v2_procedural.npz")
    found = read_arrays_of_layers(path, "ResNet50V2", {"conv1_conv", "conv4_block6_3_conv"})
    expected = read_arrays(path)
    for name, arrays in found.items():
        for i, array in enumerate(arrays):
            np.testing.assert_array_equal(array, expected[f"{name}/{i}"])


def test_kernels_of_8_bits_and_float16_are_near_those_written(tmp_path):
    from export import read_arrays, write_arrays

    kernel = np.random.default_rng(0).normal(size=(3, 3, 4, 5)).astype(np.float32)
    kernel[..., 2] *= 1e-3
    kernel[..., 3] = 0
    arrays = {"a/0": kernel, "a/1": np.float32([1e-9, 1, 2, 3, 4])}
    write_arrays(tmp_path / "a.npz", arrays)
    with np.load(tmp_path / "a.npz") as file:
        assert [file[key].dtype for key in file.files] == ["int8", "float16", "float32"]
    found = read_arrays(tmp_path / "a.npz")
    assert found.keys() == arrays.keys()
    np.testing.assert_array_equal(found["a/1"], arrays["a/1"])
    largest = np.abs(kernel).max((0, 1, 2))
    assert (np.abs(found["a/0"] - kernel).max((0, 1, 2)) <= 0.006 * largest).all()
    np.savez(tmp_path / "b.npz", **{"a/0": kernel.astype(np.float16)})
    found = read_arrays(tmp_path / "b.npz")["a/0"]
    np.testing.assert_array_equal(found, kernel.astype(np.float16).astype(np.float32))


def test_a_blend_has_the_share_of_the_run():
    from export import blend

    run, start = {"a/0": np.float32([1, 2]), "b/0": np.float32([3])}, {"a/0": np.float32([5, 2])}
    found = blend(run, start, 0.75)
    assert found["a/0"].tolist() == [2, 2]
    assert found["b/0"].tolist() == [3]
    assert found["a/0"].dtype == np.float32


def _made(folder, seed, counts):
    from pictures import make_material

    make_material(folder, seed, counts, n_jobs=1)
    return {path.stem: np.load(path) for path in folder.glob("*.npy")}


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    sys.path.insert(0, str(TRAINING))
    yield _made(tmp_path_factory.mktemp("few"), 0, FEW)
    sys.path.remove(str(TRAINING))


@pytest.mark.long
def test_the_material_goes_by_its_seed(tmp_path):
    counts = dict.fromkeys(FEW, 0) | dict.fromkeys(("doodle", "shader", "silhouette", "solid"), 1)
    one, same, other = (_made(tmp_path / str(i), seed, counts) for i, seed in enumerate((0, 0, 1)))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not any(np.array_equal(one[bank], other[bank]) for bank in BANKS)


@pytest.mark.long
def test_the_material_is_labelled_by_class(few):
    assert few["class_kinds"].tolist() == [kind for kind, n in FEW.items() for _ in range(n)]
    sizes = {name: few[name].shape[1:] for name in BANKS}
    assert sizes == {
        "maps": (64, 64),
        "shapes": (2, 128, 128),
        "solids": (4, 128, 128),
        "pictures": (224, 224, 3),
    }
    found = {name: set(few["class_kinds"][few[f"{name}_labels"]]) for name in BANKS}
    assert found == {
        "maps": {"glyph", "doodle", "fractal"},
        "shapes": {"silhouette", "wireframe"},
        "solids": {"solid"},
        "pictures": {"texture", "leaves", "shader", "fabric", "land"},
    }
    for name in BANKS:
        labels, held = few[f"{name}_labels"], few[f"{name}_held"]
        assert few[name].dtype == np.uint8
        assert len(labels) == len(few[name])
        for label in set(labels):  # the last of every eighth class
            *others, last = held[labels == label]
            assert not any(others)
            assert last == (label % 8 == 0)
        if name != "maps":  # some fonts share characters
            assert len(np.unique(few[name], axis=0)) == len(few[name])


def test_a_map_holds_the_distance_from_the_ink(few):
    """In eighths of a pixel over level 64, and below it inside an outline."""
    from pictures import OUTLINE, SKELETON

    first = few["maps_labels"] == 0  # "!", in all fonts
    maps, kinds = few["maps"][first].astype(int), few["maps_kinds"][first]
    assert kinds.tolist() == [SKELETON, OUTLINE] * (len(kinds) // 2)
    for skeleton, outline in zip(maps[::2], maps[1::2], strict=True):
        assert skeleton.min() == 64
        assert outline.min() < 64 < outline.max()
        assert skeleton[0, 0] >= outline[0, 0] > 150  # the corner is far from all ink
        steps = np.abs(np.diff(skeleton, axis=0))
        assert steps.max() <= 8 + 1


def test_a_silhouette_holds_the_distance_from_its_outline(few):
    from shapes import SHAPE_SCALE, SHAPE_ZERO

    kinds = few["class_kinds"][few["shapes_labels"]]
    outlines = few["shapes"][kinds == "silhouette", 0].astype(int)
    assert (outlines[:, 0, 0] == 255).all()  # the corner is outside and far away
    for outline in outlines:
        assert 0.02 < (outline < SHAPE_ZERO).mean() < 0.6
        assert np.abs(np.diff(outline, axis=1)).max() <= 2 * SHAPE_SCALE + 1
    frames = few["shapes"][kinds == "wireframe", 0].astype(int)
    assert (frames.min((1, 2)) == SHAPE_ZERO).all()  # lines have no inside


def test_a_solid_turns_its_surface_to_the_viewer(few):
    solids = few["solids"].astype(float)
    inside = solids[:, 3] > 0
    assert (inside.mean((1, 2)) > 0.02).all()
    x, y, z = (np.moveaxis(solids[:, :3], 1, 0) - 128) / 127
    length = np.sqrt(x**2 + y**2 + z**2)
    assert np.abs(length[inside] - 1).max() < 0.02
    assert (z[inside] < 0.2).mean() > 0.99  # the viewer looks along z
    rows = np.arange(128)[:, None] - 63.5
    assert (y * rows)[inside].mean() > 0  # the upper side faces up


def test_instances_of_a_program_differ_a_little():
    from programs import Draws

    def draw(seed, instance):
        draws = Draws(seed, np.random.default_rng(instance))
        return draws.integer(0, 1000), draws.flag(0.5), draws.number(0, 1), draws.pick("abcdef")

    one, same_class, other = draw([1], 0), draw([1], 1), draw([2], 0)
    assert one[:2] == same_class[:2]
    assert one[3] == same_class[3]
    assert 0 < abs(one[2] - same_class[2]) < 0.5
    assert one[0] != other[0]


@pytest.fixture
def scenes(few):
    torch = pytest.importorskip("torch")
    from scenes import Scenes

    return Scenes(few, torch.device("cpu"))


@pytest.mark.parametrize("size", [28, 64])
def test_scenes_are_labelled_by_their_parts(scenes, few, size):
    import torch
    from effects import Source

    images, labels, weights = scenes.draw_views(40, size, Source(0, torch.device("cpu")))
    assert images.shape == (80, 3, size, size)
    assert -1 <= images.min() < images.max() <= 1
    assert labels.shape == weights.shape == (80, 3)
    torch.testing.assert_close(weights.sum(1), torch.ones(80))
    kinds = few["class_kinds"][labels.numpy()]
    pictures = np.isin(kinds, ["texture", "leaves", "shader", "fabric", "land"])
    weights = weights.numpy()
    assert not pictures[weights[:, 0] > 0, 0].any()  # objects
    assert pictures[weights > 0].reshape(-1).any()
    assert pictures[:, 1:][weights[:, 1:] > 0].all()  # surfaces and grounds
    views = np.where(weights[:, 0] > 0, labels[:, 0], labels[:, 2])  # of an object, or a picture
    assert np.array_equal(*np.split(views, 2))


def test_held_out_images_are_not_trained_on(scenes, few):
    is_held = np.concatenate([few[f"{name}_held"] for name in BANKS])
    used, held = (np.diff(each._all, prepend=0) > 0 for each in (scenes, scenes.held_out()))
    assert np.array_equal(used, ~is_held)
    assert np.array_equal(held, is_held)


def test_mixing_shares_the_labels_by_area():
    torch = pytest.importorskip("torch")
    from effects import Source, mix

    images = torch.arange(4.0)[:, None, None, None].expand(4, 3, 8, 8)
    labels, weights = torch.arange(4)[:, None], torch.ones(4, 1)
    masks = torch.zeros(1, 1, 8, 8)
    masks[..., :2] = 1  # a quarter
    mixed, labels, weights = mix(images, labels, weights, masks, Source(1, torch.device("cpu")))
    assert weights[0].tolist() == [0.25, 0.75]
    assert (weights[1] >= 0.5).nonzero().tolist() == [[0]]  # the second is mixed all over
    assert weights[2:].tolist() == [[1, 0], [1, 0]]
    expected = (labels * weights).sum(1)
    torch.testing.assert_close(mixed.mean((1, 2, 3)), expected)
    assert set(mixed[0].unique().tolist()) <= {0.0, float(labels[0, 1])}


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(few, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    import train
    from export import read_arrays

    start_file = write_first_stages(tmp_path)
    for name in ("SIZES", "LAST_SIZES"):
        monkeypatch.setattr(train, name, {28: 0.5, 48: 0.5})
    monkeypatch.setattr(train, "BATCH_SIZES", {28: 6, 48: 4, 64: 2})
    saved = {}
    for name, parts in (("whole", [4]), ("parts", [2, 4])):
        (tmp_path / name / "material").mkdir(parents=True)
        for each, array in few.items():
            np.save(tmp_path / name / "material" / f"{each}.npy", array)
        for steps in parts:
            settings = train.Settings(steps=steps, heads_first=1)
            record = train.train(tmp_path / name, settings, start_file)
            assert record["steps"] == steps
        saved[name] = torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
    for part in ("network", "ema_network", "heads"):
        for whole, resumed in zip(*(s[part].values() for s in saved.values()), strict=True):
            assert torch.equal(whole, resumed)
    # the decay leaves the checkpoint, and writes weights that the package reads
    before = (tmp_path / "whole/checkpoint.pt").read_bytes()
    train.train(tmp_path / "whole", train.Settings(), finish=2)
    assert (tmp_path / "whole/checkpoint.pt").read_bytes() == before
    weights = tmp_path / "whole/resnet50v2_procedural.npz"
    X = np.zeros((2, 32, 32, 3), np.uint8)
    assert np.isfinite(ResNetFeatures(153, weights=weights).fit_transform(X)).all()
    # an export needs no more than a checkpoint
    record = train.train(tmp_path / "whole", train.Settings(), finish=0, deepest=85)
    assert record["steps"] == 6
    run, start = read_arrays(weights), read_arrays(start_file)
    assert run.keys() == start.keys()
    record = train.train(tmp_path / "whole", train.Settings(), start_file, 0, 85, share=0.5)
    assert record["blend"] == 0.5
    key = "conv3_block4_2_conv/0"
    scale = np.abs(run[key]).max()
    np.testing.assert_allclose(
        read_arrays(weights)[key], (run[key] + start[key]) / 2, atol=0.01 * scale
    )
    with pytest.raises(ValueError, match="needs the weights that the run began from"):
        train.train(tmp_path / "whole", train.Settings(), finish=0, share=0.5)


def test_loaded_blocks_are_held_fast_while_the_heads_begin(scenes, tmp_path):
    torch = pytest.importorskip("torch")
    from train import Run, Settings

    start = write_first_stages(tmp_path)
    run = Run(scenes.n_classes, Settings(heads_first=1), torch.device("cpu"), start)
    states = []
    for _ in range(3):
        states.append({name: t.clone() for name, t in run.network.state_dict().items()})
        run.take_step(scenes, 1e-3, {28: 1})
    is_kept = [
        {name: torch.equal(one[name], other[name]) for name in one if "num_batches" not in name}
        for one, other in itertools.pairwise(states)
    ]
    assert all(kept == (name < "conv4") for name, kept in is_kept[0].items())
    assert not any(is_kept[1].values())


def test_without_steps_only_the_material_is_made(few, tmp_path):
    pytest.importorskip("torch")
    import train

    (tmp_path / "material").mkdir()
    for each, array in few.items():
        np.save(tmp_path / "material" / f"{each}.npy", array)
    record = train.train(tmp_path, train.Settings(steps=0))
    assert record == {"classes": len(few["class_kinds"])}
    assert [path.name for path in tmp_path.iterdir()] == ["material"]


def test_names_and_shapes_are_those_of_keras():
    pytest.importorskip("torch")
    from network import Network

    found = {key: array.shape for key, array in Network().keras_arrays().items()}
    assert found == {
        f"{layer.name}/{i}": shape
        for layer in layer_table("ResNet50V2")[:154]
        for i, shape in enumerate(layer.weight_shapes)
    }
