"""The training and evaluation batches of an experiment."""

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from data_loader.archive import Archive
from data_loader.dataset import Collate, EpochBatchSampler, ExpertDataset
from data_loader.experts import Expert, describe_rare_experts
from data_loader.readers import read_entries, read_video_list
from data_loader.teachers import Teachers
from data_loader.workers import initialize_worker, limit_workers, require_open_files, worker_context
from utils.errors import InputError, count_text

MIB = 1 << 20
# Copies of the words of a batch in memory while it is collated: as read, joined, and padded.
COLLATE_COPIES = 3

logger = logging.getLogger(__name__)


class ExpertDataLoader:
    """The training and evaluation batches of a dataset, each in a plain `torch.utils.data.DataLoader`.

    Args:
        dataset_name, data_dir, batch_size, split_name, num_workers, mini, fuse_captions, restrict_train_captions,
            num_test_captions, max_text_words, max_expert_tokens, rgb_model_name, cache_dir, root_feat_folder, max_tokens,
            text_dropout, word_dropout, expert_dropout, drop_last: keys of the config, see `base.schema.DataLoaderArgs`.
        experts: name -> `Expert`, see `resolve_experts`.
        text_feat, text_dim: the name of the word vectors, and their dimension.
        text_agg, training_file, caption_masks: keys of the config, see `base.schema.Experts` and `base.schema.Config`.
        seed: the seed of the order of videos and the choice of captions.
        training: whether training batches are needed.
        bank: whether batches of the query bank are needed.
        pad_to_max: pad to `max_text_words` and `max_expert_tokens`, as published, not to the longest in a batch.
        pin_memory: whether batches are for a GPU.
        evaluation_memory: MiB for the words of an evaluation batch while it is collated.
        share: (i, n) for the i-th of n processes: it gets the i-th part of each training batch, and the evaluation batches
            i, i + n, ...
        cache_refusal: the reason why no cache may be made (None: it may).
        teachers: files of teachers, in the folder of the features (None: no distillation).

    Attributes:
        folder: the folder of the features.
        teachers: the teachers' embeddings of the training videos (None: there are none).
        train: batches of `batch_size` videos with one caption each, drawn again in each epoch (None without `training`).
        sampler: the sampler of `train`, whose `epoch` is set before each epoch (None without `training`).
        evaluation: batches of all videos of the split to evaluate, in the order of its list, with all their captions;
            smaller than `batch_size` where the words would take too much memory.
        bank: the same of the videos to train on, without those that are evaluated (None without `bank`).

    Raises:
        InputError: data that does not fit the config, or too few videos for a batch.
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
        cache_dir: str | None = None,
        root_feat_folder: str | None = None,
        max_tokens: Mapping[str, int] | None = None,
        text_dropout: float | None = None,
        word_dropout: float | None = None,
        expert_dropout: float | None = None,
        drop_last: bool | None = None,
        text_agg: str = "vlad",
        training_file: str | None = None,
        caption_masks: str | None = None,
        seed: int = 0,
        training: bool = True,
        bank: bool = False,
        pad_to_max: bool = False,
        mini: bool = False,
        pin_memory: bool = False,
        evaluation_memory: int = 1024,
        share: tuple[int, int] = (0, 1),
        cache_refusal: str | None = None,
        teachers: Sequence[str] | None = None,
    ):
        self.dataset_name, self.split_name = dataset_name, split_name
        archive = Archive(data_dir, dataset_name, split_name, rgb_model_name, cache_dir, cache_refusal, root_feat_folder)
        self.folder, split = archive.folder, archive.split
        evaluation_ids = archive.video_ids(split.evaluation, text_feat, text_dim)[: batch_size if mini else None]
        archive.warn_of_overlap(evaluation_ids)
        common = {
            "experts": experts,
            "text_feat": text_feat,
            "text_dim": text_dim,
            "max_text_words": max_text_words,
            "max_expert_tokens": max_expert_tokens,
            "fuse_captions": fuse_captions,
            "max_tokens": max_tokens,
            "text_agg": text_agg,
        }
        num_workers = limit_workers(num_workers, for_gpu=pin_memory)
        require_open_files(num_workers, num_tensors=2 + 3 * len(experts))
        options = {
            "num_workers": num_workers,
            "pin_memory": pin_memory,
            "persistent_workers": num_workers > 0,
            "worker_init_fn": initialize_worker,
            "multiprocessing_context": worker_context() if num_workers else None,
            # Seeds the workers, which would otherwise draw from the generator of the training.
            "generator": torch.Generator(),
        }

        def batches_in_order(dataset: ExpertDataset) -> DataLoader:
            num_captions = max(dataset.num_captions)
            bytes_per_video = COLLATE_COPIES * 4 * num_captions * dataset.max_text_words * text_dim
            size = min(batch_size, max(1, evaluation_memory * MIB // bytes_per_video))
            batches = [range(len(dataset))[i : i + size] for i in range(0, len(dataset), size)]
            collate = Collate(dataset, num_captions, pad_to_max)
            return DataLoader(dataset, batch_sampler=batches[share[0] :: share[1]], collate_fn=collate, **options)

        self.train = self.sampler = self.teachers = self.bank = None
        train_ids = []
        if training or bank:
            if training_file is None:
                train_ids = archive.video_ids(split.train, text_feat, text_dim)
            else:
                train_ids = _read_training_file(archive, training_file, evaluation_ids)
        if training:
            key = "data_loader.args.batch_size"
            if batch_size < 2:
                raise InputError(f"{key}: {batch_size}, expected at least 2: one pair has no negatives")
            train_ids = train_ids[: 2 * batch_size if mini else None]
            drop_last = root_feat_folder is None if drop_last is None else drop_last
            self.sampler = EpochBatchSampler(len(train_ids), batch_size, seed, share, drop_last)
            if not len(self.sampler):
                found, least = count_text(len(train_ids), "video"), f"{key} {batch_size}" if drop_last else "2"
                raise InputError(f"{archive.folder}: {found} to train on, fewer than {least}")
            masks = None
            if caption_masks is not None:
                masks = read_entries(archive.folder / caption_masks, train_ids, archive.to_id)
            dataset = ExpertDataset(
                archive,
                split.train,
                train_ids,
                **common,
                max_captions=restrict_train_captions,
                text_dropout=text_dropout or 0.0,
                word_dropout=word_dropout or 0.0,
                expert_dropout=expert_dropout or 0.0,
                caption_masks=masks,
            )
            collate = Collate(dataset, 1, pad_to_max)
            self.train = DataLoader(dataset, batch_sampler=self.sampler, collate_fn=collate, **options)
            if teachers:
                counts = [1 + max(dataset.caption_positions(index)) for index in range(len(dataset))]
                self.teachers = Teachers([archive.folder / name for name in teachers], train_ids, counts, archive.to_id)
            self._log("train", dataset)
            if rare := describe_rare_experts(dataset.availability()):
                logger.warning("%s: %s", dataset_name, rare)
        dataset = ExpertDataset(archive, split.evaluation, evaluation_ids, **common, max_captions=num_test_captions)
        self.evaluation = batches_in_order(dataset)
        self._log(split_name, dataset)
        if bank:
            bank_ids = _bank_ids(archive, train_ids, evaluation_ids)
            dataset = ExpertDataset(archive, split.train, bank_ids, **common, max_captions=restrict_train_captions)
            self.bank = batches_in_order(dataset)
            self._log("query bank", dataset)

    def _log(self, split: str, dataset: ExpertDataset) -> None:
        num_videos = len(dataset)
        available = ", ".join(f"{name} {n} ({n / num_videos:.1%})" for name, n in dataset.availability().items())
        videos, captions = count_text(num_videos, "video"), count_text(sum(dataset.num_captions), "caption")
        logger.info("%s, %s: %s, %s; experts: %s", self.dataset_name, split, videos, captions, available)


def _bank_ids(archive: Archive, train_ids: Collection[str], evaluation_ids: Collection[str]) -> list[str]:
    """Return the videos of a query bank: those to train on, without those that are evaluated."""
    evaluated = set(evaluation_ids)
    ids = [video for video in train_ids if video not in evaluated]
    left_out = count_text(len(train_ids) - len(ids), "video")
    if not ids:
        raise InputError(f"{archive.folder}: {left_out} to train on, all evaluated too, expected others for a query bank")
    if len(ids) < len(train_ids):
        logger.warning("%s: %s left out of the query bank, which may hold none that is evaluated", archive.folder, left_out)
    return ids


def _read_training_file(archive: Archive, name: str, evaluation_ids: Collection[str]) -> list[str]:
    """Return the videos of the list `name` in the folder of an archive, to train on instead of those of the split."""
    path = archive.folder / name
    if archive.layout.by_row:
        raise InputError(f"training_file: {archive.layout.name} has arrays by row, expected features by name of the video")
    ids = read_video_list(path, archive.to_id)
    lists = [archive.folder / subset.ids for subset in archive.layout.subsets.values() if subset.ids]
    known = {video for file in lists if file.exists() for video in read_video_list(file, archive.to_id)}
    if unknown := [video for video in ids if video not in known]:
        raise InputError(f"{path}: '{unknown[0]}' is in no other list of {archive.folder}, expected videos of the data set")
    warn_of_shared_videos(path, ids, evaluation_ids)
    return ids


def warn_of_shared_videos(source: str | Path, train_ids: Collection[str], evaluation_ids: Collection[str]) -> None:
    """Log a warning if videos of `source` are used for both training and evaluation."""
    if both := sorted(set(train_ids) & set(evaluation_ids)):
        number = count_text(len(both), "video")
        logger.warning("%s: %s for both training and evaluation, first '%s'", source, number, both[0])
