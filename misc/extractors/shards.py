"""What was extracted of each video, in a file each: so an extraction goes on at the video where it ended."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from misc.extractors.extractor import Found
from misc.extractors.settings import Settings
from misc.extractors.work import Outcome
from utils.files import atomic_write

ABOUT = "about"


@dataclasses.dataclass
class Shard:
    """The experts of one video, with the recipe of each.

    Attributes:
        source: name, size and time of the file.
        recipes: expert -> digest of what it was extracted by.
        found: expert -> what it found, or None for nothing.
        warnings: one line per part of the video that cannot be used.
    """

    source: list[Any]
    recipes: dict[str, str]
    found: dict[str, Found | None]
    warnings: list[str] = dataclasses.field(default_factory=list)

    def version(self, names: Sequence[str]) -> str:
        """A digest of what those experts found in a video."""
        digest = hashlib.sha256()
        for name in names:
            x = None if self.found[name] is None else self.found[name].features
            digest.update(f"{name} {None if x is None else (x.dtype.str, x.shape)} ".encode())
            digest.update(b"" if x is None else np.ascontiguousarray(x))
        return digest.hexdigest()[:16]


class Shards:
    """The shards of a collection, in a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def missing(self, video: str, path: Path, settings: Settings) -> tuple[str, ...]:
        """The experts that are yet to be extracted of a video."""
        shard = self.read(video)
        if shard is None or shard.source != source_of(path):
            return tuple(settings.experts)
        return tuple(name for name in settings.experts if shard.recipes.get(name) != settings.recipe(name))

    def keep(self, outcome: Outcome, settings: Settings) -> None:
        """Write what was found in a video, beside what is there of other experts of the same file."""
        task, source = outcome.task, source_of(outcome.task.path)
        shard = self.read(task.id)
        if shard is None or shard.source != source:
            shard = Shard(source, {}, {})
        shard.found |= outcome.found
        shard.recipes |= {name: settings.recipe(name) for name in outcome.found}
        arrays = {name: found.features for name, found in shard.found.items() if found}
        words = {name: found.words for name, found in shard.found.items() if found and found.words is not None}
        about = {"id": task.id, "source": source, "recipes": shard.recipes, "words": words}
        about |= {"arrays": sorted(arrays), "warnings": outcome.warnings}
        path = self._path(task.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            np.savez(file, **{ABOUT: np.frombuffer(json.dumps(about).encode(), np.uint8)}, **arrays)

    def read(self, video: str) -> Shard | None:
        """What there is of a video; None if there is nothing, or it is damaged."""
        try:
            with self._path(video).open("rb") as file, np.load(file, allow_pickle=False) as content:
                about = json.loads(content[ABOUT].tobytes())
                recipes, words, there = about["recipes"], about["words"], sorted(set(content.files) - {ABOUT})
                found = {name: Found(content[name], words.get(name)) if name in there else None for name in recipes}
                if about["id"] != video or there != about["arrays"]:
                    return None
                return Shard(about["source"], recipes, found, about["warnings"])
        except Exception:  # there are as many kinds of damage as of errors
            return None

    def _path(self, video: str) -> Path:
        digest = hashlib.sha256(video.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return self.folder / digest[:2] / f"{digest}.npz"


def source_of(path: Path) -> list[Any]:
    """What tells whether a file is still the same."""
    status = path.stat()
    return [path.name, status.st_size, status.st_mtime_ns]
