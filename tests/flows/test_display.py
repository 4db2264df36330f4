"""Progress as a terminal shows it."""

import io
import re
import time
from contextlib import redirect_stderr

import pytest

from flows.display import Display


class Terminal(io.StringIO):
    """What is written to a terminal, without the colours."""

    def isatty(self):
        return True

    @property
    def text(self):
        return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", self.getvalue())


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    return Terminal()


def step(keys, number, worker=1, name="", loss=3.25):
    who = {"worker": worker, "device": "cpu", "memory": 300 * 2**20, "name": f"renders/{name}--0123456789ab.png"}
    return ("step", [keys], number, 4, (loss,), 64, who)


def tell(stream, *messages):
    """Tell a display of a run of four cells, and give it the time to show it."""
    with redirect_stderr(stream), Display(4) as display:
        for message in messages:
            display.hear(message)
        time.sleep(0.6)


def test_cells_done_failures_and_a_line_for_each_worker_are_shown(terminal):
    done = ("done", "a", "rendered"), ("done", "b", "failed")
    tell(terminal, *done, step("c", 3, 1, "cat--waves"), step("d", 1, 2, "dog--waves", float("nan")))
    for part in ("2/4 cells", "1 failed", "steps/s", "left", "cpu 2", "step 3/4", "loss 3.25", "300 MiB", "dog--waves"):
        assert part in terminal.text
    assert "nan" not in terminal.text
    assert all(len(line) <= 80 for line in re.split(r"[\r\n]", terminal.text))


@pytest.mark.parametrize("name", ["[red]cat[", "{y} %s", "[link=x]", "\\[", "☂" * 300])
def test_names_are_shown_as_they_are(terminal, name):
    tell(terminal, step("a", 1, name=name))
    assert name[:20] in terminal.text


def test_more_workers_than_lines_are_counted(terminal, monkeypatch):
    monkeypatch.setenv("LINES", "10")
    tell(terminal, *[step(str(number), 1, worker=number) for number in range(40)])
    assert "and 34 workers more" in terminal.text


def test_without_a_terminal_nothing_is_written():
    stream = io.StringIO()
    tell(stream, ("done", "a", "rendered"))
    assert stream.getvalue() == ""
