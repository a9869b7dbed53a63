"""Files that are there whole or not at all."""

import json

import pytest

from utils.files import atomic_write, write_json


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("old", [None, b"old"])
def test_an_interrupted_write_changes_nothing(tmp_path, error, old):
    path = tmp_path / "x.bin"
    if old is not None:
        path.write_bytes(old)
    with pytest.raises(error), atomic_write(path) as file:
        file.write(b"ne")
        file.flush()
        assert (path.read_bytes() if path.exists() else None) == old
        raise error
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == ([] if old is None else [("x.bin", old)])


def test_a_write_that_ends_well_takes_the_place_of_the_old(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"a longer old content")
    with atomic_write(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"a longer old content"
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x.bin", b"new")]


def test_json_is_written_whole(tmp_path):
    path = tmp_path / "x.json"
    content = {"a": [1, 2.5, None, "café"], "b": {"c": True}}
    write_json(path, content)
    assert json.loads(path.read_text()) == content
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == content
    assert len(list(tmp_path.iterdir())) == 1
