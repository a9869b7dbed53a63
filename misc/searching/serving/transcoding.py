"""The conversion of a video file to one that browsers play: H.264 and AAC in MP4."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from misc.video_reading import formats, tracks
from misc.video_reading.media import VideoError
from misc.video_reading.packets import Packets
from misc.video_reading.picture import MAX_PIXELS, PictureConverter
from misc.video_reading.timeline import Clock
from misc.video_reading.tracks import TrackDecoder
from utils.errors import one_line
from utils.progress import size_text

MAX_MINUTES = 30  # of a video; longer ones are refused
MAX_BYTES = 256 << 20  # of a copy
MAX_SIDE = 1280  # pixels of the longer side
MAX_RATE = 30  # frames per second
SAMPLE_RATE = 48_000  # Hz
TIME_BASE = Fraction(1, 90_000)  # seconds
BT601 = 6  # the color matrix, ITU-T H.273
VIDEO_OPTIONS = {"preset": "veryfast", "crf": "23", "g": "60"}  # a key frame in 2 seconds, for seeking


def transcode(source: BinaryIO, target: Path, report: Callable[[float], None]) -> None:
    """Write a copy of a video file that browsers play, upright, at most `MAX_SIDE` pixels and `MAX_RATE` frames per second.

    `target` is a file that exists, and is replaced. `report` is called often, with the share that is done; what it raises
    ends the conversion.

    Raises:
        VideoError: the file is not a video, too long or damaged, or the copy would be larger than `MAX_BYTES`.
    """
    try:
        with _open(source) as container:
            shape = _first_picture(container).shape[:2]
        with _open(source) as container, av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as out:
            _Conversion(container, out, shape).run(target, report)
        _check_size(target)  # the encoder holds pictures back
    except (av.FFmpegError, ValueError, IndexError, ArithmeticError) as error:
        raise VideoError(one_line(getattr(error, "strerror", None) or str(error))) from None


def _check_size(target: Path) -> None:
    if target.stat().st_size > MAX_BYTES:
        raise VideoError(f"the copy would be larger than {size_text(MAX_BYTES)}")


def _open(source: BinaryIO) -> "av.container.InputContainer":
    source.seek(0)
    return av.open(source, options={"format_whitelist": ",".join(formats.FORMATS)})


def _picture_track(container: "av.container.InputContainer") -> "av.video.stream.VideoStream":
    track = tracks.choose_picture_track(container)
    track.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    track.thread_type, track.codec_context.thread_count = "AUTO", 2
    return track


def _first_picture(container: "av.container.InputContainer") -> np.ndarray:
    """Return the first picture of a file that can be decoded, as `_Conversion` converts it."""
    track = _picture_track(container)
    decoder, converter = TrackDecoder(track), PictureConverter(track, MAX_SIDE)
    for packet in Packets(container):
        if packet.stream_index == track.index:
            for frame in decoder.decode(packet):
                return _even(converter.convert(frame))
    for frame in decoder.flush():
        return _even(converter.convert(frame))
    raise VideoError("no picture can be decoded")


def _even(picture: np.ndarray) -> np.ndarray:
    """Return a picture (H, W, 3) without its last row and column where their number is odd: H.264 needs pairs."""
    height, width = (side // 2 * 2 for side in picture.shape[:2])
    return np.ascontiguousarray(picture[:height, :width])


class _Conversion:
    """A conversion from one file to another whose pictures have a `shape` (height, width)."""

    def __init__(
        self, container: "av.container.InputContainer", out: "av.container.OutputContainer", shape: tuple[int, int]
    ):
        self._container, self._out = container, out
        self._length = (container.duration or 0) / av.time_base  # seconds, 0: unknown
        self._check_length(self._length)
        self._start = (container.start_time or 0) / av.time_base
        self._picture_track = _picture_track(container)
        self._converter, self._reformatter = PictureConverter(self._picture_track, MAX_SIDE), VideoReformatter()
        self._video = out.add_stream("libx264", rate=MAX_RATE, options=VIDEO_OPTIONS)
        self._video.height, self._video.width = shape
        self._video.pix_fmt, self._video.codec_context.time_base = "yuv420p", TIME_BASE
        self._video.codec_context.colorspace = BT601
        self._sound_track = next(iter(tracks.choose_sound_tracks(container)), None)
        self._resampler: av.AudioResampler | None = None
        self._sound = None
        if self._sound_track is not None:
            self._sound = out.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        self._last = {"video": -1, "audio": -1}  # time of the last frame, in units of the stream

    def run(self, target: Path, report: Callable[[float], None]) -> None:
        """Convert everything to the file `target`, see `transcode`."""
        clock = Clock(formats.can_jump_ahead(self._container.format))
        pictures = TrackDecoder(self._picture_track)
        sounds = None if self._sound_track is None else TrackDecoder(self._sound_track)
        for packet in Packets(self._container):
            if packet.stream.type in ("video", "audio"):
                clock.adjust(packet)
            if packet.stream_index == self._picture_track.index:
                for frame in pictures.decode(packet):
                    self._add_picture(frame)
            elif sounds is not None and packet.stream_index == self._sound_track.index:
                for frame in sounds.decode(packet):
                    self._add_sound(frame)
            seconds = clock.end - self._start
            self._check_length(seconds)
            _check_size(target)
            report(min(1.0, seconds / self._length) if self._length > 0 else 0.0)
        for frame in pictures.flush():
            self._add_picture(frame)
        for frame in sounds.flush() if sounds is not None else ():
            self._add_sound(frame)
        self._flush_sound()
        for stream in filter(None, (self._video, self._sound)):
            self._out.mux(stream.encode(None))

    def _check_length(self, seconds: float) -> None:
        if seconds > 60 * MAX_MINUTES:
            raise VideoError(f"{seconds / 60:.0f} minutes long, expected at most {MAX_MINUTES}")

    def _add_picture(self, frame: av.VideoFrame) -> None:
        last = self._last["video"]
        seconds = (last + 1) * TIME_BASE if frame.time is None else max(0.0, frame.time - self._start)
        time = round(seconds / TIME_BASE)
        if last >= 0 and time < last + 0.9 / (MAX_RATE * TIME_BASE):  # times are rounded
            return
        self._last["video"] = time
        picture = av.VideoFrame.from_ndarray(_even(self._converter.convert(frame)), format="rgb24")
        picture = self._reformatter.reformat(picture, format="yuv420p", dst_colorspace="ITU601")
        picture.pts, picture.time_base = time, TIME_BASE
        self._out.mux(self._video.encode(picture))

    def _add_sound(self, frame: av.AudioFrame) -> None:
        try:
            self._encode_sound(self._resample(frame))
        except ValueError:  # the rate or the channels change
            self._flush_sound()
            self._encode_sound(self._resample(frame))

    def _resample(self, frame: av.AudioFrame | None) -> list[av.AudioFrame]:
        if self._resampler is None:
            size = self._sound.codec_context.frame_size or 1024
            self._resampler = av.AudioResampler(format="fltp", layout="stereo", rate=SAMPLE_RATE, frame_size=size)
        return self._resampler.resample(frame)

    def _flush_sound(self) -> None:
        if self._resampler is not None:
            self._encode_sound(self._resample(None))
            self._resampler = None

    def _encode_sound(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            last = self._last["audio"]
            time = last if frame.time is None else round((frame.time - self._start) * SAMPLE_RATE)
            if time + frame.samples <= 0:  # before the first picture of some files
                continue
            frame.pts, frame.time_base = max(time, last, 0), Fraction(1, SAMPLE_RATE)
            self._last["audio"] = frame.pts + frame.samples
            self._out.mux(self._sound.encode(frame))
