"""The captions of a collection, for the search of those that fit a video."""

import sys

import numpy as np
import torch

from data_loader.views import caption_id
from misc.searching.collection import Collection
from misc.searching.embedding import TEXTS, Embedder
from model.similarity import VideoEmbedding, pairwise_similarity
from trainer.evaluation import TextStore
from utils.progress import bar

MEMORY = 256 << 20  # bytes of embeddings; what is more goes to a temporary file
CHUNK = 4096


class CaptionSearch:
    """All captions of a collection, embedded.

    Raises:
        InputError: captions that are damaged, or no room for a temporary file.
    """

    def __init__(self, embedder: Embedder, collection: Collection):
        self._l2renorm = embedder.model.l2renorm
        self._views = collection.caption_vectors()
        self._where = [
            (part, row, k)
            for part, (ids, view) in enumerate(self._views)
            for row in range(len(ids))
            for k in range(view.count(row))
        ]
        self._texts = TextStore(MEMORY)
        with bar(description="captions", file=sys.stderr, total=len(self._where)) as shown:
            for start in range(0, len(self._where), TEXTS):
                chosen = self._where[start : start + TEXTS]
                self._texts.append(embedder.texts([self._views[part][1].vectors(row, k) for part, row, k in chosen]))
                shown.update(len(chosen))

    def __len__(self) -> int:
        return len(self._where)

    def best(self, video: VideoEmbedding, k: int) -> list[tuple[str, str, str, float, np.ndarray]]:
        """Return the k captions with the highest score with one video: the owner, id, text, score and weights (M') of each.

        Equal scores are in the order of the captions.
        """
        scores = [self._scores(start, video) for start in range(0, len(self), CHUNK)]
        if not scores:
            return []
        joined = torch.cat(scores)
        found = []
        for i in joined.argsort(descending=True, stable=True)[:k].tolist():
            part, row, number = self._where[i]
            ids, view = self._views[part]
            weights = self._texts.weights[i].numpy()
            name = caption_id(ids[row], view.number(row, number))
            found.append((ids[row], name, view.text(row, number), float(joined[i]), weights))
        return found

    def _scores(self, start: int, video: VideoEmbedding) -> torch.Tensor:
        texts = self._texts.read(start, min(start + CHUNK, len(self)), torch.device("cpu"))
        return pairwise_similarity(texts, video, self._l2renorm)[:, 0]
