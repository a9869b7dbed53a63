"""An interruption waits for the end of a block, and is not lost."""

import os
import signal

import pytest

from utils.interrupts import Interruptions, Terminated, held_back, sigterm_raised


@pytest.fixture(autouse=True)
def usual_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interruption_waits():
    done = []
    with pytest.raises(KeyboardInterrupt), held_back():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("the rest of the block")
    assert done
    with pytest.raises(KeyboardInterrupt):  # as before
        os.kill(os.getpid(), signal.SIGINT)


def test_without_one_nothing_is_raised_and_errors_pass():
    with held_back():
        pass
    with pytest.raises(ZeroDivisionError), held_back():
        1 / 0  # noqa: B018
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_ignores_interruptions_goes_on_ignoring_them():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with held_back():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_signals_wait_for_their_handlers_too():
    came = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        with pytest.raises(ZeroDivisionError), held_back():
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
            with Interruptions() as interruptions:
                os.kill(os.getpid(), signal.SIGHUP)
            assert interruptions.came
            with pytest.raises(Terminated):
                interruptions.heed()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with sigterm_raised():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
