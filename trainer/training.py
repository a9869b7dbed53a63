"""The work of `train.py`: train with one seed or several, and test the best model of each."""

import argparse
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

import torch

from base.device import seed_everything, select_device
from base.experiment import Run, purge_runs
from base.runs import ResumePoint, load_best, resume_state
from data_loader.data_loaders import warn_of_shared_videos
from data_loader.datasets import is_published
from logger.logging_setup import start_logging
from logger.results import report_seeds, warn_if_small
from model.published import summary
from parse_config import ConfigParser
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
    distributed_main,
    is_main_process,
    local_gpu_index,
    main_process_first,
)
from trainer.init_from import initialize_from
from trainer.next_steps import next_steps, resume_seeds_command
from trainer.query_results import build_qrels
from trainer.trainer import Trainer
from utils.allocator import keep_freed_memory

logger = logging.getLogger(__name__)

Prepared = tuple[argparse.Namespace, ConfigParser, list[int] | None, Run | None, ResumePoint | None]


@distributed_main
def run_training(prepare: Callable[[], Prepared]) -> None:
    """Train as `prepare`, that of `train.py`, says; of several processes, it is called in the main one only."""
    keep_freed_memory()
    args, config, seeds, run, start = broadcast_from_main(prepare)
    if seeds is None:
        run, _ = train_and_test(config, args, run, start)
    else:
        run = train_seeds(config, args, run, seeds)
    if args.purge_exp_dir and is_main_process():  # now that the new run is complete
        purge_runs(config["trainer"]["save_dir"], config["name"], agreed=True, keep=run.id)


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
