"""What an extractor is: it looks at a decoded video and tells what one expert sees or hears in it."""

import dataclasses
import importlib
import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from misc.extractors.text import TextEncoder
from utils.errors import InputError

SAMPLE_RATE = 16000

# Name -> the module below `misc.extractors` with its `Extractor` class: one line and one file an extractor.
EXTRACTORS = {name: name for name in ("audio", "face", "flow", "ocr", "rgb", "scene", "speech")}
# Family of "<family>:<name>" -> likewise; its class takes the name as well.
FAMILIES = {
    "open_clip": "open_clip_models",
    "timm": "timm_models",
    "transformers": "transformers_models",
    "whisper": "whisper_models",
}


@dataclasses.dataclass(frozen=True)
class Media:
    """A decoded video.

    Attributes:
        frames: (T, H, W, 3) uint8, those that are shown at `times`; T is 0 where there is no picture.
        times: (T,), evenly spaced, seconds from the start. A frame that is shown for long is there several times.
        sound: (S,) float32, mono, from -1 to 1, at `SAMPLE_RATE`; None where there is no sound track.
        warnings: one line per flaw of the file, of which the rest is used.
    """

    frames: np.ndarray
    times: np.ndarray
    sound: np.ndarray | None
    warnings: tuple[str, ...] = ()

    def spread(self, number: int) -> np.ndarray:
        """`number` of the frames, evenly spread, or all if there are no more: (n, H, W, 3)."""
        if len(self.frames) <= number:
            return self.frames
        return self.frames[np.linspace(0, len(self.frames) - 1, 2 * number + 1).round().astype(int)[1::2]]


@dataclasses.dataclass(frozen=True)
class Found:
    """What an expert found in a video.

    Attributes:
        features: (T, dim), finite.
        words: those that it recognised, in their order (None: it recognises none).
    """

    features: np.ndarray
    words: list[str] | None = None


class Extractor(Protocol):
    """One expert, loaded and ready. The class takes its options as keyword arguments, and `setting`.

    Attributes:
        dim: of a frame's features.
        aggregation: over time, as a training config is to have it: "avg", "max" or "vlad".
    """

    dim: int
    aggregation: str

    def __call__(self, media: Media) -> Found | None:
        """What there is of its kind in a video, None if nothing."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all extractors may use.

    Attributes:
        device: where networks run.
        text: turns recognised words to vectors.
    """

    device: str
    text: TextEncoder


def build(spec: str, options: Mapping[str, Any], setting: Setting) -> Extractor:
    """The extractor that `spec` names.

    Raises:
        InputError: there is none of that name, it has no such option, or what it needs is not there.
    """
    family, _, name = spec.partition(":")
    module = EXTRACTORS.get(spec) or (FAMILIES.get(family) if name else None)
    if module is None:
        known = ", ".join([*EXTRACTORS, *(f"{family}:<name>" for family in FAMILIES)])
        raise InputError(f"extractor '{spec}': unknown, expected one of {known}")
    kind = importlib.import_module(f"misc.extractors.{module}").Extractor
    parameters = [p for p in inspect.signature(kind).parameters.values() if p.kind is p.KEYWORD_ONLY]
    own = {p.name: p.default for p in parameters if p.name != "setting"}
    if unknown := sorted(options.keys() - own.keys()):
        raise InputError(f"extractor '{spec}': no option '{unknown[0]}', expected some of {', '.join(own) or 'none'}")
    for option, value in options.items():
        _check_number(f"extractor '{spec}': option '{option}'", value, own[option])
    return kind(*([name] if name else []), **options, setting=setting)


def _check_number(where: str, value: object, usual: object) -> None:
    """Refuse another thing than a number where the usual value of an option is one."""
    if type(usual) is int and not (type(value) is int and value > 0):
        raise InputError(f"{where} is {value!r}, expected a whole number above 0")
    if type(usual) is float and not (type(value) in (int, float) and 0 <= value < math.inf):
        raise InputError(f"{where} is {value!r}, expected a number from 0")


def described_by_words(words: Sequence[str], setting: Setting) -> Found | None:
    """Recognised words with their vectors, which the text encoder gives them in their order; None if there are none."""
    if not words:
        return None
    features = setting.text([" ".join(words)])[0]
    return Found(features, list(words)) if len(features) else None
