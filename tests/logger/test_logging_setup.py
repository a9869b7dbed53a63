"""Log lines before and after a run has its folder."""

import logging

import pytest

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
    start_logging()
    logging.getLogger("a").info("early")
    assert capsys.readouterr().out == "early\n"
    log_to(tmp_path)
    logging.getLogger("b").warning("late")
    assert capsys.readouterr().out == "late\n"
    lines = (tmp_path / "info.log").read_text().splitlines()
    assert [line.split()[2:] for line in lines] == [["INFO", "early"], ["WARNING", "late"]]


def test_quiet_runs_say_warnings_alone(tmp_path, capsys):
    start_logging(verbosity=0)
    log_to(tmp_path)
    logging.getLogger("a").info("hidden")
    logging.getLogger("a").warning("shown")
    assert capsys.readouterr().out == "shown\n" and "hidden" not in (tmp_path / "info.log").read_text()
