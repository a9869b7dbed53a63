"""Files of which a byte in the time of a packet is damaged, beside the undamaged ones."""

import re

import pytest
from helpers.ffmpeg import SAMPLING, ffmpeg
from helpers.ffmpeg_videos import assert_like, convert

from misc.video_reading.reader import read_video

PICTURES, SOUND = b"\0\0\1\xe0", b"\0\0\1\xc0"  # start codes of PES packets (ISO 13818-1)


def flip_time(path, start_code, number, bit):
    """Flip a bit of the time of presentation (of 33 bits, in 1/90000 s) of a PES packet, the `number`-th that has one."""
    data, at, fields = bytearray(path.read_bytes()), -1, []
    while (at := data.find(start_code, at + 1)) >= 0:
        if data[at + 6] >> 6 == 2 and data[at + 7] & 0x80:
            fields.append(at + 9)
    field, shift = fields[number], bit + (bit >= 15) + (bit >= 30) + 1  # marker bits
    data[field + 4 - shift // 8] ^= 1 << shift % 8
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("bit", [18, 21, 24])
@pytest.mark.parametrize("number", [3, 20, 31])
@pytest.mark.parametrize("suffix", ["ts", "vob"])
def test_a_damaged_time_of_a_picture_costs_no_more(films, tmp_path, suffix, number, bit):
    path = flip_time(convert(films / "ab.mp4", tmp_path / f"a.{suffix}"), PICTURES, number, bit)
    media = assert_like(path, films / "ab.mp4")
    assert [re.fullmatch(r"\d packets have damaged times", line) is not None for line in media.warnings] == [True]


@pytest.mark.parametrize("bit", [18, 24])
@pytest.mark.parametrize("suffix", ["ts", "vob"])
def test_a_damaged_time_of_sound_costs_no_more(films, tmp_path, suffix, bit):
    path = flip_time(convert(films / "ab.mp4", tmp_path / f"a.{suffix}"), SOUND, 5, bit)
    assert_like(path, films / "ab.mp4")


@pytest.mark.parametrize("seconds", [0.7, 3, 30])
def test_stills_beside_motion_keep_their_times(tmp_path, films, seconds):
    """The times of pictures that are shown for long jump ahead, and later pictures follow: nothing is damaged."""
    path = tmp_path / "still.mkv"
    still = f"setpts='PTS+gte(N,50)*{seconds}/TB'"
    ffmpeg("-i", films / "a.mp4", "-an", "-vf", still, "-fps_mode", "vfr", "-c:v", "libx264", "-bf", 3, path)
    media = read_video(path, SAMPLING)
    assert not media.warnings
    assert media.times[-1] == pytest.approx(min(4 + seconds, media.times[-1] + 1), abs=1)
