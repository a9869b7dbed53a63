"""Sound of video files that changes its format, is in opposite phase, or in another track than the first."""

import av
import numpy as np
import pytest
from helpers.ffmpeg import SAME, SAMPLING, ffmpeg, similarity
from helpers.pyav_videos import sine
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from misc.video_reading.media import SAMPLE_RATE
from misc.video_reading.reader import read_video
from misc.video_reading.sound import TrackSamples

# A rising chirp with pauses in the first second, a lower tone in the second one, so that halves can be told apart.
HALVES = ("0.4*sin(2*PI*(400+900*t)*t)*gt(sin(20*t),-0.3)", "0.4*sin(2*PI*(250+50*t)*t)")
WHOLE = f"if(lt(t,1),{HALVES[0]},st(0,t-1)*0+{HALVES[1].replace('*t', '*ld(0)')})"
SILENCE = "0*t"
PLAIN = {"mp3": ("-write_xing", 0, "-id3v2_version", 0)}  # nothing but sound


def make(path, picture, *tracks, options=()):
    """Write a file with sound tracks, an expression per channel of each."""
    sounds = [x for track in tracks for x in ("-f", "lavfi", "-i", f"aevalsrc='{'|'.join(track)}':s=48000:d=2")]
    maps = [x for i in range(len(tracks) + 1) for x in ("-map", i)]
    ffmpeg("-i", picture, *sounds, *maps, "-c:v", "copy", "-c:a", "pcm_s16le", *options, path)
    return path


@pytest.fixture(scope="session")
def picture(tmp_path_factory):
    """A file of two seconds of pictures without sound."""
    path = tmp_path_factory.mktemp("picture") / "picture.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x48:r=10:d=2", "-c:v", "libx264", "-pix_fmt", "yuv420p", path)
    return path


@pytest.fixture(scope="session")
def clean(picture, tmp_path_factory):
    """The same with the same sound in both channels."""
    return make(tmp_path_factory.mktemp("clean") / "clean.mkv", picture, (WHOLE, WHOLE))


@pytest.mark.parametrize(
    ("codec", "halves"),
    [
        ("aac", [(1, 48000), (2, 48000)]),
        ("aac", [(2, 44100), (1, 22050)]),
        ("mp2", [(2, 48000), (2, 32000)]),
        ("mp3", [(2, 32000), (1, 48000)]),
        ("ac3", [(2, 48000), (6, 48000)]),
        ("ac3", [(1, 48000), (2, 44100)]),
    ],
)
def test_sound_that_changes_its_layout_or_rate(tmp_path, picture, clean, codec, halves):
    """Two halves of one track, (channels, rate) each."""
    data = b""
    for half, (channels, rate) in enumerate(halves):
        path = tmp_path / f"{half}.{codec}"
        source = f"aevalsrc='{'|'.join([HALVES[half]] * channels)}':s={rate}:d=1"
        ffmpeg("-f", "lavfi", "-i", source, "-b:a", "160k", *PLAIN.get(codec, ()), path)
        data += path.read_bytes()
    joined = tmp_path / f"joined.{codec}"
    joined.write_bytes(data)
    ffmpeg("-i", picture, "-i", joined, "-c", "copy", tmp_path / "joined.ts")
    media = read_video(tmp_path / "joined.ts", SAMPLING)
    assert len(media.sound) == pytest.approx(2 * SAMPLE_RATE, rel=0.06)  # codecs add some at both ends
    assert len(media.frames) == 10
    assert similarity(tmp_path / "joined.ts", clean, "audio") > SAME


def frame(samples, form, layout, rate):
    """A frame of (channels, n) samples."""
    scale, kind = {"s16": (1 << 15, np.int16), "s32": (1 << 31, np.int32), "flt": (1, np.float32)}[form.removesuffix("p")]
    scaled = (samples * scale).astype(kind)
    made = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(scaled if form.endswith("p") else scaled.T.reshape(1, -1)), form, layout
    )
    made.sample_rate = rate
    return made


PIECE = st.tuples(
    st.sampled_from(["s16", "s16p", "s32", "s32p", "flt", "fltp"]),
    st.sampled_from(["mono", "stereo"]),
    st.sampled_from([8000, 16000, 32000, 48000]),
    st.integers(1500, 6000),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(PIECE, min_size=1, max_size=5))
def test_pieces_of_any_formats_are_all_there_in_their_order(pieces):
    """Each piece is a tone of its own; beside it as SciPy resamples it."""
    samples, expected = TrackSamples(100), []
    for number, (form, layout, rate, length) in enumerate(pieces):
        tone = 0.5 * np.sin(2 * np.pi * (300 + 400 * number) * np.arange(length) / rate)
        channels = np.stack([tone] * (1 if layout == "mono" else 2))
        for start in range(0, length, 512):
            samples.add(frame(channels[:, start : start + 512], form, layout, rate))
        expected.append(resample_poly(tone, SAMPLE_RATE, rate))
    samples.flush()
    found, at = samples.mix(), 0
    assert len(found) == pytest.approx(sum(map(len, expected)), abs=2 * len(pieces))
    for piece in expected:
        middle = slice(at + len(piece) // 3, at + 2 * len(piece) // 3)
        wanted = piece[len(piece) // 3 : 2 * len(piece) // 3]
        nearest = min(np.abs(found[middle.start + k : middle.stop + k] - wanted).max() for k in range(-10, 11))
        assert nearest < 0.12  # at 2 samples of drift, a tone of 1900 Hz is elsewhere in its period
        at += len(piece)


@pytest.mark.parametrize("layout", ["ambisonic 1", "64 channels"])
def test_channels_that_cannot_be_mixed(layout):
    """Only the first channel is used."""
    tone = sine(1, 48000, 440)
    channels = np.zeros((av.AudioLayout(layout).nb_channels, len(tone)))
    channels[0] = tone
    samples = TrackSamples(100)
    samples.add(frame(channels, "flt", layout, 48000))
    samples.flush()
    assert np.abs(samples.mix()).max() == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize(
    "right", [f"-({WHOLE})", f"-0.8*({WHOLE})", f"if(lt(t,1),1,-1)*({WHOLE})"], ids=["whole", "softer", "half"]
)
def test_channels_in_opposite_phase_do_not_cancel(tmp_path, picture, clean, right):
    path = make(tmp_path / "opposite.mkv", picture, (WHOLE, right))
    assert similarity(path, clean, "audio") > SAME
    np.testing.assert_allclose(read_video(path, SAMPLING).sound, read_video(clean, SAMPLING).sound, atol=1e-3)


def test_channels_that_only_differ_are_mixed(tmp_path, picture):
    """Each tone is half as loud, and a short moment in opposite phase has no effect."""
    moment = "0.5*sin(2*PI*700*t)*if(between(t,0.5,0.55),-1,1)"
    path = make(tmp_path / "a.mkv", picture, ("0.5*sin(2*PI*400*t)", "0.5*sin(2*PI*700*t)"))
    spectrum = np.abs(np.fft.rfft(read_video(path, SAMPLING).sound[:SAMPLE_RATE])) / SAMPLE_RATE * 2
    assert spectrum[[400, 700]] == pytest.approx([0.25, 0.25], rel=0.02)
    path = make(tmp_path / "b.mkv", picture, ("0.5*sin(2*PI*700*t)", moment))
    assert np.abs(read_video(path, SAMPLING).sound[8100:8700]).max() < 0.01


@pytest.mark.parametrize(
    ("tracks", "default"),
    [
        ((SILENCE, WHOLE), None),
        ((SILENCE, WHOLE), 0),
        ((SILENCE, "1e-5*sin(2*PI*1000*t)", WHOLE), None),
        (("0.4*sin(2*PI*3000*t)", WHOLE), 1),
        ((WHOLE, "0.4*sin(2*PI*3000*t)"), None),
        ((WHOLE, "0.4*sin(2*PI*3000*t)"), 0),
        (("if(lt(t,1.9),0,0)", "if(lt(t,1),0,0)", WHOLE), 1),
    ],
)
def test_the_default_sound_track_that_can_be_heard(tmp_path, picture, clean, tracks, default):
    flags = [x for i in range(len(tracks)) for x in (f"-disposition:a:{i}", "default" if i == default else "0")]
    path = make(tmp_path / "tracks.mkv", picture, *[(track, track) for track in tracks], options=flags)
    assert similarity(path, clean, "audio") > SAME


def test_a_comment_before_the_film_is_not_used(tmp_path, picture, clean):
    flags = ("-disposition:a:0", "comment", "-disposition:a:1", "0", "-default_mode", "passthrough")
    path = make(tmp_path / "comment.mkv", picture, ("0.4*sin(2*PI*3000*t)",), (WHOLE, WHOLE), options=flags)
    assert similarity(path, clean, "audio") > SAME


def test_a_preferred_track_that_begins_late_is_still_used(tmp_path, picture, clean):
    """The other track, which begins earlier, is not used."""
    late = f"if(lt(t,0.5),0,{WHOLE})"
    path = make(tmp_path / "late.mkv", picture, (late,), ("0.4*sin(2*PI*3000*t)",))
    sound = read_video(path, SAMPLING).sound
    assert not sound[: SAMPLE_RATE * 2 // 5].any()
    np.testing.assert_allclose(sound[9000:], read_video(clean, SAMPLING).sound[9000:], atol=1e-3)
