"""Checkpoints that are not a cell's own, or not whole: they cost time, and no cell."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from interruptions import Kept, assert_same, fingerprint_of, interrupted
from safetensors.torch import load, save
from small_cells import COFFEE, GLASS, WAVES, box, light, results

from stylecore import Cell, Style, checkpoint
from stylecore.checkpoint import Checkpoint, packed, unpacked
from stylecore.methods.batch import Position


@pytest.fixture(scope="module")
def whole():
    """A cell, its result, and a checkpoint in its middle."""
    cell, kept = light(steps=5, snapshots=[2]), Kept()
    interrupted([cell], kept, 3)
    return cell, results([cell])[0], kept.data[0]


class TestOthers:
    """Checkpoints that are not this cell's, or not whole, are as none at all."""

    def afresh(self, cell, data):
        kept = Kept()
        kept.data[0] = data
        (result,) = results([cell], checkpoints=kept)
        return result

    @pytest.mark.parametrize(
        "change",
        [{"seed": 7}, {"steps": 6}, {"style_weight": 3}, {"pooling": "average"}, {"snapshots": [3]}, {"size": 48}],
    )
    def test_of_other_settings(self, whole, change):
        _, _, data = whole
        cell = light(**{"steps": 5, "snapshots": [2], **change})
        assert_same(self.afresh(cell, data), results([cell])[0])
        assert self.afresh(cell, data).resumed_from == 0

    def test_of_other_pictures(self, whole):
        cell, _, data = whole
        mask = box(40, 60, slice(20), slice(None))
        for other in (
            Cell(COFFEE, cell.styles, cell.settings),
            Cell(cell.content, (GLASS,), cell.settings),
            Cell(cell.content, (Style(WAVES, 1.0, box(36, 48, slice(9), slice(9))),), cell.settings),
            Cell(COFFEE, cell.styles, cell.settings, masks=(mask,)),
            Cell(COFFEE, cell.styles, cell.settings, content_mask=mask),
        ):
            assert self.afresh(other, data).resumed_from == 0

    def test_another_time_limit_is_no_other_cell(self, whole):
        _, expected, data = whole
        result = self.afresh(light(steps=5, snapshots=[2], time_limit=1000), data)
        assert result.resumed_from == 3
        assert_same(result, expected)

    def test_of_another_version(self, whole, monkeypatch):
        cell, expected, data = whole
        monkeypatch.setattr(checkpoint, "_VERSION", 999)
        result = self.afresh(cell, data)
        assert result.resumed_from == 0
        assert_same(result, expected)

    def test_damaged(self, whole):
        """Cut short, with bytes flipped anywhere, or nothing but noise: never taken for whole."""
        cell, expected, data = whole
        chance = random.Random(0)
        fingerprint = fingerprint_of(data)
        assert unpacked(data, fingerprint) is not None
        header = 8 + int.from_bytes(data[:8], "little")
        damaged = [data[: chance.randrange(len(data))] for _ in range(40)] + [b"", b"{}", data[:8], data[:header]]
        damaged += [chance.randbytes(n) for n in (1, 7, 8, 9, 100, 10_000)]
        damaged += [data + b"more"]
        for place in [chance.randrange(len(data)) for _ in range(60)] + [chance.randrange(header) for _ in range(300)]:
            flipped = bytearray(data)
            flipped[place] ^= 1 << chance.randrange(8)
            damaged.append(bytes(flipped))
        for bad in damaged:
            found = unpacked(bad, fingerprint)
            # blanks of the header are all that may differ
            assert found is None or (bad != data and load(bad).keys() == load(data).keys()), bad[:header]
        for bad in damaged[::40]:
            result = self.afresh(cell, bad)
            assert_same(result, expected)

    @pytest.mark.parametrize("optimizer", ["lbfgs", "adam", "sgd"])
    def test_of_another_shape(self, optimizer):
        """What a checkpoint of the right cell holds is looked at, before anything is rendered with it."""
        cell, kept = light(steps=5, optimizer=optimizer, learning_rate=1e-4), Kept()
        interrupted([cell], kept, 3)
        (expected,) = results([cell])
        fingerprint = fingerprint_of(kept.data[0])
        good = unpacked(kept.data[0], fingerprint)
        for name, tensor in list(good.state.items())[::4]:
            for other in (tensor[:, None], torch.cat([tensor, tensor]), tensor.double(), None):
                state = {**good.state, name: other}
                if other is None:
                    del state[name]
                data = packed(Checkpoint(fingerprint, good.position, 1.0, good.losses, state))
                assert unpacked(data, fingerprint) is not None
                result = self.afresh(cell, data)
                assert result.resumed_from == 0
        assert_same(result, expected)

    @pytest.mark.parametrize(
        ("scale", "step", "steps"), [(0, 0, 0), (0, 6, 6), (1, 3, 3), (-1, 3, 3), (0, 4, 4), (0, 3, 2), (0, 3, 0)]
    )
    def test_at_another_place(self, whole, scale, step, steps):
        """No such step, no such scale, another length of the history, or losses that do not fit."""
        cell, expected, data = whole
        good = unpacked(data, fingerprint_of(data))
        position, losses = Position(scale, step, (steps,), ("",)), [1.0] * steps
        bad = Checkpoint(good.fingerprint, position, 1.0, losses, good.state)
        result = self.afresh(cell, packed(bad))
        assert result.resumed_from == 0
        assert_same(result, expected)

    @pytest.mark.parametrize("levels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
    def test_with_other_snapshots(self, whole, levels):
        cell, expected, data = whole
        good = unpacked(data, fingerprint_of(data))
        bad = Checkpoint(good.fingerprint, good.position, 1.0, good.losses, good.state, [(2, levels)])
        assert_same(self.afresh(cell, packed(bad)), expected)

    def test_is_a_document_that_others_can_read(self, whole):
        _, _, data = whole
        tensors = load(data)
        assert tensors["losses"].shape == (3,)
        assert tensors["snapshot.2"].dtype == torch.uint8
        assert unpacked(save(tensors), fingerprint_of(data)) is None  # it says nothing of itself
