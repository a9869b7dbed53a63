"""Backgrounds of clips: eight places, with shades and details that differ between clips."""

import numpy as np
from PIL import Image, ImageDraw

Color = tuple[float, float, float]

SKIES = {  # colors at the top and at the bottom
    "meadow": ((110, 180, 240), (200, 230, 250)),
    "sea": ((150, 200, 235), (235, 240, 235)),
    "night": ((8, 10, 38), (40, 40, 90)),
    "desert": ((255, 190, 90), (255, 225, 140)),
    "snow": ((175, 195, 215), (225, 232, 240)),
    "city": ((95, 80, 130), (245, 165, 135)),
    "forest": ((25, 60, 35), (60, 105, 60)),
}


def shade(rng: np.random.Generator, color: Color, scale: float = 9) -> tuple[int, int, int]:
    """Return a color, slightly changed, so that it still has its name."""
    return tuple(int(x) for x in np.clip(np.array(color) + rng.normal(scale=scale, size=3), 0, 255))


def draw_place(place: str, rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Return the background of a clip; `size` is (width, height) in pixels."""
    width, height = size
    image = _sky(rng, size, *SKIES[place]) if place in SKIES else Image.new("RGB", size, (205, 195, 185))
    pen = ImageDraw.Draw(image)
    match place:
        case "meadow":
            _draw_hills(rng, image, 0.55, 0.06, (110, 180, 90))
            _draw_hills(rng, image, 0.7, 0.05, (80, 155, 65))
            for xy in rng.uniform((0, 0.75), (1, 1), (30, 2)) * size:
                pen.circle(xy, 3, fill=(250, 250, 210))
        case "sea":
            horizon = height * rng.uniform(0.45, 0.55)
            pen.rectangle([0, horizon, *size], fill=shade(rng, (20, 95, 150)))
            for row in np.arange(horizon + 10, height, 16):
                for x in np.arange(rng.uniform(-30, 0), width, 44):
                    pen.arc([x, row - 5, x + 30, row + 7], 200, 340, fill=(150, 205, 230), width=3)
        case "night":
            for xy in rng.uniform(0, 1, (70, 2)) * size:
                pen.circle(xy, rng.uniform(1, 2.6), fill=(255, 255, 225))
            _draw_hills(rng, image, 0.9, 0.04, (6, 8, 18))
        case "desert":
            _draw_hills(rng, image, 0.6, 0.07, (225, 140, 35))
            _draw_hills(rng, image, 0.76, 0.06, (200, 115, 20))
            for x in rng.uniform(0.1, 0.9, 2) * width:
                y, green = height * 0.72, shade(rng, (50, 110, 50))
                pen.rounded_rectangle([x - 6, y - 50, x + 6, y + 10], radius=6, fill=green)
                pen.rounded_rectangle([x - 24, y - 32, x + 22, y - 24], radius=4, fill=green)
                pen.rounded_rectangle([x + 14, y - 44, x + 22, y - 24], radius=4, fill=green)
        case "snow":
            _draw_hills(rng, image, 0.66, 0.04, (240, 245, 250))
            for x in rng.uniform(0, 1, 4) * width:
                y, green = height * rng.uniform(0.62, 0.7), shade(rng, (40, 85, 75))
                for k in range(3):
                    foot = y - 30 + 16 * k
                    pen.polygon([(x, y - 70 + 18 * k), (x - 14 - 6 * k, foot), (x + 14 + 6 * k, foot)], green)
            for xy in rng.uniform(0, 1, (60, 2)) * size:
                pen.circle(xy, 2.5, fill=(255, 255, 255))
        case "city":
            x = -10.0
            while x < width:
                front, top = rng.uniform(30, 60), height * rng.uniform(0.3, 0.65)
                pen.rectangle([x, top, x + front, height], fill=shade(rng, (60, 62, 80)))
                for wx in np.arange(x + 6, x + front - 8, 13):
                    for wy in np.arange(top + 8, height, 18):
                        light = (255, 225, 130) if rng.random() < 0.45 else (40, 42, 58)
                        pen.rectangle([wx, wy, wx + 6, wy + 9], fill=light)
                x += front + 3
        case "forest":
            for x in np.linspace(0, width, 9) + rng.uniform(-14, 14, 9):
                w = rng.uniform(7, 13)
                pen.rectangle([x - w, 0, x + w, height], fill=shade(rng, (70, 48, 34)))
            for x, y in rng.uniform((0, 0), (1, 0.3), (40, 2)) * size:
                pen.ellipse([x - 24, y - 16, x + 24, y + 16], fill=shade(rng, (35, 90, 45)))
            _draw_hills(rng, image, 0.88, 0.03, (45, 60, 25))
        case "wall":
            base = rng.normal(scale=9, size=3) + (165, 85, 70)  # of bricks of 42 x 18 pixels, with joints of 4
            for row, y in enumerate(range(0, height, 22)):
                for x in range(-23 * (row % 2), width, 46):
                    pen.rectangle([x, y, x + 42, y + 18], fill=shade(rng, base))
    return image


def _sky(rng: np.random.Generator, size: tuple[int, int], top: Color, bottom: Color) -> Image.Image:
    """Return a vertical gradient between two colors, slightly changed."""
    ends = np.array([top, bottom]) + rng.normal(scale=9, size=(2, 3))
    share = np.linspace(0, 1, size[1])[:, None]
    rows = np.clip(ends[0] * (1 - share) + ends[1] * share, 0, 255).astype(np.uint8)
    return Image.fromarray(np.repeat(rows[:, None], size[0], axis=1))


def _draw_hills(rng: np.random.Generator, image: Image.Image, base: float, height: float, color: Color) -> None:
    """Draw a wavy ground up to about `base` (share of the height from the top)."""
    x = np.arange(0, image.width + 8, 8)
    waves = sum(np.sin(x * rng.uniform(0.006, 0.02) + rng.uniform(0, 6)) for _ in range(2)) / 2
    y = image.height * (base + height * waves)
    corners = [(0, image.height), *zip(x.tolist(), y.tolist(), strict=True), (image.width, image.height)]
    ImageDraw.Draw(image).polygon(corners, fill=shade(rng, color))
