"""Evaluate a checkpoint on a split: a table of both directions, and metrics.json."""

import argparse
import json
import logging
import os
from pathlib import Path

from base.checkpoint import load_checkpoint
from base.device import seed_everything, select_device
from base.experiment import CONFIG, Run
from base.legacy_checkpoint import RELEASES
from base.schema import TesterSection
from data_loader.datasets import is_published
from logger.logging_setup import log_to, start_logging
from logger.results import warn_if_small
from model.published import summary
from model.querybank import PUBLISHED_BETA
from model.similarity import SIMILARITIES
from parse_config import PUBLISHED_OVERRIDES, ConfigParser, add_config_arguments, trained_values
from trainer.build import build_beta_loaders, build_evaluation_loaders, build_model, build_visualizer, with_querybank
from trainer.checkpoint_evaluation import evaluate_checkpoint, report, save_sims, warn_if_leaky
from trainer.distributed import broadcast_from_main, distributed_main, local_gpu_index, main_process_first
from trainer.query_results import build_qrels, save_trec
from utils.errors import InputError, cli_command
from utils.files import write_json

logger = logging.getLogger(__name__)


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_arguments(parser, "checkpoint to evaluate")
    parser.add_argument(
        "--split",
        metavar="NAME",
        help="split to evaluate (default: that of --config; without it, the checkpoint's test split)",
    )
    parser.add_argument(
        "--eval_from_training_config",
        action="store_true",
        help="merge eval_settings over --config (without --config they are, over the checkpoint's)",
    )
    parser.add_argument(
        "--similarity",
        choices=sorted(SIMILARITIES),
        help="score (default: that of the config); paired-2019 is the leaky one of the 2019 release, for study only",
    )
    parser.add_argument(
        "--querybank",
        metavar="BETA",
        nargs="?",
        const="",
        help="report metrics with a query bank of the training data too, at inverse temperature BETA (default: as the "
        f"config says, else {PUBLISHED_BETA:g}), or with 'val' the one that is best on the split that the training was "
        "validated on",
    )
    parser.add_argument(
        "--qrels",
        metavar="FILE",
        nargs="?",
        const=True,
        help="report nDCG@10, mAP, MRR and recall with several relevant items too: those of a TREC file of lines 'caption 0 "
        "video grade' or, without FILE, the videos of captions with equal text",
    )
    parser.add_argument(
        "--confidence",
        metavar="PERCENT",
        nargs="?",
        const="95",
        help="report confidence intervals of the metrics by the bootstrap over videos (default: 95)",
    )
    parser.add_argument("--save_sims", metavar="FILE.npz", type=Path, help="keep the similarity matrix, with its ids")
    parser.add_argument(
        "--save_trec", metavar="FOLDER", type=Path, help="write rankings and relevance judgments for trec_eval to FOLDER"
    )
    args = parser.parse_args()
    if not args.resume:
        raise InputError("--resume CHECKPOINT: missing, expected the checkpoint to evaluate")
    if args.save_sims:
        folder = args.save_sims.parent
        writable = folder.is_dir() and os.access(folder, os.W_OK) and not args.save_sims.is_dir()
        if args.save_sims.suffix != ".npz" or not writable:
            raise InputError(f"--save_sims {args.save_sims}: expected a file .npz in a folder that can be written to")
    if args.save_trec and args.save_trec.exists() and not (args.save_trec.is_dir() and os.access(args.save_trec, os.W_OK)):
        raise InputError(f"--save_trec {args.save_trec}: expected a folder that can be written to")
    if args.similarity:
        args.set.append(f"arch.args.similarity={args.similarity}")
        if args.similarity == "paired-2019" and args.querybank is None:  # which has no bank, even if the config has one
            args.set.append("querybank=null")
    if args.qrels == "":
        raise InputError("--qrels: found an empty name, expected a file, or no value")
    if args.qrels:
        args.set.append(f"qrels={json.dumps(args.qrels)}")
    if args.confidence:
        args.set.append(f"confidence={args.confidence}")
    return args


def choose_test(args: argparse.Namespace, config: ConfigParser) -> tuple[ConfigParser, str]:
    """Return the config to evaluate with, after `eval_settings` where they apply, and the split."""
    if args.eval_from_training_config and "eval_settings" not in config:
        raise InputError(f"--eval_from_training_config: {config.source} has no eval_settings, expected an object or false")
    set_here = any(override.startswith("data_loader.args.split_name=") for override in args.set)
    if args.eval_from_training_config or not (args.config or set_here):
        config = config.with_eval_settings().with_overrides(args.set)
    if args.querybank is not None:
        config = with_querybank(config, args.querybank)
    if args.split:
        return config, args.split
    if args.config or set_here:
        return config, config["data_loader"]["args"]["split_name"]
    return config, config.test_split()


@cli_command
@distributed_main
def main() -> None:
    """Evaluate one checkpoint."""
    args = broadcast_from_main(parse_arguments)
    state = load_checkpoint(args.resume)
    config, split = choose_test(args, ConfigParser.from_arguments(args, state))
    options = config.get("tester") or config.get("trainer") or TesterSection().model_dump()
    start_logging(options["verbosity"])
    warn_if_leaky(config)
    if state.get("published"):
        overrides = " and ".join(PUBLISHED_OVERRIDES)
        logger.info("%s: a checkpoint of %s, evaluated with %s", args.resume, RELEASES[state["release"]], overrides)
    device = select_device(local_gpu_index(args.device), config["disable_gpu"])
    seed_everything(config["seed"])

    model = build_model(config).to(device)
    logger.info(summary(model, is_published(config["data_loader"]["args"]["dataset_name"])))
    loaders = main_process_first(build_evaluation_loaders, config, split, device)
    own_split = config["data_loader"]["args"]["split_name"]
    validation_split = str(trained_values(state).get("data_loader.args.split_name", own_split))
    beta_loaders = main_process_first(build_beta_loaders, config, validation_split, loaders, device, args.querybank == "val")
    warn_if_small({split: len(loaders.evaluation.dataset)})
    qrels = main_process_first(build_qrels, config, loaders.evaluation.dataset, model.test_caption_mode == "avg")
    evaluation = evaluate_checkpoint(model, config, loaders, state, args.resume, device, beta_loaders, qrels)
    if evaluation is None:  # the main process has it
        return

    run = Run.create(options["save_dir"], config["name"], kinds=("log",))
    log_to(run.log)
    write_json(run.log / CONFIG, config.as_dict())
    metrics = report(config, model, evaluation, split, state, args.resume, run.log, build_visualizer(config, run))
    if args.save_sims:
        save_sims(args.save_sims, evaluation, metrics)
    if args.save_trec:
        save_trec(args.save_trec, evaluation, config["name"])


if __name__ == "__main__":
    main()
