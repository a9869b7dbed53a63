"""Video files: decoded once, to frames at a chosen rate and mono sound, in bounded memory."""

from collections.abc import Iterator
from pathlib import Path

import av

from misc.extractors.containers import FORMATS, SLACK, TRUNCATED, can_jump_ahead, missing_seconds
from misc.extractors.decoding import Decoder, SoundReader
from misc.extractors.extractor import Media
from misc.extractors.picture import MAX_PIXELS, PictureConverter
from misc.extractors.sampling import FrameSampler, Sampling
from misc.extractors.sound import Sound
from misc.extractors.timeline import Clock, Timeline, read_packets
from misc.extractors.tracks import choose_picture_track, choose_sound_tracks
from misc.extractors.video_error import VideoError
from utils.errors import one_line


def read_video(path: Path, sampling: Sampling) -> Media:
    """Decode a file.

    Raises:
        VideoError: it is no video, is damaged or cut off, has no picture, no frame rate, or the suffix of other files.
        OSError: it cannot be read at all.
    """
    if not path.stat().st_size:
        raise VideoError("empty (0 bytes)")
    try:
        timeline = _measure(path)
        with _open(path) as container:
            return _decode(container, timeline, sampling)
    except (av.FFmpegError, ValueError, IndexError, ArithmeticError) as error:
        reason = getattr(error, "strerror", None) or one_line(str(error))
        raise VideoError(f"no video, or damaged ({reason})") from None


def _open(path: Path) -> "av.container.InputContainer":
    return av.open(str(path.absolute()), options={"format_whitelist": ",".join(FORMATS)})


def _measure(path: Path) -> Timeline:
    """Return the times of a file, which has to be a video that is not cut off."""
    with _open(path) as container:
        timeline = Timeline.measure(container, choose_picture_track(container))
        form, length = container.format.name, (container.duration or 0) / av.time_base
    if not timeline.pictures:
        raise VideoError("no picture can be decoded")
    if timeline.pictures > 1 and timeline.last == timeline.first:
        raise VideoError(f"0 frames a second: no time passes between its {timeline.pictures} pictures")
    if reason := missing_seconds(path, form, length, timeline.file_start, timeline.file_end):
        raise VideoError(reason)
    return timeline


def _decode(container: "av.container.InputContainer", timeline: Timeline, sampling: Sampling) -> Media:
    """Return the media of an open file."""
    video = choose_picture_track(container)
    video.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # a frame may be larger than the container says
    # As many on any machine: where there is damage, pictures depend on it. With more, one at the end would cost more others.
    video.thread_type, video.codec_context.thread_count = "AUTO", 2
    frames = FrameSampler(
        sampling, timeline.end - timeline.first, timeline.gap, PictureConverter(video, sampling.side).convert
    )
    pictures, sound = Decoder(video), SoundReader(Sound(choose_sound_tracks(container), sampling.most_seconds))
    clock = Clock(can_jump_ahead(container.format))
    for packet in read_packets(container):
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
    warnings = [f"{pictures.lost} of {pictures.packets} pictures cannot be decoded"] if pictures.lost else []
    return Media(kept, times, samples, (*warnings, *sound.warnings))


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
