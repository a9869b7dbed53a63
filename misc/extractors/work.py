"""What a process of an extraction does: it loads the extractors once, and looks at one video after the other."""

import dataclasses
import functools
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from misc.extractors.extractor import Extractor, Found, Setting, build
from misc.extractors.settings import Settings
from misc.extractors.text import text_encoder
from misc.extractors.video import VideoError, read_video
from utils.errors import one_line


@dataclasses.dataclass(frozen=True)
class Task:
    """A video to look at.

    Attributes:
        id: its name in the collection.
        path: its file.
        experts: those that are wanted.
    """

    id: str
    path: Path
    experts: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        found: of each expert that was wanted, what it found, or None for nothing.
        seconds: of decoding ("decode") and of each expert.
        failure: why the video cannot be used; then there is nothing else.
        warnings: one line per part of the video that cannot be used.
    """

    task: Task
    found: dict[str, Found | None] = dataclasses.field(default_factory=dict)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    failure: str | None = None
    warnings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Work:
    """How to look at videos; each process makes what it needs for it once.

    Attributes:
        threads: of a process.
    """

    settings: str  # as JSON: it is sent to other processes, and tells whether they are prepared
    device: str
    threads: int

    def look(self, task: Task) -> Outcome:
        """Decode a video once, and ask every expert that is wanted."""
        experts, settings = _prepared(self)
        seconds: dict[str, float] = {}
        found: dict[str, Found | None] = {}
        what = "decode"
        try:
            started = time.perf_counter()
            media = read_video(task.path, settings.sampling)
            for name in task.experts:
                seconds[what] = time.perf_counter() - started
                what, started = name, time.perf_counter()
                found[name] = _checked(experts[name], experts[name](media))
            seconds[what] = time.perf_counter() - started
        except VideoError as error:
            return Outcome(task, failure=str(error))
        except OSError as error:
            return Outcome(task, failure=f"cannot be read ({error.strerror or error})")
        except Exception as error:  # whatever a library makes of a strange video: the others go on
            return Outcome(task, failure=f"{what}: {type(error).__name__}: {one_line(str(error))}")
        return Outcome(task, found, seconds, warnings=media.warnings)

    def about(self, names: Sequence[str]) -> dict[str, dict]:
        """The dimension of each expert and how its features are aggregated.

        Raises:
            InputError: an extractor cannot be made.
        """
        threads = torch.get_num_threads()
        experts, _ = _prepared(self)
        torch.set_num_threads(threads)  # those of this process, which goes on with other work
        return {name: {"dim": experts[name].dim, "aggregation": experts[name].aggregation} for name in names}


@functools.lru_cache(maxsize=1)
def _prepared(work: Work) -> tuple[dict[str, Extractor], Settings]:
    """The extractors, loaded."""
    torch.set_num_threads(work.threads)
    settings = Settings.model_validate_json(work.settings)
    setting = Setting(work.device, text_encoder(settings.text, work.device))
    experts = {name: build(expert.extractor, expert.options, setting) for name, expert in settings.experts.items()}
    return experts, settings


def _checked(expert: Extractor, found: Found | None) -> Found | None:
    """Return the features as they are kept, in float16, or float32 where that overflows; None if all are zero.

    A training counts features of zeros only, such as the flow of a still picture, as missing.

    Raises:
        ValueError: another shape, or not finite.
    """
    if found is None or not len(found.features):
        return None
    x = np.asarray(found.features, np.float32)
    if x.ndim != 2 or x.shape[1] != expert.dim or not np.isfinite(x).all():
        raise ValueError(f"features of shape {x.shape} or not finite, expected (T, {expert.dim})")
    kept = x.astype(np.float16) if np.abs(x).max() < np.finfo(np.float16).max else x
    return Found(kept, found.words) if kept.any() else None
