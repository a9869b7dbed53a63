"""The config of an extraction: frames, sound, experts and text encoder."""

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import Field

from base.schema import PositiveInt, Section
from misc.video_reading.media import Sampling
from utils.errors import InputError

DEFAULT = Path(__file__).resolve().parent.parent / "extractors" / "default.json"
MAX_BYTES = 1 << 20
ZERO_SHOT = "zero_shot"  # name of the frames that an image-text model embeds, beside those of experts
RESERVED = ("text", ZERO_SHOT)
VERSION = 3  # of the features; after a change, all videos are extracted again
# Extractor or family -> version of its features, if not the first one; after a change, only its experts are extracted again.
EXTRACTOR_VERSIONS = {"speech": 2, "whisper": 2}  # the first were by pocketsphinx and by transformers


class Frames(Section):
    """Which frames of a video are read."""

    rate: Annotated[float, Field(gt=0, le=1000)] = 8.0  # maximum frames per second
    most: PositiveInt = 160  # maximum frames per video (`Sampling.max_frames`)
    side: PositiveInt = 480  # maximum pixels of the longer side (`Sampling.max_side`)


class Sound(Section):
    """How much sound is read."""

    most_seconds: Annotated[float, Field(gt=0, le=1e6)] = 600.0  # maximum seconds per video (`Sampling.max_seconds`)


class ExpertSettings(Section):
    """The extractor of an expert."""

    extractor: str  # see `misc.extractors.extractor`
    options: dict[str, Any] = {}  # arguments of its class


class ZeroShot(Section):
    """The image-text model of the search without training."""

    model: str  # see `misc.extractors.image_text`
    frames: PositiveInt = 16  # maximum frames per video that are embedded
    sha256: str | None = None  # digest of its weights (None: any; an extraction fills it in)


class Settings(Section):
    """The whole config."""

    frames: Frames = Frames()  # frames to decode
    sound: Sound = Sound()  # sound to decode
    text: str = "minilm"  # text encoder, see `build_text_encoder`
    experts: Annotated[dict[str, ExpertSettings], Field(min_length=1)]  # name of each expert -> its extractor
    zero_shot: ZeroShot | None = None  # None: no model

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of all that is extracted from a video: the experts, and the frames of the image-text model."""
        return (*self.experts, ZERO_SHOT) if self.zero_shot else tuple(self.experts)

    @property
    def sampling(self) -> Sampling:
        """Return the limits for decoding a video."""
        return Sampling(self.frames.rate, self.frames.most, self.frames.side, self.sound.most_seconds)

    def recipe(self, expert: str) -> str:
        """Return a digest of everything that the features of an expert depend on, or the frames of the image-text model."""
        if expert == ZERO_SHOT:  # of any name with the same weights
            parts = [VERSION, self.frames.model_dump(), self.zero_shot.model_dump(exclude={"model"})]
            return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
        sections = [VERSION, *(x.model_dump() for x in (self.frames, self.sound, self.experts[expert])), self.text]
        if version := EXTRACTOR_VERSIONS.get(self.experts[expert].extractor.partition(":")[0]):
            sections.append(version)
        return hashlib.sha256(json.dumps(sections, sort_keys=True).encode()).hexdigest()[:16]


def read_settings(path: Path, experts: str | None = None) -> Settings:
    """Return the config in a file, only with the experts in `experts`, a list of names with commas (None: with all).

    Raises:
        InputError: the file is missing or invalid; the message names the key.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: more than {MAX_BYTES} bytes, expected the config of an extraction")
        settings = Settings.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: not found, expected the config of an extraction") from None
    except pydantic.ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "file"
        raise InputError(f"{path}: {where}: {problem['msg']}") from None
    if invalid := [name for name in settings.experts if name in RESERVED or not re.fullmatch(r"[\w-]+", name)]:
        raise InputError(
            f"{path}: experts: {invalid[0]!r} is not a valid name of an expert, expected letters, digits, _ and -"
        )
    if experts is None:
        return settings
    names = [name.strip() for name in experts.split(",") if name.strip()]
    if unknown := [name for name in names if name not in settings.experts]:
        raise InputError(f"--experts {experts}: no '{unknown[0]}' in {path}, expected some of {', '.join(settings.experts)}")
    return settings.model_copy(update={"experts": {name: settings.experts[name] for name in names or settings.experts}})
