"""Ranks of MSR-VTT's test set in both directions: a plain loop over the queries, ours, and a copy of the matrix, in turns.

The similarities are random, some of them tied, and some captions are missing.
"""

import os

import numpy as np
import torch

from misc.speed.timing import compare, print_comparison
from model.metric import t2v_ranks, v2t_ranks
from utils.errors import InputError
from utils.files import temporary_array
from utils.progress import size_text

VIDEOS, CAPTIONS, REPETITIONS = 2990, 20, 7


def plain_t2v(sims: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return the rank of each caption that exists, one caption after the other."""
    ranks = []
    for row in np.flatnonzero(masks):
        candidates, match = sims[row], sims[row, row // masks.shape[1]]
        ranks.append(np.count_nonzero(candidates > match) + (np.count_nonzero(candidates == match) - 1) / 2)
    return np.array(ranks)


def plain_v2t(sims: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return the rank of each video's best caption, one video after the other."""
    exist = masks.flatten()
    text_to_video = np.flatnonzero(masks) // masks.shape[1]
    ranks = []
    for video in range(sims.shape[1]):
        candidates, own = sims[exist, video], text_to_video == video
        best = candidates[own].max()
        tied_own, tied_others = (np.count_nonzero(candidates[mask] == best) for mask in (own, ~own))
        ranks.append(np.count_nonzero(candidates > best) + tied_others / (tied_own + 1))
    return np.array(ranks)


def random_similarities(num_videos: int, num_captions: int) -> tuple[np.ndarray, np.ndarray]:
    """Return similarities (V*K, V), with ties in both directions, and masks (V, K) that lack a few captions."""
    rng = np.random.default_rng(0)
    sims = rng.standard_normal((num_videos * num_captions, num_videos), dtype=np.float32)
    sims[1::10] = sims[:-1:10]
    sims[::7] = sims[::7].round(1)
    masks = rng.random((num_videos, num_captions)) < 0.95
    masks[:, 0] = True
    return sims, masks


def measure(sims: np.ndarray, masks: np.ndarray, repetitions: int) -> dict:
    """Return the times of the implementations; raise an InputError if their ranks differ."""
    stored = temporary_array(sims.shape)
    stored[:] = sims
    source, target = torch.from_numpy(sims), torch.empty(sims.shape)
    candidates = {
        "plain loops": lambda: (plain_t2v(sims, masks), plain_v2t(sims, masks)),
        "ours": lambda: (t2v_ranks(sims, masks), v2t_ranks(sims, masks)),
        "ours, from a file": lambda: (t2v_ranks(stored, masks), v2t_ranks(stored, masks)),
        "copy of the matrix": lambda: target.copy_(source),
    }
    expected = candidates["plain loops"]()
    for name in ("ours", "ours, from a file"):
        if not all(map(np.array_equal, candidates[name](), expected)):
            raise InputError(f"{name}: other ranks than those of the plain loops")
    return compare(candidates, repetitions)


def run(num_videos: int = VIDEOS, repetitions: int = REPETITIONS) -> dict:
    """Measure, print, and return the figures."""
    sims, masks = random_similarities(num_videos, CAPTIONS)
    figures = measure(sims, masks, repetitions)
    print(
        f"ranks of {sims.shape[0]:,} captions ({int(masks.sum()):,} exist) and {num_videos:,} videos, t2v and v2t, "
        f"{size_text(sims.nbytes)}; {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    )
    print(f"median of {repetitions} repetitions, taking turns:")
    print_comparison(figures)
    size = {"captions": len(sims), "videos": num_videos, "bytes": sims.nbytes, "threads": torch.get_num_threads()}
    return size | figures
