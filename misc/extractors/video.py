"""Video files: decoded once, to frames at a chosen rate and mono sound, in bounded memory."""

from collections.abc import Iterator
from pathlib import Path

import av

from misc.extractors.containers import (
    FORMATS,
    LENGTH_FROM_ZERO,
    SLACK,
    TRUNCATED,
    can_jump_ahead,
    is_shortened,
    missing_seconds,
)
from misc.extractors.decoding import Decoder, SoundReader
from misc.extractors.extractor import Media
from misc.extractors.holes import is_large
from misc.extractors.picture import MAX_PIXELS, PictureConverter
from misc.extractors.sampling import FrameSampler, Sampling
from misc.extractors.sound import Sound
from misc.extractors.timeline import Clock, Packets, Timeline
from misc.extractors.tracks import choose_picture_track, choose_sound_tracks, has_unknown_tracks, picture_tracks
from misc.extractors.video_error import VideoError
from utils.errors import one_line

MAX_PROBED, MAX_PROBED_SECONDS = 1 << 27, 3600  # bytes and seconds of a file that are read to find tracks that begin late

# Formats of which files are joined by writing one behind the other.
JOINABLE = {"flv", "matroska", "mpeg", "mpegts", "ogg"}


def read_video(path: Path, sampling: Sampling) -> Media:
    """Decode a file.

    Raises:
        VideoError: it is no video, is damaged or cut off, has no picture, no frame rate, or the suffix of other files.
        OSError: it cannot be read at all.
    """
    if not path.stat().st_size:
        raise VideoError("empty (0 bytes)")
    try:
        opening = _Opening(path)
        timeline = _measure(opening)
        with opening.open() as container:
            return _decode(opening, container, timeline, sampling)
    except (av.FFmpegError, ValueError, IndexError, ArithmeticError) as error:
        reason = getattr(error, "strerror", None) or one_line(str(error))
        raise VideoError(f"no video, or damaged ({reason})") from None


class _Opening:
    """The way to open a file, which depends on what was found in it.

    Attributes:
        path: the file.
        is_probed: whether more of the file is read to find its tracks: up to `MAX_PROBED` bytes.
        singles: indexes of the picture tracks that have a single picture.
        warnings: one line per flaw that was found when the file was measured.
    """

    def __init__(self, path: Path):
        self.path, self.is_probed, self.singles, self.warnings = path, False, frozenset(), []
        with self.open() as container:
            self.is_probed = has_unknown_tracks(container)

    def open(self) -> "av.container.InputContainer":
        """Return the open file."""
        options = {"format_whitelist": ",".join(FORMATS)}
        if self.is_probed:
            options |= {"probesize": str(MAX_PROBED), "analyzeduration": str(MAX_PROBED_SECONDS * av.time_base)}
        return av.open(str(self.path.absolute()), options=options)

    def choose_track(self, container: "av.container.InputContainer") -> "av.video.stream.VideoStream":
        """Return the picture track of the open file."""
        return choose_picture_track(container, self.singles)

    def improve(self, timeline: Timeline, track: int, tracks: set[int]) -> bool:
        """Change the way after one of the picture tracks was measured, and return whether it has to be done again."""
        if timeline.has_late_tracks and not self.is_probed:
            self.is_probed = True
            return True
        if not self.singles and timeline.packets[track] <= 1:
            self.singles = frozenset(track for track in tracks if timeline.packets[track] <= 1)
            return len(self.singles) < len(tracks)
        return False


def _measure(opening: _Opening) -> Timeline:
    """Return the times of a file, which has to be a video that is not cut off."""
    path, is_measured = opening.path, False
    while not is_measured:
        with opening.open() as container:
            track = opening.choose_track(container)
            timeline = Timeline.measure(container, track)
            form, length = container.format.name, (container.duration or 0) / av.time_base
            is_fragmented = "mov" in form.split(",") and not track.frames  # the header has no index
            is_measured = not opening.improve(timeline, track.index, {x.index for x in picture_tracks(container)})
    if not timeline.pictures:
        raise VideoError("no picture can be decoded")
    if timeline.pictures > 1 and timeline.last == timeline.first:
        raise VideoError(f"0 frames a second: no time passes between its {timeline.pictures} pictures")
    if reason := missing_seconds(path, form, length, timeline.file_start, timeline.file_end):
        raise VideoError(reason)
    opening.warnings = list(_check_holes(path, form, timeline, is_fragmented))
    return timeline


def _check_holes(path: Path, form: str, timeline: Timeline, is_fragmented: bool) -> Iterator[str]:
    """Yield a line per part of a file that has neither pictures nor sound, or was not read.

    Raises:
        VideoError: more than `TRUNCATED` is missing because of damage.
    """
    size, read = path.stat().st_size, timeline.read_bytes
    if read < (1 - TRUNCATED) * size:
        reason = f"only {read} of {size} bytes can be read"
        if is_fragmented:
            raise VideoError(f"damaged: {reason}")
        if JOINABLE.intersection(form.split(",")):
            yield reason
    shortened, length = is_shortened(path, form), timeline.file_end
    length -= min(timeline.file_start, 0.0) if LENGTH_FROM_ZERO.intersection(form.split(",")) else timeline.file_start
    damaged, paused, length = timeline.holes.missing_seconds(length, timeline.gap, shortened)
    if is_large(damaged, length):
        raise VideoError(f"damaged: {damaged:.1f} of {length:.1f} s are missing")
    if damaged:
        yield f"{damaged:.1f} of {length:.1f} s are missing"
    if paused:
        yield f"{paused:.1f} of {length:.1f} s have neither pictures nor sound"
    if timeline.has_late_tracks:
        yield "a track that begins late is left out"


def _decode(opening: _Opening, container: "av.container.InputContainer", timeline: Timeline, sampling: Sampling) -> Media:
    """Return the media of an open file."""
    video = opening.choose_track(container)
    video.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # a frame may be larger than the container says
    # As many on any machine: where there is damage, pictures depend on it. With more, one at the end would cost more others.
    video.thread_type, video.codec_context.thread_count = "AUTO", 2
    frames = FrameSampler(
        sampling, timeline.end - timeline.first, timeline.gap, PictureConverter(video, sampling.side).convert
    )
    pictures, sound = Decoder(video), SoundReader(Sound(choose_sound_tracks(container), sampling.most_seconds))
    clock = Clock(can_jump_ahead(container.format))
    for packet in Packets(container):
        if packet.stream.type in ("video", "audio"):
            clock.correct(packet)
        if packet.stream_index == video.index:
            for frame in pictures.decode(packet):
                frames.add(frame)
        else:
            sound.read(packet)
    for frame in pictures.flush():
        frames.add(frame)
    _check_loss(pictures, frames, timeline)
    kept, times = frames.finish()
    samples = sound.finish()
    lost = [f"{pictures.lost} of {pictures.packets} pictures cannot be decoded"] if pictures.lost else []
    return Media(kept, times, samples, (*opening.warnings, *lost, *sound.warnings))


def _check_loss(pictures: Decoder, frames: FrameSampler, timeline: Timeline) -> None:
    """Refuse a file if more than `TRUNCATED` of its pictures cannot be decoded.

    Raises:
        VideoError: it is so.
    """
    if frames.first is None:
        raise VideoError("no picture can be decoded")
    if pictures.lost > TRUNCATED * pictures.packets:
        raise VideoError(f"damaged: {pictures.lost} of {pictures.packets} pictures cannot be decoded")
    length = timeline.end - timeline.first
    for part, seconds in (("first", frames.first - timeline.first), ("last", timeline.last - frames.last)):
        if seconds > TRUNCATED * length + SLACK:  # decoders drop pictures without a word where others are missing
            raise VideoError(f"damaged: the {part} {seconds:.1f} of {length:.1f} s cannot be decoded")


def video_files(folder: Path) -> Iterator[Path]:
    """The files below a folder that may be videos, by name: all but hidden ones."""
    for path in sorted(folder.rglob("*")):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts) and path.is_file():
            yield path
