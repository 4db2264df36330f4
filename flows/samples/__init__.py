"""The pictures that ship with the package, which a manifest calls `sample:NAME`; README.md beside them credits each."""

from __future__ import annotations

from pathlib import Path

from stylecore.errors import PictureError, did_you_mean

FOLDER = Path(__file__).parent


class MissingSampleError(PictureError):
    """No sample picture has the name asked for.

    Attributes:
        name: the name asked for.
    """

    kind = "missing-picture"

    def __init__(self, name: str) -> None:
        known = names()
        super().__init__(
            f"there is no sample picture {name!r}{did_you_mean(name, known)}; the samples are {', '.join(known)}"
        )
        self.name = name


def names() -> list[str]:
    """The names of all sample pictures, in alphabetical order."""
    return sorted(_files())


def path(name: str) -> Path:
    """The file of the sample picture `name`; raises MissingSampleError where there is none."""
    try:
        return _files()[name]
    except KeyError:
        raise MissingSampleError(name) from None


def _files() -> dict[str, Path]:
    return {file.stem: file for file in FOLDER.iterdir() if file.suffix in {".png", ".jpg"}}
