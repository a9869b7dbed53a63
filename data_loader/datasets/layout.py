"""The declaration of a dataset: its files, its splits, and the archive to download."""

import dataclasses
from collections.abc import Mapping
from typing import TypeAlias

from data_loader.text_encoders import TEXT_DIMS

# A file name below the folder of features, or one per subset. {subset}, {aggregation} (`Expert.aggregation`:
# `feat_aggregation`, else `experts.<name>.aggregation`, else that in `EXPERTS`) and {rgb_model_name} in it are replaced.
# Without a suffix it is any file of that stem that can be read.
FileName: TypeAlias = str | Mapping[str, str]

# The features of captions in the corrected release.
TEXT_FOLDER = "aggregated_text_feats"
TEACHERS = "teachers/"  # in the folder of the features, with the files of `misc/make_teacher.py`


@dataclasses.dataclass(frozen=True)
class Subset:
    """Videos that are used together, for training or for evaluation.

    Attributes:
        ids: the file that lists the videos, one name per line (None: videos have no names, and are numbered).
        size: the published number of videos (None: not published).
        caption_index: a file with the index of the only caption of each video (None: all captions are used).
        missing: expert -> a file with an array by row, 1 = the expert is missing.
        drop_captionless: whether to leave out videos without a caption, as published; otherwise they are an error.
    """

    ids: str | None
    size: int | None = None
    caption_index: str | None = None
    missing: Mapping[str, str] = dataclasses.field(default_factory=dict)
    drop_captionless: bool = False


@dataclasses.dataclass(frozen=True)
class Split:
    """The subsets and files that a value of `split_name` stands for.

    Attributes:
        train, evaluation: the names of the subsets to train on and to evaluate.
        experts: expert -> file, where it differs from that of the layout; "rgb-<rgb_model_name>" is only for that network.
        raw_captions: the file of raw captions, if it differs from that of the layout.
    """

    train: str
    evaluation: str
    experts: Mapping[str, FileName] = dataclasses.field(default_factory=dict)
    raw_captions: str | None = None


@dataclasses.dataclass(frozen=True)
class Download:
    """The archive of features to download, `<folder>-experts.tar.gz` on the server.

    Attributes:
        size: the approximate size in bytes, as published (None: not published).
        sha1: the checksums of all published versions (none: not published).
        other_names: names that may replace `Layout.folder` on the server and in the archive.
        needs_access_code: whether the name on the server depends on a code that only holders of a license get.
    """

    size: int | None
    sha1: tuple[str, ...]
    other_names: tuple[str, ...] = ()
    needs_access_code: bool = False


@dataclasses.dataclass(frozen=True)
class Layout:
    """The files of a dataset's archive.

    Attributes:
        name: the `data_loader.args.dataset_name` in configs.
        folder: the folder below `data`.
        subsets, splits: the subsets and splits by name.
        experts: expert -> file.
        text: `text_feat` -> file of the captions as word vectors.
        raw_captions: the file of the captions as words, which may not exist.
        always_available: experts whose files have every video; a video without them is an error, unless `may_be_missing`.
        zeros_are_present: experts of which zeros and empty sequences are values, as published; for others they mean that the
            expert is missing.
        by_row: whether files hold an array with a row per video, in the order of the subset, not a dict; sequences in it may
            be padded with frames of zeros.
        names_end_at_dot: whether names of videos end at their first dot, before the suffix of a file.
        caption_keys: a file, video -> its name in files of captions that go by other names (None: none does).
        download: the archive of the 2019 release on the server (None: not published).
        release: the release whose archives have these files, "2019" or "2020" (the corrected one).
        alternatives: file -> its name in those archives that call it differently; its use is logged as a warning.
        downloads: the archives of the corrected release on the server, "features-v2" and "high-quality".
    """

    name: str
    folder: str
    subsets: Mapping[str, Subset]
    splits: Mapping[str, Split]
    experts: Mapping[str, FileName]
    text: Mapping[str, FileName]
    raw_captions: str = "raw-captions.pkl"
    always_available: tuple[str, ...] = ("flow", "rgb", "scene")
    zeros_are_present: tuple[str, ...] = ()
    by_row: bool = False
    names_end_at_dot: bool = False
    caption_keys: str | None = None
    download: Download | None = None
    release: str = "2019"
    alternatives: Mapping[str, str] = dataclasses.field(default_factory=dict)
    downloads: Mapping[str, Download] = dataclasses.field(default_factory=dict)


def corrected_text(**special: FileName) -> dict[str, FileName]:
    """Return `Layout.text` of the corrected release.

    Args:
        special: `text_feat` -> its file below `TEXT_FOLDER`, for those that are not in `<text_feat>.pkl`.
    """
    files: dict[str, FileName] = {name: f"{TEXT_FOLDER}/{name}.pkl" for name in TEXT_DIMS}
    for name, file in special.items():
        by_subset = isinstance(file, Mapping)
        files[name] = {k: f"{TEXT_FOLDER}/{x}" for k, x in file.items()} if by_subset else f"{TEXT_FOLDER}/{file}"
    return files


def gib(size: float) -> int:
    """Return the bytes of `size` GiB."""
    return int(size * 2**30)
