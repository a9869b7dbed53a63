"""The archives, fetched and unpacked as people ask for them."""

import dataclasses
import hashlib
import shutil
import sys
import tarfile
from pathlib import Path

import pytest
from helpers.archive_server import packed
from helpers.sync_server import (
    ARCHIVE,
    FEATURES,
    FIRST,
    PART,
    RGB,
    SECOND,
    TAR,
    assert_synced,
    everything,
    expect,
    part_of_another,
)

from data_loader.datasets import LAYOUTS
from data_loader.datasets.layout import Download
from misc import sync_experts

# Success.


def test_fetches_checks_and_unpacks_once(sync, server):
    code, out, err = sync()
    assert (code, err) == (0, "") and f"{server.url}{FIRST}" in out
    assert_synced()
    assert TAR.read_bytes() == ARCHIVE
    assert [(request["Range"], request["Accept-Encoding"]) for request in server.log] == [(None, "identity")]
    before = everything()
    code, out, _ = sync()
    assert code == 0 and "data/MSVD: there already" in out
    assert len(server.log) == 1 and everything() == before


def test_purges_the_archive_and_does_not_miss_it(sync, server):
    assert sync("--purge_tar_file")[0] == 0
    assert not TAR.exists()
    assert_synced()
    assert sync()[0] == 0 and sync("--purge_tar_file")[0] == 0
    assert len(server.log) == 1 and not TAR.exists()


def test_purges_an_archive_that_was_kept(sync, server):
    sync()
    assert sync("--purge_tar_file")[0] == 0
    assert not TAR.exists() and len(server.log) == 1
    assert_synced()


def test_an_archive_that_is_there_is_not_fetched(sync, server):
    TAR.parent.mkdir(parents=True)
    TAR.write_bytes(ARCHIVE)
    assert sync()[0] == 0
    assert_synced()
    assert server.log == []


def test_a_wrong_archive_that_is_there_is_fetched_again(sync, server):
    TAR.parent.mkdir(parents=True)
    TAR.write_bytes(b"an old one")
    code, out, _ = sync()
    assert code == 0 and f"found the sha1 {hashlib.sha1(b'an old one').hexdigest()}" in out
    assert_synced()
    assert TAR.read_bytes() == ARCHIVE


@pytest.mark.parametrize("fault", [{"piece": 1000}, {"headers": {"Content-Encoding": "gzip"}}, {"no_length": True}])
def test_unusual_answers_will_do(sync, server, fault):
    server.always = fault
    assert sync()[0] == 0
    assert_synced()
    assert len(server.log) == 1


@pytest.mark.parametrize("way", [["--dataset", "msvd"], ["--dataset", "all"], ["--dataset", "MSVD", "msvd"]])
def test_names_are_found_in_any_case_and_fetched_once(sync, server, monkeypatch, way):
    for name in list(LAYOUTS):
        if name != "MSVD":
            monkeypatch.delitem(LAYOUTS, name)
    assert sync(*way)[0] == 0
    assert_synced()
    assert len(server.log) == 1


def test_a_root_may_end_with_a_slash_and_be_in_capitals(sync, server):
    server.files = {f"/MIRROR{FIRST}": ARCHIVE}
    assert sync("--root_url", f"{server.url.upper()}/MIRROR/")[0] == 0
    assert_synced()


def test_several_datasets_by_folder(sync, server, monkeypatch):
    archive = packed(("data/didemo/symlinked-feats/rgb.pickle", b"rgb"))
    published = Download(len(archive), (hashlib.sha1(archive).hexdigest(),))
    monkeypatch.setitem(LAYOUTS, "DiDeMo", dataclasses.replace(LAYOUTS["DiDeMo"], download=published))
    server.files["/data/features/didemo-experts.tar.gz"] = archive
    assert sync("--dataset", "MSVD", "didemo")[0] == 0
    assert RGB.read_bytes() == FEATURES
    assert Path("data/didemo/symlinked-feats/rgb.pickle").read_bytes() == b"rgb"


def test_data_may_be_a_link(sync, project):
    disk = project.parent / "disk"
    disk.mkdir()
    Path("data").symlink_to(disk)
    assert sync()[0] == 0
    assert Path("data").is_symlink() and (disk / "MSVD/symlinked-feats/rgb.pickle").read_bytes() == FEATURES
    assert RGB.with_name("link.pickle").read_bytes() == b"ocr"


# Unpacking.


def test_an_archive_that_is_refused_is_kept(sync_refused, server, monkeypatch):
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


def test_features_that_were_deleted_are_unpacked_again(sync, server, monkeypatch):
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


# Only looking.


def test_list(sync, server):
    def here():
        code, out, err = sync("--dataset", "all", "--list")
        assert (code, err) == (0, "")
        (row,) = (line for line in out.splitlines() if line.startswith("MSVD"))
        assert row.endswith("face, flow, ocr, rgb, scene") and "0" * 40 in row and "293.4 KiB" in row
        assert f"\n{' ' * row.index('0' * 40)}{hashlib.sha1(ARCHIVE).hexdigest()}\n" in f"{out}\n"
        assert [line.split()[0] for line in out.splitlines() if line[0] != " "][1:] == [name for name in LAYOUTS if name]
        return row[row.index("293.4 KiB") + 9 : row.index("0" * 40)].strip()

    assert here() == "no"
    assert everything() == {}
    part_of_another(1024)
    assert here() == "1.0 KiB of it"
    PART.rename(TAR)
    assert here() == "archive"
    assert "about 586.8 KiB needed" in sync("--dry_run")[1]
    TAR.unlink()
    RGB.parent.mkdir(parents=True)
    assert here() == "unrecorded"
    sync()
    assert here() == "yes"
    assert len(server.log) == 1


def test_dry_run_says_what_would_be_done_and_does_nothing(sync, server, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 5, 5))
    code, out, err = sync("--dry_run")
    assert (code, err) == (0, "")
    for said in (f"{server.url}{FIRST}", f"{server.url}{SECOND}", str(TAR), "about 293.4 KiB", "unpack data/MSVD"):
        assert said in out
    assert "5 Bytes of disk free, about 880.2 KiB needed" in out
    assert server.log == [] and everything() == {}


def test_dry_run_of_what_is_there(sync, server):
    sync()
    before = everything()
    code, out, _ = sync("--dry_run")
    assert code == 0 and "here: yes" in out and "fetch  http" not in out and "about 0 Bytes needed" in out
    assert everything() == before and len(server.log) == 1


# Errors before the download.


def test_too_little_disk(sync_refused, server, monkeypatch):
    needed = 3 * len(ARCHIVE)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(needed, 1, needed - 1))
    err = sync_refused()
    assert "error: data: 880.2 KiB of disk free, about 880.2 KiB needed" in err
    assert server.log == [] and everything() == {}


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [((), 9), (("--purge_tar_file",), 8)],
)
def test_enough_disk_for_all_that_is_asked_for(sync, server, monkeypatch, arguments, needed):
    """Archives of one and two units take these and twice as much, or with purging the larger and twice as much.

    Bytes that are downloaded already count.
    """
    unit = len(ARCHIVE)
    published = dataclasses.replace(LAYOUTS["DiDeMo"], download=Download(2 * unit, ("0" * 40,)))
    monkeypatch.setitem(LAYOUTS, "DiDeMo", published)
    part_of_another(100)
    if not arguments:
        needed -= 100 / unit
    for free, code in ((round(needed * unit) - 1, 2), (round(needed * unit), 0)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: shutil._ntuple_diskusage(10 * free, 1, free))
        monkeypatch.setattr(sync_experts, "sync", lambda *_: None)
        assert sync("--dataset", "MSVD", "DiDeMo", *arguments)[0] == code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--dataset", "MSVDD"],
            "--dataset MSVDD: no such dataset, expected some of ",
        ),
        (["--dataset", ""], "--dataset : no such dataset"),
        (["--root_url", "ftp://127.0.0.1"], "--root_url ftp://127.0.0.1: expected an address that starts with http"),
        (["--root_url", "http://"], "expected an address to download from"),
    ],
)
def test_bad_arguments(sync_refused, server, arguments, message):
    assert message in sync_refused(*arguments)
    assert server.log == []


def test_a_dataset_that_was_not_published_is_not_offered(sync_refused, sync, monkeypatch):
    monkeypatch.setitem(LAYOUTS, "MSVD", dataclasses.replace(LAYOUTS["MSVD"], download=None))
    assert "--dataset MSVD: no such dataset" in sync_refused()
    assert "MSVD" not in sync("--dataset", "all", "--list")[1]


def test_no_dataset(monkeypatch, capsys, project):
    monkeypatch.setattr(sys, "argv", ["sync_experts.py"])
    with pytest.raises(SystemExit) as stop:
        sync_experts.main()
    assert stop.value.code == 2 and capsys.readouterr().err.startswith("error: --dataset: missing, expected some of ")


def test_a_folder_of_the_dataset_that_leads_out_of_data(sync, server, project):
    outside = project.parent / "outside"
    outside.mkdir()
    Path("data").mkdir()
    Path("data/MSVD").symlink_to(outside)
    code, _, err = sync()
    assert code == 2 and err.startswith("error: data/MSVD/symlinked-feats: leads out of data") and err.count("\n") == 1
    assert not list(outside.iterdir()) and server.log == []


def test_data_is_a_link_to_a_disk_that_is_not_there(sync_refused, server, project):
    Path("data").symlink_to(project.parent / "disk")
    assert "data: found a file or a broken link" in sync_refused()
    assert server.log == [] and not (project.parent / "disk").exists()
