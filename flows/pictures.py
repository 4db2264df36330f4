"""A picture as a manifest names it: a file, or a blend of files, with its masks; its digest, its size, its faults."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flows import samples
from flows.source import Place
from flows.store import StorageError, Store, UnsafeNameError
from stylecore import images, masks
from stylecore.errors import PictureError

SAMPLE = "sample:"


@dataclass(frozen=True)
class Part:
    """One picture of a style that is made of several, or of which a mask takes a part.

    Attributes:
        picture: a single file.
        weight: its weight as written, at least 0.
        mask: which part of the picture is taken: what is white; None for all of it.
    """

    picture: Input
    weight: float = 1.0
    mask: Input | None = None


@dataclass(frozen=True)
class Input:
    """A picture that a manifest names.

    Attributes:
        name: path below the manifest's root, with slashes, or `sample:NAME`; of a blend, those of its parts.
        label: what people call it.
        digest: sha256 in hexadecimal, of the file's bytes or over the parts; empty where a file cannot be read.
        width: in pixels, upright; of a blend, that of its first part; 0 where the header cannot be read.
        height: likewise.
        fault: why the file cannot be used; empty for a good one, and for a blend, whose files have faults of their own.
        kind: kind of the fault: `missing-picture`, `unreadable-picture` or `unusable-mask`.
        parts: what a style is made of; empty for a single file that is taken whole.
        masks: where in the result each part of the style applies, in the order of the parts; empty for everywhere.
        content_mask: where in the result the content term counts.
        place: where the manifest names it first.
    """

    name: str
    label: str
    digest: str = ""
    width: int = 0
    height: int = 0
    fault: str = ""
    kind: str = ""
    parts: tuple[Part, ...] = ()
    masks: tuple[Input, ...] = ()
    content_mask: Input | None = None
    place: Place = field(default_factory=Place, compare=False)

    @property
    def pictures(self) -> tuple[Input, ...]:
        """The files whose pixels are shown or described: itself, or its parts."""
        return tuple(part.picture for part in self.parts) or (self,)

    @property
    def stencils(self) -> tuple[Input, ...]:
        """All of its masks."""
        return tuple(mask for mask in (*(p.mask for p in self.parts), *self.masks, self.content_mask) if mask)

    @property
    def files(self) -> tuple[Input, ...]:
        """Every file that it needs."""
        return (*self.pictures, *self.stencils)

    @property
    def shares(self) -> tuple[float, ...]:
        """Weights of the parts, divided by their sum."""
        total = math.fsum(part.weight for part in self.parts)
        # twelve digits: 7 and 3 are the shares of 0.7 and 0.3
        return tuple(float(f"{part.weight / total:.12g}") for part in self.parts)

    @property
    def word(self) -> str:
        """What tells it from every other picture of a manifest: its name, with weights and masks where it has any."""
        pictures = weighted(self, [part.picture.name for part in self.parts]) if self.parts else self.name
        stencils = ", ".join(mask.name for mask in self.stencils)
        return f"{pictures} ({stencils})" if stencils else pictures


def weighted(blend: Input, names: list[str]) -> str:
    """The parts of a blend by some names, in one line: `a + b`, or `0.7·a + 0.3·b` where weights differ."""
    equal = len({part.weight for part in blend.parts}) == 1
    said = (name if equal else f"{part.weight:g}·{name}" for part, name in zip(blend.parts, names, strict=True))
    return " + ".join(said)


def describe(wanted: Input, store: Store, *, mask: bool = False) -> Input:
    """A single file with digest and size, or with its fault; a mask is looked through too."""
    try:
        data = read_input(wanted.name, store)
    except FileNotFoundError:
        return replace(wanted, fault=f"there is no {wanted.name!r} below {store.url}", kind="missing-picture")
    except (UnsafeNameError, samples.MissingSampleError) as error:
        return replace(wanted, fault=str(error), kind=error.kind)
    except StorageError as error:
        if error.transient or wanted.name.startswith(SAMPLE) or not _is_local(store):
            raise
        return replace(wanted, fault=str(error), kind="unreadable-picture")
    digest = hashlib.sha256(data).hexdigest()
    try:
        header = images.inspect(data)
        black = mask and masks.is_black(images.read(data))
    except PictureError as error:
        return replace(wanted, digest=digest, fault=named(error, wanted.name), kind="unreadable-picture")
    found = replace(wanted, digest=digest, width=header.width, height=header.height)
    said = f"{wanted.name} is all black: a mask marks with white what is meant"
    return replace(found, fault=said, kind="unusable-mask") if black else found


def filled(wanted: Input, pictures: Mapping[str, Input], masks: Mapping[str, Input]) -> Input:
    """A named picture with what its files were found to be.

    Args:
        wanted: the picture as the manifest names it.
        pictures: files by name, described.
        masks: files that are masks likewise.
    """

    def file(picture: Input) -> Input:
        return replace(pictures[picture.name], label=picture.label, place=picture.place)

    def stencil(mask: Input, picture: Input) -> Input:
        return _fitting(replace(masks[mask.name], place=mask.place), picture)

    if not wanted.parts:
        found = file(wanted)
        return replace(
            found,
            masks=tuple(stencil(mask, found) for mask in wanted.masks),
            content_mask=wanted.content_mask and stencil(wanted.content_mask, found),
        )
    parts = []
    for part in wanted.parts:
        found = file(part.picture)
        parts.append(replace(part, picture=found, mask=part.mask and stencil(part.mask, found)))
    first = parts[0].picture
    whole = replace(wanted, parts=tuple(parts), width=first.width, height=first.height)
    return replace(whole, digest=_digest(whole))


def _fitting(mask: Input, picture: Input) -> Input:
    """A mask, with a fault where its aspect is not its picture's."""
    if mask.fault or not (mask.width and picture.width):
        return mask
    if masks.fits((mask.width, mask.height), (picture.width, picture.height)):
        return mask
    sizes = (f"{one.width}×{one.height}" for one in (mask, picture))
    said = f"wrong shape: the mask {mask.name} has {next(sizes)} pixels and {picture.name} has {next(sizes)}"
    return replace(mask, fault=f"{said}; expected the same aspect", kind="unusable-mask")


def _digest(blend: Input) -> str:
    """One digest over all that decides what a blend is, so that previews and receipts can name it."""
    if not all(file.digest for file in blend.files):
        return ""
    parts = [
        [part.picture.digest, share, part.mask.digest if part.mask else None]
        for part, share in zip(blend.parts, blend.shares, strict=True)
    ]
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


def named(error: Exception, name: str) -> str:
    """A picture error's message with the picture's name, which in-memory decoding does not know."""
    said = str(error)
    if said.startswith("the picture"):
        return said.replace("the picture", name, 1)
    return said if name in said else f"{name}: {said}"


def _is_local(store: Store) -> bool:
    return not store.url.startswith("s3://")


def read_input(name: str, store: Store) -> bytes:
    """Bytes of an input by its name: from the store, or from the pictures that ship with the package.

    Raises:
        FileNotFoundError: it is not there.
        StorageError: it cannot be read, or is not a regular file.
        MissingSampleError: there is no such sample.
    """
    if name.startswith(SAMPLE):
        return samples.path(name.removeprefix(SAMPLE)).read_bytes()
    return store.read(name)
