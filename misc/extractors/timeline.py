"""Times of the packets of a video file, on a clock that continues where the clock of the file is reset."""

import dataclasses
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping

import av
import numpy as np
from av.stream import Disposition

from misc.extractors.containers import TRUNCATED, can_jump_ahead
from misc.extractors.holes import Holes
from misc.extractors.video_error import VideoError

MAX_JITTER = 0.1  # seconds that a packet at which decoding can begin may be shown before the packets in front of it
# Seconds that another packet may be decoded before the one in front of it. The time when it is shown does not help: pictures
# are stored in the order of decoding. Where FFmpeg does not know that time, it takes the one when the picture is shown.
MAX_REORDERING = 10
# Seconds between packets of a format whose clock may jump: more is a jump. Beside sound, a still picture makes no such gap.
MAX_PAUSE, MAX_STILL = 4, 600
MAX_MEASURED = 1 << 16  # pictures of which the usual gap is measured
MAX_ERRORS = 20  # one after the other, with no packet between them


class Packets:
    """Packets of a file, also those after a damaged part.

    Packets that PyAV adds at the end, to flush decoders, are left out, and those of tracks that FFmpeg did not find when it
    opened the file.

    Attributes:
        end: bytes of the file until the end of the last packet.
        has_late_tracks: there are packets of tracks that FFmpeg did not find when it opened the file.
    """

    def __init__(self, container: "av.container.InputContainer"):
        self.end, self.has_late_tracks = 0, False
        self._container = container

    def __iter__(self) -> Iterator[av.Packet]:
        """Yield the packets in the order of the file.

        Raises:
            VideoError: less than 1 - `TRUNCATED` of the file can be read.
        """
        errors = 0
        while True:
            try:
                for packet in self._container.demux():
                    if packet.size or packet.pts is not None or packet.dts is not None:
                        errors, self.end = 0, max(self.end, (packet.pos or 0) + packet.size)
                        yield packet
                return
            except IndexError:  # PyAV's, for a packet of a track that it does not know: the next packet can be read
                self.has_late_tracks = True
            except av.FFmpegError as error:
                errors += 1
                if errors == MAX_ERRORS:
                    if self.end < (1 - TRUNCATED) * self._container.size:
                        raise VideoError(f"it cannot be read to its end ({error.strerror})") from None
                    return


class Clock:
    """A clock that continues where the clock of a file is reset, and where it jumps ahead.

    Each stretch of the file between two jumps is a run, whose times are shifted by the same number of seconds in all tracks.
    A new run continues at the end of all that came before.

    Args:
        jumps_ahead: the format allows jumps ahead. In other formats a picture may last for hours.

    Attributes:
        end: seconds when the last packet ends, of sound and pictures.
        gap: seconds between that end and the last packet that was corrected, before it was; less than 0 where they overlap.
            For the first packet, its time. Only the first packet after a jump has that of the jump.
        is_joined: the last packet is the first one after a jump.
    """

    def __init__(self, jumps_ahead: bool):
        self.end, self.gap, self.is_joined = -float("inf"), 0.0, False
        self._jumps_ahead = jumps_ahead
        self._ends: dict[str, float] = {}  # type of tracks -> when its last packet ends
        self._shifts = [0.0]  # of each run
        self._runs: dict[int, int] = {}  # track -> its run
        self._latest: dict[int, float] = {}  # track -> the latest time when a packet of it is shown
        self._decoded: dict[int, float] = {}  # track -> when the last packet of it is decoded

    def correct(self, packet: av.Packet) -> float | None:
        """Change the times of a packet of sound or pictures, and return when it is presented (None: it has no time)."""
        pts = packet.dts if packet.pts is None else packet.pts
        if pts is None:
            return None
        track, unit = packet.stream_index, float(packet.time_base)
        run = self._runs.get(track, len(self._shifts) - 1)
        self.is_joined = False
        # Pictures are shown long after they are decoded where few are shown for long.
        begin = min(pts, packet.dts) if self._jumps_ahead and packet.dts is not None else pts
        self.gap = begin * unit + self._shifts[run] - max(self.end, 0.0 if not self._latest else self.end)
        if track in self._latest and self._is_jump(packet, pts * unit + self._shifts[run], self._shifts[run]):
            runs, run = len(self._shifts), self._next_run(pts * unit, self._latest[track], run)
            self.is_joined = len(self._shifts) > runs
            self.gap = self.gap if self.is_joined else 0.0
        self._runs[track] = run
        shift = round(self._shifts[run] / unit)
        packet.pts = None if packet.pts is None else packet.pts + shift
        if packet.dts is not None:
            packet.dts += shift
            self._decoded[track] = packet.dts * unit
        seconds = (pts + shift) * unit
        self._latest[track] = max(seconds, self._latest.get(track, seconds))
        self._ends[packet.stream.type] = seconds + (packet.duration or 0) * unit
        self.end = max(self.end, self._ends[packet.stream.type])
        return seconds

    def _max_gap(self) -> float:
        """Return the seconds between packets that are no jump."""
        if not self._jumps_ahead:
            return float("inf")
        return MAX_PAUSE if len(self._ends) > 1 and min(self._ends.values()) > self.end - MAX_PAUSE else MAX_STILL

    def _is_jump(self, packet: av.Packet, seconds: float, shift: float) -> bool:
        track = packet.stream_index
        if self.gap > self._max_gap():
            return True
        if packet.is_keyframe:
            return seconds < self._latest[track] - MAX_JITTER
        if packet.dts is None or track not in self._decoded:
            return False
        return float(packet.dts * packet.time_base) + shift < self._decoded[track] - MAX_REORDERING

    def _next_run(self, seconds: float, latest: float, run: int) -> int:
        """Return the run that a track jumps to: one that another track is in already, or a new one."""
        for later in range(run + 1, len(self._shifts)):
            if latest - 1 <= seconds + self._shifts[later] <= self.end + self._max_gap():
                return later
        self._shifts.append(self.end - seconds)
        return len(self._shifts) - 1


@dataclasses.dataclass(frozen=True)
class Timeline:
    """Times of a file, in seconds on its `Clock`.

    Attributes:
        pictures: the number of packets of the picture track.
        first, last: when the first and the last picture are shown.
        end: until when the last picture is shown.
        gap: the usual time between two pictures.
        file_start, file_end: of all tracks.
        packets: the number of packets of each track, by its index.
        read_bytes: bytes of the file until the end of the last packet.
        has_late_tracks: see `Packets`.
        holes: those between the packets.
    """

    pictures: int
    first: float
    last: float
    end: float
    gap: float
    file_start: float
    file_end: float
    packets: Mapping[int, int]
    read_bytes: int
    has_late_tracks: bool
    holes: Holes

    @classmethod
    def measure(cls, container: "av.container.InputContainer", video: "av.video.stream.VideoStream") -> "Timeline":
        """Return the times of a file by reading all its packets, without decoding any."""
        clock, rate = Clock(can_jump_ahead(container.format)), float(video.average_rate or video.guessed_rate or 0)
        times, number, first, last, lasts = array("d"), 0, float("inf"), -float("inf"), 0.0
        file_start, file_end = float("inf"), 0.0
        packets, counts, holes = Packets(container), Counter(), Holes(container)
        for packet in packets:
            counts[packet.stream_index] += 1
            duration = float((packet.duration or 0) * packet.time_base)
            if packet.stream.type in ("video", "audio"):
                seconds = clock.correct(packet)
                if packet.stream.disposition & Disposition.attached_pic:
                    holes.pass_over(packet)
                else:
                    holes.add(packet, 0.0 if seconds is None else clock.gap, clock.is_joined)
            else:  # subtitles may last longer than the rest, and their times may be anything
                holes.pass_over(packet)
                seconds = None if packet.pts is None else float(packet.pts * packet.time_base)
            if packet.stream_index == video.index and not packet.is_discard:
                seconds = number / rate if seconds is None and rate else seconds or 0.0
                number += 1
                first = min(first, seconds)
                last, lasts = (seconds, duration) if seconds >= last else (last, lasts)
                if len(times) < MAX_MEASURED:
                    times.append(seconds)
            if seconds is not None:
                file_start, file_end = min(file_start, seconds), max(file_end, seconds + duration)
        if not number:
            return cls(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, counts, packets.end, packets.has_late_tracks, holes)
        gap = usual_gap(np.array(times)) or (1 / rate if rate else 0.0)
        end = last + (lasts or gap)
        said = first + float((video.duration or 0) * video.time_base)
        if (
            "mov" in container.format.name.split(",") and last < said < end
        ):  # in MP4, the duration of a packet is that until the next one is decoded
            end = said
        return cls(number, first, last, end, gap, file_start, file_end, counts, packets.end, packets.has_late_tracks, holes)


def usual_gap(times: np.ndarray) -> float:
    """Return the usual time between pictures that are shown at `times`, in any order; 0 where no time passes.

    It is exact where the times of a constant rate are rounded, as to milliseconds in Matroska.
    """
    gaps = np.diff(np.unique(times))
    if not len(gaps):
        return 0.0
    median = np.quantile(gaps, 0.5, method="lower")  # one of them
    return float(gaps[(gaps > 0.8 * median) & (gaps < 1.25 * median)].mean())
