"""A feature archive on disk: the videos of a split, with their experts and captions, checked when they are opened."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_loader.conversion import CaptionEncoder, Encoder, FeatureEncoder, RawCaptionEncoder
from data_loader.datasets import layout_of
from data_loader.experts import Expert
from data_loader.readers import FEATURE_SUFFIXES, find_file, read_entries, read_file, read_video_list
from data_loader.store import Captions, Features, FeatureTable, RawCaptions, open_table
from utils.errors import InputError, count_text
from utils.names import normalize_name

logger = logging.getLogger(__name__)


class Archive:
    """One split of an archive in the layout of its dataset, `data_loader/datasets/<name>.py`.

    Args:
        data_dir, dataset_name, split_name, rgb_model_name, cache_dir: keys of the config, see `base.schema.DataLoaderArgs`.
        cache_refusal: the reason why no caches may be made (None: they may); existing ones are used in any case.

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
        self.cache_refusal, self.rgb_model_name = cache_refusal, rgb_model_name
        if split_name not in self.layout.splits:
            raise InputError(f"data_loader.args.split_name: '{split_name}', expected one of {', '.join(self.layout.splits)}")
        if not self.folder.is_dir():
            raise InputError(f"{self.folder}: no such folder, expected the feature archive unpacked there")
        self.split = self.layout.splits[split_name]
        self._tables: dict[tuple[Path, str], FeatureTable] = {}
        self._rows: dict[str, dict[str, int]] = {}  # subset -> video -> its row, where files have a row per video

    def video_ids(self, subset: str, text_feat: str, text_dim: int) -> list[str]:
        """Return the videos of a subset, without those that the layout drops because they have no caption.

        Args:
            subset: `split.train` or `split.evaluation`.
            text_feat, text_dim: the word vectors, whose rows number the videos if they have no names.

        Raises:
            InputError: a list that is missing, empty or names a video twice.
        """
        declared = self.layout.subsets[subset]
        if declared.ids is None:
            ids = [f"{subset}-{row:06d}" for row in range(len(self._caption_table(text_feat, text_dim, subset)))]
        else:
            ids = read_video_list(self.folder / declared.ids, self._to_id)
        self._rows[subset] = {video: row for row, video in enumerate(ids)}
        if declared.size not in (None, len(ids)):
            source, number = self.folder / (declared.ids or ""), count_text(len(ids), "video")
            logger.warning("%s: %s in subset '%s', published are %d", source, number, subset, declared.size)
        if not declared.drop_captionless:
            return ids
        kept = self.videos_with_captions(subset, ids, text_feat, text_dim)
        if len(kept) < len(ids):
            path, number = self._caption_table(text_feat, text_dim, subset).source, count_text(len(ids) - len(kept), "video")
            logger.info("%s: left out: %s without a caption", path, number)
        return kept

    def videos_with_captions(self, subset: str, ids: list[str], text_feat: str, text_dim: int) -> list[str]:
        """Return those of `ids` that have a caption with a word, or an invalid one, which is an error when it is used."""
        table = self._caption_table(text_feat, text_dim, subset)
        items = self._items(table, subset, ids, of_captions=True)
        return [
            video
            for video, item in zip(ids, items, strict=True)
            if item in table.problems or any(table.lengths[i] for i in table.sequences(item))
        ]

    def has_expert_file(self, name: str, expert: Expert, subset: str) -> bool:
        """Return whether there is a file of expert `name`."""
        return self._exists(self._file_name(name, subset, expert))

    def has_text_file(self, text_feat: str, subset: str) -> bool:
        """Return whether there is a file of the text features `text_feat`."""
        return self._exists(self._file_name(text_feat, subset))

    def _exists(self, file: str) -> bool:
        return any((self.folder / f"{file}{suffix}").exists() for suffix in ("", *FEATURE_SUFFIXES))

    def videos_with_expert(self, name: str, expert: Expert) -> list[str]:
        """Return the videos in the file of an expert, in its order; none if the file is an array."""
        table = self._feature_table(name, expert, next(iter(self.layout.subsets)))
        return [normalize_name(video) for video in table.names or ()]

    def warn_of_overlap(self, evaluation_ids: Sequence[str]) -> None:
        """Log a warning if videos, which have to have names, are used for both training and evaluation."""
        train, evaluation = (self.layout.subsets[subset].ids for subset in (self.split.train, self.split.evaluation))
        if train is None or not (self.folder / train).exists():
            return
        if both := sorted(set(read_video_list(self.folder / train, self._to_id)) & set(evaluation_ids)):
            number = count_text(len(both), "video")
            logger.warning("%s: %s in both %s and %s, first '%s'", self.folder, number, train, evaluation, both[0])

    def features(self, name: str, expert: Expert, subset: str, ids: list[str]) -> Features:
        """Return expert `name` of the videos `ids` of a subset.

        An expert is missing if the file does not have the video, by its value (`FeatureEncoder`), or by a file of flags:
        `misc/docs/missing-experts.md` lists the rules per dataset. If the dataset has the expert for every video, a video
        that the file does not have is an error, and any other missing value is a warning.

        Raises:
            InputError: an array of the wrong shape or type, NaN or inf, or an expert is missing that may not be.
        """
        table = self._feature_table(name, expert, subset)
        items = self._items(table, subset, ids)
        table.raise_problem(items)
        features = Features(table, items, sequential=expert.aggregation == "vlad")
        if flags := self.layout.subsets[subset].missing.get(name):
            self._apply_flags(features, find_file(self.folder, flags), subset, ids)
        always = expert.may_be_missing is None and name in self.layout.always_available
        missing = [video for video, has in zip(ids, features.available, strict=True) if not has]
        refused = [video for video, item in zip(ids, items, strict=True) if item < 0] if always else missing
        if refused and (always or expert.may_be_missing is False):
            raise InputError(
                f"{table.source}: {len(refused)} of {len(ids)} videos are missing, "
                f"first {', '.join(map(repr, refused[:3]))}, expected all (or experts.{name}.may_be_missing)"
            )
        if len(missing) == len(ids):
            logger.warning("%s: none of the %s has this expert", table.source, count_text(len(ids), "video"))
        elif missing and always:
            counts = f"{len(missing)} of {len(ids)} videos"
            logger.warning("%s: empty, NaN or zeros for %s, first '%s'", table.source, counts, missing[0])
        return features

    def captions(self, text_feat: str, text_dim: int, subset: str, ids: list[str], **options: Any) -> Captions:
        """Return the captions of the videos `ids` of a subset, as word vectors and as text.

        Args:
            options: `fuse` and `max_captions` of `Captions`.

        Raises:
            InputError: a video without captions, an array of the wrong shape, NaN or inf.
        """
        vectors = self._caption_table(text_feat, text_dim, subset)
        items = self._items(vectors, subset, ids, of_captions=True)
        counts = [len(vectors.sequences(item)) for item in items]
        for video, item, count in zip(ids, items, counts, strict=True):
            if not count and item not in vectors.problems:
                raise InputError(f"{vectors.source}: video '{video}' has no caption, expected at least one")
        vectors.raise_problem(items)
        chosen = None
        if file := self.layout.subsets[subset].caption_index:
            index = find_file(self.folder, file)
            chosen = read_entries(index, ids)
            for video, position, count in zip(ids, chosen, counts, strict=True):
                if not isinstance(position, int | np.integer) or position < 0:
                    raise InputError(f"{index}: '{video}' is {position!r}, expected the index of a caption")
                if position >= count:
                    expected = f"expected less than its {count} captions in {vectors.source.name}"
                    raise InputError(f"{index}: '{video}' is {position}, {expected}")
        return Captions(vectors, items, self.texts(subset, ids), ids, chosen, **options)

    def texts(self, subset: str, ids: list[str]) -> RawCaptions | None:
        """Return the captions of the videos `ids` of a subset as text, None if there is no file of them.

        Raises:
            InputError: a file that cannot be read, or invalid letters.
        """
        path = self.folder / (self.split.raw_captions or self.layout.raw_captions)
        if not path.exists():
            return None
        table = self._table(path, RawCaptionEncoder())
        items = self._items(table, subset, ids, of_captions=True)
        table.raise_problem(items)
        return RawCaptions(table, items)

    def _file_name(self, name: str, subset: str, expert: Expert | None = None) -> str:
        """Return the name of the file of an expert, or of text features, without a suffix if the layout declares none."""
        files, key = (self.layout.text, "text_feat") if expert is None else (self.layout.experts, "modalities")
        own = {} if expert is None else self.split.experts
        try:
            pattern = own.get(f"{name}-{self.rgb_model_name}") or own.get(name) or files[name]
        except KeyError:
            known = ", ".join(sorted(files))
            raise InputError(f"experts.{key}: no '{name}' in {self.layout.name}, expected some of {known}") from None
        pattern = pattern if isinstance(pattern, str) else pattern[subset]
        if "{rgb_model_name}" in pattern and self.rgb_model_name is None:
            raise InputError(f"data_loader.args.rgb_model_name: missing, {self.layout.name} has '{pattern}'")
        aggregation = expert.aggregation if expert else None
        return pattern.format(subset=subset, rgb_model_name=self.rgb_model_name, aggregation=aggregation)

    def _feature_table(self, name: str, expert: Expert, subset: str) -> FeatureTable:
        """Return the table of an expert, by the rules of the dataset."""
        encoder = FeatureEncoder(expert, name not in self.layout.zeros_are_present, zeros_pad=self.layout.by_row)
        return self._table(find_file(self.folder, self._file_name(name, subset, expert)), encoder)

    def _caption_table(self, text_feat: str, text_dim: int, subset: str) -> FeatureTable:
        return self._table(find_file(self.folder, self._file_name(text_feat, subset)), CaptionEncoder(text_dim))

    def _table(self, path: Path, encoder: Encoder) -> FeatureTable:
        """Return the table of a file, which is opened only once."""
        key = (path, encoder.tag)
        if key not in self._tables:
            self._tables[key] = open_table(path, encoder, self.cache, self.cache_refusal)
        return self._tables[key]

    def _apply_flags(self, features: Features, path: Path, subset: str, ids: list[str]) -> None:
        """Mark an expert as missing in the videos that a file flags, which has 0 or 1 (missing) for each row."""
        content, rows, expected = read_file(path), self._rows[subset], "expected 0 or 1 (missing) for each video"
        if not isinstance(content, np.ndarray) or content.dtype.kind not in "biuf":
            raise InputError(f"{path}: found no array of numbers, {expected}")
        if content.size != len(rows):
            raise InputError(f"{path}: {content.size} rows, expected {len(rows)}, one per video")
        if invalid := [flag for flag in content.ravel().tolist() if flag not in (0, 1)]:
            raise InputError(f"{path}: found {invalid[0]!r}, {expected}")
        flags = content.ravel().astype(bool)[[rows[video] for video in ids]]
        if empty := [video for video, has in zip(ids, flags | features.available, strict=True) if not has]:
            problem = f"{len(empty)} of {len(ids)} videos count as present but have no features, first '{empty[0]}'"
            logger.warning("%s: %s; they count as missing", path, problem)
        features.available &= ~flags

    def _to_id(self, name: str) -> str:
        """Return the name of a video, up to its first dot if names end there."""
        return name.partition(".")[0] if self.layout.names_end_at_dot else name

    def _items(self, table: FeatureTable, subset: str, ids: list[str], of_captions: bool = False) -> np.ndarray:
        """Return the item of each video in the table of an expert or of captions, (V,), -1 where it has none."""
        if table.names is None:
            if not self.layout.by_row:
                raise InputError(f"{table.source}: found an array by row, expected a dict from video name to array")
            rows = self._rows[subset]
            if len(table) != len(rows):
                source = self.layout.subsets[subset].ids or f"the captions of subset '{subset}'"
                raise InputError(f"{table.source}: {len(table)} rows, expected {len(rows)}, as in {source}")
            return np.array([rows[video] for video in ids])
        in_table = [normalize_name(name) for name in table.names]
        item = {self._to_id(name): i for i, name in enumerate(in_table)}
        if len(set(in_table)) < len(in_table):
            (name, _), *_ = Counter(in_table).most_common(1)
            raise InputError(f"{table.source}: '{name}' is there twice, expected each video once")
        if len(item) < len(in_table):
            raise InputError(f"{table.source}: names that differ only after their dot, expected one per video")
        names = ids
        if of_captions and self.layout.caption_keys:  # videos may have other names there
            names = map(str, read_entries(find_file(self.folder, self.layout.caption_keys), ids))
        return np.array([item.get(name, item.get(video, -1)) for name, video in zip(names, ids, strict=True)])
