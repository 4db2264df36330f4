"""What all commands share: how they speak on stdout and stderr, and the codes they end with."""

from __future__ import annotations

import json
import sys
from enum import IntEnum
from typing import Any

from stylecore.errors import StylepressError

_ENVIRONMENT = {"storage", "weights", "device", "engine", "prefect", "out-of-memory"}
"""Kinds of errors that the machine, not the manifest, must mend."""


class Exit(IntEnum):
    """Codes that a command ends with."""

    OK = 0
    SOME_FAILED = 1
    WRONG_COMMAND = 2
    WRONG_ENVIRONMENT = 3
    INTERRUPTED = 130


def say(*lines: str) -> None:
    """Write lines of the answer."""
    sys.stdout.writelines(f"{line}\n" for line in lines)


def complain(*lines: str) -> None:
    """Write lines that are no part of the answer."""
    sys.stderr.writelines(f"{line}\n" for line in lines)


def print_json(document: dict[str, Any]) -> None:
    """Write a document as the answer."""
    say(json.dumps(document, indent=1, ensure_ascii=False))


def exit_code(error: StylepressError) -> Exit:
    """Exit code for an error that ended a command: the command's fault, or the environment's."""
    return Exit.WRONG_ENVIRONMENT if error.kind in _ENVIRONMENT else Exit.WRONG_COMMAND
