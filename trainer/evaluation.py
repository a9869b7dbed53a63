"""Evaluation: embed a split, score all captions against all videos, and compute the metrics."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from base.registry import find
from model.metric import NotFiniteError, t2v_ranks, v2t_ranks
from model.model import CENet
from model.similarity import VideoEmbedding, find_nonfinite_source
from parse_config import ConfigParser
from trainer.embedding import FLOAT32_BYTES, SplitEmbeddings, TextStore, chunk_bytes_of, count_chunks, embed_split
from utils.errors import InputError
from utils.files import temporary_array
from utils.visualizer import PageData

# Upper bounds on the number of arrays that exist at the same time while captions are scored: of the size of the text
# embeddings and of the similarities.
TEXT_ARRAYS, SIMS_ARRAYS = 3, 4


@dataclasses.dataclass
class Evaluation:
    """The result of an evaluation of V videos with K captions each.

    Attributes:
        metrics: name of a metric function, such as "t2v_metrics" -> its values by name, as `model.metric` documents them.
        ranks: "t2v" -> the 0-based rank of each of the N captions that exist, (N,); "v2t" -> that of each video, (V,).
        sims: similarities (V*K, V), or (V, V) if captions are averaged; in a temporary file if it is too large for memory.
        query_masks: (V, K), false for captions that do not exist; (V, 1) if captions are averaged.
        video_ids: names of the V videos.
        raw_captions: list of captions of each video.
        modalities: names of the M experts.
        available: (V, M), 1 where a video has an expert.
        weights: mixture weights (N, M) of the captions that exist (None in the Concat variants).
        embeddings: those of the split, if they were asked for.
        normalized: the results with a query bank, if there is one.
        row_ids: id of the caption of each row of `sims`, or of the video if it stands for all its captions, and "" for a
            row without a caption, see `trainer.query_results.row_ids` (empty during a training).
        relevance: grades of each row and column of `sims`, if metrics with several relevant items are asked for.
        relevance_scores: "t2v" and "v2t" -> their values per query by name, see `model.relevance.score_queries`.
    """

    metrics: dict[str, dict[str, float]]
    ranks: dict[str, np.ndarray]
    sims: np.ndarray
    query_masks: np.ndarray
    video_ids: list[str]
    raw_captions: list[list[str]]
    modalities: list[str]
    available: np.ndarray
    weights: np.ndarray | None
    embeddings: SplitEmbeddings | None = None
    normalized: "NormalizedResults | None" = None
    row_ids: list[str] = dataclasses.field(default_factory=list)
    relevance: sparse.csr_array | None = None
    relevance_scores: dict[str, dict[str, np.ndarray]] = dataclasses.field(default_factory=dict)

    @property
    def row_exists(self) -> np.ndarray:
        """Whether the captions of each row of the similarities exist."""
        return self.query_masks.flatten()

    @property
    def reported_metrics(self) -> dict[str, dict[str, float]]:
        """The metrics, each followed by that with the query bank, if there is one, and those of several relevant items.

        These are "t2v_metrics", "t2v_querybank_metrics", ..., and those of `relevance_by_name` with "_metrics" added.
        """
        found = {}
        for name, values in self.metrics.items():
            found[name] = values
            if self.normalized is not None and name in self.normalized.metrics:
                found[f"{name.removesuffix('_metrics')}_querybank_metrics"] = self.normalized.metrics[name]
        for name, scores in self.relevance_by_name.items():
            found[f"{name}_metrics"] = {metric: float(np.nanmean(x)) for metric, x in scores.items()}
        return found

    @property
    def relevance_by_name(self) -> dict[str, dict[str, np.ndarray]]:
        """The values per query of metrics with several relevant items: "t2v_relevance", "t2v_querybank_relevance", ..."""
        found = {}
        for task, scores in self.relevance_scores.items():
            found[f"{task}_relevance"] = scores
            if self.normalized is not None:
                found[f"{task}_querybank_relevance"] = self.normalized.relevance_scores[task]
        return found

    @property
    def num_candidates(self) -> dict[str, int]:
        """The number of candidates of each query: "t2v" -> videos, "v2t" -> captions."""
        return {"t2v": self.sims.shape[1], "v2t": int(self.query_masks.sum())}

    @property
    def expert_weights(self) -> dict[str, np.ndarray]:
        """The weights (N,) of each expert by name; empty in the Concat variants."""
        return {} if self.weights is None else dict(zip(self.modalities, self.weights.T, strict=True))

    def page_data(self) -> PageData:
        """Return what the ranking page shows."""
        return PageData(
            metrics={name.removesuffix("_metrics"): values for name, values in self.metrics.items()},
            ranks=self.ranks,
            sims=self.sims,
            query_masks=self.query_masks,
            video_ids=self.video_ids,
            captions=self.raw_captions,
            experts=self.modalities,
            available=self.available,
            weights=self.weights,
        )


@dataclasses.dataclass
class NormalizedResults:
    """The results of an evaluation with a query bank, see `model.querybank`.

    Attributes:
        metrics: "t2v_metrics" and "v2t_metrics" -> the values by name, for those that the evaluation has too.
        ranks: "t2v" and "v2t" -> the ranks that they are computed from, as in `Evaluation`.
        hubness: "t2v" and "v2t" -> the hubness of the normalized similarities.
        method, betas: how they were normalized; "t2v" and "v2t" -> beta.
        betas_from: the split that betas were chosen on (None: they were given).
        bank_size: "t2v" -> captions in the bank, "v2t" -> videos.
        relevance_scores: as in `Evaluation`.
    """

    metrics: dict[str, dict[str, float]]
    ranks: dict[str, np.ndarray]
    hubness: dict[str, float]
    method: str
    betas: dict[str, float]
    betas_from: str | None
    bank_size: dict[str, int] = dataclasses.field(default_factory=dict)
    relevance_scores: dict[str, dict[str, np.ndarray]] = dataclasses.field(default_factory=dict)


def evaluation_settings(config: ConfigParser) -> dict[str, Any]:
    """Return the arguments of `evaluate` that a config determines."""
    return {"metrics": config["metrics"], "memory": config["evaluation_memory"], "v2t_ties": config.v2t_ties}


@torch.inference_mode()
def evaluate(
    model: CENet,
    batches: Collection[Mapping],
    metrics: Sequence[str],
    device: torch.device,
    memory: int = 1024,
    v2t_ties: str = "expected",
    keep_embeddings: bool = False,
) -> Evaluation | None:
    """Embed every batch, score all captions against all videos, and compute the metrics.

    Captions are embedded and scored in chunks. Caption embeddings and scores that do not fit into `memory` are kept in
    temporary files; the embeddings of the videos stay in memory.

    Args:
        model: the model, on `device`; it is left in evaluation mode.
        batches: batches of a split, as `data_loader.dataset.Collate` returns them; with several processes, the share of this
            one.
        metrics: names of functions of the package `model`, such as "t2v_metrics", see `model.metric`.
        memory: limit of the memory in MiB, see `base.schema.Config.evaluation_memory`.
        v2t_ties: "expected" or "published", the rule for tied captions of `model.metric.v2t_ranks`.
        keep_embeddings: whether to keep the embeddings in the evaluation.

    Returns:
        The evaluation. With several processes, each embeds its share, and only the main one computes similarities and
        metrics; the others return None.

    Raises:
        InputError: NaN in an available expert, NaN or inf in the similarities, or no disk space for a temporary file.
    """
    embeddings = embed_split(model, batches, device, memory)
    if embeddings is None:
        return None
    texts, video, caption_mask, available, ids, raw_captions = embeddings
    sims = compute_similarities(model, texts, video, caption_mask, memory)
    query_masks = caption_mask if len(sims) == caption_mask.numel() else caption_mask.any(dim=1, keepdim=True)
    query_masks = query_masks.cpu().numpy()
    try:
        ranks = {"t2v": t2v_ranks(sims, query_masks), "v2t": v2t_ranks(sims, query_masks, v2t_ties)}
    except NotFiniteError as error:
        captions_per_row = caption_mask.numel() // len(sims)
        first = error.row * captions_per_row
        text = texts.read(first, first + captions_per_row, device=device)
        source = find_nonfinite_source(model.modalities, text, video, ids)
        raise InputError(f"{error}, of '{ids[first // caption_mask.shape[1]]}'; it comes from {source}") from None
    known_ranks = {f"{task}_metrics": {"ranks": values} for task, values in ranks.items()}
    values = {name: find("metrics", name)(sims, query_masks, **known_ranks.get(name, {})) for name in metrics}
    weights = None if model.is_concat else texts.weights[caption_mask.flatten()].cpu().numpy()
    return Evaluation(
        values,
        ranks,
        sims,
        query_masks,
        ids,
        raw_captions,
        model.modalities,
        available.cpu().numpy(),
        weights,
        embeddings if keep_embeddings else None,
    )


@torch.inference_mode()
def compute_similarities(
    model: CENet, texts: TextStore, video: VideoEmbedding, caption_mask: Tensor, memory: int
) -> np.ndarray:
    """Return the similarities of all captions and all videos, in a temporary file if they need over half of `memory` MiB.

    Args:
        caption_mask: (N, K), true for captions that exist, of the N videos that the texts describe.
        video: embeddings of V videos, the same ones or others.
    """
    num_described, num_captions = caption_mask.shape
    num_videos, chunk_bytes = len(video.available), chunk_bytes_of(memory)
    num_rows = num_described if model.test_caption_mode == "avg" else caption_mask.numel()
    sims = empty_similarities((num_rows, num_videos), memory)
    video_bytes = FLOAT32_BYTES * num_captions * (TEXT_ARRAYS * texts.width + SIMS_ARRAYS * num_videos)
    row = 0
    for chunk in np.array_split(np.arange(num_described), count_chunks(num_described, chunk_bytes // video_bytes)):
        start, stop = int(chunk[0]), int(chunk[-1]) + 1
        text = texts.read(start * num_captions, stop * num_captions, device=caption_mask.device)
        rows = model.score(text, video, caption_mask[start:stop], start)
        sims[row : row + len(rows)] = rows.cpu().numpy()
        row += len(rows)
    return sims


def empty_similarities(shape: tuple[int, int], memory: int) -> np.ndarray:
    """Return an array for similarities, in a temporary file if they need over half of `memory` MiB."""
    large = FLOAT32_BYTES * shape[0] * shape[1] > 2 * chunk_bytes_of(memory)
    return temporary_array(shape) if large else np.empty(shape, dtype=np.float32)
