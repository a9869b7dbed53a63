"""Drawing of stamps on white."""

import io

import numpy as np
import pytest
from helpers.stamps import SVG, png
from PIL import Image

from misc.stamps import pictures
from misc.stamps.pictures import SIDE, draw_picture

WHITE = (255, 255, 255)


def box(picture):
    """Return the first and last row, and the first and last column, that are not white."""
    drawn = (picture != 255).any(axis=2)
    return tuple(int(x) for axis in (1, 0) for x in np.flatnonzero(drawn.any(axis=axis))[[0, -1]])


def test_a_wide_picture_fills_the_width_and_is_centered():
    picture = draw_picture("a.png", png((255, 0, 0, 255), (20, 10)))
    assert picture.shape == (SIDE, SIDE, 3) and picture.dtype == np.uint8
    assert box(picture) == (SIDE // 4, SIDE * 3 // 4 - 1, 0, SIDE - 1)
    assert tuple(picture[SIDE // 2, SIDE // 2]) == (255, 0, 0) and tuple(picture[0, 0]) == WHITE


def test_a_high_picture_fills_the_height():
    assert box(draw_picture("a.png", png((1, 2, 3, 255), (2, 640)))) == (0, SIDE - 1, SIDE // 2 - 1, SIDE // 2 - 1)


def test_an_svg_in_points_is_drawn():
    """resvg takes sizes in points or millimeters for zero unless it is told the resolution."""
    picture = draw_picture("a.svg", SVG.encode())
    assert box(picture) == (SIDE // 4, SIDE * 3 // 4 - 1, 0, SIDE - 1)
    assert tuple(picture[SIDE // 2, SIDE // 2]) == (0, 255, 0)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "RGB", "L", "P", "1", "I;16"])
def test_all_kinds_of_png_are_drawn(mode):
    file = io.BytesIO()
    Image.new("L", (8, 8), 0).convert(mode).save(file, "PNG")
    assert tuple(draw_picture("a.png", file.getvalue())[9, 9]) == (0, 0, 0)


def test_transparent_parts_are_white_and_half_transparent_ones_are_blended():
    image = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    image.paste((0, 0, 0, 128), (0, 0, SIDE // 2, SIDE))
    file = io.BytesIO()
    image.save(file, "PNG")
    picture = draw_picture("a.png", file.getvalue())
    assert abs(int(picture[9, 9, 0]) - 127) <= 1 and tuple(picture[9, -9]) == WHITE


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.png", png()[:40], "no PNG, or damaged"),
        ("a.png", png()[:60], "no PNG, or damaged"),
        ("a.png", b"", "no PNG, or damaged"),
        ("a.png", b"GIF89a", "no PNG, or damaged"),
        ("a.png", png((0, 0, 0, 0)), "nothing of it is visible"),
        ("a.svg", SVG.encode()[:80], "no SVG, or damaged"),
        ("a.svg", b"", "no SVG, or damaged"),
        ("a.svg", b"\xff\xfe\x00", "no SVG, or damaged"),
        ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="0" height="5"/>', "no SVG, or damaged"),
        ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="5" height="5"/>', "nothing of it is visible"),
    ],
)
def test_what_cannot_be_drawn_is_refused(name, content, reason):
    with pytest.raises(ValueError, match=reason) as refused:
        draw_picture(name, content)
    assert "\n" not in str(refused.value)


def test_too_many_pixels_are_refused(monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PIXELS", 199)
    with pytest.raises(ValueError, match="20 x 10 pixels, expected at most 199"):
        draw_picture("a.png", png())
    monkeypatch.setattr(pictures, "MAX_PIXELS", 200)
    draw_picture("a.png", png())


@pytest.mark.parametrize("size", [("3000000pt", "1pt"), ("1pt", "3000000pt"), ("3000000pt", "3000000pt")])
def test_an_svg_that_says_it_is_huge_is_small(size):
    text = SVG.replace("30pt", size[0]).replace("15pt", size[1])
    assert draw_picture("a.svg", text.encode()).shape == (SIDE, SIDE, 3)
