"""Search among many videos with missing experts: the model's score of all of them against flat, ivf and hnsw indexes.

Embeddings are random: projections of a latent vector per video, with noise. A query has the latent vector of a video.
Experts are missing as often as in the archive of `store`. Each method and size is built in one process and queried in
another, whose memory is only that of the index or of the embeddings.
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
LATENT_DIM, NOISE = 32, 1.0
CHUNK = 10_000  # videos generated at a time
BATCH, NUM_SINGLE, NUM_BATCHES = 64, 32, 5
ROW = "{:>9}  {:13}  {:>9}  {:>11}  {:>11}  {:>10}  {:>10}  {:>9}"
METHODS = ("model's score", "plain matrix", "flat", "ivf", "hnsw")


def _embed(latent: np.ndarray, dim: int, rng: np.random.Generator) -> list[torch.Tensor]:
    """Return an embedding (N, dim) of length 1 per expert."""
    experts = []
    for i in range(len(SHARES)):
        projection = np.random.default_rng((1, i)).standard_normal((LATENT_DIM, dim), dtype=np.float32)
        x = latent @ projection / LATENT_DIM**0.5
        x += NOISE * rng.standard_normal(x.shape, dtype=np.float32)
        experts.append(torch.from_numpy(x / np.linalg.norm(x, axis=1, keepdims=True)))
    return experts


def make_videos(size: int, dim: int) -> Iterator[VideoEmbedding]:
    """Yield chunks of videos, the same in every call."""
    for start in range(0, size, CHUNK):
        rng = np.random.default_rng((2, start))
        number = min(CHUNK, size - start)
        latent = rng.standard_normal((number, LATENT_DIM), dtype=np.float32)
        available = torch.from_numpy((rng.random((number, len(SHARES))) < SHARES).astype(np.float32))
        yield VideoEmbedding(_embed(latent, dim, rng), available)


def make_queries(size: int, dim: int, number: int, seed: int) -> TextEmbedding:
    """Return queries, each for a video of the first chunk."""
    latent = np.random.default_rng((2, 0)).standard_normal((min(CHUNK, size), LATENT_DIM), dtype=np.float32)
    rng = np.random.default_rng((3, seed))
    chosen = latent[rng.integers(len(latent), size=number)]
    weights = torch.from_numpy(rng.standard_normal((number, len(SHARES)), dtype=np.float32)).softmax(dim=1)
    return TextEmbedding(_embed(chosen, dim, rng), weights)


def build(kind: str, size: int, dim: int, folder: str) -> dict[str, float]:
    """Build an index and return videos per second, without the time to generate them, and bytes on disk."""
    model = {"checkpoint": "none", "sha256": "0" * 64, "keep_missing": False, "l2renorm": False}
    model |= {"experts": list(FRAMES), "dims": [dim] * len(FRAMES)}
    metadata = IndexMetadata(collection="synthetic", kind=kind, **model)
    store = FaissStore(Path(folder) / f"{kind}-{size}", metadata)
    seconds, number = 0.0, 0
    for chunk in make_videos(size, dim):
        ids = [f"video{i}" for i in range(number, number + len(chunk.available))]
        started = time.perf_counter()
        store.add(ids, [to_pattern(row) for row in chunk.available.tolist()], chunk)
        seconds += time.perf_counter() - started
        number += len(ids)
    started = time.perf_counter()
    store.optimize()
    store.commit()
    seconds += time.perf_counter() - started
    if kind != "flat":
        store.queries = make_queries(size, dim, 100, seed=0)
        tune_effort(store)
        store.commit()
    return {"videos a second": size / seconds, "disk": store.size(), "effort": store.effort}


def ask(method: str, size: int, dim: int, folder: str) -> dict[str, object]:
    """Return the seconds for one query and for a batch, resident bytes, and the best K videos of the batch."""
    before = _resident_bytes()
    texts = make_queries(size, dim, BATCH, seed=1)
    search = _brute_force(method, size, dim) if method in METHODS[:2] else _open_index(method, size, folder)
    single = [TextEmbedding([x[i : i + 1] for x in texts.experts], texts.weights[i : i + 1]) for i in range(NUM_SINGLE)]
    search(single[0])
    return {
        "resident": _resident_bytes() - before,
        "one query": statistics.median(_seconds(search, text) for text in single),
        f"{BATCH} queries": statistics.median(_seconds(search, texts) for _ in range(NUM_BATCHES)),
        "best": search(texts),
    }


def _open_index(kind: str, size: int, folder: str) -> Callable[[TextEmbedding], list[list[str]]]:
    store = FaissStore(Path(folder) / f"{kind}-{size}")
    return lambda text: [[video for video, _ in row] for row in store.search(text, K)]


def _brute_force(method: str, size: int, dim: int) -> Callable[[TextEmbedding], list[list[str]]]:
    experts = [torch.empty(size, dim) for _ in SHARES]
    available = torch.empty(size, len(SHARES))
    joined = torch.empty(size, dim * len(SHARES)) if method == "plain matrix" else None
    start = 0
    for chunk in make_videos(size, dim):
        rows = slice(start, start + len(chunk.available))
        available[rows] = chunk.available
        if joined is None:
            for all_rows, x in zip(experts, chunk.experts, strict=True):
                all_rows[rows] = x
        else:
            joined[rows] = torch.cat([x * chunk.available[:, i : i + 1] for i, x in enumerate(chunk.experts)], dim=1)
        start = rows.stop
    videos = VideoEmbedding(experts, available)

    def score(text: TextEmbedding) -> torch.Tensor:
        if joined is None:
            return pairwise_similarity(text, videos)
        weighted = torch.cat([x * text.weights[:, i : i + 1] for i, x in enumerate(text.experts)], dim=1)
        scale = text.weights @ available.T
        return weighted @ joined.T / torch.where(scale > 0, scale, 1)

    return lambda text: [[f"video{i}" for i in row] for row in score(text).topk(K, dim=1).indices.tolist()]


def _seconds(search: Callable, text: TextEmbedding) -> float:
    started = time.perf_counter()
    search(text)
    return time.perf_counter() - started


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def run(folder: Path, sizes: Sequence[int] = SIZES, dim: int = DIM) -> dict:
    """Measure and print all methods, and return the figures.

    Raises:
        InputError: a process failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{len(SHARES)} experts of {dim} dims, {torch.get_num_threads()} threads; times are medians")
    print(ROW.format("videos", "", "videos/s", "one query", f"{BATCH} queries", "memory", "disk", f"recall@{K}"))
    figures = []
    with bar(total=len(sizes) * len(METHODS)) as progress:
        for size in sizes:
            exact = None
            for method in METHODS:
                progress.set_postfix_str(f"{method}, {size} videos")
                with tempfile.TemporaryDirectory(dir=folder) as temporary:
                    built = {} if method in METHODS[:2] else call_in_process(build, method, size, dim, temporary)
                    asked = call_in_process(ask, method, size, dim, temporary)
                best = asked.pop("best")
                exact = exact or best
                recall = statistics.mean(len(set(a) & set(b)) / len(a) for a, b in zip(exact, best, strict=True))
                figures.append({"videos": size, "side": method, **built, **asked, f"recall@{K}": recall})
                progress.update()
                progress.write(_format_row(figures[-1]), file=sys.stdout)
    return {"dim": dim, "experts": len(SHARES), "threads": torch.get_num_threads(), "figures": figures}


def _format_row(figures: dict) -> str:
    rate = f"{figures['videos a second']:,.0f}" if "videos a second" in figures else "-"
    disk = size_text(figures["disk"]) if "disk" in figures else "-"
    times = [f"{1000 * figures[key]:,.1f} ms" for key in ("one query", f"{BATCH} queries")]
    memory, recall = size_text(figures["resident"]), f"{figures[f'recall@{K}']:.3f}"
    return ROW.format(f"{figures['videos']:,}", figures["side"], rate, *times, memory, disk, recall)
