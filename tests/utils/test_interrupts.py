"""Signals are deferred to the end of a block, and not lost."""

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from utils.interrupts import (
    InterruptHandler,
    Terminated,
    block_signals,
    defer_signals,
    ignore_termination_signals,
    sigterm_raised,
)


@pytest.fixture(autouse=True)
def default_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_deferred():
    done = []
    with pytest.raises(KeyboardInterrupt), defer_signals():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("the rest of the block")
    assert done
    with pytest.raises(KeyboardInterrupt):  # the handler is restored
        os.kill(os.getpid(), signal.SIGINT)


def test_without_signals_nothing_is_raised_and_errors_pass():
    with defer_signals():
        pass
    with pytest.raises(ZeroDivisionError), defer_signals():
        1 / 0  # noqa: B018
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ignored_signals_stay_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with defer_signals():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_signals_with_handlers_are_deferred():
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        with pytest.raises(ZeroDivisionError), defer_signals():
            os.kill(os.getpid(), signal.SIGTERM)
            assert not received
            1 / 0  # noqa: B018
        assert received == [signal.SIGTERM]
        os.kill(os.getpid(), signal.SIGTERM)
        assert len(received) == 2
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_second_deferred_signal_is_raised_after_the_block():
    done = []
    with pytest.raises(KeyboardInterrupt), InterruptHandler():
        with defer_signals():
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
            done.append(True)
        done.append(False)
    assert done == [True]


def test_sighup_is_treated_like_sigterm():
    """It is ignored under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with pytest.raises(Terminated), sigterm_raised():
            os.kill(os.getpid(), signal.SIGHUP)
        with sigterm_raised():
            with InterruptHandler() as interrupts:
                os.kill(os.getpid(), signal.SIGHUP)
            assert interrupts.interrupted
            with pytest.raises(KeyboardInterrupt) as raised:
                interrupts.raise_if_interrupted()
            assert raised.type is Terminated
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with sigterm_raised():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_process_that_its_parent_ends_ignores_all_signals_of_its_group():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    try:
        ignore_termination_signals()
        assert [signal.getsignal(number) for number in numbers] == [signal.SIG_IGN] * 3
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def test_processes_and_threads_of_a_block_keep_signals_blocked():
    command = [sys.executable, "-c", "import signal; print(sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))))"]
    masks = []
    with block_signals():
        inside = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        threads = ThreadPoolExecutor(1)
        threads.submit(int).result()
    masks = [threads.submit(signal.pthread_sigmask, signal.SIG_BLOCK, []).result(), set(map(int, json.loads(inside)))]
    assert all(mask >= {signal.SIGINT, signal.SIGHUP} and signal.SIGTERM not in mask for mask in masks)
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    threads.shutdown()
    with pytest.raises(KeyboardInterrupt), block_signals():
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)  # of the process, another thread takes it
        masks.clear()  # it is not raised before the end of the block
    assert masks == []
