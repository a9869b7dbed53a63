"""An interruption waits for the end of a block, and is not lost."""

import os
import signal

import pytest

from utils.interrupts import InterruptHandler, Terminated, defer_signals, sigterm_raised


@pytest.fixture(autouse=True)
def usual_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interruption_waits():
    done = []
    with pytest.raises(KeyboardInterrupt), defer_signals():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("the rest of the block")
    assert done
    with pytest.raises(KeyboardInterrupt):  # as before
        os.kill(os.getpid(), signal.SIGINT)


def test_without_one_nothing_is_raised_and_errors_pass():
    with defer_signals():
        pass
    with pytest.raises(ZeroDivisionError), defer_signals():
        1 / 0  # noqa: B018
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_ignores_interruptions_goes_on_ignoring_them():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with defer_signals():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_signals_wait_for_their_handlers_too():
    came = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        with pytest.raises(ZeroDivisionError), defer_signals():
            os.kill(os.getpid(), signal.SIGTERM)
            assert not came
            1 / 0  # noqa: B018
        assert came == [signal.SIGTERM]
        os.kill(os.getpid(), signal.SIGTERM)
        assert len(came) == 2
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_end_of_a_terminal_is_as_sigterm():
    """SIGHUP, but not where `nohup` ignores it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with pytest.raises(Terminated), sigterm_raised():
            os.kill(os.getpid(), signal.SIGHUP)
        with sigterm_raised():
            with InterruptHandler() as interruptions:
                os.kill(os.getpid(), signal.SIGHUP)
            assert interruptions.interrupted
            with pytest.raises(Terminated):
                interruptions.raise_if_interrupted()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with sigterm_raised():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
