"""The model of more cores: operations and memory traffic of the steps of the network."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "benchmarks" / "results").is_dir():
    pytest.skip("the benchmarks are not beside these tests", allow_module_level=True)
sys.path.append(str(ROOT))

from benchmarks.threads import list_costs, model_cores, predict_seconds  # noqa: E402
from sklearn_resnet._network.layers import count_gflop, layer_table  # noqa: E402

SHAPE = (224, 224, 3)
RATES = {"gflops": {1: 100, 2: 200}, "copying": {1: 10, 2: 12}}


def test_operations_are_those_of_the_table():
    table = layer_table("ResNet50V2")
    flop = sum(flop for flop, _ in list_costs(SHAPE))
    assert flop / 1e9 == pytest.approx(count_gflop(table, table[82]))
    first = count_gflop(table, table[2]) * 1e9  # takes one channel of grey images
    grey = sum(flop for flop, _ in list_costs(SHAPE[:2]))
    assert flop - grey == pytest.approx(first * 2 / 3)


def test_the_traffic_of_the_first_convolution():
    _, traffic = list_costs(SHAPE)[0]
    assert traffic == 4 * (224**2 * 3 + 112**2 * 64 + 7**2 * 3 * 64)  # one image in a request


def test_each_step_takes_the_longer_of_its_operations_and_its_traffic():
    flop, traffic = map(sum, zip(*list_costs(SHAPE), strict=True))
    assert predict_seconds(SHAPE, 4, 1, 1e9) == pytest.approx(flop / 4e9)
    assert predict_seconds(SHAPE, 4, 1e9, 1) == pytest.approx(traffic / 1e9)
    assert predict_seconds(SHAPE, 1, 100, 10) > max(flop / 1e11, traffic / 1e10)


def test_more_cores_are_limited_by_memory_and_by_the_serial_part():
    one = {"images_per_second": {"median": 20.0}}
    model = model_cores(SHAPE, {"contenders": {"one_thread": one}, "serial_us": 10_000}, RATES)
    assert model["cores_1"] == pytest.approx({"memory_as_here": 1, "memory_grows": 1})
    speedups = [model[f"cores_{n}"]["memory_as_here"] for n in (1, 2, 4, 8)]
    assert speedups == sorted(speedups)
    assert 4 < model["cores_8"]["memory_as_here"] < model["cores_8"]["memory_grows"]
    assert model["cores_8"]["memory_grows"] == pytest.approx(5)  # 10 ms of 50
