"""Cross-validate settings of a config on its training and validation videos; those of the test split are not used.

The videos are divided into folds. For each setting and each fold, a model is trained on the other folds, and the metrics of
its best epoch on the fold are read. Trainings that are complete are not run again; interrupted ones are resumed.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from misc.reporting.cross_validation import REFERENCE, RIDGE, CrossValidation, Setting, format_markdown, make_rows
from parse_config import parse_seeds
from utils.errors import InputError, cli_command, count_text
from utils.files import write_bytes
from utils.jobs import count_cores, exit_with_failures, run_jobs


def parse_arguments() -> argparse.Namespace:
    """Parse and check the command line; `settings` are those to train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
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
    return args


def train_settings(validation: CrossValidation, settings: Sequence[Setting], jobs: int) -> list[str]:
    """Train what is missing, delete the checkpoints of what is complete, and return a line for each failure."""
    failures = []
    for setting in settings:
        missing = [x.job for fold in validation.trainings(setting) for x in fold if x.run is None]
        to_do = f"{count_text(len(missing), 'training')} to run" if missing else "done"
        print(f"{setting.name}: {to_do}")
        failures += run_jobs(missing, jobs) if missing else []
        for run in [x.run for fold in validation.trainings(setting) for x in fold if x.run]:
            for checkpoint in run.glob("*.pth"):
                checkpoint.unlink()
    return failures


def make_table(validation: CrossValidation, settings: Sequence[Setting], ridge: bool) -> str | None:
    """Return the table of what is complete, None if the config as it is, which all are compared with, is not."""
    results = {}
    for setting in settings:
        results |= validation.read_results(setting)
    if REFERENCE.name not in results:
        return None
    if ridge:
        results[RIDGE] = validation.ridge()
    return format_markdown(make_rows(results))


@cli_command
def main() -> None:
    """Cross-validate, print a table and a line for each failure, and end with exit code 1 if there are any."""
    args = parse_arguments()
    options = () if args.device is None else ("--device", str(args.device))
    seeds = parse_seeds(args.seeds)
    validation = CrossValidation(args.config, args.folds, args.groups, seeds, args.querybank, options)
    for setting in args.settings:
        validation.check(setting)
    trainings = [x for setting in args.settings for fold in validation.trainings(setting) for x in fold]
    sizes = ", ".join(str(len(fold)) for fold in validation.folds)
    print(f"{validation.root}: {args.folds} folds of {sizes} videos")
    failures = []
    again = shlex.join(["python", "misc/cross_validate.py", *sys.argv[1:]])
    if args.dry_run:
        for training in trainings:
            if training.run is None:
                print(shlex.join(["python", *training.job.arguments]))
    else:
        validation.write_folds()
        try:
            failures = train_settings(validation, args.settings, args.jobs)
        except KeyboardInterrupt:
            print(f"stopped, what is complete is kept; resume with: {again}")
            raise
    if (table := make_table(validation, args.settings, args.ridge)) is not None:
        print(f"\nmean (standard error over folds), difference to '{REFERENCE.name}' fold by fold:\n\n{table}")
        if args.out and not args.dry_run:
            write_bytes(args.out, f"{table}\n".encode())
    exit_with_failures(failures, f"{count_text(len(failures), 'training')} failed; after fixing that, resume with: {again}")


if __name__ == "__main__":
    main()
