"""How a command ends."""

import pytest
import torch

from utils.errors import InputError, command


@pytest.mark.parametrize(
    ("problem", "code", "line"),
    [
        (InputError("file: found\n 3,\n expected 4"), 2, "error: file: found 3, expected 4\n"),
        (InputError("a\x1b[2J, a\0 and a \ud800"), 2, "error: a\\x1b[2J, a\\x00 and a \\ud800\n"),
        (PermissionError(13, "Permission denied", "data/x"), 2, "error: data/x: Permission denied\n"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 2, "error: not enough memory"),
        (RuntimeError("Storage size calculation overflowed with sizes=[3]"), 2, "error: not enough memory"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_what_a_person_can_mend_is_one_line(capsys, problem, code, line):
    @command
    def main():
        raise problem

    with pytest.raises(SystemExit) as stop:
        main()
    err = capsys.readouterr().err
    assert stop.value.code == code and err.startswith(line) and err.count("\n") == 1


def test_a_defect_of_ours_keeps_its_traceback():
    with pytest.raises(RuntimeError, match="size of tensor"):
        command(lambda: torch.ones(2) + torch.ones(3))()
