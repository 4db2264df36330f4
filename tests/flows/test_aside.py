"""Calls aside of the work: they overlap with it, wait for memory, and none of their errors is lost."""

import threading

import pytest

from flows.aside import MOST_BYTES, MOST_CALLS, THREADS, Aside

PATIENCE = 30  # seconds


def test_the_work_goes_on_while_calls_are_made():
    went_on = threading.Event()
    with Aside() as aside:
        aside.call(lambda: went_on.wait(PATIENCE), 1)
        went_on.set()
    assert aside.answers() == [True]


def test_answers_come_in_the_order_of_the_calls():
    gates = [threading.Event() for _ in range(THREADS)]

    def numbered(number):
        if number + 1 < THREADS:
            gates[number + 1].wait(PATIENCE)  # the last one finishes first
        gates[number].set()
        return number

    with Aside() as aside:
        for number in range(THREADS):
            aside.call(lambda number=number: numbered(number), 1)
    assert aside.answers() == list(range(THREADS))


@pytest.mark.parametrize(
    ("held", "most"), [(1, MOST_CALLS), (MOST_BYTES // 2, 2), (MOST_BYTES, 1), (3 * MOST_BYTES, 1)]
)
def test_no_more_are_made_than_memory_allows(held, most):
    gate, made = threading.Event(), threading.Semaphore(0)

    def work():
        with Aside() as aside:
            for _ in range(most + 1):
                aside.call(lambda: gate.wait(PATIENCE), held)
                made.release()
        answers.extend(aside.answers())

    answers = []
    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(most):
        assert made.acquire(timeout=PATIENCE)
    assert not made.acquire(timeout=0.2), "the work waits"
    gate.set()
    thread.join(PATIENCE)
    assert answers == [True] * (most + 1)


def test_an_error_is_told_and_what_has_not_begun_is_dropped():
    gate, begun = threading.Event(), []

    def busy(number):
        begun.append(number)
        return gate.wait(PATIENCE)

    def fails():
        raise ZeroDivisionError("of a call")

    aside = Aside()
    with aside:
        for number in range(THREADS - 1):
            aside.call(lambda number=number: busy(number), 1)
        assert not aside.failed()
        aside.call(fails, 1)
        while not aside.failed():
            threading.Event().wait(0.01)
        aside.call(lambda: busy("next"), 1)
        while "next" not in begun:
            threading.Event().wait(0.01)
        for number in range(MOST_CALLS - THREADS):
            aside.call(lambda number=number: busy(f"late {number}"), 1)
        threading.Timer(0.2, gate.set).start()
    with pytest.raises(ZeroDivisionError, match="of a call"):
        aside.answers()
    assert sorted(map(str, begun)) == sorted([*map(str, range(THREADS - 1)), "next"])


def test_an_error_of_the_work_waits_for_what_is_under_way():
    gate, finished = threading.Event(), []

    def work():
        with Aside() as aside:
            for number in range(MOST_CALLS):
                aside.call(lambda number=number: gate.wait(PATIENCE) and finished.append(number), 1)
            threading.Timer(0.2, gate.set).start()
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert sorted(finished) == list(range(MOST_CALLS))
