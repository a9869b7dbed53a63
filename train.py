"""Train a text-video embedding, evaluate it after each epoch, and test the best model."""

import argparse
import contextlib
import functools
import logging
from collections.abc import Callable
from typing import Any

from base.checkpoint import load_checkpoint
from base.device import seed_everything, select_device
from base.experiment import Experiment, confirm_purge, purge_runs
from base.runs import AUTO, ResumePoint, load_best, resolve_resume, resume_state, run_lock
from data_loader.datasets import is_published
from logger.logging_setup import log_to, start_logging
from logger.results import report_seeds, warn_if_small
from logger.tensorboard import RunEvents
from model.published import summary
from parse_config import ConfigParser, add_config_arguments, parse_seeds
from trainer import Trainer
from trainer.build import (
    build_evaluation_loaders,
    build_loaders,
    build_loss,
    build_lr_scheduler,
    build_model,
    build_optimizer,
)
from trainer.checkpoint_evaluation import evaluate_checkpoint, report, warn_if_leaky
from trainer.data_parallel import synchronize_batch_norms
from trainer.distributed import (
    broadcast_from_main,
    check_distributed_config,
    distributed_main,
    is_main_process,
    local_gpu_index,
    main_process_first,
)
from trainer.next_steps import next_steps, resume_seeds_command
from trainer.ranking_page import page_data
from utils.allocator import keep_freed_memory
from utils.errors import InputError, cli_command

logger = logging.getLogger(__name__)


def train(
    config: ConfigParser, create: Callable[[], Experiment], args: argparse.Namespace, start: ResumePoint | None
) -> dict | None:
    """Train one model, test the best one, and return the content of `metrics.json` (None in other than the main process).

    Args:
        config: of the run.
        create: returns the run; called when everything has been read and built, so that bad input leaves no folders.
        args: the command line.
        start: the checkpoint to resume from (None: train from scratch).
    """
    start_logging(config["trainer"]["verbosity"])
    warn_if_leaky(config)
    device = select_device(local_gpu_index(args.device), config["disable_gpu"])
    seed_everything(config["seed"])

    model = build_model(config).to(device)
    synchronize_batch_norms(model)  # those of all processes, if there are several
    logger.info(summary(model, is_published(config["data_loader"]["args"]["dataset_name"])))
    loss = build_loss(config)
    optimizer = build_optimizer(config, model.parameters())
    lr_scheduler = build_lr_scheduler(config, optimizer)
    loaders = main_process_first(lambda: build_loaders(config, device))
    test_loaders = main_process_first(lambda: build_evaluation_loaders(config, config["test_split"], device))
    warn_if_small({x.split_name: len(x.evaluation.dataset) for x in (loaders, test_loaders)})

    trainer = Trainer(model, loss, optimizer, lr_scheduler, config, loaders, device)
    if start is not None:
        trainer.resume(start)
    experiment = broadcast_from_main(lambda: create().with_folders())
    with contextlib.ExitStack() as stack:
        if is_main_process():
            stack.enter_context(run_lock(experiment.models))
            events = stack.enter_context(RunEvents(experiment.log, config.as_dict(), model.modalities, trainer.start_epoch))
            log_to(experiment.log)
            trainer.write_to(experiment, events)
        trainer.train()

        models = broadcast_from_main(lambda: experiment.models)  # the main process has written everything by now
        path, best = load_best(models, config["trainer"]["monitor"])
        evaluation = evaluate_checkpoint(model, config, test_loaders, best, path, device)
        if evaluation is None:
            return None
        events.add_test(evaluation.metrics, best["epoch"])
        if trainer.visualizer is not None:
            trainer.visualizer.show(page_data(evaluation), best["epoch"], config["test_split"])
        metrics = report(config, model, evaluation, config["test_split"], best, path, experiment.models)
        if trainer.visualizer is not None:
            trainer.visualizer.announce()
        logger.info(next_steps(config, path, args.device, experiment.web))
        return metrics


def train_seeds(
    config: ConfigParser,
    seeds: list[int],
    create: Callable[[], Experiment],
    args: argparse.Namespace,
    run: Experiment | None,
) -> None:
    """Train with each of `seeds`, in a folder each, and report mean and standard deviation.

    Args:
        config, create, args: as in `train`.
        seeds: of the models.
        run: the run to resume: seeds that are done are not trained again, and one that was begun is resumed.
    """
    start_logging(config["trainer"]["verbosity"])
    results = []
    try:
        for seed in seeds:
            folder = run.with_seed(seed).models if run else None
            metrics, start = broadcast_from_main(functools.partial(resume_state, folder))
            if metrics is None:
                seeded = config.with_overrides([f"seed={seed}"])
                metrics = train(seeded, lambda seed=seed: create().with_seed(seed), args, start)
            else:
                logger.info("seed %d is done: %s", seed, folder)
            results.append(metrics)
    except KeyboardInterrupt:
        left = ",".join(map(str, seeds[len(results) :]))
        print(f"seeds that are not done: {left}; no summary was written; resume with: {resume_seeds_command(args)}")
        raise
    if is_main_process():
        report_seeds(create().models, results)


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
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
        f"--resume {AUTO} resumes the newest run of the config, and of --seeds, that is not finished, if there is one. "
        "torchrun --standalone --nproc_per_node N train.py ... trains in N processes, on the GPUs from --device on."
    )
    args = parser.parse_args()
    if args.resume and (args.purge_exp_dir or args.seeds and args.resume != AUTO):
        raise InputError(f"--resume CHECKPOINT resumes one run: not with --seeds (except '{AUTO}') or --purge_exp_dir")
    return args


def build_config(args: argparse.Namespace, state: dict[str, Any] | None) -> ConfigParser:
    """Return the config that the command line describes, with the split that the best model will be tested on."""
    if args.train_single_epoch:
        args.set += [f"trainer.epochs={state['epoch'] + 1 if state else 1}", "trainer.skip_first_n_saves=0"]
    if args.disable_workers:
        args.set += ["data_loader.args.num_workers=0"]
    if args.mini_train:
        args.set += ["data_loader.args.mini=true"]
    return ConfigParser.from_arguments(args, state, training=True).with_test_split()


def prepare() -> tuple[argparse.Namespace, ConfigParser, list[int] | None, Experiment | None, ResumePoint | None]:
    """Return the command line, its config and seeds, the run to resume and the checkpoint to resume from."""
    args = parse_arguments()
    state = load_checkpoint(args.resume) if args.resume and args.resume != AUTO else None
    if state and state.get("published"):
        raise InputError(
            f"{args.resume}: a checkpoint of the 2019 release has no optimizer to resume, only test.py reads it"
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
    keep_freed_memory()
    args, config, seeds, run, start = broadcast_from_main(prepare)
    save_dir = config["trainer"]["save_dir"]

    @functools.cache
    def create() -> Experiment:
        return run or Experiment.create(save_dir, config["name"])

    if seeds is None:
        train(config, create, args, start)
    else:
        train_seeds(config, seeds, create, args, run)
    if args.purge_exp_dir and is_main_process():  # now that the new run is complete
        purge_runs(save_dir, config["name"], agreed=True, keep=create().run)


if __name__ == "__main__":
    main()
