"""Workers that run out of a resource, hang or exit: the main process ends with one line and does not wait for them."""

import gc
import os
import resource

import pytest
import torch
from helpers.commands import CONFIG
from helpers.isolated_process import run_program
from helpers.starvation import WORKERS

import train as train_command
from data_loader import workers
from data_loader.workers import limit_workers, require_open_files
from utils.errors import InputError

INFINITE = resource.RLIM_INFINITY


@pytest.fixture
def limits(monkeypatch):
    """Return a list of fake limits of open files (soft, hard), the current one last; 20 files are open."""
    found = [(1024, 4096)]
    monkeypatch.setattr(workers, "_num_open_files", lambda: 20)
    monkeypatch.setattr(resource, "getrlimit", lambda _: found[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: found.append(pair))
    return found


@pytest.mark.parametrize("hard", [4096, INFINITE])
def test_the_soft_limit_is_raised_to_what_is_needed(limits, hard):
    limits[:] = [(128, hard)]
    require_open_files(2, 23)
    (soft, found), needed = limits[-1], 20 + 2 * 2 * 23  # at least: those that wait for the main process
    assert found == hard and needed < soft < 1024


@pytest.mark.parametrize("pair", [(1024, 4096), (1024, 1024), (INFINITE, INFINITE)])
def test_limits_that_suffice_stay(limits, pair):
    limits[:] = [pair]
    require_open_files(2, 23)
    assert limits == [pair]


def test_without_workers_no_limit_is_too_low(limits):
    limits[:] = [(3, 3)]
    require_open_files(0, 23)
    assert limits == [(3, 3)]


def test_more_workers_and_more_experts_need_more(limits):
    needed = []
    for num_workers, num_tensors in ((1, 10), (2, 10), (2, 20), (16, 20)):
        limits[:] = [(1, INFINITE)]
        require_open_files(num_workers, num_tensors)
        needed.append(limits[-1][0])
    assert needed == sorted(set(needed))


def test_a_hard_limit_that_is_too_low_is_refused_before_any_worker_starts(limits):
    limits[:] = [(128, 128)]
    line = r"num_workers: 2 workers need about \d+ open files, the limit is 128; .*\(ulimit -n 1024\), or .*num_workers=0"
    with pytest.raises(InputError, match=line):
        require_open_files(2, 23)
    assert limits == [(128, 128)]


def test_the_number_of_open_files(tmp_path):
    gc.collect()  # files of earlier tests
    before = workers._num_open_files()
    with (tmp_path / "a").open("w"), (tmp_path / "b").open("w"):
        assert workers._num_open_files() == before + 2


@pytest.mark.parametrize(("num_workers", "for_gpu", "expected"), [(3, True, 3), (9, True, 8), (9, False, 3), (2, False, 2)])
def test_workers_leave_the_cores_to_the_threads_of_torch(monkeypatch, num_workers, for_gpu, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    assert limit_workers(num_workers, for_gpu) == expected
    monkeypatch.setattr(torch, "get_num_threads", lambda: 9)
    assert limit_workers(num_workers, for_gpu) == (expected if for_gpu else 0)


def test_a_training_below_a_low_limit_ends_with_a_message(limits, refused, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64), raising=False)
    limits[:] = [(64, 64)]
    assert "data_loader.args.num_workers: 2 workers need about" in refused(train_command, "--config", CONFIG, *WORKERS)


HANGS = """
import time

from torch.utils.data import DataLoader

from data_loader.workers import initialize_worker, worker_context


class Items:
    def __len__(self):
        return 8

    def __getitem__(self, index):
        time.sleep(1000 if index > 1 else 0)
        return index


loader = DataLoader(
    Items(),
    num_workers=1,
    persistent_workers=True,
    worker_init_fn=initialize_worker,
    multiprocessing_context=worker_context(),
)
print(next(iter(loader)))
"""

IMPORTS = """
import sys

from torch.utils.data import DataLoader

from data_loader.workers import initialize_worker, worker_context

loader = DataLoader(range(4), num_workers=1, worker_init_fn=initialize_worker, multiprocessing_context=worker_context())
batches = iter(loader)
before = set(sys.modules)
next(batches)
print([name for name in set(sys.modules) - before if name.startswith("torch.")])
"""


def test_a_process_does_not_wait_for_a_worker_that_hangs():
    ended = run_program(HANGS)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "tensor([0])\n", "")


def test_torch_imports_nothing_while_workers_run():
    """The error of a failed worker may be raised during an import inside torch, which would swallow it."""
    ended = run_program(IMPORTS)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "[]\n", "")
