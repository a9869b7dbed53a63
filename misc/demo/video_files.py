"""Writing and reading of WebM files with VP8 and Opus, which browsers play."""

import itertools
import math
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from utils.files import atomic_write


def write_clip(path: Path, frames: list[np.ndarray], rate: int, sound: np.ndarray | None, sample_rate: int) -> None:
    """Write a file atomically, with the same bytes for the same content.

    Frames are (H, W, 3) uint8 each. The sound is float32 samples from -1 to 1 (None: no sound track), at one of the rates of
    Opus: 8000, 12000, 16000, 24000 or 48000 Hz.
    """
    with atomic_write(path) as file, av.open(file, "w", format="webm", container_options={"fflags": "bitexact"}) as out:
        video = out.add_stream("libvpx", rate=rate)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        video.bit_rate = 300_000
        # A positive `cpu-used` lets the encoder choose its speed by the clock: a busy machine would write other bytes.
        video.options = {"deadline": "realtime", "cpu-used": "-4", "threads": "1"}
        if sound is not None:
            audio = out.add_stream("libopus", rate=sample_rate, layout="mono")
            audio.bit_rate = 32_000
        for frame in frames:
            out.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(video.encode(None))
        if sound is not None:
            track = av.AudioFrame.from_ndarray(sound[None], format="flt", layout="mono")
            track.sample_rate = sample_rate
            out.mux(audio.encode(track))
            out.mux(audio.encode(None))


def read_clip(path: Path, sample_rate: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the frames (T, H, W, 3) uint8 and the sound of a file, float32 at `sample_rate` (None: no sound track)."""
    reformatter = VideoReformatter()  # shared: creating it takes longer than converting a frame
    with av.open(path) as file:
        frames = np.stack([reformatter.reformat(x, format="rgb24").to_ndarray() for x in file.decode(video=0)])
    return frames, read_sound(path, sample_rate)


def read_sound(source: Path | BinaryIO, sample_rate: int, max_seconds: float = math.inf) -> np.ndarray | None:
    """Return at most `max_seconds` of the sound of a file, mono float32 at `sample_rate` (None: no sound track)."""
    with av.open(source) as file:
        if not file.streams.audio:
            return None
        resampler = av.AudioResampler(format="flt", layout="mono", rate=sample_rate)
        samples: list[np.ndarray] = []
        for frame in itertools.chain(file.decode(audio=0), [None]):
            samples += [x.to_ndarray()[0] for x in resampler.resample(frame)]
            if sum(map(len, samples)) >= max_seconds * sample_rate:
                break
    sound = np.concatenate(samples)
    return sound[: round(max_seconds * sample_rate)] if math.isfinite(max_seconds) else sound
