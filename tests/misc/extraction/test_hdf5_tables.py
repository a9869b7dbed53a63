"""Tables that grow by rows, and one line about a damaged file."""

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from misc.extraction.hdf5_tables import append_rows, explain_damage
from utils.errors import InputError


@given(
    st.lists(st.integers(0, 4).flatmap(lambda count: arrays(np.float32, (count, 3), elements=st.integers(0, 9))), max_size=6)
)
def test_rows_follow_each_other(parts):
    with h5py.File("rows", "w", driver="core", backing_store=False) as file:
        firsts = [append_rows(file, "a/b", rows) for rows in parts]
        assert firsts == [sum(map(len, parts[:i])) for i in range(len(parts))]
        if parts:
            np.testing.assert_array_equal(file["a/b"][:], np.concatenate(parts))


@pytest.mark.parametrize(
    "error", [OSError("no\nfile"), KeyError("no\nfile"), ValueError("no\nfile"), RuntimeError("no\nfile")]
)
def test_damage_is_one_line_with_the_file(tmp_path, error):
    with (
        pytest.raises(
            InputError, match=r"x.h5: damaged \(.*file.*\), or changed since it was opened: repeat the command, or misc/"
        ) as caught,
        explain_damage(tmp_path / "x.h5"),
    ):
        raise error
    assert "\n" not in str(caught.value)
    with pytest.raises(ZeroDivisionError), explain_damage(tmp_path / "x.h5"):
        raise ZeroDivisionError
