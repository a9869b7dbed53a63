"""Log lines before and after a run has its folder."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.paths import ROOT

from logger.logging_setup import log_to, start_logging


@pytest.fixture(autouse=True)
def handlers_as_they_were():
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in before:
            handler.close()
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(False)


def test_lines_reach_terminal_and_file_once_and_in_order(tmp_path, capsys):
    start_logging(verbosity=2)
    logging.getLogger("a").info("early")
    assert capsys.readouterr().out == "early\n"
    log_to(tmp_path)
    logging.getLogger("b").warning("late")
    assert capsys.readouterr().out == "late\n"
    lines = (tmp_path / "info.log").read_text().splitlines()
    assert [line.split()[2:] for line in lines] == [["INFO", "early"], ["WARNING", "late"]]


def test_quiet_runs_print_only_warnings(tmp_path, capsys):
    start_logging(verbosity=0)
    log_to(tmp_path)
    logging.getLogger("a").info("hidden")
    logging.getLogger("a").warning("shown")
    assert capsys.readouterr().out == "shown\n" and "hidden" not in (tmp_path / "info.log").read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_under_the_log_is_reported_once(tmp_path, capsys):
    (tmp_path / "info.log").symlink_to("/dev/full")
    start_logging(verbosity=2)
    log_to(tmp_path)
    for line in ("one", "two"):
        logging.getLogger("a").info(line)
    out, err = capsys.readouterr()
    lines = ["one", f"{tmp_path}/info.log: cannot be written (No space left on device), no further line is kept", "two"]
    assert (sorted(out.splitlines()), err) == (sorted(lines), "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_under_the_output_is_reported_once_and_ends_nothing():
    lines = """
import logging
from logger.logging_setup import start_logging
start_logging(verbosity=2)
for line in ("one", "two"):
    logging.warning(line)
print("three")
"""
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run([sys.executable, "-c", lines], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    warning = "warning: standard output: cannot be written (No space left on device), no further line is printed\n"
    assert (ended.returncode, ended.stderr) == (0, warning)
