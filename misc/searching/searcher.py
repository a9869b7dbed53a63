"""Search a collection by words, by a video, or for the captions that fit a video."""

from functools import cached_property
from pathlib import Path

import numpy as np

from misc.extractors import text_encoders
from misc.searching.collection import Collection
from misc.searching.embedding import EmbeddedCaptions, Embedder
from misc.searching.index.patterns import as_query
from misc.searching.index.vector_store import VectorStore
from misc.searching.result import CaptionHit, Hit, SearchResult
from model.similarity import TextEmbedding, VideoEmbedding
from utils.errors import InputError

MAX_K = 10_000
MAX_CAPTIONS = 3  # per hit


class Searcher:
    """A search in an index, with the checkpoint that built it and its collection. It is not thread-safe.

    Attributes:
        collection: the collection.
        experts: names of the model's experts.
        ids: ids of the indexed videos.
        lacking: videos of the collection that the index lacks.
        stale: indexed videos that have changed or are no longer in the collection.
        bank, bank_beta: description and beta of the query bank of the index (None: it has none).
    """

    def __init__(self, embedder: Embedder, collection: Collection, store: VectorStore, encoder: str | None = None):
        store.metadata.check_checkpoint(embedder.sha256, embedder.checkpoint, store.source)
        self._embedder, self._store = embedder, store
        self.collection = collection
        self.checkpoint, self.metadata = embedder.checkpoint, store.metadata
        self.experts, self.ids = store.metadata.experts, store.videos.ids
        self.bank = None if store.bank is None else store.bank.description
        self.bank_beta = None if store.bank is None else store.bank.about.beta
        self.lacking, changed, gone = collection.compare(store.videos)
        self.stale = changed + gone
        self._encoder_spec = encoder  # None: that of the collection's captions
        self._file: tuple[Path | None, VideoEmbedding | None] = (None, None)  # the last query by file

    def __contains__(self, video: str) -> bool:
        return video in self.collection

    def search(self, text: str, k: int = 10, corrected: bool = True) -> SearchResult:
        """Return the k videos that words describe best; without `corrected`, as if the index had no query bank."""
        check_k(k)
        query = self._embed_query(text)
        weights = None if self.metadata.is_concat else query.weights[0].numpy()
        if corrected and self._store.bank is not None:
            best = self._store.search_with_bank(query, k)
        else:
            best = [(*pair, None) for pair in self._store.search(query, k)[0]]
        hits = [
            self._make_hit(video, similarity, rank, weights, normalized)
            for rank, (video, similarity, normalized) in enumerate(best, 1)
        ]
        return SearchResult(text, self._by_expert(weights), hits)

    def similar(self, video: str | Path, k: int = 10) -> SearchResult:
        """Return the k videos that are most similar to a video of the collection (an id) or to a video file (a path).

        The similarity is the mean inner product of the embeddings over the experts that both videos have; with `l2renorm`,
        the cosine of their concatenated embeddings. Without common experts, it is 0.
        """
        check_k(k)
        (best,) = self._store.search(as_query(self._embed_video(video)), k + 1)
        others = [pair for pair in best if pair[0] != video][:k]
        return SearchResult(str(video), None, [self._make_hit(*pair, rank) for rank, pair in enumerate(others, 1)])

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
        """Return an indexed video, without rank and similarity."""
        return self._make_hit(video, None, 0)

    def get_captions(self, video: str) -> list[str]:
        """Return the captions of a video as text; an empty list if they are unknown."""
        return self.collection.get_captions(video)

    def get_clip(self, video: str) -> str | None:
        """Return the URL of a video's file, relative to the folder of the collection (None: no file)."""
        return self.collection.get_clip(video)

    def get_poster(self, video: str) -> str | None:
        """Return the URL of a video's poster, relative to the folder of the collection (None: no poster)."""
        return self.collection.get_poster(video)

    def close(self) -> None:
        """Release files and connections."""
        self._store.close()

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

    def _embed_query(self, text: str) -> TextEmbedding:
        if not text.strip():
            raise InputError("query: empty, expected some words")
        (vectors,) = self._encoder([text])
        if not len(vectors):
            raise InputError(f"query: {text!r} has no word that the text encoder knows")
        return self._embedder.embed_texts([vectors])

    def _embed_video(self, video: str | Path) -> VideoEmbedding:
        if isinstance(video, str):
            self.collection.check_ids([video])
            (batch,) = self.collection.load_videos([video], 1)
            return self._embedder.embed_videos(batch)
        if video != self._file[0]:
            batch = self.collection.load_file(video, str(self._embedder.device))
            self._file = video, self._embedder.embed_videos(batch)
        return self._file[1]

    def _make_hit(
        self,
        video: str,
        similarity: float | None,
        rank: int,
        weights: np.ndarray | None = None,
        normalized: float | None = None,
    ) -> Hit:
        bits = self._store.videos.available.get(video, "0" * len(self.experts))
        available = np.array([bit == "1" for bit in bits])
        counted = np.ones_like(available) if self.metadata.keep_missing else available
        return Hit(
            rank,
            video,
            similarity,
            None if weights is None else self._by_expert(_apply_weights(weights, counted)),
            [name for name, is_available in zip(self.experts, available, strict=True) if is_available],
            [caption for caption in self.get_captions(video) if caption][:MAX_CAPTIONS],
            self.collection.get_words(video),
            self.get_clip(video),
            normalized,
        )

    def _by_expert(self, weights: np.ndarray | None) -> dict[str, float] | None:
        return None if weights is None else dict(zip(self.experts, map(float, weights), strict=True))


def _apply_weights(weights: np.ndarray, available: np.ndarray) -> np.ndarray:
    """Return the weights of a query for a video: w_i a_i / sum_j w_j a_j."""
    applied = weights * available
    return applied / (applied.sum() or 1)


def check_k(k: int) -> None:
    """Raise an InputError if a number of results is out of bounds."""
    if not 1 <= k <= MAX_K:
        raise InputError(f"k: {k}, expected a number from 1 to {MAX_K}")
