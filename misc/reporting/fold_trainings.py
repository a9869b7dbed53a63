"""The work of `misc/cross_validate.py`: the trainings on folds, and the table of their results."""

import argparse
import shlex
import sys
from collections.abc import Sequence

from misc.reporting.cross_validation import RIDGE, CrossValidation, format_markdown, make_rows
from misc.reporting.settings import REFERENCE, Setting
from utils.errors import count_text
from utils.files import write_bytes
from utils.jobs import exit_with_failures, run_jobs


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


def run(args: argparse.Namespace) -> None:
    """Cross-validate, print a table and a line for each failure, and end with exit code 1 if there are any."""
    options = () if args.device is None else ("--device", str(args.device))
    validation = CrossValidation(args.config, args.folds, args.groups, args.seeds, args.querybank, options)
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
