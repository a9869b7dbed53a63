"""Train a text-video embedding, evaluate it after each epoch, and test the best model."""

import argparse
import json
from typing import TYPE_CHECKING

from utils.late_imports import late_imports  # first: Ctrl-C is one line from here on

# isort: split
from base.experiment import AUTO, RELEASES, confirm_purge, require_checkpoint
from parse_config import ConfigParser, add_config_arguments, parse_seeds
from trainer.launch import prepare_early
from utils.errors import CommandParser, InputError, cli_command

if TYPE_CHECKING:
    from trainer.training import Prepared

ONE_START = "expected one of them: a training is resumed with the weights of its own checkpoint"


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(description=__doc__)
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


def prepare() -> "Prepared":
    """Return the command line, its config and seeds, the run to resume and the checkpoint to resume from."""
    args = parse_arguments()
    state = None
    if args.resume and args.resume != AUTO:
        require_checkpoint(args.resume)
        with late_imports():
            from base.checkpoint import load_checkpoint
        state = load_checkpoint(args.resume)
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
    with late_imports():
        from base.runs import resolve_resume
        from trainer.distributed import check_distributed_config
    check_distributed_config(config)
    if args.purge_exp_dir:
        confirm_purge(config["trainer"]["save_dir"], config["name"], args.yes)
    return args, config, seeds, *resolve_resume(args.resume, state, config.as_dict(), seeds)


@cli_command
def main() -> None:
    """Train with one seed or several."""
    prepared = prepare_early(prepare)
    with late_imports():  # torch takes a second to import: not before the arguments are valid
        from trainer.training import run_training
    run_training(prepared)


if __name__ == "__main__":
    main()
