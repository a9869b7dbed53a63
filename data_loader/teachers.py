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
    and dimensions of a teacher are its own. An expert that a video lacks, or whose vector is NaN, adds nothing to the
    similarity. The embeddings are kept in memory, as float32.

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
        self.teachers = [_read(path, list(ids), list(num_captions), to_id) for path in bar(list(paths), "reading teachers")]

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
    parts = {
        key: [_part(path, video, entry, key) for video, entry in zip(ids, entries, strict=True)]
        for key in ("vid_embds", "text_embds")
    }
    experts = sorted(parts["text_embds"][0])
    widths: dict[str, int] = {}
    texts, videos = [], []
    for video, text, vectors, count in zip(ids, parts["text_embds"], parts["vid_embds"], num_captions, strict=True):
        if sorted(text) != experts or not vectors.keys() <= set(experts):
            found = f"text_embds of {', '.join(sorted(text))} and vid_embds of {', '.join(sorted(vectors))}"
            raise InputError(f"{path}: '{video}' has {found}, expected {', '.join(experts)} as '{ids[0]}'")
        captions = {name: _vectors(path, video, name, text[name], count) for name in experts}
        present = {name: _vectors(path, video, name, x) for name, x in vectors.items() if not _is_nan(x)}
        for name, x in [*captions.items(), *present.items()]:
            if x.shape[1] != widths.setdefault(name, x.shape[1]):
                found = f"a vector of {x.shape[1]} numbers of '{name}'"
                raise InputError(f"{path}: '{video}' has {found}, expected {widths[name]} as elsewhere")
        absent = {name: np.zeros((1, widths[name]), dtype=np.float32) for name in experts}
        texts.append(np.concatenate(list(captions.values()), axis=1))
        videos.append(np.concatenate([(absent | present)[name] for name in experts], axis=1))
    embeddings = np.concatenate(texts), np.concatenate(videos)
    if not embeddings[1].any():
        raise InputError(f"{path}: no video has a vector of an expert, expected at least one")
    return embeddings


def _part(path: Path, video: str, entry: Any, key: str) -> Mapping[str, Any]:
    """Return the vectors by expert of one entry of a file."""
    part = entry.get(key) if isinstance(entry, Mapping) else None
    is_empty = key == "text_embds" and not part
    if not isinstance(part, Mapping) or is_empty or not all(isinstance(name, str) for name in part):
        raise InputError(f"{path}: '{video}' has no {key}, expected a dict from the name of an expert to vectors")
    return part


def _is_nan(value: Any) -> bool:
    """Return whether a vector, or a number in its place, is NaN throughout: the video lacks the expert."""
    return (
        isinstance(value, float | np.ndarray | np.floating)
        and np.asarray(value).dtype.kind == "f"
        and bool(np.isnan(value).all())
    )


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
