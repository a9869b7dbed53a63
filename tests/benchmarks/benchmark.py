"""What was written, for tests to compare with what is read."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.content import Features, Missing
from benchmarks.pickles import write_npy, write_pickle


@dataclasses.dataclass
class Captions:
    """The captions of the videos of one part.

    Attributes:
        words: video -> captions as lists of words.
        vectors: `text_feat` -> video -> captions as arrays (words, dim).
    """

    words: dict[str, list[list[str]]]
    vectors: dict[str, dict[str, list[np.ndarray]]]


@dataclasses.dataclass(repr=False)
class Benchmark:
    """An archive of our own making, in a published layout.

    Attributes:
        name: of the dataset.
        folder: where its files are, `<root>/data/<folder>/symlinked-feats`.
        ids: part -> its videos in their order, by the names that files of features give them.
        features: expert -> video -> its array as written, before any aggregation; an absent one is not there. Another
            variant of an expert is named "<expert>-<variant>".
        missing: expert -> the videos that miss it, whatever the form; of experts that some videos miss.
        captions: part -> the captions of its videos.
        caption_index: video -> which caption it is queried with, in the parts where it is one.
        contents: file -> what was written there: an array, or what a pickle gives back.
    """

    name: str
    folder: Path
    ids: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    features: dict[str, Features] = dataclasses.field(default_factory=dict)
    missing: dict[str, Missing] = dataclasses.field(default_factory=dict)
    captions: dict[str, Captions] = dataclasses.field(default_factory=dict)
    caption_index: dict[str, int] = dataclasses.field(default_factory=dict)
    contents: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def data_dir(self) -> Path:
        """The config's `data_loader.args.data_dir`."""
        return self.folder.parent

    def add(self, expert: str, features: Features, missing: Collection[str] = ()) -> Features:
        """Keep what is written of an expert."""
        self.features[expert] = features
        self.missing[expert] = set(missing)
        return features

    def pickle(self, name: str, content: Any, protocol: int = 2, python: int = 2) -> None:
        """Write `content` as Python 2 (or 3) pickled it."""
        write_pickle(self.folder / name, content, protocol, python)
        self.contents[name] = content

    def npy(self, name: str, content: Any, python: int = 3) -> None:
        """Write an array, or a dict in an array."""
        write_npy(self.folder / name, content, python)
        self.contents[name] = content

    def list(self, name: str, videos: Sequence[str]) -> None:
        """Write names, one a line."""
        (self.folder / name).write_text("".join(f"{video}\n" for video in videos))
        self.contents[name] = list(videos)


def shuffled(content: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """The same mapping in another order: the order of a file means nothing."""
    order = np.random.default_rng(seed).permutation(list(content)).tolist()
    return {video: content[video] for video in order}
