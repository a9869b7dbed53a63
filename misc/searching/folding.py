"""Near-duplicates in a result, such as copies of a video in other formats, are folded under the best of them."""

import dataclasses
from collections.abc import Callable

import numpy as np

from misc.searching.channels.tokens import STOP_WORDS, fold, split_words
from misc.searching.collection import Collection
from misc.searching.result import Hit, SearchResult

EXPERT = "rgb"
# The least mean cosine of the frames of either video and the most similar frames of the other one. Of 37 clips, 30 copies by
# x264 and 30 by x265 reach it, 7 in half the size, and none of the 666 pairs of different ones; of 79,800 pairs of clips of
# the demo, which come in families that differ in one attribute, 4 do.
MIN_COSINE = 0.94


FEW_WORDS = 5  # different words, without very common ones
MIN_SHARED = 0.5  # share of the words of the video with fewer of them


class NearDuplicates:
    """The near-duplicates in a collection, by features of frames; none without the expert rgb."""

    def __init__(self, collection: Collection):
        self._collection = collection
        self._frames: dict[str, np.ndarray | None] = {}  # of length 1, (T, dim)

    def fold(self, search: Callable[[int], SearchResult], k: int, most: int) -> SearchResult:
        """Return the k best videos of a search that are no near-duplicates of better ones, which have them in `folded`.

        Args:
            search: returns a number of best videos.
            most: the greatest number of them.
        """
        depth = k
        while True:
            result = search(depth)
            if EXPERT not in self._collection.experts:
                return result
            folded = self._fold_hits(result)
            if len(folded.hits) >= k or len(result.hits) < depth or depth >= most:
                return dataclasses.replace(folded, hits=folded.hits[:k])
            depth = min(2 * depth, most)

    def _fold_hits(self, result: SearchResult) -> SearchResult:
        heads: list[Hit] = []
        folded: dict[str, list[str]] = {}
        for hit in result.hits:
            head = next((head.id for head in heads if self.are_near_duplicates(head.id, hit.id)), None)
            if head is None:
                heads.append(hit)
            else:
                folded.setdefault(head, []).append(hit.id)
        hits = [dataclasses.replace(x, rank=rank, folded=folded.get(x.id, [])) for rank, x in enumerate(heads, 1)]
        return dataclasses.replace(result, hits=hits)

    def are_near_duplicates(self, video: str, other: str) -> bool:
        """Return whether the frames of either video have similar ones in the other video, on average.

        Videos in which other words are spoken or written are none, such as talks over the same picture.
        """
        frames, others = self._load(video), self._load(other)
        if frames is None or others is None:
            return False
        cosines = frames @ others.T
        is_similar = min(cosines.max(axis=0).mean(), cosines.max(axis=1).mean()) >= MIN_COSINE
        return bool(is_similar) and self._share_words(video, other)

    def _share_words(self, video: str, other: str) -> bool:
        """Return whether two videos have words in common, or one of them hardly any."""
        words, others = self._read_words(video), self._read_words(other)
        fewer = min(len(words), len(others))
        return fewer < FEW_WORDS or len(words & others) >= MIN_SHARED * fewer

    def _read_words(self, video: str) -> frozenset[str]:
        recognized = self._collection.get_words(video).values()
        return frozenset(fold(x) for words in recognized for word in words for x in split_words(word)) - STOP_WORDS

    def _load(self, video: str) -> np.ndarray | None:
        """Return the features of the frames of a video, of length 1; None if it has none, or is not in the collection."""
        if video not in self._frames:
            features = self._collection.load_video(EXPERT, video) if video in self._collection else None
            if features is not None:
                features = np.atleast_2d(features).astype(np.float32)
                features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
            self._frames[video] = features
        return self._frames[video]
