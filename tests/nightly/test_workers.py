"""Workers that run out of a resource: the main process ends with one line, and does not wait for them."""

import pytest
from helpers.commands import CONFIG, MODELS, trained
from helpers.daily import cases_of_today
from helpers.isolated_process import run_program
from helpers.starvation import assert_ends_with_one_line

# A process that imports the loader, and a child of it that outlives it.
CHILD = """
import multiprocessing
import time

import data_loader.data_loaders


def work():
    time.sleep(0.5)
    print("done", flush=True)


multiprocessing.get_context("fork").Process(target=work).start()
"""


@pytest.mark.parametrize("fault", cases_of_today(["processes", "threads", "killed", "files"], 4))
def test_a_training_does_not_wait_for_a_worker_that_fails(workplace, fault):
    assert_ends_with_one_line("train", fault, "--config", CONFIG)
    assert not list(MODELS.glob("*/checkpoint-epoch2.pth"))


def test_nor_does_a_test(run):
    folder, _ = trained(run, "--train_single_epoch")
    assert_ends_with_one_line("test", "files", "--resume", folder / "trained_model.pth")


def test_other_children_of_a_process_that_imports_the_loader_live_on():
    ended = run_program(CHILD)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")
