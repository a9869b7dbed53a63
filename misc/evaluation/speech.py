"""The recognition of speech on clips of a narrated demo: word errors, words heard and invented, and time."""

import argparse
import dataclasses
import json
import string
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from misc.demo import sounds
from misc.demo.clips import plan_clips
from misc.extractors.extractor import Extractor, ExtractorContext, build_extractor
from misc.extractors.text_encoders import build_text_encoder
from misc.reporting.comparison import align
from misc.video_reading.media import Media, Sampling, VideoError
from misc.video_reading.reader import read_video
from utils.errors import InputError
from utils.progress import bar

SHORT = 3  # letters
FILLER = {"with", "that", "then", "have", "into"}
SAMPLING = Sampling(rate=1, max_frames=1, max_side=64, max_seconds=600)  # of frames, as little as possible


@dataclasses.dataclass
class Score:
    """The errors of an extractor in some clips."""

    clips: int = 0
    spoken: int = 0  # words
    errors: int = 0  # see `count_word_errors`
    longer: int = 0  # words
    longer_heard: int = 0
    invented: int = 0  # words
    seconds: float = 0.0

    def add(self, spoken: Sequence[str], heard: Sequence[str], seconds: float) -> None:
        """Count the words of a clip; `spoken` is empty for a clip without a narrator."""
        self.clips += 1
        self.seconds += seconds
        if not spoken:
            self.invented += len(heard)
            return
        self.spoken += len(spoken)
        self.errors += count_word_errors(spoken, heard)
        longer = {word for word in spoken if len(word) > SHORT} - FILLER
        self.longer += len(longer)
        self.longer_heard += len(longer & set(heard))

    def cells(self) -> list[str]:
        """Return word error rate, longer words heard, invented words and seconds per clip as text."""
        rates = (100 * self.errors / max(1, self.spoken), 100 * self.longer_heard / max(1, self.longer))
        return [*(f"{rate:.1f} %" for rate in rates), str(self.invented), f"{self.seconds / max(1, self.clips):.2f}"]


def count_word_errors(spoken: Sequence[str], heard: Sequence[str]) -> int:
    """Return the least number of substituted, missing and additional words (Levenshtein distance)."""
    errors = np.arange(len(heard) + 1)  # of no spoken word and the first j heard ones
    for word in spoken:
        before, errors = errors, np.empty_like(errors)
        errors[0] = before[0] + 1
        for j, other in enumerate(heard, 1):
            errors[j] = min(before[j] + 1, errors[j - 1] + 1, before[j - 1] + (word != other))
    return int(errors[-1])


def normalize(words: Sequence[str]) -> list[str]:
    """Return words in lower case without punctuation at their ends; none for punctuation alone."""
    return [text for word in words if (text := word.lower().strip(string.punctuation))]


def read_narrations(folder: Path, count: int) -> dict[str, list[str]]:
    """Return the spoken words of the first `count` clips of a narrated demo, none for clips without a narrator.

    Raises:
        InputError: the folder has no demo, or one without narrators.
    """
    path = folder / "made.json"
    try:
        recipe = json.loads(path.read_bytes())["recipe"]
        seed, total, is_narrated = recipe["seed"], sum(recipe["splits"].values()), recipe["narrate"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        command = f"misc/make_demo.py --narrate --data_dir {folder}"
        raise InputError(f"{path}: not found or damaged, expected a narrated demo: {command}") from None
    if not is_narrated:
        raise InputError(f"{path}: a demo without narrators, expected one made by misc/make_demo.py with --narrate")
    clips = plan_clips(min(count, total), seed)
    return {f"clip{i:04d}": normalize(sounds.narration_text(clip).split()) for i, clip in enumerate(clips)}


def read_clip(path: Path) -> Media:
    """Return a clip with one frame and its sound; raise an InputError if it cannot be used."""
    try:
        return read_video(path, SAMPLING)
    except VideoError as error:
        raise InputError(f"{path}: {error}") from None


def evaluate(extractor: Extractor, narrations: Mapping[str, list[str]], media: Mapping[str, Media]) -> Score:
    """Return the score of an extractor on clips."""
    score = Score()
    for name, spoken in bar(narrations.items(), "clips"):
        started = time.process_time()
        output = extractor(media[name])
        score.add(spoken, normalize(output.words or () if output else ()), time.process_time() - started)
    return score


def run(args: argparse.Namespace) -> None:
    """Print a table with a line per extractor."""
    torch.set_num_threads(1)
    narrations = read_narrations(args.data_dir, args.clips)
    context = ExtractorContext("cpu", build_text_encoder("minilm", "cpu"))
    extractors = {name: build_extractor(name, {}, context) for name in dict.fromkeys(args.extractors)}
    media = {name: read_clip(args.data_dir / "videos" / f"{name}.webm") for name in bar(narrations, "reading")}
    print(f"{len(narrations)} clips, {sum(map(bool, narrations.values()))} of them with a narrator")
    rows = [["extractor", "word error rate", "longer words heard", "invented words", "seconds per clip"]]
    rows += [[name, *evaluate(extractor, narrations, media).cells()] for name, extractor in extractors.items()]
    print("\n".join(align(rows)))
