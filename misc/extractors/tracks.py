"""The tracks of a video file that are decoded: those that players show and play.

Of several picture tracks it is the default one, else the first; of several sound tracks likewise, but one that is silent
gives way to the next that can be heard.
"""

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


def choose_picture_track(container: "av.container.InputContainer") -> "av.video.stream.VideoStream":
    """Return the track whose pictures are decoded: as players do, the default one, else the first.

    Covers are no video. A single picture or thumbnails are used only where there is nothing else.

    Raises:
        VideoError: there is none, or the file can be refused before anything is decoded.
    """
    tracks = [track for track in container.streams.video if not track.disposition & Disposition.attached_pic]
    if not tracks:
        raise VideoError("no video track")
    path, form = Path(container.name), container.format.name
    if reason := wrong_suffix(path, form) or (contradiction_of_avi(path) if form == "avi" else None):
        raise VideoError(reason)
    known = [track for track in tracks if track.codec_context is not None]
    if not known:
        raise VideoError("a video track of an unknown kind")
    track = min(known, key=lambda track: (track.frames == 1, _preference(track)))
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
    return track.codec_context is not None and track.codec_context.sample_rate >= MIN_SAMPLE_RATE
