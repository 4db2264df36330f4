"""Contact sheet pages: nothing is cut, nothing overlaps, every picture is where the page says it is."""

import dataclasses
import itertools
import random

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageStat

from flows import fonts
from flows.contact_sheet import Beside, Box, DrawnPage, Heading, Look, Page, Tile, draw_page, grid_limit
from stylecore.errors import PictureError

SMALL = Look(cell=120, margin=24, gutter=10)
WORDS = [
    *(
        "style_weight",
        "1.0e5",
        "0",
        "seed",
        "relu4_1,relu5_1",
        "Ångström",
        "Жук",
        "a-b-c",
        "gjpqy|ÂÇ",
        "s3://bucket/path/x.png",
    ),
    *(
        "漢字かな",
        "🎨🏳️‍🌈",
        "z̴̢͔̈́a̷l̶g̸o̵",
        "\ud800",
        "\x00\x1b[31m",
        "two\nlines",
        "   ",
        "WWWWWWWWWWWWWWWWWWWWWWWW",
        "שלום",
        "ﷺ",
    ),
]


def plain(color, size=(120, 90)):
    return lambda: Image.new("RGB", size, color)


def color_of(row, column):
    return (40 + 20 * row, 60 + 17 * column, 200)


def grid(rows, columns, size=(120, 90)):
    return tuple(tuple(Tile(plain(color_of(r, c), size)) for c in range(columns)) for r in range(rows))


def page(tiles, **changes):
    """A page of tiles; labels are given as texts, those of nested axes with how many they span, the outermost first."""
    labels = {"row_labels": tuple(map(str, range(len(tiles)))), "column_labels": tuple(map(str, range(len(tiles[0]))))}
    whole = {"title": "a title", "subtitle": "a subtitle", "row_axis": "seed", "column_axis": "style_weight"}
    whole |= labels | changes
    for side, name in (("rows", "row_labels"), ("columns", "column_labels")):
        outer = [tuple(Heading(*heading) for heading in level) for level in whole.pop(f"{side}_above", ())]
        inner = tuple(Heading(text) for text in whole.pop(name))
        whole[side] = (*outer, *((inner,) if inner else ()))
    return Page(tiles=tiles, **whole)


def some_label(rng):
    if rng.random() < 0.1:
        return rng.choice("mi_漢") * 300
    return " ".join(rng.choice(WORDS) for _ in range(rng.choice([0, 1, 1, 1, 2, 5, 20])))


def some_values(rng):
    names = ["ssim 0.812", "sliced wasserstein 1.23e-05", "total variation –", "loss 1.23e12", some_label(rng)]
    return tuple(rng.sample(names, rng.choice([0, 0, 1, 3, 5])))


def some_picture(rng):
    def broken():
        raise OSError("cannot identify image file '/home/someone/private/picture.png'")

    size = rng.choice([(120, 90), (90, 120), (120, 8), (8, 120), (400, 300), (30, 30)])
    return rng.choice([plain("#204060", size)] * 5 + [broken, None])


def some_levels(rng, count):
    """Headings of up to two outer axes, some of them with small pictures."""
    levels = []
    for _ in range(rng.choice([0, 0, 1, 2])):
        cut = rng.randint(1, count)
        spans = [cut, count - cut] if cut < count else [cut]
        levels.append([(some_label(rng), span, some_picture(rng)) for span in spans])
    return levels


def some_page(rng):
    rows, columns = rng.randint(1, 4), rng.randint(1, 4)
    states = ["done"] * 6 + ["failed", "missing"]
    tiles = tuple(
        tuple(
            Tile(some_picture(rng), rng.choice(["", some_label(rng)]), rng.choice(states), some_values(rng))
            for _ in range(columns)
        )
        for _ in range(rows)
    )
    return page(
        tiles,
        title=some_label(rng),
        subtitle=some_label(rng),
        row_axis=rng.choice(["", some_label(rng)]),
        column_axis=rng.choice(["", some_label(rng)]),
        row_labels=tuple(some_label(rng) for _ in range(rows)),
        column_labels=tuple(some_label(rng) for _ in range(columns)),
        beside=tuple(Beside(some_label(rng), some_picture(rng)) for _ in range(rng.randint(0, 3))),
        rows_above=some_levels(rng, rows),
        columns_above=some_levels(rng, columns),
    )


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def inside(a: Box, b: Box) -> bool:
    return b[0] <= a[0] <= a[2] <= b[2] and b[1] <= a[1] <= a[3] <= b[3]


def all_boxes(drawn: DrawnPage) -> list[Box]:
    return [*itertools.chain(*drawn.boxes), *drawn.beside_boxes, *drawn.heading_boxes]


def bare(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("seed", range(25))
def test_whatever_the_labels_nothing_overlaps_or_leaves_the_page(seed):
    drawn = draw_page(some_page(random.Random(seed)), SMALL)
    texts, pictures = [text.box for text in drawn.texts], all_boxes(drawn)
    within = (SMALL.margin, SMALL.margin, drawn.image.width - SMALL.margin, drawn.image.height - SMALL.margin)
    assert all(inside(box, within) for box in texts + pictures)
    assert not any(overlap(a, b) for a, b in itertools.combinations(texts, 2))
    assert not any(overlap(a, b) for a, b in itertools.combinations(pictures, 2))
    assert all(inside(text, picture) for text in texts for picture in pictures if overlap(text, picture))


@pytest.mark.parametrize("seed", range(25))
def test_all_ink_is_in_the_boxes(seed):
    look = dataclasses.replace(SMALL, rule=SMALL.background)  # rules are the only ink without a box
    drawn = draw_page(some_page(random.Random(seed)), look)
    paper = drawn.image.copy()
    for text in drawn.texts:
        assert ImageStat.Stat(paper.crop(text.box)).stddev != [0, 0, 0], text
    for box in [*(text.box for text in drawn.texts), *all_boxes(drawn)]:
        paper.paste(look.background, box)
    assert not ImageChops.difference(paper, Image.new("RGB", paper.size, look.background)).getbbox()


def test_glyphs_are_not_cut_at_the_edges_of_their_box():
    label = "ÂÇfjǺgjpqyẤW|"
    drawn = draw_page(page(grid(1, 1), title=label))
    shown = drawn.image.crop(next(text.box for text in drawn.texts if text.lines == (label,)))
    roomy = Image.new("RGB", (800, 300), Look.background)
    face = ImageFont.truetype(str(fonts.regular()), Look.title, layout_engine=ImageFont.Layout.BASIC)
    ImageDraw.Draw(roomy).text((200, 100), label, font=face, fill=Look.ink)
    sizes = []
    for image in (shown, roomy):
        left, top, right, bottom = ImageChops.difference(image, Image.new("RGB", image.size, Look.background)).getbbox()
        sizes.append((right - left, bottom - top))
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("label", ["m" * 300, "i" * 300, "word " * 60, "style_weight=1.0e5," * 15, "漢" * 300])
@pytest.mark.parametrize(
    "where",
    ["title", "subtitle", "row_axis", "column_axis", "row_labels", "column_labels", "note", "values", "caption"],
)
def test_long_labels_are_shown_in_full(label, where):
    values = (label,) if where == "values" else ()
    tiles = ((Tile(plain("red"), label if where == "note" else "", values=values), Tile(plain("blue"))),)
    changes = {"row_labels": {"row_labels": (label,)}, "column_labels": {"column_labels": ("0", label)}}
    changes |= {"note": {}, "values": {}, "caption": {"beside": (Beside(label, plain("green")),)}}
    drawn = draw_page(page(tiles, **changes.get(where, {where: label})), SMALL)
    assert bare(label) in [bare("".join(text.lines)) for text in drawn.texts]


def test_values_stand_on_lines_of_their_own_at_the_same_height_along_a_row():
    values = [tuple(f"score {n} {v}" for n in "abcde") for v in ("0.5", "12300")]
    tiles = ((Tile(plain("red"), "a note", values=values[0]), Tile(plain("blue"), "b note", values=values[1])),)
    look = dataclasses.replace(SMALL, cell=240)
    drawn = draw_page(page(tiles), look)
    at = {text.lines: text.box for text in drawn.texts}
    first, second = at[("a note", *values[0])], at[("b note", *values[1])]
    assert (first[1], first[3]) == (second[1], second[3])
    assert first[1] > drawn.boxes[0][0][3]
    assert first[3] - first[1] > 5 * look.note * 1.3, "six lines are not set smaller than one"


def test_what_is_not_shown_for_a_cell_that_failed():
    drawn = draw_page(
        page(((Tile(None, "why", "failed", ("ssim –",)), Tile(plain("red"), values=("ssim 1",))),)), SMALL
    )
    assert [text.lines for text in drawn.texts if "ssim" in text.lines[0]] == [("ssim 1",)]


def test_words_are_broken_only_where_they_do_not_fit():
    drawn = draw_page(page(grid(1, 2), column_labels=("centered gram", "relu4_1")), SMALL)
    lines = [text.lines for text in drawn.texts]
    assert ("centered", "gram") in lines or ("centered gram",) in lines
    assert ("relu4_1",) in lines


def test_pictures_appear_at_their_boxes():
    drawn = draw_page(page(grid(3, 4), beside=(Beside("content: x", plain("#123456")),)), SMALL)
    for row, column in itertools.product(range(3), range(4)):
        tile = drawn.image.crop(drawn.boxes[row][column])
        assert tile.size == (120, 90)
        assert tile.getcolors() == [(120 * 90, color_of(row, column))]
    assert drawn.image.crop(drawn.beside_boxes[0]).getcolors() == [(120 * 90, (0x12, 0x34, 0x56))]


def test_rows_and_columns_line_up_with_their_labels():
    drawn = draw_page(page(grid(2, 3), row_labels=("r0", "r1"), column_labels=("c0", "c1", "c2")), SMALL)
    at = {text.lines: text.box for text in drawn.texts}
    for column in range(3):
        label, box = at[(f"c{column}",)], drawn.boxes[0][column]
        assert abs(label[0] + label[2] - box[0] - box[2]) <= 2
        assert label[3] <= box[1]
    for row in range(2):
        label, box = at[(f"r{row}",)], drawn.boxes[row][0]
        assert abs(label[1] + label[3] - box[1] - box[3]) <= 2
        assert label[2] <= box[0]
    assert at[("seed",)][2] <= at[("r0",)][0]
    assert at[("style_weight",)][3] <= at[("c0",)][1]


def test_a_picture_that_cannot_be_opened_costs_its_tile_only():
    def broken():
        raise PictureError("renders/x.png is truncated")

    whole = grid(2, 3)
    hurt = (whole[0], (whole[1][0], Tile(broken), whole[1][2]))
    good, bad = draw_page(page(whole), SMALL), draw_page(page(hurt), SMALL)
    for row, column in itertools.product(range(2), range(3)):
        same = good.image.crop(good.boxes[row][column]).tobytes() == bad.image.crop(bad.boxes[row][column]).tobytes()
        assert same == ((row, column) != (1, 1))
    said = [" ".join(text.lines) for text in bad.texts if inside(text.box, bad.boxes[1][1])]
    assert said == ["failed", "renders/x.png is truncated"]


@pytest.mark.parametrize(
    "error", [FileNotFoundError(2, "No such file or directory", "/home/me/x.png"), OSError("bad '/home/me/x.png'")]
)
def test_reasons_name_no_folder(error):
    def broken():
        raise error

    drawn = draw_page(page(((Tile(broken),),)))
    assert "failed" in [" ".join(text.lines) for text in drawn.texts]
    assert "home" not in " ".join(" ".join(text.lines) for text in drawn.texts)


def test_very_long_reasons_end_in_an_ellipsis_inside_the_tile():
    drawn = draw_page(page(((Tile(None, "reason " * 300, "failed"), Tile(plain("red"))),)), SMALL)
    said = [text.lines for text in drawn.texts if inside(text.box, drawn.boxes[0][0])]
    assert said[0] == ("failed",)
    assert said[1][-1].endswith("…")


def test_missing_and_failed_tiles_say_so():
    tiles = ((Tile(None, "not rendered yet", "missing"), Tile(None, "", "failed"), Tile(None)),)
    drawn = draw_page(page(tiles))
    inner = [[text.lines[0] for text in drawn.texts if inside(text.box, box)] for box in drawn.boxes[0]]
    assert inner == [["missing", "not rendered yet"], ["failed"], ["missing"]]


def test_without_axes_there_is_only_the_title():
    drawn = draw_page(page(grid(1, 1), row_axis="", column_axis="", row_labels=("",), column_labels=()), SMALL)
    assert [text.lines for text in drawn.texts] == [("a subtitle",), ("a title",)]
    assert drawn.boxes[0][0][0] == SMALL.margin


def test_pictures_are_opened_once_and_closed(tmp_path):
    path, opened = tmp_path / "x.png", []
    Image.new("RGB", (50, 50), "red").save(path)

    def picture():
        opened.append(Image.open(path))
        return opened[-1]

    draw_page(page(((Tile(picture),),)))
    assert len(opened) == 1
    assert opened[0].fp is None


def test_small_pictures_are_not_enlarged_and_pictures_of_one_grid_are_shown_equally_large():
    sizes = [[box[2] - box[0] for box in draw_page(page(grid(1, 2, (s, s)))).boxes[0]] for s in (200, 320, 900)]
    assert sizes == [[200, 200], [320, 320], [320, 320]]
    tiles = ((Tile(plain("red", (128, 96))), Tile(plain("red", (256, 192)))),)
    assert [box[2] - box[0] for box in draw_page(page(tiles)).boxes[0]] == [256, 256]


def test_transparent_deep_and_turned_pictures():
    clear = Image.new("RGBA", (120, 90), (255, 0, 0, 0))
    clear.paste((255, 0, 0, 255), (0, 0, 60, 90))
    turned = Image.new("RGB", (120, 60), "blue")
    turned.getexif()[0x0112] = 6  # a camera held upright
    deep = Image.new("I;16", (120, 90), 128 * 257)
    drawn = draw_page(page(((Tile(lambda: clear), Tile(lambda: turned), Tile(lambda: deep)),)), SMALL)
    alpha, upright, grey = (drawn.image.crop(box) for box in drawn.boxes[0])
    assert alpha.getpixel((30, 45)) == (255, 0, 0)
    assert min(ImageStat.Stat(alpha.crop((62, 0, 120, 90))).extrema[0]) > 230
    assert upright.size == (60, 120)
    assert grey.getcolors() == [(120 * 90, (128, 128, 128))]


@pytest.mark.parametrize("seed", range(25))
def test_pages_within_the_limit_stay_under_the_cap(seed):
    rng = random.Random(seed)
    look = dataclasses.replace(SMALL, max_pixels=rng.choice([1_500_000, 4_000_000]), max_side=3_000)
    rows, columns = rng.randint(1, 40), rng.randint(1, 40)
    shapes = [[(120, 90), (120, 120)], [(120, 90), (90, 120)], [(30, 120)], [(120, 20)]][seed % 4]
    values = (("sliced wasserstein 1.23e-05",) * 9, ("ssim 0.8", "loss 3"), (), ())[seed % 4]
    tile = Tile(plain("navy", rng.choice(shapes)), rng.choice(["", "final loss 1.0e4", "n" * 150]), values=values)
    whole = page(
        ((tile,) * columns,) * rows,
        title="a title " * rng.randint(1, 10),
        row_labels=tuple("r" * rng.randint(0, 30) for _ in range(rows)),
        column_labels=tuple("w" * rng.randint(0, 30) for _ in range(columns)),
        beside=(Beside("content: " + "x" * 40, plain("red")),) * rng.randint(0, 2),
    )
    down, across = grid_limit(whole, look)
    assert (1, 1) <= (down, across) <= (rows, columns)
    part = dataclasses.replace(
        whole,
        tiles=tuple(row[:across] for row in whole.tiles[:down]),
        rows=(whole.rows[0][:down],),
        columns=(whole.columns[0][:across],),
    )
    image = draw_page(part, look).image
    assert image.width * image.height <= look.max_pixels
    assert max(image.size) <= look.max_side


def test_the_limit_uses_the_room_and_shares_the_grid_evenly():
    assert grid_limit(page(grid(3, 4))) == (3, 4)
    down, across = grid_limit(page(((Tile(None),) * 100,) * 100))
    assert 150 <= down * across <= 400
    assert min(down, across) >= 10
    whole = page(((Tile(None),) * 18,) * 2)
    assert grid_limit(whole, Look(max_side=17 * 338 + 400)) == (2, 9)


@pytest.mark.parametrize(
    "changes",
    [
        {"tiles": ()},
        {"tiles": ((),)},
        {"rows": ((Heading("a"), Heading("b")),)},
        {"columns": ((Heading("a"),),)},
        {"columns": ((Heading("a", 3),), (Heading("a"), Heading("b")))},
        {"columns": ((Heading("a", 2), Heading("b", 0)),)},
    ],
)
def test_labels_that_do_not_match_the_tiles_are_refused(changes):
    with pytest.raises(ValueError):
        draw_page(dataclasses.replace(page(grid(1, 2)), **changes))
