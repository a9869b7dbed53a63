"""Frames of a clip, drawn at twice their size and then reduced, which makes edges smooth."""

import itertools

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from misc.demo.clips import Clip
from misc.demo.places import draw_place, shade

WIDTH, HEIGHT, FRAMES, RATE = 160, 120, 16, 8
SCALE = 2
COLORS = {
    "red": (214, 39, 40),
    "orange": (255, 136, 0),
    "yellow": (250, 218, 40),
    "green": (40, 160, 60),
    "blue": (40, 80, 220),
    "purple": (130, 50, 170),
    "pink": (255, 120, 200),
    "brown": (110, 60, 25),
    "white": (248, 248, 248),
    "black": (20, 20, 24),
}
HAIRS = {"dark": (45, 30, 25), "blond": (240, 215, 110), "ginger": (190, 75, 20), "grey": (160, 160, 165)}
SKINS = ((241, 205, 175), (214, 165, 125), (160, 112, 80))
RADII = {"small": 13, "large": 21}


def draw_frames(clip: Clip) -> list[np.ndarray]:
    """Return the frames of a clip, (HEIGHT, WIDTH, 3) uint8 each."""
    rng = clip.rng(0)
    background = draw_place(clip.place, rng, (WIDTH * SCALE, HEIGHT * SCALE))
    foreground = Image.new("RGBA", background.size)
    person_left = rng.random() < 0.5
    if clip.hair:
        _draw_person(foreground, clip, rng, person_left)
    if clip.word:
        _draw_sign(foreground, clip.word, rng)
    color = shade(rng, COLORS[clip.color], scale=10)
    frames = []
    for x, y, radius, angle in _trajectory(clip, rng):
        frame = background.copy()
        _draw_object(frame, clip, color, (x * SCALE, y * SCALE), radius * SCALE, angle)
        frame.paste(foreground, mask=foreground)
        frames.append(np.asarray(frame.reduce(SCALE)))
    return frames


def _trajectory(clip: Clip, rng: np.random.Generator) -> np.ndarray:
    """Return center, radius and angle of the object in each frame: (FRAMES, 4), pixels and radians."""
    t = np.arange(FRAMES) / (FRAMES - 1)
    x0, y0 = rng.uniform(0.38, 0.62) * WIDTH, rng.uniform(0.4, 0.6) * HEIGHT
    x, y = np.full(FRAMES, x0), np.full(FRAMES, y0)
    radius = np.full(FRAMES, float(RADII[clip.size]))
    angle = np.full(FRAMES, rng.uniform(-0.25, 0.25))
    reach, phase = rng.uniform(0.28, 0.36), rng.uniform(0, 2 * np.pi)
    match clip.motion:
        case "right":
            x += (2 * t - 1) * reach * WIDTH
        case "left":
            x -= (2 * t - 1) * reach * WIDTH
        case "rise":
            y -= (2 * t - 1) * reach * HEIGHT
        case "fall":
            y += (2 * t - 1) * reach * HEIGHT
        case "bounce":
            y += reach * HEIGHT * (0.8 - 1.6 * np.abs(np.sin(2 * np.pi * t + phase)))
        case "spin":
            angle += rng.choice([-1, 1]) * 2 * np.pi * t * rng.uniform(0.8, 1.2)
        case "grow":
            radius *= 0.5 + t
        case "shrink":
            radius *= 1.5 - t
        case "shake":
            x += 6 * np.sin(2 * np.pi * 4 * t + phase)
        case "circle":
            turn = 2 * np.pi * t + phase
            x += reach * 0.8 * HEIGHT * np.cos(turn)
            y += reach * 0.8 * HEIGHT * np.sin(turn)
    return np.stack([x, y, radius, angle], axis=1)


def _outline(shape: str) -> np.ndarray:
    """Return the corners of a shape of radius 1 around the origin: (N, 2)."""
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    round_ = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    match shape:
        case "square":
            return np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 0.85
        case "triangle":
            return np.array([[0, -1.1], [1.05, 0.8], [-1.05, 0.8]])
        case "star":
            points = np.linspace(0, 2 * np.pi, 10, endpoint=False) - np.pi / 2
            return np.stack([np.cos(points), np.sin(points)], axis=1) * np.tile([1.15, 0.48], 5)[:, None]
        case "heart":
            x = 16 * np.sin(turn) ** 3
            y = 13 * np.cos(turn) - 5 * np.cos(2 * turn) - 2 * np.cos(3 * turn) - np.cos(4 * turn)
            return np.stack([x, -y], axis=1) / 16
        case "cross":
            arm = 0.36
            corner = [[-arm, -1], [arm, -1], [arm, -arm], [1, -arm], [1, arm], [arm, arm]]
            return np.array(corner + [[-x, -y] for x, y in corner])
        case "crescent":
            outer = round_[np.abs(turn - np.pi) < np.pi - 0.75]
            return np.concatenate([outer, outer[::-1] * [0.62, 0.92] + [0.3, 0]])
        case _:
            return round_  # disc and ring


def _draw_object(
    frame: Image.Image, clip: Clip, color: tuple[int, int, int], center: tuple[float, float], radius: float, angle: float
) -> None:
    """Draw the moving object, with an edge that contrasts with its color, and a texture that moves and grows with it."""
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def to_frame(points: np.ndarray) -> list[float]:
        """Return the positions of points of the object as x, y, x, y..."""
        return (points @ turned.T * radius + center).ravel().tolist()

    fill = Image.new("RGB", frame.size, color)
    towards, share = (255, 0.45) if sum(color) < 330 else (0, 0.4)
    lighter_or_darker = tuple(round((1 - share) * x + share * towards) for x in color)
    steps = np.arange(-1.2, 1.3, 0.6)
    if clip.texture == "striped":
        for x in steps:
            ends = to_frame(np.array([[x, -1.3], [x, 1.3]]))
            ImageDraw.Draw(fill).line(ends, fill=lighter_or_darker, width=max(2, round(0.26 * radius)))
    if clip.texture == "dotted":
        for spot in itertools.product(steps, steps):
            ImageDraw.Draw(fill).circle(to_frame(np.array(spot)), 0.16 * radius, fill=lighter_or_darker)

    corners = to_frame(_outline(clip.shape))
    mask = Image.new("L", frame.size)
    ImageDraw.Draw(mask).polygon(corners, fill=255)
    edges = [corners]
    if clip.shape == "ring":
        hole = (_outline("disc") * radius * 0.5 + center).ravel().tolist()
        ImageDraw.Draw(mask).polygon(hole, fill=0)
        edges.append(hole)
    frame.paste(fill, mask=mask)
    ink = (235, 235, 235) if sum(color) < 240 else (25, 25, 25)
    for edge in edges:
        ImageDraw.Draw(frame).line([*edge, *edge[:2]], fill=ink, width=3, joint="curve")


def _draw_sign(image: Image.Image, word: str, rng: np.random.Generator) -> None:
    """Draw a board with a word near the top."""
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=15 * SCALE)
    width = pen.textlength(word, font=font) + 12 * SCALE
    left = rng.uniform(4 * SCALE, image.width - width - 4 * SCALE)
    top = rng.uniform(3, 8) * SCALE
    board = [left, top, left + width, top + 22 * SCALE]
    pen.rounded_rectangle(board, radius=6, fill=(252, 252, 244), outline=(60, 60, 60), width=3)
    pen.text((left + width / 2, top + 11 * SCALE), word, font=font, fill=(20, 20, 20), anchor="mm")


def _draw_person(image: Image.Image, clip: Clip, rng: np.random.Generator, left: bool) -> None:
    """Draw head and shoulders in a lower corner."""
    pen = ImageDraw.Draw(image)
    skin = SKINS[rng.integers(len(SKINS))]
    x = rng.uniform(26, 32) * SCALE
    x = x if left else image.width - x
    y = rng.uniform(80, 86) * SCALE
    w, h = 18 * SCALE, 23 * SCALE
    shirt = tuple(rng.integers(40, 200, 3).tolist())
    pen.ellipse([x - 1.7 * w, y + 0.85 * h, x + 1.7 * w, y + 3.2 * h], fill=shirt)
    pen.ellipse([x - 1.15 * w, y - 1.2 * h, x + 1.15 * w, y + 0.75 * h], fill=HAIRS[clip.hair])
    pen.ellipse([x - w, y - 0.85 * h, x + w, y + h], fill=skin)
    ink = (25, 20, 20)
    for side in (-1, 1):
        eye = (x + side * 0.42 * w, y - 0.1 * h)
        pen.circle(eye, 5, fill=ink)
        if clip.glasses:
            pen.circle(eye, 13, outline=ink, width=4)
    if clip.glasses:
        pen.line([x - 3, y - 0.1 * h, x + 3, y - 0.1 * h], fill=ink, width=4)
    if clip.smiling:
        pen.chord([x - 0.5 * w, y + 0.1 * h, x + 0.5 * w, y + 0.72 * h], 5, 175, fill=(160, 30, 40))
    else:
        pen.arc([x - 0.45 * w, y + 0.48 * h, x + 0.45 * w, y + 1.0 * h], 195, 345, fill=ink, width=5)
    if clip.hat:
        brim, crown = y - 0.55 * h, y - 1.5 * h
        color = tuple(rng.choice([[150, 20, 50], [30, 60, 130], [30, 100, 70]]).tolist())
        pen.rounded_rectangle([x - 0.9 * w, crown, x + 0.9 * w, brim], radius=10, fill=color)
        pen.rounded_rectangle([x - 1.5 * w, brim - 7, x + 1.5 * w, brim + 7], radius=7, fill=color)
