"""Atomic writes: a file is complete or absent."""

import json
import os

import pytest

from utils.files import atomic_write, remove_abandoned, write_json


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


def test_a_completed_write_replaces_the_old_file(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"a longer old content")
    with atomic_write(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"a longer old content"
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x.bin", b"new")]


def test_two_processes_with_the_same_id_do_not_share_a_temporary_file(tmp_path, monkeypatch):
    """Two containers that share a disk both count from 1."""
    monkeypatch.setattr("os.getpid", lambda: 1)
    path = tmp_path / "x.bin"
    with atomic_write(path) as one:
        with atomic_write(path) as other:
            other.write(b"other")
        assert path.read_bytes() == b"other"
        one.write(b"one")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x.bin", b"one")]


def test_files_of_killed_writes_are_deleted_after_a_day(tmp_path):
    path = tmp_path / "x.bin"
    with pytest.raises(ZeroDivisionError), atomic_write(path):
        (left,) = tmp_path.iterdir()
        1 / 0  # noqa: B018
    left.touch()
    remove_abandoned(path)
    assert left.exists()
    os.utime(left, (0, 0))
    remove_abandoned(path)
    assert not left.exists()


def test_json_is_written_atomically(tmp_path):
    path = tmp_path / "x.json"
    content = {"a": [1, 2.5, None, "café"], "b": {"c": True}}
    write_json(path, content)
    assert json.loads(path.read_text()) == content
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == content
    assert len(list(tmp_path.iterdir())) == 1
