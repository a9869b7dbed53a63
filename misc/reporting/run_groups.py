"""Runs to compare: those of one config in a group, read from their `ranks.json`."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from base.experiment import METRICS, RANKS
from base.query_ranks import QueryRanks
from base.runs import list_runs, read_run_config, seed_folders
from misc.reporting.tables import SCORES, TASKS
from parse_config import leaves
from utils.errors import InputError, count_text

# Keys in which the config of a run may differ from that of its experiment.
IGNORED_KEYS = re.compile(
    r"seed|name|test_split|n_gpu|log_name|disable_gpu|visualizer.*|tester.*"
    r"|trainer\.(save_dir|save_period|verbosity|tensorboard)|data_loader\.args\.(data_dir|cache_dir|num_workers)"
)
# Keys of an evaluation that change none of the ranks which are compared.
EVALUATION_KEYS = re.compile(r"qrels|confidence|evaluation_memory")
BANK_KEYS = re.compile(r"querybank(\..*)?")


@dataclasses.dataclass
class RunGroup:
    """The runs of one config with different seeds.

    Attributes:
        name: the name to show.
        paths: the `ranks.json` of each of k runs.
        runs: their content.
        querybank: whether the ranks with the query bank are meant.
    """

    name: str
    paths: list[Path]
    runs: list[QueryRanks]
    querybank: bool = False

    def ranks(self, task: str) -> np.ndarray:
        """Return the 0-based ranks (k, Q) of all queries of a direction."""
        return np.array([run.ranks[f"{task}_querybank" if self.querybank else task] for run in self.runs])

    def sample(self, task: str, metric: str) -> np.ndarray:
        """Return the sums (k, V) of a metric over the queries of each video."""
        scores = SCORES[metric](self.ranks(task))
        if task == "v2t":
            return scores
        owners = np.array(self.runs[0].owners)
        return np.stack([np.bincount(owners, weights=x, minlength=len(self.runs[0].videos)) for x in scores])

    def queries_per_video(self, task: str) -> np.ndarray:
        """Return the number of queries of each video, (V,)."""
        run = self.runs[0]
        return np.bincount(run.owners, minlength=len(run.videos)) if task == "t2v" else np.ones(len(run.videos), dtype=int)


def read_groups(arguments: Sequence[str], querybank: bool = False) -> list[RunGroup]:
    """Read the groups of the command line: `[NAME=]PATH[,PATH...]` each.

    Args:
        querybank: whether each group is followed by one with the ranks with the query bank.

    Raises:
        InputError: no run, runs of different configs in a group, a seed twice, or runs that cannot be compared.
    """
    groups = [_read_group(argument, querybank) for argument in arguments]
    if len(names := [group.name for group in groups]) > len(set(names)):
        for group in groups:
            group.name += f" ({_origin(group.paths[0])})" if names.count(group.name) > 1 else ""
    runs = [(path, run) for group in groups for path, run in zip(group.paths, group.runs, strict=True)]
    for path, run in runs[1:]:
        _check_queries(path, run, *runs[0])
    if len(runs[0][1].videos) < 2:
        raise InputError(f"{runs[0][0]}: {count_text(len(runs[0][1].videos), 'video')}, expected at least 2")
    if not querybank:
        return groups
    for path, run in runs:
        if missing := [task for task in TASKS if f"{task}_querybank" not in run.ranks]:
            raise InputError(f"{path}: no {missing[0]} ranks with a query bank, expected an evaluation with --querybank")
    banks = [dataclasses.replace(group, name=f"{group.name} + query bank", querybank=True) for group in groups]
    return [x for pair in zip(groups, banks, strict=True) for x in pair]


def check_distinct(groups: Sequence[RunGroup]) -> None:
    """Raise an InputError for a run that is in two groups, which are no independent samples."""
    owners: dict[tuple[Path, bool], RunGroup] = {}
    for group in groups:
        for path in group.paths:
            if (owner := owners.setdefault((path.resolve(), group.querybank), group)) is not group:
                raise InputError(f"{path}: in the groups {owner.name} and {group.name}, expected each run in one group")


def _read_group(argument: str, querybank: bool) -> RunGroup:
    name, rest = _split_name(argument)
    given = [Path(rest)] if Path(rest).exists() else [Path(part) for part in rest.split(",")]
    paths = [path for part in given for path in _find_ranks(part)]
    runs = [QueryRanks.read(path) for path in paths]
    seeds: dict[int, Path] = {}
    for path, run in zip(paths, runs, strict=True):
        if run.seed in seeds:
            both = f"{seeds[run.seed]} and {path}"
            raise InputError(f"{argument}: seed {run.seed} is there twice ({both}), expected different seeds; name one run")
        seeds[run.seed] = path
        _check_config(path, paths[0], querybank)
    config = read_run_config(paths[0].parent) or {}
    return RunGroup(name or config.get("name") or Path(runs[0].config).stem, paths, runs)


def _split_name(argument: str) -> tuple[str, str]:
    """Return the name, "" without one, and the paths of an argument; both may have equals signs."""
    if not Path(argument).exists():
        for match in re.finditer("=", argument):
            if Path(argument[match.end() :].split(",")[0]).exists():
                return argument[: match.start()], argument[match.end() :]
    return "", argument


def _find_ranks(path: Path) -> list[Path]:
    """Return the files of ranks of a run, of its seeds, or of all runs of an experiment."""
    if path.name in (RANKS, METRICS):
        path = path.parent
    if not path.is_dir():
        found = "another file" if path.exists() else "not there"
        raise InputError(f"{path}: {found}, expected the folder of a run or of an experiment, {METRICS} or {RANKS}")
    found = []
    for run in [path] if (path / RANKS).exists() or seed_folders(path) else reversed(list_runs(path)):
        if (run / RANKS).exists():
            found.append(run / RANKS)
        for folder in seed_folders(run).values():
            if not (folder / RANKS).exists():
                raise InputError(f"{folder}: no {RANKS}, expected one; test.py on its checkpoint writes one")
            found.append(folder / RANKS)
    if not found:
        raise InputError(f"{path}: no {RANKS} of a run in it, expected one; test.py on a checkpoint writes one")
    return found


def _check_config(path: Path, first: Path, querybank: bool) -> None:
    """Raise an InputError if the config of a run differs from that of the first one of its group in more than the seed.

    Its query bank may differ, too, unless the ranks with it are compared.
    """
    ignored = [IGNORED_KEYS, EVALUATION_KEYS] if querybank else [IGNORED_KEYS, EVALUATION_KEYS, BANK_KEYS]
    found, wanted = (leaves(read_run_config(x.parent) or {}) for x in (path, first))
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key) and not any(keys.fullmatch(key) for keys in ignored):
            raise InputError(
                f"{path}: {key} is {found.get(key)}, expected {wanted.get(key)} as in {first}, of the same group"
            )


def _check_queries(path: Path, run: QueryRanks, first_path: Path, first: QueryRanks) -> None:
    """Raise an InputError if two runs cannot be compared."""
    for key in ("split", "v2t_ties"):
        if getattr(run, key) != getattr(first, key):
            raise InputError(f"{path}: {key} '{getattr(run, key)}', expected '{getattr(first, key)}' as in {first_path}")
    for noun, key in (("video", "videos"), ("caption", "captions"), ("text", "texts")):
        found, wanted = getattr(run, key), getattr(first, key)
        if len(found) != len(wanted):
            raise InputError(f"{path}: {count_text(len(found), noun)}, expected {len(wanted)} as in {first_path}")
        for x, y in zip(found, wanted, strict=True):
            if x != y:
                raise InputError(f"{path}: {noun} {x[:80]!r}, expected {y[:80]!r} as in {first_path}")


def _origin(path: Path) -> str:
    """Return the folder of a run, or of its first seed, without that of its experiment."""
    folder = path.parent
    return f"{folder.parent.name}/{folder.name}" if folder.name.startswith("seed-") else folder.name
