"""Train a text-video embedding, evaluate it after each epoch, and test the best model."""

import argparse
import contextlib
import json
import logging
from pathlib import Path

import torch

from base.checkpoint import load_checkpoint
from base.device import seed_everything, select_device
from base.experiment import Run, confirm_purge, purge_runs
from base.legacy_checkpoint import RELEASES
from base.runs import AUTO, ResumePoint, load_best, resolve_resume, resume_state
from data_loader.data_loaders import warn_of_shared_videos
from data_loader.datasets import is_published
from logger.logging_setup import start_logging
from logger.results import report_seeds, warn_if_small
from model.published import summary
from parse_config import ConfigParser, add_config_arguments, parse_seeds
from trainer import Trainer
from trainer.build import (
    build_beta_loaders,
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
from trainer.init_from import initialize_from
from trainer.next_steps import next_steps, resume_seeds_command
from trainer.query_results import build_qrels
from utils.allocator import keep_freed_memory
from utils.errors import InputError, cli_command

ONE_START = "expected one of them: a training is resumed with the weights of its own checkpoint"

logger = logging.getLogger(__name__)


def train_and_test(
    config: ConfigParser, args: argparse.Namespace, run: Run | None, start: ResumePoint | None, seed: int | None = None
) -> tuple[Run, dict | None]:
    """Train one model, test its best checkpoint, and return its run and `metrics.json` (None: not the main process).

    Args:
        run: the run to continue (None: create one, after everything is read and built: bad input leaves no folders).
        start: the checkpoint to resume from (None: train from scratch).
        seed: the seed, if it is one of several seeds of the run, which has a folder for each.
    """
    start_logging(config["trainer"]["verbosity"])
    warn_if_leaky(config)
    device = select_device(local_gpu_index(args.device), config["disable_gpu"])
    seed_everything(config["seed"])

    model = build_model(config)
    if start is None and "init_from" in config:
        initialize_from(model, Path(config["init_from"]), config)
    model = model.to(device)
    synchronize_batch_norms(model)  # those of all processes, if there are several
    logger.info(summary(model, is_published(config["data_loader"]["args"]["dataset_name"])))
    loss_function = build_loss(config).to(device)
    optimizer = build_optimizer(config, model.parameters(), loss_function.parameters())
    lr_scheduler = build_lr_scheduler(config, optimizer)
    loaders = main_process_first(build_loaders, config, device)
    test_config = config.with_eval_settings()
    test_device = torch.device("cpu") if test_config["disable_gpu"] else device
    test_loaders = main_process_first(build_evaluation_loaders, test_config, config["test_split"], test_device)
    beta_loaders = main_process_first(build_beta_loaders, test_config, loaders.split_name, test_loaders, test_device)
    qrels = main_process_first(build_qrels, test_config, test_loaders.evaluation.dataset, model.test_caption_mode == "avg")
    warn_if_small({x.split_name: len(x.evaluation.dataset) for x in (loaders, test_loaders)})

    if "training_file" in config and is_main_process():
        warn_of_shared_videos(config["training_file"], loaders.train.dataset.ids, test_loaders.evaluation.dataset.ids)

    trainer = Trainer(model, loss_function, optimizer, lr_scheduler, config, loaders, device)
    if start is not None:
        trainer.resume(start)
    run = run or broadcast_from_main(Run.create, config["trainer"]["save_dir"], config["name"])
    seed_run = run if seed is None else run.with_seed(seed)
    with trainer.writing_to(seed_run) if is_main_process() else contextlib.nullcontext():
        trainer.train()

        path, checkpoint = main_process_first(load_best, seed_run.models, config["trainer"]["monitor"])
        evaluation = evaluate_checkpoint(
            model.to(test_device), test_config, test_loaders, checkpoint, path, test_device, beta_loaders, qrels
        )
        if evaluation is None:
            return run, None
        trainer.events.add_test(evaluation.reported_metrics, checkpoint["epoch"])
        metrics = report(
            test_config, model, evaluation, test_loaders.split_name, checkpoint, path, seed_run.models, trainer.visualizer
        )
        logger.info(next_steps(config, path, args.device, seed_run.web))
        return run, metrics


def train_seeds(config: ConfigParser, args: argparse.Namespace, run: Run | None, seeds: list[int]) -> Run:
    """Train with each of `seeds`, in a folder each, report mean and standard deviation, and return the run.

    If `run` is continued (None: create one), finished seeds are not trained again, and an interrupted one is resumed.
    """
    start_logging(config["trainer"]["verbosity"])
    results = []
    try:
        for seed in seeds:
            folder = run.with_seed(seed).models if run else None
            metrics, start = broadcast_from_main(resume_state, folder)
            if metrics is None:
                run, metrics = train_and_test(config.with_overrides([f"seed={seed}"]), args, run, start, seed)
            else:
                logger.info("seed %d is done: %s", seed, folder)
            results.append(metrics)
    except KeyboardInterrupt:
        left = ",".join(map(str, seeds[len(results) :]))
        print(f"seeds that are not done: {left}; no summary was written; resume with: {resume_seeds_command(args)}")
        raise
    if is_main_process():
        report_seeds(run.models, results)
    return run


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_arguments(parser, f"checkpoint to resume from; {AUTO}: the newest unfinished run of the config, if any")
    parser.add_argument(
        "--seeds", metavar="N,N,...", help="train with each of these seeds; print mean (std) of every metric"
    )
    parser.add_argument(
        "--init_from",
        metavar="CHECKPOINT",
        help="start from the weights of this model that fit by name and shape; optimizer and epochs start afresh; it may be "
        "of this project or of a public release; config key init_from, which a resumed run does not read",
    )
    parser.add_argument("--mini_train", action="store_true", help="train on two batches, validate on one, test on all")
    parser.add_argument("--train_single_epoch", action="store_true", help="stop after one epoch")
    parser.add_argument("--disable_workers", action="store_true", help="load data in the main process")
    parser.add_argument(
        "--purge_exp_dir", action="store_true", help="in the end, delete the earlier runs of this experiment; asks first"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before deleting")
    parser.epilog = (
        f"With --seeds, --resume {AUTO} resumes the newest unfinished run of these seeds. "
        "torchrun --standalone --nproc_per_node N train.py ... trains in N processes, on the GPUs from --device on."
    )
    args = parser.parse_args()
    if args.resume and (args.purge_exp_dir or args.seeds and args.resume != AUTO):
        raise InputError(f"--resume CHECKPOINT resumes one run: not with --seeds (except '{AUTO}') or --purge_exp_dir")
    if args.init_from is not None:
        if args.resume not in (None, AUTO):
            raise InputError(f"--init_from {args.init_from}: found with --resume CHECKPOINT, {ONE_START}")
        args.set += [f"init_from={json.dumps(args.init_from)}"]
    return args


def prepare() -> tuple[argparse.Namespace, ConfigParser, list[int] | None, Run | None, ResumePoint | None]:
    """Return the command line, its config and seeds, the run to resume and the checkpoint to resume from."""
    args = parse_arguments()
    state = load_checkpoint(args.resume) if args.resume and args.resume != AUTO else None
    if state and state.get("published"):
        raise InputError(
            f"{args.resume}: a checkpoint of {RELEASES[state['release']]} has no optimizer to resume, only test.py reads it"
        )
    if args.train_single_epoch:
        args.set += [f"trainer.epochs={state['epoch'] + 1 if state else 1}", "trainer.skip_first_n_saves=0"]
    if args.disable_workers:
        args.set += ["data_loader.args.num_workers=0"]
    if args.mini_train:
        args.set += ["data_loader.args.mini=true"]
    config = ConfigParser.from_arguments(args, state, training=True).with_test_split()
    if state and config.get("init_from") not in (None, state["config"].get("init_from")):
        raise InputError(f"{config.source}: init_from: found with --resume CHECKPOINT, {ONE_START}")
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
    if seeds is None:
        run, _ = train_and_test(config, args, run, start)
    else:
        run = train_seeds(config, args, run, seeds)
    if args.purge_exp_dir and is_main_process():  # now that the new run is complete
        purge_runs(config["trainer"]["save_dir"], config["name"], agreed=True, keep=run.id)


if __name__ == "__main__":
    main()
