"""Video files: what is decoded of them, beside a plain loop of PyAV, and files that are strange, broken or hostile."""

import ast
import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers import clips
from helpers.fuzzing import mutated
from helpers.isolated_process import MIB, outcome
from PIL import Image

from misc.extraction.video_folder import list_files
from misc.video_reading.media import SAMPLE_RATE, Media, Sampling, VideoError
from misc.video_reading.reader import read_video

ALL = Sampling(rate=1000, max_frames=1000, max_side=1000, max_seconds=100)
USUAL = Sampling(rate=8, max_frames=160, max_side=480, max_seconds=600)


def plainly(path):
    """All frames of a file and their seconds."""
    with av.open(str(path)) as file:
        pairs = [(frame.to_ndarray(format="rgb24"), frame.time) for frame in file.decode(video=0)]
    frames, times = zip(*pairs, strict=True)
    return np.stack(frames), np.array(times) - times[0]


def numbers(frames):
    """Which frames of `clips.flat` they are."""
    known = np.array([clips.color_value(i) for i in range(28)])
    return [int(np.abs(frame.mean() - known).argmin()) for frame in frames]


def assert_well_formed(media, sampling):
    assert media.frames.dtype == np.uint8 and media.frames.ndim == 4 and media.frames.shape[3] == 3
    assert 0 < len(media.frames) == len(media.times) <= sampling.max_frames
    assert max(media.frames.shape[1:3]) <= sampling.max_side and min(media.frames.shape[1:3]) > 0
    assert media.times[0] == 0 and np.isfinite(media.times).all() and (np.diff(media.times) > 0).all()
    if media.sound is not None:
        assert media.sound.dtype == np.float32 and media.sound.ndim == 1 and np.abs(media.sound).max() <= 1
        assert 0 < len(media.sound) <= sampling.max_seconds * SAMPLE_RATE and np.isfinite(media.sound).all()


def refusal(path, sampling=USUAL):
    with pytest.raises(VideoError) as refused:
        read_video(path, sampling)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.fixture
def write(tmp_path):
    return lambda name, *args, **options: clips.write(tmp_path / name, *args, **options)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts", "mov", "webm"])
def test_all_frames_with_their_times_and_in_their_colours(write, suffix):
    rng = np.random.default_rng(0)
    frames = np.repeat(np.repeat(rng.integers(0, 256, (12, 6, 8, 3), np.uint8), 8, axis=1), 8, axis=2)
    path = write(f"a.{suffix}", frames, codec="libvpx" if suffix == "webm" else "mpeg4")
    media, (expected, times) = read_video(path, ALL), plainly(path)
    assert np.array_equal(media.frames, expected)
    np.testing.assert_allclose(media.times, times)
    np.testing.assert_allclose(media.times, np.arange(12) / 10, atol=1e-3)
    assert media.sound is None
    assert np.abs(media.frames.mean(axis=(1, 2)) - frames.mean(axis=(1, 2))).max() < 12  # red is red


@pytest.mark.parametrize(
    ("rate", "most", "expected"),
    [
        (5, 99, range(0, 20, 2)),
        (2.5, 99, range(0, 20, 4)),
        (8, 99, range(0, 20, 2)),
        (30, 99, range(20)),
        (30, 5, range(0, 20, 4)),
    ],
)
def test_frames_at_a_rate_and_never_too_many(write, rate, most, expected):
    path = write("a.mkv", clips.flat(20))
    media = read_video(path, Sampling(rate, most, 480, 1))
    assert numbers(media.frames) == list(expected)
    np.testing.assert_allclose(media.times, np.array(expected) / 10, atol=2e-3)


def test_a_file_that_does_not_tell_its_length(tmp_path):
    """As a browser records it: when there are too many frames every second one is kept, again and again."""
    path = clips.write(tmp_path / "a.mkv", clips.flat(27, 16, 16), options={"live": "1"})
    with av.open(str(path)) as file:
        assert file.duration is None
    media = read_video(path, Sampling(100, 8, 480, 1))
    assert numbers(media.frames) == list(range(0, 27, 4))
    np.testing.assert_allclose(media.times, np.arange(0, 27, 4) / 10, atol=2e-3)


@pytest.mark.parametrize(("side", "size"), [(480, (48, 64)), (32, (24, 32)), (10, (8, 10))])
def test_frames_are_made_smaller_and_never_larger(write, side, size):
    frames = clips.flat(2)
    frames[:, :, 32:] = 250
    media = read_video(write("a.mp4", frames), Sampling(100, 9, side, 1))
    assert media.frames.shape == (2, *size, 3)
    middle = size[1] // 2
    assert media.frames[..., : middle - 1, :].mean() < 60 and media.frames[..., middle + 1 :, :].mean() > 240


@pytest.mark.parametrize(("degrees", "corner"), [(90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))])
def test_what_a_phone_held_upright_films_stands_upright(write, degrees, corner):
    """The white corner, left above as it is stored, goes where the matrix of the track (ISO 14496-12, 8.3.2) turns it."""
    frames = clips.flat(2)
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


@pytest.mark.parametrize(
    ("suffix", "codec", "rate", "channels"),
    [("mkv", "pcm_s16le", 8000, 1), ("avi", "pcm_s16le", 44100, 2), ("mp4", "aac", 48000, 1), ("webm", "libopus", 48000, 2)],
)
def test_sound_is_mono_at_one_rate(write, suffix, codec, rate, channels):
    """A sine of the left channel alone is there, half as loud, at its frequency."""
    tone = clips.sine(2, rate, 440)
    sound = tone if channels == 1 else np.stack([tone, 0 * tone], axis=1)
    video = "libvpx" if suffix == "webm" else "mpeg4"
    media = read_video(write(f"a.{suffix}", clips.flat(20), 10, sound, rate, codec=video, sound_codec=codec), USUAL)
    assert len(media.sound) == pytest.approx(2 * SAMPLE_RATE, rel=0.03)
    middle = media.sound[SAMPLE_RATE // 2 : SAMPLE_RATE * 3 // 2]
    spectrum = np.abs(np.fft.rfft(middle))
    assert spectrum.argmax() == 440  # its window is a second
    assert np.abs(middle).max() == pytest.approx(0.5 / channels, rel=0.1)


def test_no_sound_of_a_silent_track_and_not_more_than_is_asked_for(write):
    tone = clips.sine(2, 16000, 440)
    assert read_video(write("a.mkv", clips.flat(20), 10, 0 * tone, 16000), USUAL).sound is None
    path = write("b.mkv", clips.flat(20), 10, tone, 16000)
    sound = read_video(path, Sampling(8, 9, 480, 0.75)).sound
    assert len(sound) == 12000
    np.testing.assert_allclose(sound, tone[:12000], atol=1e-3)


def test_one_frame_is_a_video(write):
    media = read_video(write("a.mp4", clips.flat(1)), USUAL)
    assert len(media.frames) == 1 and list(media.times) == [0]


@pytest.mark.parametrize(
    ("made", "names"),
    [
        ("a.webm", ["a.mkv", "A.WEBM", "a", "a.b c", "%03d.webm", "a|b.webm", "take.001"]),
        ("a.mp4", ["a.m4v", "a.mov", "a.3gp", "a.qt"]),
        ("a.ts", ["a.mpg", "a.vob", "a.m2ts"]),
        ("a.avi", ["a.divx", "a.avi"]),
        ("a.nut", ["a.nut", "a.film"]),
    ],
)
def test_suffixes_of_the_same_container_and_unknown_ones(write, made, names):
    frames = np.random.default_rng(0).integers(0, 256, (9, 48, 64, 3), np.uint8)  # of bytes enough to tell what it is
    path = write(made, frames, codec="libvpx" if made.endswith("webm") else "mpeg4")
    for name in names:
        path = path.rename(path.with_name(name))
        assert len(read_video(path, ALL).frames) == 9


@pytest.mark.parametrize(
    ("made", "name", "expected"),
    [
        ("a.webm", "a.mp4", "matroska,webm, expected a suffix such as .mkv or .webm"),
        ("a.webm", "a.AVI", "matroska,webm, expected a suffix such as .mkv or .webm"),
        ("a.mp4", "a.webm", "mov,mp4,m4a,3gp,3g2,mj2, expected a suffix such as .mp4 or .m4v"),
        ("a.mp4", "a.jpg", "mov,mp4,m4a,3gp,3g2,mj2, expected a suffix such as .mp4 or .m4v"),
        ("a.avi", "a.txt", "avi, expected a suffix such as .avi or .divx"),
        ("a.nut", "a.mp3", "nut"),
    ],
)
def test_a_wrong_suffix(write, made, name, expected):
    path = write(made, clips.flat(3), codec="libvpx" if made.endswith("webm") else "mpeg4")
    wrong = path.rename(path.with_name(name))
    assert refusal(wrong) == f"its suffix {wrong.suffix.lower()} is wrong: by its content it is {expected}"


def test_a_cover_is_no_video(write):
    """A song with a picture; and a film is not its poster."""
    tone, picture = clips.sine(2, 48000, 440), np.full((32, 32, 3), 250, np.uint8)
    song = write("a.m4a", sound=tone, form="mp4", sound_codec="aac", picture=picture)
    assert refusal(song) == "no video track"
    film = write("b.mp4", clips.flat(3), sound=tone[:9600], sound_codec="aac", picture=picture)
    assert read_video(film, ALL).frames.shape == (3, 48, 64, 3)


def test_sound_alone_is_no_video(write):
    assert refusal(write("a.mkv", sound=clips.sine(1, 48000, 440))) == "no video track"


def test_what_is_no_video(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"")
    assert refusal(path) == "empty (0 bytes)"
    for content in (b"\0" * 5000, b"not a video\n" * 500, b"\x1aE\xdf\xa3", np.random.default_rng(0).bytes(5000)):
        path.write_bytes(content)
        assert refusal(path).startswith("no video, or damaged (")
    for form in ("PNG", "JPEG"):
        Image.new("RGB", (64, 48)).save(path, form)
        assert refusal(path).startswith("no video, or damaged (")
    with pytest.raises(FileNotFoundError):
        read_video(tmp_path / "absent.mp4", USUAL)


def playlists(good):
    """Name -> what asks a player to read the file `good`."""
    mpd = 'xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"'
    return {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{good}\n#EXT-X-ENDLIST\n",
        "ffconcat": f"ffconcat version 1.0\nfile '{good}'\n",
        "dash": f'<?xml version="1.0"?><MPD {mpd} type="static" mediaPresentationDuration="PT2S"><Period><AdaptationSet '
        f'mimeType="video/mp4"><Representation id="1"><BaseURL>{good}</BaseURL></Representation></AdaptationSet></Period>'
        "</MPD>",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
        "a=rtpmap:96 H264/90000\n",
    }


@pytest.mark.parametrize("kind", ["hls", "ffconcat", "dash", "sdp"])
def test_a_file_that_names_other_files_is_no_video(write, tmp_path, kind):
    good = write("good.ts", clips.flat(20))
    path = tmp_path / "list.mp4"
    path.write_text(playlists(good)[kind])
    assert refusal(path).startswith("no video, or damaged (")
    if kind == "ffconcat":  # it would be read without the refusal
        with av.open(str(path), options={"safe": "0"}) as file:
            assert file.streams.video


@pytest.mark.parametrize("size", [(1, 100000), (2, 2), (8, 400), (14, 14)])
def test_frames_that_are_strips_or_specks(write, size):
    path = write("a.mkv", np.zeros((2, *size, 3), np.uint8), codec="ffv1")
    assert refusal(path).startswith(f"frames of {size[1]} x {size[0]} pixels, expected sides of 16 or more")


def test_the_smallest_and_very_long_frames(write):
    assert read_video(write("a.mkv", np.zeros((1, 16, 16, 3), np.uint8)), USUAL).frames.shape == (1, 16, 16, 3)
    assert read_video(write("b.mkv", np.zeros((1, 16, 4096, 3), np.uint8)), USUAL).frames.shape == (1, 2, 480, 3)


def _decoded(paths):
    """The shapes of frames, or why there are none."""
    found = []
    for path in paths:
        try:
            found.append(read_video(Path(path), USUAL).frames.shape)
        except VideoError as error:
            found.append(str(error)[:25])
    return found


def test_what_says_it_is_larger_or_slower_than_it_is_takes_no_memory(write, tmp_path):
    """A PNG of 10000 x 10000 pixels in a track of 64 x 48; seconds of sound that are a byte or two, and days in samples."""
    small = write("small.nut", clips.flat(2), codec="png")
    png = io.BytesIO()
    Image.new("RGB", (10000, 10000)).save(png, "PNG", compress_level=1)
    paths = [tmp_path / "large.nut"]
    with av.open(str(small)) as source, av.open(str(paths[0]), "w") as out:
        track = out.add_stream_from_template(source.streams.video[0])
        first, *_ = source.demux()
        for second, packet in enumerate((first, av.Packet(png.getvalue()))):
            packet.stream, packet.pts, packet.dts, packet.time_base = track, second, second, Fraction(1)
            out.mux(packet)
    sound = np.tile(clips.sine(1, 1000, 100), 200)
    for rate in (1, 10, 100):
        paths.append(write(f"{rate}.mkv", clips.flat(3), sound=sound, sample_rate=rate, packet=len(sound)))
    found = outcome(_decoded, [str(path) for path in paths], method="spawn")
    assert found.kind == "returned", found
    assert ast.literal_eval(found.text)[0].startswith("damaged: 1 of 2 pictures "), found
    assert found.growth < 150 * MIB, found


def test_long_packets_of_sound_are_not_taken_for_a_cut(write):
    path = write("a.mkv", clips.flat(3), sound=clips.sine(9, 8000, 440), sample_rate=8000, packet=9 * 8000)
    assert len(read_video(path, USUAL).sound) == 9 * SAMPLE_RATE


@pytest.mark.parametrize(("suffix", "codec"), [("webm", "libvpx"), ("mkv", "mpeg4"), ("avi", "mpeg4"), ("wmv", "wmv2")])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.7])
def test_a_file_that_is_cut_off(write, suffix, codec, share):
    """Ten seconds of noise, so that bytes are about as seconds."""
    frames = np.random.default_rng(0).integers(0, 256, (50, 16, 16, 3), np.uint8)
    path = write(f"a.{suffix}", frames, 5, codec=codec)
    assert len(read_video(path, USUAL).frames) == 50
    data = path.read_bytes()
    path.write_bytes(data[: round(share * len(data))])
    message = refusal(path)
    assert message.startswith(("no video, or damaged (", "no picture can be decoded", "cut off: it "))
    if suffix in ("avi", "wmv") and share >= 0.5:
        assert message == f"cut off: it has {path.stat().st_size} of {len(data)} bytes"
    elif suffix in ("webm", "mkv") and share >= 0.3:
        assert message.startswith("cut off: it ends after ") and message.endswith(" of 10.0 s")


def test_another_track_that_lasts_longer_is_no_cut(tmp_path):
    """Of one second of pictures and ten of what is not decoded."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        video = out.add_stream("mpeg4", rate=10)
        video.width, video.height = 64, 48
        sounds = [out.add_stream("pcm_s16le", rate=8000, layout="mono") for _ in range(2)]
        for frame in clips.flat(10):
            out.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(video.encode(None))
        for track, seconds in zip(sounds, (1, 10), strict=True):
            packet = av.Packet(bytes(16000 * seconds))
            packet.stream, packet.time_base, packet.pts, packet.dts = track, Fraction(1, 1000), 0, 0
            packet.duration = 1000 * seconds
            out.mux(packet)
    with av.open(str(path)) as file:
        assert file.duration == pytest.approx(10e6, rel=0.01)
    assert len(read_video(path, ALL).frames) == 10


def test_a_file_that_lacks_its_end_alone_is_used(write):
    frames = np.random.default_rng(0).integers(0, 256, (50, 16, 16, 3), np.uint8)
    path = write("a.webm", frames, 5, codec="libvpx")
    data = path.read_bytes()
    path.write_bytes(data[: round(0.93 * len(data))])
    assert 40 < len(read_video(path, USUAL).frames) < 50


@pytest.mark.parametrize("field", ["rate", "scale"])
def test_an_avi_file_of_no_frames_a_second(write, field):
    path = write("a.avi", clips.flat(10))
    data = bytearray(path.read_bytes())
    at = data.index(b"strh") + 8 + {"scale": 20, "rate": 24}[field]
    assert struct.unpack_from("<I", data, at) == ({"scale": 1, "rate": 10}[field],)
    data[at : at + 4] = bytes(4)
    path.write_bytes(data)
    assert refusal(path) == "0 frames per second according to its header"


def test_an_avi_file_without_a_length(write):
    """Microseconds a frame, and frames of the stream, are not needed."""
    path = write("a.avi", clips.flat(10))
    data = bytearray(path.read_bytes())
    for at in (data.index(b"avih") + 8, data.index(b"avih") + 24, data.index(b"strh") + 40):
        data[at : at + 4] = bytes(4)
    path.write_bytes(data)
    assert list(read_video(path, ALL).times) == pytest.approx(np.arange(10) / 10)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "nut", "flv"])
def test_pictures_between_which_no_time_passes(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as out:
        track = out.add_stream("flv1" if suffix == "flv" else "mjpeg", rate=10)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p" if suffix == "flv" else "yuvj420p"
        for frame in clips.flat(5):
            for packet in track.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                packet.pts = packet.dts = packet.duration = 0
                out.mux(packet)
    assert refusal(path) == "0 frames per second: all 5 pictures have the same time"


@pytest.mark.parametrize(("suffix", "codec"), [("h264", "libx264"), ("m2v", "mpeg2video")])
def test_a_stream_without_a_container_has_the_rate_of_its_codec(tmp_path, suffix, codec):
    path = clips.write(tmp_path / f"a.{suffix}", clips.flat(10), 25, codec=codec)
    assert np.diff(read_video(path, ALL).times) == pytest.approx([0.04] * 9)


def _take_mutations(paths, number):
    """How many mutations of each file are media, and how many are refused."""
    rng, counts = np.random.default_rng(0), []
    for path in map(Path, paths):
        data, mutation, whole = path.read_bytes(), path.with_stem("mutated"), 0
        for _ in range(number):
            mutation.write_bytes(mutated(data, rng))
            try:
                assert_well_formed(read_video(mutation, USUAL), USUAL)
                whole += 1
            except VideoError as error:
                assert str(error).isprintable()
        counts.append((whole, number - whole))
    return counts


def test_mutations_are_media_or_refused(write):
    """None crashes, hangs or takes much memory."""
    kinds = {
        "a.webm": {"codec": "libvpx", "sound_codec": "libopus"},
        "a.mp4": {"sound_codec": "aac"},
        "a.avi": {},
        "a.ts": {"sound_codec": "mp2"},
    }
    frames, tone = clips.flat(8, 32, 32), clips.sine(0.5, 48000, 440)
    paths = [str(write(name, frames, 10, tone, **options)) for name, options in kinds.items()]
    found = outcome(_take_mutations, paths, 60, method="spawn")
    assert found.kind == "returned", found
    *with_length, (whole, _) = ast.literal_eval(found.text)
    assert all(min(counts) >= 3 for counts in with_length) and whole >= 3, found  # MPEG-TS does not say how long it is
    assert found.growth < 250 * MIB, found


def test_files_of_a_folder(tmp_path):
    for name in ("b.mp4", "a.webm", "sub/c.mp4", ".hidden.mp4", "sub/.d.mp4", ".git/e.mp4", "sub/more/ f g.avi"):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).touch()
    (tmp_path / "videos" / "nowhere.mp4").symlink_to("nowhere")
    elsewhere = tmp_path / "elsewhere.mp4"
    elsewhere.touch()
    (tmp_path / "videos" / "link.mp4").symlink_to(elsewhere)
    found = [str(path.relative_to(tmp_path / "videos")) for path in list_files(tmp_path / "videos")]
    assert found == ["a.webm", "b.mp4", "link.mp4", "sub/c.mp4", "sub/more/ f g.avi"]


@pytest.mark.parametrize(
    ("length", "number", "expected"),
    [(3, 8, [0, 1, 2]), (8, 8, list(range(8))), (9, 3, [1, 4, 7]), (4, 1, [2]), (2, 1, [0])],
)
def test_frames_that_are_spread(length, number, expected):
    """The middles of as many equal parts."""
    frames = np.arange(length, dtype=np.uint8).reshape(-1, 1, 1, 1)
    assert list(Media(frames, np.arange(length), None).select_frames(number).ravel()) == expected
