"""The work of `test.py`: evaluate a checkpoint on a split."""

import argparse
import logging
from collections.abc import Callable

from base.checkpoint import load_checkpoint
from base.device import seed_everything, select_device
from base.experiment import CONFIG, RELEASES, Run
from base.schema import TesterSection
from data_loader.datasets import is_published
from logger.logging_setup import log_to, start_logging
from logger.results import warn_if_small
from model.published import summary
from parse_config import PUBLISHED_OVERRIDES, ConfigParser, trained_values
from trainer.build import build_beta_loaders, build_evaluation_loaders, build_model, build_visualizer, with_querybank
from trainer.checkpoint_evaluation import evaluate_checkpoint, report, save_sims, warn_if_leaky
from trainer.distributed import broadcast_from_main, distributed_main, local_gpu_index, main_process_first
from trainer.query_results import build_qrels, save_trec
from utils.errors import InputError
from utils.files import write_json

logger = logging.getLogger(__name__)


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


@distributed_main
def run_test(parse_arguments: Callable[[], argparse.Namespace]) -> None:
    """Evaluate one checkpoint; of several processes, arguments are parsed in the main one only."""
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
