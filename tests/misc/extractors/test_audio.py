"""Audio features of tones."""

import numpy as np
import pytest
from helpers.decoded_media import sound_media
from helpers.pyav_videos import sine

from misc.extractors.audio import BANDS, mel_bands
from misc.extractors.extractor import build_extractor
from misc.video_reading.media import SAMPLE_RATE


def test_windows_of_length_zero(context):
    assert len(build_extractor("audio", {"seconds": 0}, context)(sound_media(sine(1, SAMPLE_RATE, 500))).features) == 40


@pytest.mark.parametrize("hertz", [120, 440, 1000, 3000, 7000])
def test_a_tone_is_loudest_in_its_band(extractor, hertz):
    """The centers of bands are evenly spaced from 60 to 7500 Hz in mel, 2595 log10(1 + f / 700)."""
    found = extractor("audio")(sound_media(sine(3, SAMPLE_RATE, hertz))).features
    assert found.shape == (6, 2 * BANDS)
    low, high, mel = (2595 * np.log10(1 + x / 700) for x in (60, 7500, hertz))
    band = (mel - low) / (high - low) * (BANDS + 1) - 1
    assert np.abs(found[:, :BANDS].argmax(axis=1) - band).max() <= 1
    assert (found[:, BANDS:] < 0.3).mean() > 0.9  # the tone is constant


def test_bands_cover_all_frequencies():
    bands = mel_bands()
    assert bands.shape == (BANDS, 201) and (bands >= 0).all() and (bands.max(axis=1) > 0).all()
    frequencies = np.fft.rfftfreq(400, 1 / SAMPLE_RATE)
    assert (bands.sum(axis=0)[(frequencies > 100) & (frequencies < 7300)] > 0).all()


def test_windows_follow_the_sound_in_time(extractor):
    silent = np.zeros(SAMPLE_RATE, np.float32)
    found = extractor("audio")(sound_media(np.concatenate([silent, sine(1, SAMPLE_RATE, 1000), silent]))).features
    loud = found[:, :BANDS].max(axis=1)
    assert loud[2:4].min() > 1 + loud[[0, 5]].max()
    long = extractor("audio")(sound_media(np.tile(sine(1, SAMPLE_RATE, 500), 120))).features
    assert len(long) == 40
