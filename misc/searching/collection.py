"""A collection of videos on disk, with captions or without, as search needs it: `data/<Name>`."""

import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_loader.archive import Archive
from data_loader.dataset import collate_experts
from data_loader.datasets import layout_of
from data_loader.encoding import FeatureEncoder
from data_loader.experts import Expert
from data_loader.lists import read_list
from data_loader.views import Captions, Features, Texts
from misc.collection_files import ALL, EXTRACTION, VERSIONS, WORDS
from misc.searching.about import read_json
from misc.searching.catalogue import Catalogue
from parse_config import ConfigParser
from utils.errors import InputError
from utils.names import normalize_name
from utils.visualizer.videos import find_videos

logger = logging.getLogger(__name__)


class Batch(NamedTuple):
    """B videos: their names, of each a 0 or 1 for each expert, and the arguments of `CENet.embed_video`."""

    ids: list[str]
    available: list[str]
    inputs: dict[str, Any]


class Collection:
    """The videos of an archive, in all of its parts.

    Args:
        name: of the collection, which tells the layout of its files where that is a published one.
        folder: `data/<Name>`.
        config: of the checkpoint, which says which experts and text features are used, and how.
        experts: the experts of the checkpoint.

    Attributes:
        experts: those of the checkpoint that have a file here.

    Raises:
        InputError: no such folder, no expert, or a damaged list.
    """

    def __init__(self, name: str, folder: Path, config: ConfigParser, experts: Mapping[str, Expert]):
        self.name, self.folder = name, folder
        section, args = config["experts"], config["data_loader"]["args"]
        self._text = {"text_feat": section["text_feat"], "text_dim": section["text_dim"]}
        self._tokens = args["max_expert_tokens"]
        self._pad_to_max = not config["arch"]["args"].get("mask_padding", True)
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder, expected the collection: misc/extract_experts.py --name {name}")
        self._archive = Archive(folder, name, _any_split(name, args), args.get("rgb_model_name"))
        self._part = next(iter(self._archive.layout.parts))
        there = {x: expert for x, expert in experts.items() if self._archive.has_file(x, self._part, expert)}
        if not there:
            raise InputError(f"{self._archive.folder}: no file of any of the checkpoint's experts ({', '.join(experts)})")
        if absent := sorted(experts.keys() - there.keys()):
            logger.warning("%s: no file of %s: missing in every video", self._archive.folder, ", ".join(absent))
        # A video may lack any expert here, also one that its training wanted of every video.
        self.experts = {x: dataclasses.replace(expert, may_be_missing=True) for x, expert in there.items()}
        self._all = dict(experts)
        self._sections = self._find_sections()
        self._part_of = {video: part for part, ids in self._sections.items() for video in ids}

    @property
    def ids(self) -> list[str]:
        """All videos."""
        return list(self._part_of)

    def __contains__(self, video: str) -> bool:
        return video in self._part_of

    def check(self, videos: Sequence[str]) -> None:
        """Refuse videos that are not there.

        Raises:
            InputError: naming the first.
        """
        if unknown := [video for video in videos if video not in self]:
            raise InputError(f"{self.folder}: no video '{unknown[0]}' in it, expected one of its {len(self._part_of)}")

    def version(self, video: str) -> str:
        """What tells whether the experts of a video have changed; "" where nothing does."""
        return self._versions.get(video, "")

    def changed(self, catalogue: Catalogue) -> list[str]:
        """The videos whose experts have changed since they came into an index."""
        known = catalogue.versions
        return [x for x in self._part_of if known.get(x) and self.version(x) and known[x] != self.version(x)]

    def batches(self, videos: Sequence[str], size: int) -> Iterator[Batch]:
        """The experts of videos that are there, `size` at a time.

        Raises:
            InputError: an array of the wrong shape or kind, or one with NaN.
        """
        for start in range(0, len(videos), size):
            chosen = list(videos[start : start + size])
            rows = [self._experts_of(video) for video in chosen]
            available = ["".join("0" if x is None else "1" for x in row.values()) for row in rows]
            yield Batch(chosen, available, collate_experts(rows, self._all, self._tokens if self._pad_to_max else None))

    def batch_of_features(self, video: str, features: Mapping[str, np.ndarray]) -> Batch:
        """The batch of one video that need not be there.

        Args:
            features: expert -> (T, dim), without those that it lacks.

        Raises:
            InputError: features of the wrong dimension.
        """
        row: dict[str, np.ndarray | None] = dict.fromkeys(self._all)
        for name, x in features.items():
            expert = self._all[name]
            for kept in FeatureEncoder(expert).encode(Path(video), name, x):
                kept = kept.astype(np.float32)[: self._tokens]
                row[name] = kept if expert.aggregation == "vlad" else kept[0]
        available = "".join("0" if x is None else "1" for x in row.values())
        return Batch([video], [available], collate_experts([row], self._all, self._tokens if self._pad_to_max else None))

    def caption_vectors(self) -> list[tuple[list[str], Captions]]:
        """The captions as word vectors, of the videos that have any, part by part; nothing without a file of them.

        Raises:
            InputError: vectors of the wrong shape, NaN or inf.
        """
        found = []
        for part, ids in self._sections.items():
            if self._archive.has_file(self._text["text_feat"], part):
                described = self._archive.with_captions(part, ids, **self._text)
                if described:
                    found.append((described, self._archive.captions(part=part, ids=described, **self._text)))
        return found

    def captions_of(self, video: str) -> list[str]:
        """The captions of a video as text; none where they are not known."""
        part = self._part_of.get(video)
        if part is None or (texts := self._texts[part]) is None:
            return []
        return texts[self._rows[video]]

    def words_of(self, video: str) -> dict[str, list[str]]:
        """The words that experts recognised in a video: expert -> words."""
        return {expert: words[video] for expert, words in self._recognised.items() if words.get(video)}

    def clip_of(self, video: str) -> str | None:
        """The address of its file, relative to the folder, percent-quoted."""
        return self._clips.get(normalize_name(video))

    def encoder_spec(self) -> str | None:
        """The text encoder that its captions were encoded with, None where nothing says so.

        Raises:
            InputError: `extraction.json` is damaged.
        """
        path = self.folder / EXTRACTION
        if not path.exists():
            return None
        content = read_json(path)
        text = content.get("text") if isinstance(content, dict) else None
        if not isinstance(text, dict) or not isinstance(text.get("encoder"), str):
            raise InputError(f"{path}: text.encoder: not found, expected the name of a text encoder")
        return text["encoder"]

    @cached_property
    def _versions(self) -> dict[str, str]:
        path = self._archive.folder / VERSIONS
        content = read_json(path) if path.exists() else {}
        if not isinstance(content, dict) or not all(isinstance(version, str) for version in content.values()):
            raise InputError(f"{path}: expected an object, video -> its version")
        return {normalize_name(video): version for video, version in content.items()}

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {video: row for ids in self._sections.values() for row, video in enumerate(ids)}

    @cached_property
    def _features(self) -> dict[str, dict[str, Features]]:
        found = {}
        for part, ids in self._sections.items():
            found[part] = {name: self._archive.features(name, x, part, ids) for name, x in self.experts.items()}
        return found

    @cached_property
    def _texts(self) -> dict[str, Texts | None]:
        return {part: self._archive.texts(part, ids) for part, ids in self._sections.items()}

    @cached_property
    def _clips(self) -> dict[str, str]:
        return find_videos(self.folder / "videos")

    @cached_property
    def _recognised(self) -> dict[str, dict[str, list[str]]]:
        found = {}
        for path in sorted(self._archive.folder.glob(f"*{WORDS}")):
            content = read_json(path)
            lists = content.values() if isinstance(content, dict) else [None]
            if not all(isinstance(words, list) and all(isinstance(word, str) for word in words) for words in lists):
                raise InputError(f"{path}: expected an object, video -> list of words")
            found[path.name.removesuffix(WORDS)] = {normalize_name(video): words for video, words in content.items()}
        return found

    def _find_sections(self) -> dict[str, list[str]]:
        """Part -> its videos; each video in the first part that has it."""
        layout, folder = self._archive.layout, self._archive.folder
        own = not layout.name
        if own and (folder / ALL).exists():
            return {self._part: read_list(folder / ALL, str)}
        seen: dict[str, None] = {}
        sections = {}
        for part, declared in layout.parts.items():
            if declared.ids is None:
                there = self._archive.has_file(self._text["text_feat"], part)
            else:
                there = (folder / declared.ids).exists()
            if there:
                ids = [x for x in self._archive.video_ids(part, **self._text) if x not in seen]
                seen.update(dict.fromkeys(ids))
                if ids:
                    sections[part] = ids
        if own and not sections:
            for name, expert in self.experts.items():
                seen.update(dict.fromkeys(self._archive.names_in(name, expert)))
            sections = {self._part: list(seen)}
        if not any(sections.values()):
            raise InputError(f"{folder}: no video, expected {ALL}, lists of splits or experts by video")
        return sections

    def _experts_of(self, video: str) -> dict[str, np.ndarray | None]:
        """The experts of a video, None where they are missing."""
        part, row = self._part_of[video], self._rows[video]
        features = self._features[part]
        return {name: features[name].get(row, self._tokens) if name in features else None for name in self._all}


def _any_split(name: str, args: Mapping[str, Any]) -> str:
    """A split of the collection: that of the checkpoint if there is such a one, for the files that depend on it."""
    splits = layout_of(name).splits
    return args["split_name"] if args["split_name"] in splits else next(iter(splits))
