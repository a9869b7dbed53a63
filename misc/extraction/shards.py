"""Extracted features in one file per video, so that an extraction resumes at the video where it ended."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from misc.extraction.collection_files import file_identity
from misc.extraction.moments import MIN_SECONDS, Moments
from misc.extraction.settings import Settings
from misc.extraction.worker import ExtractionResult
from misc.extractors.extractor import ExpertOutput
from misc.video_reading.reader import probe_length
from utils.files import atomic_write

METADATA = "about"  # name of the array with metadata as JSON
# Suffixes of arrays of moments, after the name of an expert, in which "@" does not occur.
FEATURES, SPANS = "@moments", "@spans"
MOMENTS_VERSION = 1  # of `misc.extraction.moments`; after a change, long videos are extracted again


@dataclasses.dataclass
class Shard:
    """The experts of one video (None: the video lacks the expert), with the recipe of each, and the warnings about it."""

    source: list[Any]  # name, size and modification time of the video file
    recipes: dict[str, str]  # expert -> digest of the settings with which it was extracted
    outputs: dict[str, ExpertOutput | None]
    warnings: list[str] = dataclasses.field(default_factory=list)
    length: float | None = None  # of the pictures in seconds (None: written by an earlier version, without moments)
    moments: dict[str, Moments] = dataclasses.field(default_factory=dict)
    # Experts whose moments were extracted, even if there are none, with the version by which they were.
    moments_versions: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def is_long(self) -> bool:
        """Whether the video has moments."""
        return self.length is not None and self.length >= MIN_SECONDS

    def version(self, names: Sequence[str]) -> str:
        """Return a digest of the features of the named experts, and of their moments if there are some."""
        digest = hashlib.sha256()
        for name in names:
            x = None if self.outputs[name] is None else self.outputs[name].features
            digest.update(f"{name} {None if x is None else (x.dtype.str, x.shape)} ".encode())
            digest.update(b"" if x is None else np.ascontiguousarray(x))
            if (found := self.moments.get(name)) is not None:
                digest.update(np.ascontiguousarray(found.spans))
                digest.update(json.dumps(found.words).encode() if found.features is None else found.features.tobytes())
        return digest.hexdigest()[:16]


class Shards:
    """The shards of a collection in a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def missing_experts(self, video: str, path: Path, settings: Settings) -> tuple[str, ...]:
        """Return the experts that have not been extracted from a video with these settings, or lack its moments."""
        shard = self.read(video)
        if shard is None or shard.source != file_identity(path):
            return settings.outputs
        missing = [name for name in settings.outputs if shard.recipes.get(name) != settings.recipe(name)]
        length = probe_length(path) if shard.length is None else shard.length
        if length >= MIN_SECONDS:
            missing += [name for name in settings.outputs if shard.moments_versions.get(name) != MOMENTS_VERSION]
        return tuple(name for name in settings.outputs if name in missing)

    def write(self, result: ExtractionResult, settings: Settings) -> None:
        """Write the experts of a video, and keep other experts of the same file that are in its shard."""
        task, source = result.task, file_identity(result.task.path)
        shard = self.read(task.id)
        if shard is None or shard.source != source:
            shard = Shard(source, {}, {})
        shard.outputs |= result.outputs
        shard.recipes |= {name: settings.recipe(name) for name in result.outputs}
        kept = {name: x for name, x in shard.moments.items() if name not in result.outputs}
        shard.length, shard.moments = result.length, kept | result.moments
        shard.moments_versions |= dict.fromkeys(result.outputs, MOMENTS_VERSION)
        arrays = {name: output.features for name, output in shard.outputs.items() if output}
        arrays |= {f"{name}{FEATURES}": x.features for name, x in shard.moments.items() if x.features is not None}
        arrays |= {f"{name}{SPANS}": x.spans for name, x in shard.moments.items()}
        words = {name: x.words for name, x in shard.outputs.items() if x and x.words is not None}
        times = {name: x.times for name, x in shard.outputs.items() if x and x.times is not None}
        metadata = {"id": task.id, "source": source, "recipes": shard.recipes, "words": words, "times": times}
        metadata |= {"arrays": sorted(arrays), "warnings": result.warnings, "length": shard.length}
        moment_words = {name: x.words for name, x in shard.moments.items() if x.words is not None}
        metadata |= {"moments_versions": shard.moments_versions, "moment_words": moment_words}
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
                words = metadata.get("moment_words", {})
                names = [x.removesuffix(SPANS) for x in arrays if x.endswith(SPANS)]
                features = {x: content[f"{x}{FEATURES}"] for x in names if x not in words}
                moments = {x: Moments(content[f"{x}{SPANS}"], features.get(x), words.get(x)) for x in names}
                about = metadata.get("length"), moments, metadata.get("moments_versions", {})
                return Shard(metadata["source"], recipes, outputs, metadata["warnings"], *about)
        except Exception:  # damage to a file raises many kinds of errors
            return None

    def _path(self, video: str) -> Path:
        digest = hashlib.sha256(video.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return self.folder / digest[:2] / f"{digest}.npz"


def _to_output(features: np.ndarray, words: list[str] | None, times: list[list[float]] | None) -> ExpertOutput:
    return ExpertOutput(features, words, None if times is None else [(start, end) for start, end in times])
