"""The embeddings that trained models give the training videos, to teach another model (Croitoru et al., ICCV 2021)."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data_loader.readers import read_entries
from utils.errors import InputError
from utils.progress import bar


class Teachers:
    """Embeddings from the files of N teachers, in the format of the corrected release.

    A file is a pickle: video -> {"vid_embds": {expert: vector}, "text_embds": {expert: one vector per caption}}. The experts
    and dimensions of a teacher are its own. The embeddings are kept in memory, as float32.

    Args:
        paths: the files.
        ids: the names of the training videos.
        num_captions: the number of captions of each video in the file of captions, of which a teacher may have more.
        to_id: a function that turns a name in a file into the name of a video.

    Raises:
        InputError: a file that cannot be read, without a video or a caption, or with vectors that do not fit together.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        ids: Sequence[str],
        num_captions: Sequence[int],
        to_id: Callable[[str], str] = str,
    ):
        self.rows = {video: row for row, video in enumerate(ids)}
        self.first = np.concatenate([[0], np.cumsum(num_captions)])  # of the captions of each video
        self.teachers = []
        for path in bar(paths, "reading teachers"):
            self.teachers.append(_read(path, list(ids), list(num_captions), to_id))

    def similarities(self, batch: Mapping[str, Any]) -> Tensor:
        """Return the mean over teachers of sum_i <text_i, video_i> for a batch of B videos with one caption each, (B, B)."""
        videos = [self.rows[video] for video in batch["ids"]]
        texts = self.first[videos] + np.array([position for (position,) in batch["caption_positions"]])
        total = sum(text[texts] @ video[videos].T for text, video in self.teachers)
        return torch.from_numpy(total / len(self.teachers))


def _read(path: Path, ids: list[str], num_captions: list[int], to_id: Callable[[str], str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the embeddings of all captions, (sum of num_captions, E), and of all videos, (V, E), of a teacher.

    The vectors of its experts are side by side, so that one product sums over experts.
    """
    entries = read_entries(path, ids, to_id)
    experts = sorted(_part(path, ids[0], entries[0], "vid_embds"))
    texts, videos = [], []
    for video, entry, count in zip(ids, entries, num_captions, strict=True):
        parts = {key: _part(path, video, entry, key) for key in ("vid_embds", "text_embds")}
        for key, part in parts.items():
            if sorted(part) != experts:
                found = ", ".join(map(str, sorted(part))) or "none"
                raise InputError(f"{path}: '{video}' has {key} of {found}, expected {', '.join(map(str, experts))}")
        vectors = [_vectors(path, video, name, parts["vid_embds"][name]) for name in experts]
        captions = [_vectors(path, video, name, parts["text_embds"][name], count) for name in experts]
        if [x.shape[1] for x in vectors] != [x.shape[1] for x in captions]:
            raise InputError(f"{path}: '{video}' has vectors of text and video of different widths, expected the same")
        videos.append(np.concatenate(vectors, axis=1))
        texts.append(np.concatenate(captions, axis=1))
        if videos[-1].shape[1] != videos[0].shape[1]:
            found, expected = videos[-1].shape[1], videos[0].shape[1]
            raise InputError(f"{path}: '{video}' has {found} numbers, expected {expected} as '{ids[0]}'")
    return np.concatenate(texts), np.concatenate(videos)


def _part(path: Path, video: str, entry: Any, key: str) -> Mapping:
    """Return the vectors by expert of one entry of a file."""
    part = entry.get(key) if isinstance(entry, Mapping) else None
    if not isinstance(part, Mapping):
        raise InputError(f"{path}: '{video}' has no {key}, expected a dict from expert to vectors")
    return part


def _vectors(path: Path, video: str, expert: str, value: Any, count: int = 1) -> np.ndarray:
    """Return the first `count` of the vectors in a file, (count, d) float32."""
    try:
        x = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError):
        x = np.empty((0, 1), dtype=np.float32)
    x = np.atleast_2d(x)[:count]
    if len(x) < count or x.ndim != 2 or not x.size:
        raise InputError(f"{path}: '{video}' has {len(x)} vectors of '{expert}', expected {count}, one per caption or video")
    if not np.isfinite(x).all():
        raise InputError(f"{path}: '{video}' has NaN or inf in '{expert}', expected numbers")
    return x
