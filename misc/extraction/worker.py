"""An extraction worker, which loads the extractors once per process and runs them on one video after the other."""

import dataclasses
import functools
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from misc.extraction.moments import ExtractorError, MomentExtractor, Moments, to_stored
from misc.extraction.settings import ZERO_SHOT, Settings
from misc.extractors.extractor import ExpertOutput, Extractor, ExtractorContext, build_extractor
from misc.extractors.image_text import ZeroShotExtractor, build_image_text_model
from misc.extractors.text_encoders import TextEncoder, build_text_encoder
from misc.video_reading.media import VideoError
from misc.video_reading.poster import make_poster
from misc.video_reading.reader import read_video
from utils.errors import InputError, one_line

LIMITED_SECONDS = 600  # of a video, to which a time limit applies


@dataclasses.dataclass(frozen=True)
class ExtractionTask:
    """A video and the names of the experts to extract from it."""

    id: str
    path: Path
    experts: tuple[str, ...]
    length: float = 0.0  # seconds, as far as its header says
    with_moments: bool = True  # if it is long
    poster: bool = False  # whether to make its poster, and with moments, those of its parts

    def time_limit(self, timeout: float) -> float:
        """Return the limit in seconds for a video, given that for a short one, or for each ten minutes of a long one."""
        return timeout * max(1.0, self.length / LIMITED_SECONDS)


@dataclasses.dataclass(frozen=True)
class ExtractionResult:
    """The output of all experts for a video (None: the video lacks the expert), or the reason why it cannot be used."""

    task: ExtractionTask
    outputs: dict[str, ExpertOutput | None] = dataclasses.field(default_factory=dict)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)  # for decoding ("decode") and for each expert
    failure: str | None = None
    poster: bytes | None = None  # JPEG, if the task asks for it
    warnings: tuple[str, ...] = ()  # one line per part of the video that cannot be used
    length: float = 0.0  # of the pictures in seconds
    moments: dict[str, Moments] = dataclasses.field(default_factory=dict)  # of a long video
    part_posters: dict[float, bytes] = dataclasses.field(default_factory=dict)  # start of a part of a long video -> JPEG


@dataclasses.dataclass(frozen=True)
class Description:
    """The experts and the text encoder of an extraction, as a training config has them."""

    experts: dict[str, dict[str, Any]]  # the section of each expert
    text: dict[str, Any]  # "encoder", "feat" and "dim"


@dataclasses.dataclass(frozen=True)
class Worker:
    """A description of a worker that is sent to processes; each of them loads what it needs once."""

    settings: str  # the config as JSON, which is hashable
    device: str  # on which networks run
    threads: int  # per process

    def extract(self, task: ExtractionTask) -> ExtractionResult:
        """Decode a video once and run all experts of the task, on the whole of it and on the chunks of a long one."""
        experts, settings, _ = _load(self)
        seconds: dict[str, float] = {}
        outputs: dict[str, ExpertOutput | None] = {}
        step = "decode"
        try:
            started = time.perf_counter()
            dense = MomentExtractor({name: experts[name] for name in task.experts}, task.poster)
            media = read_video(task.path, settings.sampling, dense.chunks if task.with_moments else None)
            started += dense.seconds.total()
            for name in task.experts:
                seconds[step] = time.perf_counter() - started
                step, started = name, time.perf_counter()
                outputs[name] = _to_stored(experts[name], experts[name](media))
            seconds[step] = time.perf_counter() - started
            step = "moments"
            moments = dense.finish(media, outputs) if task.with_moments else {}
            for name in task.experts:
                seconds[name] += dense.seconds[name]
            step, started = "poster", time.perf_counter()
            poster = make_poster(media) if task.poster else None
            seconds[step] = time.perf_counter() - started + dense.seconds[step]
        except VideoError as error:
            return ExtractionResult(task, failure=str(error))
        except ExtractorError as error:
            return ExtractionResult(task, failure=one_line(str(error)))
        except OSError as error:
            return ExtractionResult(task, failure=f"cannot be read ({error.strerror or error})")
        except Exception as error:  # a library may raise anything for one video; the other videos continue
            return ExtractionResult(task, failure=f"{step}: {type(error).__name__}: {one_line(str(error))}")
        found = {"poster": poster, "warnings": media.warnings, "length": media.seconds, "moments": moments}
        return ExtractionResult(task, outputs, seconds, part_posters=dense.posters, **found)

    def describe(self) -> Description:
        """Load everything, and return what the archive says of it."""
        experts, settings, encoder = _load(self)
        used = {name: experts[name] for name in settings.experts}
        sections = {name: {"dim": x.dim, "aggregation": x.aggregation, "kind": "sequence"} for name, x in used.items()}
        return Description(sections, {"encoder": encoder.spec, "feat": encoder.feat, "dim": encoder.dim})


@functools.lru_cache(maxsize=1)
def _load(worker: Worker) -> tuple[dict[str, Extractor], Settings, TextEncoder]:
    torch.set_num_threads(worker.threads)
    settings = Settings.model_validate_json(worker.settings)
    encoder = build_text_encoder(settings.text, worker.device)
    context = ExtractorContext(worker.device, encoder)
    experts = {name: build_extractor(x.extractor, x.options, context) for name, x in settings.experts.items()}
    if settings.zero_shot is not None:
        pin_weights(settings, worker.device)
        model = build_image_text_model(settings.zero_shot.model, worker.device)
        experts[ZERO_SHOT] = ZeroShotExtractor(model, settings.zero_shot.frames)
    return experts, settings, encoder


def pin_weights(settings: Settings, device: str) -> Settings:
    """Return settings with the digest of the weights of their image-text model, if there is one.

    Raises:
        InputError: the model cannot be used, or the settings have another digest.
    """
    if (about := settings.zero_shot) is None:
        return settings
    sha256 = build_image_text_model(about.model, device).sha256
    if about.sha256 not in (None, sha256):
        raise InputError(f"zero_shot: '{about.model}' has the weights {sha256[:12]}, expected {about.sha256[:12]}")
    return settings.model_copy(update={"zero_shot": about.model_copy(update={"sha256": sha256})})


def _to_stored(expert: Extractor, output: ExpertOutput | None) -> ExpertOutput | None:
    """Return features in float16, or float32 if that overflows; None if all are zero.

    Training treats features that are all zero, such as the flow of a still picture, as missing.
    """
    if output is None or not len(output.features):
        return None
    x = np.asarray(output.features, np.float32)
    if x.ndim != 2 or x.shape[1] != expert.dim or not np.isfinite(x).all():
        raise ValueError(f"features of shape {x.shape} or not finite, expected (T, {expert.dim})")
    kind, items = ("features", x) if output.words is None else ("words", output.words)
    if output.times is not None and len(output.times) != len(items):
        raise ValueError(f"{len(output.times)} times, expected one for each of {len(items)} {kind}")
    stored = to_stored(x)
    return dataclasses.replace(output, features=stored) if stored.any() else None
