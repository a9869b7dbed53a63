"""Statistics of the colors and edges of an image, computed without a network."""

import numpy as np
from PIL import Image
from scipy import ndimage

ORIENTATIONS = 8


def color_grid(image: np.ndarray, cells: int) -> np.ndarray:
    """Return the mean colors, from 0 to 1, of `cells` x `cells` cells: (cells² * 3,)."""
    return np.asarray(Image.fromarray(image).resize((cells, cells), Image.Resampling.BOX)).ravel() / 255


def color_histogram(image: np.ndarray) -> np.ndarray:
    """Return the share of pixels of each of 12 hues, light and dark, and of 4 grays, as square roots: (28,)."""
    hue, saturation, value = to_hsv(image)
    is_colored = saturation * value > 0.15
    bins = np.where(is_colored, (hue * 12).astype(int) % 12 + 12 * (value < 0.55), 24 + (value * 3.99).astype(int))
    return np.sqrt(np.bincount(bins.ravel(), minlength=28) / bins.size)


def edge_histograms(gray: np.ndarray, cells: int) -> np.ndarray:
    """Return histograms of edge directions in `cells` x `cells` cells, of length 1: (cells² * ORIENTATIONS,)."""
    dy, dx = np.gradient(ndimage.gaussian_filter(gray, 0.7))
    bins = ((np.arctan2(dy, dx) / np.pi * ORIENTATIONS).round() % ORIENTATIONS).astype(int)
    rows, columns = (np.arange(size) * cells // size for size in gray.shape)
    cell = rows[:, None] * cells + columns
    histograms = np.bincount((cell * ORIENTATIONS + bins).ravel(), np.hypot(dx, dy).ravel(), cells**2 * ORIENTATIONS)
    return histograms / (np.linalg.norm(histograms) + 1e-6)


def to_hsv(image: np.ndarray) -> np.ndarray:
    """Return hue, saturation and value of (..., 3) colors, each from 0 to 1: (3, ...)."""
    return np.moveaxis(np.asarray(Image.fromarray(image).convert("HSV")) / 255, -1, 0)
