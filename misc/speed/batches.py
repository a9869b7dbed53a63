"""A batch of MSR-VTT: plain loops over words and frames, ours, and a copy of the finished batch, in turns.

Of 64 videos of the archive of `store`, once with one caption each, as in training, and once with all, as in evaluation. The
items are read beforehand; how long that takes is told beside.
"""

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from data_loader.experts import Expert
from misc.speed.step import Clock, measure
from misc.speed.store import CONFIG, make_archive
from parse_config import ConfigParser
from trainer.build import build_loaders
from utils.errors import InputError
from utils.files import write_json
from utils.progress import size_text

ROOT = Path(__file__).resolve().parents[2]
VIDEOS, REPETITIONS = 64, 15
CPU = torch.device("cpu")


def plain_collate(items: Sequence[Mapping], experts: Mapping[str, Expert], num_captions: int) -> dict:
    """The batch of `items`, word by word and frame by frame; arguments as of `data_loader.dataset.Collate`."""
    captions = [words for item in items for words in item["captions"]]
    shape = (len(items), num_captions, max(map(len, captions)))
    text, word_mask = np.zeros((*shape, captions[0].shape[1]), dtype=np.float32), np.zeros(shape, dtype=bool)
    for b, item in enumerate(items):
        for k, words in enumerate(item["captions"]):
            for w, vector in enumerate(words):
                text[b, k, w] = vector
                word_mask[b, k, w] = True
    batch = {"ids": [item["id"] for item in items], "raw_captions": [item["raw_captions"] for item in items]}
    batch |= {"text": torch.from_numpy(text), "word_mask": torch.from_numpy(word_mask), "experts": {}, "frame_masks": {}}
    batch["ind"] = {}
    for name, expert in experts.items():
        values = [item["experts"][name] for item in items]
        batch["ind"][name] = torch.tensor([float(x is not None) for x in values])
        if expert.aggregation == "vlad":
            batch["experts"][name], batch["frame_masks"][name] = _plain_frames(values, expert.dim)
        else:
            vectors = np.full((len(items), expert.dim), np.nan, dtype=np.float32)
            for b, x in enumerate(values):
                if x is not None:
                    vectors[b] = x
            batch["experts"][name] = torch.from_numpy(vectors)
    return batch


def _plain_frames(values: Sequence[np.ndarray | None], dim: int) -> tuple[Tensor, Tensor]:
    """Frames (B, T, dim), NaN where all are missing, and (B, T), true where there is one."""
    longest = max(1, *(0 if x is None else len(x) for x in values))
    frames, mask = np.zeros((len(values), longest, dim), dtype=np.float32), np.zeros((len(values), longest), dtype=bool)
    for b, x in enumerate(values):
        if x is None:
            frames[b] = np.nan
            continue
        for t, frame in enumerate(x):
            frames[b, t] = frame
            mask[b, t] = True
    return torch.from_numpy(frames), torch.from_numpy(mask)


def compare(loader: torch.utils.data.DataLoader, keys: Sequence, repetitions: int) -> dict:
    """Seconds of every way to the batch of the videos `keys`, and its size in bytes.

    Raises:
        InputError: they differ.
    """
    dataset, collate = loader.dataset, loader.collate_fn.collate
    items = [dataset[key] for key in keys]
    batch = collate(items)
    ours, plain = tree_leaves(batch), tree_leaves(plain_collate(items, dataset.experts, collate.num_captions))
    if len(ours) != len(plain) or not all(map(_same, ours, plain)):
        raise InputError("another batch than that of the plain loops")
    tensors = [x for x in ours if isinstance(x, Tensor)]
    sides: dict[str, Callable[[], None]] = {
        "reading": lambda: [dataset[key] for key in keys],
        "plain loops": lambda: plain_collate(items, dataset.experts, collate.num_captions),
        "ours": lambda: collate(items),
        "copy": lambda: [x.numpy().copy() for x in tensors],
    }
    seconds = measure(sides, Clock(CPU), repetitions)
    return {
        "videos": len(items),
        "captions": sum(len(item["captions"]) for item in items),
        "words": batch["text"].shape[2],
        "bytes": sum(x.nbytes for x in tensors),
        "seconds": seconds,
        "median": {name: statistics.median(values) for name, values in seconds.items()},
        "plain loops / ours": statistics.median(a / b for a, b in zip(seconds["plain loops"], seconds["ours"], strict=True)),
    }


def _same(one: object, other: object) -> bool:
    """Whether two leaves of a batch are equal, NaN and all."""
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and one.dtype == other.dtype and np.array_equal(one, other, equal_nan=True)
    return one == other


def run(folder: Path, num_videos: int, path: Path | None, repetitions: int = REPETITIONS) -> None:
    """Generate what is not there, measure, print, and write the figures to `path` if there is one."""
    data_dir = make_archive(folder, num_videos).resolve()
    settings = [f"data_loader.args.data_dir={data_dir}", "data_loader.args.num_workers=0"]
    config = ConfigParser.from_file(ROOT / CONFIG, settings, training=True)
    loaders = build_loaders(config, CPU)
    keys = next(iter(loaders.sampler))
    found = {
        "training": compare(loaders.train, keys, repetitions),
        "evaluation": compare(loaders.evaluation, range(min(VIDEOS, len(loaders.evaluation.dataset))), repetitions),
    }
    print(f"a batch, {os.cpu_count()} cores; median of {repetitions} repetitions, taking turns:")
    for name, measured in found.items():
        about = f"{measured['videos']} videos, {measured['captions']:,} captions of {measured['words']} words at most"
        print(f"{name}: {about}, {size_text(measured['bytes'])}")
        for side, value in measured["median"].items():
            print(f"  {side:20} {1000 * value:8.2f} ms")
        print(f"  {'plain loops / ours':20} {measured['plain loops / ours']:8.2f}")
    if path is not None:
        write_json(path, found)
