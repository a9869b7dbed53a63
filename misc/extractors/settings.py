"""The config of an extraction: which frames and how much sound, which experts, which text encoder."""

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import Field

from base.schema import PositiveInt, Section
from misc.extractors.video import Sampling
from utils.errors import InputError

DEFAULT = Path(__file__).with_name("default.json")
MOST_BYTES = 1 << 20
VERSION = 3  # of what extractors make of a video: with another, all is extracted anew


class Frames(Section):
    """Frames a second and a video, at most, and pixels of their longer side."""

    rate: Annotated[float, Field(gt=0, le=1000)] = 8
    most: PositiveInt = 160
    side: PositiveInt = 480


class Sound(Section):
    """How much of the sound is heard."""

    most_seconds: Annotated[float, Field(gt=0, le=1e6)] = 600


class Expert(Section):
    """An extractor by name, and its options, which the constructor of its class documents."""

    extractor: str
    options: dict[str, Any] = {}


class Settings(Section):
    """All of it; `text` names the text encoder."""

    frames: Frames = Frames()
    sound: Sound = Sound()
    text: str = "minilm"
    experts: Annotated[dict[str, Expert], Field(min_length=1)]

    @property
    def sampling(self) -> Sampling:
        """What is kept of a video when it is decoded."""
        return Sampling(**self.frames.model_dump(), most_seconds=self.sound.most_seconds)

    def recipe(self, expert: str) -> str:
        """A digest of all that the features of an expert depend on."""
        parts = [VERSION, *(part.model_dump() for part in (self.frames, self.sound, self.experts[expert])), self.text]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def read_settings(path: Path, experts: str | None = None) -> Settings:
    """The config in a file, of whose experts those in the list `experts` are kept (None: all).

    Raises:
        InputError: one line that names the file and the key.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: more than {MOST_BYTES} bytes, expected the config of an extraction")
        settings = Settings.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: not found, expected the config of an extraction") from None
    except pydantic.ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "file"
        raise InputError(f"{path}: {where}: {problem['msg']}") from None
    if odd := [name for name in settings.experts if name == "text" or not re.fullmatch(r"[\w-]+", name)]:
        raise InputError(f"{path}: experts: {odd[0]!r} is no name for an expert, expected letters, digits, _ and -")
    if experts is None:
        return settings
    names = [name.strip() for name in experts.split(",") if name.strip()]
    if unknown := [name for name in names if name not in settings.experts]:
        raise InputError(f"--experts {experts}: no '{unknown[0]}' in {path}, expected some of {', '.join(settings.experts)}")
    return settings.model_copy(update={"experts": {name: settings.experts[name] for name in names or settings.experts}})
