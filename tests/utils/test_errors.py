"""Exit codes and error lines of commands."""

import subprocess
import sys

import pytest
import torch
from helpers.paths import ROOT
from torch._utils import ExceptionWrapper

from utils.errors import NO_ROOM, CommandParser, InputError, cli_command
from utils.interrupts import Terminated


@pytest.fixture(autouse=True)
def hook_as_before(monkeypatch):
    """Restore the hook for errors in destructors, which a command that ends for lack of workers replaces."""
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)


@pytest.mark.parametrize(
    ("problem", "code", "line"),
    [
        (InputError("file: found\n 3,\n expected 4"), 2, "error: file: found 3, expected 4\n"),
        (InputError("a\x1b[2J, a\0 and a \ud800"), 2, "error: a\\x1b[2J, a\\x00 and a \\ud800\n"),
        (PermissionError(13, "Permission denied", "data/x"), 2, "error: data/x: Permission denied\n"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 2, "error: not enough memory"),
        (RuntimeError("Storage size calculation overflowed with sizes=[3]"), 2, "error: not enough memory"),
        (RuntimeError("DataLoader worker (pid 7) is killed"), 2, "error: a data loading worker has ended"),
        (RuntimeError("Pin memory thread exited unexpectedly"), 2, "error: a data loading worker has ended"),
        (RuntimeError("can't start new thread"), 2, "error: no further process or thread can be started"),
        (
            RuntimeError(f"{NO_ROOM} (Too many open files (24))"),
            2,
            "error: too many open files; raise the limit (ulimit -n)",
        ),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (Terminated(), 143, "terminated\n"),
    ],
)
def test_an_error_that_a_user_can_fix_is_one_line(capsys, problem, code, line):
    @cli_command
    def main():
        raise problem

    with pytest.raises(SystemExit) as stop:
        main()
    err = capsys.readouterr().err
    assert stop.value.code == code and err.startswith(line) and err.count("\n") == 1


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (InputError("file: found 3, expected 4"), "error: file: found 3, expected 4\n"),
        (OSError(5, "Input/output error", "a/b"), "error: file system: [Errno 5] Input/output error: 'a/b'\n"),
        (
            RuntimeError("half\nof it"),
            "error: a data loading worker has ended, perhaps for lack of memory, open files or ",
        ),
        (MemoryError("no"), "error: a data loading worker has ended, perhaps for lack of memory, open files or "),
    ],
)
def test_an_error_in_a_worker_is_one_line_without_a_traceback(capsys, problem, line):
    """torch raises the error again, with the traceback in its message."""

    @cli_command
    def main():
        try:
            raise problem
        except Exception:
            wrapper = ExceptionWrapper(where="in DataLoader worker process 0")
        wrapper.reraise()

    with pytest.raises(SystemExit) as stop:
        main()
    err = capsys.readouterr().err
    assert stop.value.code == 2 and err.startswith(line) and err.count("\n") == 1 and "Traceback" not in err


def test_a_command_whose_output_is_closed_ends_silently():
    """The reader of the output, such as `head`, has exited."""
    lines = "from utils.errors import cli_command; cli_command(lambda: print('line ' * 100_000))()"
    process = subprocess.Popen(
        [sys.executable, "-c", lines], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    assert process.stdout.read(4) == b"line"
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait(timeout=60) == 141
    process.stderr.close()


def test_a_bug_keeps_its_traceback():
    with pytest.raises(RuntimeError, match="size of tensor"):
        cli_command(lambda: torch.ones(2) + torch.ones(3))()


def test_an_error_of_arguments_is_one_line_and_help_has_the_usage(capsys):
    parser = CommandParser(prog="train.py")
    parser.add_argument("-k", type=int)
    for arguments, line in (
        (["-k", "x"], "train.py: error: argument -k: invalid int value: 'x' (see --help)\n"),
        (["a\nb\x1b[2J"], "train.py: error: unrecognized arguments: a b\\x1b[2J (see --help)\n"),
    ):
        with pytest.raises(SystemExit) as stop:
            parser.parse_args(arguments)
        assert stop.value.code == 2 and capsys.readouterr() == ("", line)
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    assert capsys.readouterr().out.startswith("usage: train.py ")
