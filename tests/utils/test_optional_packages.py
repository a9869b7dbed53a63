"""Messages about packages that only some commands need."""

import pytest

from utils.errors import InputError
from utils.optional_packages import require_package


def test_a_missing_package_is_refused_with_the_command_that_installs_it():
    with pytest.raises(InputError, match="package 'no_such_package': not installed, expected it: pip install -r"):
        require_package("no_such_package")
