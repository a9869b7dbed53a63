"""Holes in damaged files: stretches of time without packets.

A picture may be shown for any time, so a hole in the times of a film need not be damage. A hole is damage if bytes in it
belong to no packet, or if the file is shorter than its header says. Between two parts with sound, it may also be a pause of
the recording, which is a warning.
"""

import dataclasses
from collections import deque

import av
from av.stream import Disposition

from misc.video_reading.formats import LENGTH_FROM_ZERO, SLACK
from misc.video_reading.packets import presentation_time

MIN_HOLE = 0.3  # seconds
MIN_INTERVALS = 3  # minimum length of a hole in usual intervals between pictures
MAX_HOLES = 1 << 16  # maximum number of holes; damage to a file makes few
# Minimum of unread bytes per second in a damaged hole, relative to the mean bit rate of the file, and to the rate of bytes
# that belong to no packet elsewhere.
MIN_UNREAD, MIN_OVERHEAD = 0.5, 3
OGG_PAGE = 100  # approximate number of packets of an Ogg page


@dataclasses.dataclass
class Hole:
    """A stretch of time without packets."""

    middle: float  # seconds
    seconds: float
    unread: int  # bytes in the hole that belong to no packet
    has_sound: bool  # in the file before the hole
    is_cut: bool  # the clock of the file jumps, and times continue without the hole
    is_filled: bool = False  # by later packets of sound


class Holes:
    """The holes of a file, found while its packets are read in order."""

    def __init__(self, container: "av.container.InputContainer"):
        self._size = container.size
        # Covers and attached files, which lie before the first packet, are not holes.
        has_others = any(x.type == "attachment" or x.disposition & Disposition.attached_pic for x in container.streams)
        self._is_start_unknown = has_others or not LENGTH_FROM_ZERO.intersection(container.format.name.split(","))
        self._holes: list[Hole] = []
        self._before_last_sound = 0  # number of holes before the last sound
        self._has_sound = False
        self._total = self._unread_from = 0
        # Unread bytes before the last packets. In Ogg they may appear a page before the hole, or after it.
        self._unread = deque(maxlen=OGG_PAGE if container.format.name == "ogg" else 1)
        self._since_hole = OGG_PAGE

    def add(self, packet: av.Packet, gap: float, is_cut: bool) -> None:
        """Add the next packet of pictures or sound, with the attributes `gap` and `is_joined` of its `Clock`."""
        start, unread = presentation_time(packet) or 0.0, max(0, (packet.pos or 0) - self._unread_from)
        self._unread.append(unread)
        if gap > MIN_HOLE and not self._is_start_unknown and len(self._holes) < MAX_HOLES:
            self._holes.append(Hole(start - gap / 2, gap, sum(self._unread), self._has_sound, is_cut))
            self._since_hole = 0
        elif self._since_hole < self._unread.maxlen - 1:
            self._holes[-1].unread += unread
        self._since_hole += 1
        if packet.stream.type == "audio":
            for hole in self._holes[self._before_last_sound :]:
                if start < hole.middle and not hole.is_cut:
                    hole.is_filled = True
            self._has_sound, self._before_last_sound = True, len(self._holes)
        self._is_start_unknown = False
        self.skip(packet)

    def skip(self, packet: av.Packet) -> None:
        """Count the bytes of the next packet, without looking for a hole before it."""
        self._unread_from = max(self._unread_from, packet.pos or 0) + packet.size
        self._total += packet.size

    def measure(self, length: float, interval: float, is_shortened: bool) -> tuple[float, float, float]:
        """Return the seconds of damage, of possible pauses of the recording, and of the film with its holes.

        The film has `length` seconds on its `Clock`, and usually `interval` seconds between two pictures.
        """
        long = [(i, hole) for i, hole in enumerate(self._holes) if hole.seconds > MIN_INTERVALS * interval]
        present = max(length - sum(hole.seconds for _, hole in long if not hole.is_cut), SLACK)
        # MPEG streams may be padded, and repeat their tables in a still picture.
        overhead = max(0, self._size - self._total - sum(hole.unread for _, hole in long))
        usual = max(MIN_UNREAD * self._total, MIN_OVERHEAD * overhead) / present
        damaged = paused = cut = 0.0
        for i, hole in long:
            between_sound = not hole.is_filled and hole.has_sound and i < self._before_last_sound
            is_join = hole.is_cut and hole.seconds > length  # two files with different clocks, joined
            if hole.unread > usual * hole.seconds or (is_shortened and not (is_join or hole.is_filled)):
                damaged += hole.seconds
            elif between_sound and not is_join:
                paused += hole.seconds
            else:
                continue
            cut += hole.seconds if hole.is_cut else 0.0
        return damaged, paused, length + cut
