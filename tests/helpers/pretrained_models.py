"""Helpers for tests of models by name: videos of noise, a toy text encoder, and errors without a hub."""

import re

import numpy as np
import pytest

from misc.extractors.extractor import ExtractorContext
from misc.video_reading.media import SAMPLE_RATE, Media
from utils.errors import InputError


class Letters:
    """A text encoder that encodes each word as (its length, 1)."""

    spec, feat, dim = "letters", "letters", 2

    def __call__(self, texts):
        return [np.array([[len(word), 1] for word in text.split()], np.float32).reshape(-1, 2) for text in texts]


CONTEXT = ExtractorContext("cpu", Letters())


def video(frames=5, height=40, width=56, seconds=None):
    """Return media with frames of noise; with `seconds`, also sound."""
    rng = np.random.default_rng(0)
    sound = None if seconds is None else rng.uniform(-0.5, 0.5, round(seconds * SAMPLE_RATE)).astype(np.float32)
    return Media(rng.integers(0, 256, (frames, height, width, 3), np.uint8), np.arange(frames, dtype=float), sound)


def check_features(extractor, dim, expected, **size):
    """Check shapes, equality with the library itself, and that the features of a frame do not depend on the others."""
    media = video(21, **size)
    extractor._frames = 40  # more than a batch
    found = extractor(media).features
    assert (extractor.dim, found.shape, found.dtype) == (dim, (21, dim), np.float32)
    assert np.isfinite(found).all() and found.std(axis=0).max() > 1e-4  # frames differ
    np.testing.assert_allclose(found[[0, 20]], [expected(media.frames[i]) for i in (0, 20)], rtol=1e-4, atol=1e-5)
    for i in (0, 15, 20):
        alone = Media(media.frames[i : i + 1], media.times[:1], None)
        np.testing.assert_allclose(extractor(alone).features[0], found[i], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(extractor(media).features, found)
    assert extractor(video(0)) is None


def refused(make, *patterns):
    """Check that `make` raises a one-line InputError that matches all patterns, without a hub."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("misc.extractors.pretrained.hub._reachable", lambda hub: False)
        with pytest.raises(InputError) as caught:
            make()
    line = str(caught.value)
    assert "\n" not in line and len(line) < 600
    for pattern in patterns:
        assert re.search(pattern, line), line
