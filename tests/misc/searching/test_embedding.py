"""Checkpoints of models whose score an index cannot compute are refused."""

import pytest
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
