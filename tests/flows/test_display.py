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


def tell(stream, names, *messages):
    """Tell a display of a run of two cells, and give it the time to show it."""
    with redirect_stderr(stream), Display(2, names) as display:
        for message in messages:
            display.hear(message)
        time.sleep(0.5)


def test_pictures_done_steps_and_failures_are_shown(terminal):
    steps = [("step", ["a"], step, 4, (3.25,), 64) for step in range(1, 5)]
    names = {"a": "cat × waves", "b": "dog × waves"}
    tell(terminal, names, *steps, ("done", "a", "rendered"), ("done", "b", "failed"))
    for part in ("2/2", "steps/s", "1 failed", "dog × waves"):
        assert part in terminal.text
    assert all(len(line) <= 80 for line in re.split(r"[\r\n]", terminal.text))


@pytest.mark.parametrize("name", ["[/bold]", "[red]cat[/]", "{y} %s", "[link=x]", "\\[", "☂" * 300])
def test_names_are_shown_as_they_are(terminal, name):
    tell(terminal, {"a": name}, ("step", ["a"], 1, 4, (3.25,), 64))
    assert name[:30] in terminal.text


def test_cells_that_a_second_attempt_tells_of_again_count_once(terminal):
    tell(terminal, {"a": "cat"}, *[("done", "a", "rendered"), ("step", ["a"], 1, 4, (float("nan"),), 64)] * 2)
    assert "1/2" in terminal.text
    assert "2/2" not in terminal.text


def test_without_a_terminal_nothing_is_written():
    stream = io.StringIO()
    tell(stream, {}, ("done", "a", "rendered"))
    assert stream.getvalue() == ""
