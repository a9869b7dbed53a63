"""Statistics of an image that need no network: colours, and edges, by place."""

import numpy as np
from PIL import Image
from scipy import ndimage

ORIENTATIONS = 8


def grid(image: np.ndarray, number: int) -> np.ndarray:
    """The mean colours, from 0 to 1, of `number` x `number` cells: (cells * 3,)."""
    return np.asarray(Image.fromarray(image).resize((number, number), Image.Resampling.BOX)).ravel() / 255


def colours(image: np.ndarray) -> np.ndarray:
    """The share of pixels of each of 12 hues, light and dark, and of 4 greys: (28,), as square roots."""
    hue, saturation, value = hsv(image)
    coloured = saturation * value > 0.15
    names = np.where(coloured, (hue * 12).astype(int) % 12 + 12 * (value < 0.55), 24 + (value * 3.99).astype(int))
    return np.sqrt(np.bincount(names.ravel(), minlength=28) / names.size)


def gradients(grey: np.ndarray, number: int) -> np.ndarray:
    """A histogram of the directions of edges in each of `number` x `number` cells: (cells * ORIENTATIONS,), of length 1."""
    dy, dx = np.gradient(ndimage.gaussian_filter(grey, 0.7))
    bins = ((np.arctan2(dy, dx) / np.pi * ORIENTATIONS).round() % ORIENTATIONS).astype(int)
    rows, columns = (np.arange(size) * number // size for size in grey.shape)
    cells = rows[:, None] * number + columns
    histograms = np.bincount((cells * ORIENTATIONS + bins).ravel(), np.hypot(dx, dy).ravel(), number**2 * ORIENTATIONS)
    return histograms / (np.linalg.norm(histograms) + 1e-6)


def hsv(image: np.ndarray) -> np.ndarray:
    """Hue, saturation and value of (..., 3) colours, each from 0 to 1: (3, ...)."""
    return np.moveaxis(np.asarray(Image.fromarray(image).convert("HSV")) / 255, -1, 0)
