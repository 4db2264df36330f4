"""Type on contact sheets: any text stays in its box, other scripts are set in their order, other fonts stand in."""

import itertools
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont, features

from flows import fonts
from flows.contact_sheet import Beside, Heading, Look, Page, Tile, draw_page, typeface
from flows.contact_sheet.lettering import fit, set_text

LOOK = Look(cell=64, narrowest=64, gutter=6, gap=8, margin=20)
TEXTS = st.text(max_size=80) | st.text("abc _-/אבשלم漢🎨", min_size=100, max_size=300)


def picture():
    return Image.new("RGB", (64, 48), "teal")


def intersect(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@settings(max_examples=25, deadline=None)
@given(st.lists(TEXTS, min_size=14, max_size=14))
def test_whatever_the_labels_of_nested_axes_no_two_texts_overlap(words):
    tile = (Tile(picture, words[0], values=(words[1],)), Tile(None, words[2], "failed"))
    page = Page(
        words[3],
        words[4],
        words[5],
        ((Heading(words[6], 2, picture),), (Heading(words[7]), Heading(words[8], 1, picture))),
        words[9],
        ((Heading(words[10], 2),), (Heading(words[11], 1, picture), Heading(words[12]))),
        (tile, tile),
        (Beside(words[13], picture),),
    )
    drawn = draw_page(page, LOOK)
    texts = [text.box for text in drawn.texts]
    pictures = [*itertools.chain(*drawn.boxes), *drawn.beside_boxes, *drawn.heading_boxes]
    assert not any(intersect(a, b) for a, b in itertools.combinations(texts, 2))
    assert not any(intersect(a, b) for a, b in itertools.combinations(pictures, 2))
    panels = [row[1] for row in drawn.boxes]
    assert not any(intersect(a, b) for a in texts for b in pictures if b not in panels)
    width, height = drawn.image.size
    assert all(box[0] >= 20 and box[2] <= width - 20 and box[1] >= 20 and box[3] <= height - 20 for box in texts)


def ink(draw, size=(400, 60)):
    image = Image.new("L", size)
    draw(ImageDraw.Draw(image))
    return image.crop(image.getbbox())


@pytest.mark.skipif(not features.check("fribidi"), reason="needs the library fribidi, which orders such texts")
def test_hebrew_is_set_from_right_to_left():
    word = "שלום"
    set_by_us = ink(lambda draw: typeface.typeface(24).draw(draw, (50, 40), word))
    font = ImageFont.truetype(str(fonts.regular()), 24, layout_engine=ImageFont.Layout.BASIC)
    turned = ink(lambda draw: draw.text((50, 40), word[::-1], fill=255, font=font, anchor="ls"))
    assert abs(set_by_us.width - turned.width) <= 2
    shown = [image.resize((64, 24)).tobytes() for image in (set_by_us, turned)]
    straight = ink(lambda draw: draw.text((50, 40), word, fill=255, font=font, anchor="ls")).resize((64, 24)).tobytes()
    assert distance(*shown) < distance(shown[0], straight) / 2


def distance(one, other):
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


def test_characters_that_the_typeface_lacks_are_drawn_in_a_font_that_has_them():
    """Of the scripts that an installed font says it has and DejaVu Sans has not, one is drawn and is no box."""
    face, box = typeface.typeface(24), "\U0010fffd"
    candidates = "กअঅ漢한アကក"
    lacking = [c for c in candidates if not typeface._has(face.source, c)]
    found = [c for c in lacking if any(typeface._has(path, c) for path in typeface._system_fonts(c))]
    if not found:
        pytest.skip("no font of another script is installed")
    shown = ink(lambda draw: face.draw(draw, (10, 40), found[0]))
    missing = ink(lambda draw: face.draw(draw, (10, 40), box))
    assert shown.size != missing.size or shown.tobytes() != missing.tobytes()


@given(TEXTS, st.integers(20, 300))
@settings(max_examples=50, deadline=None)
def test_lines_are_no_wider_than_asked_and_hold_every_printable_character(text, width):
    block = set_text(text, 16, width, LOOK)
    widest = max((block.font.length(c) for c in text if c.isprintable()), default=0)
    assert block.width <= max(width, widest) + 3
    kept = "".join(block.lines)
    assert all(c in kept for c in text if c.isalnum() and unicodedata.category(c) != "Cf")


def test_one_long_label_does_not_make_the_others_small():
    blocks = fit(["word " * 90, "10"], 21, [120, 120], LOOK)
    assert blocks[0].font.size == LOOK.least
    assert blocks[1].font.size == 21
