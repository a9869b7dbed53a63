"""Train a text-video embedding, evaluate it after each epoch, and test the best model."""

import argparse
import functools
import logging
from collections.abc import Callable

import torch

from base.arguments import loader_arguments, model_arguments
from base.checkpoint import BEST, load_checkpoint
from base.device import seed_everything, select_device
from base.experiment import Experiment, confirm_purge, purge_runs
from data_loader import data_loaders
from logger.logging_setup import log_to, start_logging
from logger.results import report_seeds
from model import loss, metric, model
from model.published import summary
from parse_config import ConfigParser, add_config_arguments
from trainer import Trainer
from trainer.testing import evaluate_checkpoint, evaluation_loaders, report, warn_if_leaky
from utils.errors import InputError, command

logger = logging.getLogger(__name__)


def train(
    config: ConfigParser, place: Callable[[], Experiment], args: argparse.Namespace, state: dict | None, same_run: bool
) -> dict:
    """Train one model, from checkpoint `state` on if there is one, and test the best: the content of `metrics.json`.

    Everything is read and built before `place` makes the folders of the run.
    """
    start_logging(config["trainer"]["verbosity"])
    warn_if_leaky(config)
    device = select_device(args.device, config["disable_gpu"])
    seed_everything(config["seed"])

    loaders = config.init("data_loader", data_loaders, **loader_arguments(config, device))
    test_loaders = evaluation_loaders(config, config["test_split"], device)
    net = config.init("arch", model, **model_arguments(config)).to(device)
    logger.info(summary(net))
    criterion = config.init("loss", loss)
    metrics = [getattr(metric, name) for name in config["metrics"]]
    optimizer = config.init("optimizer", torch.optim, params=net.parameters())
    schedule = None
    if "lr_scheduler" in config:
        schedule = config.init("lr_scheduler", torch.optim.lr_scheduler, optimizer=optimizer)

    trainer = Trainer(net, criterion, metrics, optimizer, schedule, config, loaders, device)
    if state is not None:
        trainer.resume(state, args.resume, same_run)
    experiment = place()
    log_to(experiment.log)
    trainer.write_to(experiment)
    trainer.train()

    path = experiment.models / BEST
    best = load_checkpoint(path)
    evaluation = evaluate_checkpoint(net, config, test_loaders, best, path, device)
    about = report(config, evaluation, config["test_split"], best, path, experiment.models)
    if trainer.visualizer is not None:
        trainer.visualizer.show(evaluation, best["epoch"], config["test_split"])
    return about


def train_seeds(config: ConfigParser, seeds: list[int], run: Callable[[], Experiment], args: argparse.Namespace) -> None:
    """Train with each of `seeds`, in a folder each, and report mean and standard deviation."""
    results = []
    for seed in seeds:
        try:
            seeded = config.updated([f"seed={seed}"])
            results.append(train(seeded, lambda seed=seed: run().with_seed(seed), args, None, False))
        except KeyboardInterrupt:
            print(f"seeds that are not done: {','.join(map(str, seeds[len(results) :]))}; no summary was written")
            raise
    report_seeds(run().models, results)


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
        "--purge_exp_dir", action="store_true", help="in the end, delete the earlier runs of this experiment; asks first"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before deleting")
    args = parser.parse_args()
    if args.resume and (args.seeds or args.purge_exp_dir):
        raise InputError("--resume goes on with one run: not together with --seeds or --purge_exp_dir")
    return args


def configure(args: argparse.Namespace, state: dict | None) -> ConfigParser:
    """The config that the command line means, with the split that the best model is to be tested on."""
    if args.train_single_epoch:
        args.set += [f"trainer.epochs={state['epoch'] + 1 if state else 1}", "trainer.skip_first_n_saves=0"]
    if args.disable_workers:
        args.set += ["data_loader.args.num_workers=0"]
    if args.mini_train:
        args.set += ["data_loader.args.mini=true"]
    config = ConfigParser.from_arguments(args, state, training=True)
    return config.updated([f"test_split={config.test_split()}"])


@command
def main() -> None:
    """Train with one seed or several."""
    args = parse_arguments()
    state = load_checkpoint(args.resume) if args.resume else None
    if state and state.get("published"):
        raise InputError(
            f"{args.resume}: a checkpoint of the 2019 release has no optimiser to go on with, only test.py reads it"
        )
    config = configure(args, state)
    seeds = config.seeds(args.seeds)
    save_dir = config["trainer"]["save_dir"]
    if args.purge_exp_dir:
        confirm_purge(save_dir, config["name"], args.yes)
    found = Experiment.of_checkpoint(args.resume) if state else None
    same_run = found is not None and state["config"] == config.as_dict()

    @functools.cache
    def run() -> Experiment:
        return found.with_folders() if same_run else Experiment.create(save_dir, config["name"])

    if seeds is None:
        train(config, run, args, state, same_run)
    else:
        train_seeds(config, seeds, run, args)
    if args.purge_exp_dir:  # now that the new run is whole
        purge_runs(save_dir, config["name"], agreed=True, keep=run().run)


if __name__ == "__main__":
    main()
