"""The bar that counts bytes."""

import io
import re

from utils.progress import byte_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def last(self):
        """Return the text on its line."""
        return self.getvalue().split("\r")[-1].rstrip()


def output(monkeypatch, kind):
    """Record standard output. It is not a fixture, since pytest replaces it again before the test."""
    file = kind()
    monkeypatch.setattr("sys.stdout", file)
    return file


def test_shows_sizes_speed_and_the_time_left(monkeypatch):
    terminal = output(monkeypatch, Terminal)
    with byte_bar("file", 4 * 2**30, 2**30) as bar:
        bar.start_t -= 100  # seconds ago
        bar.update(2**30)
        bar.refresh()
        assert re.fullmatch(r"file:  50%\|.*\| 2\.00G/4\.00G \[01:4\d<03:2\d, 10\.\dMB/s\]", terminal.last())


def test_what_was_there_before_is_no_speed(monkeypatch):
    terminal = output(monkeypatch, Terminal)
    with byte_bar("file", 2**30, 2**29):
        assert " 50%|" in terminal.last() and terminal.last().endswith("| 512M/1.00G [00:00<?, ?B/s]")


def test_an_unknown_size_shows_no_percentage(monkeypatch):
    terminal = output(monkeypatch, Terminal)
    with byte_bar("file", None) as bar:
        bar.start_t -= 100
        bar.update(500 * 2**20)
        bar.refresh()
        assert re.fullmatch(r"file: 500MB \[01:4\d, [45]\.\d\dMB/s\]", terminal.last())


def test_is_gone_afterwards(monkeypatch):
    terminal = output(monkeypatch, Terminal)
    with byte_bar("file", 10) as bar:
        bar.update(10)
    assert "file" in terminal.getvalue() and terminal.last() == ""


def test_is_absent_where_there_is_no_terminal(monkeypatch, capsys):
    file = output(monkeypatch, io.StringIO)
    with byte_bar("file", 10) as bar:
        bar.update(10)
    assert file.getvalue() == "" and capsys.readouterr().err == ""
