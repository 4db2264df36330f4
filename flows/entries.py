"""From the entries of a manifest to the files they name: patterns expanded, masks and parts found, all called apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from flows import samples
from flows.listed import Content, Ingredient, Style, is_pattern, stem
from flows.patterns import matching
from flows.pictures import SAMPLE, Input, Part, weighted
from flows.source import Document, Problem
from flows.source import Path as KeyPath
from flows.store import StorageError, Store, UnsafeNameError
from flows.store.interface import check_name
from stylecore.errors import StylepressError


@dataclass(frozen=True)
class Finder:
    """Finds what entries name; a picture's label is an empty text where nobody gives it one.

    Attributes:
        document: the manifest's text, for places.
        store: its root.
        rendered: beginnings of names that patterns pass by.
        problems: entries that name nothing, or something they must not; filled in as entries are looked at.
    """

    document: Document
    store: Store
    rendered: tuple[str, ...] = ()
    problems: list[Problem] = field(default_factory=list)

    def pictures(self, entry: Content | Style, path: KeyPath) -> list[Input]:
        """The pictures of an entry of `inputs.content` or `inputs.style`; none where it has a problem.

        Raises:
            StorageError: the root cannot be reached.
        """
        before = len(self.problems)
        found = self._content(entry, path) if isinstance(entry, Content) else self._style(entry, path)
        return found if len(self.problems) == before else []

    def _content(self, entry: Content, path: KeyPath) -> list[Input]:
        if not entry.masks and entry.content_mask is None:
            return self._expanded(entry.path, entry.label, path)
        found = self._one(entry.path, path, "a picture with masks")
        masks = [self._one(mask, (*path, "masks", n), "a mask") for n, mask in enumerate(entry.masks)]
        counts = self._mask(entry.content_mask, (*path, "content_mask"))
        whole = tuple(mask for mask in masks if mask)
        return [replace(found, label=entry.label or "", masks=whole, content_mask=counts)] if found else []

    def _style(self, entry: Style, path: KeyPath) -> list[Input]:
        if not entry.blend:
            if entry.mask is None:
                return self._expanded(entry.path or "", entry.label, path)
            found = self._one(entry.path or "", path, "a picture with a mask")
            mask = self._mask(entry.mask, (*path, "mask"))
            part = found and Part(replace(found, label=entry.label or stem(found.name)), mask=mask)
            return [replace(found, label=entry.label or "", parts=(part,))] if found and part else []
        parts = [self._part(part, (*path, "blend", n)) for n, part in enumerate(entry.blend)]
        blend = tuple(part for part in parts if part)
        if len(blend) == 1 and blend[0].mask is None:
            return [replace(blend[0].picture, label=entry.label or entry.blend[0].label or "")]
        name = " + ".join(part.picture.name for part in blend)
        return [Input(name, entry.label or "", parts=blend, place=self.document.place(path))]

    def _part(self, entry: Ingredient, path: KeyPath) -> Part | None:
        found = self._one(entry.path, path, "a part of a blend")
        mask = self._mask(entry.mask, (*path, "mask"))
        return Part(replace(found, label=entry.label or stem(found.name)), entry.weight, mask) if found else None

    def _mask(self, name: str | None, path: KeyPath) -> Input | None:
        return None if name is None else self._one(name, path, "a mask")

    def _one(self, name: str, path: KeyPath, noun: str) -> Input | None:
        """The one picture that a path names, which may not be a pattern."""
        found = self._expanded(name, None, path)
        if found and is_pattern(name) and found[0].name != str(PurePosixPath(name)):
            self._problem(path, f"{name!r} is a pattern; {noun} must be one picture, so write its path")
            return None
        return found[0] if found else None

    def _expanded(self, path: str, label: str | None, at: KeyPath) -> list[Input]:
        """The pictures that a path or a pattern names."""
        place = self.document.place(at)
        try:
            names = self._names(path)
        except StylepressError as error:
            if isinstance(error, StorageError) and not isinstance(error, UnsafeNameError):
                raise
            self._problem(at, str(error))
            return []
        many = len(names) > 1
        return [Input(n, f"{label} {stem(n)}" if label and many else label or "", place=place) for n in names]

    def _names(self, path: str) -> list[str]:
        if path.startswith(SAMPLE):
            samples.path(path.removeprefix(SAMPLE))
            return [path]
        name = check_name(str(PurePosixPath(path)))
        if not is_pattern(name) or self.store.stat(name):  # `photo [1].jpg` is a picture's name too
            return [name]
        there = (e.name for e in self.store.list(re.match(r"(?:[^*?\[]*/)?", name)[0]))  # type: ignore[index]
        matches = matching(name, (file for file in there if not file.startswith(self.rendered)))
        if not matches:
            raise StylepressError(f"no file below {self.store.url} matches {path!r}")
        return matches

    def _problem(self, path: KeyPath, message: str) -> None:
        self.problems.append(Problem(f"inputs.{path[1]}: {message}", self.document.place(path)))


def told_apart(named: Iterable[Input]) -> list[Input]:
    """Each picture once, with a label: where two would be called the same, folders, endings and masks tell them apart.

    A blend is called after its parts; where two blends would be called the same, weights and masks are added.
    """
    once: dict[str, Input] = {}
    for picture in named:
        if not once.get(picture.word, picture).label:
            once[picture.word] = picture  # named again with a label, as after a pattern: it keeps its place
        once.setdefault(picture.word, picture)
    pictures = list(once.values())
    callings = [_callings(picture) for picture in pictures]
    wanted = [i.label or calling[0] for i, calling in zip(pictures, callings, strict=True)]
    for longer in range(1, len(callings[0]) if callings else 0):
        often = Counter(wanted)
        wanted = [
            calling[longer] if often[said] > 1 and not i.label else said
            for i, calling, said in zip(pictures, callings, wanted, strict=True)
        ]
    return [replace(i, label=said) for i, said in zip(pictures, wanted, strict=True)]


def _callings(picture: Input) -> tuple[str, ...]:
    """What a picture may be called, from short to exact; as many words for every picture."""
    masks = ", ".join(dict.fromkeys(stem(mask.name) for mask in picture.stencils))
    masked = f" ({masks})" if masks else ""
    if len(picture.parts) > 1:
        labels = [part.picture.label for part in picture.parts]
        said, exact = weighted(picture, labels), weighted(picture, [p.name for p in picture.pictures])
        return " + ".join(labels), said, said + masked, exact, picture.word
    short = stem(picture.name)
    plain = str(PurePosixPath(picture.name).with_suffix(""))
    return short, short + masked, plain, picture.name, picture.word
