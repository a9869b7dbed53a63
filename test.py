"""Evaluate a checkpoint on a split: a table of both directions, and metrics.json."""

import argparse
import logging
import os
from pathlib import Path

from base.arguments import model_arguments
from base.checkpoint import load_checkpoint
from base.device import seed_everything, select_device
from base.experiment import CONFIG, Experiment
from base.schema import Tester
from data_loader.datasets import is_published
from logger.logging_setup import log_to, start_logging
from logger.results import warn_if_small
from model import model
from model.published import summary
from model.similarity import SIMILARITIES
from parse_config import PUBLISHED_2019_OVERRIDES, ConfigParser, add_config_arguments
from trainer.checkpoint_evaluation import evaluate_checkpoint, evaluation_loaders, report, save_sims, warn_if_leaky
from trainer.distributed import broadcast_from_main, distributed_main, local_gpu_index, main_process_first
from utils.errors import InputError, cli_command
from utils.files import write_json
from utils.visualizer import Visualizer

logger = logging.getLogger(__name__)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_arguments(parser)
    parser.add_argument(
        "--split",
        metavar="NAME",
        help="split to evaluate (default: that of --config; without it, the checkpoint's test split)",
    )
    parser.add_argument(
        "--similarity",
        choices=sorted(SIMILARITIES),
        help="score (default: that of the config); paired-2019 is the leaky one of the 2019 release, for study alone",
    )
    parser.add_argument("--save_sims", metavar="FILE.npz", type=Path, help="keep the similarity matrix, with its ids")
    args = parser.parse_args()
    if not args.resume:
        raise InputError("--resume CHECKPOINT: missing, expected the checkpoint to evaluate")
    if args.save_sims:
        folder = args.save_sims.parent
        writable = folder.is_dir() and os.access(folder, os.W_OK) and not args.save_sims.is_dir()
        if args.save_sims.suffix != ".npz" or not writable:
            raise InputError(f"--save_sims {args.save_sims}: expected a file .npz in a folder that can be written to")
    return args


def split_of(args: argparse.Namespace, config: ConfigParser) -> str:
    """The split that the command line means."""
    if args.split:
        return args.split
    if args.config or any(override.startswith("data_loader.args.split_name=") for override in args.set):
        return config["data_loader"]["args"]["split_name"]
    return config.test_split()


@cli_command
@distributed_main
def main() -> None:
    """Evaluate."""
    args = broadcast_from_main(parse_arguments)
    state = load_checkpoint(args.resume)
    if args.similarity:
        args.set.append(f"arch.args.similarity={args.similarity}")
    config = ConfigParser.from_arguments(args, state)
    options = config.get("tester") or config.get("trainer") or Tester().model_dump()
    start_logging(options["verbosity"])
    warn_if_leaky(config)
    if state.get("published"):
        logger.info(
            "%s: a checkpoint of the 2019 release, evaluated with %s", args.resume, " and ".join(PUBLISHED_2019_OVERRIDES)
        )
    device = select_device(local_gpu_index(args.device), config["disable_gpu"])
    seed_everything(config["seed"])
    split = split_of(args, config)
    loaders = main_process_first(lambda: evaluation_loaders(config, split, device))
    warn_if_small({split: len(loaders.evaluation.dataset)})
    net = config.init("arch", model, **model_arguments(config)).to(device)
    logger.info(summary(net, is_published(config["data_loader"]["args"]["dataset_name"])))
    evaluation = evaluate_checkpoint(net, config, loaders, state, args.resume, device)
    if evaluation is None:  # another process has it
        return
    experiment = Experiment.create(options["save_dir"], config["name"], kinds=("log",))
    log_to(experiment.log)
    write_json(experiment.log / CONFIG, config.as_dict())
    about = report(config, net, evaluation, split, state, args.resume, experiment.log)
    if visualizer := Visualizer.of_run(config, experiment):
        visualizer.show(evaluation, state["epoch"], split)
        visualizer.announce()
    if args.save_sims:
        save_sims(args.save_sims, evaluation, about, loaders.evaluation.dataset.caption_ids())


if __name__ == "__main__":
    main()
