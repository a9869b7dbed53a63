"""Video files: decoded once, to frames at a chosen rate and mono sound, in bounded memory."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from misc.extractors.containers import FORMATS, TRUNCATED
from misc.extractors.extractor import Media
from misc.extractors.picture import MAX_PIXELS, PictureConverter
from misc.extractors.sound import Sound
from misc.extractors.tracks import choose_picture_track, choose_sound_tracks
from misc.extractors.video_error import VideoError
from utils.errors import one_line

SLACK = 0.1  # seconds that may lack of the length that a container promises, beside `TRUNCATED`


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
    video = choose_picture_track(container)
    video.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # a frame may be larger than the container says
    video.thread_type = "AUTO"
    length = (container.duration or 0) / av.time_base  # seconds
    frames = _Frames(sampling, length, PictureConverter(video, sampling.side))
    sound = Sound(choose_sound_tracks(container), sampling.most_seconds)
    rate = float(video.average_rate or video.guessed_rate or 0)
    end = 0.0  # seconds that were there
    for packet in container.demux():
        if packet.stream.index != video.index and not sound.needs(packet.stream):  # subtitles may last longer
            end = max(end, float(((packet.pts or 0) + (packet.duration or 0)) * (packet.time_base or 0)))
            continue
        for frame in packet.decode():
            if isinstance(frame, av.VideoFrame):
                seconds = frames.number / rate if frame.time is None and rate else frame.time or 0.0
                frames.take(frame, seconds)
                lasts = float(frame.duration * frame.time_base) if frame.duration else 1 / rate if rate else 0.0
            else:
                seconds, lasts = frame.time or 0.0, frame.samples / frame.sample_rate
                sound.add(packet.stream, frame)
            end = max(end, seconds + lasts)
    if not frames.kept:
        raise VideoError("no picture can be decoded")
    if frames.number > 1 and frames.last == frames.times[0]:
        raise VideoError(f"0 frames a second: no time passes between its {frames.number} pictures")
    start = min(float((track.start_time or 0) * (track.time_base or 0)) for track in container.streams)
    if end - start < (1 - TRUNCATED) * length - SLACK:
        raise VideoError(f"cut off: it ends after {end - start:.1f} of {length:.1f} s")
    times = np.array(frames.times)
    return Media(np.stack(frames.kept), times - times[0], sound.finish())


class _Frames:
    """Frames at intervals that grow when there are too many.

    Attributes:
        kept, times: the frames (H, W, 3) and their times in seconds.
        number, last: how many were seen, and the time of the last of them.
    """

    def __init__(self, sampling: Sampling, length: float, converter: PictureConverter):
        self.kept: list[np.ndarray] = []
        self.times: list[float] = []
        self.number, self.last = 0, 0.0
        self._most, self._converter = sampling.most, converter
        self._interval = max(1 / sampling.rate, length / sampling.most)

    def take(self, frame: av.VideoFrame, seconds: float) -> None:
        """Keep a frame if it is time."""
        self.number, self.last = self.number + 1, seconds
        if self.times and seconds < self.times[-1] + self._interval * 0.999:
            return
        picture = self._converter.convert(frame)
        if self.kept and picture.shape != self.kept[0].shape:
            return
        self.kept.append(picture)
        self.times.append(seconds)
        if len(self.kept) > self._most:  # the file did not say how long it is
            apart = (self.times[-1] - self.times[0]) / self._most
            self.kept, self.times = self.kept[::2], self.times[::2]
            self._interval = 2 * max(apart, self._interval)


def video_files(folder: Path) -> Iterator[Path]:
    """The files below a folder that may be videos, by name: all but hidden ones."""
    for path in sorted(folder.rglob("*")):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts) and path.is_file():
            yield path
