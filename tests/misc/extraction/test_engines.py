"""Processes, or a cluster, that run an extraction; see also tests/nightly/test_engines.py."""

import multiprocessing
import signal
import socket
import threading

import pytest
from tqdm import tqdm

from misc.extraction.engines import ProcessEngine


def test_an_unreachable_cluster_is_one_line(eleven_videos, refused_extraction, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    line = f"--address (or RAY_ADDRESS) {address}: cannot be reached"
    assert line in refused_extraction("--engine", "ray", "--address", address)
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert line in refused_extraction("--engine", "ray")


def name_lock_of_tqdm():
    """Return the module of the lock that tqdm has in this process."""
    return type(tqdm(disable=True).get_lock()).__module__


def test_processes_leave_no_semaphore_of_tqdm():
    """Python would warn of one when the program ends, if the pool ends the process first."""
    with ProcessEngine(worker=None, workers=1, timeout=1) as engine:
        assert engine._pool.schedule(name_lock_of_tqdm).result(60) == "_thread"


def test_control_c_during_the_start_of_processes_ends_them():
    """Otherwise the end of the program would wait for them, and they would find their locks gone."""
    engine = ProcessEngine(worker=None, workers=2, timeout=1)
    schedule = engine._pool.schedule

    def interrupted_schedule(*args):
        schedule(*args)
        assert len(multiprocessing.active_children()) == 2
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # received when it is not blocked any more

    engine._pool.schedule = interrupted_schedule
    with pytest.raises(KeyboardInterrupt), engine:
        pytest.fail("the signal was ignored")
    assert multiprocessing.active_children() == []
