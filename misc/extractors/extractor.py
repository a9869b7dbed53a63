"""The interface of an extractor, which describes a decoded video as one expert sees or hears it."""

import dataclasses
import inspect
import math
import pkgutil
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from misc.extractors.text_encoders import TextEncoder, find_classes
from misc.video_reading.media import Media
from utils.errors import InputError

EXTRACTORS = find_classes("[!.]*.py", "Extractor")
FAMILIES = find_classes("pretrained/[!.]*_models.py", "Extractor")  # their classes take the name as first argument


@dataclasses.dataclass(frozen=True)
class ExpertOutput:
    """The features of one expert for a video."""

    features: np.ndarray  # (T, dim), finite
    words: list[str] | None = None  # recognized words in their order (None: the expert does not recognize words)
    # Start and end of each word, or of each frame of the image-text model, in seconds from the first frame (None: unknown).
    times: list[tuple[float, float]] | None = None
    spans: np.ndarray | None = None  # start and end of each feature in seconds from the first frame, (T, 2) (None: unknown)


@dataclasses.dataclass(frozen=True)
class ExtractorContext:
    """Resources that all extractors share: the device of networks, and the encoder of recognized words."""

    device: str
    text_encoder: TextEncoder


class Extractor(Protocol):
    """An expert, loaded and ready. The keyword arguments of the class are its options, and `context`."""

    dim: int  # size of a feature vector
    aggregation: str  # over time, in the training config: "avg", "max" or "vlad"
    # An optional attribute, `needs_context = True`: it has to hear or see a whole video, never a part of some seconds, and
    # returns words with times.

    def __call__(self, media: Media) -> ExpertOutput | None:
        """Return the features of a video, None if the video lacks this expert."""


def build_extractor(spec: str, options: Mapping[str, Any], context: ExtractorContext) -> Extractor:
    """Return the extractor with the name `spec`; raise an InputError if it or an option is unknown, or a package missing."""
    family, _, name = spec.partition(":")
    path = FAMILIES.get(family) if name else EXTRACTORS.get(spec)
    if path is None:
        known = ", ".join([*EXTRACTORS, *(f"{family}:<name>" for family in FAMILIES)])
        raise InputError(f"extractor '{spec}': unknown, expected one of {known}")
    cls = pkgutil.resolve_name(path)
    parameters = [p for p in inspect.signature(cls).parameters.values() if p.kind is p.KEYWORD_ONLY]
    defaults = {p.name: p.default for p in parameters if p.name != "context"}
    if unknown := sorted(options.keys() - defaults.keys()):
        raise InputError(f"extractor '{spec}': no option '{unknown[0]}', expected some of {', '.join(defaults) or 'none'}")
    for option, value in options.items():
        _check_number(f"extractor '{spec}': option '{option}'", value, defaults[option])
    return cls(*([name] if name else []), **options, context=context)


def _check_number(where: str, value: object, default: object) -> None:
    """Raise an InputError if the default of an option is a number and its value is not."""
    if type(default) is int and not (type(value) is int and value > 0):
        raise InputError(f"{where} is {value!r}, expected a whole number above 0")
    if type(default) is float and not (type(value) in (int, float) and 0 <= value < math.inf):
        raise InputError(f"{where} is {value!r}, expected a number from 0")


def at_times(times: np.ndarray) -> np.ndarray:
    """Return the spans (T, 2) of features of single frames that are shown at `times` (T,)."""
    return np.stack([times, times], axis=1)


def encode_words(
    words: Sequence[str], context: ExtractorContext, times: Sequence[tuple[float, float]] | None = None
) -> ExpertOutput | None:
    """Return recognized words with their vectors from the text encoder; None if there are no words.

    `times` are start and end of each word in seconds, which are rounded to 0.01 (None: unknown).
    """
    if not words:
        return None
    features = context.text_encoder([" ".join(words)])[0]
    rounded = None if times is None else [(round(float(start), 2), round(float(end), 2)) for start, end in times]
    return ExpertOutput(features, list(words), rounded) if len(features) else None
