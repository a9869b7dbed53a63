"""A batch of MSR-VTT: plain loops over words and frames, ours, and a copy of the finished batch, in turns.

A batch has 64 videos of the archive of `store`, with one caption per video as in training, or with all as in evaluation. The
items are read before; the time for reading them is a separate row.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from data_loader.experts import Expert
from misc.speed.process import ROOT
from misc.speed.settings import CONFIG
from misc.speed.store import make_archive
from misc.speed.timing import CPU, compare, print_comparison
from parse_config import ConfigParser
from trainer.build import build_loaders
from utils.errors import InputError
from utils.progress import size_text

VIDEOS, REPETITIONS = 64, 15


def plain_collate(items: Sequence[Mapping], experts: Mapping[str, Expert], num_captions: int) -> dict:
    """Return the batch of `items`, made by plain loops, as `data_loader.dataset.Collate` returns it."""
    captions = []
    for item in items:
        captions += item["captions"] + [None] * (num_captions - len(item["captions"]))
    text, word_mask = (x.unflatten(0, (len(items), num_captions)) for x in _plain_pad(captions, captions[0].shape[1], 0))
    batch = {"ids": [item["id"] for item in items]}
    for key in ("raw_captions", "caption_positions"):
        batch[key] = [item[key] for item in items]
    batch |= {"text": text, "word_mask": word_mask, "experts": {}, "frame_masks": {}, "ind": {}}
    for name, expert in experts.items():
        values = [item["experts"][name] for item in items]
        batch["ind"][name] = torch.tensor([float(x is not None) for x in values])
        if expert.aggregation == "vlad":
            batch["experts"][name], batch["frame_masks"][name] = _plain_pad(values, expert.dim, np.nan)
        else:
            rows = [None if x is None else x[None] for x in values]
            batch["experts"][name] = _plain_pad(rows, expert.dim, np.nan)[0].squeeze(1)
    return batch


def _plain_pad(sequences: Sequence[np.ndarray | None], dim: int, missing: float) -> tuple[Tensor, Tensor]:
    """Return sequences (N, L, dim), all numbers of those that are None being `missing`, and their mask (N, L)."""
    shape = (len(sequences), max(1, *(0 if x is None else len(x) for x in sequences)))
    padded, mask = np.zeros((*shape, dim), dtype=np.float32), np.zeros(shape, dtype=bool)
    for i, x in enumerate(sequences):
        if x is None:
            padded[i] = missing
            continue
        for t, row in enumerate(x):
            padded[i, t] = row
            mask[i, t] = True
    return torch.from_numpy(padded), torch.from_numpy(mask)


def measure(loader: torch.utils.data.DataLoader, keys: Sequence, repetitions: int) -> dict:
    """Return the times of the implementations for the batch of the items `keys`, and its size; they have to agree."""
    dataset, collate = loader.dataset, loader.collate_fn
    items = [dataset[key] for key in keys]
    batch = collate(items)
    ours, plain = tree_leaves(batch), tree_leaves(plain_collate(items, dataset.experts, collate.num_captions))
    if len(ours) != len(plain) or not all(map(_is_equal, ours, plain)):
        raise InputError("another batch than that of the plain loops")
    tensors = [x for x in ours if isinstance(x, Tensor)]
    candidates = {
        "reading": lambda: [dataset[key] for key in keys],
        "plain loops": lambda: plain_collate(items, dataset.experts, collate.num_captions),
        "ours": lambda: collate(items),
        "copy": lambda: [x.numpy().copy() for x in tensors],
    }
    return {
        "videos": len(items),
        "captions": sum(len(item["captions"]) for item in items),
        "words": batch["text"].shape[2],
        "bytes": sum(x.nbytes for x in tensors),
        **compare(candidates, repetitions),
    }


def _is_equal(first: object, second: object) -> bool:
    """Return whether two leaves of a batch are equal; NaN is equal to NaN."""
    if isinstance(first, Tensor):
        is_same_type = isinstance(second, Tensor) and first.dtype == second.dtype
        return is_same_type and np.array_equal(first, second, equal_nan=True)
    return first == second


def run(folder: Path, num_videos: int, repetitions: int = REPETITIONS) -> dict:
    """Generate the archive if necessary, measure, print, and return the figures."""
    data_dir = make_archive(folder, num_videos).resolve()
    settings = [f"data_loader.args.data_dir={data_dir}", "data_loader.args.num_workers=0"]
    config = ConfigParser.from_file(ROOT / CONFIG, settings, training=True)
    loaders = build_loaders(config, CPU)
    evaluated = range(min(VIDEOS, len(loaders.evaluation.dataset)))
    figures = {
        "training": measure(loaders.train, next(iter(loaders.sampler)), repetitions),
        "evaluation": measure(loaders.evaluation, evaluated, repetitions),
    }
    print(f"a batch, {os.cpu_count()} cores; median of {repetitions} repetitions, taking turns:")
    for name, measured in figures.items():
        size = f"{measured['videos']} videos, {measured['captions']:,} captions of {measured['words']} words at most"
        print(f"{name}: {size}, {size_text(measured['bytes'])}")
        print_comparison(measured)
    return figures
