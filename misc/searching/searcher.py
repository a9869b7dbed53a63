"""Searching a collection: by words, by one of its videos, and for the captions that fit a video."""

from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import torch

from misc.extractors import text_encoders
from misc.searching.answers import Answer, CaptionHit, Hit
from misc.searching.captions import CaptionSearch
from misc.searching.collection import Collection
from misc.searching.embedding import Embedder
from misc.searching.patterns import as_query
from misc.searching.place import Place
from misc.searching.store import Store, find
from model.similarity import TextEmbedding, VideoEmbedding
from utils.errors import InputError

MOST_K = 10_000
CPU = torch.device("cpu")


class Searcher:
    """An index with the checkpoint that it was built with and the collection that it was built of. Not for several threads.

    Args:
        embedder: the checkpoint.
        collection: the videos.
        store: the index.
        encoder: of queries (None: the one that the collection names).
        most_captions: how many captions of a video a hit shows.

    Raises:
        InputError: the index is of another checkpoint.
    """

    def __init__(
        self,
        embedder: Embedder,
        collection: Collection,
        store: Store,
        encoder: str | None = None,
        most_captions: int = 3,
    ):
        store.about.refuse_other(embedder.sha256, embedder.checkpoint, store.place)
        self._embedder, self._collection, self._store = embedder, collection, store
        self._encoder_spec = encoder
        self._most_captions = most_captions
        self._file: tuple[Path | None, dict[str, np.ndarray]] = (None, {})  # the last one that was asked with

    @classmethod
    def open(
        cls,
        place: Place,
        checkpoint: Path,
        device: torch.device = CPU,
        encoder: str | None = None,
        most_captions: int = 3,
        config: Path | None = None,
    ) -> Self:
        """The searcher of a place, whose index is there.

        Raises:
            InputError: it is not, or of another checkpoint, or something of this is damaged.
        """
        embedder = Embedder(checkpoint, device, config)
        collection = Collection(place.name, place.folder, embedder.config, embedder.experts)
        return cls(embedder, collection, place.open(), encoder, most_captions)

    @property
    def experts(self) -> list[str]:
        """The experts of the model."""
        return self._store.about.experts

    @property
    def kind(self) -> str:
        """The kind of the index."""
        return self._store.about.kind

    @property
    def checkpoint(self) -> Path:
        """The path of the checkpoint."""
        return self._embedder.checkpoint

    @property
    def keep_missing(self) -> bool:
        """Whether experts count that a video lacks."""
        return self._store.about.keep_missing

    @property
    def ids(self) -> list[str]:
        """The videos in the index."""
        return self._store.videos.ids

    def __contains__(self, video: str) -> bool:
        return video in self._collection

    @cached_property
    def lacking(self) -> list[str]:
        """The videos of the collection that the index lacks."""
        return [video for video in self._collection.ids if video not in self._store.videos]

    @cached_property
    def stale(self) -> list[str]:
        """The videos of the index that have changed since, or are no more in the collection."""
        gone = [video for video in self._store.videos.ids if video not in self._collection]
        return [*self._collection.changed(self._store.videos), *gone]

    def search(self, text: str, k: int = 10) -> Answer:
        """The videos that words describe best.

        Raises:
            InputError: no words, none that the encoder knows, or an encoder of other word vectors than the checkpoint's.
        """
        _check_number(k)
        query = self._embed_query(text)
        weights = None if self._store.about.is_concat else query.weights[0].numpy()
        found = find(self._store, query, k)[0]
        return Answer(text, self._named(weights), [self._hit(*pair, rank, weights) for rank, pair in enumerate(found, 1)])

    def similar(self, video: str | Path, k: int = 10) -> Answer:
        """The videos that are most like one of the collection (by its id) or a file (by its path): by the mean, over the
        experts that both have, of the inner products of their embeddings (with `l2renorm` by the cosine of all of them).
        Those without a common one come at 0.

        Raises:
            InputError: there is no such video, or the file is none.
        """
        _check_number(k)
        found = find(self._store, as_query(self._embedded(video)), k + 1)[0]
        others = [pair for pair in found if pair[0] != video][:k]
        return Answer(str(video), None, [self._hit(*pair, rank, None) for rank, pair in enumerate(others, 1)])

    def v2t(self, video: str | Path, k: int = 10) -> list[CaptionHit]:
        """The captions of the collection that describe one of its videos, or a file, best; all are embedded the first time.

        Raises:
            InputError: there is no such video, or the file is none.
        """
        _check_number(k)
        embedded = self._embedded(video)
        hits = []
        for rank, (owner, name, caption, similarity, weights) in enumerate(self._captions.best(embedded, k), 1):
            applied = None if self._store.about.is_concat else self._named(_applied(weights, embedded.available[0].numpy()))
            hits.append(CaptionHit(rank, owner, name, caption, similarity, applied))
        return hits

    def hit_of(self, video_id: str) -> Hit:
        """What is known of a video of the index."""
        return self._hit(video_id, None, 0, None)

    def captions_of(self, video_id: str) -> list[str]:
        """The captions of a video, as text; none where they are not known."""
        return self._collection.captions_of(video_id)

    def words_of(self, video_id: str) -> dict[str, list[str]]:
        """The words that experts recognised in a video: expert -> words."""
        return self._collection.words_of(video_id)

    def clip_of(self, video_id: str) -> str | None:
        """The address of a video's file, relative to the folder of the collection, percent-quoted."""
        return self._collection.clip_of(video_id)

    def close(self) -> None:
        """Let go of files and connections."""
        self._store.close()

    @cached_property
    def _captions(self) -> CaptionSearch:
        return CaptionSearch(self._embedder, self._collection)

    @cached_property
    def _encoder(self) -> text_encoders.TextEncoder:
        spec = self._encoder_spec or self._collection.encoder_spec()
        if spec is None:
            raise InputError(
                f"{self._collection.folder}: no extraction.json that names the text encoder, expected --encoder SPEC, "
                f"one with the checkpoint's word vectors '{self._embedder.text_feat}'"
            )
        encoder = text_encoders.build_text_encoder(spec, str(self._embedder.device))
        found, expected = (encoder.feat, encoder.dim), (self._embedder.text_feat, self._embedder.text_dim)
        if found != expected:
            raise InputError(
                f"text encoder '{spec}': word vectors '{found[0]}' of dimension {found[1]}, expected '{expected[0]}' of "
                f"{expected[1]} as in {self._embedder.checkpoint}"
            )
        return encoder

    def _embed_query(self, text: str) -> TextEmbedding:
        if not text.strip():
            raise InputError("query: empty, expected some words")
        (vectors,) = self._encoder([text])
        if not len(vectors):
            raise InputError(f"query: {text!r} has no word that the text encoder knows")
        return self._embedder.texts([vectors])

    def _embedded(self, video: str | Path) -> VideoEmbedding:
        """A video of the collection, or a file."""
        if isinstance(video, str):
            self._collection.check([video])
            (batch,) = self._collection.batches([video], 1)
        else:
            if video != self._file[0]:
                from misc.searching.outside import experts_of_file  # and the extractors, which take a while

                self._file = video, experts_of_file(video, self._collection, str(self._embedder.device))
            batch = self._collection.batch_of_features(str(video), self._file[1])
        return self._embedder.videos(batch)

    def _hit(self, video: str, similarity: float | None, rank: int, weights: np.ndarray | None) -> Hit:
        available = self._store.videos.available.get(video, "0" * len(self.experts))
        has = np.array([bit == "1" for bit in available])
        counts = np.ones_like(has) if self._store.about.keep_missing else has
        return Hit(
            rank,
            video,
            similarity,
            None if weights is None else self._named(_applied(weights, counts)),
            [name for name, there in zip(self.experts, has, strict=True) if there],
            [caption for caption in self.captions_of(video) if caption][: self._most_captions],
            self.words_of(video),
            self.clip_of(video),
        )

    def _named(self, weights: np.ndarray | None) -> dict[str, float] | None:
        return None if weights is None else dict(zip(self.experts, map(float, weights), strict=True))


def _applied(weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The weights of experts as they apply to a video that has some of them: w_i a_i / sum w a."""
    applied = weights * counts
    return applied / (applied.sum() or 1)


def _check_number(k: int) -> None:
    if not 1 <= k <= MOST_K:
        raise InputError(f"k: {k}, expected a number from 1 to {MOST_K}")
