"""The weights that a search shows with the hits of a model for which missing experts count."""

import pytest
from helpers.search_collection import open_searcher, write_checkpoint

from misc.searching.building import build_index
from misc.searching.collection import Collection
from misc.searching.embedding import Embedder
from misc.searching.index.vector_store import IndexLocation

LOCATION = IndexLocation("Toy")


def test_missing_experts_that_count_for_the_score_have_their_weight(collection, config):
    checkpoint = write_checkpoint("keep.pth", config, keep_missing_modalities=True)
    embedder = Embedder(checkpoint)
    build_index(embedder, Collection("Toy", LOCATION.folder, embedder.config, embedder.experts), LOCATION, "flat")
    searcher = open_searcher(LOCATION, checkpoint)
    answer = searcher.search("a red bird", 44)
    assert len(answer.hits) == 44 and min(len(hit.experts) for hit in answer.hits) < 3
    for hit in answer.hits:
        assert hit.weights == pytest.approx(answer.weights)
    for hit in searcher.v2t("video1", 5):
        assert sum(hit.weights.values()) == pytest.approx(1) and min(hit.weights.values()) > 0
