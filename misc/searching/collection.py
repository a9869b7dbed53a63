"""A collection of videos on disk, `data/<Name>`, with or without captions."""

import dataclasses
import hashlib
import itertools
import json
import logging
import os
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_loader.archive import Archive
from data_loader.conversion import FeatureEncoder
from data_loader.dataset import collate_experts
from data_loader.datasets import layout_of, release_of
from data_loader.experts import Expert
from data_loader.readers import read_video_list
from data_loader.store import Captions, Features, RawCaptions
from data_loader.text_encoders import resolve_text_dim
from misc.extraction.collection_files import ALL, EXTRACTED, EXTRACTION_RECORD, MOMENTS, VERSIONS, WORDS
from misc.extraction.moments_file import MomentsFile
from misc.extraction.posters import Posters
from misc.searching.extraction_record import config_of_extraction, read_record
from misc.searching.file_features import extract_features
from misc.searching.index.metadata import IndexedVideos
from misc.searching.recognized_words import RecognizedWords, read_by_video
from utils.errors import InputError
from utils.names import normalize_name
from utils.visualizer.videos import POSTERS, find_file, find_videos

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
        config: config of the checkpoint (None: search without a model, see `config_of_extraction`).
        experts: experts of the checkpoint; the attribute `experts` has those with a file in the archive.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        config: Mapping[str, Any] | None = None,
        experts: Mapping[str, Expert] | None = None,
    ):
        self.name, self.folder = name, folder
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder, expected the collection: misc/extract_experts.py --name {name}")
        has_model = config is not None
        if config is None:
            if (folder / EXTRACTED).is_dir() and not (folder / EXTRACTION_RECORD).exists():
                expected = f"expected misc/extract_experts.py --name {name} to continue it"
                raise InputError(f"{folder}: an extraction that has not finished, {expected}")
            if layout_of(name).name:
                raise InputError(f"{name}: a published dataset, which is searched with a model: expected --checkpoint FILE")
            config, experts = config_of_extraction(folder)
        section, args = config["experts"], config["data_loader"]["args"]
        self._text = {"text_feat": section["text_feat"], "text_dim": resolve_text_dim(config)}
        self._max_tokens = {x: args.get("max_tokens", {}).get(x, args["max_expert_tokens"]) for x in experts}
        self._pad_to = {} if config["arch"]["args"].get("mask_padding", True) else self._max_tokens
        root = args.get("root_feat_folder")
        root = root if root and (folder / root).is_dir() else None  # a checkpoint also searches other collections
        splits = layout_of(name, release_of(root)).splits
        split = args["split_name"] if args["split_name"] in splits else next(iter(splits))
        self._archive = Archive(folder, name, split, args.get("rgb_model_name"), root_feat_folder=root)
        self._first_subset = next(iter(self._archive.layout.subsets))
        exists = self._archive.has_expert_file
        present = {name: expert for name, expert in experts.items() if exists(name, expert, self._first_subset)}
        if has_model and not present:
            raise InputError(f"{self._archive.folder}: no file of any of the checkpoint's experts ({', '.join(experts)})")
        if has_model and (absent := sorted(experts.keys() - present.keys())):
            logger.warning("%s: no file of %s: missing in every video", self._archive.folder, ", ".join(absent))
        # Videos may lack any expert here, even one that training requires for every video.
        self.experts = {x: dataclasses.replace(expert, may_be_missing=True) for x, expert in present.items()}
        self._model_experts = dict(experts)
        self._words = RecognizedWords(self._archive.folder)
        self._posters = Posters(folder / POSTERS)
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

    def compare(self, indexed: IndexedVideos) -> tuple[list[str], list[str], list[str]]:
        """Return the videos that an index lacks, those with changed features, and the indexed ones that are gone."""
        items = indexed.by_video()
        lacking = [video for video in self._positions if video not in items]
        versions = {video: indexed.version_of(items[video][0]) for video in self._positions if video in items}
        changed = [x for x, version in versions.items() if version and self.version(x) and version != self.version(x)]
        return lacking, changed, [video for video in items if video not in self]

    def load_videos(self, videos: Sequence[str], batch_size: int) -> Iterator[Batch]:
        """Yield batches of the features of videos."""
        for start in range(0, len(videos), batch_size):
            ids = list(videos[start : start + batch_size])
            yield self.collate(ids, [self.read_experts(video) for video in ids])

    def load_frames(self, name: str) -> Iterator[tuple[str, np.ndarray]]:
        """Yield each video that has an expert, and the features of its frames, (T, dim)."""
        expert = dataclasses.replace(self.experts[name], aggregation="vlad")  # which is not aggregated
        for subset, ids in self._ids_by_subset.items():
            features = self._archive.features(name, expert, subset, ids)
            for row in np.flatnonzero(features.available):
                yield ids[row], features[row]

    def load_video(self, name: str, video: str) -> np.ndarray | None:
        """Return the features of a video's frames by an expert, (T, dim); None if it has none."""
        subset, row = self._positions[video]
        expert = dataclasses.replace(self.experts[name], aggregation="vlad")
        return self._archive.features(name, expert, subset, self._ids_by_subset[subset])[row]

    def text_digest(self) -> str:
        """Return a digest that changes with the videos, and with the files of recognized words and of captions."""
        folder = self._archive.folder
        paths = [*sorted(folder.glob(f"*{WORDS}")), self._archive.captions_path, folder / MOMENTS]
        states = [(path.name, x.st_size, x.st_mtime_ns, x.st_ino) for path in paths if path.exists() and (x := path.stat())]
        return hashlib.sha256(json.dumps([states, self.ids]).encode()).hexdigest()

    def load_file(self, path: Path, device: str) -> Batch:
        """Return the features of a video file, extracted with the settings of the collection.

        Raises:
            InputError: the file is not a video, or there is no record of these settings.
        """
        features = extract_features(path, self.folder, self.experts, device)
        return self.collate([str(path)], [self.to_row(path, features)])

    def to_row(self, source: Path | str, features: Mapping[str, np.ndarray | None]) -> dict[str, np.ndarray | None]:
        """Return the features (T, dim) of some experts as the model gets them, None for experts that are missing."""
        row: dict[str, np.ndarray | None] = dict.fromkeys(self._model_experts)
        for name, expert in self._model_experts.items():
            if features.get(name) is not None:
                for x in FeatureEncoder(expert).encode(Path(source), name, features[name]):
                    x = x.astype(np.float32)[: self._max_tokens[name]]
                    row[name] = x if expert.aggregation == "vlad" else x[0]
        return row

    def load_captions(self) -> list[tuple[list[str], Captions]]:
        """Return ids and captions of the videos that have captions, for each subset with a file of word vectors."""
        captions = []
        for subset, ids in self._ids_by_subset.items():
            has_vectors = self._archive.has_text_file(self._text["text_feat"], subset)
            if has_vectors and (captioned := self._archive.videos_with_captions(subset, ids, **self._text)):
                captions.append((captioned, self._archive.captions(subset=subset, ids=captioned, **self._text)))
        return captions

    def validation_ids(self) -> set[str]:
        """Return the videos of the validation split; none if it is not known."""
        layout = self._archive.layout
        listed = layout.subsets[layout.splits["val"].evaluation].ids if "val" in layout.splits else None
        path = None if listed is None else self._archive.folder / listed
        if path is None or not path.exists() or not path.stat().st_size:
            return set()
        return {video for video in read_video_list(path, self._archive.to_id) if video in self}

    def get_captions(self, video: str) -> list[str]:
        """Return the captions of a video as text; an empty list if they are unknown."""
        subset, row = self._positions.get(video, (None, 0))
        texts = None if subset is None else self._texts[subset]
        return [] if texts is None else texts[row]

    def get_words(self, video: str) -> dict[str, list[str]]:
        """Return the words that experts recognized in a video: expert -> words."""
        return self._words.get(video)

    def get_word_times(self, video: str) -> dict[str, list[tuple[float, float]]]:
        """Return start and end in seconds of each word of `get_words`, only for experts with known times."""
        return self._words.get_times(video)

    def get_clip(self, video: str) -> str | None:
        """Return the URL of a video's file, relative to the folder of the collection (None: no file)."""
        return self._clips.get(normalize_name(video))

    def get_file(self, video: str) -> Path | None:
        """Return the path of a video's file (None: no file)."""
        url = self.get_clip(video)
        return None if url is None else self.folder / os.fsdecode(urllib.parse.unquote_to_bytes(url))

    def videos_with(self, name: str) -> set[str]:
        """Return the videos that have an expert, as a whole or in a moment; raise an InputError if no video can have it."""
        by_video = {} if self.moments is None else {video: self.moments.experts(video) for video in self.moments.lengths}
        known = dict.fromkeys([*self.experts, *(expert for experts in by_video.values() for expert in experts)])
        if name not in known:
            raise InputError(f"expert '{name}': not in {self.folder}, expected one of {', '.join(known) or 'none'}")
        found = {video for video, _ in self.load_frames(name)} if name in self.experts else set()
        return found | {video for video, experts in by_video.items() if name in experts and video in self}

    def get_poster(self, video: str, time: float | None = None) -> str | None:
        """Return the URL of a video's poster at a time, relative to the folder of the collection (None: no poster)."""
        address = self.get_clip(video)
        path = None if address is None else self._posters.find(video, find_file(self.folder, address), time)
        return None if path is None else path.relative_to(self.folder).as_posix()

    @property
    def word_experts(self) -> list[str]:
        """The experts that recognized words in some video."""
        return list(dict.fromkeys([*self._words.experts, *(self.moments.word_experts if self.moments else ())]))

    @cached_property
    def moments(self) -> MomentsFile | None:
        """The moments of long videos (None: an earlier version has extracted the collection, or something else)."""
        return MomentsFile(self._archive.folder) if (self._archive.folder / MOMENTS).exists() else None

    def read_encoder_spec(self) -> str | None:
        """Return the spec of the text encoder of the captions (None: unknown)."""
        path, content = self.folder / EXTRACTION_RECORD, read_record(self.folder)
        if content is None:
            return None
        text = content.get("text")
        if not isinstance(text, dict) or not isinstance(text.get("encoder"), str):
            raise InputError(f"{path}: text.encoder: not found, expected the name of a text encoder")
        return text["encoder"]

    @cached_property
    def _versions(self) -> dict[str, str]:
        path = self._archive.folder / VERSIONS
        return read_by_video(path, str, "its version") if path.exists() else {}

    @cached_property
    def _features(self) -> dict[str, dict[str, Features]]:
        return {
            subset: {name: self._archive.features(name, expert, subset, ids) for name, expert in self.experts.items()}
            for subset, ids in self._ids_by_subset.items()
        }

    @cached_property
    def _texts(self) -> dict[str, RawCaptions | None]:
        return {subset: self._archive.texts(subset, ids) for subset, ids in self._ids_by_subset.items()}

    @cached_property
    def _clips(self) -> dict[str, str]:
        return find_videos(self.folder / "videos")

    def _find_videos(self) -> dict[str, list[str]]:
        """Return the videos of each subset; a video of several subsets is returned only for the first."""
        layout, folder = self._archive.layout, self._archive.folder
        is_custom = not layout.name
        if is_custom and (folder / ALL).exists():
            return {self._first_subset: read_video_list(folder / ALL, str)}
        seen: set[str] = set()
        ids_by_subset = {}
        for subset, declared in layout.subsets.items():
            if declared.ids is None:
                exists = self._archive.has_text_file(self._text["text_feat"], subset)
            else:
                exists = (folder / declared.ids).exists()
            if exists:
                ids_by_subset[subset] = [x for x in self._archive.video_ids(subset, **self._text) if x not in seen]
                seen.update(ids_by_subset[subset])
        if is_custom and not seen:
            by_expert = [self._archive.videos_with_expert(name, expert) for name, expert in self.experts.items()]
            ids_by_subset = {self._first_subset: list(dict.fromkeys(itertools.chain(*by_expert)))}
        if not any(ids_by_subset.values()):
            raise InputError(f"{folder}: no video, expected {ALL}, lists of splits or experts by video")
        return {subset: ids for subset, ids in ids_by_subset.items() if ids}

    def read_experts(self, video: str) -> dict[str, np.ndarray | None]:
        """Return the features of a video, None for missing experts."""
        subset, row = self._positions[video]
        features = self._features[subset]
        return {
            name: features[name].get(row, self._max_tokens[name]) if name in features else None
            for name in self._model_experts
        }

    def collate(self, ids: list[str], rows: list[dict[str, np.ndarray | None]]) -> Batch:
        """Return the batch of some videos, or parts of videos, with the features of each."""
        available = ["".join("0" if x is None else "1" for x in row.values()) for row in rows]
        return Batch(ids, available, collate_experts(rows, self._model_experts, self._pad_to))
