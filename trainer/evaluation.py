"""Scoring all captions of a split against all its videos."""

import dataclasses
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from model.model import CENet
from model.similarity import TextEmbedding, VideoEmbedding


@dataclasses.dataclass
class Evaluation:
    """The result of an evaluation of V videos with K captions each.

    Attributes:
        metrics: by the name of the metric function, as `model.metric` documents them.
        sims: (V*K, V), or (V, V) where captions are averaged.
        query_masks: (V, K), false for captions that do not exist; (V, 1) where captions are averaged.
        video_ids: V names.
        raw_captions: V lists of captions.
        modalities: M names.
        available: (V, M), 1 where a video has an expert.
        weights: (N, M), the weight of each expert for each caption that exists (None in the Concat variants).
    """

    metrics: dict[str, dict[str, float]]
    sims: np.ndarray
    query_masks: np.ndarray
    video_ids: list[str]
    raw_captions: list[list[str]]
    modalities: list[str]
    available: np.ndarray
    weights: np.ndarray | None


def to_device(value: Any, device: torch.device) -> Any:
    """A batch, or a part of one, with its tensors on `device`."""
    if isinstance(value, torch.Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Mapping):
        return {key: to_device(item, device) for key, item in value.items()}
    return value


@torch.inference_mode()
def evaluate(model: CENet, batches: Iterable[Mapping], metrics: Sequence[Callable], device: torch.device) -> Evaluation:
    """Embed every batch, score all captions against all videos, and measure.

    Args:
        model: on `device`; left in evaluation mode.
        batches: of a split, as `data_loader.dataset.Collate` makes them.
        metrics: functions of the similarities and the query masks.
    """
    model.eval()
    texts, videos, masks, available, ids, raw_captions = [], [], [], [], [], []
    for batch in tqdm(batches, desc="evaluation", leave=False, disable=not sys.stdout.isatty()):
        moved = to_device(batch, device)
        texts.append(model.embed_text(moved["text"], moved["word_mask"]))
        videos.append(model.embed_video(moved["experts"], moved["ind"], moved["frame_masks"]))
        masks.append(moved["word_mask"].any(dim=-1))
        available.append(torch.stack([batch["ind"][name] for name in model.modalities], dim=1))  # (B, M)
        ids += batch["ids"]
        raw_captions += batch["raw_captions"]
    text = TextEmbedding(_join([t.experts for t in texts]), torch.cat([t.weights for t in texts]))
    video = VideoEmbedding(_join([v.experts for v in videos]), torch.cat([v.available for v in videos]))
    mask = torch.cat(masks)  # (V, K)
    sims = model.score(text, video, mask)
    query_masks = mask if len(sims) == mask.numel() else mask.any(dim=1, keepdim=True)
    sims, query_masks = sims.cpu().numpy(), query_masks.cpu().numpy()
    measured = {metric.__name__: metric(sims, query_masks) for metric in metrics}
    weights = None if model.joined else text.weights[mask.flatten()].cpu().numpy()
    available = torch.cat(available).cpu().numpy()
    return Evaluation(measured, sims, query_masks, ids, raw_captions, model.modalities, available, weights)


def _join(chunks: list[list[torch.Tensor]]) -> list[torch.Tensor]:
    """Embeddings by expert from embeddings by chunk and expert."""
    return [torch.cat(parts) for parts in zip(*chunks, strict=True)]
