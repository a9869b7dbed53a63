"""Evaluation of a checkpoint: load its weights, evaluate a split, and report the results."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from base.device import environment
from base.experiment import METRICS, RANKS
from data_loader.data_loaders import ExpertDataLoader
from logger.results import format_table, label_leaky
from model.model import CENet
from model.published import load_weights, num_parameters
from model.querybank import HUB_RANKS, QUERY_AXIS, hubness
from parse_config import ConfigParser
from trainer.distributed import get_world_size
from trainer.evaluation import Evaluation, NormalizedResults, evaluate, evaluation_settings
from trainer.query_results import add_query_results, confidence_intervals, save_ranks
from trainer.querybank_evaluation import evaluate_with_querybank
from utils.errors import count_text
from utils.files import atomic_write, write_json
from utils.trec import Qrels
from utils.visualizer import Visualizer

logger = logging.getLogger(__name__)


def warn_if_leaky(config: ConfigParser) -> bool:
    """Return whether `config` selects the leaky similarity, and log a warning if it does."""
    if leaky := config["arch"]["args"].get("similarity") == "paired-2019":
        reason = "similarity paired-2019 tells each caption which experts its own video has"
        logger.warning("LEAKY: %s; its figures are no fair results", reason)
    return leaky


def evaluate_checkpoint(
    model: CENet,
    config: ConfigParser,
    loaders: ExpertDataLoader,
    state: dict[str, Any],
    path: Path,
    device: torch.device,
    beta_loaders: ExpertDataLoader | None = None,
    qrels: Qrels | None = None,
) -> Evaluation | None:
    """Evaluate a checkpoint on the split of `loaders`; return None in all processes except the main one.

    Args:
        model: that of `config`, on `device`; its weights are replaced by those of the checkpoint.
        state, path: content and file of the checkpoint; weights and optimizer are removed from `state` to free memory.
        beta_loaders: those of `trainer.build.build_beta_loaders`.
        qrels: those of `trainer.query_results.build_qrels`.

    Raises:
        InputError: a checkpoint of another model.
    """
    load_weights(model, state, path)
    for name in ("state_dict", "raw_state_dict", "optimizer"):
        state.pop(name, None)
    if "querybank" in config:
        return evaluate_with_querybank(model, config, loaders, beta_loaders, device, qrels)
    evaluation = evaluate(model, loaders.evaluation, device=device, **evaluation_settings(config))
    if evaluation is not None:
        add_query_results(evaluation, loaders.evaluation.dataset.caption_ids(), qrels)
    return evaluation


def report(
    config: ConfigParser,
    model: CENet,
    evaluation: Evaluation,
    split: str,
    state: dict[str, Any],
    path: Path,
    folder: Path,
    visualizer: Visualizer | None,
) -> dict:
    """Show the results of a checkpoint on the ranking page, log them as a table, and write `ranks.json` and `metrics.json`.

    Args:
        state, path: content and file of the checkpoint.
        folder: that of `metrics.json`.
        visualizer: writer of the ranking page (None: the config has none).

    Returns:
        The content of `metrics.json`.
    """
    if visualizer is not None:
        visualizer.show(evaluation.page_data(), state["epoch"], split)
    leaky = warn_if_leaky(config)
    confidence, intervals = {}, None
    if (level := config.get("confidence")) is not None:
        intervals = confidence_intervals(evaluation, level)
        confidence["confidence"] = {"level": level, **intervals}
    table = format_table(evaluation.reported_metrics, videos=len(evaluation.video_ids), intervals=intervals)
    logger.info("checkpoint %s, epoch %d, split %s:\n%s", path, state["epoch"], label_leaky(split, leaky), table)
    hubs = {task: hubness(evaluation.sims, task, evaluation.row_exists) for task in QUERY_AXIS}
    if intervals is not None:
        logger.info("below each metric: its %g %% confidence interval (bootstrap over videos)", level)
    logger.info("hubness (skewness of how often an item is among the first %d): %s", HUB_RANKS, _format_hubness(hubs))
    normalized = {}
    if (results := evaluation.normalized) is not None:
        logger.info("%s: hubness %s", _describe_bank(results), _format_hubness(results.hubness))
        normalized["querybank"] = {
            "method": results.method,
            "beta": None if results.method == "csls" else results.betas,
            "beta_chosen_on": results.betas_from,
            "captions": results.bank_size["t2v"],
            "videos": results.bank_size["v2t"],
            "hubness": results.hubness,
        }
    content = evaluation.reported_metrics | {
        "seed": state["seed"],
        "epoch": state["epoch"],
        "split": split,
        "leaky": leaky,
        "config": config.file,
        "checkpoint": str(path),
        "v2t_ties": config.v2t_ties,
        "hubness": hubs,
        **confidence,
        **normalized,
        "published_checkpoint": state.get("published", False),
        "videos": len(evaluation.video_ids),
        "captions": int(evaluation.query_masks.sum()),
        "parameters": num_parameters(model),
        "validation": state.get("values"),
        "training_environment": state.get("environment"),
        "environment": environment(next(model.parameters()).device, get_world_size()),
    }
    save_ranks(folder / RANKS, evaluation, content)
    write_json(folder / METRICS, content)
    logger.info("metrics: %s", folder / METRICS)
    if visualizer is not None:
        visualizer.announce()
    return content


def _format_hubness(by_task: Mapping[str, float]) -> str:
    return ", ".join(f"{task} {value:.2f}" for task, value in by_task.items())


def _describe_bank(results: NormalizedResults) -> str:
    """Return the method, the betas and the size of a query bank for the log."""
    captions, videos = count_text(results.bank_size["t2v"], "caption"), count_text(results.bank_size["v2t"], "video")
    if results.method == "csls":
        return f"query bank of {captions} and {videos}, csls"
    betas = "beta " + ", ".join(f"{task} {beta:g}" for task, beta in results.betas.items())
    chosen = f" (chosen on {results.betas_from})" if results.betas_from else ""
    return f"query bank of {captions} and {videos}, {results.method}, {betas}{chosen}"


def save_sims(path: Path, evaluation: Evaluation, metrics: dict) -> None:
    """Save the similarities of an evaluation as `.npz`, with the ids of their rows and columns.

    Its arrays are `sims`, `query_masks`, `video_ids`, one per column of `sims`, `caption_ids`, one per row, see
    `trainer.query_results.row_ids`, and the origin.

    Args:
        metrics: content of `metrics.json`, from which split, checkpoint, `leaky` and both environments (as JSON) are saved.
    """
    with atomic_write(path) as file:
        np.savez_compressed(
            file,
            sims=evaluation.sims,
            query_masks=evaluation.query_masks,
            video_ids=np.array(evaluation.video_ids),
            **{key: np.array(metrics[key]) for key in ("split", "checkpoint", "leaky")},
            **{key: np.array(json.dumps(metrics[key])) for key in ("environment", "training_environment")},
            caption_ids=np.array(evaluation.row_ids),
        )
    logger.info("similarities: %s", path)
