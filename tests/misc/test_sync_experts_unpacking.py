"""Archives that are refused, interrupted, deleted or replaced while they are unpacked."""

import shutil
import tarfile
from pathlib import Path

import pytest
from helpers.archive_server import packed
from helpers.sync_server import ARCHIVE, FIRST, RGB, TAR, assert_synced, expect

from misc import sync_experts


def test_a_refused_archive_is_kept(sync_refused, server, monkeypatch):
    evil = packed(("data/MSVD/symlinked-feats/rgb.pickle", b"rgb"), ("train.py", b"evil"))
    server.files[FIRST] = evil
    expect(monkeypatch, evil)
    Path("train.py").write_text("ours")
    err = sync_refused("--purge_tar_file")
    assert (
        f"error: {TAR}: refused, its member 'train.py' is unsafe: it leads to 'train.py', expected a place in data/" in err
    )
    assert Path("train.py").read_text() == "ours" and TAR.read_bytes() == evil


def interrupt_after(monkeypatch, owner, name, calls):
    """Raise KeyboardInterrupt in a call of a function, after a number of calls that succeed."""
    original, count = getattr(owner, name), iter(range(calls))

    def interrupted(*arguments, **options):
        if next(count, None) is None:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, interrupted)


@pytest.mark.parametrize(
    ("owner", "name", "calls"),
    [
        (tarfile.TarFile, "makefile", 1),  # one file is written of two
        (Path, "replace", 1),  # nothing is moved to its place, after the archive itself
        (sync_experts, "write_json", 0),  # all is in place, but not recorded
    ],
)
def test_an_interrupted_unpacking_is_repeated(sync, server, monkeypatch, owner, name, calls):
    if owner is Path:
        calls += 1  # that of the version of the download
    with monkeypatch.context() as context:
        interrupt_after(context, owner, name, calls)
        code, _, err = sync()
    assert (code, err) == (130, "interrupted\n")
    assert name == "write_json" or not Path("data/MSVD").exists()
    assert sync()[0] == 0
    assert len(server.log) == 1
    assert_synced()


def test_deleted_features_are_unpacked_again(sync, server, monkeypatch):
    sync()
    shutil.rmtree(RGB.parent)
    with monkeypatch.context() as context:
        interrupt_after(context, Path, "replace", 1)  # of what is moved to its place
        assert sync()[0] == 130
    assert not Path("data/MSVD/synced.json").exists()
    assert sync()[0] == 0
    assert len(server.log) == 1
    assert_synced()


def test_a_new_version_replaces_the_old(sync, server, monkeypatch):
    old = packed(("data/MSVD/symlinked-feats/rgb.pickle", b"rgb"))
    server.files[FIRST] = old
    expect(monkeypatch, old)
    assert sync("--purge_tar_file")[0] == 0
    assert RGB.read_bytes() == b"rgb"
    server.files[FIRST] = ARCHIVE
    expect(monkeypatch, ARCHIVE)
    assert sync("--purge_tar_file")[0] == 0
    assert_synced()
