"""The checkpoint of a run to resume from, and the one to test, chosen from small files."""

import pytest
import torch

from base.checkpoint import BEST, INTERRUPTED
from base.runs import ResumePoint, load_best

MONITOR = "max val_x"


def write(folder, name, epoch, step=None, **values):
    state = {
        "arch": "CENet",
        "epoch": epoch,
        "seed": 0,
        "state_dict": {},
        "config": {},
        "config_file": "c",
        "values": values,
    }
    if step is not None:
        state["begun"] = {"step": step, "loss": 1.0, "seconds": 1.0}
    torch.save(state, folder / name)


def periodic(folder, *epochs, **values):
    for epoch in epochs:
        write(folder, f"checkpoint-epoch{epoch}.pth", epoch, **values)


@pytest.mark.parametrize(
    ("best", "interrupted", "expected"),
    [
        (2, None, "checkpoint-epoch3.pth"),
        (4, None, BEST),  # epoch 4 was the best, and there was no time for its periodic checkpoint
        (2, (4, 1), INTERRUPTED),
        (2, (3, 5), "checkpoint-epoch3.pth"),  # of an earlier interruption: epoch 3 is complete since
        (4, (4, 5), BEST),
        (4, (5, 0), INTERRUPTED),
    ],
)
def test_the_checkpoint_that_has_got_furthest_is_resumed(tmp_path, best, interrupted, expected):
    periodic(tmp_path, 1, 2, 3)
    write(tmp_path, BEST, best)
    if interrupted:
        epoch, step = interrupted
        write(tmp_path, INTERRUPTED, epoch, step)
    assert ResumePoint.newest(tmp_path).path.name == expected


def test_if_the_best_model_is_lost_the_best_of_the_others_is_tested_and_not_the_last(tmp_path):
    (tmp_path / BEST).write_bytes(b"damaged")
    for epoch, value in ((1, 3.0), (2, 7.0), (3, 5.0)):
        periodic(tmp_path, epoch, val_x=value)
    path, state = load_best(tmp_path, MONITOR)
    assert (path.name, state["epoch"]) == ("checkpoint-epoch2.pth", 2)


def test_a_checkpoint_without_the_monitored_value_is_not_tested_in_place_of_the_best(tmp_path):
    (tmp_path / BEST).write_bytes(b"damaged")
    periodic(tmp_path, 1, val_x=3.0)
    periodic(tmp_path, 2, val_y=7.0)
    assert load_best(tmp_path, MONITOR)[1]["epoch"] == 1
    assert load_best(tmp_path, "off")[1]["epoch"] == 2
