"""Lines and tables of results."""

import logging
import re

import pytest
from helpers.commands import train

import test as test_command
from logger.results import epoch_line, format_table, warn_if_small


def test_a_row_per_direction_and_a_column_per_metric():
    values = {"t2v_metrics": {"R1": 12.34, "MedR": 5.0}, "v2t_metrics": {"R1": 1.0, "MedR": 106.5}}
    rows = [line.split() for line in format_table(values).splitlines()]
    assert rows == [["R@1", "MdR"], ["t2v", "12.3", "5.0"], ["v2t", "1.0", "106.5"]]
    assert len({len(line) for line in format_table(values).splitlines()}) == 1  # aligned
    spread = {"t2v_metrics": {"R1": 0.5, "MedR": 0.0}, "v2t_metrics": {"R1": 0.25, "MedR": 3.0}}
    assert "12.3 (0.5)" in format_table(values, spread) and "106.5 (3.0)" in format_table(values, spread)


def test_intervals_stand_below_their_values():
    values = {"t2v_metrics": {"R1": 12.34, "MedR": 5.0}, "v2t_metrics": {"R1": 1.0, "MedR": 106.5}, "own_metrics": {"x": 1}}
    intervals = {"t2v_metrics": {"R1": (8.06, 21.0), "MedR": (4, 5.5)}, "v2t_metrics": {"R1": (0, 2), "MedR": (99, 120.25)}}
    lines = format_table(values, intervals=intervals).splitlines()
    assert [line.split() for line in lines[2::2]] == [["8.1-21.0", "4.0-5.5"], ["0.0-2.0", "99.0-120.2"]]
    assert [line.split()[0] for line in lines] == ["R@1", "t2v", "8.1-21.0", "v2t", "0.0-2.0", "own"]
    assert lines[2].index("8.1-21.0") + len("8.1-21.0") == lines[1].index("12.3") + len("12.3")


def test_the_corner_of_a_table_says_how_many_videos_were_ranked():
    values = {"t2v_metrics": {"R1": 50.0}}
    for videos, corner in [(1, "1 video, chance R@1 100.0"), (10, "10 videos, chance R@1 10.0"), (50, "50 videos")]:
        head = format_table(values, videos=videos).splitlines()[0]
        assert re.split("  +", head) == [corner, "R@1"]
    assert len({len(line) for line in format_table(values, videos=10_000).splitlines()}) == 1


def test_a_small_split_is_named_with_its_chance_level(caplog):
    with caplog.at_level(logging.WARNING):
        warn_if_small({"val": 2, "test": 49, "large": 50, "one": 1})
    first, second, third = (record.message for record in caplog.records)
    assert first.startswith("split val has only 2 videos: a random order has R@1 50.0, R@5 100.0, R@10 100.0")
    assert second.startswith("split test has only 49 videos: a random order has R@1 2.0, R@5 10.2, R@10 20.4")
    assert third.startswith("split one has only 1 video: ")


@pytest.mark.parametrize(("rate", "text"), [(31.94, "31.9 steps/s"), (1.0, "1.0 steps/s"), (0.033, "0.033 steps/s")])
def test_the_speed_of_a_slow_training_is_not_zero(rate, text):
    values = {"epoch": 1, "loss": 0.5, "lr": 0.1, "steps_per_second": rate}
    assert text in epoch_line("val", 3, values, {})


def test_the_line_of_an_epoch_has_what_the_loss_logs():
    values = {"temperature": 0.06512, "epoch": 1, "loss": 0.5, "lr": 0.1, "steps_per_second": 2.0, "val_x_metrics_R1": 3.0}
    assert epoch_line("val", 3, values, {}) == "epoch 1/3: loss 0.5000, temperature 0.06512, lr 1.00e-01, 2.0 steps/s"


def test_the_commands_warn_of_each_small_split_once_and_count_its_videos(run):
    folder, out = train(run, "--train_single_epoch", "--set", "test_split=test")
    assert out.count("split val has only 10 videos") == out.count("split test has only 10 videos") == 1
    assert out.count("10 videos, chance R@1 10.0  ") == 1 and "2019 release counts" not in out
    code, out, _ = run(test_command, "--resume", folder / "trained_model.pth", "--split", "val")
    assert code == 0 and out.count("split val has only 10 videos") == 1 and "split test" not in out
    assert out.count("10 videos, chance R@1 10.0  ") == 1 and "2019 release counts" not in out
