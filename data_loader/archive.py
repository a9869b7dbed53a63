"""A feature archive on disk: which videos a split has, and their experts and captions, checked as they are found."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_loader.datasets import layout_of
from data_loader.datasets.layout import FileName, Subset
from data_loader.encoding import CaptionEncoder, Encoder, FeatureEncoder, TextEncoder
from data_loader.experts import Expert
from data_loader.feature_files import SUFFIXES, find_file, read_file
from data_loader.lists import read_flags, read_list
from data_loader.store import FeatureTable, open_table
from data_loader.views import Captions, Features, Texts
from utils.errors import InputError, count_text
from utils.names import normalize_name

logger = logging.getLogger(__name__)


class Archive:
    """One split of an archive in the layout of its dataset, `data_loader/datasets/<name>.py`.

    Args:
        data_dir: the folder that holds `symlinked-feats`.
        dataset_name: the dataset; any name that is not known stands for a dataset of one's own.
        split_name: the split.
        rgb_model_name: the network that the rgb features come from, where there are several.
        cache_dir: where converted files go (None: `<data_dir>/cache`).
        cache_refusal: why none may be made there (None: they may); those that are there are used all the same.

    Raises:
        InputError: no such folder, or an unknown split.
    """

    def __init__(
        self,
        data_dir: str | Path,
        dataset_name: str,
        split_name: str,
        rgb_model_name: str | None = None,
        cache_dir: str | Path | None = None,
        cache_refusal: str | None = None,
    ):
        self.layout = layout_of(dataset_name)
        self.folder = Path(data_dir) / "symlinked-feats"
        self.cache = Path(cache_dir or Path(data_dir) / "cache")
        self.cache_refusal = cache_refusal
        self.rgb_model_name = rgb_model_name
        if split_name not in self.layout.splits:
            raise InputError(f"data_loader.args.split_name: '{split_name}', expected one of {', '.join(self.layout.splits)}")
        if not self.folder.is_dir():
            raise InputError(f"{self.folder}: no such folder, expected the feature archive unpacked there")
        self.split = self.layout.splits[split_name]
        self._tables: dict[tuple[Path, str], FeatureTable] = {}
        self._lists: dict[str, list[str]] = {}

    def video_ids(self, part: str, text_feat: str, text_dim: int) -> list[str]:
        """The videos of `part`, without those that are left out for want of captions.

        Args:
            part: `split.train` or `split.evaluation`.
            text_feat, text_dim: which word vectors: where videos have no names, captions number them.

        Raises:
            InputError: a list that is missing, empty or names a video twice.
        """
        declared = self.layout.parts[part]
        ids = self._named(part, text_feat, text_dim)
        if declared.size not in (None, len(ids)):
            where = self.folder if declared.ids is None else self.folder / declared.ids
            logger.warning(
                "%s: %s in part '%s', published are %d", where, count_text(len(ids), "video"), part, declared.size
            )
        if declared.drop_captionless:
            kept = self.with_captions(part, ids, text_feat, text_dim)
            if len(kept) < len(ids):
                path = self._file(self.layout.text, text_feat, part, "text_feat")
                logger.info("%s: left out: %s without a caption", path, count_text(len(ids) - len(kept), "video"))
            return kept
        return ids

    def with_captions(self, part: str, ids: list[str], text_feat: str, text_dim: int) -> list[str]:
        """Those of `ids` that have a caption with a word, or one that is to be refused."""
        table = self._table(self._file(self.layout.text, text_feat, part, "text_feat"), CaptionEncoder(text_dim))
        items = self._items(table, part, ids, self._caption_keys(ids))
        return [video for video, item in zip(ids, items, strict=True) if item >= 0 and _has_words(table, item)]

    def has_file(self, name: str, part: str, expert: Expert | None = None) -> bool:
        """Whether there is a file of expert `name` or, without `expert`, of the text features `name`."""
        files, key = (self.layout.text, "text_feat") if expert is None else (self._expert_files(name), "modalities")
        path = self.folder / self._file_name(files, name, part, key, expert)
        return any(path.with_name(path.name + suffix).exists() for suffix in ("", *SUFFIXES))

    def names_in(self, name: str, expert: Expert) -> list[str]:
        """The videos in the file of an expert, in its order; none where it is by row."""
        path = self._file(self._expert_files(name), name, next(iter(self.layout.parts)), "modalities", expert)
        return [normalize_name(video) for video in self._table(path, self._feature_encoder(name, expert)).names or ()]

    def warn_of_overlap(self, evaluation_ids: Sequence[str]) -> None:
        """Warn of videos to evaluate that are trained on too, where they have names to tell."""
        train, evaluation = (self.layout.parts[part].ids for part in (self.split.train, self.split.evaluation))
        if train is None or not (self.folder / train).exists():
            return
        if both := sorted(set(read_list(self.folder / train, self._short)) & set(evaluation_ids)):
            number = count_text(len(both), "video")
            logger.warning("%s: %s in both %s and %s, first '%s'", self.folder, number, train, evaluation, both[0])

    def features(self, name: str, expert: Expert, part: str, ids: list[str]) -> Features:
        """Expert `name` of each video of `part` in `ids`.

        One that the dataset has of every video may still be unusable in some, with a warning, but not absent.

        An expert is missing when a video is absent from the file or its value says so (`FeatureEncoder`), and where the
        dataset has a file that says so. `misc/docs/missing-experts.md` lists the rules per dataset.

        Raises:
            InputError: an array of the wrong shape or kind, NaN or inf in one that is present, or a missing one that may not
                be.
        """
        path = self._file(self._expert_files(name), name, part, "modalities", expert)
        table = self._table(path, self._feature_encoder(name, expert))
        items = self._items(table, part, ids)
        _refuse_problems(table, items)
        features = Features(table, items, sequence=expert.aggregation == "vlad")
        if flags := self.layout.parts[part].missing.get(name):
            self._hide_flagged(features, flags, part, ids)
        always = expert.may_be_missing is None and name in self.layout.always_available
        there = items >= 0 if always else features.available
        absent, unused = (
            [video for video, has in zip(ids, which, strict=True) if not has] for which in (there, features.available)
        )
        if absent and (always or expert.may_be_missing is False):
            raise InputError(
                f"{path}: {len(absent)} of {len(ids)} videos are missing, first {', '.join(map(repr, absent[:3]))}, "
                f"expected all (or experts.{name}.may_be_missing)"
            )
        if len(unused) == len(ids):
            logger.warning("%s: none of the %s has this expert", path, count_text(len(ids), "video"))
        elif unused and always:
            logger.warning("%s: empty, NaN or zeros for %d of %d videos, first '%s'", path, len(unused), len(ids), unused[0])
        return features

    def captions(self, text_feat: str, text_dim: int, part: str, ids: list[str], **choice: Any) -> Captions:
        """The captions of each video of `part` in `ids`, as word vectors and as text ("" where it is not known).

        Captions without a word are left out.

        Args:
            choice: `fuse` and `most` of `Captions`.

        Raises:
            InputError: a video without captions, an array of the wrong shape, NaN or inf.
        """
        path = self._file(self.layout.text, text_feat, part, "text_feat")
        vectors = self._table(path, CaptionEncoder(text_dim))
        keys = self._caption_keys(ids)
        items = self._items(vectors, part, ids, keys)
        for video, item in zip(ids, items, strict=True):
            if item < 0 or not (vectors.first[item] < vectors.first[item + 1] or item in vectors.problems):
                raise InputError(f"{path}: video '{video}' has no caption, expected at least one")
        _refuse_problems(vectors, items)
        raw_path = self.folder / (self.split.raw_captions or self.layout.raw_captions)
        raw, raw_items = None, None
        if raw_path.exists():
            raw = self._table(raw_path, TextEncoder())
            raw_items = self._items(raw, part, ids, keys)
            _refuse_problems(raw, raw_items)
        chosen = self._chosen_captions(self.layout.parts[part], ids)
        for video, k, item in zip(ids, chosen or (), items, strict=False):
            if k >= (number := vectors.first[item + 1] - vectors.first[item]):
                index = self.folder / self.layout.parts[part].caption_index
                raise InputError(f"{index}: '{video}' is {k}, expected less than its {number} captions in {path.name}")
        return Captions(vectors, items, raw, raw_items, ids, chosen, **choice)

    def texts(self, part: str, ids: list[str]) -> Texts | None:
        """The captions of each video of `part` in `ids` as text alone; None without a file of them.

        Raises:
            InputError: a file that cannot be read, or letters that are none.
        """
        path = self.folder / (self.split.raw_captions or self.layout.raw_captions)
        if not path.exists():
            return None
        table = self._table(path, TextEncoder())
        items = self._items(table, part, ids, self._caption_keys(ids))
        _refuse_problems(table, items)
        return Texts(table, items)

    def _file(self, files: Mapping[str, FileName], name: str, part: str, key: str, expert: Expert | None = None) -> Path:
        """The file that holds `name` for `part`, by what the layout declares."""
        return find_file(self.folder, self._file_name(files, name, part, key, expert))

    def _file_name(self, files: Mapping[str, FileName], name: str, part: str, key: str, expert: Expert | None) -> str:
        """Its name, without a suffix where that is open."""
        try:
            pattern = files[name]
        except KeyError:
            known = ", ".join(sorted(files))
            raise InputError(f"experts.{key}: no '{name}' in {self.layout.name}, expected some of {known}") from None
        pattern = pattern if isinstance(pattern, str) else pattern[part]
        if "{rgb_model_name}" in pattern and self.rgb_model_name is None:
            raise InputError(f"data_loader.args.rgb_model_name: missing, {self.layout.name} has '{pattern}'")
        aggregation = expert.aggregation if expert else None
        return pattern.format(part=part, rgb_model_name=self.rgb_model_name, aggregation=aggregation)

    def _expert_files(self, name: str) -> Mapping[str, FileName]:
        """Expert -> file, with the split's own file for `name` if it has one."""
        own = self.split.experts
        by_model = own.get(f"{name}-{self.rgb_model_name}", own.get(name))
        return self.layout.experts if by_model is None else {name: by_model}

    def _table(self, path: Path, encoder: Encoder) -> FeatureTable:
        """The table of a file, opened once for all parts."""
        key = (path, encoder.tag)
        if key not in self._tables:
            self._tables[key] = open_table(path, encoder, self.cache, self.cache_refusal)
        return self._tables[key]

    def _named(self, part: str, text_feat: str, text_dim: int) -> list[str]:
        """All names of `part`, in their order."""
        if part not in self._lists:
            declared = self.layout.parts[part]
            if declared.ids is None:
                path = self._file(self.layout.text, text_feat, part, "text_feat")
                count = len(self._table(path, CaptionEncoder(text_dim)))
                self._lists[part] = [f"{part}-{row:06d}" for row in range(count)]
            else:
                self._lists[part] = read_list(self.folder / declared.ids, self._short)
        return self._lists[part]

    def _feature_encoder(self, name: str, expert: Expert) -> FeatureEncoder:
        """Return the encoder of expert `name` with the rules of this dataset."""
        return FeatureEncoder(
            expert, zeros_are_missing=name not in self.layout.zeros_are_present, zeros_pad=self.layout.by_row
        )

    def _hide_flagged(self, features: Features, flags: str, part: str, ids: list[str]) -> None:
        """Mark the expert as missing in the videos that the file `flags` says lack it."""
        path = find_file(self.folder, flags)
        missing = read_flags(path, len(self._lists[part]))[[self._row(part)[video] for video in ids]]
        if empty := [video for video, absent in zip(ids, missing | features.available, strict=True) if not absent]:
            logger.warning(
                "%s: %d of %d videos count as present but have no features, first '%s'; they count as missing",
                path,
                len(empty),
                len(ids),
                empty[0],
            )
        features.hide(missing)

    def _row(self, part: str) -> dict[str, int]:
        """Name -> row, where files are by row."""
        return {video: row for row, video in enumerate(self._lists[part])}

    def _short(self, name: str) -> str:
        """Return a video's name as the layout wants it."""
        return name.partition(".")[0] if self.layout.names_end_at_dot else name

    def _items(self, table: FeatureTable, part: str, ids: list[str], keys: Mapping[str, str] | None = None) -> np.ndarray:
        """The item of each video in `table`, -1 where there is none.

        Args:
            keys: other names of the videos, which go first.
        """
        if table.names is None and self.layout.by_row:
            if len(table) != len(self._lists[part]):
                source = self.layout.parts[part].ids or f"the captions of part '{part}'"
                raise InputError(f"{table.source}: {len(table)} rows, expected {len(self._lists[part])}, as in {source}")
            row = self._row(part)
            return np.array([row[video] for video in ids])
        if table.names is None:
            raise InputError(f"{table.source}: found an array by row, expected a dict from video name to array")
        names = [normalize_name(name) for name in table.names]
        item = {self._short(name): i for i, name in enumerate(names)}
        if len(set(names)) < len(names):
            (name, _), *_ = Counter(names).most_common(1)
            raise InputError(f"{table.source}: '{name}' is there twice, expected each video once")
        if len(item) < len(names):
            raise InputError(f"{table.source}: names that differ behind their dot only, expected one per video")
        keys = keys or {}
        return np.array([item.get(keys.get(video, video), item.get(video, -1)) for video in ids])

    def _caption_keys(self, ids: list[str]) -> dict[str, str] | None:
        """Video -> the name its captions go by, if that is another."""
        if self.layout.caption_keys is None:
            return None
        path = find_file(self.folder, self.layout.caption_keys)
        content = read_file(path)
        return {video: str(_entry(path, content, video)) for video in ids}

    def _chosen_captions(self, part: Subset, ids: list[str]) -> list[int] | None:
        """The one caption of each video to be evaluated with, if the part names it."""
        if part.caption_index is None:
            return None
        path = find_file(self.folder, part.caption_index)
        content = read_file(path)
        chosen = [_entry(path, content, video) for video in ids]
        for video, index in zip(ids, chosen, strict=True):
            if not isinstance(index, int | np.integer) or index < 0:
                raise InputError(f"{path}: '{video}' is {index!r}, expected the index of a caption")
        return [int(index) for index in chosen]


def _entry(path: Path, content: Any, video: str) -> Any:
    """What the dict in a file says of a video."""
    if not isinstance(content, Mapping) or video not in content:
        raise InputError(f"{path}: has no '{video}', expected a dict with every video")
    return content[video]


def _has_words(table: FeatureTable, item: int) -> bool:
    """Whether a video has a caption with a word, or one that is to be refused."""
    return item in table.problems or bool(table.lengths[table.first[item] : table.first[item + 1]].any())


def _refuse_problems(table: FeatureTable, items: np.ndarray) -> None:
    """Raise what the conversion found wrong with one of `items`."""
    if table.problems and (bad := sorted(set(items.tolist()) & table.problems.keys())):
        raise InputError(table.problems[bad[0]])
