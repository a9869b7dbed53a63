"""Moments of long videos by experts that run on chunks of them."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from misc.extraction.moments import CHUNK_SECONDS, MIN_SECONDS, ExtractorError, MomentExtractor
from misc.extractors.extractor import ExpertOutput, at_times
from misc.video_reading.media import SAMPLE_RATE, Media

RATE = 2  # frames per second


class Means:
    """The mean of each frame, at its time or (with `timeless`) at an unknown one; it raises an error at a value above 90."""

    dim = 1

    def __init__(self, timeless=False):
        self.timeless, self.seen = timeless, []

    def __call__(self, media):
        if not len(media.frames):
            return None
        self.seen.append((media.times[0], len(media.frames), media.sound))
        means = media.frames.mean(axis=(1, 2, 3))[:, None]
        if means.max() > 90:
            raise ValueError("too bright")
        return ExpertOutput(means, spans=None if self.timeless else at_times(media.times))


class Loudness:
    """The loudness of a sound, from its start to its end."""

    dim = 1

    def __call__(self, media):
        if media.sound is None:
            return None
        end = media.sound_start + len(media.sound) / SAMPLE_RATE
        return ExpertOutput(np.abs(media.sound).max(keepdims=True)[None], spans=np.array([[media.sound_start, end]]))


class Signs:
    """A word per chunk of frames."""

    dim = 1

    def __call__(self, media):
        if not len(media.frames):
            return None
        return ExpertOutput(np.ones((2, 1)), [f"w{media.frames.max()}"], [(float(media.times[0]), float(media.times[-1]))])


class Ear:
    """Hears the start of a sound of any length as a word, and must not get single chunks."""

    dim, needs_context = 1, True

    def __call__(self, media):
        assert media.sound is None or len(media.sound) != CHUNK_SECONDS * SAMPLE_RATE
        if media.sound is None:
            return None
        word = f"{media.sound[0]:.1f}"
        return ExpertOutput(np.ones((1, 1)), [word], [(media.sound_start, media.sound_start + 1)])


def extract(experts, length=35.0, sound=None, later=None, value=50, posters=False):
    """Return the moments of a film whose frame i has the value i."""
    dense = MomentExtractor(experts, posters)
    count = int(length * RATE)
    frames = np.tile(np.arange(count, dtype=np.uint8)[:, None, None, None], (1, 2, 2, 3)).clip(0, value)
    times = np.arange(count) / RATE
    step = int(CHUNK_SECONDS * RATE)
    for i in range(0, count, step):
        dense.chunks.use(frames[i : i + step], times[i : i + step])
    media = Media(frames, times, sound, sound_start=2.0, seconds=length, later_sound=later)
    return dense.finish(media, {name: expert(media) for name, expert in experts.items()}), dense


def test_experts_describe_each_chunk():
    means = Means()
    moments, dense = extract({"means": means, "timeless": Means(timeless=True)})
    assert moments["means"].features.dtype == np.float16 and moments["means"].words is None
    assert moments["means"].features[:, 0].tolist() == np.minimum(np.arange(70), 50).tolist()
    assert moments["means"].spans.tolist() == [[i / RATE] * 2 for i in range(70)]
    starts = np.repeat([0, 10, 20, 30], [20, 20, 20, 10])
    assert moments["timeless"].spans.tolist() == [[start, start + 10] for start in starts]
    assert [(at, count) for at, count, _ in means.seen[:4]] == [(0, 20), (10, 20), (20, 20), (30, 10)]
    assert dense.seconds.keys() == {"means", "timeless"} and dense.chunks.min_length == MIN_SECONDS == 30


def test_each_chunk_has_a_poster_if_they_are_wanted():
    _, dense = extract({"means": Means()}, posters=True)
    grays = {start: np.asarray(Image.open(io.BytesIO(poster))).mean() for start, poster in dense.posters.items()}
    assert grays == pytest.approx({0: 9.5, 10: 29.5, 20: 49.5, 30: 50}, abs=1.5)
    assert dense.seconds.keys() == {"means", "poster"} and not extract({"means": Means()})[1].posters


def test_an_error_of_a_poster_is_raised_at_the_end(monkeypatch):
    monkeypatch.setattr("misc.extraction.moments.make_poster", lambda part: 1 // 0)
    with pytest.raises(ExtractorError, match="poster: ZeroDivisionError"):
        extract({}, posters=True)


def test_sound_is_cut_from_its_start_also_that_after_the_described_part():
    sound = np.repeat(np.float32([0.1, 0.2, 0.3]), [10 * SAMPLE_RATE, 10 * SAMPLE_RATE, 5 * SAMPLE_RATE])
    later = np.repeat(np.float16([0.4, 0.5]), [10 * SAMPLE_RATE, SAMPLE_RATE])
    moments, _ = extract({"loud": Loudness(), "ear": Ear()}, sound=sound, later=later)
    np.testing.assert_allclose(moments["loud"].features[:, 0], [0.1, 0.2, 0.3, 0.4, 0.5], atol=1e-3)
    assert moments["loud"].spans.tolist() == [[2, 12], [12, 22], [22, 27], [27, 37], [37, 38]]
    assert moments["ear"].words == ["0.1", "0.4"] and moments["ear"].features is None
    assert moments["ear"].spans.tolist() == [[2, 3], [27, 28]]


def test_words_of_chunks_follow_one_another():
    moments, _ = extract({"signs": Signs()})
    assert moments["signs"].words == ["w19", "w39", "w50", "w50"] and moments["signs"].features is None
    assert moments["signs"].spans.tolist() == [[0, 9.5], [10, 19.5], [20, 29.5], [30, 34.5]]


def test_an_expert_that_finds_nothing_and_a_short_video_have_no_moments():
    assert extract({"loud": Loudness(), "ear": Ear()})[0] == {}
    dense = MomentExtractor({"means": Means()})
    media = Media(np.zeros((2, 2, 2, 3), np.uint8), np.arange(2.0), None, seconds=MIN_SECONDS - 0.1)
    assert dense.finish(media, {"means": None}) == {}
    assert dense.finish(dataclasses.replace(media, seconds=MIN_SECONDS), {"means": None}) == {}


def test_an_error_is_raised_after_decoding_with_the_name_of_the_expert():
    means = Means()
    with pytest.raises(ExtractorError, match=r"^means: ValueError: too bright$"):
        dense = MomentExtractor({"signs": Signs(), "means": means})
        for _ in range(3):
            dense.chunks.use(np.full((4, 2, 2, 3), 99, np.uint8), np.arange(4.0))
        dense.finish(Media(np.zeros((0, 2, 2, 3)), np.zeros(0), None, seconds=40.0), {"signs": None, "means": None})
    assert len(means.seen) == 1
