"""The archives, from a server on this machine that truncates, drops, stalls, lies and throttles."""

import dataclasses
import fcntl
import hashlib
import json
import random
import resource
import shutil
import socket
import sys
import tarfile
import threading
from pathlib import Path

import pytest
from archive_server import Server, packed

from data_loader.datasets import LAYOUTS
from data_loader.datasets.layout import Download
from misc import sync_experts
from utils import download

FIRST, SECOND = (f"/{place}/features/MSVD-experts.tar.gz" for place in ("data", "data-deprecated"))
TAR = Path("data/features/MSVD-experts.tar.gz")
PART = Path(f"{TAR}.part")
RGB = Path("data/MSVD/symlinked-feats/rgb.pickle")
FEATURES = random.Random(0).randbytes(300_000)


ARCHIVE = packed(
    ("data/MSVD/symlinked-feats/rgb.pickle", FEATURES),
    ("data/MSVD/symlinked-feats/link.pickle", {"type": tarfile.SYMTYPE, "linkname": "../more/ocr.pickle"}),
    ("data/MSVD/more/ocr.pickle", b"ocr"),
)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty working directory, and MSVD with the archive of these tests."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "BACKOFF", 0)
    expect(monkeypatch, ARCHIVE)
    return folder


@pytest.fixture
def server(project):
    server = Server({FIRST: ARCHIVE})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def sync(server, monkeypatch, capsys):
    """Run the command for MSVD on the server: (exit code, standard output, standard error)."""

    def sync(*arguments):
        own = ["--dataset", "MSVD", "--root_url", server.url]
        monkeypatch.setattr(sys, "argv", ["sync_experts.py", *own, *arguments])
        code = 0
        try:
            sync_experts.main()
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return sync


@pytest.fixture
def refused(sync):
    """Run the command, which has to fail: its one line on standard error. Nothing is unpacked."""

    def refused(*arguments):
        code, _, err = sync(*arguments)
        assert code == 2, err
        assert err.startswith("error: ") and err.count("\n") == 1 and "Traceback" not in err
        assert not Path("data/MSVD").exists() and not list(Path("data").glob(".*"))
        return err

    return refused


def expect(monkeypatch, archive, size=None):
    """Have `archive` be the published one."""
    published = Download(size or len(archive), ("0" * 40, hashlib.sha1(archive).hexdigest()))
    monkeypatch.setitem(LAYOUTS, "MSVD", dataclasses.replace(LAYOUTS["MSVD"], download=published))


def assert_synced():
    """All of the archive is in place, and nothing else besides the archive itself."""
    assert RGB.read_bytes() == FEATURES
    assert RGB.with_name("link.pickle").is_symlink() and RGB.with_name("link.pickle").read_bytes() == b"ocr"
    files = {str(path) for path in Path("data").rglob("*") if not path.is_dir()}
    names = {"synced.json", "more/ocr.pickle", "symlinked-feats/rgb.pickle", "symlinked-feats/link.pickle"}
    assert files - {str(TAR)} == {f"data/MSVD/{name}" for name in names}


def everything():
    """All files and folders, with their content."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in Path().rglob("*")}


# What goes well.


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


# What goes wrong on the way.


def test_goes_on_after_a_drop(sync, server):
    server.faults = [{"stop": 100_000}]
    code, out, _ = sync()
    assert code == 0 and f"connection closed at 100,000 bytes, expected {len(ARCHIVE):,} bytes" in out
    assert [request["Range"] for request in server.log] == [None, "bytes=100000-"]
    assert server.log[1]["sent"] == len(ARCHIVE) - 100_000
    assert_synced()


def test_goes_on_after_a_drop_that_does_not_show(sync, server):
    """Without a Content-Length the connection just ends; the Content-Range of the answer says how long it should be."""
    server.faults = [{"stop": 100_000}, {"no_length": True, "stop": 50_000}]
    assert sync()[0] == 0
    assert [request["Range"] for request in server.log] == [None, "bytes=100000-", "bytes=150000-"]
    assert_synced()


def test_a_weak_etag_is_no_version(sync, server):
    """Two files of the same weak one may differ in their bytes; when they were changed tells more."""
    modified = "Fri, 22 May 2020 10:00:00 GMT"
    server.always = {"etag": 'W/"1"', "headers": {"Last-Modified": modified}}
    server.faults = [server.always | {"stop": 100_000}]
    assert sync()[0] == 0
    assert [(request["Range"], request["If-Range"]) for request in server.log] == [(None, None), ("bytes=100000-", modified)]
    assert_synced()


def test_goes_on_after_a_stall(sync, server, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", (10, 0.2))
    server.faults = [{"stop": 100_000, "stall": True}]
    assert sync()[0] == 0
    assert [request["Range"] for request in server.log] == [None, "bytes=100000-"]
    assert_synced()


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_goes_on_while_that_brings_something(sync, server, status):
    """More drops than retries, as each brings some bytes, and an overloaded server between them."""
    server.faults = [{"stop": 30_000}, {"status": status}] * (download.RETRIES + 3)
    assert sync()[0] == 0
    assert server.log[-1]["Range"] == f"bytes={30_000 * (download.RETRIES + 3)}-"
    assert_synced()


def test_goes_on_in_the_next_call(sync, refused, server):
    server.faults = [{"stop": 100_000}] + [{"status": 503}] * (download.RETRIES + 1)
    err = refused()
    assert f"{server.url}{FIRST}: answered 503 Service Unavailable at 100,000 bytes, expected {len(ARCHIVE):,} bytes" in err
    assert f"{server.url}{SECOND}: answered 404 Not Found" in err and "goes on from there" in err
    assert PART.read_bytes() == ARCHIVE[:100_000] and not TAR.exists()
    server.log.clear()
    assert sync()[0] == 0
    assert [request["Range"] for request in server.log] == ["bytes=100000-"]
    assert_synced()


def test_goes_on_after_an_interruption(sync, server, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    server.faults = [{"stop": 100_000}]
    with monkeypatch.context() as context:
        context.setattr(download.time, "sleep", interrupt)
        code, out, err = sync()
    assert (code, err) == (130, "interrupted\n") and f"{PART} keeps 97.7 KiB, the same command goes on from there" in out
    assert PART.read_bytes() == ARCHIVE[:100_000]
    assert sync()[0] == 0
    assert server.log[1]["Range"] == "bytes=100000-"
    assert_synced()


@pytest.mark.parametrize("fault", [{"no_ranges": True}, {"etag": '"another"'}])
def test_starts_anew_where_the_server_cannot_go_on(sync, server, fault):
    """It does not know ranges, or has another version of the file."""
    server.faults = [{"stop": 100_000}, fault]
    assert sync()[0] == 0
    assert [(request["Range"], request["sent"]) for request in server.log[1:]] == [("bytes=100000-", len(ARCHIVE))]
    assert_synced()


@pytest.mark.parametrize("fault", [{"etag": '"another"', "no_if_range": True}, {"shift": 1}])
def test_an_answer_that_does_not_fit_is_not_added(sync, server, fault):
    """It is of another version, from a server that does not know If-Range, or of other bytes than those asked for."""
    server.faults = [{"stop": 100_000}, fault]
    assert sync()[0] == 0
    assert [request["Range"] for request in server.log] == [None, "bytes=100000-", None]
    assert_synced()


def part_of_another(length, **notes):
    """The first bytes of another file, and what was noted of it."""
    PART.parent.mkdir(parents=True, exist_ok=True)
    PART.write_bytes(b"x" * length)
    if notes:
        PART.with_name(f"{PART.name}.json").write_text(json.dumps(notes))


def test_a_part_of_another_version_is_not_gone_on_with(sync, server):
    part_of_another(1000, validator='"old"', size=2000)
    assert sync()[0] == 0
    assert [request["Range"] for request in server.log] == ["bytes=1000-"]
    assert_synced()


@pytest.mark.parametrize("size", [1000, 2 * len(ARCHIVE)])
def test_a_part_of_another_size_is_not_gone_on_with(sync, server, size):
    """Where the server names no version, it shows from the size of the file: in a part of it (206) or none of it (416)."""
    server.always = {"no_etag": True}
    part_of_another(size, validator=None, size=3 * len(ARCHIVE))
    assert sync()[0] == 0
    assert [request["Range"] for request in server.log] == [f"bytes={size}-", None]
    assert_synced()


@pytest.mark.parametrize("notes", [{}, {"version": "of a later release"}])
def test_a_part_of_unknown_version_is_not_gone_on_with(sync, server, notes):
    part_of_another(1000, **notes)
    assert sync()[0] == 0
    assert [request["Range"] for request in server.log] == [None]
    assert_synced()


@pytest.mark.parametrize(("size", "ranges"), [(len(ARCHIVE), []), (None, [f"bytes={len(ARCHIVE)}-"])])
def test_a_part_that_is_whole_is_not_fetched_again(sync, server, size, ranges):
    part_of_another(1, validator=None, size=size)
    PART.write_bytes(ARCHIVE)
    assert sync()[0] == 0
    assert [(request["Range"], request["sent"]) for request in server.log] == [(range, 0) for range in ranges]
    assert_synced()


@pytest.mark.parametrize(
    "fault", [{"status": 404}, {"status": 500}, {"headers": {"Content-Type": "text/html"}}, {"no_ranges": True, "lie": True}]
)
def test_the_second_address_is_asked_when_the_first_fails(sync, server, fault):
    server.files[SECOND] = ARCHIVE
    if fault.pop("lie", None):
        server.files[FIRST] = ARCHIVE[::-1]
    server.faults = [fault] * (download.RETRIES + 1 if fault.get("status") == 500 else 1)
    assert sync()[0] == 0
    assert server.log[-1]["path"] == SECOND
    assert {request["path"] for request in server.log[:-1]} == {FIRST}
    assert_synced()


def test_the_second_address_goes_on_with_the_part_of_the_first(sync, server):
    server.files[SECOND] = ARCHIVE
    server.faults = [{"stop": 100_000}, {"status": 404}]
    assert sync()[0] == 0
    assert [request["path"] for request in server.log] == [FIRST, FIRST, SECOND]
    assert server.log[2]["Range"] == "bytes=100000-"
    assert_synced()


# What cannot be helped.


def test_neither_address_has_it(refused, server):
    server.files.clear()
    err = refused()
    assert f"{server.url}{FIRST}: answered 404 Not Found, expected a file of about 293.4 KiB" in err
    assert f"{server.url}{SECOND}: answered 404 Not Found" in err
    assert [request["path"] for request in server.log] == [FIRST, SECOND]
    assert not list(TAR.parent.iterdir())


def test_nobody_answers(refused, server):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    err = refused("--root_url", url)
    assert f"{url}{FIRST}: Connection refused, expected about 293.4 KiB" in err
    assert not list(TAR.parent.iterdir())


def test_the_rest_never_comes(sync, refused, server):
    server.faults = [{"stop": 100_000}] + [{"stop": 0}] * download.RETRIES
    err = refused()
    assert f"{FIRST}: connection closed at 100,000 bytes, expected {len(ARCHIVE):,} bytes; " in err
    assert PART.read_bytes() == ARCHIVE[:100_000] and not TAR.exists()
    assert sync()[0] == 0
    assert_synced()


def test_a_file_shorter_than_announced(sync, refused, server):
    """The server announces more than it has."""
    server.files[FIRST] = ARCHIVE[:-1000]
    server.always = {"lacks": 1000}
    err = refused()
    assert f"{FIRST}: found {len(ARCHIVE) - 1000:,} bytes with the sha1 " in err
    assert PART.read_bytes() == ARCHIVE[:-1000] and not TAR.exists()
    server.files[FIRST], server.always = ARCHIVE, {}
    assert sync()[0] == 0
    assert_synced()


def test_a_wrong_sha1_is_said_and_the_next_call_starts_anew(sync, refused, server):
    server.files[FIRST] = ARCHIVE[::-1]
    err = refused()
    right, wrong = (hashlib.sha1(content).hexdigest() for content in (ARCHIVE, ARCHIVE[::-1]))
    assert f"{server.url}{FIRST}: found {len(ARCHIVE):,} bytes with the sha1 {wrong}, expected {'0' * 40} or {right}" in err
    assert "starts anew" in err
    assert PART.read_bytes() == ARCHIVE[::-1] and not TAR.exists()
    server.files[FIRST] = ARCHIVE
    server.log.clear()
    assert sync()[0] == 0
    assert [request["Range"] for request in server.log] == [None]
    assert_synced()


@pytest.mark.parametrize("no_length", [False, True])
def test_a_page_instead_of_the_file_does_not_cost_the_part(refused, server, no_length):
    part_of_another(1000, validator='"old"', size=2000)
    server.files = dict.fromkeys((FIRST, SECOND), b"moved")
    server.always = {"headers": {"Content-Type": "text/html"}, "no_length": no_length}
    err = refused()
    assert f"{FIRST}: found " in err and "expected an archive of about 293.4 KiB" in err
    assert PART.read_bytes() == b"x" * 1000 and "goes on from there" in err


def test_the_disk_is_full(sync, refused, server):
    """What came until then is kept; here the limit is that of a file."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        assert refused() == f"error: {PART}: File too large\n"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    kept = PART.stat().st_size
    assert 100_000 < kept <= 200_000
    assert sync()[0] == 0
    assert [request["Range"] for request in server.log] == [None, f"bytes={kept}-"]
    assert_synced()


def test_another_process_is_fetching_it(refused, server):
    PART.parent.mkdir(parents=True)
    with PART.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert f"{PART}: another process is writing it" in refused()
    assert server.log == []


def test_too_little_disk(refused, server, monkeypatch):
    needed = 3 * len(ARCHIVE)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(needed, 1, needed - 1))
    err = refused()
    assert "error: data: 880.2 KiB of disk free, about 880.2 KiB needed" in err
    assert server.log == [] and everything() == {}


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [((), 9), (("--purge_tar_file",), 8)],
)
def test_enough_disk_for_all_that_is_asked_for(sync, server, monkeypatch, arguments, needed):
    """Archives of one and two units take these and twice as much, or with purging the larger and twice as much.

    What is fetched already counts.
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
def test_bad_arguments(refused, server, arguments, message):
    assert message in refused(*arguments)
    assert server.log == []


def test_a_dataset_that_was_not_published_is_not_offered(refused, sync, monkeypatch):
    monkeypatch.setitem(LAYOUTS, "MSVD", dataclasses.replace(LAYOUTS["MSVD"], download=None))
    assert "--dataset MSVD: no such dataset" in refused()
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


def test_data_is_a_link_to_a_disk_that_is_not_there(refused, server, project):
    Path("data").symlink_to(project.parent / "disk")
    assert "data: found a file or a broken link" in refused()
    assert server.log == [] and not (project.parent / "disk").exists()


# Unpacking.


def test_an_archive_that_is_refused_is_kept(refused, server, monkeypatch):
    evil = packed(("data/MSVD/symlinked-feats/rgb.pickle", b"rgb"), ("train.py", b"evil"))
    server.files[FIRST] = evil
    expect(monkeypatch, evil)
    Path("train.py").write_text("ours")
    err = refused("--purge_tar_file")
    assert (
        f"error: {TAR}: refused, its member 'train.py' is unsafe: it leads to 'train.py', expected a place in data/" in err
    )
    assert Path("train.py").read_text() == "ours" and TAR.read_bytes() == evil


def interrupt_after(monkeypatch, owner, name, calls):
    """Have Ctrl-C come with a call of a function after so many."""
    original, count = getattr(owner, name), iter(range(calls))

    def interrupted(*arguments, **options):
        if next(count, None) is None:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, interrupted)


@pytest.mark.parametrize(
    ("owner", "name", "calls"),
    [
        (tarfile.TarFile, "extractfile", 1),  # one file is written of two
        (Path, "replace", 1),  # nothing is moved to its place, after the archive itself
        (sync_experts, "write_json", 0),  # all is in place, but not recorded
    ],
)
def test_an_interrupted_unpacking_is_repeated(sync, server, monkeypatch, owner, name, calls):
    if owner is Path:
        calls += 1  # that of the notes of the download
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
