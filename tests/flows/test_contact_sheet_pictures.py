"""Pictures on contact sheets: shown in the colours that their profile means, and a panel of any size for the others."""

import io

import pytest
from PIL import Image, ImageCms

from flows.contact_sheet import Beside, Look, Page, Tile, draw_page

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# The primaries of red and green exchanged in the table of tags (ICC.1:2010, 7.3): red pixels mean green.
EXCHANGED = SRGB.replace(b"rXYZ", b"----").replace(b"gXYZ", b"rXYZ").replace(b"----", b"gXYZ")


def stored(mode, color, kind, profile):
    data = io.BytesIO()
    Image.new("RGBA", (60, 40), color).convert(mode).save(data, kind, icc_profile=profile)
    return lambda: Image.open(io.BytesIO(data.getvalue()))


def drawn_pixel(picture):
    """The middle of a picture in the grid, which is also shown beside it."""
    page = Page("", "", "", (), "", (), ((Tile(picture),),), (Beside("", picture),))
    drawn = draw_page(page, Look(cell=60))
    inside, beside = (
        drawn.image.getpixel(((box[0] + box[2]) // 2, (box[1] + box[3]) // 2))
        for box in (drawn.boxes[0][0], drawn.beside_boxes[0])
    )
    assert inside == beside
    return inside


@pytest.mark.parametrize(("mode", "kind"), [("RGB", "png"), ("RGBA", "png"), ("P", "png"), ("RGB", "jpeg")])
def test_colour_profiles_are_followed(mode, kind):
    near = pytest.approx((0, 255, 0), abs=3)
    assert drawn_pixel(stored(mode, "#ff0000", kind, EXCHANGED)) == near
    assert drawn_pixel(stored(mode, "#00ff00", kind, SRGB)) == near


def test_what_is_transparent_stays_so():
    assert min(drawn_pixel(stored("RGBA", (255, 0, 0, 0), "png", EXCHANGED))) > 230


@pytest.mark.parametrize("profile", [b"garbage", EXCHANGED[:200]])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_broken_profiles_are_ignored(mode, profile):
    assert drawn_pixel(stored(mode, "#808080", "png", profile)) == (128, 128, 128)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_profiles_for_other_colours_are_ignored(mode):
    assert drawn_pixel(stored(mode, "#ffffff", "tiff", EXCHANGED)) == (255, 255, 255)


@pytest.mark.parametrize("side", [1, 8, 20, 40, 60])
def test_panels_too_small_for_their_reason_are_drawn(side):
    page = Page("", "", "", (), "", (), ((Tile(None, "not rendered yet", "missing"),),))
    drawn = draw_page(page, Look(cell=side, narrowest=side))
    left, top, right, bottom = drawn.boxes[0][0]
    assert (right - left, bottom - top) == (side, side)
    for text in drawn.texts:
        assert text.box[1] >= top
        assert text.box[3] <= bottom
