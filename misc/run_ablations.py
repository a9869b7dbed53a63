"""Run the experiments of a suite of tables with several seeds, score the leak study, and fill in the tables.

What is done already, with the same config and seeds, is not done again, and what was interrupted goes on.
"""

import argparse
import itertools
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from base.checkpoint import BEST
from base.runs import find_complete_run, find_unfinished_run
from misc import gen_readme
from misc.reporting import tables
from misc.reporting.evaluations import evaluation_of
from misc.reporting.jobs import Job, cores, run_jobs
from model.similarity import SIMILARITIES
from parse_config import ConfigParser, parse_seeds
from utils.errors import InputError, cli_command


def config_to_train(experiment: str) -> dict[str, Any]:
    """The config of an experiment as train.py keeps it.

    Raises:
        InputError: there is none that can be trained.
    """
    return ConfigParser.from_file(tables.config_of(experiment), training=True).with_test_split().as_dict()


def log_of(config: Mapping[str, Any]) -> Path:
    """The folder that takes what the commands on an experiment print."""
    return Path(config["trainer"]["save_dir"], "log", config["name"])


def trainings(suite: str, seeds: Sequence[int], device: Sequence[str]) -> list[Job]:
    """What is left to train, after a line about each experiment.

    Args:
        device: arguments of every command.
    """
    jobs = []
    for experiment in tables.experiments_of(suite):
        config = config_to_train(experiment)
        if done := find_complete_run(config, seeds):
            print(f"{experiment}: done, {done}")
            continue
        begun = find_unfinished_run(config, seeds)
        print(f"{experiment}: {f'to go on in {begun.models}' if begun else 'to train'}")
        arguments = ("--config", str(tables.config_of(experiment)), "--seeds", ",".join(map(str, seeds)), "--resume", "auto")
        jobs.append(Job(experiment, ("train.py", *arguments, *device), log_of(config) / "train.out"))
    return jobs


def scorings(suite: str, seeds: Sequence[int], device: Sequence[str], planned: bool = False) -> list[Job]:
    """What is left to score for the study of the leak: every checkpoint of runs that are complete, by every similarity.

    Args:
        planned: also of runs that are still to be trained, whose folder is not known yet.
    """
    jobs = []
    studies = [table for table in map(tables.TABLES.get, tables.suites()[suite]) if table.leak]
    for experiment in [experiment for table in studies for experiment in table.rows.values()]:
        config = config_to_train(experiment)
        run = find_complete_run(config, seeds)
        if run is None and planned:
            run = Path(config["trainer"]["save_dir"], "models", config["name"], "<time>")
        for seed, similarity in itertools.product(seeds if run else (), SIMILARITIES):
            checkpoint = run / f"seed-{seed}" / BEST
            if evaluation_of(checkpoint, similarity) is None:
                arguments = ("test.py", "--resume", str(checkpoint), "--similarity", similarity, *device)
                output = log_of(config) / f"test-seed-{seed}-{similarity}.out"
                jobs.append(Job(f"{experiment} seed {seed} scored {similarity}", arguments, output))
    return jobs


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--suite", required=True, choices=list(tables.suites()), help="experiments of the tables of a dataset"
    )
    parser.add_argument("--seeds", default="0,1,2", metavar="N,N,...", help="two or more (default: %(default)s)")
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="experiments at a time (default: as many as cores; with --device, one)"
    )
    parser.add_argument("--device", type=int, metavar="N", help="index of the GPU to use (default: the CPU)")
    parser.add_argument("--dry_run", action="store_true", help="say what is done and what would be run, and run nothing")
    args = parser.parse_args()
    if args.jobs is None:
        args.jobs = cores() if args.device is None else 1
    if args.jobs < 1:
        raise InputError(f"--jobs {args.jobs}: expected 1 or more")
    return args


def run_suite(args: argparse.Namespace, seeds: Sequence[int]) -> list[str]:
    """Train, score and fill in the tables: a line for each failure."""
    device = () if args.device is None else ("--device", str(args.device))
    jobs = trainings(args.suite, seeds, device)
    if args.dry_run:
        for job in jobs + scorings(args.suite, seeds, device, planned=True):
            print(shlex.join(["python", *job.arguments]))
        return []
    failures = run_jobs(jobs, args.jobs)
    failures += run_jobs(scorings(args.suite, seeds, device), args.jobs)
    if not failures:
        gen_readme.write_blocks(gen_readme.results_blocks(",".join(tables.suites()[args.suite]), gen_readme.MODELS))
    return failures


@cli_command
def main() -> None:
    """Run a suite; one line for each failure, and exit code 1."""
    args = parse_arguments()
    seeds = parse_seeds(args.seeds)
    if len(seeds) < 2:
        raise InputError(f"--seeds {args.seeds}: expected two or more, tables give a standard deviation")
    again = shlex.join(["python", "misc/run_ablations.py", *sys.argv[1:]])
    try:
        failures = run_suite(args, seeds)
    except KeyboardInterrupt:
        print(f"stopped, what is done stays; go on with: {again}")
        raise
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    if failures:
        print(f"{len(failures)} failed, no table was filled in; once that is mended, go on with: {again}")
        sys.exit(1)


if __name__ == "__main__":
    main()
