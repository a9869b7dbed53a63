"""Holes in damaged files: stretches of time with neither pictures nor sound, where bytes of the file are missing.

A picture may be shown for any time, so that a hole in the times of a film is no fault by itself. A hole is damage where
bytes belong to no packet, or the file is shorter than its header says. Where there is only sound on both sides of it, it may
also be a pause of the recording, which is a warning.
"""

import dataclasses
from collections import deque

import av
from av.stream import Disposition

from misc.extractors.containers import LENGTH_FROM_ZERO, SLACK, TRUNCATED

MIN_HOLE = 0.3  # seconds
MIN_GAPS = 3  # of the usual gaps between pictures: a hole is longer
MAX_HOLES = 1 << 16  # that are kept; damage to a file makes few
# The share of the bytes that the seconds of a hole would take, at the mean rate of the file, that has to be there unread.
MIN_UNREAD = 0.5
MIN_OVERHEAD = 3  # times the bytes that belong to no packet elsewhere, per second
PAGE = 100  # packets of an Ogg page, about


@dataclasses.dataclass(frozen=True)
class Hole:
    """Seconds with no packet.

    Attributes:
        middle: when half of it is over, in seconds.
        seconds: the length.
        unread: bytes in it that belong to no packet.
        has_sound: there is sound in front of it.
        is_cut: the clock of the file jumps, and times continue without the hole.
        is_filled: there is sound in it, which comes later in the file.
    """

    middle: float
    seconds: float
    unread: int
    has_sound: bool
    is_cut: bool
    is_filled: bool = False


class Holes:
    """Holes that are found while the packets of a file are read, in their order.

    Args:
        container: the open file.
    """

    def __init__(self, container: "av.container.InputContainer"):
        self._size = container.size
        # Covers and attached files, which lie in front of the first packet, are no hole.
        has_others = any(x.type == "attachment" or x.disposition & Disposition.attached_pic for x in container.streams)
        self._is_start_unknown = has_others or not LENGTH_FROM_ZERO.intersection(container.format.name.split(","))
        self._holes: list[Hole] = []
        self._before_last_sound = 0  # the number of holes in front of the last sound
        self._has_sound = False
        self._total = self._unread_from = 0
        # Unread bytes in front of the last packets. In Ogg they may be seen a page in front of the hole, or behind it.
        self._unread = deque(maxlen=PAGE if container.format.name == "ogg" else 1)
        self._since_hole = PAGE

    def add(self, packet: av.Packet, gap: float, is_cut: bool) -> None:
        """Take the next packet.

        Args:
            gap: seconds between the end of all packets before and the packet, less than 0 if they overlap; for the
                first one, seconds from the start of the file.
            is_cut: see `Hole`.
        """
        unread = max(0, (packet.pos or 0) - self._unread_from)
        self._unread.append(unread)
        if gap > MIN_HOLE and not self._is_start_unknown and len(self._holes) < MAX_HOLES:
            begin = _begin(packet)
            self._holes.append(Hole(begin - gap / 2, gap, sum(self._unread), self._has_sound, is_cut))
            self._since_hole = 0
        elif self._since_hole < self._unread.maxlen - 1:
            self._holes[-1] = dataclasses.replace(self._holes[-1], unread=self._holes[-1].unread + unread)
        self._since_hole += 1
        if packet.stream.type == "audio":
            self._fill(_begin(packet))
            self._has_sound, self._before_last_sound = True, len(self._holes)
        self._is_start_unknown = False
        self.pass_over(packet)

    def pass_over(self, packet: av.Packet) -> None:
        """Take the next packet, which is neither of the pictures nor of the sound."""
        self._unread_from = max(self._unread_from, packet.pos or 0) + packet.size
        self._total += packet.size

    def _fill(self, seconds: float) -> None:
        """Note which of the holes behind the last sound have sound, which is at `seconds`."""
        for i in range(self._before_last_sound, len(self._holes)):
            if seconds < self._holes[i].middle and not self._holes[i].is_cut:
                self._holes[i] = dataclasses.replace(self._holes[i], is_filled=True)

    def missing_seconds(self, length: float, gap: float, is_shortened: bool) -> tuple[float, float, float]:
        """Return the seconds of holes that are damage, of those that may be a pause of the recording, and of all.

        Args:
            length: seconds of the film on the clock that continues.
            gap: the usual seconds between two pictures.
            is_shortened: more than a tenth of the bytes that the file says it has are missing.
        """
        long = [(i, hole) for i, hole in enumerate(self._holes) if hole.seconds > MIN_GAPS * gap]
        held = max(length - sum(hole.seconds for _, hole in long if not hole.is_cut), SLACK)
        # MPEG streams may be padded, and repeat their tables in a still picture.
        overhead = max(0, self._size - self._total - sum(hole.unread for _, hole in long))
        usual = max(MIN_UNREAD * self._total, MIN_OVERHEAD * overhead) / held
        damaged = paused = cut = 0.0
        for i, hole in long:
            between_sound = not hole.is_filled and hole.has_sound and i < self._before_last_sound
            is_join = hole.is_cut and hole.seconds > length  # of files whose clocks differ
            if hole.unread > usual * hole.seconds or (is_shortened and not (is_join or hole.is_filled)):
                damaged += hole.seconds
            elif between_sound and not is_join:
                paused += hole.seconds
            else:
                continue
            cut += hole.seconds if hole.is_cut else 0.0
        return damaged, paused, length + cut


def is_large(missing: float, length: float) -> bool:
    """Return whether more than `TRUNCATED` of the length is missing."""
    return missing > TRUNCATED * length + SLACK


def _begin(packet: av.Packet) -> float:
    """Return when a packet is presented, 0 where it has no time."""
    pts = packet.dts if packet.pts is None else packet.pts
    return float((pts or 0) * packet.time_base)
