"""Calls of functions in separate processes."""

import pytest

from misc.speed import scaling
from misc.speed.process import call_in_process
from utils.errors import InputError


def test_a_process_that_fails_is_an_error():
    with pytest.raises(InputError, match="measure .*ranking.*: ended with exit code 1"):
        call_in_process(scaling.measure, "ranking", {"videos": -1, "captions": 2})
