"""Search in several channels, with and without a trained model."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from misc.searching.channels.channel import Channel, ChannelHit
from misc.searching.channels.fused_result import Finding, FusedHit, FusedResult
from misc.searching.channels.fusion import fuse
from misc.searching.collection import Collection
from misc.searching.result import CaptionHit, Hit, SearchResult
from misc.searching.searcher import MAX_CAPTIONS, Searcher, check_k
from utils.errors import InputError

CHANNELS = ("words", "concepts", "trained")
# Of channels in the fusion. Concepts know 1,000 classes only, so that they should not outweigh words or a trained model; the
# weights were not tuned.
WEIGHTS = {"words": 1.0, "concepts": 0.5, "trained": 1.0}
DEPTH = 1000  # videos of each channel that are fused, more if more are requested
RGB = "rgb"  # the expert of similar videos without a model


@dataclasses.dataclass(frozen=True)
class NoModel:
    """Stands for the metadata of an index where there is no model: no expert has a weight."""

    experts: tuple[str, ...] = ()
    keep_missing: bool = False


class FusedSearcher:
    """A search in several channels, fused by reciprocal rank, with the interface of `Searcher`. It is not thread-safe.

    Args:
        channels: the channels to search, without the trained model.
        absent: channels that cannot be searched, with the reason.
        trained: the search by a trained model (None: there is none, or it is not searched).
    """

    def __init__(
        self,
        collection: Collection,
        channels: Mapping[str, Channel],
        absent: Mapping[str, str],
        trained: Searcher | None = None,
    ):
        self._collection, self._channels, self._trained = collection, channels, trained
        self.absent = dict(absent)
        self.ids = collection.ids
        self.channels = [name for name in CHANNELS if name in channels or (name == "trained" and trained is not None)]
        self.checkpoint = None if trained is None else trained.checkpoint
        self.metadata = NoModel() if trained is None else trained.metadata
        self.experts = [] if trained is None else trained.experts
        self.bank = None if trained is None else trained.bank
        self.bank_beta = None if trained is None else trained.bank_beta
        self.lacking, self.stale = ([], []) if trained is None else (trained.lacking, trained.stale)

    def __contains__(self, video: str) -> bool:
        return video in self._collection

    def search(self, text: str, k: int = 10, corrected: bool = True) -> FusedResult:
        """Return the k videos with the highest fused scores, each with the channels that found it.

        A query that a channel cannot answer, for example without a word of the model's text encoder, is answered by the
        others. `corrected` is that of `Searcher.search`.
        """
        check_k(k)
        if not text.strip():
            raise InputError("query: empty, expected some words")
        depth, absent, weights = max(k, DEPTH), dict(self.absent), None
        found: dict[str, list[ChannelHit]] = {}
        by_model: dict[str, Hit] = {}
        for name in self.channels:
            try:
                if name == "trained":
                    result = self._trained.search(text, depth, corrected)
                    weights, by_model = result.weights, {hit.id: hit for hit in result.hits}
                    found[name] = [ChannelHit(hit.id, hit.similarity, []) for hit in result.hits if hit.id in self]
                else:
                    found[name] = self._channels[name].search(text, depth)
            except InputError as error:
                absent[name] = str(error)
        if not found:
            raise InputError("; ".join(f"{name}: {reason}" for name, reason in absent.items()))
        findings: dict[str, dict[str, Finding]] = {}
        for name, hits in found.items():
            for rank, hit in enumerate(hits, 1):
                findings.setdefault(hit.id, {})[name] = Finding(rank, hit.score, hit.evidence)
        fused = fuse({name: [hit.id for hit in hits] for name, hits in found.items()}, WEIGHTS)[:k]
        hits = [
            self._make_hit(by_model.get(video) or self.get_hit(video), rank, score, findings[video])
            for rank, (video, score) in enumerate(fused, 1)
        ]
        return FusedResult(text, weights, hits, list(found), absent)

    def similar(self, video: str | Path, k: int = 10) -> SearchResult:
        """Return the k videos that are most similar: by the model, else by the cosine of their mean features rgb."""
        if self._trained is not None:
            return self._trained.similar(video, k)
        check_k(k)
        query = self._read_rgb(video)
        if query is None:
            return SearchResult(str(video), None, [])
        ids, scores = [], []
        for other, features in self._collection.load_frames(RGB):
            if other != video:
                ids.append(other)
                scores.append(_cosine(query, features.mean(axis=0)))
        best = np.argsort(-np.array(scores), kind="stable")[:k]
        hits = [dataclasses.replace(self.get_hit(ids[i]), rank=rank, similarity=scores[i]) for rank, i in enumerate(best, 1)]
        return SearchResult(str(video), None, hits)

    def v2t(self, video: str | Path, k: int = 10, corrected: bool = True) -> list[CaptionHit]:
        """Return the k captions that describe a video best, as the model says; none without a model."""
        return [] if self._trained is None else self._trained.v2t(video, k, corrected)

    def get_hit(self, video: str) -> Hit:
        """Return a video, without rank and similarity."""
        if self._trained is not None:
            return self._trained.get_hit(video)
        captions = [caption for caption in self.get_captions(video) if caption][:MAX_CAPTIONS]
        return Hit(0, video, None, None, [], captions, self._collection.get_words(video), self.get_clip(video))

    def get_captions(self, video: str) -> list[str]:
        """Return the captions of a video as text; an empty list if they are unknown."""
        return self._collection.get_captions(video)

    def get_clip(self, video: str) -> str | None:
        """Return the URL of a video's file, relative to the folder of the collection (None: no file)."""
        return self._collection.get_clip(video)

    def get_poster(self, video: str) -> str | None:
        """Return the URL of a video's poster, relative to the folder of the collection (None: no poster)."""
        return self._collection.get_poster(video)

    def close(self) -> None:
        """Release files and connections."""
        if self._trained is not None:
            self._trained.close()
        for channel in self._channels.values():
            channel.close()

    def _make_hit(self, hit: Hit, rank: int, score: float, findings: dict[str, Finding]) -> FusedHit:
        fields = {field.name: getattr(hit, field.name) for field in dataclasses.fields(Hit)}
        return FusedHit(**{**fields, "rank": rank}, score=score, channels=findings)

    def _read_rgb(self, video: str | Path) -> np.ndarray | None:
        """Return the mean features rgb of a video of the collection, or of a file; None if it has none."""
        if RGB not in self._collection.experts:
            raise InputError(f"similar videos: expected a model (--resume), or features '{RGB}', which no video has")
        if isinstance(video, str):
            self._collection.check_ids([video])
            features = self._collection.load_video(RGB, video)
        else:
            batch = self._collection.load_file(video, "cpu")
            features = batch.inputs["experts"][RGB].numpy() if batch.inputs["ind"][RGB][0] else None
            features = None if features is None else features.reshape(-1, features.shape[-1])
        return None if features is None else features.mean(axis=0)


def _cosine(x: np.ndarray, y: np.ndarray) -> float:
    return float(x @ y / max(float(np.linalg.norm(x) * np.linalg.norm(y)), 1e-12))
