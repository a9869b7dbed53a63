"""Search a collection by words, by a video, or for the captions that fit a video."""

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from misc.extractors import text_encoders
from misc.searching.calibration import Calibration, calibrate
from misc.searching.channels.tokens import split_negatives
from misc.searching.collection import Collection
from misc.searching.cut_collection import CutCollection
from misc.searching.embedding import EmbeddedCaptions, Embedder
from misc.searching.index.patterns import as_query
from misc.searching.index.vector_store import FoundVideo, VectorStore
from misc.searching.query_language import note_language
from misc.searching.result import CaptionHit, Hit, SearchResult
from model.similarity import TextEmbedding, VideoEmbedding
from utils.errors import InputError

MAX_K = 10_000
MAX_CAPTIONS = 3  # per hit
DEEPER = 8  # times as many videos are searched if too few of them are allowed


class Ranking(NamedTuple):
    """The videos that the model finds for a query, best first, the weights of the query, a doubt and notes."""

    found: list[FoundVideo]
    weights: np.ndarray | None  # of the experts (M,); None in the Concat variants
    doubt: str | None  # why none of the videos is believable (None: one is)
    notes: list[str]


class Searcher:
    """A search in an index, with the checkpoint that built it and its collection. It is not thread-safe.

    Attributes:
        collection, items: the collection, and its videos with long ones in the windows of the index.
        experts: names of the model's experts.
        ids: ids of the indexed videos.
        lacking: videos of the collection that the index lacks.
        stale: indexed videos that have changed or are no longer in the collection.
        bank, bank_metadata: description and metadata of the query bank of the index (None: it has none).

    Args:
        calibration_path: the file of the calibration (None: it is measured for each searcher).
    """

    def __init__(
        self,
        embedder: Embedder,
        collection: Collection,
        store: VectorStore,
        encoder: str | None = None,
        calibration_path: Path | None = None,
    ):
        store.metadata.check_checkpoint(embedder.sha256, embedder.checkpoint, store.source)
        self._embedder, self._store = embedder, store
        self.collection = collection
        self.checkpoint, self.metadata = embedder.checkpoint, store.metadata
        self.experts, self.ids = store.metadata.experts, list(store.videos.by_video())
        self.items = CutCollection(collection, store.metadata.windows)
        self.bank = None if store.bank is None else store.bank.description
        self.bank_metadata = None if store.bank is None else store.bank.about
        self.lacking, changed, gone = collection.compare(store.videos)
        self.stale = changed + gone
        self._encoder_spec = encoder  # None: that of the collection's captions
        self._calibration_path = calibration_path
        self._file: tuple[Path | None, VideoEmbedding | None] = (None, None)  # the last query by file

    def __contains__(self, video: str) -> bool:
        return video in self.collection

    def search(self, text: str, k: int = 10, corrected: bool = True, allowed: frozenset[str] | None = None) -> SearchResult:
        """Return the k videos that words describe best, of those that are `allowed` (None: all).

        Without `corrected`, they are searched as if the index had no query bank.
        """
        ranking = self.rank(text, k, corrected, allowed)
        hits = [self.make_hit(ranking, rank) for rank in range(1, len(ranking.found) + 1)]
        return SearchResult(text, self.weights_of(ranking), hits, doubt=ranking.doubt, notes=ranking.notes)

    def rank(self, text: str, k: int = 10, corrected: bool = True, allowed: frozenset[str] | None = None) -> Ranking:
        """Return the ranking of `search`, without what results say of each video."""
        check_k(k, len(self.ids))
        words, negatives = split_negatives(text)
        query, notes = self._embed_query(words)
        if negatives:
            notes.append(f"the model alone does not exclude '{negatives[0]}': it needs another channel")
        weights = None if self.metadata.is_concat else query.weights[0].numpy()
        best, highest = self._find_best(query, k, corrected, allowed)
        return Ranking(best, weights, self._find_doubt(highest), notes)

    def make_hit(self, ranking: Ranking, rank: int) -> Hit:
        """Return the video with a rank, from 1, in a ranking."""
        return self._make_hit(ranking.found[rank - 1], rank, ranking.weights, judged=True)

    def weights_of(self, ranking: Ranking) -> dict[str, float] | None:
        """Return the weights of the query of a ranking by expert; None in the Concat variants."""
        return self._by_expert(ranking.weights)

    def similar(self, video: str | Path, k: int = 10) -> SearchResult:
        """Return the k videos that are most similar to a video of the collection (an id) or to a video file (a path).

        The similarity is the mean inner product of the embeddings over the experts that both videos have; with `l2renorm`,
        the cosine of their concatenated embeddings. Without common experts, it is 0.
        """
        check_k(k, len(self.ids))
        best = self._store.search_videos(as_query(self._embed_video(video)), k + 1)
        others = [found for found in best if found.video != video][:k]
        return SearchResult(str(video), None, [self._make_hit(found, rank) for rank, found in enumerate(others, 1)])

    def v2t(self, video: str | Path, k: int = 10, corrected: bool = True) -> list[CaptionHit]:
        """Return the k captions of the collection that describe a video (an id) or a video file (a path) best.

        The first call embeds all captions. Without `corrected`, the query bank is not used.
        """
        check_k(k)
        embedding = self._embed_video(video)
        hits = []
        best = self._captions.search(embedding, k, corrected)
        for rank, (owner, name, caption, similarity, normalized, weights) in enumerate(best, 1):
            applied = None if self.metadata.is_concat else _apply_weights(weights, embedding.available[0].numpy())
            hits.append(CaptionHit(rank, owner, name, caption, similarity, self._by_expert(applied), normalized))
        return hits

    def get_hit(self, video: str) -> Hit:
        """Return an indexed video, without rank and similarity; a long one has the experts of all its windows."""
        items = self._store.videos.items_of(video) or [video]
        hit = self._make_hit(FoundVideo(video, items[0], None, None, []), 0)
        bits = [self._store.videos.available_of(item) or "" for item in items]
        experts = [name for i, name in enumerate(self.experts) if any(x[i : i + 1] == "1" for x in bits)]
        return dataclasses.replace(hit, experts=experts)

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
        self._store.close()

    @cached_property
    def calibration(self) -> Calibration | None:
        """The similarities of nonsense, by which those of a query are judged (None: unknown)."""
        return calibrate(self._embedder, self._encoder, self.collection, self._store, self._calibration_path)

    @cached_property
    def _captions(self) -> EmbeddedCaptions:
        return EmbeddedCaptions(self._embedder, self.collection, self._store.bank)

    @cached_property
    def _encoder(self) -> text_encoders.TextEncoder:
        spec = self._encoder_spec or self.collection.read_encoder_spec()
        if spec is None:
            raise InputError(
                f"{self.collection.folder}: no extraction.json that names the text encoder, expected --encoder SPEC, "
                f"one with the checkpoint's word vectors '{self._embedder.text_feat}'"
            )
        encoder = text_encoders.build_text_encoder(spec, str(self._embedder.device))
        if (encoder.feat, encoder.dim) != (self._embedder.text_feat, self._embedder.text_dim):
            raise InputError(
                f"text encoder '{spec}': word vectors '{encoder.feat}' of dimension {encoder.dim}, expected "
                f"'{self._embedder.text_feat}' of {self._embedder.text_dim} as in {self._embedder.checkpoint}"
            )
        return encoder

    def _embed_query(self, text: str) -> tuple[TextEmbedding, list[str]]:
        """Return the embedding of a query, and notes on its language and on words that were not read."""
        if not text.strip():
            raise InputError("query: empty, expected some words")
        (vectors,) = self._encoder([text])
        if not len(vectors):
            raise InputError(f"query: {text!r} has no word that the text encoder knows")
        notes = [] if (note := note_language(text, self._encoder.spec)) is None else [note]
        used, readable = self._embedder.max_tokens, getattr(self._encoder, "max_tokens", None)
        if used is not None and len(vectors) > used:
            notes.append(f"the model reads the first {used} of at least {len(vectors)} tokens of the query, not the rest")
        elif len(vectors) == readable:
            notes.append(
                f"the text encoder {self._encoder.spec} reads the first {readable} tokens of the query, not the rest"
            )
        return self._embedder.embed_texts([vectors]), notes

    def _find_best(
        self, query: TextEmbedding, k: int, corrected: bool, allowed: frozenset[str] | None
    ) -> tuple[list[FoundVideo], float | None]:
        """Return the best k allowed videos; search deeper until there are k.

        Return also the highest similarity of all videos, without the query bank, as in the calibration (None: no video).
        """
        depth = k
        while True:
            best = self._store.search_videos(query, depth, corrected)
            kept = [found for found in best if allowed is None or found.video in allowed]
            if allowed is None or len(kept) >= k or depth >= len(self.ids):
                break
            depth = min(DEEPER * depth, len(self.ids))
        if not best or best[0].normalized is None:
            return kept[:k], best[0].score if best else None
        return kept[:k], self._store.search(query, 1)[0][0][1]

    def _find_doubt(self, highest: float | None) -> str | None:
        """Return why no video is believable for a query; None if one is, or nothing is known of similarities."""
        if self.calibration is None or highest is None or highest >= self.calibration.threshold:
            return None
        share = 100 - self.calibration.percentile(highest)
        return f"the best similarity, {highest:.3f}, is reached by {share:.0f} % of nonsense queries"

    def _embed_video(self, video: str | Path) -> VideoEmbedding:
        if isinstance(video, str):
            self.collection.check_ids([video])
            (batch,) = self.collection.load_videos([video], 1)
            return self._embedder.embed_videos(batch)
        if video != self._file[0]:
            batch = self.collection.load_file(video, str(self._embedder.device))
            self._file = video, self._embedder.embed_videos(batch)
        return self._file[1]

    def _make_hit(self, found: FoundVideo, rank: int, weights: np.ndarray | None = None, judged: bool = False) -> Hit:
        bits = self._store.videos.available_of(found.item) or "0" * len(self.experts)
        available = np.array([bit == "1" for bit in bits])
        counted = np.ones_like(available) if self.metadata.keep_missing else available
        return Hit(
            rank,
            found.video,
            found.score,
            None if weights is None else self._by_expert(_apply_weights(weights, counted)),
            [name for name, is_available in zip(self.experts, available, strict=True) if is_available],
            [caption for caption in self.get_captions(found.video) if caption][:MAX_CAPTIONS],
            self.items.get_words(found.item) if found.moments else self.collection.get_words(found.video),
            self.get_clip(found.video),
            found.normalized,
            moments=found.moments,
            percentile=self.calibration.percentile(found.score) if judged and self.calibration is not None else None,
        )

    def _by_expert(self, weights: np.ndarray | None) -> dict[str, float] | None:
        return None if weights is None else dict(zip(self.experts, map(float, weights), strict=True))


def _apply_weights(weights: np.ndarray, available: np.ndarray) -> np.ndarray:
    """Return the weights of a query for a video: w_i a_i / sum_j w_j a_j."""
    applied = weights * available
    return applied / (applied.sum() or 1)


def check_k(k: int, most: int = MAX_K) -> None:
    """Raise an InputError if a number of results is out of bounds; at most `MAX_K`, or `most` if that is more."""
    if not 1 <= k <= max(MAX_K, most):
        raise InputError(f"k: {k}, expected a number from 1 to {max(MAX_K, most)}")
