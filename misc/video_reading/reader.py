"""Decoding of a video file to `Media` in two passes: the first measures times, the second decodes."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from misc.video_reading import formats, tracks
from misc.video_reading.formats import LENGTH_FROM_ZERO, SLACK, TRUNCATED
from misc.video_reading.frames import ChunkSampler, FrameSampler
from misc.video_reading.media import Media, Sampling, VideoError
from misc.video_reading.packets import Packets
from misc.video_reading.picture import MAX_PIXELS, PictureConverter
from misc.video_reading.sound import SoundReader
from misc.video_reading.timeline import Clock, Timeline
from misc.video_reading.tracks import TrackDecoder
from utils.errors import one_line

# Limits on how much of a file is read to find tracks that begin late.
MAX_PROBED_BYTES, MAX_PROBED_SECONDS = 1 << 27, 3600
# Formats whose files can be joined by concatenation.
JOINABLE = {"flv", "matroska", "mpeg", "mpegts", "ogg"}


@dataclasses.dataclass(frozen=True)
class Chunks:
    """The pictures of a long video, chunk by chunk while it is decoded, and more of its sound."""

    seconds: float  # of a chunk
    min_length: float  # seconds of the shortest video that has chunks
    max_sound: float  # seconds after the sound of the sampling that are in `Media.later_sound`
    use: Callable[[np.ndarray, np.ndarray], None]  # called with frames (n, H, W, 3) and their times (n,); must not raise


def read_video(path: Path, sampling: Sampling, chunks: Chunks | None = None) -> Media:
    """Decode a video file.

    Raises:
        VideoError: the file is not a video, is damaged or truncated, has no pictures, no frame rate, or a suffix that
            contradicts its content.
        OSError: the file cannot be read.
    """
    if not path.stat().st_size:
        raise VideoError("empty (0 bytes)")
    file = _VideoFile(path)
    try:
        return file.decode(file.measure(), sampling, chunks)
    except (av.FFmpegError, ValueError, IndexError, ArithmeticError) as error:
        reason = getattr(error, "strerror", None) or one_line(str(error))
        raise VideoError(f"no video, or damaged ({reason})") from None


def probe_length(path: Path) -> float:
    """Return the length of a video in seconds, as its header says; 0 if it is unknown or the file cannot be read."""
    try:
        with av.open(str(path.absolute()), options={"format_whitelist": ",".join(formats.FORMATS)}) as container:
            return (container.duration or 0) / av.time_base
    except (av.FFmpegError, OSError, ValueError):
        return 0.0


class _VideoFile:
    """A video file and the options for opening it that the first pass has determined."""

    def __init__(self, path: Path):
        self._path = path
        self._is_probed = False  # more of the file is read to find its tracks
        self._single_picture_tracks: frozenset[int] = frozenset()  # indexes
        self._warnings: list[str] = []

    def measure(self) -> Timeline:
        """Return the times of the file, which is read again with other options until all tracks are known."""
        is_measured = False
        while not is_measured:
            with self._open() as container:
                if not self._is_probed and tracks.has_unknown_tracks(container):
                    self._is_probed = True
                    continue
                track = tracks.choose_picture_track(container, self._single_picture_tracks)
                timeline = Timeline.measure(container, track)
                form, length = container.format.name, (container.duration or 0) / av.time_base
                is_fragmented = "mov" in form.split(",") and not track.frames  # the header has no index
                is_measured = self._is_complete(timeline, track.index, {x.index for x in tracks.picture_tracks(container)})
        if not timeline.pictures:
            raise VideoError("no picture can be decoded")
        if timeline.pictures > 1 and timeline.last == timeline.first:
            raise VideoError(f"0 frames per second: all {timeline.pictures} pictures have the same time")
        if reason := formats.find_truncation(self._path, form, length, timeline.file_start, timeline.file_end):
            raise VideoError(reason)
        self._warnings = self._check_holes(form, timeline, is_fragmented)
        return timeline

    def decode(self, timeline: Timeline, sampling: Sampling, chunks: Chunks | None = None) -> Media:
        """Return the frames and the sound of the file."""
        with self._open() as container:
            track = tracks.choose_picture_track(container, self._single_picture_tracks)
            track.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # frames may be larger than the container says
            # The same number of threads on every machine: where a file is damaged, the decoded pictures depend on it. With
            # more threads, damage near the end would affect more pictures.
            track.thread_type, track.codec_context.thread_count = "AUTO", 2
            length = timeline.end - timeline.first
            converter = PictureConverter(track, sampling.max_side)
            frames = FrameSampler(sampling, length, timeline.interval, converter.convert)
            dense = None
            if chunks is not None and length >= chunks.min_length:
                dense = ChunkSampler(sampling, length, timeline.interval, converter.convert, chunks.seconds)
            pictures = TrackDecoder(track)
            later_seconds = 0.0 if dense is None else chunks.max_sound
            sound = SoundReader(tracks.choose_sound_tracks(container), sampling.max_seconds, later_seconds)
            clock = Clock(formats.can_jump_ahead(container.format))
            for packet in Packets(container):
                if packet.stream.type in ("video", "audio"):
                    clock.adjust(packet)
                if packet.stream_index == track.index:
                    for frame in pictures.decode(packet):
                        frames.add(frame)
                        if dense is not None:
                            dense.add(frame)
                            for chunk in dense.take_chunks():
                                chunks.use(*chunk)
                else:
                    sound.read(packet)
            for frame in pictures.flush():
                frames.add(frame)
                if dense is not None:
                    dense.add(frame)
            _check_loss(pictures, frames, timeline)
            if dense is not None:
                for chunk in dense.take_chunks(is_end=True):
                    chunks.use(*chunk)
            kept, times = frames.finish()
            samples = sound.finish()
        lost = [f"{pictures.lost} of {pictures.packets} pictures cannot be decoded"] if pictures.lost else []
        start = 0.0 if sound.start is None else sound.start - frames.first
        return Media(kept, times, samples, (*self._warnings, *lost, *sound.warnings), start, length, sound.later)

    def _open(self) -> "av.container.InputContainer":
        options = {"format_whitelist": ",".join(formats.FORMATS)}
        if self._is_probed:
            options |= {"probesize": str(MAX_PROBED_BYTES), "analyzeduration": str(MAX_PROBED_SECONDS * av.time_base)}
        return av.open(str(self._path.absolute()), options=options)

    def _is_complete(self, timeline: Timeline, track: int, all_tracks: set[int]) -> bool:
        """Return whether the right track was measured; if not, change the options for the next attempt."""
        if timeline.packets.has_late_tracks and not self._is_probed:
            self._is_probed = True
            return False
        if not self._single_picture_tracks and timeline.counts[track] <= 1:
            self._single_picture_tracks = frozenset(x for x in all_tracks if timeline.counts[x] <= 1)
            return len(self._single_picture_tracks) == len(all_tracks)
        return True

    def _check_holes(self, form: str, timeline: Timeline, is_fragmented: bool) -> list[str]:
        """Return warnings about missing parts of the file; raise a VideoError if more than `TRUNCATED` is damaged."""
        warnings, names, packets = [], set(form.split(",")), timeline.packets
        size = self._path.stat().st_size
        if packets.end < (1 - TRUNCATED) * size:
            reason = f"only {packets.end} of {size} bytes can be read"
            if is_fragmented:
                raise VideoError(f"damaged: {reason}")
            if JOINABLE & names:
                warnings.append(reason)
        start = min(timeline.file_start, 0.0) if LENGTH_FROM_ZERO & names else timeline.file_start
        damaged, paused, length = timeline.holes.measure(
            timeline.file_end - start, timeline.interval, formats.is_shortened(self._path, form)
        )
        if damaged > TRUNCATED * length + SLACK:
            raise VideoError(f"damaged: {damaged:.1f} of {length:.1f} s are missing")
        if damaged:
            warnings.append(f"{damaged:.1f} of {length:.1f} s are missing")
        if paused:
            warnings.append(f"{paused:.1f} of {length:.1f} s have neither pictures nor sound")
        if packets.num_invalid_times:
            warnings.append(f"{packets.num_invalid_times} packets have damaged times")
        if packets.has_late_tracks:
            warnings.append("a track that begins late is left out")
        return warnings


def _check_loss(pictures: TrackDecoder, frames: FrameSampler, timeline: Timeline) -> None:
    """Raise a VideoError if more than `TRUNCATED` of the pictures could not be decoded."""
    if frames.first is None:
        raise VideoError("no picture can be decoded")
    if pictures.lost > TRUNCATED * pictures.packets:
        raise VideoError(f"damaged: {pictures.lost} of {pictures.packets} pictures cannot be decoded")
    length = timeline.end - timeline.first
    for part, seconds in (("first", frames.first - timeline.first), ("last", timeline.last - frames.last)):
        if seconds > TRUNCATED * length + SLACK:  # decoders silently drop pictures that depend on missing ones
            raise VideoError(f"damaged: the {part} {seconds:.1f} of {length:.1f} s cannot be decoded")
