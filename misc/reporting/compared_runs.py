"""The work of `misc/compare.py`: a comparison of groups of runs, or a calibration of its tests."""

import argparse

from logger.results import METRIC_LABELS
from misc.reporting.comparison import compare_groups, format_comparison, write_comparison
from misc.reporting.run_groups import RunGroup, check_distinct, read_groups
from misc.reporting.significance import calibrate
from misc.reporting.tables import LEVEL, TASKS
from utils.errors import InputError, count_text


def print_calibration(group: RunGroup, metrics: list[str], runs: int, pairs: int) -> None:
    """Print how often two groups of `runs` runs of one config differ."""
    if runs < 1 or 2 * runs > len(group.runs):
        raise InputError(f"--calibrate {runs}: {group.name} has {count_text(len(group.runs), 'run')}, expected {2 * runs}")
    print(f"{group.name}, {pairs} pairs of {count_text(runs, 'run')} each on half of the videos: share with p <= {LEVEL}")
    for task in TASKS:
        for metric in metrics:
            rates = calibrate(group.sample(task, metric), group.queries_per_video(task), runs, pairs)
            shares = ", ".join(f"{name} {100 * rate:.1f} %" for name, rate in rates.items())
            print(f"{task} {METRIC_LABELS.get(metric, metric)}: {shares}")


def run(args: argparse.Namespace) -> None:
    """Print a comparison, and write it to files."""
    groups = read_groups(args.runs, args.querybank)
    check_distinct(groups)
    if args.calibrate is not None:
        for group in groups:
            print_calibration(group, args.metrics, args.calibrate, args.pairs)
        return
    if len(groups) < 2:
        raise InputError("one group of runs: expected two or more (or --querybank, or --calibrate)")
    content = compare_groups(groups, args.metrics, args.hit, args.to_first)
    print(format_comparison(content, args.queries))
    if args.out:
        print(f"\npage: {write_comparison(args.out, content)}")
