"""Free memory: what Linux and its control groups, of both versions, leave a process; and tiles chosen by it."""

from __future__ import annotations

import pytest
import torch
from reference_vgg import random_state

from stylecore import memory
from stylecore.encoder import Encoder
from stylecore.errors import RenderError
from stylecore.free_memory import free_memory
from stylecore.lbfgs import pairs_kept
from stylecore.settings import Settings

CPU = torch.device("cpu")
MIB = 2**20


def written(root, files):
    for name, text in {"proc/meminfo": "MemTotal: 9000000 kB\nMemAvailable: 4096000 kB\n", **files}.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def test_is_what_is_available(tmp_path):
    assert free_memory(CPU, written(tmp_path, {})) == 4096000 * 1024


def test_is_unknown_where_nothing_tells(tmp_path):
    assert free_memory(CPU, tmp_path) is None


@pytest.mark.parametrize("folder", ["sys/fs/cgroup", "sys/fs/cgroup/jobs", "sys/fs/cgroup/jobs/one"])
def test_heeds_each_control_group_above(tmp_path, folder):
    """Of version 2; cached files make room when it is needed."""
    limits = {
        f"{folder}/memory.max": f"{1000 * MIB}\n",
        f"{folder}/memory.current": f"{700 * MIB}\n",
        f"{folder}/memory.stat": f"anon 5\ninactive_file {100 * MIB}\n",
    }
    files = {"proc/self/cgroup": "0::/jobs/one\n", "sys/fs/cgroup/jobs/one/memory.max": "max\n", **limits}
    assert free_memory(CPU, written(tmp_path, files)) == 400 * MIB


@pytest.mark.parametrize("inner", ["", "/box/7"])
def test_heeds_control_groups_of_version_1(tmp_path, inner):
    folder = f"sys/fs/cgroup/memory{inner}"
    files = {
        "proc/self/cgroup": "5:cpu,cpuacct:/other\n3:memory:/box/7\n",
        f"{folder}/memory.limit_in_bytes": str(800 * MIB),
        f"{folder}/memory.usage_in_bytes": str(900 * MIB),
        f"{folder}/memory.stat": f"total_inactive_file {300 * MIB}\n",
    }
    assert free_memory(CPU, written(tmp_path, files)) == 200 * MIB


def test_tiles_follow_free_memory():
    """Whole pictures while they fit, a smaller batch before tiles, and the smallest tile at worst."""
    encoder, settings, canvas = Encoder(random_state(), "vgg19"), Settings(optimizer="adam"), (3000, 2000)
    whole = memory.step_bytes(settings, canvas, 1, encoder)
    assert (
        whole
        > memory.step_bytes(settings, canvas, 1, encoder, 512)
        > memory.step_bytes(settings, canvas, 1, encoder, 128)
    )

    def chosen(free, batch=1, **values):
        return memory.chosen_tile(Settings(optimizer="adam", **values), canvas, batch, encoder, free)

    assert chosen(None) is chosen(2 * whole) is None
    assert chosen(whole, tile="off") is chosen(whole, balance="layers") is None
    tiles = [chosen(whole * share / 100) for share in (95, 50, 30, 20, 12)]
    assert tiles == sorted(tiles, reverse=True)
    assert all(tile % 128 == 0 and 128 <= tile <= 1024 for tile in tiles)
    assert chosen(1) == 128
    assert chosen(1, tile=300) == 300
    with pytest.raises(RenderError) as caught:
        chosen(2 * whole, batch=4)
    assert caught.value.kind == "out-of-memory"


def test_tiles_after_memory_ran_out_get_smaller_to_the_last():
    encoder, tiles, tile = Encoder(random_state(), "vgg19"), [], "auto"
    while (tile := memory.smaller_tile(Settings(tile=tile), (900, 700), encoder, None)) is not None:
        tiles.append(tile)
    assert tiles == [512, 256, 128]
    assert memory.smaller_tile(Settings(tile="off"), (900, 700), encoder, None) is None
    assert memory.smaller_tile(Settings(), (100, 90), encoder, None) is None


def test_large_pictures_keep_a_shorter_history():
    """At most 4 GiB: a step and a gradient change of three float32 channels each."""
    assert pairs_kept(20, 2048 * 2048) == 20
    assert pairs_kept(20, 4096 * 4096) == 2**32 // (4096 * 4096 * 24) == 10
    assert pairs_kept(2, 10**9) == 2
    assert pairs_kept(20, 10**9) == 3
