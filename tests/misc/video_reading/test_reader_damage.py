"""Videos that are damaged in places, beside the undamaged ones: what cannot be decoded is skipped and counted."""

import struct

import av
import numpy as np
import pytest
from helpers.ffmpeg import SAMPLING
from helpers.ffmpeg_videos import assert_like, convert, damage, seen_and_heard

from misc.video_reading.media import VideoError
from misc.video_reading.reader import read_video

PAGE, POLYNOMIAL = 27, 0x04C11DB7  # bytes of the head of an Ogg page without its segments; of its checksum (RFC 3533)


def checksum(data):
    register = 0
    for byte in data:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1 ^ (POLYNOMIAL if register & 0x80000000 else 0)) & 0xFFFFFFFF
    return register


def empty_packets(data, numbers):
    """Return an Ogg file of Theora pictures in which some packets are empty, which repeats the picture before."""
    out, at, number, serial = bytearray(), 0, -1, None
    while at < len(data):
        lengths = data[at + PAGE - 1 + 1 : at + PAGE + data[at + PAGE - 1]]
        body = at + PAGE + len(lengths)
        end = body + sum(lengths)
        page = data[at:end]
        if data[body : body + 7] == b"\x80theora":
            serial = page[14:18]
        if page[14:18] == serial:
            segments, content, part, start = bytearray(), bytearray(), bytearray(), body
            for length in lengths:
                part.append(length)
                if length < 255:
                    number += 1
                    packet = data[start : start + sum(part)]
                    segments += b"\0" if number in numbers else part
                    content += b"" if number in numbers else packet
                    start, part = start + sum(part), bytearray()
            segments, content = segments + part, content + data[start:end]
            page = bytearray(page[: PAGE - 1] + bytes([len(segments)]) + segments + content)
            page[22:26] = bytes(4)
            page[22:26] = struct.pack("<I", checksum(page))
        out, at = out + page, end
    return bytes(out)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "flv"])
def test_a_damaged_packet_of_sound_costs_no_more(films, tmp_path, suffix):
    path = damage(convert(films / "a.mp4", tmp_path / f"a.{suffix}"), "audio", [50])
    media = assert_like(path, films / "a.mp4")
    assert media.warnings == ("sound: 1 of 189 packets cannot be decoded",)


@pytest.mark.parametrize("codec", ["ac3", "eac3", "mp2"])
def test_a_first_packet_of_sound_that_is_cut(films, tmp_path, codec):
    """Recordings of broadcasts begin with such a packet."""
    whole, path = tmp_path / "whole.mkv", tmp_path / "cut.mkv"
    convert(films / "a.mp4", whole, "-c:a", codec)
    with av.open(str(whole)) as source, av.open(str(path), "w") as out:
        tracks = {track.index: out.add_stream_from_template(track) for track in source.streams}
        is_first = True
        for packet in source.demux():
            if packet.size:
                content = bytes(packet)
                if packet.stream.type == "audio" and is_first:
                    content, is_first = content[100:], False
                cut = av.Packet(content)
                cut.pts, cut.dts, cut.duration, cut.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
                cut.stream, cut.is_keyframe = tracks[packet.stream_index], packet.is_keyframe
                out.mux(cut)
    assert assert_like(path, whole).warnings[0].startswith("sound: 1 of ")


def test_much_damaged_sound_costs_the_sound(films, tmp_path):
    path = damage(convert(films / "a.mp4", tmp_path / "a.mkv"), "audio", range(20, 60), size=None)
    media, expected = (read_video(x, SAMPLING) for x in (path, films / "a.mp4"))
    assert media.sound is None and media.warnings == ("sound is left out: 40 of 189 packets cannot be decoded",)
    assert np.array_equal(media.frames, expected.frames)


def test_sound_that_cannot_be_converted_costs_the_sound(films, monkeypatch):
    """Any exception of the conversion has the same effect."""

    def refuse(*_):
        raise ValueError("no such layout")

    monkeypatch.setattr("misc.video_reading.sound.TrackSamples.add", refuse)
    media = read_video(films / "a.mp4", SAMPLING)
    assert (
        media.sound is None
        and media.warnings == ("sound is left out: it cannot be converted (no such layout)",)
        and len(media.frames) == 25
    )


@pytest.mark.parametrize("numbers", [[30], [0], [99], [24, 25, 26, 60, 61]])
def test_some_damaged_pictures_are_skipped(films, tmp_path, numbers):
    path = damage(convert(films / "a.mp4", tmp_path / "a.avi", "-c:v", "mjpeg", "-q:v", 2), "video", numbers, size=None)
    media = assert_like(path, films / "a.mp4")
    assert media.warnings == (f"{len(numbers)} of 100 pictures cannot be decoded",)


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "libx264"), ("mkv", "libx265"), ("avi", "mjpeg"), ("webm", "libvpx")])
def test_a_file_that_lacks_more_than_a_tenth_of_its_pictures_is_refused(films, tmp_path, suffix, codec):
    path = convert(films / "a.mp4", tmp_path / f"a.{suffix}", "-c:v", codec, "-pix_fmt", "yuvj420p")
    damage(path, "video", range(40, 60), size=None)
    with pytest.raises(VideoError, match=r"^damaged: \d+ of \d+ pictures cannot be decoded$"):
        read_video(path, SAMPLING)


def test_a_file_whose_first_pictures_cannot_be_decoded_is_refused(films, tmp_path):
    """A decoder skips them without an error, since their key frame is missing."""
    path = damage(convert(films / "a.mp4", tmp_path / "a.mkv"), "video", [0], size=None)
    with pytest.raises(VideoError, match=r"^damaged: (the first \d\.\d of 4\.0 s|\d+ of \d+ pictures) cannot be decoded$"):
        read_video(path, SAMPLING)


def test_empty_packets_of_theora_repeat_the_picture(films, tmp_path):
    path = convert(films / "a.mp4", tmp_path / "a.ogv")
    media, _ = seen_and_heard(path)
    path.write_bytes(empty_packets(path.read_bytes(), [3 + i for i in (10, 11, 27, 60, 99)]))
    with av.open(str(path)) as file:
        assert sum(packet.size == 0 and packet.pts is not None for packet in file.demux(video=0)) == 5
    odd = assert_like(path, films / "a.mp4")
    assert odd.warnings == () and len(odd.frames) == len(media.frames)
