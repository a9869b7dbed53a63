"""The ranks of MSR-VTT's test, both directions: a plain loop over the queries, ours, and a copy of the matrix, in turns.

The similarities are random, some of them tied, and some captions are missing.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from model.metric import t2v_ranks, v2t_ranks
from utils.errors import InputError
from utils.files import write_json
from utils.progress import bar, size_text
from utils.temporary import temporary_array

VIDEOS, CAPTIONS, REPETITIONS = 2990, 20, 7


def plain_t2v(sims: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The rank of each caption that exists, one after the other."""
    ranks = []
    for row in np.flatnonzero(masks):
        candidates, match = sims[row], sims[row, row // masks.shape[1]]
        ranks.append(np.count_nonzero(candidates > match) + (np.count_nonzero(candidates == match) - 1) / 2)
    return np.array(ranks)


def plain_v2t(sims: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return the rank of each video's best caption, one video after the other."""
    exist = masks.flatten()
    owners = np.flatnonzero(masks) // masks.shape[1]
    ranks = []
    for video in range(sims.shape[1]):
        candidates, own = sims[exist, video], owners == video
        best = candidates[own].max()
        tied_own, tied_others = (np.count_nonzero(candidates[chosen] == best) for chosen in (own, ~own))
        ranks.append(np.count_nonzero(candidates > best) + tied_others / (tied_own + 1))
    return np.array(ranks)


def random_similarities(num_videos: int, num_captions: int) -> tuple[np.ndarray, np.ndarray]:
    """Similarities (V*K, V), with ties in both directions, and masks (V, K) that lack a few captions."""
    rng = np.random.default_rng(0)
    sims = rng.standard_normal((num_videos * num_captions, num_videos), dtype=np.float32)
    sims[1::10] = sims[:-1:10]
    sims[::7] = sims[::7].round(1)
    masks = rng.random((num_videos, num_captions)) < 0.95
    masks[:, 0] = True
    return sims, masks


def measure(sims: np.ndarray, masks: np.ndarray, repetitions: int) -> dict[str, list[float]]:
    """Seconds of each repetition of everything; the results are compared.

    Raises:
        InputError: they differ.
    """
    stored = temporary_array(sims.shape)
    stored[:] = sims
    source, target = torch.from_numpy(sims), torch.empty(sims.shape)

    def copy() -> None:
        target.copy_(source)

    def both(t2v: Callable, v2t: Callable, matrix: np.ndarray) -> Callable[[], dict[str, np.ndarray]]:
        return lambda: {"t2v": t2v(matrix, masks), "v2t": v2t(matrix, masks)}

    sides = {
        "plain loops": both(plain_t2v, plain_v2t, sims),
        "ours": both(t2v_ranks, v2t_ranks, sims),
        "ours, from a file": both(t2v_ranks, v2t_ranks, stored),
        "copy of the matrix": copy,
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    expected = None
    for name in _turns(list(sides), repetitions):
        started = time.perf_counter()
        found = sides[name]()
        seconds[name].append(time.perf_counter() - started)
        expected = expected or found
        if found is not None and any((found[task] != expected[task]).any() for task in expected):
            raise InputError(f"{name}: other ranks than those of the plain loops")
    return seconds


def _turns(names: list[str], repetitions: int) -> Iterator[str]:
    for _ in bar(range(repetitions), "repetitions"):
        yield from names


def run(path: Path | None, num_videos: int = VIDEOS, repetitions: int = REPETITIONS) -> None:
    """Measure, print, and write everything to `path` if there is one."""
    sims, masks = random_similarities(num_videos, CAPTIONS)
    seconds = measure(sims, masks, repetitions)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    speedup = statistics.median(a / b for a, b in zip(seconds["plain loops"], seconds["ours"], strict=True))
    print(
        f"ranks of {sims.shape[0]:,} captions ({int(masks.sum()):,} exist) and {num_videos:,} videos, t2v and v2t, "
        f"{size_text(sims.nbytes)}; {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    )
    print(f"median of {repetitions} repetitions, taking turns:")
    for name, value in median.items():
        print(f"  {name:20} {1000 * value:8.1f} ms")
    print(f"  {'plain loops / ours':20} {speedup:8.1f}")
    if path is not None:
        about = {"captions": sims.shape[0], "videos": num_videos, "bytes": sims.nbytes, "threads": torch.get_num_threads()}
        write_json(path, {**about, "seconds": seconds, "median": median, "plain loops / ours": speedup})
