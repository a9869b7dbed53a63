"""Content of feature files that is read or refused."""

import numpy as np
import pytest

from data_loader.readers import read_file, read_items
from data_loader.readers.pickle_file import UnstreamableError
from utils.errors import InputError

ARRAYS = {
    "half": np.arange(12, dtype=np.float16).reshape(3, 4),
    "single": np.linspace(-1, 1, 5, dtype=np.float32),
    "double": np.full((2, 1), 1e300),
    "columns first": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "other byte order": np.arange(4, dtype=">f4"),
    "empty": np.zeros((0, 7), dtype=np.float32),
    "café/one": np.array([np.nan, np.inf]),
}


class Reduction:
    """An object that is pickled as a call of `function`, followed by setting a state if there is one."""

    def __init__(self, function, *args, state=None):
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.reduced


def unsafe_content(path):
    """Return what a file holds according to its refusal when its items are read."""
    with pytest.raises(InputError) as caught:
        dict(read_items(path)[1])
    assert str(caught.value).startswith(f"{path}: refused, it holds ")
    return str(caught.value).partition("it holds ")[2]


def refusal(path):
    """Return the message of the refusal of `path`, which names the file in one line; it is refused item by item, too."""
    with pytest.raises((InputError, UnstreamableError)):
        dict(read_items(path)[1])
    with pytest.raises(InputError) as caught:
        read_file(path)
    message = str(caught.value)
    assert path.name in message
    assert message.isprintable(), repr(message)
    return message
