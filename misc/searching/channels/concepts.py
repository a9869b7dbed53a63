"""The channel of concepts: the classes of ImageNet that the network of the expert rgb sees in frames.

The expert rgb is EfficientNet-Lite0 up to its last pooling, so that its classifier turns stored features into the class
probabilities of each frame. The names of classes are compared with the words of a query by sentence embeddings of MiniLM.
An everyday word, such as "dog", has the same meaning as all classes of its group.
"""

import io
import json
import logging
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from misc.extractors.pretrained.torchvision_import import ensure_torchvision
from misc.extractors.rgb import load_classifier
from misc.searching.channels.channel import ChannelHit, Evidence
from misc.searching.channels.everyday_words import find_group, load_groups
from misc.searching.channels.spelling import correct_words
from misc.searching.channels.tokens import STOP_WORDS, split_words
from misc.searching.collection import Collection
from misc.searching.cut_collection import CutCollection
from misc.searching.extraction_record import read_record
from misc.searching.query_language import ENGLISH_ENCODER, note_language
from misc.searching.windows import Windows, as_moments, video_of
from utils.errors import InputError, count_text
from utils.files import write_bytes
from utils.optional_packages import require_package

FILE = "concepts.npz"
VERSION = 2
EXPERT, EXTRACTOR, DIM = "rgb", "rgb", 1280
MAX_CONCEPTS = 32  # per video: its most probable ones
MIN_PROBABILITY = 0.01  # of a concept in a video
MEAN_SHARE = 0.1  # of the mean over frames in this probability; the rest is the highest of a frame
# The lowest cosine of a part of a query and the name of a class, chosen on the 665 training captions of Stamps2 and on 500
# words that do not exist, such as "tivo": of the captions, 64 % have a class at 0.65 (71 % at 0.6, 54 % at 0.7) and 19.8 % a
# rank up to 10 (21.8, 18.3); of the other words, 7 % have a class (15 %, 2 %).
MIN_COSINE = 0.65
TEMPERATURE = 0.1  # of cosines: a class with a cosine of 0.8 counts exp(-2) of one with the same name as the query
# Of an everyday word and the classes of its group: of 1, 0.95, 0.93, 0.9 and 0.87 the one with the best results, alone and
# beside a trained model, on the validation captions of Stamps2 and of the narrated demo.
GROUP_COSINE = 0.95
# The lowest score of a believable hit, such as a probability of 8 % of a class that the query names, chosen on the training
# captions of Stamps2: of those with such a hit (33 %), 66 % find their video among the first ten, and of the others 3 %. At
# 0.03, 57 % have such a hit, and 39 % of these find it; above 0.08, more of the right hits would be lost than of the others.
MIN_SCORE = 0.08
MAX_PART_WORDS = 3  # of a part of a query
MAX_QUERY_WORDS = 100
MAX_CACHED_PARTS = 10_000
MAX_EVIDENCE = 3

logger = logging.getLogger(__name__)


class ConceptsChannel:
    """The probabilities of concepts per video, kept in the file `path`, which is updated if the collection has changed.

    The score of a video is the sum over classes c of exp((cos(query, c) - 1) / TEMPERATURE) p(c), where cos is the highest
    cosine of a part of the query (`GROUP_COSINE` for an everyday word), which has to be at least `MIN_COSINE`, and p the
    probability in the video, see `top_concepts`, which has to be at least `MIN_PROBABILITY`. The score of a long video is
    that of its best window. The confidence of a hit is min(1, score).

    Args:
        windows: of long videos (None: they are not cut).
        embed: returns the sentence embeddings of texts, (T, dim), of length 1 (None: those of MiniLM, loaded when needed).

    Raises:
        InputError: the expert rgb of the collection is not EfficientNet-Lite0, or a package is missing.
    """

    name = "concepts"

    def __init__(
        self,
        collection: Collection,
        path: Path | None = None,
        embed: Callable[[Sequence[str]], np.ndarray] | None = None,
        windows: Windows | None = None,
    ):
        check_extractor(collection)
        self._collection, self._path, self._embed = collection, path, embed
        self._items = CutCollection(collection, windows)
        self._classes = load_class_names()
        self._class_vectors: np.ndarray | None = None  # (C, dim)
        names = " ".join([*self._classes, *load_groups(tuple(self._classes))])
        self._vocabulary = sorted({form for word in split_words(names.lower()) for form in (word, f"{word}s")})
        self._part_vectors: dict[str, np.ndarray] = {}  # part of a query -> (dim,): queries have many in common
        self._ids, self._concepts, self._probabilities = self._load()

    def search(self, text: str, k: int) -> list[ChannelHit]:
        """Return at most k videos with concepts that a query may mean, the best first; none for a query far from all."""
        weights = self._weigh_classes(text)  # (C,)
        if not weights.any():
            return []
        products = np.append(weights, 0)[self._concepts] * self._probabilities.astype(np.float64)  # (N, MAX_CONCEPTS)
        scores = products.sum(axis=1)
        rows_by_video: dict[str, list[int]] = {}
        for row in np.argsort(-scores, kind="stable")[: np.count_nonzero(scores > 0)].tolist():
            video = video_of(self._ids[row])
            if video in rows_by_video or len(rows_by_video) < k:
                rows_by_video.setdefault(video, []).append(row)
        return [
            ChannelHit(
                video,
                float(scores[rows[0]]),
                self._collect_evidence(rows[0], products[rows[0]]),
                as_moments((self._ids[row], float(scores[row])) for row in rows),
                min(1.0, float(scores[rows[0]])),
            )
            for video, rows in rows_by_video.items()
        ]

    def find_doubt(self, hits: Sequence[ChannelHit]) -> str | None:
        """Return why none of the hits of a query is believable: the best one has a score below `MIN_SCORE`."""
        if hits and hits[0].score >= MIN_SCORE:
            return None
        seen = f" and seen well (score {hits[0].score:.2g}, expected {MIN_SCORE:g})" if hits else ""
        return f"no concept is close to it{seen}"

    def find_excluded(self, negatives: Sequence[str]) -> set[str]:
        """Return all videos with a believable concept of any of some words and phrases."""
        return {hit.id for text in negatives for hit in self.search(text, len(self._ids)) if hit.score >= MIN_SCORE}

    def find_notes(self, text: str) -> list[str]:
        """Return notes on a query in another language than English, with misspelled words, or with too many."""
        notes = [] if (note := note_language(text, ENGLISH_ENCODER)) is None else [note]
        notes += [f"concepts: “{word}” is read as “{other}”" for word, other in self._correct(text).items()]
        if len(split_words(text)) > MAX_QUERY_WORDS:
            notes.append(f"concepts: the first {MAX_QUERY_WORDS} words are read, not the rest")
        return notes

    def describe(self) -> str:
        """Return the number of videos with concepts."""
        rows = np.flatnonzero(self._concepts[:, 0] >= 0)
        return f"classes of ImageNet in {count_text(len({video_of(self._ids[row]) for row in rows}), 'video')}"

    def close(self) -> None:
        """Do nothing: the file is read at once."""

    def _weigh_classes(self, text: str) -> np.ndarray:
        """Return the weight of each class for a query, 0 for classes with another meaning."""
        parts = list(split_parts(text, self._correct(text)))
        if not parts:
            return np.zeros(len(self._classes))
        if self._embed is None:
            from misc.extractors.text_encoders import build_text_encoder

            self._embed = build_text_encoder(ENGLISH_ENCODER, "cpu").embed_sentences
        if self._class_vectors is None:
            self._class_vectors = self._embed(self._classes)
        if len(self._part_vectors) > MAX_CACHED_PARTS:
            self._part_vectors.clear()
        if new := [part for part in dict.fromkeys(parts) if part not in self._part_vectors]:
            self._part_vectors.update(zip(new, self._embed(new), strict=True))
        vectors = np.stack([self._part_vectors[part] for part in parts])
        cosines = (vectors @ self._class_vectors.T).max(axis=0).astype(np.float64)
        for part in parts:
            numbers = find_group(part, self._classes)
            cosines[numbers] = np.maximum(cosines[numbers], GROUP_COSINE)
        return np.where(cosines >= MIN_COSINE, np.exp((cosines - 1) / TEMPERATURE), 0)

    def _correct(self, text: str) -> dict[str, str]:
        """Return the misspelled words of a query with the words of names of classes and groups that they stand for."""
        return correct_words(map(str.lower, split_words(text)[:MAX_QUERY_WORDS]), self._vocabulary)

    def _collect_evidence(self, row: int, products: np.ndarray) -> list[Evidence]:
        best = [i for i in np.argsort(-products, kind="stable")[:MAX_EVIDENCE] if products[i] > 0]
        concepts, probabilities = self._concepts[row], self._probabilities[row]
        return [Evidence(EXPERT, self._classes[concepts[i]], probability=round(float(probabilities[i]), 3)) for i in best]

    def _load(self) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Return ids of items, class numbers (N, MAX_CONCEPTS), -1 for none, and probabilities; compute new videos."""
        known = self._read()
        videos, versions = self._collection.ids, self._collection.version
        current: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}  # video -> its items
        if all(map(versions, videos)):  # otherwise, some features are of unknown version
            for item, (version, *row) in known.items():
                if version == versions(video := video_of(item)):
                    current.setdefault(video, {})[item] = tuple(row)
        empty = np.full(MAX_CONCEPTS, -1, np.int16), np.zeros(MAX_CONCEPTS, np.float16)
        if missing := set(videos) - current.keys():
            weight, bias = load_classifier()
            for item, features in self._items.load_frames(EXPERT):
                if (video := video_of(item)) in missing:
                    current.setdefault(video, {})[item] = top_concepts(features, weight, bias)
        rows = {item: row for video in videos for item, row in current.get(video, {video: empty}).items()}
        ids = list(rows)
        concepts = np.stack([row[0] for row in rows.values()])
        probabilities = np.stack([row[1] for row in rows.values()])
        if self._path is not None and (missing or list(known) != ids):
            self._write(ids, concepts, probabilities)
        return ids, concepts, probabilities

    @property
    def _cut(self) -> dict[str, float] | None:
        return None if self._items.windows is None else self._items.windows.model_dump()

    def _read(self) -> dict[str, tuple[str, np.ndarray, np.ndarray]]:
        """Return version, class numbers and probabilities of the videos in the file; none without a valid file."""
        if self._path is None or not self._path.is_file():
            return {}
        try:
            with self._path.open("rb") as content, np.load(content, allow_pickle=False) as file:
                about = json.loads(file["about"].tobytes())
                concepts, probabilities = file["concepts"], file["probabilities"]
            if about["version"] != VERSION or about.get("windows") != self._cut:
                return {}
            shape = (len(about["ids"]), MAX_CONCEPTS)
            if {concepts.shape, probabilities.shape} != {shape} or (concepts.dtype, probabilities.dtype) != (
                np.int16,
                np.float16,
            ):
                raise ValueError(f"arrays of shape {concepts.shape} and {probabilities.shape}, expected {shape}")
            if concepts.size and not (concepts.min() >= -1 and concepts.max() < len(self._classes)):
                raise ValueError("no such class")
            rows = zip(about["versions"], concepts, probabilities, strict=True)
            return dict(zip(about["ids"], rows, strict=True))
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            logger.warning("%s: damaged: it is made again", self._path)
            return {}

    def _write(self, ids: list[str], concepts: np.ndarray, probabilities: np.ndarray) -> None:
        versions = [self._collection.version(video_of(item)) for item in ids]
        about = {"version": VERSION, "windows": self._cut, "ids": ids, "versions": versions}
        content = io.BytesIO()
        digits = np.frombuffer(json.dumps(about).encode(), np.uint8)
        np.savez(content, about=digits, concepts=concepts, probabilities=probabilities)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(self._path, content.getvalue())
        except OSError as error:
            logger.warning("%s: %s: the concepts are kept in memory", self._path, error.strerror or error)
        else:
            logger.info("%s: concepts of %s", self._path, count_text(len(self._collection.ids), "video"))


def check_extractor(collection: Collection) -> None:
    """Raise an InputError unless extraction.json says that the expert rgb is EfficientNet-Lite0."""
    settings = (read_record(collection.folder) or {}).get("settings")
    experts = settings.get("experts") if isinstance(settings, dict) else None
    about = experts.get(EXPERT) if isinstance(experts, dict) else None
    found = about.get("extractor") if isinstance(about, dict) else None
    if found != EXTRACTOR:
        reason = f"extractor '{found}'" if found else "not in extraction.json"
        raise InputError(f"expert {EXPERT}: {reason}, expected '{EXTRACTOR}', whose classes are known")
    if EXPERT not in collection.experts:
        raise InputError(f"expert {EXPERT}: no video has it, or the model does not use it")
    if collection.experts[EXPERT].dim != DIM:
        raise InputError(f"expert {EXPERT}: dimension {collection.experts[EXPERT].dim}, expected {DIM}")


def load_class_names() -> list[str]:
    """Return the names of the classes of ImageNet, in the order of the classifier."""
    ensure_torchvision()
    return list(require_package("torchvision.models._meta")._IMAGENET_CATEGORIES)


def top_concepts(features: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the most probable classes of a video, by frame features (T, dim): numbers and probabilities.

    The probability is nearly the highest in a frame, since a thing may be seen in a part of a video only. Of videos that are
    about equal, it is higher if the thing is seen longer: the mean over frames counts `MEAN_SHARE`.
    There are `MAX_CONCEPTS`; classes below `MIN_PROBABILITY` are replaced by -1 with a probability of 0.
    """
    logits = features.astype(np.float32) @ weight.T + bias  # (T, C)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    by_frame = exponentials / exponentials.sum(axis=1, keepdims=True)
    probability = (1 - MEAN_SHARE) * by_frame.max(axis=0) + MEAN_SHARE * by_frame.mean(axis=0)  # (C,)
    best = np.argsort(-probability, kind="stable")[:MAX_CONCEPTS]
    best = best[probability[best] >= MIN_PROBABILITY]
    numbers, probabilities = np.full(MAX_CONCEPTS, -1, np.int16), np.zeros(MAX_CONCEPTS, np.float16)
    numbers[: len(best)], probabilities[: len(best)] = best, probability[best]
    return numbers, probabilities


def split_parts(text: str, corrected: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield the whole query, and its parts of up to `MAX_PART_WORDS` words that neither begin nor end with a common word.

    Words that are `corrected` are replaced.
    """
    words = [word.lower() for word in split_words(text)][:MAX_QUERY_WORDS]
    words = [(corrected or {}).get(word, word) for word in words]
    parts = [words] if words else []
    for length in range(1, MAX_PART_WORDS + 1):
        for start in range(len(words) - length + 1):
            part = words[start : start + length]
            if part[0] not in STOP_WORDS and part[-1] not in STOP_WORDS:
                parts.append(part)
    yield from dict.fromkeys(" ".join(part) for part in parts)
