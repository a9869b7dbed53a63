"""A feature archive on disk: the videos of a split, with their experts and captions, checked when they are opened."""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from data_loader.conversion import CaptionEncoder, Encoder, FeatureEncoder, RawCaptionEncoder
from data_loader.datasets import RELEASE_TEXTS, layout_of, release_of
from data_loader.experts import Expert
from data_loader.readers import FEATURE_SUFFIXES, find_file, read_entries, read_file, read_video_list
from data_loader.store import Captions, Features, FeatureTable, RawCaptions, open_table
from utils.errors import InputError, count_text
from utils.names import normalize_name

# The folders of features below `data_dir`, which `misc/sync_experts.py` makes, and the releases of their archives.
FEATURE_FOLDERS = {"symlinked-feats": "2019", "structured-symlinks": "2020", "high-quality/structured-symlinks": "2020"}

# The experts and text features that only the archives features-v2 have.
NOT_IN_HIGH_QUALITY = re.compile(r"face|ocr|i3d\..*|openai")

logger = logging.getLogger(__name__)


class Archive:
    """One split of an archive in the layout of its dataset, `data_loader/datasets/<name>.py`.

    Args:
        data_dir, dataset_name, split_name, rgb_model_name, cache_dir: keys of the config, see `base.schema.DataLoaderArgs`.
        cache_refusal: the reason why no caches may be made (None: they may); existing ones are used in any case.
        root_feat_folder: the folder of features below `data_dir` of an archive of the corrected release, where only the
            float NaN, or no entry at all, means that an expert is missing (None: an archive of the 2019 release).

    Raises:
        InputError: no such folder, an unknown split, or a dataset that the release does not have.
    """

    def __init__(
        self,
        data_dir: str | Path,
        dataset_name: str,
        split_name: str,
        rgb_model_name: str | None = None,
        cache_dir: str | Path | None = None,
        cache_refusal: str | None = None,
        root_feat_folder: str | None = None,
    ):
        self.release = release_of(root_feat_folder)
        self.layout = layout_of(dataset_name, self.release)
        self.folder = Path(data_dir) / ("symlinked-feats" if root_feat_folder is None else root_feat_folder)
        self.cache = Path(cache_dir or Path(data_dir) / "cache") / (root_feat_folder or "")
        self.cache_refusal, self.rgb_model_name = cache_refusal, rgb_model_name
        relative = PurePath(root_feat_folder or "")
        if relative.is_absolute() or ".." in relative.parts:
            key = "data_loader.args.root_feat_folder"
            raise InputError(f"{key}: '{root_feat_folder}' leads out of {data_dir}, expected a folder in it")
        if split_name not in self.layout.splits:
            raise InputError(f"data_loader.args.split_name: '{split_name}', expected one of {', '.join(self.layout.splits)}")
        if not self.folder.is_dir():
            raise InputError(f"{self.folder}: no such folder, {self._describe_other_folders(Path(data_dir))}")
        self.split = self.layout.splits[split_name]
        self._tables: dict[tuple[Path, str], FeatureTable] = {}
        self._rows: dict[str, dict[str, int]] = {}  # subset -> video -> its row, where files have a row per video
        self._renamed: set[str] = set()  # files that were found under another name, which was logged

    @property
    def captions_path(self) -> Path:
        """The file of captions as text, which need not exist."""
        return self.folder / (self.split.raw_captions or self.layout.raw_captions)

    def _describe_other_folders(self, data_dir: Path) -> str:
        """Return what was expected in place of a folder that is absent, and which archives there are instead."""
        others = [name for name in FEATURE_FOLDERS if (data_dir / name).is_dir()]
        if not others:
            return "expected the feature archive unpacked there"
        if releases := sorted({FEATURE_FOLDERS[name] for name in others} - {self.release}):
            wanted, found = RELEASE_TEXTS[self.release], RELEASE_TEXTS[releases[0]]
            return f"the config is of {wanted}, {data_dir / others[0]} of {found}"
        return f"expected data_loader.args.root_feat_folder to be {' or '.join(others)}, which is there"

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
            ids = read_video_list(self.folder / declared.ids, self.to_id)
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
        names = [file, self.layout.alternatives.get(file, file)]
        return any((self.folder / f"{name}{suffix}").exists() for name in names for suffix in ("", *FEATURE_SUFFIXES))

    def videos_with_expert(self, name: str, expert: Expert) -> list[str]:
        """Return the videos in the file of an expert, in its order; none if the file is an array."""
        table = self._feature_table(name, expert, next(iter(self.layout.subsets)))
        return [normalize_name(video) for video in table.names or ()]

    def warn_of_overlap(self, evaluation_ids: Sequence[str]) -> None:
        """Log a warning if videos, which have to have names, are used for both training and evaluation."""
        train, evaluation = (self.layout.subsets[subset].ids for subset in (self.split.train, self.split.evaluation))
        if train is None or not (self.folder / train).exists():
            return
        if both := sorted(set(read_video_list(self.folder / train, self.to_id)) & set(evaluation_ids)):
            number = count_text(len(both), "video")
            logger.warning("%s: %s in both %s and %s, first '%s'", self.folder, number, train, evaluation, both[0])

    def features(self, name: str, expert: Expert, subset: str, ids: list[str]) -> Features:
        """Return expert `name` of the videos `ids` of a subset.

        An expert is missing if the file does not have the video, by its value (`FeatureEncoder`), or by a file of flags:
        `misc/docs/missing-experts.md` lists the rules per dataset. If the dataset has the expert for every video, a video
        that the file does not have is an error, and any other missing value is a warning. The corrected release trained on
        zeros where an expert is missing that its configs do not mark as `flaky`; here it is missing, with a warning.

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
        elif missing and self.layout.release == "2020" and expert.may_be_missing is None and subset == self.split.train:
            counts = f"{len(missing)} of {len(ids)} videos, first '{missing[0]}'"
            text = "%s: missing for %s, though it is not flaky; it counts as missing (the release trained on zeros)"
            logger.warning(text, table.source, counts)
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
        chosen: list[Any] | None = None
        file = self.layout.subsets[subset].caption_index
        if file and self.release == "2020" and not self._exists(file):
            text = "%s: not found (the 2019 archive has it, features-v2 lacks it); the first caption of each video is used"
            logger.warning(text, self.folder / file)
            chosen = [0] * len(ids)
        elif file:
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
        if not self.captions_path.exists():
            return None
        table = self._table(self.captions_path, RawCaptionEncoder())
        items = self._items(table, subset, ids, of_captions=True)
        table.raise_problem(items)
        return RawCaptions(table, items)

    def _file_name(self, name: str, subset: str, expert: Expert | None = None) -> str:
        """Return the name of the file of an expert, or of text features, without a suffix if the layout declares none."""
        if expert is not None and expert.file is not None:
            return expert.file
        files, key = (self.layout.text, "text_feat") if expert is None else (self.layout.experts, "modalities")
        own = {} if expert is None else self.split.experts
        try:
            pattern = own.get(f"{name}-{self.rgb_model_name}") or own.get(name) or files[name]
        except KeyError:
            known = ", ".join(sorted(files))
            raise InputError(f"experts.{key}: no '{name}' in {self.layout.name}, expected some of {known}") from None
        if not isinstance(pattern, str):
            if subset not in pattern:
                where = f"'{subset}' in {self.layout.name}"
                raise InputError(f"experts.{key}: '{name}' has no file for {where}, only for {', '.join(pattern)}")
            pattern = pattern[subset]
        if "{rgb_model_name}" in pattern and self.rgb_model_name is None:
            raise InputError(f"data_loader.args.rgb_model_name: missing, {self.layout.name} has '{pattern}'")
        aggregation = expert.aggregation if expert else None
        return pattern.format(subset=subset, rgb_model_name=self.rgb_model_name, aggregation=aggregation)

    def _feature_table(self, name: str, expert: Expert, subset: str) -> FeatureTable:
        """Return the table of an expert, by the rules of the dataset."""
        encoder = FeatureEncoder(
            expert,
            zeros_are_missing=name not in self.layout.zeros_are_present,
            zeros_pad=self.layout.by_row,
            only_nan_is_missing=self.release == "2020",
        )
        return self._table(self._find(self._file_name(name, subset, expert), name), encoder)

    def _caption_table(self, text_feat: str, text_dim: int, subset: str) -> FeatureTable:
        return self._table(self._find(self._file_name(text_feat, subset), text_feat), CaptionEncoder(text_dim))

    def _find(self, file: str, name: str) -> Path:
        """Return the path of a file of the expert or text features `name`, which some archives call differently."""
        other = self.layout.alternatives.get(file)
        if other and not (self.folder / file).exists() and (self.folder / other).exists():
            if file not in self._renamed:
                logger.warning("%s: not found, %s is used instead", self.folder / file, other)
                self._renamed.add(file)
            file = other
        high_quality = self.release == "2020" and self.folder.parent.name == "high-quality"
        if high_quality and NOT_IN_HIGH_QUALITY.fullmatch(name) and not self._exists(file):
            raise InputError(
                f"{self.folder / file}: not found, the high-quality archives have no '{name}'; features-v2 has, in "
                "data_loader.args.root_feat_folder structured-symlinks (misc/sync_experts.py --release features-v2)"
            )
        if self.release == "2020" and self.layout.name and not high_quality and not self._exists(file):
            raise InputError(
                f"{self.folder / file}: not found, expected it in the archive (misc/sync_experts.py), or in that of "
                "--release high-quality, with data_loader.args.root_feat_folder high-quality/structured-symlinks"
            )
        return find_file(self.folder, file)

    def _table(self, path: Path, encoder: Encoder) -> FeatureTable:
        """Return the table of a file, which is opened only once."""
        key = (path, encoder.tag)
        if key not in self._tables:
            folder = self.cache / path.parent.relative_to(self.folder)
            self._tables[key] = open_table(path, encoder, folder, self.cache_refusal)
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

    def to_id(self, name: str) -> str:
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
        item = {self.to_id(name): i for i, name in enumerate(in_table)}
        if len(set(in_table)) < len(in_table):
            (name, _), *_ = Counter(in_table).most_common(1)
            raise InputError(f"{table.source}: '{name}' is there twice, expected each video once")
        if len(item) < len(in_table):
            raise InputError(f"{table.source}: names that differ only after their dot, expected one per video")
        names = ids
        if of_captions and self.layout.caption_keys and not item.keys() >= set(ids):  # videos may have other names there
            names = map(str, read_entries(find_file(self.folder, self.layout.caption_keys), ids))
        return np.array([item.get(name, item.get(video, -1)) for name, video in zip(names, ids, strict=True)])
