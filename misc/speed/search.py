"""Search among many videos with missing experts: the model's score of all of them against flat, sq8, ivf and hnsw indexes.

The floor is what an exact search has to do at least: for one query, read all vectors; for a batch, multiply by them.
Indexes are measured without and with a query bank of 10,000 captions. A recall is that against the exact search of the same.
Embeddings are random: projections of a latent vector per video, with noise. A query has the latent vector of a video.
Experts are missing as often as in the archive of `store`. Each method and size is built in one process and queried in
another, whose memory is only that of the index or of the embeddings.
"""

import itertools
import statistics
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from misc.searching.building import tune_effort
from misc.searching.index.exact_search import BLOCK_BYTES
from misc.searching.index.faiss_store import FaissStore
from misc.searching.index.metadata import IndexMetadata
from misc.searching.index.patterns import to_pattern
from misc.searching.index.query_bank import BankMetadata, QueryBank
from misc.speed.process import call_in_process
from misc.speed.settings import DIM, FLOOR, SEARCH_METHODS, SIZES, WITH_BANK, K
from misc.speed.store import FRAMES
from model.similarity import TextEmbedding, VideoEmbedding, pairwise_similarity
from utils.progress import bar, size_text

SHARES = [share for *_, share in FRAMES.values()]  # of the videos that have each expert
BANK_SIZE = 10_000  # captions
LATENT_DIM, NOISE = 32, 1.0
CHUNK = 10_000  # videos generated at a time
BATCH, NUM_SINGLE, NUM_BATCHES = 64, 32, 5
ROW = "{:>9}  {:13}  {:>9}  {:>11}  {:>11}  {:>10}  {:>10}  {:>9}"
Score = Callable[[TextEmbedding], torch.Tensor]  # texts -> scores of all videos (T, V)


def _embed(latent: np.ndarray, dim: int, rng: np.random.Generator) -> list[torch.Tensor]:
    """Return an embedding (N, dim) of length 1 per expert."""
    experts = []
    for i in range(len(SHARES)):
        projection = np.random.default_rng((1, i)).standard_normal((LATENT_DIM, dim), dtype=np.float32)
        x = latent @ projection / LATENT_DIM**0.5
        x += NOISE * rng.standard_normal(x.shape, dtype=np.float32)
        experts.append(torch.from_numpy(x / np.linalg.norm(x, axis=1, keepdims=True)))
    return experts


def make_videos(size: int, dim: int) -> Iterator[tuple[slice, VideoEmbedding]]:
    """Yield chunks of videos and their rows, the same in every call."""
    for start in range(0, size, CHUNK):
        rng = np.random.default_rng((2, start))
        number = min(CHUNK, size - start)
        latent = rng.standard_normal((number, LATENT_DIM), dtype=np.float32)
        available = torch.from_numpy((rng.random((number, len(SHARES))) < SHARES).astype(np.float32))
        yield slice(start, start + number), VideoEmbedding(_embed(latent, dim, rng), available)


def make_queries(size: int, dim: int, number: int, seed: int) -> TextEmbedding:
    """Return queries, each for a video of the first chunk."""
    latent = np.random.default_rng((2, 0)).standard_normal((min(CHUNK, size), LATENT_DIM), dtype=np.float32)
    rng = np.random.default_rng((3, seed))
    chosen = latent[rng.integers(len(latent), size=number)]
    weights = torch.from_numpy(rng.standard_normal((number, len(SHARES)), dtype=np.float32)).softmax(dim=1)
    return TextEmbedding(_embed(chosen, dim, rng), weights)


def build(method: str, size: int, dim: int, folder: str) -> dict[str, float]:
    """Build an index and return videos per second, without the time to generate them, and bytes on disk."""
    model = {"checkpoint": "none", "sha256": "0" * 64, "keep_missing": False, "l2renorm": False}
    model |= {"experts": list(FRAMES), "dims": [dim] * len(FRAMES)}
    kind = method.removesuffix(WITH_BANK)
    store = FaissStore(Path(folder, f"{method}-{size}"), IndexMetadata(collection="synthetic", kind=kind, **model))
    if method != kind:
        _, few = next(make_videos(K, dim))
        store.bank = QueryBank(BankMetadata(dataset="synthetic"), make_queries(size, dim, BANK_SIZE, seed=2), few)
    seconds = 0.0
    for rows, chunk in make_videos(size, dim):
        ids = [f"video{i}" for i in range(rows.start, rows.stop)]
        started = time.perf_counter()
        store.add(ids, [to_pattern(row) for row in chunk.available.tolist()], chunk)
        seconds += time.perf_counter() - started
    started = time.perf_counter()
    store.optimize()
    if store.bank is not None:
        store.bank.update(store)
    store.commit()
    seconds += time.perf_counter() - started
    if kind != "flat":
        store.queries = make_queries(size, dim, 100, seed=0)
        tune_effort(store)
        store.commit()
    return {"videos a second": size / seconds, "disk": store.size(), "effort": store.effort}


def _model_score(size: int, dim: int) -> Score:
    """Return the score of the model for all videos."""
    videos = VideoEmbedding([torch.empty(size, dim) for _ in SHARES], torch.empty(size, len(SHARES)))
    for rows, chunk in make_videos(size, dim):
        for whole, part in zip((*videos.experts, videos.available), (*chunk.experts, chunk.available), strict=True):
            whole[rows] = part
    return lambda text: pairwise_similarity(text, videos)


def _matrix_score(size: int, dim: int) -> Score:
    """Return the same score, with the embeddings of a video concatenated beforehand."""
    joined, available = torch.empty(size, dim * len(SHARES)), torch.empty(size, len(SHARES))
    for rows, chunk in make_videos(size, dim):
        joined[rows], available[rows] = _weighted_concatenation(chunk.experts, chunk.available), chunk.available

    def score(text: TextEmbedding) -> torch.Tensor:
        scale = text.weights @ available.T
        return _weighted_concatenation(text.experts, text.weights) @ joined.T / torch.where(scale > 0, scale, 1)

    return score


def _weighted_concatenation(experts: list[torch.Tensor], weights: torch.Tensor) -> torch.Tensor:
    return torch.cat([x * weights[:, i : i + 1] for i, x in enumerate(experts)], dim=1)


SCORES = {"model's score": _model_score, "plain matrix": _matrix_score}


def measure_floor(size: int, dim: int) -> dict[str, object]:
    """Return the seconds to read the vectors of all videos once, and to multiply them by a batch of queries."""
    number = sum(int(chunk.available.sum()) for _, chunk in make_videos(size, dim)) // len(SHARES)
    vectors, queries = torch.ones(number, dim * len(SHARES)), torch.ones(BATCH, dim * len(SHARES))
    block = BLOCK_BYTES // (4 * BATCH)

    def multiply() -> None:
        for start in range(0, number, block):
            torch.mm(vectors[start : start + block], queries.T)

    vectors.sum()
    return {
        "one query": statistics.median(timeit.repeat(lambda: vectors.sum(), number=1, repeat=NUM_SINGLE)),
        f"{BATCH} queries": statistics.median(timeit.repeat(multiply, number=1, repeat=NUM_BATCHES)),
    }


def ask(method: str, size: int, dim: int, folder: str) -> dict[str, object]:
    """Return the seconds for one query and for a batch, resident bytes, and the best K videos of the batch."""
    before = _resident_bytes()
    texts = make_queries(size, dim, BATCH, seed=1)
    if method in SCORES:
        score = SCORES[method](size, dim)
    else:
        store = FaissStore(Path(folder, f"{method}-{size}"))

    single = [TextEmbedding([x[i : i + 1] for x in texts.experts], texts.weights[i : i + 1]) for i in range(BATCH)]

    def search(text: TextEmbedding) -> list[list[str]]:
        if method in SCORES:
            return [[f"video{i}" for i in row] for row in score(text).topk(K, dim=1).indices.tolist()]
        if method.endswith(WITH_BANK):
            queries = single if text is texts else [text]
            return [[video for video, *_ in store.search_with_bank(query, K)] for query in queries]
        return [[video for video, _ in row] for row in store.search(text, K)]

    search(single[0])
    return {
        "resident": _resident_bytes() - before,
        "one query": statistics.median(
            timeit.timeit(lambda text=text: search(text), number=1) for text in single[:NUM_SINGLE]
        ),
        f"{BATCH} queries": statistics.median(timeit.repeat(lambda: search(texts), number=1, repeat=NUM_BATCHES)),
        "best": search(texts),
    }


def _resident_bytes() -> int:
    """Return the memory of this process without pages of mapped files, which the kernel drops when memory is short."""
    (line,) = (x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024


def run(folder: Path, sizes: Sequence[int] = SIZES, dim: int = DIM, methods: Sequence[str] = SEARCH_METHODS) -> dict:
    """Measure and print some methods, and return the figures."""
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{len(SHARES)} experts of {dim} dims, {torch.get_num_threads()} threads; times are medians")
    print(ROW.format("videos", "", "videos/s", "one query", f"{BATCH} queries", "memory", "disk", f"recall@{K}"))
    figures, exact = [], {}
    progress = bar(list(itertools.product(sizes, methods)))
    for size, method in progress:
        progress.set_postfix_str(f"{method}, {size} videos")
        if method == FLOOR:
            figures.append({"videos": size, "side": method, **call_in_process(measure_floor, size, dim)})
            progress.write(_format_row(figures[-1]), file=sys.stdout)
            continue
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            built = {} if method in SCORES else call_in_process(build, method, size, dim, temporary)
            asked = call_in_process(ask, method, size, dim, temporary)
        best, kind = asked.pop("best"), (size, method.endswith(WITH_BANK))
        if not method.startswith(("sq8", "ivf", "hnsw")):
            exact.setdefault(kind, best)
        recalls = [len(set(a) & set(b)) / len(a) for a, b in zip(exact.get(kind, []), best, strict=kind in exact)]
        recall = {f"recall@{K}": statistics.mean(recalls)} if recalls else {}  # unknown without an exact method
        figures.append({"videos": size, "side": method, **built, **asked, **recall})
        progress.write(_format_row(figures[-1]), file=sys.stdout)
    return {"dim": dim, "experts": len(SHARES), "threads": torch.get_num_threads(), "figures": figures}


def _format_row(figures: dict) -> str:
    rate = f"{figures['videos a second']:,.0f}" if "videos a second" in figures else "-"
    disk = size_text(figures["disk"]) if "disk" in figures else "-"
    times = [f"{1000 * figures[key]:,.1f} ms" for key in ("one query", f"{BATCH} queries")]
    memory = size_text(figures["resident"]) if "resident" in figures else "-"
    recall = f"{figures[f'recall@{K}']:.3f}" if f"recall@{K}" in figures else "-"
    return ROW.format(f"{figures['videos']:,}", figures["side"], rate, *times, memory, disk, recall)
