"""What a plan costs: the network's arithmetic counted by hand, and the rate that receipts show."""

import json

import pytest
from studies import ONE, cells_of, finish, paint, planned, png, read, receipt_file

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


@pytest.mark.parametrize(
    ("settings", "pixel_steps"),
    [
        ("size: 50%, scales: 1, steps: 30", 30 * 120 * 80),
        ("size: 64x48, scales: 1, steps: 30", 30 * 64 * 48),
        ("size: 64x48, scales: 2, steps: 30", 15 * (64 * 48 + 32 * 24)),
        ("size: 240, scales: [60, 120], steps: [1, 2, 3]", 60 * 40 + 2 * 120 * 80 + 3 * 240 * 160),
        ("size: 240, scales: [60, 120], steps: [1, 2]", 60 * 40 + 2 * 120 * 80 + 2 * 240 * 160),
        ("size: 240, scales: {from: 100, factor: 2}, steps: 10", 5 * (120 * 80 + 240 * 160)),
    ],
)
def test_sizes_steps_and_scales_in_every_form(folder, settings, pixel_steps):
    paint(folder)
    (folder / "photos/a.png").write_bytes(png("red", (240, 160)))
    (cell,) = cells_of(read(folder, ONE + f"defaults: {{{settings}}}"))
    assert operations(cell) == pytest.approx(pixel_steps * operations_per_pixel(cell.settings))


def test_methods_cost_what_their_own_layers_cost_and_have_the_shape_of_their_picture(folder):
    (folder / "styles/x.png").write_bytes(png("blue", (20, 40)))
    text = "defaults: {content_layers: conv1_1, style_layers: conv1_2, size: 40, scales: 1, steps: 1, method: %s}"
    (content,) = cells_of(read(folder, ONE + text % "content-reconstruction"))
    (style,) = cells_of(read(folder, ONE + text % "style-reconstruction"))
    assert operations(content) == 40 * 27 * CONV1_1
    assert operations(style) == 20 * 40 * (CONV1_1 + CONV1_2)


def test_snapshots_are_bytes_and_a_limit_of_time_bounds_the_estimate(folder):
    def estimated(settings):
        return estimate(cells_of(read(folder, ONE + f"defaults: {{size: 64, {settings}}}")), [])

    plain = estimated("steps: 100").bytes
    assert estimated("steps: 100, snapshots: {every: 30}").bytes == pytest.approx(4 * plain, abs=3)
    assert estimated("steps: 100, snapshots: [1, 2, 500]").bytes == pytest.approx(3 * plain, abs=3)
    assert estimated("time_limit: 0.1, steps: 1000000").seconds == 0.1


def test_nothing_costs_nothing():
    nothing = estimate([], [])
    assert (nothing.seconds, nothing.memory_bytes, nothing.bytes) == (0, 0, 0)
    assert nothing.basis == "assumed"


def test_the_rate_is_taken_from_receipts(folder, tmp_path):
    out = tmp_path / "out"
    text = ONE + "defaults: {size: 32, scales: 1, steps: 300}\njobs: [{grid: {seed: [0, 1, 2, 3]}}]"
    finish(planned(read(folder, text), out).items[:2], out, seconds=4.0)
    made = planned(read(folder, text), out).estimate
    assert made.basis == "measured"
    assert made.seconds == pytest.approx(8.0, rel=0.1)  # two more of the same
    assert json.loads(json.dumps(made.to_dict()))["basis"] == "measured"


@pytest.mark.parametrize("settings", ["size: 50%", "size: 32x20", "steps: [3, 7]", "scales: {from: 16, factor: 1.5}"])
def test_receipts_with_sizes_in_every_form_tell_a_rate(folder, tmp_path, settings):
    out = tmp_path / "out"
    text = ONE + f"defaults: {{{settings}}}\njobs: [{{grid: {{seed: [0, 1]}}}}]"
    finish(planned(read(folder, text), out).items[:1], out, seconds=4.0)
    assert planned(read(folder, text), out).estimate.basis == "measured"


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
