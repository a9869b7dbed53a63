"""Evaluate a checkpoint on a split: a table of both directions, and metrics.json."""

import argparse
from pathlib import Path

from base.checkpoint import load_checkpoint
from base.device import seed_everything, select_device
from base.experiment import Experiment
from logger.logging_setup import setup_logging
from parse_config import ConfigParser, add_config_arguments
from trainer.testing import evaluate_checkpoint, evaluation_config, save_sims
from utils.errors import InputError, command


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_arguments(parser)
    parser.add_argument(
        "--split", metavar="NAME", help="split to evaluate (default: that of --config or of its eval_config)"
    )
    parser.add_argument("--save_sims", metavar="FILE.npz", type=Path, help="keep the similarity matrix, with its ids")
    args = parser.parse_args()
    if not args.resume:
        raise InputError("--resume CHECKPOINT: missing, expected the checkpoint to evaluate")
    if args.save_sims and not (args.save_sims.suffix == ".npz" and args.save_sims.parent.is_dir()):
        raise InputError(f"--save_sims {args.save_sims}: expected a file .npz in a folder that exists")
    return args


@command
def main() -> None:
    """Evaluate."""
    args = parse_arguments()
    state = load_checkpoint(args.resume)
    config = evaluation_config(ConfigParser.from_arguments(args, state), args.split)
    options = config["tester"] if "tester" in config else config["trainer"]
    experiment = Experiment.create(options["save_dir"], config["name"], kinds=("log",))
    setup_logging(experiment.log, options["verbosity"])
    device = select_device(args.device, config["disable_gpu"])
    seed_everything(config["seed"])
    _, evaluation = evaluate_checkpoint(config, state, args.resume, device, experiment.log)
    if args.save_sims:
        save_sims(args.save_sims, evaluation)


if __name__ == "__main__":
    main()
