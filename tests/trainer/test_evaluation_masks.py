"""Evaluation of batches in which the first captions of some videos do not exist."""

import numpy as np
import pytest
import torch
from helpers.model_variants import make_batch, make_model

from model.metric import t2v_ranks
from trainer.evaluation import evaluate

CPU = torch.device("cpu")


@pytest.mark.parametrize("mode", ["avg", "indep"])
def test_a_video_counts_if_any_of_its_captions_exists(mode):
    batches = [make_batch(seed, 3, 2) for seed in range(2)]
    for number, batch in enumerate(batches):
        batch |= {"ids": [f"{number}{i}" for i in range(3)], "raw_captions": [[[], []]] * 3}
        for caption in ((0, 0), (1, 1), (2, 0)) if number == 0 else ((2, 0),):
            batch["word_mask"][caption] = False
            batch["text"][caption] = 0
    model = make_model("ce", test_caption_mode=mode)
    found = evaluate(model, batches, ["t2v_metrics"], CPU)
    there = np.array([[0, 1], [1, 0], [0, 1], [1, 1], [1, 1], [0, 1]], bool)
    expected = there if mode == "indep" else there.any(axis=1, keepdims=True)
    assert (found.query_masks == expected).all()
    # The rank of a caption is the number of videos with a higher score, in a loop.
    ranks, row = [], 0
    for video in range(6):
        for k in range(expected.shape[1]):
            if expected[video, k]:
                ranks.append(sum(found.sims[row] > found.sims[row, video]))
            row += 1
    assert found.ranks["t2v"].tolist() == ranks == t2v_ranks(found.sims, expected).tolist()
    assert found.num_candidates == {"t2v": 6, "v2t": int(expected.sum())}
    assert len(found.weights) == there.sum()
