"""Pictures of a run: decoded once while they are wanted, no more of them held than promised, the next ones ahead."""

import dataclasses
import gc
import threading
import weakref

import numpy as np
import pytest
from small_cells import CAT, COFFEE, WAVES, light, noise, only, results

from stylecore import images, loading
from stylecore.errors import PictureError
from stylecore.loading import Pictures, ahead

PATIENCE = 30  # seconds


def pixels(source):
    return images.read(source).pixels


class TestPictures:
    def test_are_read_as_they_are(self):
        pictures = Pictures()
        for source in (CAT, str(COFFEE), WAVES.read_bytes()):
            path = source if isinstance(source, bytes) else type(CAT)(source)
            assert np.array_equal(pictures.read(source).pixels, pixels(path))
            assert pictures.size(source) == pixels(path).shape[1::-1]
        given = images.read(CAT)
        assert pictures.read(given) is given
        assert pictures.size(given) == given.pixels.shape[1::-1]

    def test_are_decoded_once(self, tmp_path):
        path = tmp_path / "picture.png"
        path.write_bytes(noise(8, 12))
        pictures = Pictures()
        first = pictures.read(path)
        path.unlink()
        assert pictures.read(str(path)) is first

    def test_of_equal_bytes_are_one(self):
        data = noise(8, 12)
        pictures = Pictures()
        assert pictures.read(data) is pictures.read(bytes(bytearray(data)))

    def test_kept_are_those_used_last(self, monkeypatch):
        sources = [noise(8, 12, seed) for seed in range(3)]
        monkeypatch.setattr(loading, "MOST_BYTES", 2 * pixels(sources[0]).nbytes)
        pictures = Pictures()
        first, second = (weakref.ref(pictures.read(source)) for source in sources[:2])
        pictures.read(sources[0])
        pictures.read(sources[2])
        gc.collect()
        assert first() is not None
        assert second() is None

    def test_their_small_copies_count(self, monkeypatch):
        sources = [noise(8, 12, seed) for seed in range(2)]
        monkeypatch.setattr(loading, "MOST_BYTES", 2 * pixels(sources[0]).nbytes)
        pictures = Pictures()
        first = weakref.ref(pictures.read(sources[0]))
        images.fit(first(), 6)
        pictures.read(sources[1])
        gc.collect()
        assert first() is None

    def test_too_large_to_be_kept_are_one_for_those_who_hold_them(self, monkeypatch):
        monkeypatch.setattr(loading, "MOST_BYTES", 0)
        pictures, source = Pictures(), noise(8, 12)
        held = pictures.read(source)
        assert pictures.read(source) is held
        gone = weakref.ref(held)
        del held
        gc.collect()
        assert gone() is None

    def test_what_is_lacking_is_counted_once_and_by_pixels(self):
        pictures = Pictures()
        one, other = noise(8, 12), noise(5, 7)
        assert pictures.lacking([one, other, one, images.read(CAT)]) == pixels(one).nbytes + pixels(other).nbytes
        pictures.read(one)
        assert pictures.lacking([one, other]) == pixels(other).nbytes
        with pytest.raises(PictureError):
            pictures.lacking([b"no picture"])


class Loaded:
    """Something that is loaded, and can be watched."""

    def __init__(self, number):
        self.number = number


class TestAhead:
    def test_the_next_is_loaded_while_the_caller_works(self):
        asked = [threading.Event() for _ in range(4)]

        def load(number):
            asked[number].set()
            return number

        seen = []
        for number in ahead(range(4), load, lambda _: True):
            assert all(event.wait(PATIENCE) for event in asked[: number + 2])
            assert not any(event.is_set() for event in asked[number + 2 :]), "one ahead, no more"
            seen.append(number)
        assert seen == [0, 1, 2, 3]

    def test_what_does_not_fit_is_loaded_when_its_turn_has_come(self):
        threads = []

        def load(number):
            threads.append(threading.current_thread() is threading.main_thread())
            return number

        assert list(ahead(range(4), load, lambda number: number == 2)) == [0, 1, 2, 3]
        assert threads == [True, True, False, True]

    def test_an_error_comes_when_its_turn_has_come(self):
        def load(number):
            if number == 1:
                raise MemoryError("of one")
            return number

        loads = ahead(range(3), load, lambda _: True)
        assert next(loads) == 0
        with pytest.raises(MemoryError, match="of one"):
            next(loads)

    @pytest.mark.parametrize("fits", [True, False])
    def test_each_is_let_go_of(self, fits):
        alive = weakref.WeakSet()

        def load(number):
            gc.collect()
            assert len(alive) <= 1, "the one at work, if this is loaded ahead of its turn"
            assert fits or not alive
            loaded = Loaded(number)
            alive.add(loaded)
            return loaded

        loads = ahead(range(5), load, lambda _: fits)
        for number in range(5):
            loaded = next(loads)
            assert loaded.number == number
            del loaded

    def test_of_nothing_is_nothing(self):
        assert list(ahead([], lambda _: pytest.fail("nothing to load"), lambda _: True)) == []


@pytest.mark.parametrize("most", [0, loading.MOST_BYTES])
def test_cells_are_what_they_are_alone_whatever_is_kept_or_loaded_ahead(monkeypatch, most):
    monkeypatch.setattr("stylecore.rendering.MOST_BYTES", most)
    monkeypatch.setattr(loading, "MOST_BYTES", most)
    cells = [light(), light(style=b"no picture"), light(COFFEE, seed=1), light(seed=2, init="noise"), light(COFFEE)]
    found = results(cells)
    assert [result.failure is None for result in found] == [True, False, True, True, True]
    for place in (0, 2, 3, 4):
        assert np.array_equal(found[place].pixels, only(cells[place]).pixels)


def test_a_start_of_its_own_is_loaded_too():
    cell = light(init="another.jpg")
    with_start = dataclasses.replace(cell, init=COFFEE)
    found = results([light(), with_start])
    assert np.array_equal(found[1].pixels, only(with_start).pixels)
    assert results([cell])[0].failure.kind == "unreadable-picture"
