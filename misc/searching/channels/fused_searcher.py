"""Search in several channels, with and without a trained model."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from misc.searching.channels.channel import Channel, ChannelHit
from misc.searching.channels.fused_result import NEXT_STEP, Finding, FusedHit, FusedResult
from misc.searching.channels.fusion import IMAGE, TRAINED, fuse, fuse_moments
from misc.searching.channels.tokens import split_negatives
from misc.searching.choices import CHANNELS
from misc.searching.collection import Batch, Collection
from misc.searching.cut_collection import CutCollection
from misc.searching.image_query import find_image_doubt, search_by_image
from misc.searching.result import CaptionHit, Hit, SearchResult
from misc.searching.searcher import MAX_CAPTIONS, MAX_K, Ranking, Searcher, check_k
from misc.searching.windows import Moment, Windows, item_id
from utils.errors import InputError

DEPTH = 1000  # videos of each channel that are fused, more if more are requested
RGB = "rgb"  # the expert of similar videos without a model


@dataclasses.dataclass(frozen=True)
class NoModel:
    """Stands for the metadata of an index where there is no model: no expert has a weight."""

    experts: tuple[str, ...] = ()
    keep_missing: bool = False


@dataclasses.dataclass
class _Found:
    """What all channels find for a query: videos, notes, and why none of a channel's videos is believable (None: one is)."""

    absent: dict[str, str]
    hits: dict[str, list[ChannelHit]] = dataclasses.field(default_factory=dict)
    doubts: dict[str, str | None] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)
    weights: dict[str, float] | None = None
    ranking: Ranking | None = None  # of the trained model
    ranks: dict[str, int] = dataclasses.field(default_factory=dict)  # video -> rank, from 1, in this ranking


class FusedSearcher:
    """A search in several channels, fused by reciprocal rank, with the interface of `Searcher`. It is not thread-safe.

    Args:
        channels: the channels to search, without the trained model.
        absent: channels that cannot be searched, with the reason.
        trained: the search by a trained model (None: there is none, or it is not searched).
        windows: of long videos, for queries by an image (None: they are not cut).
    """

    def __init__(
        self,
        collection: Collection,
        channels: Mapping[str, Channel],
        absent: Mapping[str, str],
        trained: Searcher | None = None,
        windows: Windows | None = None,
    ):
        self.collection, self._channels, self._trained = collection, channels, trained
        self._items = CutCollection(collection, windows)
        self.absent = dict(absent)
        self._file: tuple[Path | None, Batch | None] = (None, None)  # the last query by file
        self.ids = collection.ids
        self.channels = [name for name in CHANNELS if name in channels or (name == "trained" and trained is not None)]
        self.checkpoint = None if trained is None else trained.checkpoint
        self.metadata = NoModel() if trained is None else trained.metadata
        self.experts = [] if trained is None else trained.experts
        self.bank = None if trained is None else trained.bank
        self.bank_metadata = None if trained is None else trained.bank_metadata
        self.lacking, self.stale = ([], []) if trained is None else (trained.lacking, trained.stale)

    def __contains__(self, video: str) -> bool:
        return video in self.collection

    @property
    def takes_images(self) -> bool:
        """Whether an image may be searched for."""
        return RGB in self.collection.experts

    def search(
        self,
        text: str,
        k: int = 10,
        corrected: bool = True,
        allowed: frozenset[str] | None = None,
        image: np.ndarray | None = None,
    ) -> FusedResult:
        """Return the k videos with the highest fused scores, each with the channels that found it.

        Of an `image`, its features rgb (dim,), the text may be empty (None: there is no image).

        Videos that are not `allowed` (None: all are), or that a `-word` of the query excludes in any channel, are removed
        from the ranking of all videos.
        A query that a channel cannot answer, for example without a word of the model's text encoder, is answered by the
        others. `corrected` is that of `Searcher.search`.
        """
        check_k(k)
        if not text.strip() and image is None:
            raise InputError("query: empty, expected some words")
        if allowed is not None and not allowed:
            return FusedResult(text, None, [], self.channels, self.absent, no_video_fits=True)
        words, negatives = split_negatives(text)
        if negatives:
            if not words.strip() and image is None:
                raise InputError(f"query: {text!r}, expected words that are to be found, too, not only excluded ones")
            excluded = set().union(*(channel.find_excluded(negatives) for channel in self._channels.values()))
            allowed = frozenset(self.ids if allowed is None else allowed) - excluded
        depth = max(k, DEPTH if allowed is None else len(self.ids))
        found = self._search_channels(words, depth, corrected, image, allowed)
        by_video: dict[str, dict[str, tuple[int, ChannelHit]]] = {}
        for name, ranking in found.hits.items():
            for rank, hit in enumerate(ranking, 1):
                by_video.setdefault(hit.id, {})[name] = rank, hit
        fused = fuse(found.hits)
        kept = [pair for pair in fused if allowed is None or pair[0] in allowed][:k]
        hits = []
        for rank, (video, score) in enumerate(kept, 1):
            findings = {name: Finding(place, hit.score, hit.evidence) for name, (place, hit) in by_video[video].items()}
            known = found.ranks.get(video)
            content = self.get_hit(video) if known is None else self._trained.make_hit(found.ranking, known)
            hit = self._make_hit(content, rank, score, findings)
            hits.append(self._add_moments(hit, fuse_moments(by_video[video], TRAINED in found.hits)))
        reasons = None if None in found.doubts.values() else [f"{name}: {reason}" for name, reason in found.doubts.items()]
        all_excluded = bool(fused) and not kept
        if reasons is None and found.doubts.get(IMAGE) is not None:
            found.notes.append(f"{IMAGE}: {found.doubts[IMAGE]}")
        has_no_model = {"trained", "zero_shot"} <= found.absent.keys()
        if text.strip() and has_no_model and not all_excluded and (reasons is not None or not fused):
            found.notes.append(NEXT_STEP)
        return FusedResult(
            text,
            found.weights,
            hits,
            list(found.hits),
            found.absent,
            doubt=None if reasons is None else "; ".join(reasons),
            notes=list(dict.fromkeys(found.notes)),
            all_excluded=all_excluded,
        )

    def _add_moments(self, hit: FusedHit, best: list[Moment]) -> FusedHit:
        """Return a hit with the best moments of its video, if any, and the words in the first one."""
        words = self._items.get_words(item_id(hit.id, (best[0].start, best[0].end))) if best else hit.words
        return dataclasses.replace(hit, moments=best, words=words)

    def _search_channels(
        self, text: str, depth: int, corrected: bool, image: np.ndarray | None, allowed: frozenset[str] | None
    ) -> _Found:
        """Return at most `depth` videos that each channel finds, and what it says of those that are allowed."""
        found = _Found(absent=dict(self.absent))
        if image is not None:
            found.hits[IMAGE] = search_by_image(self._items, image, depth)
            find_doubt = functools.partial(find_image_doubt, self.collection)
            found.doubts[IMAGE] = _find_doubt(find_doubt, found.hits[IMAGE], allowed)
        for name in self.channels if text.strip() else ():
            try:
                if name == "trained":
                    most = max(MAX_K, len(self._trained.ids))
                    found.ranking = ranking = self._trained.rank(text, min(depth, most), corrected)
                    found.weights = self._trained.weights_of(ranking)
                    found.ranks = {x.video: rank for rank, x in enumerate(ranking.found, 1)}
                    found.doubts[name] = ranking.doubt
                    found.notes += ranking.notes
                    found.hits[name] = [
                        ChannelHit(x.video, x.score, [], x.moments) for x in ranking.found if x.video in self
                    ]
                else:
                    channel = self._channels[name]
                    found.hits[name] = channel.search(text, depth)
                    found.doubts[name] = _find_doubt(channel.find_doubt, found.hits[name], allowed)
                    found.notes += channel.find_notes(text)
            except InputError as error:
                found.absent[name] = str(error)
        if not found.hits:
            raise InputError("; ".join(f"{name}: {reason}" for name, reason in found.absent.items()))
        return found

    def similar(self, video: str | Path, k: int = 10) -> SearchResult:
        """Return the k videos that are most similar: by the model, else by the cosine of their mean features rgb."""
        if self._trained is not None:
            return self._trained.similar(video, k)
        check_k(k, len(self.ids))
        query = self._read_rgb(video)
        if query is None:
            return SearchResult(str(video), None, [])
        ids, scores = [], []
        for other, features in self.collection.load_frames(RGB):
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
        return Hit(0, video, None, None, [], captions, self.collection.get_words(video), self.get_clip(video))

    def get_captions(self, video: str) -> list[str]:
        """Return the captions of a video as text; an empty list if they are unknown."""
        return self.collection.get_captions(video)

    def get_clip(self, video: str) -> str | None:
        """Return the URL of a video's file, relative to the folder of the collection (None: no file)."""
        return self.collection.get_clip(video)

    def get_poster(self, hit: Hit) -> str | None:
        """Return the URL of the poster of a hit, relative to the folder of the collection (None: no poster)."""
        return self.collection.get_poster(hit.id, hit.poster_time)

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
        if RGB not in self.collection.experts:
            raise InputError(f"similar videos: expected a model (--checkpoint), or features '{RGB}', which no video has")
        if isinstance(video, str):
            self.collection.check_ids([video])
            features = self.collection.load_video(RGB, video)
        else:
            if video != self._file[0]:  # it takes seconds
                self._file = video, self.collection.load_file(video, "cpu")
            batch = self._file[1]
            features = batch.inputs["experts"][RGB].numpy() if batch.inputs["ind"][RGB][0] else None
            features = None if features is None else features.reshape(-1, features.shape[-1])
        return None if features is None else features.mean(axis=0)


def _find_doubt(
    judge: Callable[[list[ChannelHit]], str | None], hits: Sequence[ChannelHit], allowed: frozenset[str] | None
) -> str | None:
    """Return why none of the hits that are allowed (None: all are) is believable; None if one is."""
    kept = [hit for hit in hits if allowed is None or hit.id in allowed]
    return judge(kept) if kept or not hits else "only videos that are excluded, or that do not fit the filter"


def _cosine(x: np.ndarray, y: np.ndarray) -> float:
    return float(x @ y / max(float(np.linalg.norm(x) * np.linalg.norm(y)), 1e-12))
