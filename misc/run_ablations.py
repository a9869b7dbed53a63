"""Run the experiments of a suite of tables with several seeds, score the study of the leak, and fill in the tables.

Experiments that are complete, with the same config and seeds, are not run again; interrupted ones are resumed.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.late_imports import late_imports  # first: Ctrl-C is one line from here on

# isort: split
from misc.reporting import tables
from parse_config import parse_seeds
from utils.errors import CommandParser, InputError, cli_command
from utils.jobs import count_cores


def parse_arguments() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = CommandParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", required=True, choices=tables.suites(), help="experiments of the tables of a dataset")
    parser.add_argument("--seeds", default="0,1,2", metavar="N,N,...", help="two or more (default: %(default)s)")
    about = "experiments at a time (default: as many as cores; with --device, one)"
    parser.add_argument("--jobs", type=int, metavar="N", help=about)
    parser.add_argument("--device", type=int, metavar="N", help="index of the GPU to use (default: the CPU)")
    parser.add_argument("--dry_run", action="store_true", help="print what is complete and what would be run")
    args = parser.parse_args()
    if args.jobs is None:
        args.jobs = count_cores() if args.device is None else 1
    if args.jobs < 1:
        raise InputError(f"--jobs {args.jobs}: expected 1 or more")
    seeds = parse_seeds(args.seeds)
    if len(seeds) < 2:
        raise InputError(f"--seeds {args.seeds}: expected two or more, tables give a standard deviation")
    args.seeds = seeds
    return args


@cli_command
def main() -> None:
    """Run a suite; print a line per failure and end with exit code 1 if there are any."""
    args = parse_arguments()
    with late_imports():  # torch and others take long to import: not before the arguments are valid
        from misc.reporting.ablations import run
    run(args)


if __name__ == "__main__":
    main()
