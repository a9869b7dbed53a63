"""What experts see and hear in a decoded clip: nothing here knows what the clip was made to show.

Frames are (T, H, W, 3) uint8, sound is float32 samples. An expert that finds nothing of its kind returns None.
"""

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.signal import stft

from misc.extractors.statistics import ORIENTATIONS, colours, gradients, grid, hsv

CROP = 24  # pixels, the side of the square to which what moves is scaled
RIDGE = 1e-5  # keeps optical flow small where nothing can be seen of it
MOVING = 28  # of 255: how much a pixel that moves differs from the background
SKIN = {"hue": (0.03, 0.12), "saturation": (0.2, 0.56), "value": (0.5, 1.0)}
FACE_SIZE = (18, 80)  # pixels, least and most width
MELS = 32


def rgb(frames: np.ndarray) -> np.ndarray:
    """Colours and gradients of what moves, scaled to a square, in every other frame: (T / 2, d)."""
    behind = _background(frames)
    seen = []
    for frame in frames[::2]:
        moving = ndimage.binary_opening(np.abs(frame.astype(np.int16) - behind).max(axis=-1) > MOVING)
        box = _box(moving)
        size = np.array([box[2] - box[0], box[3] - box[1]]) / frame.shape[:2]
        crop = _scaled(frame, box)
        edges = gradients(crop.mean(axis=-1), 4)
        middle = crop[CROP // 4 : -CROP // 4, CROP // 4 : -CROP // 4]
        seen.append(np.concatenate([grid(crop, 4), colours(middle), colours(crop), edges, size]))
    return np.stack(seen)


def scene(frames: np.ndarray) -> np.ndarray:
    """Colours and gradients of the background in bands and cells: (d,)."""
    behind = _background(frames)
    return np.concatenate([grid(behind, 6), colours(behind), gradients(behind.mean(axis=-1), 6)])


def flow(frames: np.ndarray) -> np.ndarray:
    """Optical flow (Lucas and Kanade, 1981) between frames, as histograms and moments of what moves: (T - 1, d)."""
    grey = frames.mean(axis=-1, dtype=np.float32) / 255
    grey = ndimage.gaussian_filter(grey, (0, 2, 2))[:, ::2, ::2]  # (T, H/2, W/2)
    dt = np.diff(grey, axis=0)
    dy, dx = np.gradient((grey[1:] + grey[:-1]) / 2, axis=(1, 2))
    xx, yy, xy, xt, yt = (
        ndimage.uniform_filter(product, (0, 9, 9)) for product in (dx * dx, dy * dy, dx * dy, dx * dt, dy * dt)
    )
    xx, yy = xx + RIDGE, yy + RIDGE  # of a straight edge, the flow across it
    determinant = xx * yy - xy**2
    u, v = (xy * yt - yy * xt) / determinant, (xy * xt - xx * yt) / determinant  # pixels of the halved frame
    weight = np.abs(dt)
    weight /= weight.sum(axis=(1, 2), keepdims=True) + 1e-6
    rows, columns = np.mgrid[: u.shape[1], : u.shape[2]]
    seen = []
    for u_t, v_t, w_t in zip(u.clip(-8, 8), v.clip(-8, 8), weight, strict=True):
        x, y = columns - (columns * w_t).sum(), rows - (rows * w_t).sum()
        radius = np.sqrt((w_t * (x**2 + y**2)).sum()) + 1
        speed = np.hypot(u_t, v_t)
        bins = ((np.arctan2(v_t, u_t) / (2 * np.pi) * ORIENTATIONS).round() % ORIENTATIONS).astype(int)
        histogram = np.bincount(bins.ravel(), (w_t * speed).ravel(), ORIENTATIONS)
        u_0, v_0 = (w_t * u_t).sum(), (w_t * v_t).sum()
        spread = (w_t * (x * (u_t - u_0) + y * (v_t - v_0))).sum() / radius
        turn = (w_t * (x * (v_t - v_0) - y * (u_t - u_0))).sum() / radius
        moments = [u_0, v_0, spread, turn, abs(turn), (w_t * speed).sum()]
        seen.append(np.concatenate([histogram, moments]))
    return np.stack(seen)


def face(frames: np.ndarray) -> np.ndarray | None:
    """Colours and gradients around the largest patch of skin that is shaped like a head: (4, d).

    None unless there is one in each of four frames.
    """
    seen = []
    for frame in frames[:: len(frames) // 4]:
        box = _find_face(frame)
        if box is None:
            return None
        crop = _scaled(frame, box)
        seen.append(np.concatenate([grid(crop, 8), gradients(crop.mean(axis=-1), 6)]))
    return np.stack(seen)


def audio(sound: np.ndarray, sample_rate: int) -> np.ndarray:
    """Log-mel energies of windows of a tenth of a second: (windows, MELS)."""
    window = sample_rate // 10
    frequencies, _, spectrum = stft(sound, sample_rate, nperseg=window, noverlap=0, boundary=None)
    mel = 2595 * np.log10(1 + frequencies / 700)
    centres = np.linspace(0, mel[-1], MELS + 2)
    weights = np.maximum(0, 1 - np.abs(mel - centres[1:-1, None]) / centres[1])  # triangles: (MELS, F)
    return np.log(weights @ np.abs(spectrum) ** 2 + 1e-8).T


def words(text: list[str], vectors: dict[str, np.ndarray]) -> np.ndarray | None:
    """The vectors (words, d) of what was read or heard, None if no word is known; stands for a recogniser's output."""
    known = [vectors[word] for word in text if word in vectors]
    return np.stack(known) if known else None


def _background(frames: np.ndarray) -> np.ndarray:
    """What stays the same, the median over time: (H, W, 3) uint8."""
    return np.sort(frames, axis=0)[len(frames) // 2]


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of the true pixels, but for stray ones; of everything if there are none."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return 0, 0, *mask.shape
    top, bottom = np.quantile(rows, [0.01, 0.99]).astype(int)
    left, right = np.quantile(columns, [0.01, 0.99]).astype(int)
    return top, left, max(bottom, top + 4), max(right, left + 4)


def _scaled(frame: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """A part of a frame, scaled to (CROP, CROP, 3)."""
    top, left, bottom, right = box
    return np.asarray(Image.fromarray(frame).resize((CROP, CROP), Image.Resampling.BILINEAR, (left, top, right, bottom)))


def _find_face(frame: np.ndarray) -> tuple[int, int, int, int] | None:
    """The box of the head around a patch of skin with two eyes or more holes in it, or None."""
    masks = [(low <= x) & (x <= high) for x, (low, high) in zip(hsv(frame), SKIN.values(), strict=True)]
    patches, number = ndimage.label(ndimage.binary_opening(np.logical_and.reduce(masks)))
    best, most = None, 0
    for patch, (rows, columns) in enumerate(ndimage.find_objects(patches, number), 1):
        mask = patches[rows, columns] == patch
        height, width = mask.shape
        filled = ndimage.binary_fill_holes(mask)
        holes = filled.sum() - mask.sum()
        proper = FACE_SIZE[0] <= width <= FACE_SIZE[1] and 0.5 < width / height < 1.7 and filled.mean() > 0.42 and holes > 15
        if proper and filled.sum() > most:
            margin = height // 2
            most, best = filled.sum(), (rows.start - margin, columns.start - 4, rows.stop, columns.stop + 4)
    if best is None:
        return None
    return max(0, best[0]), max(0, best[1]), min(frame.shape[0], best[2]), min(frame.shape[1], best[3])
