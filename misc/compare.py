"""Compare runs of configs on the same queries: mean and deviation over seeds, tests, and queries that only one finds.

A run is given as its folder, as the folder of an experiment with all its runs, or as its metrics.json. Runs of one config
with different seeds are a group, such as `python misc/compare.py CE=data/saved/models/demo-train-full-ce
MoEE=data/saved/models/demo-train-full-moee`.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.late_imports import late_imports  # first: Ctrl-C is one line from here on

# isort: split
from misc.reporting.tables import LEVEL, SCORES
from utils.errors import CommandParser, InputError, cli_command


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(description=__doc__)
    parser.add_argument(
        "runs",
        metavar="[NAME=]RUN[,RUN...]",
        nargs="+",
        help="group of runs of one config, shown as NAME (default: its name)",
    )
    parser.add_argument(
        "--metrics",
        default="R1,R5,R10",
        metavar="NAME,...",
        help=f"metrics to test, of {', '.join(SCORES)} (default: %(default)s)",
    )
    parser.add_argument("--to_first", action="store_true", help="test each group against the first only, not all pairs")
    parser.add_argument(
        "--querybank", action="store_true", help="add each group with its query bank (runs evaluated with --querybank)"
    )
    parser.add_argument(
        "--hit", type=int, default=10, metavar="K", help="rank that a found query has (default: %(default)s)"
    )
    parser.add_argument(
        "--queries", type=int, default=5, metavar="N", help="queries to print per pair and side (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write comparison.json and a page, index.html, to FOLDER")
    parser.add_argument(
        "--calibrate",
        type=int,
        metavar="K",
        help=f"show how often two groups of K runs of one config differ at {LEVEL}, on a random half of the videos",
    )
    parser.add_argument(
        "--pairs", type=int, default=200, metavar="N", help="pairs of groups for --calibrate (default: %(default)s)"
    )
    args = parser.parse_args()
    args.metrics = args.metrics.split(",")
    if unknown := [name for name in args.metrics if name not in SCORES]:
        raise InputError(f"--metrics: found '{unknown[0]}', expected names of {', '.join(SCORES)}")
    if len(set(args.metrics)) < len(args.metrics):
        raise InputError(f"--metrics {','.join(args.metrics)}: a name is there twice, expected different names")
    unused = [name for name in ("to_first", "hit", "queries", "out") if getattr(args, name) != parser.get_default(name)]
    if args.calibrate is not None and unused:
        raise InputError(f"--calibrate: found with --{unused[0]}, expected it without")
    if args.hit < 1 or args.queries < 0 or args.pairs < 1:
        raise InputError("--hit, --pairs: expected numbers from 1, --queries: from 0")
    if args.out and args.out.exists() and not args.out.is_dir():
        raise InputError(f"--out {args.out}: a file, expected a folder")
    return args


@cli_command
def main() -> None:
    """Print a comparison, and write it to files."""
    args = parse_arguments()
    with late_imports():  # torch and others take long to import: not before the arguments are valid
        from misc.reporting.compared_runs import run
    run(args)


if __name__ == "__main__":
    main()
