"""What a plan costs: the network's arithmetic counted by hand, and the rate that receipts show."""

import json

import pytest
from studies import ONE, cells_of, finish, paint, planned, read, receipt_file

from flows.estimate import estimate, operations, operations_per_pixel
from stylecore.settings import Settings

# conv1_1, conv1_2, conv2_1: 3→64, 64→64 at full size, 64→128 at half; 9 weights, multiply and add, there and back
CONV1_1, CONV1_2, CONV2_1 = 36 * 3 * 64, 36 * 64 * 64, 36 * 64 * 128 / 4


@pytest.fixture
def folder(tmp_path):
    return paint(tmp_path / "study")


@pytest.mark.parametrize(
    ("content", "style", "expected"),
    [
        ("conv1_1", "relu1_1", CONV1_1),
        ("relu1_2", "conv1_1", CONV1_1 + CONV1_2),
        ("relu1_1", ["relu1_1", "conv2_1"], CONV1_1 + CONV1_2 + CONV2_1),
    ],
)
def test_operations_reach_to_the_deepest_layer(content, style, expected):
    assert operations_per_pixel(Settings(content_layers=content, style_layers=style)) == expected


def test_a_step_of_the_full_network_is_what_was_counted_elsewhere():
    """VGG-19 to relu5_1, forward and backward at 512²: 379 GFLOP, by PyTorch's counter."""
    assert operations_per_pixel(Settings()) * 512**2 == pytest.approx(379e9, rel=0.02)


def test_operations_follow_pixels_steps_and_scales(folder):
    (cell,) = cells_of(read(folder, ONE + "defaults: {size: 240, steps: 30, scales: 1}"))
    per_pixel = operations_per_pixel(cell.settings)
    assert operations(cell) == 30 * 240 * 160 * per_pixel  # the pictures are 3 : 2
    (cell,) = cells_of(read(folder, ONE + "defaults: {size: 240, steps: 30, scales: [60, 120]}"))
    assert operations(cell) == pytest.approx(10 * (240 * 160 + 120 * 80 + 60 * 40) * per_pixel)


def test_nothing_costs_nothing():
    nothing = estimate([], [])
    assert (nothing.seconds, nothing.memory_bytes, nothing.bytes) == (0, 0, 0)
    assert nothing.basis == "assumed"


def test_the_rate_is_taken_from_receipts(folder, tmp_path):
    out = tmp_path / "out"
    text = ONE + "defaults: {size: 32, scales: 1}\njobs: [{grid: {seed: [0, 1, 2, 3]}}]"
    finish(planned(read(folder, text), out).items[:2], out, seconds=4.0)
    made = planned(read(folder, text), out).estimate
    assert made.basis == "measured"
    assert made.seconds == pytest.approx(8.0, rel=0.1)  # two more of the same
    assert json.loads(json.dumps(made.to_dict()))["basis"] == "measured"


def test_more_work_is_estimated_to_take_longer(folder):
    def seconds(text):
        return estimate(cells_of(read(folder, ONE + text)), []).seconds

    assert seconds("defaults: {scales: 1, size: 480}") == 4 * seconds("defaults: {scales: 1, size: 240}") > 0
    assert seconds("defaults: {steps: 600}") == pytest.approx(2 * seconds("defaults: {steps: 300}"))
    assert seconds("jobs: [{grid: {seed: [0, 1, 2]}}]") == pytest.approx(3 * seconds(""))


@pytest.mark.parametrize(
    "damage",
    [
        {"timing": None},
        {"timing": {"render": 0}},
        {"timing": {"render": -3}},
        {"timing": {"render": "x"}},
        {"result": {"steps": 0}},
        {"result": {"steps": float("nan")}},
        {"result": []},
        {"picture": {"width": 1e308, "height": 1e308}},
    ],
)
def test_receipts_without_a_rate_are_passed_over(folder, tmp_path, damage):
    out = tmp_path / "out"
    text = ONE + "jobs: [{grid: {seed: [0, 1]}}]"
    item = planned(read(folder, text), out).items[0]
    finish([item], out)
    path = receipt_file(out, item.key)
    receipt = json.loads(path.read_text())
    path.write_text(
        json.dumps({**receipt, **{k: {**receipt[k], **v} if isinstance(v, dict) else v for k, v in damage.items()}})
    )
    made = planned(read(folder, text), out).estimate
    assert made.basis == "assumed"
    assert 0 < made.seconds < float("inf")
