"""Films of demo clips, one after the other, with the time of each: a test of search for moments."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from misc.demo import caption_grammar, sounds
from misc.demo.clips import Clip
from misc.demo.drawing import FRAMES, RATE, draw_frames
from misc.demo.sounds import SAMPLE_RATE
from misc.demo.video_files import write_clip

MIN_SECONDS = 4.0  # of a clip in a film
PAUSE = 0.5  # seconds after a narrator


def write_film(clips: Sequence[Clip], path: Path) -> list[dict[str, object]]:
    """Write a film of some clips, and return start and end in seconds and captions of each.

    A clip has its pictures forward and backward, its sound, and then its narrator if it has one.
    """
    frames: list[np.ndarray] = []
    parts: list[np.ndarray] = []
    moments = []
    for clip in clips:
        effect = sounds.synthesize_sound(clip, FRAMES / RATE)
        effect = np.zeros(FRAMES * SAMPLE_RATE // RATE, np.float32) if effect is None else effect
        narrator = [sounds.synthesize_speech(clip)] if clip.topic else []
        sound = np.concatenate([effect, *narrator])
        count = int(np.ceil(max(MIN_SECONDS, len(sound) / SAMPLE_RATE + PAUSE * len(narrator)) * RATE))
        pictures = draw_frames(clip)
        start = len(frames) / RATE
        frames += itertools.islice(itertools.cycle([*pictures, *pictures[::-1]]), count)
        parts.append(np.pad(sound, (0, count * SAMPLE_RATE // RATE - len(sound))))
        captions = [" ".join(words) for words in caption_grammar.make_captions(clip)]
        moments.append({"start": start, "end": len(frames) / RATE, "captions": captions})
    write_clip(path, frames, RATE, np.concatenate(parts).astype(np.float32), SAMPLE_RATE)
    return moments
