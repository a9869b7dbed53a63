"""A collection of videos on disk, `data/<Name>`, with or without captions."""

import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_loader.archive import Archive
from data_loader.conversion import FeatureEncoder
from data_loader.dataset import collate_experts
from data_loader.datasets import layout_of
from data_loader.experts import Expert
from data_loader.readers import read_video_list
from data_loader.store import Captions, Features, Texts
from misc.extraction.collection_files import ALL, EXTRACTION_RECORD, VERSIONS, WORDS
from misc.searching.metadata import IndexedVideos, read_json, validate
from parse_config import ConfigParser
from utils.errors import InputError
from utils.names import normalize_name
from utils.visualizer.videos import find_videos

logger = logging.getLogger(__name__)


class Batch(NamedTuple):
    """B videos: their ids, the availability of their experts (such as "101"), and the arguments of `CENet.embed_video`."""

    ids: list[str]
    available: list[str]
    inputs: dict[str, Any]


class Collection:
    """The videos of a feature archive, in all of its subsets.

    Args:
        name: name of the collection, which selects the file layout of a published dataset.
        folder: folder of the collection, `data/<Name>`.
        config: config of the checkpoint.
        experts: experts of the checkpoint.

    Attributes:
        experts: experts of the checkpoint that have a file in the archive.

    Raises:
        InputError: the folder is missing, no expert has a file, or a list is damaged.
    """

    def __init__(self, name: str, folder: Path, config: ConfigParser, experts: Mapping[str, Expert]):
        self.name, self.folder = name, folder
        section, args = config["experts"], config["data_loader"]["args"]
        self._text = {"text_feat": section["text_feat"], "text_dim": section["text_dim"]}
        self._max_tokens = args["max_expert_tokens"]
        self._pad_to = None if config["arch"]["args"].get("mask_padding", True) else self._max_tokens
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder, expected the collection: misc/extract_experts.py --name {name}")
        splits = layout_of(name).splits
        split = args["split_name"] if args["split_name"] in splits else next(iter(splits))
        self._archive = Archive(folder, name, split, args.get("rgb_model_name"))
        self._first_subset = next(iter(self._archive.layout.subsets))
        present = {x: expert for x, expert in experts.items() if self._archive.has_file(x, self._first_subset, expert)}
        if not present:
            raise InputError(f"{self._archive.folder}: no file of any of the checkpoint's experts ({', '.join(experts)})")
        if absent := sorted(experts.keys() - present.keys()):
            logger.warning("%s: no file of %s: missing in every video", self._archive.folder, ", ".join(absent))
        # Videos may lack any expert here, even one that training requires for every video.
        self.experts = {x: dataclasses.replace(expert, may_be_missing=True) for x, expert in present.items()}
        self._model_experts = dict(experts)
        self._ids_by_subset = self._find_videos()
        self._positions = {  # id -> subset, and row in it
            video: (subset, row) for subset, ids in self._ids_by_subset.items() for row, video in enumerate(ids)
        }

    @property
    def ids(self) -> list[str]:
        """The ids of all videos."""
        return list(self._positions)

    def __contains__(self, video: str) -> bool:
        return video in self._positions

    def check_ids(self, videos: Sequence[str]) -> None:
        """Raise an InputError that names the first video that is not in the collection, if any."""
        if unknown := [video for video in videos if video not in self]:
            raise InputError(f"{self.folder}: no video '{unknown[0]}' in it, expected one of its {len(self._positions)}")

    def version(self, video: str) -> str:
        """Return the version of a video's features, which changes with them ("": unknown)."""
        return self._versions.get(video, "")

    def find_changed(self, indexed: IndexedVideos) -> list[str]:
        """Return the videos whose features have changed since they were indexed."""
        known = indexed.versions
        return [x for x in self._positions if known.get(x) and self.version(x) and known[x] != self.version(x)]

    def load_videos(self, videos: Sequence[str], batch_size: int) -> Iterator[Batch]:
        """Yield batches of the features of videos.

        Raises:
            InputError: an array has a wrong shape or type, or NaN.
        """
        for start in range(0, len(videos), batch_size):
            ids = list(videos[start : start + batch_size])
            yield self._collate(ids, [self._read_experts(video) for video in ids])

    def load_file(self, path: Path, device: str) -> Batch:
        """Return the features of a video file, extracted with the settings of the collection.

        Raises:
            InputError: the file is not a video, or there is no record of these settings.
        """
        # Imported here since the extractors take a while to import.
        from misc.extraction.settings import Settings
        from misc.extraction.worker import ExtractionTask, Worker
        from utils.jobs import count_cores

        record = self.folder / EXTRACTION_RECORD
        if not record.exists():
            raise InputError(f"{record}: not found, expected it to extract {path} by: misc/extract_experts.py writes it")
        content = read_json(record)
        settings = validate(Settings, content.get("settings") if isinstance(content, dict) else None, str(record))
        wanted = tuple(name for name in self.experts if name in settings.experts)
        settings = settings.model_copy(update={"experts": {name: settings.experts[name] for name in wanted}})
        worker = Worker(settings.model_dump_json(), device, count_cores())
        result = worker.extract(ExtractionTask(path.name, path, wanted))
        if result.failure is not None:
            raise InputError(f"{path}: {result.failure}")
        for warning in result.warnings:
            logger.warning("%s: %s", path, warning)
        row: dict[str, np.ndarray | None] = dict.fromkeys(self._model_experts)
        for name, output in result.outputs.items():
            if output is not None:
                expert = self._model_experts[name]
                for features in FeatureEncoder(expert).encode(path, name, output.features):
                    features = features.astype(np.float32)[: self._max_tokens]
                    row[name] = features if expert.aggregation == "vlad" else features[0]
        return self._collate([str(path)], [row])

    def load_captions(self) -> list[tuple[list[str], Captions]]:
        """Return ids and captions of the videos that have captions, for each subset with a file of word vectors.

        Raises:
            InputError: vectors have a wrong shape, NaN or inf.
        """
        captions = []
        for subset, ids in self._ids_by_subset.items():
            if self._archive.has_file(self._text["text_feat"], subset):
                captioned = self._archive.videos_with_captions(subset, ids, **self._text)
                if captioned:
                    captions.append((captioned, self._archive.captions(subset=subset, ids=captioned, **self._text)))
        return captions

    def get_captions(self, video: str) -> list[str]:
        """Return the captions of a video as text; an empty list if they are unknown."""
        subset, row = self._positions.get(video, (None, 0))
        texts = None if subset is None else self._texts[subset]
        return [] if texts is None else texts[row]

    def get_words(self, video: str) -> dict[str, list[str]]:
        """Return the words that experts recognized in a video: expert -> words."""
        return {expert: words[video] for expert, words in self._words.items() if words.get(video)}

    def get_clip(self, video: str) -> str | None:
        """Return the URL of a video's file, relative to the folder of the collection (None: no file)."""
        return self._clips.get(normalize_name(video))

    def read_encoder_spec(self) -> str | None:
        """Return the spec of the text encoder of the captions (None: unknown).

        Raises:
            InputError: `extraction.json` is damaged.
        """
        path = self.folder / EXTRACTION_RECORD
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
    def _features(self) -> dict[str, dict[str, Features]]:
        return {
            subset: {name: self._archive.features(name, expert, subset, ids) for name, expert in self.experts.items()}
            for subset, ids in self._ids_by_subset.items()
        }

    @cached_property
    def _texts(self) -> dict[str, Texts | None]:
        return {subset: self._archive.texts(subset, ids) for subset, ids in self._ids_by_subset.items()}

    @cached_property
    def _clips(self) -> dict[str, str]:
        return find_videos(self.folder / "videos")

    @cached_property
    def _words(self) -> dict[str, dict[str, list[str]]]:
        words_by_expert = {}
        for path in sorted(self._archive.folder.glob(f"*{WORDS}")):
            content = read_json(path)
            lists = content.values() if isinstance(content, dict) else [None]
            if not all(isinstance(words, list) and all(isinstance(word, str) for word in words) for words in lists):
                raise InputError(f"{path}: expected an object, video -> list of words")
            by_video = {normalize_name(video): words for video, words in content.items()}
            words_by_expert[path.name.removesuffix(WORDS)] = by_video
        return words_by_expert

    def _find_videos(self) -> dict[str, list[str]]:
        """Return the videos of each subset; a video of several subsets is returned only for the first."""
        layout, folder = self._archive.layout, self._archive.folder
        is_custom = not layout.name
        if is_custom and (folder / ALL).exists():
            return {self._first_subset: read_video_list(folder / ALL, str)}
        seen: dict[str, None] = {}
        ids_by_subset = {}
        for subset, declared in layout.subsets.items():
            if declared.ids is None:
                exists = self._archive.has_file(self._text["text_feat"], subset)
            else:
                exists = (folder / declared.ids).exists()
            if exists:
                ids = [x for x in self._archive.video_ids(subset, **self._text) if x not in seen]
                seen.update(dict.fromkeys(ids))
                if ids:
                    ids_by_subset[subset] = ids
        if is_custom and not ids_by_subset:
            for name, expert in self.experts.items():
                seen.update(dict.fromkeys(self._archive.videos_with_expert(name, expert)))
            ids_by_subset = {self._first_subset: list(seen)}
        if not any(ids_by_subset.values()):
            raise InputError(f"{folder}: no video, expected {ALL}, lists of splits or experts by video")
        return ids_by_subset

    def _read_experts(self, video: str) -> dict[str, np.ndarray | None]:
        """Return the features of a video, None for missing experts."""
        subset, row = self._positions[video]
        features = self._features[subset]
        return {
            name: features[name].get(row, self._max_tokens) if name in features else None for name in self._model_experts
        }

    def _collate(self, ids: list[str], rows: list[dict[str, np.ndarray | None]]) -> Batch:
        available = ["".join("0" if x is None else "1" for x in row.values()) for row in rows]
        return Batch(ids, available, collate_experts(rows, self._model_experts, self._pad_to))
