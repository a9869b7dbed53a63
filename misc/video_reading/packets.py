"""The packets of a video file, without damaged times."""

from collections import deque
from collections.abc import Iterator

import av
import numpy as np

from misc.video_reading.formats import TRUNCATED
from misc.video_reading.media import VideoError

MAX_ERRORS = 20  # consecutive errors, without a packet between them
# A time is damaged if it jumps by more than so many seconds and usual intervals, and the times of the track return within so
# many packets. The jumps of pictures that are stored in another order than shown are smaller.
MIN_JUMP, MIN_JUMP_INTERVALS, MAX_JUMPING = 0.5, 20, 16
LOOKAHEAD = 32  # packets of the same track
MAX_WAITING = 512  # packets of all tracks; if they include too few of a track, its times are not checked


class Packets:
    """The packets of a file, including those after a damaged part.

    Packets that PyAV adds at the end to flush decoders are left out, and those of tracks that FFmpeg did not find when it
    opened the file. Damaged times of packets are removed.
    """

    def __init__(self, container: "av.container.InputContainer"):
        self.end = 0  # bytes from the start of the file to the end of the last packet
        self.has_late_tracks = False  # there are packets of tracks that FFmpeg did not find when it opened the file
        self.num_invalid_times = 0  # packets whose time was removed
        self._container = container

    def __iter__(self) -> Iterator[av.Packet]:
        """Yield the packets in the order of the file; raise a VideoError if over `TRUNCATED` of the file cannot be read."""
        waiting: deque[av.Packet] = deque()  # of all tracks, in the order of the file
        tracks: dict[int, _Times] = {}
        for packet in self._read():
            waiting.append(packet)
            tracks.setdefault(packet.stream_index, _Times()).append(packet)
            while (is_known := len(tracks[waiting[0].stream_index]) > LOOKAHEAD) or len(waiting) > MAX_WAITING:
                yield self._check(waiting.popleft(), tracks, is_known)
        while waiting:
            yield self._check(waiting.popleft(), tracks, True)

    def _check(self, packet: av.Packet, tracks: "dict[int, _Times]", is_known: bool) -> av.Packet:
        """Remove the time of a packet if it is damaged; `is_known`: enough later times are known to detect that."""
        is_damaged = tracks[packet.stream_index].is_next_damaged(is_known)
        if is_damaged and packet.stream.type in ("video", "audio"):  # times of subtitles may be anything
            packet.pts = packet.dts = None
            self.num_invalid_times += 1
        return packet

    def _read(self) -> Iterator[av.Packet]:
        errors = 0
        while True:
            try:
                for packet in self._container.demux():
                    if packet.size or packet.pts is not None or packet.dts is not None:
                        errors, self.end = 0, max(self.end, (packet.pos or 0) + packet.size)
                        yield packet
                return
            except IndexError:  # raised by PyAV for a packet of an unknown track; the next packet can be read
                self.has_late_tracks = True
            except av.FFmpegError as error:
                errors += 1
                if errors == MAX_ERRORS:
                    if self.end < (1 - TRUNCATED) * self._container.size:
                        raise VideoError(f"it cannot be read to its end ({error.strerror})") from None
                    return


def presentation_time(packet: av.Packet) -> float | None:
    """Return the time of presentation of a packet in seconds, or that of decoding if it has no other (None: no time)."""
    pts = packet.dts if packet.pts is None else packet.pts
    return None if pts is None else float(pts * packet.time_base)


class _Times:
    """The times of the next packets of a track, in the order of the file."""

    def __init__(self) -> None:
        self._times: deque[float | None] = deque()
        self._recent: deque[float] = deque(maxlen=LOOKAHEAD)  # valid times before

    def __len__(self) -> int:
        return len(self._times)

    def append(self, packet: av.Packet) -> None:
        """Add the time of a packet, in seconds."""
        self._times.append(presentation_time(packet))

    def is_next_damaged(self, is_known: bool) -> bool:
        """Remove the time of the next packet, and return whether it is damaged; False unless later times are known."""
        time = self._times.popleft()
        if time is None:
            return False
        if is_known and self._recent and abs(time - self._recent[-1]) > MIN_JUMP and self._is_excursion(time):
            return True
        self._recent.append(time)
        return False

    def _is_excursion(self, time: float) -> bool:
        """Return whether the times jump to `time` and soon return, and no other time is near it."""
        last, later = self._recent[-1], np.array([x for x in self._times if x is not None])
        intervals = np.diff(np.unique(np.append(later, last)))
        limit = max(MIN_JUMP, MIN_JUMP_INTERVALS * float(np.median(intervals))) if len(intervals) else np.inf
        returned = np.flatnonzero(np.abs(later[:MAX_JUMPING] - last) <= limit)
        if not len(returned):
            return False
        others = np.concatenate([self._recent, later[returned[0] :]])
        return bool((np.abs(others - time) > limit).all())
