"""The benchmark of the evaluation, on an archive of a hundred videos."""

import pytest

from misc.speed import evaluation
from utils.errors import InputError


def test_a_process_that_fails_is_an_error(tmp_path, capfd):
    with pytest.raises(InputError, match="test.py: ended with exit code 2"):
        evaluation.measure(tmp_path / "absent.pth", [])
    assert "absent.pth: no such checkpoint" in capfd.readouterr().err
