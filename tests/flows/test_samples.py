"""The pictures and typefaces that ship: whole, credited, found by name, and redrawn as they are."""

import re

import numpy as np
import pytest
from PIL import Image, ImageFont

from flows import fonts, samples
from flows.samples import draw
from stylecore.errors import StylepressError

CREDITS = re.compile(
    r"^\| `([a-z-]+)` \| (\d+)×(\d+)(, grey)? \| [^|]+ \| [^|]+ \| (MIT|CC0 1\.0|public domain[^|]*) \|", re.M
)


def _pixels(picture):
    return np.asarray(picture.convert("RGB"), np.float64)


def _difference(one, other):
    """Root mean square difference, of 255."""
    return np.sqrt(np.mean((_pixels(one) - _pixels(other)) ** 2))


def test_promised_names_are_there_and_sorted():
    promised = {"astronaut", "cat", "coffee", "rocket", "brick", "gravel", *draw.CONTRIVED, *draw.PAINTERLY}
    assert promised <= set(samples.names())
    assert samples.names() == sorted(samples.names())


def test_readme_credits_every_picture_with_its_size_and_mode():
    rows = CREDITS.findall((samples.FOLDER / "README.md").read_text("utf-8"))
    assert sorted(name for name, *_ in rows) == samples.names()
    for name, width, height, grey, _ in rows:
        with Image.open(samples.path(name)) as picture:
            picture.load()
            assert (picture.size, picture.mode) == ((int(width), int(height)), "L" if grey else "RGB"), name
            assert not picture.getexif(), f"{name} carries metadata"


def test_all_pictures_together_stay_under_four_megabytes():
    assert sum(samples.path(name).stat().st_size for name in samples.names()) < 4_000_000


@pytest.mark.parametrize(
    "name", ["halves", "checkers", "rainbow-circles", "dark-circle", "mask-astronaut", "mask-astronaut-ground"]
)
def test_contrived_pictures_redraw_to_the_same_pixels(name, tmp_path):
    again = Image.open(draw.save(name, tmp_path))
    assert np.array_equal(_pixels(again), _pixels(Image.open(samples.path(name))))


def test_lorem_ipsum_redraws():
    # FreeType differs a little between builds of Pillow: grey borders of letters may, their places may not.
    assert _difference(draw.CONTRIVED["lorem-ipsum"](), Image.open(samples.path("lorem-ipsum"))) < 25


@pytest.mark.parametrize("name", draw.PAINTERLY)
def test_painterly_pictures_redraw_but_for_jpeg_and_small_changes_of_libraries(name):
    shipped = Image.open(samples.path(name))
    again = draw.PAINTERLY[name]()
    assert again.size == shipped.size
    assert _difference(again.reduce(4), shipped.reduce(4)) < 5


def test_halves_and_circle_are_what_they_say():
    halves = _pixels(Image.open(samples.path("halves")))
    assert halves[:, :256].max() == 0
    assert halves[:, 256:].min() == 255
    dark = _pixels(Image.open(samples.path("dark-circle"))).mean(2) < 128
    assert dark.sum() == pytest.approx(np.pi * 144**2, rel=1e-3)
    assert dark[256, 256]
    assert not dark[0, 0]


def test_an_unknown_name_is_told_the_nearest_one():
    with pytest.raises(StylepressError, match="did you mean 'astronaut'") as caught:
        samples.path("astronout")
    assert caught.value.kind == "missing-picture"
    assert caught.value.name == "astronout"


@pytest.mark.parametrize("name", ["../fonts/DejaVuSans", "README", "draw", "", "zzz"])
def test_only_pictures_in_the_folder_are_samples(name):
    with pytest.raises(samples.MissingSampleError):
        samples.path(name)


@pytest.mark.parametrize(("file", "style"), [(fonts.regular(), "Book"), (fonts.bold(), "Bold")])
def test_typefaces_open_and_have_letters_beyond_ascii(file, style):
    face = ImageFont.truetype(file, 24)
    assert face.getname() == ("DejaVu Sans", style)
    missing = bytes(face.getmask("\uffff"))
    assert all(bytes(face.getmask(letter)) != missing for letter in "aÄłЖα×–…√")


def test_the_typefaces_licence_is_shipped():
    assert "Bitstream Vera" in (fonts.FOLDER / "LICENSE").read_text("utf-8")
