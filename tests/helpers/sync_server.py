"""A small archive in place of the published one, a server for it, and the command that downloads it."""

import dataclasses
import hashlib
import json
import random
import tarfile
import threading
from pathlib import Path

import pytest
from helpers.archive_server import Server, packed

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


def expect(monkeypatch, archive, size=None):
    """Make `archive` the published one."""
    published = Download(size or len(archive), ("0" * 40, hashlib.sha1(archive).hexdigest()))
    monkeypatch.setitem(LAYOUTS, "MSVD", dataclasses.replace(LAYOUTS["MSVD"], download=published))


def assert_synced():
    """Assert that the whole archive is unpacked, and that there are no other files."""
    assert RGB.read_bytes() == FEATURES
    assert RGB.with_name("link.pickle").is_symlink() and RGB.with_name("link.pickle").read_bytes() == b"ocr"
    files = {str(path) for path in Path("data").rglob("*") if not path.is_dir()}
    names = {"synced.json", "more/ocr.pickle", "symlinked-feats/rgb.pickle", "symlinked-feats/link.pickle"}
    assert files - {str(TAR)} == {f"data/MSVD/{name}" for name in names}


def everything():
    """Return all files and folders with their content."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in Path().rglob("*")}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Enter an empty working directory, and replace the archive of MSVD by a small one."""
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
def sync(server, call):
    """Run the command for MSVD on the server; return exit code, standard output and standard error."""

    def sync(*arguments):
        own = ["--dataset", "MSVD", "--release", "2019", "--root_url", server.url]
        return call(sync_experts, *own, *arguments)

    return sync


@pytest.fixture
def sync_refused(sync):
    """Run the command, which has to fail without unpacking anything; return its line on standard error."""

    def sync_refused(*arguments):
        code, _, err = sync(*arguments)
        assert code == 2, err
        assert err.startswith("error: ") and err.count("\n") == 1 and "Traceback" not in err
        assert not Path("data/MSVD").exists() and not list(Path("data").glob(".*"))
        return err

    return sync_refused


def part_of_another(length, **notes):
    """Write the first bytes of another file, and the notes on its version."""
    PART.parent.mkdir(parents=True, exist_ok=True)
    PART.write_bytes(b"x" * length)
    if notes:
        PART.with_name(f"{PART.name}.json").write_text(json.dumps(notes))
