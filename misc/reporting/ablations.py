"""The experiments of a suite of tables: their trainings and scorings."""

import argparse
import itertools
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from base.checkpoint import BEST
from base.runs import find_complete_run, find_unfinished_run
from misc.reporting import markdown_blocks, tables
from misc.reporting.pages import render_results_blocks
from misc.reporting.results import find_evaluation
from model.variants import SIMILARITIES
from parse_config import ConfigParser
from utils.jobs import Job, exit_with_failures, run_jobs


def read_config(experiment: str) -> dict[str, Any]:
    """Return the config of an experiment in the form that train.py saves; raise an InputError if it is invalid."""
    return ConfigParser.from_file(tables.config_path(experiment), training=True).with_test_split().as_dict()


def output_folder(config: Mapping[str, Any]) -> Path:
    """Return the folder for the output of the commands on an experiment."""
    return Path(config["trainer"]["save_dir"], "log", config["name"])


def plan_trainings(suite: str, seeds: Sequence[int], device: Sequence[str]) -> list[Job]:
    """Return the trainings of a suite that are not complete, and print a line about each experiment."""
    jobs = []
    for experiment in tables.list_experiments(suite):
        config = read_config(experiment)
        if done := find_complete_run(config, seeds):
            print(f"{experiment}: done, {done}")
            continue
        unfinished = find_unfinished_run(config, seeds)
        print(f"{experiment}: {f'to resume in {unfinished.models}' if unfinished else 'to train'}")
        selection = ("--config", str(tables.config_path(experiment)), "--seeds", ",".join(map(str, seeds)))
        arguments = ("train.py", *selection, "--resume", "auto", *device)
        jobs.append(Job(experiment, arguments, output_folder(config) / "train.out"))
    return jobs


def plan_scorings(suite: str, seeds: Sequence[int], device: Sequence[str], planned: bool = False) -> list[Job]:
    """Return the missing scorings of the study of the leak: every checkpoint of complete runs, with every similarity.

    With `planned`, runs that are still to be trained are included; their folder is not known yet.
    """
    jobs = []
    for experiment in tables.list_experiments(suite, leak=True):
        config = read_config(experiment)
        run = find_complete_run(config, seeds)
        if run is None and planned:
            run = Path(config["trainer"]["save_dir"], "models", config["name"], "<time>")
        for seed, similarity in itertools.product(seeds if run else (), SIMILARITIES):
            checkpoint = run / f"seed-{seed}" / BEST
            if find_evaluation(checkpoint, similarity) is None:
                arguments = ("test.py", "--resume", str(checkpoint), "--similarity", similarity, *device)
                output = output_folder(config) / f"test-seed-{seed}-{similarity}.out"
                jobs.append(Job(f"{experiment} seed {seed} scored {similarity}", arguments, output))
    return jobs


def run_suite(args: argparse.Namespace, seeds: Sequence[int]) -> list[str]:
    """Train, score and fill in the tables, and return a line for each failure."""
    device = () if args.device is None else ("--device", str(args.device))
    jobs = plan_trainings(args.suite, seeds, device)
    if args.dry_run:
        for job in jobs + plan_scorings(args.suite, seeds, device, planned=True):
            print(shlex.join(["python", *job.arguments]))
        return []
    failures = run_jobs(jobs, args.jobs)
    failures += run_jobs(plan_scorings(args.suite, seeds, device), args.jobs)
    if not failures:
        names = ",".join(tables.suites()[args.suite])
        markdown_blocks.write_blocks(render_results_blocks(names, tables.MODELS))
    return failures


def run(args: argparse.Namespace) -> None:
    """Run a suite; print a line per failure and end with exit code 1 if there are any."""
    again = shlex.join(["python", "misc/run_ablations.py", *sys.argv[1:]])
    try:
        failures = run_suite(args, args.seeds)
    except KeyboardInterrupt:
        print(f"stopped, what is complete is kept; resume with: {again}")
        raise
    summary = f"{len(failures)} failed, no table was filled in; after fixing that, resume with: {again}"
    exit_with_failures(failures, summary)
