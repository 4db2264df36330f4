"""The policy of a run, driven by chance: every cell ends once, and trouble stays where it began."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.cutting import MOST_CELLS, Piece, Stock
from flows.dispatch import Dispatcher, Verdict


def pieces(count, groups=1, operations=1.0):
    side = -(-count // groups)
    return [Piece(f"k{n}", f"g{n // side}", operations) for n in range(count)]


def dispatcher(work, workers=2, *, rate=1.0, chunk=600.0, retries=2):
    stock = Stock(work, sum(piece.operations for piece in work), rate=rate, chunk=chunk)
    made = Dispatcher(stock, retries)
    for number in range(workers):
        made.join(f"w{number}")
    return made


def keys(portion):
    return [piece.key for piece in portion.pieces]


def rendered(portion):
    return {key: Verdict("rendered") for key in keys(portion)}


def drain(made, behave):
    """Let workers take turns until all is over; returns how often each cell was begun, and its end."""
    begun, ended = Counter(), {}
    for _ in range(10_000):
        if made.over:
            return begun, ended
        handed = [(worker, made.hand_out(worker)) for worker in sorted(made.active)]
        assert made.busy, "somebody always has something to do"
        for worker, portion in handed:
            if portion:
                begun.update(keys(portion))
                for key, end in behave(made, worker, portion).items():
                    assert key not in ended, "each cell ends once"
                    ended[key] = end
    raise AssertionError("it never ends")


@settings(max_examples=60, deadline=None, database=None)
@given(st.data())
def test_whatever_workers_do_every_cell_ends_once_and_only_the_unfinished_is_begun_again(data):
    work = pieces(data.draw(st.integers(0, 60)), data.draw(st.integers(1, 5)), data.draw(st.floats(0.1, 100)))
    made = dispatcher(work, data.draw(st.integers(1, 5)), chunk=data.draw(st.floats(0.1, 50)))
    excused = set()

    def behave(made, worker, portion):
        told = keys(portion)
        assert len({piece.group for piece in portion.pieces}) == 1
        upto = data.draw(st.integers(0, len(told)))
        done = dict.fromkeys(told[:upto], Verdict("rendered"))
        doing = data.draw(st.sampled_from(["finish", "finish", "finish", "give back", "lose", "fail"]))
        if doing == "finish":
            return dict.fromkeys(made.finish(worker, rendered(portion), 1.0), "rendered")
        if doing == "fail":
            answers = {**done, **dict.fromkeys(told[upto:], Verdict("failed", "unreadable-picture"))}
            return {key: answers[key].status for key in made.finish(worker, answers, 1.0)}
        excused.update(told[upto:])
        if doing == "give back":
            return dict.fromkeys(made.finish(worker, done, 1.0), "rendered")
        lost = made.lose(worker, set(done), "a lost process")
        if not made.active:
            made.leave(worker)
            made.join(f"{worker}+")  # somebody starts another machine
        return {**dict.fromkeys(done, "rendered"), **dict.fromkeys(lost, "given up")}

    begun, ended = drain(made, behave)
    assert set(ended) == {piece.key for piece in work}
    assert {key for key, times in begun.items() if times > 1} <= excused


def test_chunks_grow_smaller_towards_the_end_so_that_all_workers_end_together():
    made = dispatcher(pieces(1000), 4, chunk=100)
    sizes = []

    def behave(made, worker, portion):
        sizes.append(len(portion.pieces))
        return dict.fromkeys(made.finish(worker, rendered(portion), len(portion.pieces)), "rendered")

    drain(made, behave)
    assert sizes[0] == 100, "as much as the manifest allows"
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] <= 5
    assert max(sizes[-4:]) <= 5


def test_one_worker_is_handed_as_much_as_is_allowed():
    assert len(dispatcher(pieces(10), 1).hand_out("w0").pieces) == 10
    assert len(dispatcher(pieces(2 * MOST_CELLS), 1, chunk=1e9).hand_out("w0").pieces) == MOST_CELLS


def test_estimates_follow_what_is_measured():
    made = dispatcher(pieces(10_000), 1, rate=1.0, chunk=10)
    assert made.seconds_left() is None
    first = made.hand_out("w0")
    assert len(first.pieces) == 10
    made.finish("w0", rendered(first), 1.0)  # ten times as fast as was assumed
    assert made.seconds_left() == pytest.approx(999)
    assert len(made.hand_out("w0").pieces) == 100
    for number in range(100):
        made.settle("w0", f"k{10 + number}")
    assert made.seconds_left() == pytest.approx(989)


def test_what_is_known_of_one_group_does_not_spoil_another():
    made = dispatcher(pieces(2000, groups=2), 1, rate=1.0, chunk=100)
    for seconds in (50.0, 50.0):
        made.finish("w0", rendered(made.hand_out("w0")), seconds)
    while (portion := made.hand_out("w0")).pieces[0].group == "g0":
        made.finish("w0", rendered(portion), len(portion.pieces) / 2)
    made.finish("w0", rendered(portion), 10 * len(portion.pieces))
    assert len(made.hand_out("w0").pieces) == pytest.approx(10, abs=1)


def test_a_slow_chunk_gives_back_what_it_has_not_begun():
    made = dispatcher(pieces(100), 2, chunk=20)
    portion = made.hand_out("w0")
    assert portion.limit == pytest.approx(40)
    begun = keys(portion)[:3]
    assert made.finish("w0", dict.fromkeys(begun, Verdict("rendered")), 41.0) == set(begun)
    assert keys(made.hand_out("w1"))[0] == keys(portion)[3], "nothing is lost, and nothing is done twice"


def test_what_a_lost_worker_leaves_goes_to_another_first_and_then_in_halves():
    made = dispatcher(pieces(40), 3, retries=1)
    first = made.hand_out("w0")
    assert made.lose("w0", {keys(first)[0]}, "a lost process") == set()
    assert keys(made.hand_out("w0")) != keys(first)[1:]
    again = made.hand_out("w1")
    assert keys(again) == keys(first)[1:]
    assert made.lose("w1", set(), "a lost process") == set()
    half = made.hand_out("w2")
    assert keys(half) == keys(again)[: len(again.pieces) // 2]


@pytest.mark.parametrize("retries", [0, 1, 2])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_cell_that_kills_its_worker_costs_no_other_cell_and_no_worker(retries, workers):
    deadly = {"k7", "k11", "k40", "k41"} if retries else set()

    def behave(made, worker, portion):
        told = keys(portion)
        upto = next((n for n, key in enumerate(told) if key in deadly), None)
        if upto is None:
            return dict.fromkeys(made.finish(worker, rendered(portion), 1.0), "rendered")
        lost = made.lose(worker, set(told[:upto]), "a lost process")
        return {**dict.fromkeys(told[:upto], "rendered"), **dict.fromkeys(lost, "given up")}

    made = dispatcher(pieces(60), workers, retries=retries)
    _, ended = drain(made, behave)
    assert {key for key, end in ended.items() if end == "given up"} == deadly
    assert len(ended) == 60
    assert made.off == {}


def test_a_worker_that_fails_different_chunks_is_taken_off_and_the_others_do_its_work():
    def behave(made, worker, portion):
        if worker == "w1":
            made.lose(worker, set(), "a lost process")
            return {}
        return dict.fromkeys(made.finish(worker, rendered(portion), 1.0), "rendered")

    made = dispatcher(pieces(100), 3, chunk=5)
    _, ended = drain(made, behave)
    assert len(ended) == 100
    assert set(made.off) == {"w1"}
    assert "3 different chunks" in made.off["w1"]


def test_workers_that_do_nothing_but_fail_are_all_taken_off():
    made = dispatcher(pieces(100), 2)
    for _ in range(200):
        if not made.active:
            break
        for worker in sorted(made.active):
            if made.hand_out(worker):
                made.lose(worker, set(), "a lost process")
    assert set(made.off) == {"w0", "w1"}
    assert not made.over


def test_failures_of_the_machine_are_tried_elsewhere_and_those_of_the_input_are_not():
    made = dispatcher(pieces(3), 2)
    portion = made.hand_out("w0")
    kinds = dict(zip(keys(portion), ["unreadable-picture", "out-of-memory", "device"], strict=False))
    final = made.finish("w0", {key: Verdict("failed", kind) for key, kind in kinds.items()}, 1.0)
    assert final == {keys(portion)[0]}


def test_memory_that_ran_out_everywhere_is_the_last_word():
    made = dispatcher(pieces(1), 2)
    failed = {"k0": Verdict("failed", "out-of-memory")}
    made.hand_out("w0")
    assert made.finish("w0", failed, 1.0) == set()
    assert made.hand_out("w0") is None, "another worker may have more"
    made.hand_out("w1")
    assert made.finish("w1", failed, 1.0) == {"k0"}
    assert made.over
    assert made.off == {}


def test_a_worker_of_another_version_is_refused_and_its_work_goes_to_others():
    made = dispatcher(pieces(10), 2)
    first = made.hand_out("w0")
    made.refuse("w0", "it has version 0.0")
    assert made.hand_out("w0") is None
    assert keys(made.hand_out("w1"))[0] == keys(first)[0]
    assert made.off == {"w0": "it has version 0.0"}
