"""Train a text-video embedding, evaluate it after each epoch, and test the best model."""

import argparse
import contextlib
import functools
import logging
import shlex
from collections.abc import Callable
from typing import Any

import torch

from base.arguments import model_arguments
from base.checkpoint import load_checkpoint
from base.device import seed_everything, select_device
from base.experiment import Experiment, confirm_purge, purge_runs
from base.runs import AUTO, ResumePoint, load_best, resolve_resume, resume_state, run_lock
from data_loader import data_loaders
from data_loader.datasets import is_published
from logger.logging_setup import log_to, start_logging
from logger.results import report_seeds, warn_if_small
from logger.tensorboard import RunEvents
from model import loss, model
from model.published import summary
from parse_config import ConfigParser, add_config_arguments, parse_seeds
from trainer import Trainer
from trainer.build import loader_arguments
from trainer.checkpoint_evaluation import evaluate_checkpoint, evaluation_loaders, report, warn_if_leaky
from trainer.distributed import (
    broadcast_from_main,
    check_distributed_config,
    distributed_main,
    is_main_process,
    launch_command,
    local_gpu_index,
    main_process_first,
)
from trainer.optim import build_optimizer
from utils.errors import InputError, cli_command

logger = logging.getLogger(__name__)


def train(
    config: ConfigParser, place: Callable[[], Experiment], args: argparse.Namespace, start: ResumePoint | None
) -> dict | None:
    """Train one model, from `start` on if there is one, and test the best: the content of `metrics.json`.

    Everything is read and built before `place` says where the run is; then its folders are made. Of several processes the
    main one alone writes there, and returns something.
    """
    start_logging(config["trainer"]["verbosity"])
    warn_if_leaky(config)
    device = select_device(local_gpu_index(args.device), config["disable_gpu"])
    seed_everything(config["seed"])

    loaders = main_process_first(lambda: config.init("data_loader", data_loaders, **loader_arguments(config, device)))
    test_loaders = main_process_first(lambda: evaluation_loaders(config, config["test_split"], device))
    warn_if_small({x.split_name: len(x.evaluation.dataset) for x in (loaders, test_loaders)})
    net = config.init("arch", model, **model_arguments(config)).to(device)
    logger.info(summary(net, is_published(config["data_loader"]["args"]["dataset_name"])))
    criterion = config.init("loss", loss)
    optimizer = build_optimizer(config["optimizer"], net.parameters())
    schedule = None
    if "lr_scheduler" in config:
        schedule = config.init("lr_scheduler", torch.optim.lr_scheduler, optimizer=optimizer)

    trainer = Trainer(net, criterion, optimizer, schedule, config, loaders, device)
    if start is not None:
        trainer.resume(start)
    experiment = broadcast_from_main(lambda: place().with_folders())
    with contextlib.ExitStack() as stack:
        if is_main_process():
            stack.enter_context(run_lock(experiment.models))
            events = stack.enter_context(RunEvents(experiment.log, config.as_dict(), net.modalities, trainer.start_epoch))
            log_to(experiment.log)
            trainer.write_to(experiment, events)
        trainer.train()

        models = broadcast_from_main(lambda: experiment.models)  # all is written by now
        path, best = load_best(models, config["trainer"]["monitor"])
        evaluation = evaluate_checkpoint(net, config, test_loaders, best, path, device)
        if evaluation is None:
            return None
        events.add_test(evaluation.metrics, best["epoch"])
        if trainer.visualizer is not None:
            trainer.visualizer.show(evaluation, best["epoch"], config["test_split"])
        about = report(config, net, evaluation, config["test_split"], best, path, experiment.models)
        if trainer.visualizer is not None:
            trainer.visualizer.announce()
        return about


def train_seeds(
    config: ConfigParser, seeds: list[int], run: Callable[[], Experiment], args: argparse.Namespace, found: Experiment | None
) -> None:
    """Train with each of `seeds`, in a folder each, and report mean and standard deviation.

    In run `found` seeds that are done are not trained again, and one that was begun goes on.
    """
    start_logging(config["trainer"]["verbosity"])
    results = []
    try:
        for seed in seeds:
            begun = found.with_seed(seed).models if found else None
            done, start = broadcast_from_main(functools.partial(resume_state, begun))
            if done is None:
                seeded = config.with_overrides([f"seed={seed}"])
                done = train(seeded, lambda seed=seed: run().with_seed(seed), args, start)
            else:
                logger.info("seed %d is done: %s", seed, begun)
            results.append(done)
    except KeyboardInterrupt:
        left = ",".join(map(str, seeds[len(results) :]))
        print(f"seeds that are not done: {left}; no summary was written; go on with: {resume_command(args)}")
        raise
    if is_main_process():
        report_seeds(run().models, results)


def resume_command(args: argparse.Namespace) -> str:
    """The command that goes on with the newest run that is not finished."""
    command = [*launch_command(), "train.py", "--config", str(args.config), "--seeds", args.seeds, "--resume", str(AUTO)]
    command += [] if args.device is None else ["--device", str(args.device)]
    return shlex.join([*command, *(word for override in args.set for word in ("--set", override))])


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
    parser.epilog = (
        f"--resume {AUTO} goes on with the newest run of the config, and of --seeds, that is not finished, if there is one. "
        "torchrun --standalone --nproc_per_node N train.py ... trains in N processes, on the GPUs from --device on."
    )
    args = parser.parse_args()
    if args.resume and (args.purge_exp_dir or args.seeds and args.resume != AUTO):
        raise InputError(f"--resume CHECKPOINT goes on with one run: not with --seeds (but for '{AUTO}') or --purge_exp_dir")
    return args


def build_config(args: argparse.Namespace, state: dict[str, Any] | None) -> ConfigParser:
    """The config that the command line means, with the split that the best model is to be tested on."""
    if args.train_single_epoch:
        args.set += [f"trainer.epochs={state['epoch'] + 1 if state else 1}", "trainer.skip_first_n_saves=0"]
    if args.disable_workers:
        args.set += ["data_loader.args.num_workers=0"]
    if args.mini_train:
        args.set += ["data_loader.args.mini=true"]
    return ConfigParser.from_arguments(args, state, training=True).with_test_split()


def prepare() -> tuple[argparse.Namespace, ConfigParser, list[int] | None, Experiment | None, ResumePoint | None]:
    """What is to be done: the command line, its config and seeds, the run to go on in and the checkpoint to go on from."""
    args = parse_arguments()
    state = load_checkpoint(args.resume) if args.resume and args.resume != AUTO else None
    if state and state.get("published"):
        raise InputError(
            f"{args.resume}: a checkpoint of the 2019 release has no optimiser to go on with, only test.py reads it"
        )
    config = build_config(args, state)
    seeds = None if args.seeds is None else parse_seeds(args.seeds)
    check_distributed_config(config)
    if args.purge_exp_dir:
        confirm_purge(config["trainer"]["save_dir"], config["name"], args.yes)
    return args, config, seeds, *resolve_resume(args.resume, state, config.as_dict(), seeds)


@cli_command
@distributed_main
def main() -> None:
    """Train with one seed or several."""
    args, config, seeds, found, start = broadcast_from_main(prepare)
    save_dir = config["trainer"]["save_dir"]

    @functools.cache
    def run() -> Experiment:
        return found or Experiment.create(save_dir, config["name"])

    if seeds is None:
        train(config, run, args, start)
    else:
        train_seeds(config, seeds, run, args, found)
    if args.purge_exp_dir and is_main_process():  # now that the new run is whole
        purge_runs(save_dir, config["name"], agreed=True, keep=run().run)


if __name__ == "__main__":
    main()
