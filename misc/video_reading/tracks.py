"""Choice and decoding of the tracks of a video file that players show and play.

The default picture track is decoded, or the first one if there is no default. For sound, a silent track is replaced by the
next one that can be heard.
"""

from collections.abc import Collection
from pathlib import Path

import av
from av.stream import Disposition

from misc.video_reading.formats import find_avi_error, find_wrong_suffix
from misc.video_reading.media import VideoError
from misc.video_reading.picture import check_frame_size

MIN_SAMPLE_RATE = 1000  # Hz; a lower rate is invalid, and a few bytes would become hours of sound
MAX_SOUND_TRACKS = 4  # maximum number of tracks that are decoded until one of them can be heard
THUMBNAILS = Disposition.still_image | Disposition.timed_thumbnails | Disposition.dependent
SUPPLEMENTARY = Disposition.comment | Disposition.karaoke | Disposition.non_diegetic
SUPPLEMENTARY |= Disposition.visual_impaired | Disposition.hearing_impaired


def has_unknown_tracks(container: "av.container.InputContainer") -> bool:
    """Return whether the picture track, its size, or the rate of a sound track is unknown.

    This happens in MPEG streams, which have no header, if a track begins after the part that FFmpeg reads to open a file.
    """
    known = [track for track in container.streams if track.type in ("video", "audio") and track.codec_context is not None]
    return not container.streams.video or any(not _size_or_rate(track) for track in known)


def picture_tracks(container: "av.container.InputContainer") -> list["av.video.stream.VideoStream"]:
    """Return the picture tracks that can be decoded, without covers."""
    tracks = container.streams.video
    return [x for x in tracks if x.codec_context is not None and not x.disposition & Disposition.attached_pic]


def choose_picture_track(
    container: "av.container.InputContainer", single_picture_tracks: Collection[int] = ()
) -> "av.video.stream.VideoStream":
    """Return the default picture track of a file, or the first one if there is no default.

    Covers are not used, single pictures and thumbnails only if there are no other tracks. `single_picture_tracks` are the
    indexes of tracks that have a single picture although their header does not say so.

    Raises:
        VideoError: the file has no picture track, or can be rejected without decoding.
    """
    if all(track.disposition & Disposition.attached_pic for track in container.streams.video):
        raise VideoError("no video track")
    path, form = Path(container.name), container.format.name
    if reason := find_wrong_suffix(path, form) or (find_avi_error(path) if form == "avi" else None):
        raise VideoError(reason)
    if not (known := picture_tracks(container)):
        raise VideoError("a video track of an unknown kind")
    track = min(known, key=lambda track: (track.frames == 1 or track.index in single_picture_tracks, _preference(track)))
    if _size_or_rate(track):  # frames are checked again when they are decoded
        check_frame_size(track.codec_context.width, track.codec_context.height)
    return track


def choose_sound_tracks(container: "av.container.InputContainer") -> list["av.audio.stream.AudioStream"]:
    """Return the sound tracks to decode until one can be heard: the default track, then the others in order."""
    known = [track for track in container.streams.audio if track.codec_context is not None]
    # An unknown rate, 0, is later read from the frames of the track.
    usable = [track for track in known if not 0 < track.codec_context.sample_rate < MIN_SAMPLE_RATE]
    return sorted(usable, key=_preference)[:MAX_SOUND_TRACKS]


class TrackDecoder:
    """A decoder of one track that skips and counts packets that cannot be decoded."""

    def __init__(self, track: "av.stream.Stream"):
        self._track = track
        self.packets = self.lost = 0  # numbers of packets so far, and of those that could not be decoded

    def decode(self, packet: av.Packet) -> list:
        """Return the frames that are complete after a packet. An empty packet repeats the previous picture."""
        if not packet.size:
            return []
        self.packets += 1
        return self._frames(packet)

    def flush(self) -> list:
        """Return the remaining frames."""
        end = av.Packet()
        end.stream, end.time_base = self._track, self._track.time_base
        return self._frames(end)

    def _frames(self, packet: av.Packet) -> list:
        try:
            return packet.decode()
        except av.FFmpegError:
            self.lost += 1
            return []


def _preference(track: "av.stream.Stream") -> tuple[bool, bool, bool]:
    """Return a sort key: the default track of a file first, then the other main tracks, thumbnails last."""
    flags = track.disposition
    return bool(flags & THUMBNAILS), not flags & Disposition.default, bool(flags & SUPPLEMENTARY)


def _size_or_rate(track: "av.stream.Stream") -> int:
    """Return the pixels of the longer side of a picture track, or the rate of a sound track; 0 if unknown."""
    context = track.codec_context
    return max(context.width, context.height) if track.type == "video" else context.sample_rate
