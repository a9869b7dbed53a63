"""The choice of the frame that pages show of a video, and its JPEG."""

import io

import numpy as np
import pytest
from helpers.decoded_media import smooth_noise, text_image
from helpers.pyav_videos import color_value, flat
from PIL import Image
from scipy.ndimage import gaussian_filter

from misc.video_reading.media import Media
from misc.video_reading.poster import choose_frame, make_poster

BLACK, WHITE = np.zeros((96, 128, 3), np.uint8), np.full((96, 128, 3), 255, np.uint8)
ONE, OTHER = (smooth_noise(seed, smooth=1.5) for seed in (1, 2))


def blur(image, sigma):
    return gaussian_filter(image, (sigma, sigma, 0))


def blend(first, second, share):
    return (first * (1 - share) + second * share).astype(np.uint8)


def noisy(image, seed):
    """Return an image with the noise of a camera."""
    noise = np.random.default_rng(seed).normal(0, 2, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8)


def media(frames, rate=8.0):
    return Media(np.asarray(frames, np.uint8), np.arange(len(frames)) / rate, None)


def read(poster):
    return np.asarray(Image.open(io.BytesIO(poster)))


def shown(poster):
    """Return which frame of `pyav_videos.flat` a poster shows."""
    return int(np.abs(read(poster).mean() - np.array([color_value(i) for i in range(28)])).argmin())


@pytest.mark.parametrize(
    "bad", [BLACK, WHITE, blur(ONE, 3), blend(BLACK, ONE, 0.3), text_image("Title", height=96, width=128)]
)
def test_dark_blurred_and_almost_empty_frames_are_not_chosen(bad):
    for number in (3, 12):  # whether there are fewer or more of them than of the others
        frames = np.stack([noisy(bad, i) for i in range(number)] + [noisy(ONE, i) for i in range(5)])
        assert choose_frame(frames) >= number
        assert choose_frame(frames[::-1]) < 5


def test_a_frame_between_two_shots_is_not_chosen():
    shares = np.linspace(0, 1, 8)[1:-1]
    frames = [ONE] * 3 + [blend(ONE, OTHER, share) for share in shares] + [OTHER] * 3
    assert choose_frame(np.stack(frames)) in {0, 1, 2, 9, 10, 11}


def test_a_flash_of_another_picture_is_not_chosen():
    busier = np.random.default_rng(0).integers(0, 256, ONE.shape, np.uint8)
    alone = choose_frame(np.stack([ONE, ONE, ONE, busier, busier, ONE, ONE, ONE]))
    assert alone in {3, 4}  # as a shot, it would be chosen
    assert choose_frame(np.stack([ONE, ONE, ONE, busier, ONE, ONE, ONE])) != 3


def test_a_frame_beside_a_cut_may_be_chosen():
    quiet = blur(OTHER, 1)
    assert choose_frame(np.stack([quiet, quiet, quiet, ONE, ONE, quiet, quiet, quiet])) in {3, 4}


def test_a_picture_is_preferred_to_a_title_of_more_contrast():
    title = BLACK.copy()
    title[40:56, 32:96] = 255 * np.random.default_rng(0).integers(0, 2, (16, 64, 1))
    pale = blend(np.full_like(ONE, 128), ONE, 0.4)
    assert choose_frame(np.stack([title] * 5 + [pale] * 3)) >= 5


@pytest.mark.parametrize("number", [1, 2, 9])
def test_the_middle_is_chosen_of_frames_that_are_alike(number):
    frames = np.stack([noisy(ONE, i) for i in range(number)])
    assert choose_frame(frames) == (number - 1) // 2
    assert choose_frame(np.zeros_like(frames)) == (number - 1) // 2


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, 9, 4), (0.5, 1.25, 6), (1.0, 1.125, 8), (1.01, 1.02, 8), (0.99, 1, 7), (5, 9, 9), (0, 0, 0), (0.3, 0.3, 2)],
)
def test_a_poster_is_of_a_range_of_time(start, end, expected):
    """Frame i is shown at i / 8 s; frames of one color are all alike, so that the middle one is chosen."""
    assert shown(make_poster(media(flat(10)), start, end)) == expected


@pytest.mark.parametrize(
    ("size", "expected"), [((270, 480), (180, 320)), ((480, 270), (320, 180)), ((48, 64), (48, 64)), ((480, 1), (320, 1))]
)
def test_a_poster_is_small_and_keeps_its_shape(size, expected):
    poster = make_poster(media(np.full((2, *size, 3), 90)))
    assert poster.startswith(b"\xff\xd8\xff") and read(poster).shape[:2] == expected
    assert np.abs(read(poster).astype(int) - 90).max() <= 3


def test_a_poster_shows_the_frame():
    found = read(make_poster(media([BLACK, ONE, BLACK]))).astype(int)
    assert found.shape == ONE.shape and np.abs(found - ONE).mean() < 4


def test_no_frames_no_poster():
    assert make_poster(media(np.zeros((0, 32, 32, 3)))) is None
