"""Times of features and words, in seconds from the first frame."""

import dataclasses

import numpy as np
import pytest
from helpers import pyav_videos
from helpers.decoded_media import silent_media, smooth_noise, sound_media, spoken_at
from helpers.pyav_videos import sine, spoken

from misc.video_reading.media import SAMPLE_RATE
from misc.video_reading.reader import read_video

FRAMES = 40


@pytest.fixture
def moving():
    """Media of 40 different frames at 8 per second, which start at 100 s."""
    media = silent_media(*[np.roll(smooth_noise(), 3 * i, axis=1) for i in range(FRAMES)])
    return dataclasses.replace(media, times=media.times + 100)


@pytest.mark.parametrize("name", ["rgb", "scene"])
def test_features_of_frames_have_the_times_of_the_frames(extractor, moving, name):
    found = extractor(name)(moving)
    assert found.spans.shape == (len(found.features), 2) and (found.spans[:, 0] == found.spans[:, 1]).all()
    for time, features in zip(found.spans[:, 0], found.features, strict=True):
        number = round((time - 100) * 8)
        alone = extractor(name)(silent_media(moving.frames[number])).features[0]
        np.testing.assert_allclose(features, alone, atol=1e-4)


def test_flow_is_from_one_frame_to_the_next(extractor, moving):
    found = extractor("flow")(moving)
    assert found.spans.shape == (len(found.features), 2)
    np.testing.assert_allclose(found.spans[:, 1] - found.spans[:, 0], 1 / 8)
    assert found.spans[0].tolist() == [100, 100.125] and found.spans[-1, 1] == 100 + (FRAMES - 1) / 8


def test_faces_have_the_time_of_their_frame(extractor, moving, monkeypatch):
    face, counts = extractor("face"), iter([2, 0, 1, 1, 0, 3])

    def detect(image):
        count = next(counts)
        return (np.array([[20.0, 20.0, 60.0, 60.0]] * count) if count else None), [1.0] * count

    monkeypatch.setattr(face._detector, "detect", detect)
    found = face(moving)
    times = moving.select_times(6)
    expected = [times[0]] * 2 + [times[2], times[3]] + [times[5]] * 3
    assert found.spans.tolist() == [[time, time] for time in expected] and len(found.features) == 7


def test_sound_has_the_times_of_its_windows(extractor):
    sound = np.concatenate([np.zeros(2 * SAMPLE_RATE), sine(1, SAMPLE_RATE, 1000), np.zeros(SAMPLE_RATE)])
    media = dataclasses.replace(sound_media(sound), sound_start=50.0)
    found = extractor("audio")(media)
    assert len(found.spans) == len(found.features) == 8
    assert found.spans[0, 0] == 50 and found.spans[-1, 1] == pytest.approx(54, abs=0.02)
    assert (np.abs(np.diff(found.spans, axis=1)[:, 0] - 0.5) < 0.03).all()
    loud = found.spans[found.features[:, :64].max(axis=1) > 1]
    assert loud[0, 0] == pytest.approx(52, abs=0.03) and loud[-1, 1] == pytest.approx(53, abs=0.03)


@pytest.mark.parametrize("name", ["speech", "pocketsphinx"])
def test_words_of_sound_that_starts_late_have_their_times_in_the_video(extractor, name):
    sound = spoken("the football team has won the game")
    plain = extractor(name)(sound_media(sound))
    late = extractor(name)(dataclasses.replace(sound_media(sound), sound_start=7.5))
    assert late.words == plain.words
    np.testing.assert_allclose(late.times, np.array(plain.times) + 7.5, atol=0.011)


def test_words_of_a_file_whose_sound_starts_late_have_the_times_at_which_they_are_heard(tmp_path, extractor):
    """A file, whose sound begins 3 s after its pictures; a player shows the pictures first."""
    sound, bounds = spoken_at({1.0: "library", 5.0: "government"}, 8)
    path = pyav_videos.write(tmp_path / "a.mkv", pyav_videos.flat(110), 10, sound, SAMPLE_RATE, sound_offset=3.0)
    media = read_video(path, pyav_videos.USUAL)
    assert media.sound_start == pytest.approx(3, abs=0.01)
    found = extractor("speech")(media)
    times = dict(zip([word.lower() for word in found.words], found.times, strict=True))
    for start, word in ((1.0, "library"), (5.0, "government")):
        np.testing.assert_allclose(times[word], np.array(bounds[start]) + 3, atol=0.5, err_msg=word)
