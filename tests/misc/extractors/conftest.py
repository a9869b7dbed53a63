"""Extractors whose weights are part of Python packages, each loaded once."""

import functools

import pytest

from misc.extractors.extractor import ExtractorContext, build_extractor
from misc.extractors.text_encoders import build_text_encoder


@pytest.fixture(scope="session")
def context():
    return ExtractorContext("cpu", build_text_encoder("minilm", "cpu"))


@pytest.fixture(scope="session")
def extractor(context):
    """A function that returns the extractor of a name."""
    return functools.cache(lambda name: build_extractor(name, {}, context))
