"""Times of the packets of a video file, on a clock that continues where the clock of the file is reset."""

import dataclasses
from array import array
from collections import Counter
from collections.abc import Iterator

import av
import numpy as np
from av.stream import Disposition

from misc.video_reading.formats import TRUNCATED, can_jump_ahead
from misc.video_reading.holes import Holes
from misc.video_reading.media import VideoError

MAX_JITTER = 0.1  # seconds that a key packet may be presented before the packets in front of it
# Seconds that another packet may be decoded before the one in front of it. The time of presentation does not help: pictures
# are stored in the order of decoding. Where FFmpeg does not know the time of decoding, it takes that of presentation.
MAX_REORDERING = 10
# Seconds between packets, in formats whose clock may jump: more is a jump. Beside sound, a still picture makes no such gap.
MAX_PAUSE, MAX_STILL = 4, 600
MAX_MEASURED = 1 << 16  # pictures from which the usual interval is measured
MAX_ERRORS = 20  # consecutive errors, without a packet between them


class Packets:
    """The packets of a file, including those after a damaged part.

    Packets that PyAV adds at the end to flush decoders are left out, and those of tracks that FFmpeg did not find when it
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
            except IndexError:  # raised by PyAV for a packet of an unknown track; the next packet can be read
                self.has_late_tracks = True
            except av.FFmpegError as error:
                errors += 1
                if errors == MAX_ERRORS:
                    if self.end < (1 - TRUNCATED) * self._container.size:
                        raise VideoError(f"it cannot be read to its end ({error.strerror})") from None
                    return


class Clock:
    """A clock that continues where the clock of a file is reset, and where it jumps ahead.

    A segment is the part of the file between two jumps. All tracks of a segment are shifted by the same number of seconds. A
    new segment continues at the end of everything before it.

    Args:
        jumps_ahead: the format allows jumps ahead. In other formats a picture may last for hours.

    Attributes:
        end: seconds when the last packet of sound or pictures ends.
        gap: seconds between the end of all packets before the last one, and its start; less than 0 if they overlap. For the
            first packet, its time. For the first packet after a jump, the length of the jump, otherwise without jumps.
        is_joined: the last packet is the first one after a jump.
    """

    def __init__(self, jumps_ahead: bool):
        self.end, self.gap, self.is_joined = -float("inf"), 0.0, False
        self._jumps_ahead = jumps_ahead
        self._ends: dict[str, float] = {}  # type of track -> end of its last packet
        self._shifts = [0.0]  # of each segment
        self._segments: dict[int, int] = {}  # track -> index of its segment
        self._latest: dict[int, float] = {}  # track -> latest time of presentation
        self._decoded: dict[int, float] = {}  # track -> time of decoding of its last packet

    def adjust(self, packet: av.Packet) -> float | None:
        """Shift the times of a packet of sound or pictures, and return when it is presented (None: it has no time)."""
        pts = packet.dts if packet.pts is None else packet.pts
        if pts is None:
            return None
        track, unit = packet.stream_index, float(packet.time_base)
        segment = self._segments.get(track, len(self._shifts) - 1)
        self.is_joined = False
        # Pictures are presented long after they are decoded if few of them are shown for a long time.
        begin = min(pts, packet.dts) if self._jumps_ahead and packet.dts is not None else pts
        self.gap = begin * unit + self._shifts[segment] - max(self.end, 0.0 if not self._latest else self.end)
        if track in self._latest and self._is_jump(packet, pts * unit + self._shifts[segment], self._shifts[segment]):
            count, segment = len(self._shifts), self._next_segment(pts * unit, self._latest[track], segment)
            self.is_joined = len(self._shifts) > count
            self.gap = self.gap if self.is_joined else 0.0
        self._segments[track] = segment
        shift = round(self._shifts[segment] / unit)
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
        """Return the longest gap in seconds that is not a jump."""
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

    def _next_segment(self, seconds: float, latest: float, segment: int) -> int:
        """Return the segment that a track jumps to: one that another track has reached already, or a new one."""
        for later in range(segment + 1, len(self._shifts)):
            if latest - 1 <= seconds + self._shifts[later] <= self.end + self._max_gap():
                return later
        self._shifts.append(self.end - seconds)
        return len(self._shifts) - 1


@dataclasses.dataclass
class Timeline:
    """Times of a file, in seconds on its `Clock`.

    Attributes:
        holes: stretches of time without packets.
        pictures: number of packets of the picture track.
        first, last: when the first and the last picture are shown.
        end: until when the last picture is shown.
        interval: usual seconds between two pictures.
        file_start, file_end: start and end of all tracks.
        packets: track index -> number of packets.
        read_bytes: bytes of the file until the end of the last packet.
        has_late_tracks: see `Packets`.
    """

    holes: Holes
    pictures: int = 0
    first: float = float("inf")
    last: float = -float("inf")
    end: float = 0.0
    interval: float = 0.0
    file_start: float = float("inf")
    file_end: float = 0.0
    packets: Counter[int] = dataclasses.field(default_factory=Counter)
    read_bytes: int = 0
    has_late_tracks: bool = False

    @classmethod
    def measure(cls, container: "av.container.InputContainer", video: "av.video.stream.VideoStream") -> "Timeline":
        """Return the times of a file by reading all its packets, without decoding any."""
        timeline, clock = cls(Holes(container)), Clock(can_jump_ahead(container.format))
        rate = float(video.average_rate or video.guessed_rate or 0)
        times, last_duration = array("d"), 0.0
        packets = Packets(container)
        for packet in packets:
            timeline.packets[packet.stream_index] += 1
            duration = float((packet.duration or 0) * packet.time_base)
            seconds = timeline._measure_packet(packet, clock)
            if packet.stream_index == video.index and not packet.is_discard:
                seconds = timeline.pictures / rate if seconds is None and rate else seconds or 0.0
                timeline.pictures += 1
                timeline.first = min(timeline.first, seconds)
                if seconds >= timeline.last:
                    timeline.last, last_duration = seconds, duration
                if len(times) < MAX_MEASURED:
                    times.append(seconds)
            if seconds is not None:
                timeline.file_start = min(timeline.file_start, seconds)
                timeline.file_end = max(timeline.file_end, seconds + duration)
        timeline.read_bytes, timeline.has_late_tracks = packets.end, packets.has_late_tracks
        timeline.interval = usual_interval(np.array(times)) or (1 / rate if rate else 0.0)
        timeline.end = timeline.last + (last_duration or timeline.interval)
        # In MP4, the duration of a packet is that until the next one is decoded.
        header_end = timeline.first + float((video.duration or 0) * video.time_base)
        if "mov" in container.format.name.split(",") and timeline.last < header_end < timeline.end:
            timeline.end = header_end
        return timeline

    def _measure_packet(self, packet: av.Packet, clock: Clock) -> float | None:
        """Note holes in front of a packet, and return when it is presented (None: it has no time)."""
        if packet.stream.type not in ("video", "audio"):  # subtitles may last longer, and their times may be anything
            self.holes.skip(packet)
            return None if packet.pts is None else float(packet.pts * packet.time_base)
        seconds = clock.adjust(packet)
        if packet.stream.disposition & Disposition.attached_pic:
            self.holes.skip(packet)
        else:
            self.holes.add(packet, 0.0 if seconds is None else clock.gap, clock.is_joined)
        return seconds


def usual_interval(times: np.ndarray) -> float:
    """Return the usual time between pictures that are shown at `times`, in any order; 0 where no time passes.

    It is exact where the times of a constant rate are rounded, as to milliseconds in Matroska.
    """
    intervals = np.diff(np.unique(times))
    if not len(intervals):
        return 0.0
    median = np.quantile(intervals, 0.5, method="lower")  # one of them
    return float(intervals[(intervals > 0.8 * median) & (intervals < 1.25 * median)].mean())
