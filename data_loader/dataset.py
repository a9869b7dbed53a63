"""The videos of a subset as a dataset, and padded batches of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler, get_worker_info

from data_loader.archive import Archive
from data_loader.experts import Expert
from data_loader.workers import share_memory
from utils.errors import InputError

# Numbers of the random streams that follow from a draw.
WORD_STREAM, EXPERT_STREAM = 1, 2


class ExpertDataset(Dataset):
    """Videos with their experts and captions, which are read when they are used.

    Args:
        archive, subset: the archive to read from, and the name of the subset of it that has the videos.
        ids: the names of the videos to read.
        experts: the experts to read, by name.
        text_feat, text_dim: the name of the word vectors, and their dimension.
        max_text_words, max_expert_tokens: the lengths to cut captions and sequences to.
        fuse_captions: whether to join the captions of a video to one.
        max_captions: the largest number of captions per video (None: all).
        max_tokens: "text" or expert -> the length to cut it to, where it differs from the two above.
        text_agg: "avg" to replace the words of a caption by their mean, before they are cut.
        text_dropout: the probability that a drawn caption loses words, each with probability 1/2.
        word_dropout: the probability of each word of a drawn caption to be left out; one word stays.
        expert_dropout: the probability of each expert of a video to count as missing with a drawn caption; one stays.
        caption_masks: per video, 1 for each of its captions in the file that can be drawn, 0 for others (None: all can be).

    Raises:
        InputError: a video has no caption to draw.
    """

    def __init__(
        self,
        archive: Archive,
        subset: str,
        ids: list[str],
        experts: Mapping[str, Expert],
        text_feat: str,
        text_dim: int,
        max_text_words: int,
        max_expert_tokens: int,
        fuse_captions: bool = False,
        max_captions: int | None = None,
        max_tokens: Mapping[str, int] | None = None,
        text_agg: str = "vlad",
        text_dropout: float = 0.0,
        word_dropout: float = 0.0,
        expert_dropout: float = 0.0,
        caption_masks: Sequence[Sequence[int]] | None = None,
    ):
        self.ids, self.experts = ids, experts
        max_tokens = max_tokens or {}
        self.text_agg, self.text_dropout = text_agg, text_dropout
        self.word_dropout, self.expert_dropout = word_dropout, expert_dropout
        self.max_text_words = 1 if text_agg == "avg" else max_tokens.get("text", max_text_words)
        self.max_expert_tokens = {name: max_tokens.get(name, max_expert_tokens) for name in experts}
        self.features = {name: archive.features(name, expert, subset, ids) for name, expert in experts.items()}
        self.captions = archive.captions(text_feat, text_dim, subset, ids, fuse=fuse_captions, max_captions=max_captions)
        self.num_captions = [self.captions.count(index) for index in range(len(ids))]
        self.drawn = [range(n) for n in self.num_captions]  # per video, the captions to draw from
        if caption_masks is not None:
            self.drawn = [self._unmasked(index, mask) for index, mask in enumerate(caption_masks)]

    def __len__(self) -> int:
        return len(self.ids)

    def availability(self) -> dict[str, int]:
        """Return how many videos have each expert."""
        return {name: int(features.available.sum()) for name, features in self.features.items()}

    def caption_ids(self) -> dict[str, list[str]]:
        """Return the names of the captions of each video, see `Captions.name`."""
        counts = zip(self.ids, self.num_captions, strict=True)
        return {video: [self.captions.name(v, k) for k in range(n)] for v, (video, n) in enumerate(counts)}

    def caption_positions(self, index: int) -> list[int]:
        """Return the position in the file of each caption of a video."""
        return [self.captions.position(index, k) for k in range(self.num_captions[index])]

    def __getitem__(self, key: int | tuple[int, float]) -> dict[str, Any]:
        """Return a video with all its captions or, for (index, draw), with the one that a draw from [0, 1) picks.

        Returns:
            id; captions, list of (words, text_dim); raw_captions, list of str ("" if unknown); caption_positions, list of
            their positions in the file; experts, name -> (T, dim), (dim,) or None if missing.
        """
        index, draw = key if isinstance(key, tuple) else (key, None)
        drawn, hidden = self.drawn[index], self._hidden_experts(index, draw)
        chosen = range(self.num_captions[index]) if draw is None else [drawn[int(draw * len(drawn))]]
        return {
            "id": self.ids[index],
            "captions": [self._words(index, k, draw) for k in chosen],
            "raw_captions": [self.captions.text(index, k) for k in chosen],
            "caption_positions": [self.captions.position(index, k) for k in chosen],
            "experts": {
                name: None if name in hidden else x.get(index, self.max_expert_tokens[name])
                for name, x in self.features.items()
            },
        }

    def _hidden_experts(self, index: int, draw: float | None) -> set[str]:
        """Return the experts that a video has and loses, which depends on the draw of its caption only (None: none)."""
        if draw is None or not self.expert_dropout:
            return set()
        present = [name for name, x in self.features.items() if x.available[index]]
        kept = draw_kept(draw, EXPERT_STREAM, len(present), self.expert_dropout)
        return {name for name, stays in zip(present, kept, strict=True) if not stays}

    def _words(self, index: int, k: int, draw: float | None) -> np.ndarray:
        """Return the words of a caption. Which of them it loses depends on the draw that picked it only (None: none)."""
        lossy = draw is not None and (self.text_dropout > 0 or self.word_dropout > 0)
        if not lossy and self.text_agg != "avg":
            return self.captions.vectors(index, k, self.max_text_words)
        words = self.captions.vectors(index, k)
        if lossy and self.word_dropout:
            words = words[draw_kept(draw, WORD_STREAM, len(words), self.word_dropout)]
        elif lossy:
            rng = np.random.default_rng(int(draw * 2**53))
            kept = rng.random(len(words)) < 0.5
            if rng.random() < self.text_dropout and kept.any():  # a caption keeps at least one word
                words = words[kept]
        return words.mean(axis=0, keepdims=True) if self.text_agg == "avg" else words[: self.max_text_words]

    def _unmasked(self, index: int, mask: Sequence[int]) -> list[int]:
        """Return the captions of a video that a mask lets through."""
        positions = self.caption_positions(index)
        mask = mask.tolist() if isinstance(mask, np.ndarray) else mask
        if not isinstance(mask, list | tuple) or max(positions) >= len(mask):
            found = f"{len(mask)} values" if hasattr(mask, "__len__") else repr(mask)
            raise InputError(f"caption_masks: '{self.ids[index]}' has {found}, expected 0 or 1 for each of its captions")
        if wrong := [mask[position] for position in positions if mask[position] not in (0, 1)]:
            raise InputError(f"caption_masks: '{self.ids[index]}' has {wrong[0]!r}, expected 0 or 1")
        if not (drawn := [k for k, position in enumerate(positions) if mask[position] == 1]):
            raise InputError(f"caption_masks: '{self.ids[index]}' has no 1, expected a training_file without this video")
        return drawn


def draw_kept(draw: float, stream: int, count: int, probability: float) -> np.ndarray:
    """Return a mask (count,), false with `probability` for each of `count` things, but true for at least one of them.

    It depends on its arguments only: the draw of an item differs between seeds, epochs and items. Streams are independent.
    """
    noise = np.random.default_rng((int(draw * 2**53), stream)).random(count)
    return noise >= min(probability, noise.max(initial=0.0))


class Collate:
    """A `collate_fn` that pads B videos to a batch, in shared memory if a worker calls it.

    A batch has the names of the videos (`ids`), their captions as text (`raw_captions`, B lists) and word vectors (`text`,
    (B, K, W, d)), a mask of words that are not padding (`word_mask`, (B, K, W)), the positions of captions in their file
    (`caption_positions`, B lists), and the entries of `collate_experts`.
    Captions, words and frames are padded with zeros to the longest of the batch, or to fixed numbers.

    Args:
        num_captions: the number of captions per video to pad to (K).
        pad_to_max: whether to pad words and frames to `max_text_words` and `max_expert_tokens`, not to the longest.
    """

    def __init__(self, dataset: ExpertDataset, num_captions: int, pad_to_max: bool = False):
        self.experts = dataset.experts
        self.num_captions = num_captions
        self.num_words = dataset.max_text_words if pad_to_max else None
        self.num_tokens = dataset.max_expert_tokens if pad_to_max else {}

    def __call__(self, items: Sequence[Mapping]) -> dict[str, Any]:
        """Return the batch of B items of an `ExpertDataset`."""
        batch: dict[str, Any] = {"ids": [item["id"] for item in items]}
        for key in ("raw_captions", "caption_positions"):
            batch[key] = [item[key] for item in items]
        captions = []
        for item in items:
            captions += item["captions"] + [None] * (self.num_captions - len(item["captions"]))
        text, mask = pad(captions, items[0]["captions"][0].shape[1], self.num_words)  # (B * K, W, d), (B * K, W)
        shape = (len(items), self.num_captions)
        batch["text"], batch["word_mask"] = text.unflatten(0, shape), mask.unflatten(0, shape)  # (B, K, W, d), (B, K, W)
        batch.update(collate_experts([item["experts"] for item in items], self.experts, self.num_tokens))
        if get_worker_info() is not None:
            share_memory(batch)
        return batch


def collate_experts(
    videos: Sequence[Mapping[str, np.ndarray | None]], experts: Mapping[str, Expert], num_tokens: Mapping[str, int]
) -> dict[str, dict[str, Tensor]]:
    """Return the arguments of `CENet.embed_video` for B videos, by name of the expert.

    Args:
        videos: per video, expert -> (T, dim) or (dim,), or None where it is missing, which becomes NaN.
        num_tokens: expert -> the length to pad its sequences to (absent: the longest).

    Returns:
        `experts` (B, T, d) or (B, d); `frame_masks` (B, T), only of experts with aggregation vlad; `ind` (B,), 0 or 1.
    """
    batch: dict[str, dict[str, Tensor]] = {"experts": {}, "frame_masks": {}, "ind": {}}
    for name, expert in experts.items():
        values = [video[name] for video in videos]
        if expert.aggregation == "vlad":
            x, batch["frame_masks"][name] = pad(values, expert.dim, num_tokens.get(name), missing=np.nan)
        else:
            x, _ = pad([None if x is None else x[None] for x in values], expert.dim, 1, missing=np.nan)
            x = x.squeeze(1)
        batch["experts"][name] = x  # (B, T, d) or (B, d)
        batch["ind"][name] = torch.tensor([float(x is not None) for x in values])  # (B,)
    return batch


def pad(
    sequences: Sequence[np.ndarray | None], dim: int, length: int | None = None, missing: float = 0
) -> tuple[Tensor, Tensor]:
    """Pad N sequences to one tensor, with numpy: unlike torch, it leaves the other threads to the model.

    Args:
        sequences: N arrays (n_i, dim), or None where one is missing.
        dim: the length of a row, also if all are missing.
        length: the length L to pad to (None: the longest).
        missing: the value of all numbers of a missing sequence.

    Returns:
        padded: (N, L, dim) float32.
        mask: (N, L), true where a row is not padding.
    """
    lengths = [0 if x is None else len(x) for x in sequences]
    mask = np.arange(max(1, *lengths) if length is None else length) < np.array(lengths)[:, None]
    padded = np.empty((*mask.shape, dim), dtype=np.float32)
    for rows, x, n in zip(padded, sequences, lengths, strict=True):
        if x is None:
            rows[:] = missing
        else:
            rows[:n], rows[n:] = x, 0
    return torch.from_numpy(padded), torch.from_numpy(mask)


class EpochBatchSampler(Sampler):
    """Shuffled batches of (index, draw) that depend only on the seed and the epoch, not on workers or interruptions.

    The length is that of a whole epoch, also if `first` > 0.

    Args:
        num_videos, batch_size: the number of videos, and of those in a batch over all parts.
        seed: the seed of the order of videos and of the draws.
        share: (i, n) for the i-th of n parts of each batch, which differ in size by one at most.
        drop_last: whether to leave out the videos that do not fill a last batch. They are left out in any case if they are
            fewer than two, which have no negatives, or fewer than the parts.

    Attributes:
        epoch: the next epoch.
        first: the first batch of that epoch, greater than 0 to resume an interrupted epoch.
    """

    def __init__(self, num_videos: int, batch_size: int, seed: int, share: tuple[int, int] = (0, 1), drop_last: bool = True):
        self.num_videos, self.batch_size, self.seed, self.share = num_videos, batch_size, seed, share
        self.epoch = self.first = 0
        full, rest = divmod(num_videos, batch_size)
        self._length = full + (not drop_last and rest >= max(2, share[1]))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[list[tuple[int, float]]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        order, draws = rng.permutation(self.num_videos), rng.random(self.num_videos)
        for start in range(self.first * self.batch_size, len(self) * self.batch_size, self.batch_size):
            chosen = np.array_split(order[start : start + self.batch_size], self.share[1])[self.share[0]]
            yield list(zip(chosen.tolist(), draws[chosen].tolist(), strict=True))
