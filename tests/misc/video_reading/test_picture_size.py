"""The size and orientation of pictures."""

import struct

import numpy as np
import pytest
from helpers import pyav_videos
from helpers.pyav_videos import USUAL, video_refusal

from misc.video_reading.media import Sampling
from misc.video_reading.reader import read_video


@pytest.mark.parametrize(("side", "size"), [(480, (48, 64)), (32, (24, 32)), (10, (8, 10))])
def test_frames_are_downscaled_and_never_upscaled(write, side, size):
    frames = pyav_videos.flat(2)
    frames[:, :, 32:] = 250
    media = read_video(write("a.mp4", frames), Sampling(100, 9, side, 1))
    assert media.frames.shape == (2, *size, 3)
    middle = size[1] // 2
    assert media.frames[..., : middle - 1, :].mean() < 60 and media.frames[..., middle + 1 :, :].mean() > 240


@pytest.mark.parametrize(("degrees", "corner"), [(90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))])
def test_a_rotated_video_of_a_phone_is_upright(write, degrees, corner):
    """The white corner, stored at the top left, moves as the matrix of the track (ISO 14496-12, 8.3.2) rotates it."""
    frames = pyav_videos.flat(2)
    frames[:, :24, :32] = 250
    path = write("a.mp4", frames)
    data = bytearray(path.read_bytes())
    cos, sin = [(0, 1), (-1, 0), (0, -1)][degrees // 90 - 1]  # x' = a x + c y, y' = b x + d y: clockwise
    straight = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    at = data.index(straight, data.index(b"tkhd"))
    data[at : at + 36] = struct.pack(">9i", cos << 16, sin << 16, 0, -sin << 16, cos << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    frame = read_video(path, USUAL).frames[0].mean(axis=-1)
    assert frame.shape == ((48, 64) if degrees == 180 else (64, 48))
    height, width = (n // 2 for n in frame.shape)
    corners = {
        (0, 0): frame[:height, :width],
        (0, -1): frame[:height, width:],
        (-1, 0): frame[height:, :width],
        (-1, -1): frame[height:, width:],
    }
    assert max(corners, key=lambda place: corners[place].mean()) == corner


@pytest.mark.parametrize("size", [(1, 100000), (2, 2), (8, 400), (14, 14)])
def test_frames_with_a_side_below_16_are_refused(write, size):
    path = write("a.mkv", np.zeros((2, *size, 3), np.uint8), codec="ffv1")
    assert video_refusal(path).startswith(f"frames of {size[1]} x {size[0]} pixels, expected sides of 16 or more")


def test_the_smallest_and_very_wide_frames(write):
    assert read_video(write("a.mkv", np.zeros((1, 16, 16, 3), np.uint8)), USUAL).frames.shape == (1, 16, 16, 3)
    assert read_video(write("b.mkv", np.zeros((1, 16, 4096, 3), np.uint8)), USUAL).frames.shape == (1, 2, 480, 3)
