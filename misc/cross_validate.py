"""Cross-validate settings of a config on its training and validation videos; those of the test split are not used.

The videos are divided into folds. For each setting and each fold, a model is trained on the other folds, and the metrics of
its best epoch on the fold are read. Trainings that are complete are not run again; interrupted ones are resumed.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.late_imports import late_imports  # first: Ctrl-C is one line from here on

# isort: split
from misc.reporting.settings import REFERENCE, Setting
from parse_config import parse_seeds
from utils.errors import CommandParser, InputError, cli_command
from utils.jobs import count_cores


def parse_arguments() -> argparse.Namespace:
    """Parse and check the command line; `settings` are those to train."""
    parser = CommandParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="config to train")
    about = "override a key of the config; repeat it for a setting of several keys"
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=about)
    about = "a further setting with a name; values have no spaces; may be repeated"
    parser.add_argument("--compare", action="append", default=[], metavar="'NAME: KEY=VALUE ...'", help=about)
    parser.add_argument("--folds", type=int, default=5, metavar="N", help="number of folds (default: %(default)s)")
    parser.add_argument("--seeds", default="0", metavar="N,N,...", help="seeds to average (default: %(default)s)")
    about = "lines '<video> <group>'; a group, such as near-duplicates, is in one fold (default: each video is its own)"
    parser.add_argument("--groups", type=Path, metavar="FILE", help=about)
    about = "add the metrics with a query bank of the videos trained on"
    parser.add_argument("--querybank", action="store_true", help=about)
    parser.add_argument("--ridge", action="store_true", help="add the linear map of misc/ridge_baseline.py to rgb")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table, which is Markdown, to a file too")
    about = "trainings at a time (default: as many as cores; with --device, one)"
    parser.add_argument("--jobs", type=int, metavar="N", help=about)
    parser.add_argument("--device", type=int, metavar="N", help="index of the GPU to use (default: the CPU)")
    parser.add_argument("--dry_run", action="store_true", help="print what would be run, and the table of what is complete")
    args = parser.parse_args()
    if args.jobs is None:
        args.jobs = count_cores() if args.device is None else 1
    for option, value, least in (("--folds", args.folds, 2), ("--jobs", args.jobs, 1)):
        if value < least:
            raise InputError(f"{option} {value}: expected {least} or more")
    if args.out and (args.out.is_dir() or not args.out.parent.is_dir()):
        raise InputError(f"--out {args.out}: expected a file in a folder that exists")
    own = [Setting(" ".join(args.set), tuple(args.set))] if args.set else []
    args.settings = [REFERENCE, *own, *map(Setting.parse, args.compare)]
    names = [setting.name for setting in args.settings]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"--compare '{twice[0]}: ...': the name is there twice, expected different names")
    args.seeds = parse_seeds(args.seeds)
    return args


@cli_command
def main() -> None:
    """Cross-validate, print a table and a line for each failure, and end with exit code 1 if there are any."""
    args = parse_arguments()
    with late_imports():  # torch and others take long to import: not before the arguments are valid
        from misc.reporting.fold_trainings import run
    run(args)


if __name__ == "__main__":
    main()
