"""Features of a decoded clip, computed only from its frames (T, H, W, 3) uint8 and its sound (float32 samples); of words."""

from collections.abc import Iterable

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.signal import stft

from misc.extractors.image_statistics import ORIENTATIONS, color_grid, color_histogram, edge_histograms, to_hsv

CROP = 24  # pixels, the side of the square to which the moving object is scaled
RIDGE = 1e-5  # keeps the optical flow small in uniform regions
MOVING = 28  # of 255: minimum difference of a moving pixel from the background
SKIN = {"hue": (0.03, 0.12), "saturation": (0.2, 0.56), "value": (0.5, 1.0)}
FACE_WIDTH = (18, 80)  # pixels, minimum and maximum
MELS = 32


def rgb(frames: np.ndarray) -> np.ndarray:
    """Return colors and gradients of the moving object, scaled to a square, in every other frame: (T / 2, d)."""
    background = _background(frames)
    features = []
    for frame in frames[::2]:
        moving = ndimage.binary_opening(np.abs(frame.astype(np.int16) - background).max(axis=-1) > MOVING)
        box = _box(moving)
        size = np.array([box[2] - box[0], box[3] - box[1]]) / frame.shape[:2]
        crop = _crop(frame, box)
        edges = edge_histograms(crop.mean(axis=-1), 4)
        middle = crop[CROP // 4 : -CROP // 4, CROP // 4 : -CROP // 4]
        features.append(np.concatenate([color_grid(crop, 4), color_histogram(middle), color_histogram(crop), edges, size]))
    return np.stack(features)


def scene(frames: np.ndarray) -> np.ndarray:
    """Return colors and gradients of the background in bands and cells: (d,)."""
    background = _background(frames)
    return np.concatenate(
        [color_grid(background, 6), color_histogram(background), edge_histograms(background.mean(axis=-1), 6)]
    )


def flow(frames: np.ndarray) -> np.ndarray:
    """Return histograms and moments of the optical flow (Lucas and Kanade, 1981) between frames: (T - 1, d)."""
    gray = frames.mean(axis=-1, dtype=np.float32) / 255
    gray = ndimage.gaussian_filter(gray, (0, 2, 2))[:, ::2, ::2]  # (T, H/2, W/2)
    dt = np.diff(gray, axis=0)
    dy, dx = np.gradient((gray[1:] + gray[:-1]) / 2, axis=(1, 2))
    xx, yy, xy, xt, yt = (
        ndimage.uniform_filter(product, (0, 9, 9)) for product in (dx * dx, dy * dy, dx * dy, dx * dt, dy * dt)
    )
    xx, yy = xx + RIDGE, yy + RIDGE  # for a straight edge, this gives the flow across it
    determinant = xx * yy - xy**2
    u, v = (xy * yt - yy * xt) / determinant, (xy * xt - xx * yt) / determinant  # pixels of the halved frame
    weight = np.abs(dt)
    weight /= weight.sum(axis=(1, 2), keepdims=True) + 1e-6
    rows, columns = np.mgrid[: u.shape[1], : u.shape[2]]
    features = []
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
        features.append(np.concatenate([histogram, moments]))
    return np.stack(features)


def face(frames: np.ndarray) -> np.ndarray | None:
    """Return colors and gradients of the face in each of four frames, (4, d); None if one of them has no face.

    A face is the largest patch of skin with the shape of a head.
    """
    features = []
    for frame in frames[:: len(frames) // 4]:
        box = _find_face(frame)
        if box is None:
            return None
        crop = _crop(frame, box)
        features.append(np.concatenate([color_grid(crop, 8), edge_histograms(crop.mean(axis=-1), 6)]))
    return np.stack(features)


def audio(sound: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return log-mel energies of windows of a tenth of a second: (windows, MELS)."""
    window = sample_rate // 10
    frequencies, _, spectrum = stft(sound, sample_rate, nperseg=window, noverlap=0, boundary=None)
    mel = 2595 * np.log10(1 + frequencies / 700)
    centers = np.linspace(0, mel[-1], MELS + 2)
    weights = np.maximum(0, 1 - np.abs(mel - centers[1:-1, None]) / centers[1])  # triangles: (MELS, F)
    return np.log(weights @ np.abs(spectrum) ** 2 + 1e-8).T


def word_vectors(texts: Iterable[list[str]], dim: int) -> dict[str, np.ndarray]:
    """Return word -> vector (dim,) of length 1, by singular value decomposition of positive pointwise mutual information.

    Words are similar if they occur in the same texts (Levy, Goldberg: Neural Word Embedding as Implicit Matrix
    Factorization, 2014, with the whole text as the window). `texts` has all words of each video, and `dim` is at most the
    number of different words. The vector of a word that is in every text is zero.
    """
    texts = [set(text) for text in texts]
    index = {word: i for i, word in enumerate(sorted(set().union(*texts)))}
    occurs = np.zeros((len(texts), len(index)))
    for row, text in enumerate(texts):
        occurs[row, [index[word] for word in text]] = 1
    joint = occurs.T @ occurs  # number of texts with both words
    counts = occurs.sum(axis=0)
    information = np.log(np.maximum(joint, 1e-12) * len(texts) / np.outer(counts, counts)).clip(min=0)
    left, values, _ = np.linalg.svd(information)
    vectors = left[:, :dim] * np.sqrt(values[:dim])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-6)
    return {word: vectors[i] for word, i in index.items()}


def word_features(words: list[str], vectors: dict[str, np.ndarray]) -> np.ndarray | None:
    """Return the vectors (words, d) of written or spoken words, None if no word has a vector."""
    known = [vectors[word] for word in words if word in vectors]
    return np.stack(known) if known else None


def _background(frames: np.ndarray) -> np.ndarray:
    """Return the median over time: (H, W, 3) uint8."""
    return np.sort(frames, axis=0)[len(frames) // 2]


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Return top, left, bottom and right of the true pixels without outliers, or of the whole mask if no pixel is true."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return 0, 0, *mask.shape
    top, bottom = np.quantile(rows, [0.01, 0.99]).astype(int)
    left, right = np.quantile(columns, [0.01, 0.99]).astype(int)
    return top, left, max(bottom, top + 4), max(right, left + 4)


def _crop(frame: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """Return a box of a frame, scaled to (CROP, CROP, 3)."""
    top, left, bottom, right = box
    return np.asarray(Image.fromarray(frame).resize((CROP, CROP), Image.Resampling.BILINEAR, (left, top, right, bottom)))


def _find_face(frame: np.ndarray) -> tuple[int, int, int, int] | None:
    """Return the box of the head around a patch of skin with holes for the eyes; None if there is no such patch."""
    masks = [(low <= x) & (x <= high) for x, (low, high) in zip(to_hsv(frame), SKIN.values(), strict=True)]
    patches, count = ndimage.label(ndimage.binary_opening(np.logical_and.reduce(masks)))
    face, largest = None, 0
    for patch, (rows, columns) in enumerate(ndimage.find_objects(patches, count), 1):
        mask = patches[rows, columns] == patch
        height, width = mask.shape
        filled = ndimage.binary_fill_holes(mask)
        holes = filled.sum() - mask.sum()
        is_head = FACE_WIDTH[0] <= width <= FACE_WIDTH[1] and 0.5 < width / height < 1.7 and filled.mean() > 0.42
        if is_head and holes > 15 and filled.sum() > largest:
            largest = filled.sum()
            top, left, right = max(0, rows.start - height // 2), max(0, columns.start - 4), columns.stop + 4
            face = top, left, rows.stop, min(frame.shape[1], right)
    return face
