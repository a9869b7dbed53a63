"""The tracks of a video file that are decoded: those that players show and play.

Of several picture tracks it is the default one, else the first; of several sound tracks likewise, but one that is silent
gives way to the next that can be heard.
"""

from collections.abc import Collection
from pathlib import Path

import av
from av.stream import Disposition

from misc.extractors.containers import contradiction_of_avi, wrong_suffix
from misc.extractors.picture import check_frame_size
from misc.extractors.video_error import VideoError

MIN_SAMPLE_RATE = 1000  # of a sound track: with fewer samples per second it is none, and a few bytes would be hours
MAX_SOUND_TRACKS = 4  # that are decoded until one of them can be heard
THUMBNAILS = Disposition.still_image | Disposition.timed_thumbnails | Disposition.dependent
BESIDE_THE_FILM = (
    Disposition.comment
    | Disposition.visual_impaired
    | Disposition.hearing_impaired
    | Disposition.karaoke
    | Disposition.non_diegetic
)


def has_unknown_tracks(container: "av.container.InputContainer") -> bool:
    """Return whether there is no picture track, or one of unknown size, or sound of unknown rate.

    That is so in MPEG streams, which have no header, where a track begins after the part that FFmpeg reads to open a file.
    """
    known = [track for track in container.streams if track.type in ("video", "audio") and track.codec_context is not None]
    return not container.streams.video or any(not _size_or_rate(track) for track in known)


def picture_tracks(container: "av.container.InputContainer") -> list["av.video.stream.VideoStream"]:
    """Return the picture tracks that can be decoded, without covers."""
    tracks = container.streams.video
    return [x for x in tracks if x.codec_context is not None and not x.disposition & Disposition.attached_pic]


def choose_picture_track(
    container: "av.container.InputContainer", singles: Collection[int] = ()
) -> "av.video.stream.VideoStream":
    """Return the track whose pictures are decoded: as players do, the default one, else the first.

    Covers are no video. A single picture or thumbnails are used only where there is nothing else.

    Args:
        singles: indexes of tracks that have a single picture, beside those whose header says so.

    Raises:
        VideoError: there is none, or the file can be refused before anything is decoded.
    """
    if all(track.disposition & Disposition.attached_pic for track in container.streams.video):
        raise VideoError("no video track")
    path, form = Path(container.name), container.format.name
    if reason := wrong_suffix(path, form) or (contradiction_of_avi(path) if form == "avi" else None):
        raise VideoError(reason)
    if not (known := picture_tracks(container)):
        raise VideoError("a video track of an unknown kind")
    track = min(known, key=lambda track: (track.frames == 1 or track.index in singles, _preference(track)))
    if _size_or_rate(track):  # frames are checked again when they are decoded
        check_frame_size(track.codec_context.width, track.codec_context.height)
    return track


def choose_sound_tracks(container: "av.container.InputContainer") -> list["av.audio.stream.AudioStream"]:
    """Return the sound tracks that are decoded until one can be heard: the default one, then the others in their order."""
    return sorted(filter(_is_usable, container.streams.audio), key=_preference)[:MAX_SOUND_TRACKS]


def _preference(track: "av.stream.Stream") -> tuple[bool, bool, bool]:
    """Return a key that sorts the default track of a file first, then the others of the film, and thumbnails last."""
    flags = track.disposition
    return bool(flags & THUMBNAILS), not flags & Disposition.default, bool(flags & BESIDE_THE_FILM)


def _is_usable(track: "av.audio.stream.AudioStream") -> bool:
    """Return whether a track may be decoded. Where its rate is unknown, the frames tell it."""
    return track.codec_context is not None and not 0 < track.codec_context.sample_rate < MIN_SAMPLE_RATE


def _size_or_rate(track: "av.stream.Stream") -> int:
    """Return the pixels of the longer side of a picture track, or the rate of a sound track, 0 where it is unknown."""
    context = track.codec_context
    return max(context.width, context.height) if track.type == "video" else context.sample_rate
