"""Video files: decoded once, to frames at a chosen rate and mono sound, in bounded memory."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import VideoReformatter

from misc.extractors.containers import FORMATS, TRUNCATED, contradiction_of_avi, wrong_suffix
from misc.extractors.extractor import SAMPLE_RATE, Media
from utils.errors import one_line

SMALLEST, MOST_PIXELS = 16, 1 << 26  # of the sides of a frame; of a frame
SLOWEST = 1000  # samples a second of a sound track: with fewer it is none, and a few bytes would be hours
SLACK = 0.1  # seconds that may lack of the length that a container promises, beside `TRUNCATED`


class VideoError(Exception):
    """A file that is no video, or one that cannot be used: one line that says why."""


@dataclasses.dataclass(frozen=True)
class Sampling:
    """Which frames and how much sound are kept.

    Attributes:
        rate: frames a second, at most.
        most: frames a video, at most: they are evenly spread over it.
        side: pixels of the longer side, at most.
        most_seconds: of sound, from the start.
    """

    rate: float
    most: int
    side: int
    most_seconds: float


def read_video(path: Path, sampling: Sampling) -> Media:
    """Decode a file.

    Raises:
        VideoError: it is no video, is damaged or cut off, has no picture, no frame rate, or the suffix of other files.
        OSError: it cannot be read at all.
    """
    if not path.stat().st_size:
        raise VideoError("empty (0 bytes)")
    try:
        with av.open(str(path.absolute()), options={"format_whitelist": ",".join(FORMATS)}) as container:
            return _decode(container, sampling)
    except (av.FFmpegError, ValueError, IndexError, ArithmeticError) as error:
        reason = getattr(error, "strerror", None) or one_line(str(error))
        raise VideoError(f"no video, or damaged ({reason})") from None


def _decode(container: "av.container.InputContainer", sampling: Sampling) -> Media:
    """The media of an open file."""
    video = _picture_track(container)
    video.codec_context.options = {"max_pixels": str(MOST_PIXELS)}  # a frame may be larger than the container says
    video.thread_type = "AUTO"
    streams = [video, *[track for track in container.streams.audio if _can_be_heard(track)][:1]]
    length = (container.duration or 0) / av.time_base  # seconds
    frames, sound = _Frames(sampling, length), _Sound(sampling.most_seconds)
    rate = float(video.average_rate or video.guessed_rate or 0)
    end = 0.0  # seconds that were there
    for packet in container.demux():
        if packet.stream not in streams:  # subtitles or another sound track may last longer
            end = max(end, float(((packet.pts or 0) + (packet.duration or 0)) * (packet.time_base or 0)))
            continue
        for frame in packet.decode():
            if isinstance(frame, av.VideoFrame):
                seconds = frames.number / rate if frame.time is None and rate else frame.time or 0.0
                frames.take(frame, seconds)
                lasts = float(frame.duration * frame.time_base) if frame.duration else 1 / rate if rate else 0.0
            else:
                seconds, lasts = frame.time or 0.0, frame.samples / frame.sample_rate
                sound.take(frame)
            end = max(end, seconds + lasts)
    if not frames.kept:
        raise VideoError("no picture can be decoded")
    if frames.number > 1 and frames.last == frames.times[0]:
        raise VideoError(f"0 frames a second: no time passes between its {frames.number} pictures")
    start = min(float((track.start_time or 0) * (track.time_base or 0)) for track in container.streams)
    if end - start < (1 - TRUNCATED) * length - SLACK:
        raise VideoError(f"cut off: it ends after {end - start:.1f} of {length:.1f} s")
    times = np.array(frames.times)
    return Media(np.stack(frames.kept), times - times[0], sound.whole() if len(streams) > 1 else None)


def _picture_track(container: "av.container.InputContainer") -> "av.video.stream.VideoStream":
    """The track that is decoded, unless the file can be refused before."""
    tracks = [track for track in container.streams.video if not track.disposition & Disposition.attached_pic]  # no covers
    if not tracks:
        raise VideoError("no video track")
    path, form = Path(container.name), container.format.name
    if reason := wrong_suffix(path, form) or (contradiction_of_avi(path) if form == "avi" else None):
        raise VideoError(reason)
    codec = tracks[0].codec_context
    if codec is None:
        raise VideoError("a video track of an unknown kind")
    _refuse_size(codec.width, codec.height)
    return tracks[0]


def _can_be_heard(track: "av.audio.stream.AudioStream") -> bool:
    return track.codec_context is not None and track.codec_context.sample_rate >= SLOWEST


def _refuse_size(width: int, height: int) -> None:
    if not min(width, height) >= SMALLEST or width * height > MOST_PIXELS:
        raise VideoError(
            f"frames of {width} x {height} pixels, expected sides of {SMALLEST} or more, {MOST_PIXELS} pixels or less"
        )


class _Frames:
    """Frames at intervals that grow when there are too many.

    Attributes:
        kept, times: the frames (H, W, 3) and their times in seconds.
        number, last: how many were seen, and the time of the last of them.
    """

    def __init__(self, sampling: Sampling, length: float):
        self.kept: list[np.ndarray] = []
        self.times: list[float] = []
        self.number, self.last = 0, 0.0
        self._most, self._side = sampling.most, sampling.side
        self._interval = max(1 / sampling.rate, length / sampling.most)
        self._reformatter = VideoReformatter()  # one for all: setting it up takes longer than converting a frame
        self._size: tuple[int, int] | None = None

    def take(self, frame: av.VideoFrame, seconds: float) -> None:
        """Keep a frame if it is time."""
        self.number, self.last = self.number + 1, seconds
        if self.times and seconds < self.times[-1] + self._interval * 0.999:
            return
        _refuse_size(frame.width, frame.height)
        if self._size is None:
            scale = min(1, self._side / max(frame.width, frame.height))
            self._size = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
        image = self._reformatter.reformat(frame, *self._size, format="rgb24").to_ndarray()
        turned = np.rot90(image, round(frame.rotation / 90))  # as phones hold it: degrees anticlockwise
        if self.kept and turned.shape != self.kept[0].shape:
            return
        self.kept.append(np.ascontiguousarray(turned))
        self.times.append(seconds)
        if len(self.kept) > self._most:  # the file did not say how long it is
            apart = (self.times[-1] - self.times[0]) / self._most
            self.kept, self.times = self.kept[::2], self.times[::2]
            self._interval = 2 * max(apart, self._interval)


class _Sound:
    """The first seconds of the sound."""

    def __init__(self, most_seconds: float):
        # To whole numbers: with them, channels are mixed so that nothing is louder than it can be.
        self._resampler = av.AudioResampler(format="s32", layout="mono", rate=SAMPLE_RATE)
        self._parts: list[np.ndarray] = []
        self._left = round(most_seconds * SAMPLE_RATE)

    def take(self, frame: av.AudioFrame | None) -> None:
        if self._left > 0:
            for part in self._resampler.resample(frame):
                self._parts.append(np.float32(part.to_ndarray()[0][: self._left] / (1 << 31)))
                self._left -= len(self._parts[-1])

    def whole(self) -> np.ndarray | None:
        """All of it, (S,) float32, None where nothing can be heard."""
        self.take(None)
        sound = np.concatenate(self._parts) if self._parts else np.zeros(0, np.float32)
        return sound if sound.any() else None


def video_files(folder: Path) -> Iterator[Path]:
    """The files below a folder that may be videos, by name: all but hidden ones."""
    for path in sorted(folder.rglob("*")):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts) and path.is_file():
            yield path
