"""Texts are embedded as captions are in an evaluation; models whose score an index cannot compute are refused."""

import copy

import numpy as np
import pytest
import torch
from helpers.search_collection import CPU, write_checkpoint

from misc.searching import embedding
from misc.searching.embedding import Embedder
from model.model import CENet
from trainer.build import build_model
from utils.errors import InputError


def test_a_model_with_another_score_is_refused(collection, monkeypatch):
    class OtherCENet(CENet):
        def score(self, *args, **kwargs):
            return -super().score(*args, **kwargs)

    def build_other(config):
        model = build_model(config)
        model.__class__ = OtherCENet
        return model

    monkeypatch.setattr(embedding, "build_model", build_other)
    with pytest.raises(InputError, match="model.pth: OtherCENet has a score of its own"):
        Embedder(collection[1], CPU)


def test_the_score_of_2019_is_refused(collection, config):
    checkpoint = write_checkpoint("leaky.pth", config, similarity="paired-2019")
    with pytest.raises(InputError, match="leaky.pth: arch.args.similarity is 'paired-2019', expected 'pairwise'"):
        Embedder(checkpoint, CPU)


@pytest.mark.parametrize(
    ("text_agg", "max_tokens", "as_trained"),
    [
        ("vlad", {}, lambda x: x[:30]),
        ("vlad", {"text": 2}, lambda x: x[:2]),
        ("avg", {"text": 2}, lambda x: x.mean(axis=0, keepdims=True)),
    ],
)
@torch.inference_mode()
def test_texts_are_cut_or_averaged_as_in_training(collection, config, text_agg, max_tokens, as_trained):
    config = copy.deepcopy(config)
    config["experts"]["text_agg"] = text_agg
    config["data_loader"]["args"]["max_tokens"] = max_tokens
    embedder = Embedder(write_checkpoint("other.pth", config))
    rng = np.random.default_rng(0)
    texts = [rng.normal(size=(n, 10)).astype(np.float32) for n in (3, 40)]
    found = embedder.embed_texts(texts)
    for row, text in enumerate(texts):
        expected = embedder.model.embed_text(torch.from_numpy(as_trained(text))[None, None])
        for x, y in zip(found.experts, expected.experts, strict=True):
            torch.testing.assert_close(x[row], y[0], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found.weights[row], expected.weights[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("changes", [{"max_text_words": 5}, {"max_expert_tokens": 3}, {"max_tokens": {"text": 4}}])
def test_a_config_that_embeds_otherwise_has_another_digest(collection, config, changes):
    config["data_loader"]["args"].update(changes)
    other = write_checkpoint("other.pth", config)
    same = {**config, "data_loader": {**config["data_loader"], "args": {**config["data_loader"]["args"], "batch_size": 4}}}
    assert Embedder(other, CPU).sha256 == Embedder(write_checkpoint("same.pth", same), CPU).sha256
    assert Embedder(other, CPU).sha256 != Embedder(collection[1], CPU).sha256
