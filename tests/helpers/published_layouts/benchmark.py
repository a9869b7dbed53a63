"""The content of an archive, for tests to compare with what is read."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from helpers.published_layouts.content import Features, Missing
from helpers.published_layouts.pickles import write_npy, write_pickle


@dataclasses.dataclass
class Captions:
    """The captions of the videos of one subset.

    Attributes:
        words: video -> captions as lists of words.
        vectors: `text_feat` -> video -> captions as arrays (words, dim).
    """

    words: dict[str, list[list[str]]]
    vectors: dict[str, dict[str, list[np.ndarray]]]


@dataclasses.dataclass(repr=False)
class Benchmark:
    """A synthetic archive in a published layout.

    Attributes:
        name: the name of the dataset.
        folder: the folder of its files, `<root>/data/<folder>/symlinked-feats`.
        ids: subset -> its videos in their order, by the names that files of features give them.
        features: expert -> video -> its array as written, before any aggregation, if the file has one. Another
            variant of an expert is named "<expert>-<variant>".
        missing: expert -> the videos that lack it, in any form.
        captions: subset -> the captions of its videos.
        caption_index: video -> the only caption it is evaluated with, in subsets with such an index.
        contents: file -> its content: an array, or the object in a pickle.
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
        """Return the config's `data_loader.args.data_dir`."""
        return self.folder.parent

    def add(self, expert: str, features: Features, missing: Collection[str] = ()) -> Features:
        """Store the features of an expert, and return them."""
        self.features[expert] = features
        self.missing[expert] = set(missing)
        return features

    def pickle(self, name: str, content: Any, protocol: int = 2, python: int = 2) -> None:
        """Write `content` as Python 2 or 3 pickled it."""
        write_pickle(self.folder / name, content, protocol, python)
        self.contents[name] = content

    def npy(self, name: str, content: Any, python: int = 3) -> None:
        """Write an array, or a dict in an array."""
        write_npy(self.folder / name, content, python)
        self.contents[name] = content

    def list(self, name: str, videos: Sequence[str]) -> None:
        """Write names, one per line."""
        (self.folder / name).write_text("".join(f"{video}\n" for video in videos))
        self.contents[name] = list(videos)


def shuffled(content: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return a mapping in another order, as the order of a file has no meaning."""
    order = np.random.default_rng(seed).permutation(list(content)).tolist()
    return {video: content[video] for video in order}
