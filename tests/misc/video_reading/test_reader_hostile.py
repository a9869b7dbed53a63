"""Files that are not videos, name other files, or declare a larger size than they have."""

import ast
import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers import pyav_videos
from helpers.isolated_process import MIB, outcome
from helpers.pyav_videos import USUAL, video_refusal
from PIL import Image

from misc.video_reading.media import VideoError
from misc.video_reading.reader import read_video


def test_other_files_are_not_videos(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"")
    assert video_refusal(path) == "empty (0 bytes)"
    for content in (b"\0" * 5000, b"not a video\n" * 500, b"\x1aE\xdf\xa3", np.random.default_rng(0).bytes(5000)):
        path.write_bytes(content)
        assert video_refusal(path).startswith("no video, or damaged (")
    for form in ("PNG", "JPEG"):
        Image.new("RGB", (64, 48)).save(path, form)
        assert video_refusal(path).startswith("no video, or damaged (")
    with pytest.raises(FileNotFoundError):
        read_video(tmp_path / "absent.mp4", USUAL)


def playlists(good):
    """Return playlists by name that make a player read the file `good`."""
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
def test_a_playlist_is_not_a_video(write, tmp_path, kind):
    good = write("good.ts", pyav_videos.flat(20))
    path = tmp_path / "list.mp4"
    path.write_text(playlists(good)[kind])
    assert video_refusal(path).startswith("no video, or damaged (")
    if kind == "ffconcat":  # it would be read without the refusal
        with av.open(str(path), options={"safe": "0"}) as file:
            assert file.streams.video


def _decoded(paths):
    """Return per file the shape of its frames, or the reason of its refusal."""
    found = []
    for path in paths:
        try:
            found.append(read_video(Path(path), USUAL).frames.shape)
        except VideoError as error:
            found.append(str(error)[:25])
    return found


def test_declared_sizes_and_lengths_take_no_memory(write, tmp_path):
    """A PNG of 10000 x 10000 pixels in a track of 64 x 48, and sound of 1 to 100 samples per second."""
    small = write("small.nut", pyav_videos.flat(2), codec="png")
    png = io.BytesIO()
    Image.new("RGB", (10000, 10000)).save(png, "PNG", compress_level=1)
    paths = [tmp_path / "large.nut"]
    with av.open(str(small)) as source, av.open(str(paths[0]), "w") as out:
        track = out.add_stream_from_template(source.streams.video[0])
        first, *_ = source.demux()
        for second, packet in enumerate((first, av.Packet(png.getvalue()))):
            packet.stream, packet.pts, packet.dts, packet.time_base = track, second, second, Fraction(1)
            out.mux(packet)
    sound = np.tile(pyav_videos.sine(1, 1000, 100), 200)
    for rate in (1, 10, 100):
        paths.append(write(f"{rate}.mkv", pyav_videos.flat(3), sound=sound, sample_rate=rate, packet=len(sound)))
    found = outcome(_decoded, [str(path) for path in paths], method="spawn")
    assert found.kind == "returned", found
    assert ast.literal_eval(found.text)[0].startswith("damaged: 1 of 2 pictures "), found
    assert found.growth < 150 * MIB, found
