"""Fixtures of the tests of `misc/search.py`."""

import pytest

import misc.search as search_command


@pytest.fixture
def search(call):
    """Run a command of misc/search.py that succeeds and return its standard output and standard error."""

    def search(*arguments):
        code, out, err = call(search_command, *arguments)
        assert code == 0, err
        return out, err

    return search


@pytest.fixture
def refuse(call):
    """Run a command of misc/search.py that refuses its input and return its error message."""

    def refuse(*arguments):
        code, _, err = call(search_command, *arguments)
        last = err.splitlines()[-1]
        assert code == 2 and last.startswith("error: ") and "Traceback" not in err, err
        return last

    return refuse
