"""Copies of videos that browsers play: their pictures, sound, times and limits."""

import av
import numpy as np
import pytest
from helpers import pyav_videos
from helpers.ffmpeg import ffmpeg
from helpers.pyav_videos import frame_numbers

from misc.searching.serving import transcoding
from misc.video_reading.media import Sampling, VideoError
from misc.video_reading.reader import read_video

ALL = Sampling(rate=1000, max_frames=1000, max_side=2000, max_seconds=100)


def copy_of(path, report=lambda share: None):
    """Return the path of a copy of a file."""
    target = path.with_name("copy.mp4")
    target.touch()
    with path.open("rb") as source:
        transcoding.transcode(source, target, report)
    return target


def pictures(path):
    """Return times in seconds from the first packet, and mean brightness, of the pictures of a file."""
    with av.open(str(path)) as file:
        start = (file.start_time or 0) / av.time_base
        return np.array([(frame.time - start, frame.to_ndarray(format="gray").mean()) for frame in file.decode(video=0)]).T


def assert_alike(copy, path):
    """Assert that a copy has the pictures of a file at their times."""
    (times, brightness), (expected, before) = pictures(copy), pictures(path)
    np.testing.assert_allclose(times, expected, atol=1e-3)
    np.testing.assert_allclose(brightness, before, atol=4)
    assert len(set(before.round())) > 9


def tone(sound, sample_rate=16000):
    """Return the loudest frequency in Hz."""
    return np.abs(np.fft.rfft(sound)).argmax() * sample_rate / len(sound)


def refusal(path, **options):
    with pytest.raises(VideoError) as refused:
        copy_of(path, **options)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "codec", "heard"),
    [
        ("a.mp4", "libx265", "aac"),
        ("a.avi", "mpeg4", "pcm_s16le"),
        ("a.mpg", "mpeg2video", "mp2"),
        ("a.mkv", "ffv1", "flac"),
    ],
)
def test_a_copy_shows_and_plays_what_the_file_does(tmp_path, name, codec, heard):
    frames = pyav_videos.flat(50)
    sound = pyav_videos.sine(2, 48000, 600)
    path = pyav_videos.write(tmp_path / name, frames, 25, sound, 48000, codec=codec, sound_codec=heard)
    shares = []
    copy = copy_of(path, shares.append)
    assert len(shares) > 20 and shares == sorted(shares) and 0.8 < shares[-1] <= 1
    with av.open(str(copy)) as file:
        video, audio = file.streams.video[0].codec_context, file.streams.audio[0].codec_context
        assert (video.name, video.pix_fmt, audio.name) == ("h264", "yuv420p", "aac")
    assert copy.read_bytes().index(b"moov") < copy.read_bytes().index(b"mdat")  # a player can begin before it has all
    media, before = read_video(copy, ALL), read_video(path, ALL)
    assert_alike(copy, path)
    assert abs(tone(media.sound) - 600) < 3 and abs(len(media.sound) - len(before.sound)) < 0.1 * 16000


def test_a_copy_without_sound_and_of_an_animated_picture(tmp_path):
    for name, codec in (("a.gif", "gif"), ("a.mkv", "mpeg4")):
        path = pyav_videos.write(tmp_path / name, pyav_videos.flat(12, 63, 81), 10, codec=codec)
        media = read_video(copy := copy_of(path), ALL)
        assert media.sound is None and media.frames.shape[1:] == (62, 80, 3)
        assert_alike(copy, path)


def test_a_turned_video_is_upright_and_large_ones_are_smaller(tmp_path):
    picture = np.zeros((480, 1600, 3), np.uint8)
    picture[:, 800:] = 220  # the right half
    plain = pyav_videos.write(tmp_path / "plain.mp4", [picture] * 4, 10, codec="libx264")
    turned = tmp_path / "turned.mp4"
    ffmpeg("-i", plain, "-c", "copy", "-metadata:s:v:0", "rotate=90", turned)
    with av.open(str(copy_of(plain))) as file:
        assert (file.streams.video[0].width, file.streams.video[0].height) == (1280, 384)
    expected, found = read_video(turned, ALL).frames[0], read_video(copy_of(turned), ALL).frames[0]
    assert found.shape == (1280, 384, 3) and expected.shape == (1600, 480, 3)
    ends = [(x[:200].mean() > 128, x[-200:].mean() > 128) for x in (expected, found)]
    assert ends[0] == ends[1] and sum(ends[0]) == 1


def test_colors_stay(tmp_path):
    colors = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [200, 200, 40]], np.uint8)
    picture = np.repeat(np.repeat(colors.reshape(1, 4, 3), 64, axis=0), 32, axis=1)
    copy = copy_of(pyav_videos.write(tmp_path / "a.mkv", [picture] * 5, 10, codec="ffv1"))
    found = read_video(copy, ALL).frames[2, 32, 16::32].astype(int)
    assert np.abs(found - colors).max() < 12


def test_many_frames_per_second_are_thinned_out(tmp_path):
    media = read_video(copy_of(pyav_videos.write(tmp_path / "a.mkv", pyav_videos.flat(120), 120)), ALL)
    assert 25 <= len(media.frames) <= 31 and abs(media.times[-1] - 1) < 0.1


def test_times_of_slides_and_of_late_sound_are_kept(tmp_path):
    path = tmp_path / "late.mkv"
    beep = tmp_path / "beep.wav"
    ffmpeg("-f", "lavfi", "-i", "sine=1000:d=1", beep)
    film = pyav_videos.write(tmp_path / "film.mkv", pyav_videos.flat(6), 2, codec="ffv1")
    ffmpeg("-i", film, "-itsoffset", "1.5", "-i", beep, "-c:v", "copy", "-c:a", "flac", path)
    media = read_video(copy := copy_of(path), ALL)
    assert list(dict.fromkeys(frame_numbers(media.frames))) == [0, 1, 2, 3, 4, 5] and abs(media.times[-1] - 3) < 0.6
    with av.open(str(copy)) as file:
        loud = [frame.time for frame in file.decode(audio=0) if np.abs(frame.to_ndarray()).max() > 0.02]
    assert abs(loud[0] - 1.5) < 0.1 and abs(loud[-1] - 2.5) < 0.1


def test_what_is_no_video_is_refused(tmp_path):
    text, sound = tmp_path / "a.mp4", tmp_path / "b.mp4"
    text.write_bytes(b"no video at all" * 100)
    pyav_videos.write(sound, sound=pyav_videos.sine(1, 48000, 400), sound_codec="aac")
    assert refusal(text) and "video track" in refusal(sound)
    playlist = tmp_path / "list.mp4"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nb.mp4\n#EXT-X-ENDLIST\n")
    assert refusal(playlist)


def test_limits(tmp_path, monkeypatch):
    path = pyav_videos.write(tmp_path / "a.mkv", pyav_videos.flat(30), 10)
    with monkeypatch.context() as patched:
        patched.setattr(transcoding, "MAX_MINUTES", 0.04)
        assert "minutes long, expected at most 0.04" in refusal(path)
    noise = np.random.default_rng(0).integers(0, 256, (60, 96, 128, 3), np.uint8)
    large = pyav_videos.write(tmp_path / "noise.mkv", noise, 10)
    monkeypatch.setattr(transcoding, "MAX_BYTES", 100_000)
    assert "the copy would be larger than" in refusal(large)


def test_a_report_ends_the_conversion(tmp_path):
    path = pyav_videos.write(tmp_path / "a.mkv", pyav_videos.flat(30), 10)

    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_of(path, stop)


def test_damaged_parts_are_left_out(tmp_path):
    path = pyav_videos.write(tmp_path / "a.mkv", pyav_videos.flat(40), 10, pyav_videos.sine(4, 48000, 600), codec="mpeg4")
    data = bytearray(path.read_bytes())
    at = len(data) // 2
    data[at : at + 200] = b"\xff" * 200
    path.write_bytes(data)
    media = read_video(copy_of(path), ALL)
    assert media.times[-1] > 3.5 and len(media.sound) > 3.5 * 16000
