"""Search in windows of long videos: files and time per query of each channel, and of words and concepts fused.

The collection is made of films of an hour, in windows of ten seconds. In each window, ten words are spoken, which are drawn
with the frequencies of Zipf's law, and two frames show one of the 1,000 classes of ImageNet. The embeddings of the trained
channel are random: seven experts of 64 dimensions. Its time is without that of the text encoder of its model.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from misc.extraction import archive_writer
from misc.extraction.collection_files import EXTRACTED, EXTRACTION_RECORD
from misc.extraction.moments import Moments
from misc.extraction.settings import DEFAULT, Settings, read_settings
from misc.extraction.shards import Shards
from misc.extraction.worker import ExtractionResult, ExtractionTask
from misc.extractors.extractor import ExpertOutput
from misc.extractors.rgb import load_classifier
from misc.searching.channels import concepts, words_index
from misc.searching.channels.concepts import ConceptsChannel, load_class_names
from misc.searching.channels.fused_searcher import FusedSearcher
from misc.searching.channels.words import WordsChannel
from misc.searching.collection import Collection
from misc.searching.index.faiss_store import FaissStore
from misc.searching.index.metadata import IndexMetadata
from misc.searching.windows import Windows, item_id
from misc.speed.search import SHARES, make_queries, make_videos
from misc.speed.settings import DIM, WINDOW_SIZES, K
from misc.speed.store import FRAMES
from model.similarity import TextEmbedding
from utils.files import write_json
from utils.progress import bar, size_text

PER_FILM, SECONDS, FRAMES_PER_WINDOW, WORDS_PER_WINDOW = 360, 10.0, 2, 10
VOCABULARY = 20_000
NAME = "Many"
CERTAINTY = 8.0  # of the classifier: the logit of the class that a frame shows
REPEAT = 5
ROW = "{:>9}  {:16}  {:>9}  {:>10}  {:>10}  {:>10}"


def make_word(number: int) -> str:
    """Return one of the words, which are different for different numbers."""
    syllables = [f"{'bdfgklmnprst'[i]}{'aeiou'[j]}" for i in range(12) for j in range(5)]
    return "".join(syllables[number // 60**i % 60] for i in range(3))


def make_film(number: int, windows: int, classifier: np.ndarray) -> tuple[dict[str, ExpertOutput], dict[str, Moments]]:
    """Return the outputs of the experts rgb and speech for a film, and its moments, the same in every call."""
    rng = np.random.default_rng((1, number))
    starts = SECONDS * np.arange(windows)
    frames = np.repeat(classifier[rng.integers(len(classifier), size=windows)], FRAMES_PER_WINDOW, axis=0)
    times = (starts[:, None] + SECONDS * (np.arange(FRAMES_PER_WINDOW) + 0.5) / FRAMES_PER_WINDOW).ravel()
    ranks = np.minimum(rng.zipf(1.2, size=windows * WORDS_PER_WINDOW), VOCABULARY)
    spoken = [make_word(int(rank)) for rank in ranks]
    at = (starts[:, None] + SECONDS * np.arange(WORDS_PER_WINDOW) / WORDS_PER_WINDOW).ravel()
    moments = {
        "rgb": Moments(np.stack([times, times], axis=1).astype(np.float32), frames),
        "speech": Moments(np.stack([at, at + 0.5], axis=1).astype(np.float32), words=spoken),
    }
    vectors = rng.standard_normal((20, 384)).astype(np.float16)
    spans = [(float(start), float(start) + 0.5) for start in at[:600]]
    return {"rgb": ExpertOutput(frames[:16]), "speech": ExpertOutput(vectors, spoken[:600], spans)}, moments


def make_collection(folder: Path, size: int) -> list[str]:
    """Write a collection with a number of windows, and return its videos."""
    settings = read_settings(DEFAULT, "rgb,speech")
    weight, _ = load_classifier()
    classifier = (CERTAINTY * weight / np.square(weight).sum(axis=1, keepdims=True)).astype(np.float16)
    shards, ids = Shards(folder / EXTRACTED), []
    for number, start in enumerate(bar(range(0, size, PER_FILM), "making films")):
        ids.append(f"film{number}")
        path = folder / "videos" / f"film{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        windows = min(PER_FILM, size - start)
        outputs, moments = make_film(number, windows, classifier)
        task = ExtractionTask(ids[-1], path, tuple(settings.experts))
        shards.write(ExtractionResult(task, outputs, length=windows * SECONDS, moments=moments), settings)
    _write_archive(folder, ids, shards, settings)
    return ids


def _write_archive(folder: Path, ids: list[str], shards: Shards, settings: Settings) -> None:
    archive = folder / "symlinked-feats"
    archive.mkdir()
    archive_writer.write_experts(archive, ids, shards, list(settings.experts))
    archive_writer.write_lists(archive, ids, {})
    dims = {"rgb": 1280, "speech": 384}
    experts = {name: {"dim": dim, "aggregation": "avg", "kind": "sequence"} for name, dim in dims.items()}
    about = {"text": {"feat": "minilm", "dim": 384}, "experts": experts, "settings": settings.model_dump()}
    write_json(folder / EXTRACTION_RECORD, about)


def open_store(folder: Path, ids: list[str], size: int) -> FaissStore:
    """Return a new index of random embeddings of the windows."""
    model = {"checkpoint": "none", "sha256": "0" * 64, "keep_missing": False, "l2renorm": False}
    model |= {"experts": list(FRAMES), "dims": [DIM] * len(FRAMES)}
    store = FaissStore(folder, IndexMetadata(collection=NAME, kind="flat", windows=Windows(), **model))
    for rows, chunk in make_videos(size, DIM):
        items = [_window(ids, row) for row in range(rows.start, rows.stop)]
        chunk.available[:] = 1.0
        store.add(items, ["1" * len(SHARES)] * len(items), chunk)
    store.commit()
    return store


def _window(ids: list[str], row: int) -> str:
    start = SECONDS * (row % PER_FILM)
    return item_id(ids[row // PER_FILM], (start, start + SECONDS))


def make_texts() -> list[str]:
    """Return queries: frequent words, rare ones, classes, and both."""
    names = [name.split(",")[0] for name in load_class_names()]
    return [
        f"{make_word(1)} {make_word(7)}",
        f"{make_word(3000)} {make_word(900)}",
        names[15],
        f"a {names[340]} and a {names[281]}",
        f"{make_word(20)} {names[130]}",
    ]


def _measure(search: Callable[[Any], object], queries: list[Any]) -> tuple[float, float]:
    """Return the median and the maximum over queries of the seconds for each, the median of `REPEAT` times."""
    search(queries[0])
    seconds = [statistics.median(_time(search, query) for _ in range(REPEAT)) for query in queries]
    return statistics.median(seconds), max(seconds)


def _time(search: Callable[[Any], object], query: object) -> float:
    started = time.perf_counter()
    search(query)
    return time.perf_counter() - started


def _iter_sides(folder: Path, ids: list[str], size: int) -> Iterator[dict[str, Any]]:
    texts, index = make_texts(), folder / "index"
    collection = Collection(NAME, folder)
    channels = {}
    for cls, file in ((WordsChannel, words_index.FILE), (ConceptsChannel, concepts.FILE)):
        started = time.perf_counter()
        channel = channels[cls.name] = cls(collection, index / file, windows=Windows())
        built = time.perf_counter() - started
        found = _measure(lambda text, channel=channel: channel.search(text, K), texts)
        yield {"side": cls.name, "built": built, "disk": (index / file).stat().st_size, "seconds": found}
    searcher = FusedSearcher(collection, channels, {})
    yield {"side": "words + concepts", "seconds": _measure(lambda text: searcher.search(text, K), texts)}
    searcher.close()
    started = time.perf_counter()
    store = open_store(index / "trained", ids, size)
    built = time.perf_counter() - started
    vectors = make_queries(size, DIM, len(texts), seed=1)
    queries = [TextEmbedding([x[i : i + 1] for x in vectors.experts], vectors.weights[i : i + 1]) for i in range(len(texts))]
    found = _measure(lambda query: store.search_videos(query, K), queries)
    yield {"side": "trained", "built": built, "disk": store.size(), "seconds": found}
    store.close()


def run(folder: Path, sizes: Sequence[int] = WINDOW_SIZES) -> dict[str, Any]:
    """Measure and print all channels, and return the figures."""
    folder.mkdir(parents=True, exist_ok=True)
    print(f"windows of {SECONDS:g} s, {torch.get_num_threads()} threads; seconds per query: the median and the slowest of 5")
    print(ROW.format("windows", "", "built", "query", "slowest", "disk"))
    figures = []
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            path = Path(temporary) / NAME
            ids = make_collection(path, size)
            for side in _iter_sides(path, ids, size):
                figures.append({"windows": size, **side})
                built = f"{side['built']:,.1f} s" if "built" in side else "-"
                disk = size_text(side["disk"]) if "disk" in side else "-"
                times = [f"{1000 * seconds:,.1f} ms" for seconds in side["seconds"]]
                print(ROW.format(f"{size:,}", side["side"], built, *times, disk), flush=True)
    return {"threads": torch.get_num_threads(), "figures": figures}
