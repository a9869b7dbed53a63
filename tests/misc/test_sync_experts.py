"""Downloading and unpacking the archives of datasets."""

import dataclasses
import hashlib
from pathlib import Path

import pytest
from helpers.archive_server import packed
from helpers.sync_server import ARCHIVE, FEATURES, FIRST, RGB, TAR, assert_synced, everything

from data_loader.datasets import LAYOUTS
from data_loader.datasets.layout import Download


def test_an_archive_is_downloaded_checked_and_unpacked_once(sync, server):
    code, out, err = sync()
    assert (code, err) == (0, "") and f"{server.url}{FIRST}" in out
    assert_synced()
    assert TAR.read_bytes() == ARCHIVE
    assert [(request["Range"], request["Accept-Encoding"]) for request in server.log] == [(None, "identity")]
    before = everything()
    code, out, _ = sync()
    assert code == 0 and "data/MSVD: there already" in out
    assert len(server.log) == 1 and everything() == before


def test_a_purged_archive_is_not_downloaded_again(sync, server):
    assert sync("--purge_tar_file")[0] == 0
    assert not TAR.exists()
    assert_synced()
    assert sync()[0] == 0 and sync("--purge_tar_file")[0] == 0
    assert len(server.log) == 1 and not TAR.exists()


def test_an_existing_archive_is_purged(sync, server):
    sync()
    assert sync("--purge_tar_file")[0] == 0
    assert not TAR.exists() and len(server.log) == 1
    assert_synced()


def test_an_existing_archive_is_not_downloaded(sync, server):
    TAR.parent.mkdir(parents=True)
    TAR.write_bytes(ARCHIVE)
    assert sync()[0] == 0
    assert_synced()
    assert server.log == []


def test_a_wrong_existing_archive_is_downloaded_again(sync, server):
    TAR.parent.mkdir(parents=True)
    TAR.write_bytes(b"an old one")
    code, out, _ = sync()
    assert code == 0 and f"found the sha1 {hashlib.sha1(b'an old one').hexdigest()}" in out
    assert_synced()
    assert TAR.read_bytes() == ARCHIVE


@pytest.mark.parametrize("fault", [{"piece": 1000}, {"headers": {"Content-Encoding": "gzip"}}, {"no_length": True}])
def test_unusual_responses_are_accepted(sync, server, fault):
    server.always = fault
    assert sync()[0] == 0
    assert_synced()
    assert len(server.log) == 1


@pytest.mark.parametrize("way", [["--dataset", "msvd"], ["--dataset", "all"], ["--dataset", "MSVD", "msvd"]])
def test_dataset_names_match_in_any_case_and_are_downloaded_once(sync, server, monkeypatch, way):
    for name in list(LAYOUTS):
        if name != "MSVD":
            monkeypatch.delitem(LAYOUTS, name)
    assert sync(*way)[0] == 0
    assert_synced()
    assert len(server.log) == 1


def test_a_root_url_may_end_with_a_slash_and_be_in_capitals(sync, server):
    server.files = {f"/MIRROR{FIRST}": ARCHIVE}
    assert sync("--root_url", f"{server.url.upper()}/MIRROR/")[0] == 0
    assert_synced()


def test_several_datasets_are_found_by_folder(sync, server, monkeypatch):
    archive = packed(("data/didemo/symlinked-feats/rgb.pickle", b"rgb"))
    published = Download(len(archive), (hashlib.sha1(archive).hexdigest(),))
    monkeypatch.setitem(LAYOUTS, "DiDeMo", dataclasses.replace(LAYOUTS["DiDeMo"], download=published))
    server.files["/data/features/didemo-experts.tar.gz"] = archive
    assert sync("--dataset", "MSVD", "didemo")[0] == 0
    assert RGB.read_bytes() == FEATURES
    assert Path("data/didemo/symlinked-feats/rgb.pickle").read_bytes() == b"rgb"


def test_the_data_folder_may_be_a_link(sync, project):
    disk = project.parent / "disk"
    disk.mkdir()
    Path("data").symlink_to(disk)
    assert sync()[0] == 0
    assert Path("data").is_symlink() and (disk / "MSVD/symlinked-feats/rgb.pickle").read_bytes() == FEATURES
    assert RGB.with_name("link.pickle").read_bytes() == b"ocr"
