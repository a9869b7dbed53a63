"""Results of an index are those of the model's score over all videos; drawn ones are in `test_patterns_properties.py`."""

import numpy as np
import pytest
import torch
from helpers.exact_search import assert_best
from helpers.model_variants import SWITCHES, make_batch, make_model
from helpers.search_collection import create_store, make_metadata

from misc.searching.index.patterns import merge_candidates, search_with_ties
from model.similarity import TextEmbedding, VideoEmbedding


@pytest.mark.parametrize("more", [{}, {"keep_missing_modalities": True}, {"test_caption_mode": "avg"}], ids=str)
@pytest.mark.parametrize("variant", SWITCHES)
def test_every_variant_of_the_model(tmp_path, variant, more):
    model = make_model(variant, **more)
    batch = make_batch(1, 50, 1, missing=0.6)
    with torch.inference_mode():
        text = model.embed_text(batch["text"], batch["word_mask"])
        video = model.embed_video(batch["experts"], batch["ind"], batch["frame_masks"])
        sims = model.score(text, video)
    experts = model.modalities
    has = ["".join(str(int(batch["ind"][name][i])) for name in experts) for i in range(50)]
    assert len(set(has)) > 1 and ("0" * len(experts) in has or len(experts) > 1)
    dims = [x.shape[1] for x in video.experts]
    metadata = make_metadata(experts, dims, keep_missing=model.keep_missing_modalities, l2renorm=model.l2renorm)
    ids = [f"v{i}" for i in range(50)]
    store = create_store(tmp_path, metadata)
    store.add(ids, has, video)
    scale = max(1.0, float(sims.abs().max()))  # the plain concatenation is not normalized
    found = [[(name, score / scale) for name, score in row] for row in store.search(text, 10)]
    assert_best(found, sims / scale, ids, 10)
    store.close()


def test_many_equal_videos_are_in_their_order(tmp_path):
    metadata = make_metadata(["a", "b"], [3, 4])
    video = VideoEmbedding([torch.ones(500, 3), torch.ones(500, 4)], torch.ones(500, 2))
    ids = [f"v{i}" for i in np.random.default_rng(0).permutation(500)]
    store = create_store(tmp_path, metadata)
    store.add(ids, ["11"] * 500, video)
    for num_queries in (1, 30):  # FAISS searches large batches in another way
        text = TextEmbedding([torch.ones(num_queries, 3), torch.ones(num_queries, 4)], torch.full((num_queries, 2), 0.5))
        for k in (1, 10, 200, 600):
            for row in store.search(text, k):
                assert [video for video, _ in row] == ids[:k]
    store.close()


def test_all_ties_with_the_last_are_considered():
    all_scores = np.array([1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 0, 0], np.float32)
    order = np.lexsort((-np.arange(12), -all_scores))  # equal scores in descending order of their numbers

    def search(limit):
        return np.tile(all_scores[order[:limit]], (2, 1)), np.tile(order[:limit], (2, 1))

    scores, numbers = search_with_ties(search, 2, 12)
    assert [number for number, _ in merge_candidates([(scores, numbers)], 2)[1]] == [9, 0]
