"""From a described cell to the core's: the files it is made of, and where each of them goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from stylecore.settings import Settings, parse

if TYPE_CHECKING:
    from stylecore.rendering import Cell

Described = dict[str, Any]
"""A picture as `keys.described` gives it: name, sha256, and maybe label, parts, masks, content_mask."""


class Alike:
    """Settings of cells that come one after the other and differ by few: only those are looked at again."""

    def __init__(self) -> None:
        self._last: tuple[dict[str, str], Settings] | None = None

    def settings(self, values: dict[str, Any]) -> Settings:
        """The settings of a described cell.

        Args:
            values: all of them, by name, as `Settings.to_dict` gives them.

        Raises:
            SettingError: as `Settings` has it.
        """
        written = {name: repr(value) for name, value in values.items()}  # 1 is not 1.0, and layers have an order
        if self._last is None or self._last[0].keys() != written.keys():
            found = Settings(**values)
        else:
            before, settings = self._last
            found = settings.varied({n: parse(n, values[n]) for n, said in written.items() if said != before[n]})
        self._last = written, found
        return found


def parts(style: Described | None) -> list[Described]:
    """The parts of a described style, each with its weight; one that is a single file is its only part."""
    return [] if style is None else style.get("parts") or [{**style, "weight": 1.0}]


def files(cell: Described) -> Iterator[tuple[str, Described]]:
    """Every file that a described cell is made of, with what it is: `content`, `style`, `init` or `mask`."""
    if content := cell.get("content"):
        yield "content", content
        yield from (("mask", mask) for mask in content.get("masks") or ())
        if content.get("content_mask"):
            yield "mask", content["content_mask"]
    for part in parts(cell.get("style")):
        yield "style", part
        if part.get("mask"):
            yield "mask", part["mask"]
    if cell.get("init"):
        yield "init", cell["init"]


def core_cell(cell: Described, settings: Settings, read: Callable[[str, Described], bytes]) -> Cell:
    """The core's cell of a described one.

    Args:
        cell: the cell as `keys.described` gives it.
        settings: its settings, with an encoder that is found here.
        read: gives the bytes of a file, which are checked against its digest, by what it is and its description.
    """
    from stylecore.rendering import Cell, Style

    def data(what: str, described: Described | None) -> bytes | None:
        return read(what, described) if described else None

    content = cell["content"] or {}
    return Cell(
        data("content", cell["content"]),
        tuple(
            Style(read("style", part), part["weight"], data("mask", part.get("mask"))) for part in parts(cell["style"])
        ),
        settings,
        data("init", cell["init"]),
        masks=tuple(read("mask", mask) for mask in content.get("masks") or ()),
        content_mask=data("mask", content.get("content_mask")),
    )
