"""What is told of workers, from what they say."""

import json
import threading

import pytest

from flows.watching import Watch, cell_name, clock


def step(keys, number, steps, loss=3.25, **who):
    return ("step", list(keys), number, steps, (loss,) * len(keys), 64, {"device": "cpu", "worker": 1, **who})


def workers(watch):
    return {worker["worker"]: worker for worker in watch.seen()["workers"]}


def test_each_worker_is_told_by_its_device_and_what_it_is_at():
    watch = Watch(9)
    watch.hear(step("ab", 3, 10, worker=7, device="cuda:1", memory=5, name="renders/cat--waves--seed-1--0123.png"))
    watch.hear(step("c", 1, 4, worker=8))
    watch.hear(step("d", 2, 4, worker=9))
    told = workers(watch)
    assert list(told) == ["cpu", "cpu 2", "cuda:1"]
    assert told["cuda:1"] | {"steps_per_second": 0} == {
        "worker": "cuda:1", "cell": "cat--waves--seed-1", "cells": 2, "step": 3, "steps": 10, "size": 64,
        "loss": 3.25, "memory_bytes": 5, "steps_per_second": 0,
    }  # fmt: skip


def test_cells_that_are_told_of_again_count_once():
    watch = Watch(2)
    for _ in range(2):
        for message in (("done", "a", "failed"), step("a", 1, 4), ("done", "b", "rendered")):
            watch.hear(message)
    seen = watch.seen()
    assert (seen["rendered"], seen["failed"], seen["workers"], seen["left_seconds"]) == (1, 1, [], 0)
    assert watch.told()[0] == 100


def test_a_worker_that_was_lost_is_told_no_more_when_another_has_its_cells():
    watch = Watch(2)
    watch.hear(step("a", 3, 4, worker=1))
    watch.hear(step("b", 1, 4, worker=2))
    watch.hear(step("a", 1, 4, worker=3))
    assert [(w["worker"], w["step"]) for w in watch.seen()["workers"]] == [("cpu", 1), ("cpu 2", 1)]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_what_is_told_is_json_whatever_the_loss(loss):
    watch = Watch(1)
    watch.hear(step("a", 1, 4, loss))
    assert json.loads(json.dumps(watch.seen(), allow_nan=False))["workers"][0]["loss"] is None


def test_time_left_is_that_of_the_model_where_there_is_one():
    watch = Watch(4)
    assert watch.seen()["left_seconds"] is None
    watch.hear(("done", "a", "rendered"))
    assert watch.seen()["left_seconds"] >= 1  # three of four cells, at what one took
    watch.model = lambda: 4000.4
    assert watch.seen()["left_seconds"] == 4000
    assert watch.told()[1].endswith("1:06:40 left")


def test_it_can_be_asked_from_another_thread_all_the_time():
    watch, ended, faults = Watch(10_000), threading.Event(), []

    def ask():
        while not ended.is_set():
            try:
                watch.seen()
            except RuntimeError as error:
                faults.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    for number in range(300):
        watch.hear(step([str(number)], 1, 2, worker=number))
        watch.hear(("done", str(number), "rendered"))
    ended.set()
    thread.join()
    assert (faults, watch.seen()["rendered"]) == ([], 300)


@pytest.mark.parametrize(("seconds", "said"), [(0, "0:00"), (59.9, "0:59"), (61, "1:01"), (3661, "1:01:01")])
def test_clock(seconds, said):
    assert clock(seconds) == said


@pytest.mark.parametrize(("name", "said"), [("renders/a--b--0.5--k.png", "a--b--0.5"), ("k", "k"), ("", "")])
def test_cell_names(name, said):
    assert cell_name(name) == said
