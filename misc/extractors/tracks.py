"""The tracks of a video file that are decoded."""

from pathlib import Path

import av
from av.stream import Disposition

from misc.extractors.containers import contradiction_of_avi, wrong_suffix
from misc.extractors.picture import check_frame_size
from misc.extractors.video_error import VideoError

MIN_SAMPLE_RATE = 1000  # of a sound track: with fewer samples per second it is none, and a few bytes would be hours


def choose_picture_track(container: "av.container.InputContainer") -> "av.video.stream.VideoStream":
    """Return the track whose pictures are decoded.

    Raises:
        VideoError: there is none, or the file can be refused before anything is decoded.
    """
    tracks = [track for track in container.streams.video if not track.disposition & Disposition.attached_pic]  # no covers
    if not tracks:
        raise VideoError("no video track")
    path, form = Path(container.name), container.format.name
    if reason := wrong_suffix(path, form) or (contradiction_of_avi(path) if form == "avi" else None):
        raise VideoError(reason)
    codec = tracks[0].codec_context
    if codec is None:
        raise VideoError("a video track of an unknown kind")
    check_frame_size(codec.width, codec.height)
    return tracks[0]


def choose_sound_tracks(container: "av.container.InputContainer") -> list["av.audio.stream.AudioStream"]:
    """Return the sound tracks that are decoded, the preferred one first."""
    return [track for track in container.streams.audio if _is_audible(track)][:1]


def _is_audible(track: "av.audio.stream.AudioStream") -> bool:
    return track.codec_context is not None and track.codec_context.sample_rate >= MIN_SAMPLE_RATE
