"""`misc/search.py serve`, ended by the system."""

import signal

import pytest
from helpers.search_server import RESUME, assert_signal_ends_server

import misc.search as search_command

pytest.importorskip("starlette")


def test_a_termination_ends_it_cleanly(collection, call):
    """With an open connection, and after a query that failed because the text encoder is missing."""
    code, _, err = call(search_command, "build", *RESUME)
    assert code == 0, err
    assert_signal_ends_server(signal.SIGTERM, 143, "terminated")
