"""Search among many videos with missing experts: the model's score of all of them beside flat, ivf and hnsw indexes.

Embeddings are random: of each video a latent vector, seen by every expert with noise, and of each query that of one video.
Experts are missing as often as in an archive of MSR-VTT's kind. Every side and size is built in one process and asked in
another, whose memory is that of an index, or of the embeddings, alone.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from misc.searching.building import tune_effort
from misc.searching.faiss_store import FaissStore
from misc.searching.metadata import IndexMetadata
from misc.searching.patterns import to_pattern
from misc.speed.process import call_in_process
from misc.speed.store import FRAMES
from model.similarity import TextEmbedding, VideoEmbedding, pairwise_similarity
from utils.progress import bar, size_text

SIZES, DIM, K = (10_000, 100_000), 64, 10
SHARES = [share for *_, share in FRAMES.values()]  # of the videos that have each expert
LATENT, NOISE = 32, 1.0
PART = 10_000  # videos made at a time
BATCH, SINGLE, BATCHES = 64, 32, 5
ROW = "{:>9}  {:13}  {:>9}  {:>11}  {:>11}  {:>10}  {:>10}  {:>9}"
SIDES = ("model's score", "plain matrix", "flat", "ivf", "hnsw")


def _embed(latent: np.ndarray, dim: int, rng: np.random.Generator) -> list[torch.Tensor]:
    """The embedding (N, dim) of every expert, of length 1."""
    found = []
    for i in range(len(SHARES)):
        seen = latent @ np.random.default_rng((1, i)).standard_normal((LATENT, dim), dtype=np.float32) / LATENT**0.5
        seen += NOISE * rng.standard_normal(seen.shape, dtype=np.float32)
        found.append(torch.from_numpy(seen / np.linalg.norm(seen, axis=1, keepdims=True)))
    return found


def videos(size: int, dim: int) -> Iterator[VideoEmbedding]:
    """Videos, part by part, the same each time."""
    for start in range(0, size, PART):
        rng = np.random.default_rng((2, start))
        number = min(PART, size - start)
        latent = rng.standard_normal((number, LATENT), dtype=np.float32)
        available = torch.from_numpy((rng.random((number, len(SHARES))) < SHARES).astype(np.float32))
        yield VideoEmbedding(_embed(latent, dim, rng), available)


def queries(size: int, dim: int, number: int, seed: int) -> TextEmbedding:
    """Queries, each for a video of the first part."""
    rng = np.random.default_rng((2, 0))
    latent = rng.standard_normal((min(PART, size), LATENT), dtype=np.float32)
    rng = np.random.default_rng((3, seed))
    chosen = latent[rng.integers(len(latent), size=number)]
    weights = torch.from_numpy(rng.standard_normal((number, len(SHARES)), dtype=np.float32)).softmax(dim=1)
    return TextEmbedding(_embed(chosen, dim, rng), weights)


def build(side: str, size: int, dim: int, folder: str) -> dict[str, float]:
    """Make the index of a side: videos a second, not counting that they are made up, and bytes on the disk."""
    names = list(FRAMES)
    about = IndexMetadata(
        collection="synthetic",
        checkpoint="none",
        sha256="0" * 64,
        experts=names,
        dims=[dim] * len(names),
        keep_missing=False,
        l2renorm=False,
        kind=side,
    )
    store = FaissStore(Path(folder) / f"{side}-{size}", about)
    seconds, start = 0.0, 0
    for video in videos(size, dim):
        ids = [f"video{i}" for i in range(start, start + len(video.available))]
        begun = time.perf_counter()
        store.add(ids, [to_pattern(row) for row in video.available.tolist()], video)
        seconds += time.perf_counter() - begun
        start += len(ids)
    begun = time.perf_counter()
    store.optimize()
    store.commit()
    seconds += time.perf_counter() - begun
    if side != "flat":
        store.queries = queries(size, dim, 100, seed=0)
        tune_effort(store)
        store.commit()
    return {"videos a second": size / seconds, "disk": store.size(), "effort": store.effort}


def ask(side: str, size: int, dim: int, folder: str) -> dict[str, object]:
    """Open a side and ask: seconds for one query and for a batch, resident bytes, and the best K of the batch."""
    before = _resident()
    texts = queries(size, dim, BATCH, seed=1)
    find = _brute_force(side, size, dim) if side in SIDES[:2] else _index(side, size, folder)
    one = [TextEmbedding([x[i : i + 1] for x in texts.experts], texts.weights[i : i + 1]) for i in range(SINGLE)]
    find(one[0])
    resident = _resident() - before
    single = [_seconds(find, text) for text in one]
    batch = [_seconds(find, texts) for _ in range(BATCHES)]
    return {
        "one query": statistics.median(single),
        f"{BATCH} queries": statistics.median(batch),
        "resident": resident,
        "best": find(texts),
    }


def _index(side: str, size: int, folder: str) -> Callable[[TextEmbedding], list[list[str]]]:
    store = FaissStore(Path(folder) / f"{side}-{size}")
    return lambda text: [[video for video, _ in row] for row in store.search(text, K)]


def _brute_force(side: str, size: int, dim: int) -> Callable[[TextEmbedding], list[list[str]]]:
    experts = [torch.empty(size, dim) for _ in SHARES]
    available = torch.empty(size, len(SHARES))
    joined = torch.empty(size, dim * len(SHARES)) if side == "plain matrix" else None
    start = 0
    for part in videos(size, dim):
        rows = slice(start, start + len(part.available))
        available[rows] = part.available
        if joined is None:
            for all_rows, x in zip(experts, part.experts, strict=True):
                all_rows[rows] = x
        else:
            joined[rows] = torch.cat([x * part.available[:, i : i + 1] for i, x in enumerate(part.experts)], dim=1)
        start = rows.stop
    whole = VideoEmbedding(experts, available)

    def scores(text: TextEmbedding) -> torch.Tensor:
        if joined is None:
            return pairwise_similarity(text, whole)
        weighted = torch.cat([x * text.weights[:, i : i + 1] for i, x in enumerate(text.experts)], dim=1)
        scale = text.weights @ available.T
        return weighted @ joined.T / torch.where(scale > 0, scale, 1)

    return lambda text: [[f"video{i}" for i in row] for row in scores(text).topk(K, dim=1).indices.tolist()]


def _seconds(find: Callable, text: TextEmbedding) -> float:
    begun = time.perf_counter()
    find(text)
    return time.perf_counter() - begun


def _resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def run(folder: Path, sizes: Sequence[int] = SIZES, dim: int = DIM) -> dict:
    """Measure, print, and return the figures.

    Raises:
        InputError: a process failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{len(SHARES)} experts of {dim} dims, {torch.get_num_threads()} threads; times are medians")
    heads = ("videos", "", "videos/s", "one query", f"{BATCH} queries", "memory", "disk", f"recall@{K}")
    print(ROW.format(*heads))
    figures = []
    shown = bar(total=len(sizes) * len(SIDES))
    for size in sizes:
        expected = None
        for side in SIDES:
            shown.set_postfix_str(f"{side}, {size} videos")
            with tempfile.TemporaryDirectory(dir=folder) as place:
                built = {} if side in SIDES[:2] else call_in_process(build, side, size, dim, place)
                asked = call_in_process(ask, side, size, dim, place)
            best = asked.pop("best")
            expected = expected or best
            shares = [len(set(a) & set(b)) / len(a) for a, b in zip(expected, best, strict=True)]
            found = {"videos": size, "side": side, **built, **asked, f"recall@{K}": statistics.mean(shares)}
            figures.append(found)
            shown.update()
            shown.write(_line(found), file=sys.stdout)
    shown.close()
    return {"dim": dim, "experts": len(SHARES), "threads": torch.get_num_threads(), "figures": figures}


def _line(found: dict) -> str:
    rate = f"{found['videos a second']:,.0f}" if "videos a second" in found else "-"
    disk = size_text(found["disk"]) if "disk" in found else "-"
    times = [f"{1000 * found[key]:,.1f} ms" for key in ("one query", f"{BATCH} queries")]
    memory = size_text(found["resident"])
    return ROW.format(f"{found['videos']:,}", found["side"], rate, *times, memory, disk, f"{found[f'recall@{K}']:.3f}")
