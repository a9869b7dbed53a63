"""The start of a training from the weights of another model."""

import json
import logging
from pathlib import Path

import torch

from base.checkpoint import load_checkpoint
from model.model import CENet
from model.published import load_weights
from model.transfer import Transfer, take_weights, tensors_by_expert
from parse_config import ConfigParser, leaves
from trainer.build import build_model
from utils.errors import InputError, first_names

logger = logging.getLogger(__name__)


def initialize_from(model: CENet, path: Path, config: ConfigParser) -> None:
    """Copy the weights of the checkpoint at `path` that fit to `model`, and log what was copied and what was not.

    The checkpoint may be of this project or of a public release. The state of torch's generator is kept.

    Args:
        config: the config of the training.

    Raises:
        InputError: an invalid checkpoint, or one of which no weight matrix fits.
    """
    state = load_checkpoint(path)
    source_config = ConfigParser.from_checkpoint(state, path)
    with torch.random.fork_rng(devices=[]):
        source = build_model(source_config)
    load_weights(source, state, path)
    found, own = take_weights(model, source), tensors_by_expert(model)
    rest = _describe_rest(found)
    if not found.num_matrices:
        raise InputError(f"{path}: no layer fits the model of {config.source}, expected some to start from{rest}")
    size = sum(x.numel() for x in own.values())
    logger.info(
        "init_from %s, epoch %d: %d of %d tensors, %s of %s numbers, are taken as initial weights%s",
        path, state["epoch"], len(found.taken), len(own), f"{found.num_values:,}", f"{size:,}", rest,
    )  # fmt: skip
    trained, given = (
        leaves(x["arch"]["args"], "arch.args.") | {"experts.text_feat": x["experts"]["text_feat"]}
        for x in (source_config, config)
    )
    if differing := [key for key in trained if given.get(key, trained[key]) != trained[key]]:
        values = ", ".join(f"{key} {json.dumps(trained[key])} (here {json.dumps(given[key])})" for key in differing)
        logger.warning("init_from %s: trained with other settings: %s", path, values)


def _describe_rest(found: Transfer) -> str:
    """Return what was not taken and why, "" if there is nothing."""
    parts = {"do not fit": found.misfits, "only in this model": found.new, "only in the checkpoint": found.unused}
    return "".join(f"; {len(names)} {which}: {first_names(names)}" for which, names in parts.items() if names)
