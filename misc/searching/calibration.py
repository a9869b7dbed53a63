"""How similar the best video of a collection is to nonsense, and to its own validation captions.

The similarities of a model have no scale of their own, and every query has a best video. This file gives them one: the best
similarities of queries made of words that do not exist.
"""

import dataclasses
import hashlib
import json
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from misc.extractors.text_encoders import TextEncoder
from misc.searching.collection import Collection
from misc.searching.embedding import TEXT_BATCH, Embedder
from misc.searching.index.metadata import read_json
from misc.searching.index.vector_store import VectorStore
from utils.errors import InputError, count_text
from utils.files import write_bytes

FILE = "calibration.json"
VERSION = 1
NUM_NONSENSE = NUM_CAPTIONS = 400
MIN_QUERIES = 20  # with fewer, shares mean nothing
RARE = 0.05  # the share of nonsense that passes for a match if there are no validation captions
CONSONANTS, VOWELS, ENDS = "bcdfghjklmnpqrstvwz", "aeiou", ["", "", "", "l", "m", "n", "r", "s", "t"]
MAX_NONSENSE_WORDS = 6

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Calibration:
    """The best similarities of nonsense queries and of validation captions in a collection, ascending (N,), (C,)."""

    nonsense: np.ndarray
    captions: np.ndarray

    def percentile(self, similarity: float) -> float:
        """Return the percentage of nonsense queries whose best video is less similar to them than `similarity`."""
        return 100 * float(np.searchsorted(self.nonsense, similarity, side="left")) / len(self.nonsense)

    @property
    def threshold(self) -> float:
        """The lowest best similarity of a query that counts as a match.

        With validation captions, it is where as large a share of them is below as of nonsense is not below (equal error
        rates); otherwise `RARE` of the nonsense is not below it.
        """
        if len(self.captions) < MIN_QUERIES:
            return float(np.quantile(self.nonsense, 1 - RARE, method="higher"))
        candidates = np.unique(np.concatenate([self.nonsense, self.captions]))
        missed = np.searchsorted(self.captions, candidates, side="left") / len(self.captions)
        passed = 1 - np.searchsorted(self.nonsense, candidates, side="left") / len(self.nonsense)
        return float(candidates[np.abs(missed - passed).argmin()])


def make_nonsense(number: int = NUM_NONSENSE, seed: int = 0) -> list[str]:
    """Return queries of one to six words of two or three syllables that hardly any language has, the same for a seed."""
    rng = random.Random(seed)

    def word() -> str:
        syllables = rng.choice((2, 2, 3))
        return "".join(rng.choice(CONSONANTS) + rng.choice(VOWELS) + rng.choice(ENDS) for _ in range(syllables))

    return [" ".join(word() for _ in range(1 + i % MAX_NONSENSE_WORDS)) for i in range(number)]


def calibrate(
    embedder: Embedder, encoder: TextEncoder, collection: Collection, store: VectorStore, path: Path | None = None
) -> Calibration | None:
    """Return the calibration of an index, kept in the file `path`; None if the encoder knows no nonsense, or without videos.

    It is measured again if the model, the text encoder, the videos or their captions have changed.
    """

    def measure() -> tuple[np.ndarray, np.ndarray] | None:
        nonsense = [vectors for vectors in encoder(make_nonsense()) if len(vectors)]
        if len(nonsense) < MIN_QUERIES or not len(store.videos):
            return None
        captions = list(_iter_captions(collection))
        return _best_similarities(embedder, store, nonsense), _best_similarities(embedder, store, captions)

    return keep_calibration(path, _state(encoder, collection, store), measure)


def keep_calibration(
    path: Path | None, key: str, measure: Callable[[], tuple[np.ndarray, np.ndarray] | None]
) -> Calibration | None:
    """Return the calibration in the file `path` (None: there is no file), or a new one if it has another key.

    `measure` returns the best similarities of nonsense queries and of validation captions, (N,), (C,); None: there are none.
    """
    if path is not None and (known := _read(path, key)) is not None:
        return known
    if (best := measure()) is None:
        return None
    calibration = Calibration(*map(np.sort, best))
    if path is not None:
        _write(path, key, calibration)
    return calibration


def _iter_captions(collection: Collection) -> Iterator[np.ndarray]:
    """Yield the word vectors of at most `NUM_CAPTIONS` validation captions, spread over them, the first of each video."""
    valid = collection.validation_ids()
    rows = [
        (captions, row)
        for ids, captions in collection.load_captions()
        for row, video in enumerate(ids)
        if video in valid and captions.count(row)
    ]
    for i in np.unique(np.linspace(0, len(rows) - 1, min(NUM_CAPTIONS, len(rows))).astype(int)):
        captions, row = rows[i]
        yield captions.vectors(row, 0)


def _best_similarities(embedder: Embedder, store: VectorStore, queries: Sequence[np.ndarray]) -> np.ndarray:
    best: list[float] = []
    for start in range(0, len(queries), TEXT_BATCH):
        found = store.search(embedder.embed_texts(queries[start : start + TEXT_BATCH]), 1)
        best += [hits[0][1] for hits in found if hits]
    return np.array(best, np.float64)


def _state(encoder: TextEncoder, collection: Collection, store: VectorStore) -> str:
    """Return a digest that changes with whatever the calibration depends on."""
    columns = store.videos.columns
    videos = hashlib.sha256(json.dumps([columns.ids, columns.numbers, columns.versions]).encode()).hexdigest()
    content = [VERSION, store.metadata.sha256, encoder.spec, videos, collection.text_digest()]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _read(path: Path, key: str) -> Calibration | None:
    """Return the calibration in a file; None without the file, or if it is of another state or damaged."""
    if not path.is_file():
        return None
    try:
        content = read_json(path)
        if content["key"] != key:
            return None
        arrays = [np.sort(np.array(content[name], np.float64)) for name in ("nonsense", "captions")]
        if any(x.ndim != 1 or not np.isfinite(x).all() for x in arrays) or len(arrays[0]) < MIN_QUERIES:
            raise ValueError
        return Calibration(*arrays)
    except (InputError, ValueError, KeyError, TypeError):
        logger.warning("%s: damaged: it is made again", path)
        return None


def _write(path: Path, key: str, calibration: Calibration) -> None:
    content = {"key": key, **{name: x.tolist() for name, x in dataclasses.asdict(calibration).items()}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, json.dumps(content).encode())
    except OSError as error:
        logger.warning("%s: %s: the calibration is kept in memory", path, error.strerror or error)
    else:
        captions = f" and {count_text(len(calibration.captions), 'validation caption')}" if len(calibration.captions) else ""
        logger.debug("%s: best similarities of %d nonsense queries%s", path, len(calibration.nonsense), captions)
