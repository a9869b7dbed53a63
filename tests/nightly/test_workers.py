"""Workers that run out of a resource: the main process ends with one line, and does not wait for them."""

import pytest
from helpers.commands import CONFIG, MODELS, trained
from helpers.daily import cases_of_today
from helpers.starvation import assert_ends_with_one_line


@pytest.mark.parametrize("fault", cases_of_today(["processes", "threads", "killed"], 3))
def test_a_training_does_not_wait_for_a_worker_that_fails(workplace, fault):
    assert_ends_with_one_line("train", fault, "--config", CONFIG)
    assert not list(MODELS.glob("*/checkpoint-epoch2.pth"))


def test_nor_does_a_test(run):
    folder, _ = trained(run, "--train_single_epoch")
    assert_ends_with_one_line("test", "files", "--resume", folder / "trained_model.pth")
