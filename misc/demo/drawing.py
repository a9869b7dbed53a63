"""Frames of a clip, drawn at twice their size and then reduced, which makes edges smooth."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from misc.demo.clips import COLORS, HAIRS, SKINS, Clip
from misc.demo.places import PAINTERS, shade

WIDTH, HEIGHT, FRAMES, RATE = 160, 120, 16, 8
SCALE = 2
RADII = {"small": 13, "large": 21}


def draw_frames(clip: Clip) -> list[np.ndarray]:
    """Return the frames of a clip, (HEIGHT, WIDTH, 3) uint8 each."""
    rng = clip.rng(0)
    background = PAINTERS[clip.place](rng, (WIDTH * SCALE, HEIGHT * SCALE))
    foreground = Image.new("RGBA", background.size)
    person_left = bool(rng.random() < 0.5)
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
            outer = round_[np.abs(np.angle(round_[:, 0] + 1j * round_[:, 1])) > 0.75]
            outer = outer[np.argsort(np.angle(outer[:, 0] + 1j * outer[:, 1]) % (2 * np.pi))]
            inner = outer[::-1] * [0.62, 0.92] + [0.3, 0]
            return np.concatenate([outer, inner])
        case _:
            return round_  # disc and ring


def _draw_object(
    frame: Image.Image, clip: Clip, color: tuple[int, int, int], center: tuple[float, float], radius: float, angle: float
) -> None:
    """Draw the moving object, with an edge that contrasts with its color."""
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = [tuple(p) for p in _outline(clip.shape) @ turned.T * radius + center]
    mask = Image.new("L", frame.size)
    ImageDraw.Draw(mask).polygon(corners, fill=255)
    fill = Image.new("RGB", frame.size, color)
    _draw_texture(fill, clip.texture, color, center, radius, turned)
    dark = sum(color) < 240
    edge = (235, 235, 235) if dark else (25, 25, 25)
    hole = [tuple(p) for p in _outline("disc") * radius * 0.5 + center]
    if clip.shape == "ring":
        ImageDraw.Draw(mask).polygon(hole, fill=0)
    frame.paste(fill, mask=mask)
    pen = ImageDraw.Draw(frame)
    pen.line([*corners, corners[0]], fill=edge, width=3, joint="curve")
    if clip.shape == "ring":
        pen.line([*hole, hole[0]], fill=edge, width=3, joint="curve")


def _draw_texture(
    fill: Image.Image,
    texture: str,
    color: tuple[int, int, int],
    center: tuple[float, float],
    radius: float,
    turned: np.ndarray,
) -> None:
    """Draw stripes or dots, lighter or darker than the color, that rotate and grow with the object."""
    if texture == "plain":
        return
    towards, share = (255, 0.45) if sum(color) < 330 else (0, 0.4)
    other = tuple(round((1 - share) * x + share * towards) for x in color)
    pen = ImageDraw.Draw(fill)
    steps = np.arange(-1.2, 1.3, 0.6)
    if texture == "striped":
        for offset in steps:
            ends = np.array([[offset, -1.3], [offset, 1.3]]) @ turned.T * radius + center
            pen.line([tuple(p) for p in ends], fill=other, width=max(2, round(0.26 * radius)))
        return
    for spot in np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) @ turned.T * radius + center:
        r = 0.16 * radius
        pen.ellipse([*(spot - r), *(spot + r)], fill=other)


def _draw_sign(image: Image.Image, word: str, rng: np.random.Generator) -> None:
    """Draw a board with a word near the top."""
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=15 * SCALE)
    width = pen.textlength(word, font=font) + 12 * SCALE
    left = rng.uniform(4 * SCALE, image.width - width - 4 * SCALE)
    top = rng.uniform(3, 8) * SCALE
    board = [left, top, left + width, top + 22 * SCALE]
    pen.rounded_rectangle(board, radius=6, fill=(252, 252, 244, 255), outline=(60, 60, 60, 255), width=3)
    pen.text((left + width / 2, top + 11 * SCALE), word, font=font, fill=(20, 20, 20, 255), anchor="mm")


def _draw_person(image: Image.Image, clip: Clip, rng: np.random.Generator, left: bool) -> None:
    """Draw head and shoulders in a lower corner."""
    pen = ImageDraw.Draw(image)
    skin, hair = (*SKINS[rng.integers(len(SKINS))], 255), (*HAIRS[clip.hair], 255)
    x = rng.uniform(26, 32) * SCALE
    x = x if left else image.width - x
    y = rng.uniform(80, 86) * SCALE
    w, h = 18 * SCALE, 23 * SCALE
    shirt = (*(int(v) for v in rng.integers(40, 200, 3)), 255)
    pen.ellipse([x - 1.7 * w, y + 0.85 * h, x + 1.7 * w, y + 3.2 * h], fill=shirt)
    pen.ellipse([x - 1.15 * w, y - 1.2 * h, x + 1.15 * w, y + 0.75 * h], fill=hair)
    pen.ellipse([x - w, y - 0.85 * h, x + w, y + h], fill=skin)
    ink = (25, 20, 20, 255)
    for side in (-1, 1):
        eye = (x + side * 0.42 * w, y - 0.1 * h)
        pen.ellipse([eye[0] - 5, eye[1] - 5, eye[0] + 5, eye[1] + 5], fill=ink)
        if clip.glasses:
            pen.ellipse([eye[0] - 13, eye[1] - 13, eye[0] + 13, eye[1] + 13], outline=ink, width=4)
    if clip.glasses:
        pen.line([x - 3, y - 0.1 * h, x + 3, y - 0.1 * h], fill=ink, width=4)
    if clip.smiling:
        pen.chord([x - 0.5 * w, y + 0.1 * h, x + 0.5 * w, y + 0.72 * h], 5, 175, fill=(160, 30, 40, 255))
    else:
        pen.arc([x - 0.45 * w, y + 0.48 * h, x + 0.45 * w, y + 1.0 * h], 195, 345, fill=ink, width=5)
    if clip.hat:
        brim, crown = y - 0.55 * h, y - 1.5 * h
        color = (*(int(v) for v in rng.choice([[150, 20, 50], [30, 60, 130], [30, 100, 70]])), 255)
        pen.rounded_rectangle([x - 0.9 * w, crown, x + 0.9 * w, brim], radius=10, fill=color)
        pen.rounded_rectangle([x - 1.5 * w, brim - 7, x + 1.5 * w, brim + 7], radius=7, fill=color)
