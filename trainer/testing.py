"""Evaluating a checkpoint: which split, the table, the files."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch

from base.arguments import loader_arguments, model_arguments
from base.checkpoint import load_weights
from data_loader import data_loaders
from logger.results import format_table, write_metrics
from model import metric, model
from parse_config import ConfigParser
from trainer.evaluation import Evaluation, evaluate
from utils.files import atomic_write

LEAKY_WARNING = (
    "LEAKY: similarity paired-2019 tells each caption which experts its own video has; its figures are no fair results"
)

logger = logging.getLogger(__name__)


def evaluation_config(config: ConfigParser, split: str | None = None) -> ConfigParser:
    """The config to test what `config` trained.

    Args:
        split: the split to evaluate (None: the data of its `eval_config`, if it has one and is to be tested with it).
    """
    if split is not None:
        return config.updated([f"data_loader.args.split_name={split}"])
    if config["eval_mode"] == "test_run" and "eval_config" in config:
        return config.with_data_of(ConfigParser.from_file(config["eval_config"]))
    return config


def warn_if_leaky(config: ConfigParser) -> bool:
    """Whether the similarity of `config` is the leaky one, with a warning if it is."""
    leaky = config["arch"]["args"]["similarity"] == "paired-2019"
    if leaky:
        logger.warning(LEAKY_WARNING)
    return leaky


def evaluate_checkpoint(
    config: ConfigParser, state: dict[str, Any], path: Path, device: torch.device, folder: Path
) -> tuple[dict, Evaluation]:
    """Evaluate checkpoint `state`, read from `path`, on the split of `config`; log the table, write `metrics.json`.

    Args:
        folder: gets `metrics.json`.

    Returns:
        The content of `metrics.json`, and the evaluation.
    """
    loaders = config.init("data_loader", data_loaders, training=False, **loader_arguments(config, device))
    net = config.init("arch", model, **model_arguments(config)).to(device)
    load_weights(net, state, path)
    evaluation = evaluate(net, loaders.evaluation, [getattr(metric, name) for name in config["metrics"]], device)

    logger.info(
        "checkpoint %s, epoch %d, split %s:\n%s",
        path,
        state["epoch"],
        loaders.split_name,
        format_table(evaluation.metrics),
    )
    leaky = warn_if_leaky(config)
    content = write_metrics(
        folder / "metrics.json",
        evaluation.metrics,
        seed=state["seed"],
        epoch=state["epoch"],
        split=loaders.split_name,
        leaky=leaky,
        config=config.source,
        checkpoint=str(path),
        validation=state.get("values"),
    )
    logger.info("metrics: %s", folder / "metrics.json")
    return content, evaluation


def save_sims(path: Path, evaluation: Evaluation) -> None:
    """Keep the similarities: `sims`, `query_masks`, `video_ids` (V,) and `caption_ids`, `<video>#<k>` a row of `sims`."""
    num_captions = evaluation.query_masks.shape[1]
    with atomic_write(path) as file:
        np.savez_compressed(
            file,
            sims=evaluation.sims,
            query_masks=evaluation.query_masks,
            video_ids=np.array(evaluation.video_ids),
            caption_ids=np.array([f"{video}#{k}" for video in evaluation.video_ids for k in range(num_captions)]),
        )
    logger.info("similarities: %s", path)
