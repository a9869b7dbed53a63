"""Extracted features in one file per video, so that an extraction resumes at the video where it ended."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from misc.extraction.collection_files import file_identity
from misc.extraction.settings import Settings
from misc.extraction.worker import ExtractionResult
from misc.extractors.extractor import ExpertOutput
from utils.files import atomic_write

METADATA = "about"  # name of the array with metadata as JSON


@dataclasses.dataclass
class Shard:
    """The experts of one video (None: the video lacks the expert), with the recipe of each, and the warnings about it."""

    source: list[Any]  # name, size and modification time of the video file
    recipes: dict[str, str]  # expert -> digest of the settings with which it was extracted
    outputs: dict[str, ExpertOutput | None]
    warnings: list[str] = dataclasses.field(default_factory=list)

    def version(self, names: Sequence[str]) -> str:
        """Return a digest of the features of the named experts."""
        digest = hashlib.sha256()
        for name in names:
            x = None if self.outputs[name] is None else self.outputs[name].features
            digest.update(f"{name} {None if x is None else (x.dtype.str, x.shape)} ".encode())
            digest.update(b"" if x is None else np.ascontiguousarray(x))
        return digest.hexdigest()[:16]


class Shards:
    """The shards of a collection in a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def missing_experts(self, video: str, path: Path, settings: Settings) -> tuple[str, ...]:
        """Return the experts that have not been extracted from a video with these settings."""
        shard = self.read(video)
        if shard is None or shard.source != file_identity(path):
            return tuple(settings.experts)
        return tuple(name for name in settings.experts if shard.recipes.get(name) != settings.recipe(name))

    def write(self, result: ExtractionResult, settings: Settings) -> None:
        """Write the experts of a video, and keep other experts of the same file that are in its shard."""
        task, source = result.task, file_identity(result.task.path)
        shard = self.read(task.id)
        if shard is None or shard.source != source:
            shard = Shard(source, {}, {})
        shard.outputs |= result.outputs
        shard.recipes |= {name: settings.recipe(name) for name in result.outputs}
        arrays = {name: output.features for name, output in shard.outputs.items() if output}
        words = {name: x.words for name, x in shard.outputs.items() if x and x.words is not None}
        times = {name: x.times for name, x in shard.outputs.items() if x and x.times is not None}
        metadata = {"id": task.id, "source": source, "recipes": shard.recipes, "words": words, "times": times}
        metadata |= {"arrays": sorted(arrays), "warnings": result.warnings}
        path = self._path(task.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            np.savez(file, **{METADATA: np.frombuffer(json.dumps(metadata).encode(), np.uint8)}, **arrays)

    def read(self, video: str) -> Shard | None:
        """Return the shard of a video; None if it is missing or damaged."""
        try:
            with self._path(video).open("rb") as file, np.load(file, allow_pickle=False) as content:
                metadata = json.loads(content[METADATA].tobytes())
                recipes, words = metadata["recipes"], metadata["words"]
                times = metadata.get("times", {})  # shards of earlier versions have none
                arrays = sorted(set(content.files) - {METADATA})
                outputs = {x: _to_output(content[x], words.get(x), times.get(x)) if x in arrays else None for x in recipes}
                if metadata["id"] != video or arrays != metadata["arrays"]:
                    return None
                return Shard(metadata["source"], recipes, outputs, metadata["warnings"])
        except Exception:  # damage to a file raises many kinds of errors
            return None

    def _path(self, video: str) -> Path:
        digest = hashlib.sha256(video.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return self.folder / digest[:2] / f"{digest}.npz"


def _to_output(features: np.ndarray, words: list[str] | None, times: list[list[float]] | None) -> ExpertOutput:
    return ExpertOutput(features, words, None if times is None else [(start, end) for start, end in times])
