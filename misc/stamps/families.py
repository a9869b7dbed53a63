"""Splits in which no stamp of the validation or test split has a twin."""

import hashlib
import re
from collections.abc import Mapping

import numpy as np
from PIL import Image
from scipy.sparse.csgraph import connected_components

from misc.stamps.items import Stamp

SIZES = {"test": 190, "val": 95}  # stamps; all others are for training
ARTICLES = {"a", "an", "the", "some"}
THUMBNAIL = 24  # pixels
WHITE = 250  # gray levels from which a pixel is background
# Correlation of two thumbnails from which they show the same drawing, perhaps in other colors or mirrored: chosen by eye.
SAME = 0.93


def split_stamps(stamps: Mapping[str, Stamp], twins: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the stamps of each split: `SIZES` of those without a twin, drawn by a hash of the id, and all others to train.

    `twins` is the result of `group_twins`.
    """
    order = sorted(stamps.keys() - twins.keys(), key=lambda name: hashlib.sha256(name.encode()).digest())
    splits = {}
    for split, size in SIZES.items():
        splits[split], order = sorted(order[:size]), order[size:]
    return {"train": sorted([*order, *twins])} | splits


def group_twins(stamps: Mapping[str, Stamp], pictures: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Return the group of each stamp with a twin, named by its first stamp; twins of twins are in one group.

    Twins have the same caption, but for articles, capitals and punctuation, or nearly the same picture (H, W, 3) uint8.
    """
    names = list(stamps)
    _, captions = np.unique([_caption_words(stamps[name].caption) for name in names], return_inverse=True)
    thumbnails = np.stack([_thumbnail(pictures[name]) for name in names])  # (N, T, T)
    mirrored = thumbnails[:, :, ::-1]
    flat = thumbnails.reshape(len(names), -1)
    same = (flat @ flat.T > SAME) | (flat @ mirrored.reshape(len(names), -1).T > SAME)
    same |= captions[:, None] == captions
    _, labels = connected_components(same)
    members: dict[int, list[str]] = {}
    for name, label in zip(names, labels.tolist(), strict=True):
        members.setdefault(label, []).append(name)
    return {name: min(group) for group in members.values() if len(group) > 1 for name in group}


def _caption_words(caption: str) -> str:
    return " ".join(word for word in re.findall(r"\w+", caption.lower()) if word not in ARTICLES)


def _thumbnail(picture: np.ndarray) -> np.ndarray:
    """Return the gray levels of a picture without its white border, on a square, with mean 0 and length 1: (T, T)."""
    image = Image.fromarray(picture).convert("L")
    drawn = np.asarray(image) < WHITE
    rows, columns = (np.flatnonzero(drawn.any(axis=axis)) for axis in (1, 0))
    if len(rows):
        image = image.crop((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    side = max(image.size)
    square = Image.new("L", (side, side), 255)
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    levels = np.asarray(square.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX), np.float32)
    levels = levels - levels.mean()
    return levels / max(np.linalg.norm(levels), 1e-6)
