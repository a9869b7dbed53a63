"""Scoring all captions of a split against all its videos."""

import dataclasses
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from model.metric import NotFiniteError, measure, t2v_ranks, v2t_ranks
from model.model import CENet
from model.similarity import TextEmbedding, VideoEmbedding
from parse_config import ConfigParser
from trainer.distributed import gather_round_robin, is_main_process
from trainer.text_store import TextStore
from utils.errors import InputError
from utils.matrix import FileMatrix

MIB = 1 << 20
# How many arrays of the size of the words, of the pooled words, of the text embeddings and of the scores there may be at a
# time while captions are embedded and scored.
WORD_COPIES, POOLED_COPIES = 2, 6
TEXT_COPIES, SCORE_COPIES = 3, 4


@dataclasses.dataclass
class Evaluation:
    """The result of an evaluation of V videos with K captions each.

    Attributes:
        metrics: "t2v_metrics" or "v2t_metrics" -> metrics by name, as `model.metric` documents them.
        ranks: "t2v" -> (N,), the 0-based rank of each caption that exists; "v2t" -> (V,), that of each video.
        sims: (V*K, V), or (V, V) where captions are averaged; in a file where memory is not to hold it.
        query_masks: (V, K), false for captions that do not exist; (V, 1) where captions are averaged.
        video_ids: V names.
        raw_captions: V lists of captions.
        modalities: M names.
        available: (V, M), 1 where a video has an expert.
        weights: (N, M), the weight of each expert for each caption that exists (None in the Concat variants).
    """

    metrics: dict[str, dict[str, float]]
    ranks: dict[str, np.ndarray]
    sims: np.ndarray | FileMatrix
    query_masks: np.ndarray
    video_ids: list[str]
    raw_captions: list[list[str]]
    modalities: list[str]
    available: np.ndarray
    weights: np.ndarray | None


class EmbeddedBatch(NamedTuple):
    """A batch of B videos with K captions each, embedded, the captions in chunks, and what else is told of it."""

    texts: list[TextEmbedding]
    video: VideoEmbedding
    mask: Tensor  # (B, K), true for captions that exist
    available: Tensor  # (B, M)
    ids: list[str]
    raw_captions: list[list[str]]


def to_device(value: Any, device: torch.device) -> Any:
    """A batch, or a part of one, with its tensors on `device`."""
    if isinstance(value, torch.Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Mapping):
        return {key: to_device(item, device) for key, item in value.items()}
    return value


def evaluation_settings(config: ConfigParser) -> dict[str, Any]:
    """Return what a config says of evaluations, as arguments of `evaluate`."""
    return {
        "metrics": config["metrics"],
        "memory": config["evaluation_memory"],
        "v2t_ties": config.get("v2t_ties") or "expected",
    }


@torch.inference_mode()
def evaluate(
    model: CENet,
    batches: Iterable[Mapping],
    metrics: Sequence[str],
    device: torch.device,
    memory: int = 1024,
    v2t_ties: str = "expected",
) -> Evaluation | None:
    """Embed every batch, score all captions against all videos, and measure.

    Captions are embedded and scored in chunks. What of their embeddings and scores `memory` does not hold goes to temporary
    files; the embeddings of the videos stay in memory.

    Args:
        model: on `device`; left in evaluation mode.
        batches: of a split, as `data_loader.dataset.Collate` makes them; with several processes this one's share.
        metrics: names of functions of `model.metric`, such as "t2v_metrics" and "v2t_metrics".
        memory: MiB, see `base.schema.Config.evaluation_memory`.
        v2t_ties: the rule for ties of `model.metric.v2t_ranks`.

    Returns:
        With several processes, each of which embeds its share: the whole for the main one, which scores and measures, and
        None for the others.

    Raises:
        InputError: NaN in an expert that is present, similarities that are no numbers, or no room for a temporary file.
    """
    model.eval()
    quarter = memory * MIB // 4
    texts = TextStore(quarter)
    videos, masks, available, ids, raw_captions = [], [], [], [], []
    for part in gather_round_robin(_embedded(model, batches, device, quarter), device):
        for text in part.texts:
            texts.append(text)
        videos.append(part.video)
        masks.append(part.mask)
        available.append(part.available)
        ids += part.ids
        raw_captions += part.raw_captions
    model.raise_if_nan()  # on a GPU nothing has waited for this so far
    if not is_main_process():
        return None
    experts = [torch.cat(parts) for parts in zip(*(video.experts for video in videos), strict=True)]
    video = VideoEmbedding(experts, torch.cat([video.available for video in videos]))
    mask = torch.cat(masks)  # (V, K)
    sims = _similarities(model, texts, video, mask, quarter)
    query_masks = mask if len(sims) == mask.numel() else mask.any(dim=1, keepdim=True)
    query_masks = query_masks.cpu().numpy()
    try:
        ranks = {"t2v": t2v_ranks(sims, query_masks), "v2t": v2t_ranks(sims, query_masks, v2t_ties)}
    except NotFiniteError as error:
        captions = range(len(mask.flatten()))[error.row * mask.numel() // len(sims) :][: mask.numel() // len(sims)]
        found = _find_nonfinite_source(model.modalities, texts, video, ids, captions)
        raise InputError(f"{error}, of '{ids[captions[0] // mask.shape[1]]}'; it comes from {found}") from None
    measured = measure(metrics, sims, query_masks, ranks)
    weights = None if model.is_concat else texts.weights[mask.flatten()].cpu().numpy()
    available = torch.cat(available).cpu().numpy()
    return Evaluation(measured, ranks, sims, query_masks, ids, raw_captions, model.modalities, available, weights)


def _find_nonfinite_source(
    modalities: Sequence[str], texts: TextStore, video: VideoEmbedding, ids: Sequence[str], rows: range
) -> str:
    """Where NaN or inf in the scores of captions come from: the text, the experts, with the first video of each."""
    text = texts.read(rows[0], rows[-1] + 1, device=video.available.device)
    found = [] if all(torch.isfinite(x).all() for x in (*text.experts, text.weights)) else ["the text"]
    for i, (name, x) in enumerate(zip(modalities, video.experts, strict=True)):
        bad = ~torch.isfinite(x).all(dim=1) & video.available[:, i].bool()
        if bad.any():
            found.append(f"expert '{name}' of '{ids[int(bad.nonzero()[0])]}'")
    return ", ".join(found) or "the similarities alone"


def _embedded(model: CENet, batches: Iterable[Mapping], device: torch.device, most_bytes: int) -> Iterator[EmbeddedBatch]:
    """Embed each batch, with so many bytes for what a chunk of its captions takes."""
    with tqdm(total=_length(batches), desc="evaluation", leave=False, disable=not sys.stdout.isatty()) as bar:
        for batch in batches:
            moved = to_device(batch, device)
            chunks = _text_chunks(model, moved["text"], moved["word_mask"], most_bytes)
            part = EmbeddedBatch(
                [model.embed_text(*chunk) for chunk in chunks],
                model.embed_video(moved["experts"], moved["ind"], moved["frame_masks"]),
                moved["word_mask"].any(dim=-1),
                torch.stack([moved["ind"][name] for name in model.modalities], dim=1),
                batch["ids"],
                batch["raw_captions"],
            )
            del batch, moved, chunks  # not beside the next one
            yield part
            del part
            bar.update()


def _length(batches: Iterable) -> int | None:
    return len(batches) if isinstance(batches, Sized) else None


def _text_chunks(model: CENet, text: Tensor, word_mask: Tensor, most_bytes: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Parts of the captions of a batch, (1, n, W, text_dim) and (1, n, W), that so many bytes suffice to embed.

    They are of about one size: products of few rows are slow, and differ in their last bits from those of many.
    """
    text, word_mask = text.flatten(0, 1), word_mask.flatten(0, 1)
    numbers = WORD_COPIES * text[0].numel() + POOLED_COPIES * model.text_pooling.clusters.numel()  # for a caption
    parts = _num_parts(len(text), most_bytes // (numbers * text.element_size()))
    for chunk in zip(text.tensor_split(parts), word_mask.tensor_split(parts), strict=True):
        yield tuple(part[None] for part in chunk)


def _num_parts(number: int, most: int) -> int:
    """How many parts so many things make, of `most` each, or of one."""
    return -(-number // max(1, most))


def _similarities(
    model: CENet, texts: TextStore, video: VideoEmbedding, mask: Tensor, quarter: int
) -> np.ndarray | FileMatrix:
    """The similarities of all captions and videos: an array, if two quarters of the memory hold it.

    Args:
        mask: (V, K), true for captions that exist.
        quarter: bytes of memory.
    """
    num_videos, num_captions = mask.shape
    averaged = model.test_caption_mode == "avg"
    num_rows = num_videos if averaged else mask.numel()
    large = 4 * num_rows * num_videos > 2 * quarter
    sims = FileMatrix(num_videos) if large else np.empty((num_rows, num_videos), dtype=np.float32)
    if large:
        sims.reserve(num_rows)
    a_video = 4 * num_captions * (TEXT_COPIES * texts.width + SCORE_COPIES * num_videos)  # bytes
    row = 0
    for part in np.array_split(np.arange(num_videos), _num_parts(num_videos, quarter // a_video)):
        described = range(part[0], part[-1] + 1)
        text = texts.read(described.start * num_captions, described.stop * num_captions, device=mask.device)
        scores = model.score(text, video, mask[described.start : described.stop], described.start).cpu().numpy()
        if large:
            sims.append(scores)
        else:
            sims[row : row + len(scores)] = scores
            row += len(scores)
    return sims
