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
VERSION = 3  # of the features; after a change, all videos are extracted again


class Frames(Section):
    """Maximum frames per second and per video, and maximum pixels of their longer side."""

    rate: Annotated[float, Field(gt=0, le=1000)] = 8
    most: PositiveInt = 160
    side: PositiveInt = 480


class Sound(Section):
    """Maximum seconds of sound."""

    most_seconds: Annotated[float, Field(gt=0, le=1e6)] = 600


class ExpertSettings(Section):
    """The name of an extractor and its options, which are described by its class."""

    extractor: str
    options: dict[str, Any] = {}


class Settings(Section):
    """The whole config; `text` is the name of the text encoder."""

    frames: Frames = Frames()
    sound: Sound = Sound()
    text: str = "minilm"
    experts: Annotated[dict[str, ExpertSettings], Field(min_length=1)]

    @property
    def sampling(self) -> Sampling:
        """Return the limits for decoding a video."""
        return Sampling(self.frames.rate, self.frames.most, self.frames.side, self.sound.most_seconds)

    def recipe(self, expert: str) -> str:
        """Return a digest of everything that the features of an expert depend on."""
        sections = [VERSION, *(x.model_dump() for x in (self.frames, self.sound, self.experts[expert])), self.text]
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
    if invalid := [name for name in settings.experts if name == "text" or not re.fullmatch(r"[\w-]+", name)]:
        raise InputError(
            f"{path}: experts: {invalid[0]!r} is not a valid name of an expert, expected letters, digits, _ and -"
        )
    if experts is None:
        return settings
    names = [name.strip() for name in experts.split(",") if name.strip()]
    if unknown := [name for name in names if name not in settings.experts]:
        raise InputError(f"--experts {experts}: no '{unknown[0]}' in {path}, expected some of {', '.join(settings.experts)}")
    return settings.model_copy(update={"experts": {name: settings.experts[name] for name in names or settings.experts}})
