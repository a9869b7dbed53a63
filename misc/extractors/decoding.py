"""Decoding of tracks that may be damaged in places."""

import av
import numpy as np

from misc.extractors.containers import TRUNCATED
from misc.extractors.sound import Sound
from utils.errors import one_line


class Decoder:
    """A decoder of one track that skips packets that cannot be decoded.

    Attributes:
        track: the track.
        packets, lost: the number of packets, and of those that cannot be decoded.
    """

    def __init__(self, track: "av.stream.Stream"):
        self.track = track
        self.packets = self.lost = 0

    def decode(self, packet: av.Packet) -> list:
        """Return the frames that are ready after a packet, which may be empty: the picture before is repeated."""
        if not packet.size:
            return []
        self.packets += 1
        return self._frames(packet)

    def flush(self) -> list:
        """Return the remaining frames."""
        end = av.Packet()
        end.stream, end.time_base = self.track, self.track.time_base
        return self._frames(end)

    def _frames(self, packet: av.Packet) -> list:
        try:
            return packet.decode()
        except av.FFmpegError:
            self.lost += 1
            return []


class SoundReader:
    """The sound of a file, which is left out where it is damaged.

    Args:
        sound: takes the decoded frames.

    Attributes:
        warnings: one line per flaw that was found.
    """

    def __init__(self, sound: Sound):
        self.warnings: list[str] = []
        self._sound = sound
        self._decoders: dict[int, Decoder] = {}

    def read(self, packet: av.Packet) -> None:
        """Decode a packet of any track, if it is needed."""
        if self._sound.needs(packet.stream):
            decoder = self._decoders.setdefault(packet.stream_index, Decoder(packet.stream))
            self._add(decoder.track, decoder.decode(packet))

    def finish(self) -> np.ndarray | None:
        """Return all samples, (S,) float32, or None where nothing can be heard."""
        for decoder in self._decoders.values():
            if not self._sound.needs(decoder.track):
                continue
            self._add(decoder.track, decoder.flush())
            loss = f"{decoder.lost} of {decoder.packets} packets cannot be decoded"
            if decoder.lost > max(1, TRUNCATED * decoder.packets):
                self._discard(decoder.track, loss)
            elif decoder.lost:
                self.warnings.append(f"sound: {loss}")
        try:
            return self._sound.finish()
        except (av.FFmpegError, ValueError) as error:
            self.warnings.append(f"sound is left out: {_reason(error)}")
            return None

    def _add(self, track: "av.stream.Stream", frames: list[av.AudioFrame]) -> None:
        try:
            for frame in frames:
                self._sound.add(track, frame)
        except (av.FFmpegError, ValueError) as error:
            self._discard(track, _reason(error))

    def _discard(self, track: "av.stream.Stream", reason: str) -> None:
        self._sound.discard(track)
        self.warnings.append(f"sound is left out: {reason}")


def _reason(error: Exception) -> str:
    return f"it cannot be converted ({getattr(error, 'strerror', None) or one_line(str(error))})"
