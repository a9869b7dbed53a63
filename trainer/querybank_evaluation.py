"""Evaluation with a query bank of the training data: normalized similarities, beside those of the model as they are."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from base.registry import find
from data_loader.data_loaders import ExpertDataLoader
from model.metric import NotFiniteError, t2v_ranks, v2t_ranks
from model.model import CENet
from model.querybank import PUBLISHED_BETA, QUERY_AXIS, Correction, fit_bank, hubness, normalize
from model.relevance import score_queries
from parse_config import ConfigParser
from trainer.embedding import SplitEmbeddings, embed_split
from trainer.evaluation import (
    Evaluation,
    NormalizedResults,
    compute_similarities,
    empty_similarities,
    evaluate,
    evaluation_settings,
)
from trainer.query_results import add_query_results
from utils.errors import InputError
from utils.trec import Qrels

# Betas to choose from; the first of the equally good ones is chosen.
BETAS = (PUBLISHED_BETA, 5.0, 10.0, 50.0, 100.0)
CRITERION = "geometric_mean_R1-R5-R10"

logger = logging.getLogger(__name__)


def evaluate_with_querybank(
    model: CENet,
    config: ConfigParser,
    loaders: ExpertDataLoader,
    validation: ExpertDataLoader | None,
    device: torch.device,
    qrels: Qrels | None = None,
) -> Evaluation | None:
    """Evaluate a split without and with the query bank of `loaders`; return None in all processes except the main one.

    Args:
        config: one with `querybank`.
        validation: batches of the split that `querybank.choose_beta` chooses on (None: beta is given).
        qrels: see `trainer.query_results.add_query_results`.

    Raises:
        InputError: as `evaluate`.
    """
    section, settings = config["querybank"], _settings(config)
    memory = settings["memory"]
    bank = embed_split(model, loaders.bank, device, memory)
    betas, betas_from = dict.fromkeys(QUERY_AXIS, section["beta"]), None
    if validation is not None:
        betas, betas_from = choose_betas(model, config, bank, validation, device), validation.split_name
    evaluation = evaluate(model, loaders.evaluation, device=device, keep_embeddings=True, **settings)
    if evaluation is None:
        return None
    add_query_results(evaluation, loaders.evaluation.dataset.caption_ids(), qrels)
    results = NormalizedResults({}, {}, {}, section["method"], betas, betas_from)
    for task in QUERY_AXIS:
        sims, exists = _bank_similarities(model, evaluation, bank, task, memory)
        results.bank_size[task] = sims.shape[1] if task == "v2t" else int(exists.sum())
        correction = _fit(sims, task, exists, section["method"], betas[task])
        del sims
        normalized = _normalize(evaluation, correction, task, memory)
        results.hubness[task] = hubness(normalized, task, evaluation.row_exists)
        if (name := f"{task}_metrics") in evaluation.metrics:
            results.ranks[task] = _ranks(normalized, evaluation, task, config)
            results.metrics[name] = _metrics(normalized, evaluation, task, results.ranks[task])
        if evaluation.relevance is not None:
            scores = score_queries(normalized, evaluation.relevance, task, evaluation.row_exists)
            results.relevance_scores[task] = scores
        del normalized
    evaluation.embeddings, evaluation.normalized = None, results
    return evaluation


def choose_betas(
    model: CENet, config: ConfigParser, bank: SplitEmbeddings, validation: ExpertDataLoader, device: torch.device
) -> dict[str, float]:
    """Return the one of `BETAS` with the best validation metrics for each direction; in other processes, an empty dict.

    Args:
        config: one with `querybank`.
        bank: the embedded training data.
        validation: batches of the split to choose on.
    """
    settings = _settings(config)
    evaluation = evaluate(model, validation.evaluation, device=device, keep_embeddings=True, **settings)
    tasks = () if evaluation is None else QUERY_AXIS
    return {task: _choose_beta(model, evaluation, bank, task, config, settings["memory"]) for task in tasks}


def _settings(config: ConfigParser) -> dict[str, Any]:
    """Return the settings of an evaluation with a bank: one half of the memory is for the evaluation, one for the bank."""
    settings = evaluation_settings(config)
    return settings | {"memory": max(1, settings["memory"] // 2)}


def _choose_beta(
    model: CENet, evaluation: Evaluation, bank: SplitEmbeddings, task: str, config: ConfigParser, memory: int
) -> float:
    """Return the one of `BETAS` with the best metrics of an evaluation in one direction."""
    sims, exists = _bank_similarities(model, evaluation, bank, task, memory)

    def quality(beta: float) -> float:
        correction = _fit(sims, task, exists, config["querybank"]["method"], beta)
        normalized = _normalize(evaluation, correction, task, memory)
        return _metrics(normalized, evaluation, task, _ranks(normalized, evaluation, task, config))[CRITERION]

    return max(BETAS, key=quality)


def _bank_similarities(
    model: CENet, evaluation: Evaluation, bank: SplitEmbeddings, task: str, memory: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the similarities of the items of an evaluation and a bank, and the mask of the rows that exist."""
    items = evaluation.embeddings
    if task == "v2t":
        return compute_similarities(model, items.texts, bank.video, items.caption_mask, memory), evaluation.row_exists
    mask = bank.caption_mask
    exists = mask.any(dim=1) if model.test_caption_mode == "avg" else mask.flatten()
    return compute_similarities(model, bank.texts, items.video, mask, memory), exists.cpu().numpy()


def _fit(sims: np.ndarray, task: str, exists: np.ndarray, method: str, beta: float) -> Correction:
    """Return the correction by a bank; raise an InputError that names the bank if similarities are NaN or inf."""
    try:
        return fit_bank(sims, task, exists, method, beta)
    except NotFiniteError as error:
        raise InputError(f"query bank of training {'captions' if task == 't2v' else 'videos'}: {error}") from None


def _normalize(evaluation: Evaluation, correction: Correction, task: str, memory: int) -> np.ndarray:
    """Return the normalized similarities of an evaluation."""
    out = empty_similarities(evaluation.sims.shape, memory)
    return normalize(evaluation.sims, correction, task, evaluation.row_exists, out)


def _ranks(sims: np.ndarray, evaluation: Evaluation, task: str, config: ConfigParser) -> np.ndarray:
    """Return the ranks by normalized similarities in one direction."""
    masks = evaluation.query_masks
    return t2v_ranks(sims, masks) if task == "t2v" else v2t_ranks(sims, masks, config.v2t_ties)


def _metrics(sims: np.ndarray, evaluation: Evaluation, task: str, ranks: np.ndarray) -> Mapping[str, float]:
    """Return the metrics of normalized similarities in one direction."""
    return find("metrics", f"{task}_metrics")(sims, evaluation.query_masks, ranks=ranks)
