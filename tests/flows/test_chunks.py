"""Chunks: every cell once, cells that fit together side by side, as much work as was asked for."""

import random

import pytest
from studies import HEAD, ONE, finish, paint, planned, read

from flows.chunks import stock
from flows.cutting import MOST_CELLS
from flows.estimate import operations


@pytest.fixture
def folder(tmp_path):
    return paint(tmp_path / "study")


def divided(folder, text, seconds, workers=1):
    made = planned(read(folder, text), folder / "out")
    left = stock(made, seconds, workers)
    return made, [[piece.item for piece in pieces] for pieces in iter(lambda: left.cut(workers), ())]


def test_nothing_to_do_makes_no_chunk(folder):
    finish(planned(read(folder, ONE), folder / "out").items, folder / "out")
    assert divided(folder, ONE, 600)[1] == []


def test_every_cell_is_in_one_chunk_and_order_is_kept_within_a_group(folder):
    rng = random.Random(3)
    text = HEAD + "jobs: [{grid: {seed: {range: [0, 10, 1]}, size: [64, 128], encoder: [vgg19, vgg19-torchvision]}}]"
    for _ in range(10):
        made, chunks = divided(folder, text, rng.uniform(0.001, 1000), rng.randint(1, 5))
        flat = [item.key for chunk in chunks for item in chunk]
        assert sorted(flat) == sorted(item.key for item in made.items)
        order = {item.key: number for number, item in enumerate(made.items)}
        for chunk in chunks:
            assert len({(str(item.cell.settings.encoder), item.cell.settings.size) for item in chunk}) == 1
            assert [order[item.key] for item in chunk] == sorted(order[item.key] for item in chunk)


def test_cells_of_one_kind_stand_together_so_that_a_worker_keeps_its_model(folder):
    text = ONE + "jobs: [{grid: {seed: [0, 1, 2], size: [64, 128]}}]"
    _, chunks = divided(folder, text, 1e9)
    assert [[item.cell.settings.size for item in chunk] for chunk in chunks] == [[64] * 3, [128] * 3]


def test_a_chunk_holds_the_work_that_was_asked_for(folder):
    made, chunks = divided(folder, ONE + "defaults: {size: 64}\njobs: [{grid: {seed: {range: [0, 40, 1]}}}]", 1e9)
    each = made.estimate.seconds / 40
    assert [len(chunk) for chunk in chunks] == [40]
    made, chunks = divided(folder, ONE + "defaults: {size: 64}\njobs: [{grid: {seed: {range: [0, 40, 1]}}}]", 7 * each)
    assert [len(chunk) for chunk in chunks] == [7] * 5 + [5]
    for chunk in chunks:
        assert sum(operations(item.cell) for item in chunk) / sum(operations(i.cell) for i in made.items) <= 7.01 / 40


def test_a_cell_larger_than_a_chunk_is_a_chunk(folder):
    _, chunks = divided(folder, ONE + "jobs: [{grid: {seed: [0, 1, 2]}}]", 0.0)
    assert [len(chunk) for chunk in chunks] == [1, 1, 1]


@pytest.mark.parametrize(("cells", "workers"), [(8, 2), (8, 4), (7, 3), (2, 5)])
def test_few_cells_are_shared_among_all_workers(folder, cells, workers):
    text = ONE + f"jobs: [{{grid: {{seed: {{range: [0, {cells}, 1]}}}}}}]"
    _, chunks = divided(folder, text, 1e9, workers)
    assert min(cells, workers) <= len(chunks) <= cells


def test_chunks_stay_small_enough_to_hand_out(folder):
    text = ONE + "defaults: {size: 16, steps: 1}\njobs: [{grid: {seed: {range: [0, 1300, 1]}}}]"
    _, chunks = divided(folder, text, 1e9)
    assert max(map(len, chunks)) == MOST_CELLS
