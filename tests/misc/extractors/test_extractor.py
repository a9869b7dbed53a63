"""Inputs of any size, options and names, for all extractors whose weights are part of Python packages."""

import itertools

import numpy as np
import pytest
from helpers.decoded_media import silent_media, sound_media
from helpers.pyav_videos import sine

from misc.extractors.extractor import EXTRACTORS, build_extractor, encode_words
from misc.video_reading.media import SAMPLE_RATE
from utils.errors import InputError


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *itertools.product(
            [name for name in EXTRACTORS if name != "ocr"], [(16, 16), (480, 2), (2, 480), (1, 480), (40, 480)]
        ),
        *itertools.product(["ocr"], [(480, 2), (1, 480)]),  # it takes a second for each
    ],
)
def test_frames_of_any_shape(extractor, name, size):
    """Very long or very small frames have valid features or none, and take little time and memory."""
    frames = np.random.default_rng(0).integers(0, 256, (3, *size, 3), dtype=np.uint8)
    found = extractor(name)(silent_media(*frames))
    if found is not None:
        assert found.features.shape[1:] == (extractor(name).dim,) and np.isfinite(found.features).all()


@pytest.mark.parametrize("name", ["audio", "speech"])
@pytest.mark.parametrize("samples", [1, 2, 399, 400, 401, 4000])
def test_sound_of_any_length(extractor, name, samples):
    for sound in (np.ones(samples), np.full(samples, 1e-7), sine(1, SAMPLE_RATE, 700)[:samples]):
        found = extractor(name)(sound_media(sound))
        if found is not None:
            assert found.features.shape[1:] == (extractor(name).dim,) and np.isfinite(found.features).all()


@pytest.mark.parametrize("name", ["audio", "speech"])
def test_silence_has_no_features(extractor, name):
    assert extractor(name)(sound_media(None)) is None
    assert extractor(name)(sound_media(np.zeros(SAMPLE_RATE))) is None


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("rgb", {"frames": 0}, "'frames' is 0, expected a whole number above 0"),
        ("flow", {"frames": 2.5}, "'frames' is 2.5, expected a whole number"),
        ("scene", {"frames": True}, "'frames' is True, expected"),
        ("ocr", {"frames": "3"}, "'frames' is '3', expected"),
        ("audio", {"seconds": -1}, "'seconds' is -1, expected a number from 0"),
        ("audio", {"seconds": float("nan")}, "'seconds' is nan, expected"),
        ("speech", {"surety": None}, "'surety' is None, expected"),
        ("face", {"surety": [1]}, "'surety' is .1., expected"),
    ],
)
def test_invalid_numbers_in_options_are_refused(context, name, options, message):
    with pytest.raises(InputError, match=f"extractor '{name}': option {message}"):
        build_extractor(name, options, context)


def test_unknown_extractors_and_options_are_refused(context):
    with pytest.raises(InputError, match="extractor 'rgp': unknown, expected one of audio, face,"):
        build_extractor("rgp", {}, context)
    with pytest.raises(InputError, match="extractor 'timm:': unknown"):
        build_extractor("timm:", {}, context)
    with pytest.raises(InputError, match="extractor 'scene': no option 'frame', expected some of frames"):
        build_extractor("scene", {"frame": 3}, context)
    with pytest.raises(InputError, match="no option 'context'"):
        build_extractor("scene", {"context": 3}, context)


def test_words_without_vectors_give_no_output(context):
    assert encode_words([], context) is None
    assert encode_words([" "], context) is None
