"""Progress as a terminal shows it."""

import io
import re
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
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm-256color")
    return Terminal()


def tell(stream, total, names):
    with redirect_stderr(stream), Display(total, names) as display:
        for step in range(1, 5):
            display.hear(("step", ["a"], step, 4, (3.25,), 64))
        display.hear(("done", "a", "rendered"))
        display.hear(("done", "b", "failed"))


def test_pictures_done_steps_and_failures_are_shown(terminal):
    tell(terminal, 2, {"a": "cat × waves", "b": "dog × waves"})
    assert "2/2" in terminal.text
    assert "steps/s" in terminal.text
    assert "1 failed" in terminal.text
    assert "dog × waves failed" in terminal.text


@pytest.mark.parametrize("name", ["[/bold]", "[red]cat[/]", "{y} %s", "[link=x]", "a\nb"])
def test_names_are_shown_as_they_are(terminal, name):
    tell(terminal, 2, {"a": name, "b": name})
    assert name.split("\n")[0] in terminal.text


def test_without_a_terminal_nothing_is_written():
    stream = io.StringIO()
    tell(stream, 2, {})
    assert stream.getvalue() == ""


def test_messages_that_come_late_or_for_unknown_cells_do_no_harm(terminal):
    with redirect_stderr(terminal), Display(1, {"a": "cat"}) as display:
        display.hear(("done", "a", "rendered"))
        display.hear(("step", ["a", "zzz"], 1, 4, (float("nan"), 1.0), 64))
        display.hear(("done", "a", "rendered"))
    assert "1/1" in terminal.text
    assert "cat rendered" in terminal.text
