"""Loaders of the toy archive."""

import os

import pytest

from data_loader.data_loaders import ExpertDataLoader
from data_loader.experts import resolve_experts


@pytest.fixture
def make(workplace, config, monkeypatch):
    """Return a function that makes the loaders of the toy archive with changed arguments, with cores for workers."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64), raising=False)

    def make(**changed):
        section = config["experts"]
        arguments = {
            **config["data_loader"]["args"],
            "experts": resolve_experts(section),
            "text_feat": section["text_feat"],
            "text_dim": section["text_dim"],
        }
        return ExpertDataLoader(**{**arguments, **changed})

    return make
