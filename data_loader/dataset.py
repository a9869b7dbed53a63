"""The videos of a split as items, and items as padded batches."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from data_loader.archive import Archive
from data_loader.experts import Expert
from data_loader.views import caption_id


class ExpertDataset(Dataset):
    """Videos with their experts and captions, read when they are asked for.

    Args:
        archive: where they are read from.
        part: the part of the archive they belong to.
        ids: the names of the videos.
        experts: name -> what is known of each expert.
        text_feat, text_dim: which word vectors, and their dimension.
        max_text_words, max_expert_tokens: longer captions and sequences are cut.
        max_captions: how many captions of a video are used (None: all).
        fuse_captions: join the captions of a video into one.
    """

    def __init__(
        self,
        archive: Archive,
        part: str,
        ids: list[str],
        experts: Mapping[str, Expert],
        text_feat: str,
        text_dim: int,
        max_text_words: int,
        max_expert_tokens: int,
        max_captions: int | None = None,
        fuse_captions: bool = False,
    ):
        self.ids = ids
        self.experts = experts
        self.max_text_words = max_text_words
        self.max_expert_tokens = max_expert_tokens
        self.features = {name: archive.features(name, expert, part, ids) for name, expert in experts.items()}
        self.captions = archive.captions(text_feat, text_dim, part, ids, fuse=fuse_captions, most=max_captions)
        self.num_captions = [self.captions.count(index) for index in range(len(ids))]

    def __len__(self) -> int:
        return len(self.ids)

    def availability(self) -> dict[str, int]:
        """How many videos have each expert."""
        return {name: int(features.available.sum()) for name, features in self.features.items()}

    def caption_ids(self) -> dict[str, list[str]]:
        """Return the names of the captions that are used, by video; see `data_loader.views.caption_id`."""
        return {
            video: [caption_id(video, self.captions.number(index, k)) for k in range(self.num_captions[index])]
            for index, video in enumerate(self.ids)
        }

    def __getitem__(self, key: int | tuple[int, float]) -> dict[str, Any]:
        """A video with all its captions or, for (index, draw), with the caption that a draw from [0, 1) picks."""
        index, draw = key if isinstance(key, tuple) else (key, None)
        number = self.num_captions[index]
        chosen = range(number) if draw is None else [int(draw * number)]
        return {
            "id": self.ids[index],
            "captions": [self.captions.vectors(index, k, self.max_text_words) for k in chosen],
            "raw_captions": [self.captions.text(index, k) for k in chosen],
            "experts": {name: features.get(index, self.max_expert_tokens) for name, features in self.features.items()},
        }


class Collate:
    """Pads items to a batch for `CENet.forward`, plus `ids`, the names of the videos.

    Captions, words and frames are padded with zeros to the longest of the batch, or to fixed numbers. Missing experts are
    NaN.

    Args:
        dataset: whose items are collated.
        num_captions: captions a video are padded to this number (K).
        pad_to_max: pad words and frames to `max_text_words` and `max_expert_tokens` instead of to the longest.
    """

    def __init__(self, dataset: ExpertDataset, num_captions: int, pad_to_max: bool = False):
        self.experts = dataset.experts
        self.num_captions = num_captions
        self.words = dataset.max_text_words if pad_to_max else None
        self.tokens = dataset.max_expert_tokens if pad_to_max else None

    def __call__(self, items: Sequence[Mapping]) -> dict[str, Any]:
        """The batch of `items`."""
        batch: dict[str, Any] = {"ids": [item["id"] for item in items]}
        batch["raw_captions"] = [item["raw_captions"] for item in items]
        missing = [[None] * (self.num_captions - len(item["captions"])) for item in items]
        captions = [x for item, rest in zip(items, missing, strict=True) for x in (*item["captions"], *rest)]
        text, mask = pad(captions, items[0]["captions"][0].shape[1], self.words)
        shape = (len(items), self.num_captions)
        batch["text"], batch["word_mask"] = text.unflatten(0, shape), mask.unflatten(0, shape)  # (B, K, W, d), (B, K, W)
        batch.update(collate_experts([item["experts"] for item in items], self.experts, self.tokens))
        return batch


def collate_experts(
    videos: Sequence[Mapping[str, np.ndarray | None]], experts: Mapping[str, Expert], tokens: int | None = None
) -> dict[str, dict[str, Tensor]]:
    """The experts of B videos as `CENet.embed_video` takes them: `experts`, `frame_masks` and `ind`. Missing ones are NaN.

    Args:
        videos: of each, expert -> (T, dim) or (dim,), or None where it is missing.
        tokens: sequences are padded to this number (None: to the longest).
    """
    batch: dict[str, dict[str, Tensor]] = {"experts": {}, "frame_masks": {}, "ind": {}}
    for name, expert in experts.items():
        values = [video[name] for video in videos]
        if expert.aggregation == "vlad":
            x, batch["frame_masks"][name] = pad(values, expert.dim, tokens, absent=np.nan)
        else:
            x, _ = pad([None if x is None else x[None] for x in values], expert.dim, 1, absent=np.nan)
            x = x.squeeze(1)
        batch["experts"][name] = x  # (B, T, d) or (B, d)
        batch["ind"][name] = torch.tensor([float(x is not None) for x in values])  # (B,)
    return batch


def pad(
    sequences: Sequence[np.ndarray | None], dim: int, length: int | None = None, absent: float = 0
) -> tuple[Tensor, Tensor]:
    """Sequences (n_i, dim) as (N, length or the longest, dim), and true where a row is no padding.

    One that is None has no row, and `absent` everywhere. All is written once, by one thread: several are for the model.
    """
    lengths = [0 if x is None else len(x) for x in sequences]
    mask = np.arange(max(1, *lengths) if length is None else length) < np.array(lengths)[:, None]
    padded = np.empty((*mask.shape, dim), dtype=np.float32)
    for rows, x, n in zip(padded, sequences, lengths, strict=True):
        if x is None:
            rows[:] = absent
        else:
            rows[:n], rows[n:] = x, 0
    return torch.from_numpy(padded), torch.from_numpy(mask)


class EpochBatchSampler(Sampler):
    """Shuffled batches of (index, draw) that depend on the seed and the epoch alone, not on workers or interruptions.

    The videos that do not fill a last batch are left out of that epoch.

    Attributes:
        epoch: which one comes next.
        first: the batch with which it begins, where a part of it is done.

    Args:
        share: (i, n) gives the i-th of n parts of each batch, which differ in size by one at most.
    """

    def __init__(self, num_videos: int, batch_size: int, seed: int, share: tuple[int, int] = (0, 1)):
        self.num_videos = num_videos
        self.batch_size = batch_size
        self.seed = seed
        self.share = share
        self.epoch = 0
        self.first = 0

    def __len__(self) -> int:
        return self.num_videos // self.batch_size

    def __iter__(self) -> Iterator[list[tuple[int, float]]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        order, draws = rng.permutation(self.num_videos), rng.random(self.num_videos)
        for start in range(self.first * self.batch_size, len(self) * self.batch_size, self.batch_size):
            chosen = np.array_split(order[start : start + self.batch_size], self.share[1])[self.share[0]]
            yield list(zip(chosen.tolist(), draws[chosen].tolist(), strict=True))
