"""The batches of an experiment."""

import atexit
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, get_worker_info

from data_loader.archive import Archive
from data_loader.dataset import Collate, EpochBatchSampler, ExpertDataset
from data_loader.experts import Expert
from data_loader.workers import initialize_worker, require_open_files
from utils.errors import NO_ROOM, InputError, count_text

MIB = 1 << 20
# The words of a batch are there as they were read, one after the other, and padded.
WORD_COPIES = 3

logger = logging.getLogger(__name__)


class Shared:
    """Makes batches whose tensors lie, in a worker, in the memory that it shares with the main process.

    They would be put there in any case, but in a thread of the worker, which without room for them forgets the batch: the
    main process would wait for it for ever.
    """

    def __init__(self, collate: Callable[[Sequence], Any]):
        self.collate = collate

    def __call__(self, items: Sequence) -> Any:
        """The batch of `items`.

        Raises:
            RuntimeError: no room.
        """
        batch = self.collate(items)
        if get_worker_info() is not None:
            try:
                _share(batch)
            except RuntimeError as error:
                raise RuntimeError(f"{NO_ROOM} ({error})") from None
        return batch


def _share(value: Any) -> None:
    """Put all tensors of a batch into shared memory."""
    if isinstance(value, Mapping):
        for item in value.values():
            _share(item)
    elif isinstance(value, torch.Tensor) and value.untyped_storage().nbytes():
        value.share_memory_()


@atexit.register
def end_workers() -> None:
    """End the workers that have not ended by themselves: they ignore SIGTERM, and Python would wait for one that hangs."""
    workers = multiprocessing.active_children()
    if workers and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch would raise an error for each
    for worker in workers:
        worker.kill()


class ExpertDataLoader:
    """Training and evaluation batches of a dataset.

    Attributes:
        train: batches of `batch_size` videos with one caption each, drawn anew in each epoch (None without `training`).
        evaluation: batches of all videos of the split to evaluate, in the order of its list, with all their captions;
            smaller ones than `batch_size` where the words would take too much memory.

    Args:
        experts: the experts to read.
        text_feat, text_dim: which word vectors, and their dimension.
        seed: of the shuffling and of the choice of captions.
        training: whether training batches are needed.
        pad_to_max: pad to `max_text_words` and `max_expert_tokens` (published behaviour), not to the longest in a batch.
        mini: use a few batches of videos alone.
        evaluation_memory: MiB for the words of an evaluation batch, and for what comes and goes while it is collated.
        pin_memory: for a GPU.
        cache_refusal: why no cache may be made (None: it may).
        share: (i, n) for the i-th of n processes: it gets the i-th part of each training batch, and the evaluation batches
            i, i + n, ...
        Others: `data_loader.args` of the config.

    Raises:
        InputError: data that does not fit what the config says, or too few videos for a batch.
    """

    def __init__(
        self,
        dataset_name: str,
        data_dir: str,
        batch_size: int,
        split_name: str,
        *,
        experts: Mapping[str, Expert],
        text_feat: str,
        text_dim: int,
        num_workers: int = 0,
        fuse_captions: bool = False,
        restrict_train_captions: int | None = None,
        num_test_captions: int | None = None,
        max_text_words: int = 30,
        max_expert_tokens: int = 30,
        rgb_model_name: str | None = None,
        feat_aggregation: Mapping[str, str] | None = None,
        cache_dir: str | None = None,
        seed: int = 0,
        training: bool = True,
        pad_to_max: bool = False,
        mini: bool = False,
        pin_memory: bool = False,
        evaluation_memory: int = 1024,
        share: tuple[int, int] = (0, 1),
        cache_refusal: str | None = None,
    ):
        self.dataset_name = dataset_name
        self.split_name = split_name
        archive = Archive(data_dir, dataset_name, split_name, rgb_model_name, cache_dir, cache_refusal)
        parts = (archive.split.train, archive.split.evaluation)
        evaluation_ids = archive.video_ids(parts[1], text_feat, text_dim)[: batch_size if mini else None]
        archive.warn_of_overlap(evaluation_ids)
        common = {
            "experts": experts,
            "text_feat": text_feat,
            "text_dim": text_dim,
            "max_text_words": max_text_words,
            "max_expert_tokens": max_expert_tokens,
            "fuse_captions": fuse_captions,
        }
        if num_workers > (most := len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1):
            logger.debug("%d workers instead of %d: there are no more cores", most, num_workers)
            num_workers = most
        require_open_files(num_workers, num_tensors=2 + 3 * len(experts))
        workers = {
            "num_workers": num_workers,
            "pin_memory": pin_memory,
            "persistent_workers": num_workers > 0,
            "worker_init_fn": initialize_worker,
            "generator": torch.Generator(),  # seeds the workers, lest that draws from the generator that training uses
        }
        self.train = None
        if training:
            if batch_size < 2:
                raise InputError(
                    f"data_loader.args.batch_size: {batch_size}, expected at least 2: one pair has no negatives"
                )
            train_ids = archive.video_ids(parts[0], text_feat, text_dim)[: 2 * batch_size if mini else None]
            if len(train_ids) < batch_size:
                raise InputError(
                    f"{archive.folder}: {count_text(len(train_ids), 'video')} to train on, "
                    f"fewer than data_loader.args.batch_size {batch_size}"
                )
            dataset = ExpertDataset(archive, parts[0], train_ids, max_captions=restrict_train_captions, **common)
            self.sampler = EpochBatchSampler(len(dataset), batch_size, seed, share)
            self.train = DataLoader(
                dataset, batch_sampler=self.sampler, collate_fn=Shared(Collate(dataset, 1, pad_to_max)), **workers
            )
            self._log("train", dataset)
        dataset = ExpertDataset(archive, parts[1], evaluation_ids, max_captions=num_test_captions, **common)
        num_captions = max(dataset.num_captions)
        a_video = WORD_COPIES * 4 * num_captions * max_text_words * text_dim  # bytes
        step = min(batch_size, max(1, evaluation_memory * MIB // a_video))
        batches = [range(len(dataset))[i : i + step] for i in range(0, len(dataset), step)]
        self.evaluation = DataLoader(
            dataset,
            batch_sampler=batches[share[0] :: share[1]],
            collate_fn=Shared(Collate(dataset, num_captions, pad_to_max)),
            **workers,
        )
        self._log(split_name, dataset)

    def _log(self, split: str, dataset: ExpertDataset) -> None:
        num_videos = len(dataset)
        available = ", ".join(f"{name} {n} ({n / num_videos:.1%})" for name, n in dataset.availability().items())
        videos, captions = count_text(num_videos, "video"), count_text(sum(dataset.num_captions), "caption")
        logger.info("%s, %s: %s, %s; experts: %s", self.dataset_name, split, videos, captions, available)
