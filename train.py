"""Train a text-video embedding, evaluate it after each epoch, and test the best model."""

import argparse
import json
from pathlib import Path

import torch
from torch.utils.tensorboard import SummaryWriter

from base.arguments import loader_arguments, model_arguments
from base.checkpoint import BEST, load_checkpoint
from base.device import seed_everything, select_device
from base.experiment import Experiment, purge_runs
from data_loader import data_loaders
from logger.logging_setup import setup_logging
from logger.results import report_seeds
from model import loss, metric, model
from parse_config import ConfigParser, add_config_arguments
from trainer import Trainer
from trainer.testing import evaluate_checkpoint, evaluation_config, warn_if_leaky
from utils.errors import InputError, command
from utils.files import write_json


def train(config: ConfigParser, experiment: Experiment, args: argparse.Namespace, state: dict | None = None) -> dict:
    """Train one model, from checkpoint `state` on if there is one, and test the best: the content of `metrics.json`."""
    setup_logging(experiment.log, config["trainer"]["verbosity"])
    warn_if_leaky(config)
    device = select_device(args.device, config["disable_gpu"])
    seed_everything(config["seed"])

    loaders = config.init("data_loader", data_loaders, mini=args.mini_train, **loader_arguments(config, device))
    net = config.init("arch", model, **model_arguments(config)).to(device)
    criterion = config.init("loss", loss)
    metrics = [getattr(metric, name) for name in config["metrics"]]
    optimizer = config.init("optimizer", torch.optim, params=net.parameters())
    schedule = None
    if "lr_scheduler" in config:
        schedule = config.init("lr_scheduler", torch.optim.lr_scheduler, optimizer=optimizer)

    final_config = evaluation_config(config)  # now, lest its file is missed after the training
    trainer = Trainer(net, criterion, metrics, optimizer, schedule, config, loaders, experiment, device)
    if state is not None:
        trainer.resume(state, args.resume, same_run=state["config"] == config.as_dict())
    write_json(experiment.models / "config.json", config.as_dict())
    if config["trainer"]["tensorboard"]:
        trainer.writer = SummaryWriter(experiment.log, purge_step=trainer.start_epoch)
        trainer.writer.add_text("config", f"```json\n{json.dumps(config.as_dict(), indent=4)}\n```")
    trainer.train()

    best = experiment.models / BEST
    return evaluate_checkpoint(final_config, load_checkpoint(best), best, device, experiment.models)[0]


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_arguments(parser)
    parser.add_argument(
        "--seeds", metavar="N,N,...", help="train with each of these seeds; print mean (std) of every metric"
    )
    parser.add_argument("--mini_train", action="store_true", help="use two batches of videos, to see that everything works")
    parser.add_argument("--train_single_epoch", action="store_true", help="stop after one epoch")
    parser.add_argument("--disable_workers", action="store_true", help="load data in the main process")
    parser.add_argument(
        "--purge_exp_dir", action="store_true", help="delete the earlier runs of this experiment; asks first"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before deleting")
    args = parser.parse_args()
    if args.train_single_epoch:
        args.set += ["trainer.epochs=1", "trainer.skip_first_n_saves=0"]
    if args.disable_workers:
        args.set += ["data_loader.args.num_workers=0"]
    if args.resume and (args.seeds or args.purge_exp_dir):
        raise InputError("--resume goes on with one run: not together with --seeds or --purge_exp_dir")
    return args


@command
def main() -> None:
    """Train with one seed or several."""
    args = parse_arguments()
    state = load_checkpoint(args.resume) if args.resume else None
    config = ConfigParser.from_arguments(args, state, training=True)
    seeds = config.seeds(args.seeds)
    save_dir = config["trainer"]["save_dir"]
    if args.purge_exp_dir:
        purge_runs(save_dir, config["name"], args.yes)

    same_run = state is not None and state["config"] == config.as_dict()
    run = Experiment.of_checkpoint(Path(args.resume)) if same_run else None
    run = run or Experiment.create(save_dir, config["name"])
    if seeds is None:
        train(config, run, args, state)
    else:
        results = [train(config.updated([f"seed={seed}"]), run.with_seed(seed), args) for seed in seeds]
        setup_logging(run.log)
        report_seeds(run.models, results)


if __name__ == "__main__":
    main()
