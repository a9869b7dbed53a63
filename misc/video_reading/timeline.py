"""Times of the packets of a video file, on a clock that continues where the clock of the file is reset."""

import dataclasses
from array import array
from collections import Counter

import av
import numpy as np
from av.stream import Disposition

from misc.video_reading.formats import can_jump_ahead
from misc.video_reading.holes import Holes
from misc.video_reading.packets import Packets

MAX_JITTER = 0.1  # seconds that a key packet may be presented before the packets in front of it
# Seconds that another packet may be decoded before the one in front of it. Times of presentation are not compared, since
# pictures are stored in the order of decoding. If FFmpeg does not know the time of decoding, it uses that of presentation.
MAX_REORDERING = 10
# Maximum seconds between packets that are not a jump, with and without sound, in formats whose clock may jump.
MAX_PAUSE, MAX_STILL = 4, 600
MAX_MEASURED = 1 << 16  # pictures from which the usual interval is measured


class Clock:
    """A clock that continues where the clock of a file is reset, and where it jumps ahead.

    A segment is the part of the file between two jumps. All tracks of a segment are shifted by the same number of seconds. A
    new segment continues at the end of everything before it.
    """

    def __init__(self, jumps_ahead: bool):
        self.end = -float("inf")  # of all packets of sound and pictures in seconds
        # Seconds between the end of all earlier packets and the start of the last packet, less than 0 if they overlap; for
        # the first packet, its time. The length of a jump is included only for the first packet after it.
        self.gap = 0.0
        self.is_joined = False  # the last packet is the first one after a jump
        self._jumps_ahead = jumps_ahead  # the format allows it; in other formats a picture may last for hours
        self._ends: dict[str, float] = {}  # type of track -> end of its last packet
        self._shifts = [0.0]  # of each segment
        self._segments: dict[int, int] = {}  # track -> index of its segment
        self._latest: dict[int, float] = {}  # track -> latest time of presentation
        self._decoded: dict[int, float] = {}  # track -> time of decoding of its last packet

    def adjust(self, packet: av.Packet) -> float | None:
        """Shift the times of a packet of sound or pictures, and return its time of presentation (None: no time)."""
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
        """Return the segment to which a track jumps: one that another track has already reached, or a new one."""
        for later in range(segment + 1, len(self._shifts)):
            if latest - 1 <= seconds + self._shifts[later] <= self.end + self._max_gap():
                return later
        self._shifts.append(self.end - seconds)
        return len(self._shifts) - 1


@dataclasses.dataclass
class Timeline:
    """Times of a file, in seconds on its `Clock`."""

    packets: Packets  # which have been read
    holes: Holes
    counts: Counter[int] = dataclasses.field(default_factory=Counter)  # track index -> number of packets
    pictures: int = 0  # packets of the picture track
    first: float = float("inf")  # when the first picture is first shown
    last: float = -float("inf")  # when the last picture is first shown
    end: float = 0.0  # when the last picture is no longer shown
    interval: float = 0.0  # usual seconds between two pictures
    file_start: float = float("inf")  # of all tracks
    file_end: float = 0.0

    @classmethod
    def measure(cls, container: "av.container.InputContainer", video: "av.video.stream.VideoStream") -> "Timeline":
        """Return the times of a file by reading all its packets, without decoding any."""
        timeline, clock = cls(Packets(container), Holes(container)), Clock(can_jump_ahead(container.format))
        rate = float(video.average_rate or video.guessed_rate or 0)
        times, last_duration, num_invalid = array("d"), 0.0, 0
        for packet in timeline.packets:
            timeline.counts[packet.stream_index] += 1
            if timeline.packets.num_invalid_times > num_invalid:
                num_invalid += 1
                timeline.pictures += packet.stream_index == video.index
                timeline.holes.skip(packet)
                continue
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
        timeline.interval = usual_interval(np.array(times)) or (1 / rate if rate else 0.0)
        timeline.end = timeline.last + (last_duration or timeline.interval)
        # In MP4, the duration of a packet is the time until the next one is decoded.
        header_end = timeline.first + float((video.duration or 0) * video.time_base)
        if "mov" in container.format.name.split(",") and timeline.last < header_end < timeline.end:
            timeline.end = header_end
        return timeline

    def _measure_packet(self, packet: av.Packet, clock: Clock) -> float | None:
        """Record holes in front of a packet, and return its time of presentation in seconds (None: no time)."""
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
    """Return the usual time between pictures that are shown at `times`, in any order; 0 if all times are equal.

    It is exact for a constant rate, even if times are rounded (to milliseconds in Matroska).
    """
    intervals = np.diff(np.unique(times))
    if not len(intervals):
        return 0.0
    median = np.quantile(intervals, 0.5, method="lower")  # one of them
    return float(intervals[(intervals > 0.8 * median) & (intervals < 1.25 * median)].mean())
