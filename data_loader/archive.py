"""A feature archive on disk, in the layout of a dataset of one's own, checked as it is read.

`<data_dir>/symlinked-feats/` holds one `<expert>.pickle` (or `.pkl`, `.npy`, `.h5`) an expert: a dict from video name to
array, missing videos absent; `text-<text_feat>.pickle`: video name -> list of (words, dim) arrays; `raw-captions.pkl`:
video name -> list of word lists; and the lists of video names of the splits.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data_loader.experts import Expert
from data_loader.feature_files import find_file, read_file
from utils.errors import InputError

# `split_name` -> the lists to train on and to evaluate on.
SPLITS = {"val": ("train_list.txt", "val_list.txt"), "test": ("train_list.txt", "test_list.txt")}

logger = logging.getLogger(__name__)


class Archive:
    """Reads the parts of one archive.

    Args:
        data_dir: the folder that holds `symlinked-feats`.
    """

    def __init__(self, data_dir: str | Path):
        self.folder = Path(data_dir) / "symlinked-feats"
        if not self.folder.is_dir():
            raise InputError(f"{self.folder}: no such folder, expected the feature archive unpacked there")
        self._contents: dict[Path, Any] = {}

    def video_ids(self, split_name: str) -> tuple[list[str], list[str]]:
        """The videos to train on and those to evaluate on.

        Raises:
            InputError: an unknown split, or a list that is missing, empty or names a video twice.
        """
        if split_name not in SPLITS:
            raise InputError(f"data_loader.args.split_name: '{split_name}', expected one of {', '.join(SPLITS)}")
        train, evaluation = (self._read_list(name) for name in SPLITS[split_name])
        if both := sorted(set(train) & set(evaluation)):
            names = " and ".join(SPLITS[split_name])
            logger.warning("%s: %d videos are in both %s, first '%s'", self.folder, len(both), names, both[0])
        return train, evaluation

    def features(self, name: str, expert: Expert, ids: list[str]) -> list[np.ndarray | None]:
        """Expert `name` of each video: (T, dim) float32 if the model aggregates it, (dim,) if not, None where missing.

        An expert is missing when a video is absent from the file, its array is empty, its first value is NaN or, for the
        experts of which that is true, all its values are zero.

        Raises:
            InputError: an array of the wrong shape or kind, NaN or inf in one that is present, or a missing one that may not
                be.
        """
        path = find_file(self.folder, name)
        arrays = self._read(path)
        if not isinstance(arrays, Mapping):
            raise InputError(f"{path}: found a {type(arrays).__name__}, expected a dict from video name to array")
        features = [
            _checked(path, video, arrays[video], expert) if video in arrays else None  # not .get: an HDF5 has many
            for video in ids
        ]
        missing = [video for video, feature in zip(ids, features, strict=True) if feature is None]
        if len(missing) == len(ids):
            logger.warning("%s: none of the %d videos has this expert", path, len(ids))
        if missing and not expert.may_be_missing:
            raise InputError(
                f"{path}: {len(missing)} of {len(ids)} videos are missing, first {', '.join(map(repr, missing[:3]))}, "
                f"expected all (or experts.{name}.may_be_missing)"
            )
        return features

    def captions(self, text_feat: str, text_dim: int, ids: list[str]) -> tuple[list[list[np.ndarray]], list[list[str]]]:
        """Of each video, its captions as word vectors, (words, text_dim) float32, and as text ("" where it is not known).

        Captions without a word are left out.

        Raises:
            InputError: a video without captions, an array of the wrong shape, NaN or inf, or captions and texts that differ
                in number.
        """
        path = find_file(self.folder, f"text-{text_feat}")
        vectors = self._read(path)
        raw_path = self.folder / "raw-captions.pkl"
        raw = self._read(raw_path) if raw_path.exists() else {}
        for source, content in ((path, vectors), (raw_path, raw)):
            if not isinstance(content, Mapping):
                raise InputError(f"{source}: found a {type(content).__name__}, expected a dict from video name to captions")
        as_vectors, as_text, left_out = [], [], 0
        for video in ids:
            captions = _listed(path, video, vectors.get(video, []))
            if not captions:
                raise InputError(f"{path}: video '{video}' has no caption, expected at least one")
            words = [_caption(path, f"caption {k} of '{video}'", x, text_dim) for k, x in enumerate(captions)]
            texts = [
                _text(raw_path, video, caption) for caption in _listed(raw_path, video, raw.get(video, [""] * len(words)))
            ]
            if len(texts) != len(words):
                raise InputError(
                    f"{raw_path}: video '{video}' has {len(texts)} captions, expected {len(words)} as in {path.name}"
                )
            kept = [k for k, caption in enumerate(words) if len(caption)]
            if not kept:
                raise InputError(f"{path}: no caption of video '{video}' has a word, expected at least one")
            left_out += len(words) - len(kept)
            as_vectors.append([words[k] for k in kept])
            as_text.append([texts[k] for k in kept])
        if left_out:
            logger.warning("%s: %d captions without a word are left out", path, left_out)
        return as_vectors, as_text

    def _read(self, path: Path) -> Any:
        """The content of a file, read once for all splits."""
        if path not in self._contents:
            self._contents[path] = read_file(path)
        return self._contents[path]

    def _read_list(self, name: str) -> list[str]:
        """The video names in a split list, one a line."""
        path = self.folder / name
        try:
            ids = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        except FileNotFoundError:
            raise InputError(f"{path}: not found, expected a list of video names, one a line") from None
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not UTF-8 text ({error.reason})") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}), expected a list of video names") from None
        if not ids:
            raise InputError(f"{path}: no video, expected at least one name")
        (video, count), *_ = Counter(ids).most_common(1)
        if count > 1:
            raise InputError(f"{path}: '{video}' is there {count} times, expected once")
        return ids


def _checked(path: Path, video: str, value: Any, expert: Expert) -> np.ndarray | None:
    """One video's features, aggregated over time unless the model does that, or None if they are missing."""
    x = _array(path, f"'{video}'", value, f"(T, {expert.dim})")
    if x.size == 0 and x.dtype != object:
        return None
    if x.ndim == 1:
        x = x[None]
    if not np.issubdtype(x.dtype, np.number) or np.iscomplexobj(x) or x.ndim != 2:
        raise InputError(f"{path}: '{video}' is {x.dtype} of shape {x.shape}, expected numbers of shape (T, {expert.dim})")
    if np.isnan(x[0, 0]):
        return None
    if x.shape[1] != expert.dim:
        raise InputError(f"{path}: '{video}' has dimension {x.shape[1]}, expected {expert.dim}")
    if expert.kind == "vector" and len(x) > 1:
        raise InputError(f"{path}: '{video}' has {len(x)} rows, expected one: its kind is vector (or is it a sequence?)")
    x = _finite_float32(path, f"'{video}'", x)
    if expert.zeros_are_missing and not x.any():
        return None
    if expert.aggregation == "vlad":
        return x
    return x.max(axis=0) if expert.aggregation == "max" else x.mean(axis=0)


def _caption(path: Path, item: str, value: Any, text_dim: int) -> np.ndarray:
    """One caption's word vectors."""
    x = _array(path, item, value, f"(words, {text_dim})")
    if x.size == 0 and x.dtype != object:
        return np.zeros((0, text_dim), dtype=np.float32)
    if not np.issubdtype(x.dtype, np.floating) or x.ndim != 2 or x.shape[1] != text_dim:
        raise InputError(f"{path}: {item} is {x.dtype} of shape {x.shape}, expected floats of shape (words, {text_dim})")
    return _finite_float32(path, item, x)


def _finite_float32(path: Path, item: str, x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
    if not np.isfinite(x).all():
        raise InputError(f"{path}: {item} holds NaN or inf (as float32), expected finite numbers")
    return x


def _array(path: Path, item: str, value: Any, shape: str) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError:
        raise InputError(f"{path}: {item} has rows of different lengths, expected numbers of shape {shape}") from None


def _listed(path: Path, video: str, captions: Any) -> list:
    """The captions of a video as a list."""
    if not isinstance(captions, list | tuple) and not (isinstance(captions, np.ndarray) and captions.ndim):
        raise InputError(f"{path}: '{video}' is a {type(captions).__name__}, expected a list of captions")
    return list(captions)


def _text(path: Path, video: str, caption: Any) -> str:
    """A caption as text, from a list of words or a string."""
    if isinstance(caption, str):
        return caption
    return " ".join(map(str, _listed(path, video, caption)))
