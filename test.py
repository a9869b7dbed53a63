"""Evaluate a checkpoint on a split: a table of both directions, and metrics.json."""

import argparse
import json
import os
from pathlib import Path

from utils.late_imports import late_imports  # first: Ctrl-C is one line from here on

# isort: split
from base.experiment import require_checkpoint
from model.querybank import PUBLISHED_BETA
from model.variants import SIMILARITIES
from parse_config import add_config_arguments
from trainer.launch import prepare_early
from utils.errors import CommandParser, InputError, cli_command


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(description=__doc__)
    add_config_arguments(parser, "checkpoint to evaluate")
    parser.add_argument(
        "--split",
        metavar="NAME",
        help="split to evaluate (default: that of --config; without it, the checkpoint's test split)",
    )
    parser.add_argument(
        "--eval_from_training_config",
        action="store_true",
        help="merge eval_settings over --config (without --config they are, over the checkpoint's)",
    )
    parser.add_argument(
        "--similarity",
        choices=sorted(SIMILARITIES),
        help="score (default: that of the config); paired-2019 is the leaky one of the 2019 release, for study only",
    )
    parser.add_argument(
        "--querybank",
        metavar="BETA",
        nargs="?",
        const="",
        help="report metrics with a query bank of the training data too, at inverse temperature BETA (default: as the "
        f"config says, else {PUBLISHED_BETA:g}), or with 'val' the one that is best on the split that the training was "
        "validated on",
    )
    parser.add_argument(
        "--qrels",
        metavar="FILE",
        nargs="?",
        const=True,
        help="report nDCG@10, mAP, MRR and recall with several relevant items too: those of a TREC file of lines 'caption 0 "
        "video grade' or, without FILE, the videos of captions with equal text",
    )
    parser.add_argument(
        "--confidence",
        metavar="PERCENT",
        nargs="?",
        const="95",
        help="report confidence intervals of the metrics by the bootstrap over videos (default: 95)",
    )
    parser.add_argument("--save_sims", metavar="FILE.npz", type=Path, help="keep the similarity matrix, with its ids")
    parser.add_argument(
        "--save_trec", metavar="FOLDER", type=Path, help="write rankings and relevance judgments for trec_eval to FOLDER"
    )
    args = parser.parse_args()
    if not args.resume:
        raise InputError("--resume CHECKPOINT: missing, expected the checkpoint to evaluate")
    if args.save_sims:
        folder = args.save_sims.parent
        writable = folder.is_dir() and os.access(folder, os.W_OK) and not args.save_sims.is_dir()
        if args.save_sims.suffix != ".npz" or not writable:
            raise InputError(f"--save_sims {args.save_sims}: expected a file .npz in a folder that can be written to")
    if args.save_trec and args.save_trec.exists() and not (args.save_trec.is_dir() and os.access(args.save_trec, os.W_OK)):
        raise InputError(f"--save_trec {args.save_trec}: expected a folder that can be written to")
    if args.similarity:
        args.set.append(f"arch.args.similarity={args.similarity}")
        if args.similarity == "paired-2019" and args.querybank is None:  # which has no bank, even if the config has one
            args.set.append("querybank=null")
    if args.qrels == "":
        raise InputError("--qrels: found an empty name, expected a file, or no value")
    if args.qrels:
        args.set.append(f"qrels={json.dumps(args.qrels)}")
    if args.confidence:
        args.set.append(f"confidence={args.confidence}")
    require_checkpoint(args.resume)
    return args


@cli_command
def main() -> None:
    """Evaluate one checkpoint."""
    prepared = prepare_early(parse_arguments)
    with late_imports():  # torch takes a second to import: not before the arguments are valid
        from trainer.testing import run_test
    run_test(prepared)


if __name__ == "__main__":
    main()
